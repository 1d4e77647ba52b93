//! Limits on sends and guesses: what is allowed, as pure functions of the stored counters (D-3, NIST SP 800-63B 3.2.2).
//!
//! Promise: what the table and the guard against pumping say is what is enforced, alike for contacts that belong to
//! somebody and those that do not; an answer never tells which limit was met.

mod abuse;
mod bucket;
mod contact;
mod counters;
mod phone;
mod pumping;
mod sending;
mod table;

use serde::{Deserialize, Serialize};

pub(crate) use abuse::key;
pub use abuse::{AbuseLog, Entry, Limited, masked};
pub use bucket::Bucket;
pub use contact::{Allowance, send_delay_ms};
pub use counters::{Counter, CounterWindow, MAX_COUNTERS, Tally};
pub use phone::{country, prefix};
pub use pumping::{EVERYWHERE, Guard, OrganizationPumping, Pumping, Ratio, Share};
pub use sending::Visit;
pub(crate) use sending::{Question, Sending, mailing, scopes, sending, settled, wrong_guess};
pub use table::{Limit, LimitName, LimitTable, Subject};

/// Guesses per code.
pub const GUESSES: i64 = 3;
/// Live session and other expiring keys per user (protocol 00, section 1).
pub const EXPIRING_KEYS: u32 = 10;
/// Live keys per user that were mailed, counted apart: whoever can have mail sent must not end anybody's sessions.
pub const MAILED_KEYS: u32 = 3;
/// Long-lived keys per user.
pub const LONG_LIVED_KEYS: usize = 10;
/// Passkeys per user.
pub const AUTHENTICATORS: usize = 10;
/// OAuth identities per user.
pub const OAUTH_PROVIDERS: usize = 10;
/// Users per organization.
pub const USERS: usize = 100;
/// Policies per organization.
pub const POLICIES: usize = 100;
/// User tags per parent.
pub const TAGS: usize = 100;
/// User tags per sub-organization.
pub const TAGS_OF_SUB_ORGANIZATION: usize = 10;
/// Session profiles per parent; the contract names no limit.
pub const SESSION_PROFILES: usize = 100;
/// What an MFA policy may demand, and alternatives of each; the contract names no limit.
pub const MFA_METHODS: usize = 10;
/// MFA policies per user; the contract names no limit.
pub const MFA_POLICIES: usize = 10;

/// Webhook endpoints per organization, parent or not; the contract names no limit. They are read with every request.
pub const WEBHOOK_ENDPOINTS: usize = 10;

/// What becomes of a request that a limit meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is refused.
    #[default]
    Refuse,
    /// It is accepted, and its message is sent later: when the limit allows it, and in the first half of the code's life.
    Delay,
    /// It is accepted and answered like any other, and its message is not sent.
    Withhold,
    /// It is accepted, and the report tells of it.
    Record,
    /// Nothing is counted.
    Off,
}

impl Action {
    /// Its name in the configuration, in metrics and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Delay => "delay",
            Self::Withhold => "withhold",
            Self::Record => "record",
            Self::Off => "off",
        }
    }
}

/// What a limit counts, or what part of the guard does, for those who read a report; `None` for a name that is neither.
pub fn why(name: &str) -> Option<&'static str> {
    let row = LimitName::ALL.iter().find(|row| row.name() == name).map(|row| row.counted());
    row.or_else(|| Guard::ALL.into_iter().find(|guard| guard.name() == name).map(Guard::why))
}

/// Seconds to wait, at least one.
pub(crate) fn seconds_up(ms: i64) -> u32 {
    u32::try_from(ms.max(1).saturating_add(999) / 1000).unwrap_or(u32::MAX)
}
