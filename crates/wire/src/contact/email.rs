//! E-mail addresses and the domains they end in (RFC 5321, IDNA).

use std::fmt;
use std::str::FromStr;

/// The longest address: the path of RFC 5321, 256 octets, without its angle brackets.
const MAX_ADDRESS: usize = 254;
/// The longest local part, octets.
const MAX_LOCAL: usize = 64;

/// The compared form of an address: lower case, the domain as A-labels.
pub(super) fn normalise(given: &str) -> Option<String> {
    if !(3..=MAX_ADDRESS).contains(&given.len()) {
        return None;
    }
    let (local, domain) = given.split_once('@')?;
    if local.is_empty() || local.len() > MAX_LOCAL || domain.contains('@') {
        return None;
    }
    let atom = |c: char| {
        !c.is_control()
            && !c.is_whitespace()
            && !is_invisible(c)
            && !is_joiner(c)
            && !"()<>[]:;,\\\"".contains(c)
    };
    if !local.chars().all(atom) || local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return None;
    }
    let domain: MailDomain = domain.parse().ok()?;
    let address = format!("{}@{domain}", lower_case(local));
    (address.len() <= MAX_ADDRESS).then_some(address)
}

/// Characters that show nothing, or that change the direction in which others are shown: an address with one passes for
/// another.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// IDNA takes these in a domain where a script needs them, and checks that it does.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
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

/// A domain that mail may go to, as lower-case A-labels without a trailing dot. Need not have a dot (G-LIM-1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailDomain(String);

/// The text is no domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotADomain;

impl MailDomain {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MailDomain {
    type Err = NotADomain;

    fn from_str(text: &str) -> Result<Self, NotADomain> {
        if text.chars().any(is_invisible) {
            return Err(NotADomain);
        }
        let domain = idna::domain_to_ascii_strict(text).map_err(|_| NotADomain)?;
        let label = |l: &str| {
            (1..=63).contains(&l.len())
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if domain.is_empty() || !domain.split('.').all(label) { Err(NotADomain) } else { Ok(Self(domain)) }
    }
}

impl fmt::Display for MailDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::Contact;

    fn email(text: &str) -> Option<String> {
        Contact::email(text).ok().map(|c| c.normalised().to_owned())
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
            "a@b.c.",
            "a\u{0}@b.c",
            "a\u{85}@b.c",
            "a\u{2028}b@c.d",
        ] {
            assert_eq!(email(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_not_part_of_an_address() {
        for text in
            ["a\u{200b}nn@b.c", "\u{202e}ann@b.c", "ann@b\u{ad}.c", "ann\u{200d}@b.c", "ann@\u{feff}b.c"]
        {
            assert_eq!(email(text), None, "{text:?}");
        }
    }

    #[test]
    fn lengths_are_those_of_the_standard() {
        assert!(email(&format!("{}@b.c", "a".repeat(64))).is_some());
        assert_eq!(email(&format!("{}@b.c", "a".repeat(65))), None);
        assert!(email(&format!("a@{}.c", "b".repeat(63))).is_some());
        assert_eq!(email(&format!("a@{}.c", "b".repeat(64))), None);
        let label = "b".repeat(47);
        let address = |n: usize| format!("{}@{label}.{label}.{label}.{}", "a".repeat(62), "c".repeat(n));
        assert_eq!(address(47).len(), 254);
        assert!(email(&address(47)).is_some());
        assert_eq!(email(&address(48)), None);
        // Short as it is written, too long as mail servers know it.
        let wide = format!("a@{}.example", ["ü".repeat(29).as_str(); 4].join("."));
        assert!(wide.len() <= 254);
        let written = idna::domain_to_ascii(&wide[2..]).unwrap();
        assert_eq!(email(&wide).is_some(), written.len() + 2 <= 254 && written.len() <= 253);
    }
}
