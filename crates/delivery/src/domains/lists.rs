//! Lists of domains, one to a line, as such lists are published.

use std::collections::HashSet;

use vestibule_wire::MailDomain;

/// Why a list could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line} is no domain; write one domain a line, such as example.com, =example.com or *.example.com"
)]
pub struct ListError {
    /// Counted from 1.
    pub line: usize,
}

/// A set of domains. `example.com` stands for that domain and everything below it, `=example.com` for it alone, and
/// `*.example.com` for everything below it. What follows a `#` does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainList {
    exact: HashSet<String>,
    below: HashSet<String>,
}

impl DomainList {
    /// Reads the text of a list.
    pub fn parse(text: &str) -> Result<Self, ListError> {
        let mut list = Self::default();
        // Files that were edited elsewhere may begin with a byte order mark.
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let entry = line.split_once('#').map_or(line, |(entry, _)| entry).trim();
            if entry.is_empty() {
                continue;
            }
            let (exact, below, domain) = match (entry.strip_prefix('='), entry.strip_prefix("*.")) {
                (Some(domain), _) => (true, false, domain),
                (None, Some(domain)) => (false, true, domain),
                (None, None) => (true, true, entry),
            };
            let domain: MailDomain = domain.parse().map_err(|_| ListError { line: index + 1 })?;
            if exact {
                list.exact.insert(domain.as_str().to_owned());
            }
            if below {
                list.below.insert(domain.as_str().to_owned());
            }
        }
        Ok(list)
    }

    /// Adds what another list has.
    pub fn extend(&mut self, other: Self) {
        self.exact.extend(other.exact);
        self.below.extend(other.below);
    }

    /// Whether a domain, in lower-case A-labels, is on it.
    pub fn contains(&self, domain: &str) -> bool {
        if self.exact.contains(domain) {
            return true;
        }
        let mut rest = domain;
        while let Some((_, parent)) = rest.split_once('.') {
            if self.below.contains(parent) {
                return true;
            }
            rest = parent;
        }
        false
    }
}

/// The lists of an operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainLists {
    /// Where set, no other domain is taken.
    pub allowed: Option<DomainList>,
    /// Not taken.
    pub denied: DomainList,
    /// Taken though denied.
    pub exempt: DomainList,
}

impl DomainLists {
    /// Whether mail may go to a domain.
    pub fn takes(&self, domain: &str) -> bool {
        let allowed = self.allowed.as_ref().is_none_or(|list| list.contains(domain));
        allowed && (!self.denied.contains(domain) || self.exempt.contains(domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> DomainList {
        DomainList::parse(text).unwrap()
    }

    #[test]
    fn an_entry_stands_for_the_domain_and_what_is_below_it() {
        let list =
            list("\u{feff}# throwaway mail\nMailinator.example  # everyone's inbox\n\n bücher.example\r\n");
        for domain in
            ["mailinator.example", "a.mailinator.example", "a.b.mailinator.example", "xn--bcher-kva.example"]
        {
            assert!(list.contains(domain), "{domain}");
        }
        for domain in ["notmailinator.example", "example", "mailinator.example.org", ""] {
            assert!(!list.contains(domain), "{domain}");
        }
    }

    #[test]
    fn an_entry_may_stand_for_one_of_the_two_alone() {
        let list = list("=one.example\n*.many.example");
        assert!(list.contains("one.example") && !list.contains("a.one.example"));
        assert!(list.contains("a.many.example") && !list.contains("many.example"));
    }

    #[test]
    fn a_line_that_is_no_domain_is_told_by_its_number() {
        for text in ["a.example\nnot a domain", "a.example\nann@b.example", "#\n*.", "\n="] {
            assert_eq!(DomainList::parse(text), Err(ListError { line: 2 }), "{text:?}");
        }
    }

    #[test]
    fn what_is_exempt_is_taken_though_denied_and_an_allow_list_takes_nothing_else() {
        let mut lists = DomainLists {
            denied: list("shared.example"),
            exempt: list("ours.shared.example"),
            allowed: None,
        };
        assert!(lists.takes("other.example") && lists.takes("ours.shared.example"));
        assert!(!lists.takes("shared.example") && !lists.takes("theirs.shared.example"));
        lists.allowed = Some(list("shared.example\nfriends.example"));
        assert!(lists.takes("a.friends.example") && lists.takes("ours.shared.example"));
        assert!(!lists.takes("other.example") && !lists.takes("shared.example"), "denied as well");
        lists.exempt = list("other.example");
        assert!(!lists.takes("other.example"), "an exemption is none from the allow list");
    }
}
