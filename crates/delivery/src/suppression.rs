//! For how long a contact is left alone after what became of a message to it.

use std::time::Duration;

use vestibule_engine::model::{ContactKey, Millis, SuppressedFor, Suppression};
use vestibule_engine::store::SuppressContact;
use vestibule_wire::OrganizationId;

/// How long contacts are left alone; zero: not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuppressionSettings {
    /// After a message came back for good.
    pub bounce: Duration,
    /// After somebody called one spam.
    pub complaint: Duration,
}

impl Default for SuppressionSettings {
    /// A week after a bounce, thirty days after a complaint.
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self { bounce: DAY.saturating_mul(7), complaint: DAY.saturating_mul(30) }
    }
}

impl SuppressionSettings {
    /// What follows for a contact, if anything.
    pub(crate) fn of(
        &self,
        reason: SuppressedFor,
        tenant: OrganizationId,
        contact: ContactKey,
        now: Millis,
    ) -> Option<SuppressContact> {
        let time = match reason {
            SuppressedFor::Bounce => self.bounce,
            SuppressedFor::Complaint => self.complaint,
        };
        if time.is_zero() {
            return None;
        }
        let until = now.saturating_add(Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX));
        Some(SuppressContact { tenant, contact, suppression: Suppression { reason, until } })
    }
}
