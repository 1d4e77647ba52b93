//! Contacts: e-mail addresses and telephone numbers, normalised once at the edge (GAPS G-USER-2, D-4).

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The channel a code travels on, which is also the kind of contact it proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OtpType {
    /// `OTP_TYPE_EMAIL`
    #[serde(rename = "OTP_TYPE_EMAIL")]
    Email,
    /// `OTP_TYPE_SMS`
    #[serde(rename = "OTP_TYPE_SMS")]
    Sms,
}

impl OtpType {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "OTP_TYPE_EMAIL",
            Self::Sms => "OTP_TYPE_SMS",
        }
    }
}

impl FromStr for OtpType {
    type Err = UnknownOtpType;

    fn from_str(text: &str) -> Result<Self, UnknownOtpType> {
        match text {
            "OTP_TYPE_EMAIL" => Ok(Self::Email),
            "OTP_TYPE_SMS" => Ok(Self::Sms),
            _ => Err(UnknownOtpType),
        }
    }
}

/// The text names no OTP type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownOtpType;

/// Why a contact was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactError {
    /// Not an RFC 5321 address.
    Email,
    /// Not an E.164 number.
    Phone,
}

/// A contact as given (trimmed) and as compared.
///
/// Two spellings of one address are equal when `normalised` is; `given` is kept for delivery and for the `contact`
/// claim of verification tokens.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Contact {
    kind: OtpType,
    given: String,
    normalised: String,
}

impl Contact {
    /// Parses `text` as a contact of `kind`.
    ///
    /// E-mail: trimmed; 3 to 254 bytes; one `@`; a local part of at most 64 bytes and no space or control character;
    /// a domain that IDNA accepts. Compared in lower case with the domain as A-labels. Telephone: spaces, dashes, dots
    /// and parentheses removed; then `+` and 7 to 15 digits, the first not zero (E.164).
    pub fn parse(kind: OtpType, text: &str) -> Result<Self, ContactError> {
        let given = text.trim();
        let normalised = match kind {
            OtpType::Email => normalise_email(given).ok_or(ContactError::Email)?,
            OtpType::Sms => normalise_phone(given).ok_or(ContactError::Phone)?,
        };
        Ok(Self { kind, given: given.to_owned(), normalised })
    }

    /// Parses an e-mail address.
    pub fn email(text: &str) -> Result<Self, ContactError> {
        Self::parse(OtpType::Email, text)
    }

    /// Parses a telephone number.
    pub fn phone(text: &str) -> Result<Self, ContactError> {
        Self::parse(OtpType::Sms, text)
    }

    /// The kind of contact.
    pub fn kind(&self) -> OtpType {
        self.kind
    }

    /// The spelling that was given, trimmed.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// The form used for look-up, limits and verification.
    pub fn normalised(&self) -> &str {
        &self.normalised
    }

    /// Where a message goes: the given spelling of an address, the E.164 form of a number (D-4).
    pub fn delivery(&self) -> &str {
        match self.kind {
            OtpType::Email => &self.given,
            OtpType::Sms => &self.normalised,
        }
    }
}

/// Contacts are personal data: debug output names the kind only.
impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contact({}, [redacted])", self.kind.as_str())
    }
}

fn normalise_email(given: &str) -> Option<String> {
    if !(3..=254).contains(&given.len()) {
        return None;
    }
    let (local, domain) = given.split_once('@')?;
    if local.is_empty() || local.len() > 64 || domain.contains('@') {
        return None;
    }
    let atom = |c: char| !c.is_control() && !c.is_whitespace() && !"()<>[]:;,\\\"".contains(c);
    if !local.chars().all(atom) || local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return None;
    }
    let domain = idna::domain_to_ascii_strict(domain).ok()?;
    let label = |l: &str| {
        (1..=63).contains(&l.len())
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if domain.is_empty() || !domain.split('.').all(label) {
        return None;
    }
    Some(format!("{}@{}", lower_case(local), domain))
}

/// Lower case, in which no other letter becomes an ASCII one: the Kelvin sign is not a K to any mail server, and who
/// owns one mailbox must not pass for the owner of the other.
fn lower_case(local: &str) -> String {
    let mut text = String::with_capacity(local.len());
    for c in local.chars() {
        if c.is_ascii() || c.to_lowercase().any(|lower| lower.is_ascii()) {
            text.push(c.to_ascii_lowercase());
        } else {
            text.extend(c.to_lowercase());
        }
    }
    text
}

fn normalise_phone(given: &str) -> Option<String> {
    let number: String =
        given.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '\u{a0}')).collect();
    let digits = number.strip_prefix('+')?;
    let e164 = (7..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    e164.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Option<String> {
        Contact::email(text).ok().map(|c| c.normalised().to_owned())
    }

    fn phone(text: &str) -> Option<String> {
        Contact::phone(text).ok().map(|c| c.normalised().to_owned())
    }

    #[test]
    fn addresses_are_compared_in_lower_case_with_an_ascii_domain() {
        assert_eq!(email(" User@Example.COM "), Some("user@example.com".to_owned()));
        assert_eq!(email("a@bücher.example"), Some("a@xn--bcher-kva.example".to_owned()));
        assert_eq!(email("root@localhost"), Some("root@localhost".to_owned()));
        assert_eq!(
            Contact::email(" User@Example.COM ").map(|c| c.delivery().to_owned()),
            Ok("User@Example.COM".to_owned())
        );
    }

    #[test]
    fn no_letter_passes_for_an_ascii_one() {
        assert_eq!(email("\u{212a}im@acme.example"), Some("\u{212a}im@acme.example".to_owned()));
        assert_eq!(email("\u{130}@acme.example"), Some("\u{130}@acme.example".to_owned()));
        assert_eq!(email("JÜRGEN@acme.example"), Some("jürgen@acme.example".to_owned()));
    }

    #[test]
    fn header_injection_is_not_an_address() {
        for text in [
            "a@b.c\r\nBcc: x@y.z",
            "a\n@b.c",
            "a b@c.d",
            "a@b@c",
            "@b.c",
            "a@",
            "a..b@c.d",
            "<a@b.c>",
            "a@-b.c",
            "a@b..c",
        ] {
            assert_eq!(email(text), None, "{text:?}");
        }
        assert_eq!(email(&format!("{}@b.c", "a".repeat(65))), None);
        assert_eq!(email(&format!("a@{}.c", "b".repeat(64))), None);
    }

    #[test]
    fn numbers_are_compared_in_e164_form() {
        assert_eq!(phone("+1 999-999-9999"), Some("+19999999999".to_owned()));
        assert_eq!(phone("+49 (30) 1234567"), Some("+49301234567".to_owned()));
        for text in ["0301234567", "+0301234567", "+1", "+1234567890123456", "+1 555 CALL", "19999999999", ""]
        {
            assert_eq!(phone(text), None, "{text:?}");
        }
    }

    #[test]
    fn debug_output_hides_the_contact() {
        let contact = Contact::email("user@example.com").expect("valid");
        assert!(!format!("{contact:?}").contains("user"));
    }
}
