//! What is counted of contacts and identifiers, and who was limited.

use vestibule_wire::{OrganizationId, OtpId};

use super::{Millis, Suppression};

/// Sends, live codes and failures of one contact within a tenant. Absent rows mean zeroes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContactLimits {
    /// Times of the last three sends, oldest first; 0 where there were fewer.
    pub sends: [Millis; 3],
    /// Times of the last two sends from the reserve, oldest first.
    pub reserve: [Millis; 2],
    /// Live codes: the attempt, and until when.
    pub slots: [Slot; 3],
    /// Consecutive wrong guesses; a success clears it.
    pub failures: i64,
    /// When the last one was.
    pub failed_at: Millis,
    /// Whether it gets no messages for a while; it may be over.
    pub suppression: Option<Suppression>,
    /// When a code sent to it was last used; 0: never.
    pub proven_at: Millis,
}

/// Who was limited in an hour, and how often.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbuseRecord {
    /// The parent organization; [`AbuseRecord::SERVER`] where a client address was limited.
    #[serde(rename = "organizationId")]
    pub tenant_id: OrganizationId,
    /// When the hour began.
    pub hour: Millis,
    /// The limit, as the configuration names it.
    pub limit: String,
    /// What became of the requests; `pass` where they were let through because their contact was verified before, `alert` where
    /// an alert was given.
    pub action: String,
    /// A masked contact, the hash of an identifier, a prefix, a country, a client address, or nothing.
    pub subject: String,
    /// How many requests.
    pub hits: i64,
    /// The first of them.
    pub first_at: Millis,
    /// The last of them.
    pub last_at: Millis,
}

impl AbuseRecord {
    /// No organization: the server as a whole.
    pub const SERVER: OrganizationId = OrganizationId(uuid::Uuid::nil());
}

/// One live code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slot {
    /// The attempt.
    pub otp: Option<OtpId>,
    /// When it stops being live.
    pub until: Millis,
}

/// Sends under one `userIdentifier`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdentifierLimits {
    /// Times of the last three sends, oldest first; 0 where there were fewer.
    pub sends: [Millis; 3],
}
