//! Contacts: e-mail addresses and telephone numbers, normalised once at the edge (GAPS G-USER-2, D-4).
//!
//! Promise: no contact holds a control character, and to normalise what is normalised changes nothing.

mod alias;
mod email;
mod phone;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use alias::AliasRules;
pub use email::{MailDomain, NotADomain};
pub use phone::{Country, NotACountry};

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
    /// Not an E.164 number, or one that its country has no room for.
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
    /// Parses what somebody typed as a contact of `kind`.
    ///
    /// E-mail: trimmed; 3 to 254 bytes, also with the domain as A-labels; one `@`; a local part of at most 64 bytes and no
    /// space, control or invisible character; a domain that IDNA accepts. Compared in lower case with the domain as A-labels.
    ///
    /// Telephone: spaces, dashes, dots and parentheses removed; then `+` and 7 to 15 digits, the first not zero (E.164), of a
    /// length that the numbering plan of its calling code has, and without a national prefix (`docs/decisions/0027`).
    pub fn parse(kind: OtpType, text: &str) -> Result<Self, ContactError> {
        let contact = Self::stored(kind, text)?;
        match kind {
            OtpType::Sms if !phone::is_possible(&contact.normalised) => Err(ContactError::Phone),
            OtpType::Email | OtpType::Sms => Ok(contact),
        }
    }

    /// Reads a contact that was accepted before, or that is merely looked for: as [`Contact::parse`], without the numbering
    /// plans. These change between releases, and a contact must not be lost by that.
    pub fn stored(kind: OtpType, text: &str) -> Result<Self, ContactError> {
        let given = text.trim();
        let normalised = match kind {
            OtpType::Email => email::normalise(given).ok_or(ContactError::Email)?,
            OtpType::Sms => phone::normalise(given).ok_or(ContactError::Phone)?,
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

    /// The domain of an address, as lower-case A-labels; `None` for a number.
    pub fn domain(&self) -> Option<&str> {
        match self.kind {
            OtpType::Email => self.normalised.split_once('@').map(|(_, domain)| domain),
            OtpType::Sms => None,
        }
    }

    /// The country calling code of a number, such as 44; `None` for an address, and for a number whose code is none.
    pub fn calling_code(&self) -> Option<u16> {
        match self.kind {
            OtpType::Email => None,
            OtpType::Sms => phone::calling_code(&self.normalised),
        }
    }

    /// The country whose numbering plan has the number. One that no plan has (an area code newer than this release, say) is
    /// taken for the main country of its calling code. `None` for an address, and for numbers that belong to no country,
    /// such as those of satellite networks.
    ///
    /// Costs some ten microseconds, and some milliseconds for the first number of a calling code.
    pub fn country(&self) -> Option<Country> {
        match self.kind {
            OtpType::Email => None,
            OtpType::Sms => phone::country(&self.normalised),
        }
    }

    /// The form under which sends to one mailbox are counted together: without what `rules` say its domain ignores. For limits
    /// alone; never to look somebody up, to tell people apart or to send to.
    pub fn limit_form(&self, rules: &AliasRules) -> String {
        match self.kind {
            OtpType::Email => rules.fold(&self.normalised),
            OtpType::Sms => self.normalised.clone(),
        }
    }
}

/// Contacts are personal data: debug output names the kind only.
impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contact({}, [redacted])", self.kind.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn debug_output_hides_the_contact() {
        let contact = Contact::email("user@example.com").expect("valid");
        assert!(!format!("{contact:?}").contains("user"));
    }

    #[test]
    fn an_address_has_a_domain_and_a_number_a_country() {
        let email = Contact::email("Ann@BÜCHER.example").unwrap();
        assert_eq!(email.domain(), Some("xn--bcher-kva.example"));
        assert_eq!((email.calling_code(), email.country()), (None, None));
        let number = Contact::phone("+44 20 7946 0958").unwrap();
        assert_eq!(number.domain(), None);
        assert_eq!(number.calling_code(), Some(44));
        assert_eq!(number.country().map(|country| country.to_string()), Some("GB".to_owned()));
        assert_eq!(number.limit_form(&AliasRules::default()), "+442079460958");
    }

    fn kinds() -> impl Strategy<Value = OtpType> {
        prop_oneof![Just(OtpType::Email), Just(OtpType::Sms)]
    }

    /// Text that looks like contacts more often than chance would have it.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "\\PC{0,80}",
            "[ \t]?[a-zA-Z0-9.+_\\-\u{0}\r\n\u{ad}\u{200b}\u{202e}üßİK]{0,70}@[a-zA-Z0-9.\\-\u{ad}\u{200d}\u{3002}üßà]{0,70}[ \n]?",
            "\\+[0-9 ().\\-\u{a0}\u{2011}]{0,24}",
            "\\+[1-9][0-9]{6,14}",
        ]
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_lets_no_control_character_through(kind in kinds(), text in texts()) {
            for parsed in [Contact::parse(kind, &text), Contact::stored(kind, &text)] {
                let Ok(contact) = parsed else { continue };
                for form in [contact.given(), contact.normalised(), contact.delivery()] {
                    prop_assert!(!form.chars().any(char::is_control), "{form:?}");
                    prop_assert!(form.len() <= 254);
                }
                prop_assert!(contact.normalised().split('@').count() <= 2);
                let _ = (contact.calling_code(), contact.country(), contact.domain());
            }
        }

        #[test]
        fn normalising_twice_changes_nothing(kind in kinds(), text in texts()) {
            for (parse, again) in [
                (Contact::parse as fn(_, &str) -> _, Contact::parse as fn(_, &str) -> _),
                (Contact::stored, Contact::stored),
            ] {
                let Ok(contact) = parse(kind, &text) else { continue };
                let twice = again(kind, contact.normalised());
                prop_assert_eq!(twice.as_ref().map(Contact::normalised), Ok(contact.normalised()));
                let from_given = again(kind, contact.given());
                prop_assert_eq!(from_given.as_ref().map(Contact::normalised), Ok(contact.normalised()));
            }
        }

        #[test]
        fn folding_aliases_twice_changes_nothing(text in texts()) {
            let rules = AliasRules::default();
            if let Ok(contact) = Contact::email(&text) {
                let once = contact.limit_form(&rules);
                let folded = Contact::email(&once).expect("a folded address is one");
                prop_assert_eq!(folded.limit_form(&rules), once);
            }
        }
    }
}
