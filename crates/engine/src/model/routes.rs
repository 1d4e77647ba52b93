//! Which providers messages leave by.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vestibule_wire::OtpType;

/// The longest name of a provider.
const MAX_NAME: usize = 32;
/// Digits of a country code with the longest area prefix that makes sense in a route.
const MAX_PREFIX_DIGITS: usize = 8;

/// Ordered lists of providers per channel, by the names that the configuration gives them: of an organization, or of the
/// configuration for those that have none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Routes {
    /// For e-mails; empty where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub email: Vec<String>,
    /// For SMS, by the prefix of the number: `+49`, or nothing for all numbers. The longest prefix wins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sms: BTreeMap<String, Vec<String>>,
}

impl Routes {
    /// The providers for a message to this address or E.164 number, the first choice first; empty where nothing is said.
    pub fn of(&self, kind: OtpType, to: &str) -> &[String] {
        match kind {
            OtpType::Email => &self.email,
            OtpType::Sms => {
                let fitting = self.sms.iter().filter(|(prefix, _)| to.starts_with(prefix.as_str()));
                fitting.max_by_key(|(prefix, _)| prefix.len()).map_or(&[], |(_, providers)| providers)
            }
        }
    }

    /// Sets one list, or removes it where `providers` is empty. Returns whether there was one. `prefix` is empty for all
    /// numbers, and for e-mails.
    pub fn set(&mut self, kind: OtpType, prefix: &str, providers: Vec<String>) -> bool {
        match kind {
            OtpType::Email => !std::mem::replace(&mut self.email, providers).is_empty(),
            OtpType::Sms if providers.is_empty() => self.sms.remove(prefix).is_some(),
            OtpType::Sms => self.sms.insert(prefix.to_owned(), providers).is_some(),
        }
    }

    /// Every name in it, with the channel whose messages it is to carry.
    pub fn names(&self) -> impl Iterator<Item = (OtpType, &str)> {
        let email = self.email.iter().map(|name| (OtpType::Email, name.as_str()));
        email.chain(self.sms.values().flatten().map(|name| (OtpType::Sms, name.as_str())))
    }
}

/// Whether a provider may be called this: 1 to 32 lower-case letters, digits and hyphens.
pub fn is_provider_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=MAX_NAME).contains(&name.len()) && name.chars().all(allowed)
}

/// Whether a route may be for numbers that begin so: `+` and 1 to 8 digits, the first of which is not 0; or nothing, for all.
pub fn is_route_prefix(prefix: &str) -> bool {
    match prefix.strip_prefix('+') {
        None => prefix.is_empty(),
        Some(digits) => {
            (1..=MAX_PREFIX_DIGITS).contains(&digits.len())
                && !digits.starts_with('0')
                && digits.chars().all(|c| c.is_ascii_digit())
        }
    }
}

/// Routes as an organization has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredRoutes {
    /// The lists.
    pub routes: Routes,
    /// Rises with each change; the guard of changes. 0 where nothing was ever stored.
    pub version: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_longest_prefix_of_a_number_wins() {
        let mut routes = Routes::default();
        assert!(routes.of(OtpType::Sms, "+491511234567").is_empty());
        for (prefix, provider) in [("", "all"), ("+4", "four"), ("+49", "germany"), ("+4915", "mobile")] {
            assert!(!routes.set(OtpType::Sms, prefix, names(&[provider])));
        }
        for (number, provider) in [
            ("+15551234567", "all"),
            ("+441234567890", "four"),
            ("+493012345678", "germany"),
            ("+491511234567", "mobile"),
        ] {
            assert_eq!(routes.of(OtpType::Sms, number), [provider], "{number}");
        }
        assert!(routes.of(OtpType::Email, "ann@example.com").is_empty());
        assert!(routes.set(OtpType::Sms, "+4915", Vec::new()));
        assert!(!routes.set(OtpType::Sms, "+4915", Vec::new()), "it is gone");
        assert_eq!(routes.of(OtpType::Sms, "+491511234567"), ["germany"]);
    }

    #[test]
    fn names_and_prefixes_have_one_form() {
        for name in ["smtp", "ses-eu-1", "a"] {
            assert!(is_provider_name(name), "{name}");
        }
        for name in ["", "SES", "a_b", "a b", "a.b", &"x".repeat(33), "ä"] {
            assert!(!is_provider_name(name), "{name}");
        }
        for prefix in ["", "+1", "+49", "+49151", "+12345678"] {
            assert!(is_route_prefix(prefix), "{prefix}");
        }
        for prefix in ["49", "+", "+0", "+049", "+49 151", "+123456789", "+٤", "+4x"] {
            assert!(!is_route_prefix(prefix), "{prefix}");
        }
    }

    #[test]
    fn routes_are_stored_as_small_json() {
        let mut routes = Routes::default();
        assert_eq!(serde_json::to_string(&routes).unwrap(), "{}");
        routes.set(OtpType::Email, "", names(&["smtp", "ses"]));
        routes.set(OtpType::Sms, "+49", names(&["twilio"]));
        let text = serde_json::to_string(&routes).unwrap();
        assert_eq!(text, r#"{"email":["smtp","ses"],"sms":{"+49":["twilio"]}}"#);
        assert_eq!(serde_json::from_str::<Routes>(&text).unwrap(), routes);
    }
}
