//! The table of limits: what is counted, how much of it is allowed, and what becomes of more.
//!
//! Promise: this one table is what the configuration is read into, what is enforced, and what the documentation shows.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::Action;

/// One row: so many in a window, and what becomes of one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// How many are allowed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub count: u32,
    /// The window in which they are counted, seconds; absent where a row has no window.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub window_seconds: u32,
    /// How many of them may come at once; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// What becomes of one more.
    pub action: Action,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it in this form")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Limit {
    /// A row that counts nothing.
    pub const OFF: Self = Self { count: 0, window_seconds: 0, burst: None, action: Action::Off };

    /// So many in a window, and no more.
    pub const fn refuse(count: u32, window_seconds: u32) -> Self {
        Self { count, window_seconds, burst: None, action: Action::Refuse }
    }

    /// Whether anything is counted.
    pub fn is_on(&self) -> bool {
        self.action != Action::Off
    }

    /// How many may come at once.
    pub fn burst(&self) -> u32 {
        self.burst.unwrap_or(self.count)
    }

    /// The window, milliseconds.
    pub fn window_ms(&self) -> i64 {
        i64::from(self.window_seconds) * 1000
    }
}

/// Whose events are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A normalised address or number, within a parent organization.
    Contact,
    /// All spellings of an address that reach one mailbox, within a parent organization.
    Mailbox,
    /// The `userIdentifier` of a request, within an organization.
    Identifier,
    /// A parent organization with all its sub-organizations.
    Organization,
    /// The first digits of a number, within a parent organization.
    Prefix,
    /// The country of a number, within a parent organization.
    Country,
    /// A client address, on one server.
    Address,
}

impl Subject {
    /// How tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Mailbox => "mailbox",
            Self::Identifier => "`userIdentifier`",
            Self::Organization => "organization",
            Self::Prefix => "phone prefix",
            Self::Country => "country",
            Self::Address => "client address",
        }
    }
}

/// What holds of a row whatever is configured.
struct Rules {
    subject: Subject,
    counted: &'static str,
    actions: &'static [Action],
    /// The greatest count, and why.
    most: Option<(u32, &'static str)>,
    windows: Windows,
}

/// How a row forgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Windows {
    /// Not by time alone.
    None,
    /// By a rule of its own.
    Own,
    /// Steadily: the only ones that tell a burst from a count.
    Refilled,
}

/// Declares the rows, each once.
macro_rules! rows {
    ($($variant:ident $field:ident = $default:expr, $rules:expr;)*) => {
        /// A row of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the table says what they are")]
        pub enum LimitName { $($variant,)* }

        impl LimitName {
            /// All rows, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name in the configuration, in metrics and in reports.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)* }
            }

            fn rules(self) -> Rules {
                match self { $(Self::$variant => $rules,)* }
            }
        }

        /// All rows. What the configuration does not name stays as it is by default.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        #[allow(missing_docs, reason = "the table says what they are")]
        pub struct LimitTable { $(pub $field: Limit,)* }

        impl Default for LimitTable {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl LimitTable {
            /// A row.
            pub fn get(&self, name: LimitName) -> Limit {
                match name { $(LimitName::$variant => self.$field,)* }
            }

            /// A row, to be changed.
            pub fn get_mut(&mut self, name: LimitName) -> &mut Limit {
                match name { $(LimitName::$variant => &mut self.$field,)* }
            }
        }
    };
}

const ANY: &[Action] = &[Action::Refuse, Action::Delay, Action::Record, Action::Off];
const NO_DELAY: &[Action] = &[Action::Refuse, Action::Record, Action::Off];
const SENDS: &[Action] = &[Action::Refuse, Action::Delay, Action::Record];
const REFUSE: &[Action] = &[Action::Refuse];

/// More of them would need more than the three times that are kept of each.
const KEPT: Option<(u32, &str)> = Some((3, "the protocol allows no more"));

const fn rules(subject: Subject, counted: &'static str, actions: &'static [Action]) -> Rules {
    Rules { subject, counted, actions, most: None, windows: Windows::Refilled }
}

rows! {
    ContactSends contact_sends = Limit::refuse(3, 180),
        Rules { most: KEPT, windows: Windows::Own, ..rules(Subject::Contact, "messages sent, in any window", SENDS) };
    ContactLiveCodes contact_live_codes = Limit::refuse(3, 0),
        Rules { most: KEPT, windows: Windows::None, ..rules(Subject::Contact, "codes that are neither used, locked nor expired", REFUSE) };
    ContactFailures contact_failures = Limit::refuse(100, 0),
        Rules {
            most: Some((100, "NIST SP 800-63B, section 3.2.2, allows no more")),
            windows: Windows::None,
            ..rules(Subject::Contact, "wrong guesses in a row, with those that live codes still allow; a right code or `vestibule contact reset` clears them", REFUSE)
        };
    ContactPauses contact_pauses = Limit::refuse(5, 30),
        Rules {
            windows: Windows::Own,
            ..rules(Subject::Contact, "wrong guesses in a row before sends pause: for the window at first, twice as long with every three more, at most an hour", SENDS)
        };
    MailboxSends mailbox_sends = Limit::refuse(3, 180),
        rules(Subject::Mailbox, "e-mails sent to all spellings of one mailbox, as `addresses` has them; callers who are known are left out", ANY);
    IdentifierSends identifier_sends = Limit::refuse(3, 180),
        Rules { most: KEPT, windows: Windows::Own, ..rules(Subject::Identifier, "messages sent, in any window", SENDS) };
    IdentifierFailures identifier_failures = Limit::refuse(30, 3600),
        rules(Subject::Identifier, "wrong guesses", ANY);
    OrganizationSends organization_sends = Limit::OFF,
        rules(Subject::Organization, "messages sent", ANY);
    OrganizationFailures organization_failures = Limit::OFF,
        rules(Subject::Organization, "wrong guesses", ANY);
    // A refusal would let a stranger with a hundred sends shut a whole block of numbers out.
    PrefixSends prefix_sends = Limit { action: Action::Record, ..Limit::refuse(100, 3600) },
        rules(Subject::Prefix, "text messages sent", ANY);
    PrefixFailures prefix_failures = Limit::OFF,
        rules(Subject::Prefix, "wrong guesses", ANY);
    CountrySends country_sends = Limit::OFF,
        rules(Subject::Country, "text messages sent", ANY);
    CountryFailures country_failures = Limit::OFF,
        rules(Subject::Country, "wrong guesses", ANY);
    AddressRequests address_requests = Limit::refuse(100, 10),
        rules(Subject::Address, "calls of the auth proxy, and requests to the public API whose authentication fails", NO_DELAY);
    AddressSends address_sends = Limit::refuse(60, 600),
        rules(Subject::Address, "messages sent through the auth proxy", ANY);
    AddressFailures address_failures = Limit::refuse(60, 600),
        rules(Subject::Address, "wrong guesses through the auth proxy", NO_DELAY);
}

impl LimitName {
    /// Whose events it counts together.
    pub fn subject(self) -> Subject {
        self.rules().subject
    }

    /// What it counts.
    pub fn counted(self) -> &'static str {
        self.rules().counted
    }

    /// What it may do.
    pub fn actions(self) -> &'static [Action] {
        self.rules().actions
    }

    /// Whether its events are counted in a window of time.
    pub fn has_window(self) -> bool {
        self.rules().windows != Windows::None
    }

    /// Whether its window is refilled steadily, so that it may have a burst of its own ([`super::Bucket`]).
    pub fn has_burst(self) -> bool {
        self.rules().windows == Windows::Refilled
    }

    /// The greatest count it may have.
    pub fn most(self) -> Option<u32> {
        self.rules().most.map(|(most, _)| most)
    }
}

impl LimitTable {
    /// What is wrong with it, each row by its name and with what to do.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for name in LimitName::ALL {
            let (limit, rules, key) = (self.get(*name), name.rules(), name.name());
            if !rules.actions.contains(&limit.action) {
                let may: Vec<&str> = rules.actions.iter().map(|action| action.name()).collect();
                problems.push(format!("`limits.{key}`: the action must be one of {}", may.join(", ")));
            }
            if !limit.is_on() {
                continue;
            }
            if limit.count == 0 {
                problems.push(format!("`limits.{key}`: the count must be at least 1"));
            }
            if let Some((most, why)) = rules.most.filter(|(most, _)| limit.count > *most) {
                problems.push(format!("`limits.{key}`: the count must be at most {most}: {why}"));
            }
            match (name.has_window(), limit.window_seconds) {
                (true, 0) => problems.push(format!("`limits.{key}`: `window_seconds` is missing")),
                (true, LONGEST_WINDOW_S..) => {
                    problems
                        .push(format!("`limits.{key}`: `window_seconds` must be below {LONGEST_WINDOW_S}"));
                }
                (false, 1..) => {
                    problems.push(format!("`limits.{key}` has no window: leave `window_seconds` out"));
                }
                _ => {}
            }
            match limit.burst {
                Some(_) if !name.has_burst() => {
                    problems
                        .push(format!("`limits.{key}` has no `burst`: all of its count may come at once"));
                }
                Some(burst) if !(1..=limit.count.max(1)).contains(&burst) => {
                    problems.push(format!("`limits.{key}`: `burst` must be 1 to the count, {}", limit.count));
                }
                _ => {}
            }
        }
        if self.contact_failures.count < 9 {
            problems.push(
                "`limits.contact_failures`: the count must be at least 9, the guesses of three codes".into(),
            );
        }
        problems
    }

    /// Rows that allow more than the protocol does (GAPS.md, D-3), each by its name. An operator may want that, and knows of it.
    pub fn warnings(&self) -> Vec<String> {
        let weaker = |name: &&LimitName| {
            let (limit, protocol) = (self.get(**name), Self::default().get(**name));
            limit.action == Action::Record || limit.window_seconds < protocol.window_seconds
        };
        let rows = [LimitName::ContactSends, LimitName::IdentifierSends];
        let warn = |name: &LimitName| {
            format!(
                "`limits.{}` allows more than the protocol: three messages in any 180 seconds",
                name.name()
            )
        };
        rows.iter().filter(weaker).map(warn).collect()
    }

    /// The table as the documentation shows it, in Markdown.
    pub fn markdown(&self) -> String {
        let mut page = String::from(
            "| row | counted per | what is counted | count | window | burst | action | may be |\n|---|---|---|---|---|---|---|---|\n",
        );
        for name in LimitName::ALL {
            let (limit, rules) = (self.get(*name), name.rules());
            let (count, window) = match limit.is_on() {
                true => (limit.count.to_string(), limit.window_seconds),
                false => (String::new(), 0),
            };
            let burst = match (name.has_burst(), limit.is_on()) {
                (false, _) => "–".to_owned(),
                (true, true) => limit.burst().to_string(),
                (true, false) => String::new(),
            };
            let window = if window == 0 { String::new() } else { format!("{window} s") };
            let may: Vec<String> =
                rules.actions.iter().map(|action| format!("`{}`", action.name())).collect();
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {count} | {window} | {burst} | `{}` | {} |",
                name.name(),
                rules.subject.name(),
                rules.counted,
                limit.action.name(),
                may.join(", "),
            );
        }
        page
    }
}

/// Windows are shorter than this: 31 days, seconds.
const LONGEST_WINDOW_S: u32 = 31 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_have_no_problems() {
        assert_eq!(LimitTable::default().problems(), Vec::<String>::new());
    }

    #[test]
    fn what_would_do_harm_is_refused_by_name() {
        let mut table = LimitTable::default();
        table.contact_sends.count = 4;
        table.contact_failures = Limit { action: Action::Record, ..table.contact_failures };
        table.contact_live_codes.window_seconds = 1;
        table.prefix_sends = Limit::refuse(0, 0);
        table.contact_sends.burst = Some(1);
        table.country_sends = Limit { burst: Some(3), ..Limit::refuse(2, 1) };
        table.country_failures = Limit { burst: Some(0), ..Limit::refuse(2, 1) };
        table.address_requests.action = Action::Delay;
        let problems = table.problems().join("; ");
        for key in [
            "`limits.contact_sends`: the count must be at most 3",
            "`limits.contact_sends` has no `burst`",
            "`limits.country_sends`: `burst` must be 1 to the count, 2",
            "`limits.country_failures`: `burst` must be 1 to the count, 2",
            "`limits.contact_failures`: the action",
            "`limits.contact_live_codes` has no window",
            "`limits.prefix_sends`: the count must be at least 1",
            "`limits.prefix_sends`: `window_seconds`",
            "`limits.address_requests`: the action must be one of refuse, record, off",
        ] {
            assert!(problems.contains(key), "{key}: {problems}");
        }
    }

    #[test]
    fn what_allows_more_than_the_protocol_is_told() {
        assert_eq!(LimitTable::default().warnings(), Vec::<String>::new());
        let tight = LimitTable { contact_sends: Limit::refuse(1, 600), ..LimitTable::default() };
        assert_eq!(tight.warnings(), Vec::<String>::new());
        let weak = LimitTable {
            contact_sends: Limit::refuse(3, 179),
            identifier_sends: Limit { action: Action::Record, ..Limit::refuse(3, 180) },
            ..LimitTable::default()
        };
        let warnings = weak.warnings().join("; ");
        for row in ["`limits.contact_sends`", "`limits.identifier_sends`"] {
            assert!(warnings.contains(row), "{warnings}");
        }
    }

    #[test]
    fn a_table_reads_back_as_it_was_written() {
        let table = LimitTable {
            organization_sends: Limit { count: 7, window_seconds: 60, burst: Some(2), action: Action::Delay },
            ..LimitTable::default()
        };
        let text = serde_json::to_string(&table).expect("JSON");
        assert_eq!(serde_json::from_str::<LimitTable>(&text).expect("a table"), table);
        assert_eq!(serde_json::from_str::<LimitTable>("{}").expect("a table"), LimitTable::default());
        assert!(serde_json::from_str::<LimitTable>(r#"{"contact_sendz":{}}"#).is_err());
        for unreadable in [
            r#"{"contact_sends":{"count":1,"bursts":1,"action":"refuse"}}"#,
            r#"{"contact_sends":{"count":1,"window_seconds":180}}"#,
        ] {
            assert!(serde_json::from_str::<LimitTable>(unreadable).is_err(), "{unreadable}");
        }
    }
}
