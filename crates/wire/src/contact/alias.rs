//! Spellings that reach one mailbox.
//!
//! Promise: for counting sends alone. An address is never looked up, compared or written to by what comes out of here:
//! whether `a+b@` is `a@` is the business of the mail server that receives it, and who guesses wrong gives one person the
//! account of another.

use std::collections::BTreeSet;

use super::Contact;
use super::email::MailDomain;

/// Domains that ignore what follows a `+` in the local part.
const PLUS: &[&str] = &[
    "fastmail.com",
    "gmail.com",
    "googlemail.com",
    "hey.com",
    "hotmail.com",
    "icloud.com",
    "live.com",
    "mac.com",
    "me.com",
    "msn.com",
    "outlook.com",
    "pm.me",
    "proton.me",
    "protonmail.com",
];

/// Domains that ignore dots in the local part.
const DOTS: &[&str] = &["gmail.com", "googlemail.com"];

/// One domain under two names: the first counts as the second.
const SAME: &[(&str, &str)] = &[("googlemail.com", "gmail.com")];

/// Which spellings of a local part reach one mailbox, by domain. A domain stands for itself, not for its subdomains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasRules {
    plus: BTreeSet<String>,
    dots: BTreeSet<String>,
}

/// Large providers whose rules are published.
impl Default for AliasRules {
    fn default() -> Self {
        let set = |domains: &[&str]| domains.iter().map(|domain| (*domain).to_owned()).collect();
        Self { plus: set(PLUS), dots: set(DOTS) }
    }
}

impl AliasRules {
    /// Rules of one's own: domains where a plus tag, and domains where dots do not matter.
    pub fn new(plus: &[MailDomain], dots: &[MailDomain]) -> Self {
        let set = |domains: &[MailDomain]| domains.iter().map(|domain| domain.as_str().to_owned()).collect();
        Self { plus: set(plus), dots: set(dots) }
    }

    /// Whether a contact is an address at a domain that is named here.
    pub fn rules(&self, contact: &Contact) -> bool {
        contact.domain().is_some_and(|domain| self.plus.contains(domain) || self.dots.contains(domain))
    }

    /// The domains where a plus tag does not matter.
    pub fn plus(&self) -> impl Iterator<Item = &str> {
        self.plus.iter().map(String::as_str)
    }

    /// The domains where dots do not matter.
    pub fn dots(&self) -> impl Iterator<Item = &str> {
        self.dots.iter().map(String::as_str)
    }

    /// The counted form of a normalised address.
    pub(super) fn fold(&self, normalised: &str) -> String {
        let Some((local, domain)) = normalised.split_once('@') else { return normalised.to_owned() };
        let (plus, dots) = (self.plus.contains(domain), self.dots.contains(domain));
        let base = match local.split_once('+') {
            // `+tag@` alone has no mailbox before its tag.
            Some((base, _)) if plus && !base.is_empty() && !base.ends_with('.') => base,
            _ => local,
        };
        let same = SAME.iter().find(|(name, _)| (plus || dots) && *name == domain);
        let domain = same.map_or(domain, |(_, main)| main);
        if dots { format!("{}@{domain}", base.replace('.', "")) } else { format!("{base}@{domain}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(address: &str, rules: &AliasRules) -> String {
        Contact::email(address).unwrap().limit_form(rules)
    }

    #[test]
    fn spellings_of_one_mailbox_count_as_one() {
        let rules = AliasRules::default();
        for spelling in [
            "annlee@gmail.com",
            "Ann.Lee@gmail.com",
            "a.n.n.l.e.e+news@GMAIL.com",
            "ann.lee+x@googlemail.com",
        ] {
            assert_eq!(form(spelling, &rules), "annlee@gmail.com", "{spelling}");
        }
        assert_eq!(form("ann.lee+a@outlook.com", &rules), "ann.lee@outlook.com", "dots matter there");
    }

    #[test]
    fn a_domain_without_a_rule_is_left_as_it_is() {
        let rules = AliasRules::default();
        for address in ["ann.lee+a@example.com", "a.b+c@mail.gmail.com", "+tag@gmail.com"] {
            assert_eq!(form(address, &rules), address);
        }
        let none = AliasRules::new(&[], &[]);
        assert_eq!(form("ann.lee+x@googlemail.com", &none), "ann.lee+x@googlemail.com");
    }

    #[test]
    fn an_operator_names_other_domains() {
        let rules = AliasRules::new(&["example.com".parse().unwrap()], &["example.org".parse().unwrap()]);
        assert_eq!(form("ann.lee+a@example.com", &rules), "ann.lee@example.com");
        assert_eq!(form("ann.lee+a@example.org", &rules), "annlee+a@example.org");
    }
}
