//! What a worker claims, and what it tells of it.

use vestibule_wire::OrganizationId;

use crate::model::{ContactKey, EmailEvent, HandedOver, Millis, OutboxMessage, Routes, Suppression};

/// A message to be sent now, under a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedMessage {
    /// The message. Its attempts count this claim; `due_at` is when the lease ends.
    pub message: OutboxMessage,
    /// The routes of its tenant, where it has any.
    pub routes: Option<Routes>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took it; its body is destroyed.
    Sent,
    /// To be tried again then.
    Retry {
        /// When.
        at: Millis,
        /// Why, without contacts or codes.
        error: String,
    },
    /// Given up; its body is destroyed.
    Failed {
        /// Why, without contacts or codes.
        error: String,
    },
}

/// What became of a claimed message, and all that follows from it. They become true together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// What became of it.
    pub outcome: Outcome,
    /// What there is to tell its sender. That a message is late is told once, with the first event that says so.
    pub event: Option<EmailEvent>,
    /// What the provider calls it. Kept even where the lease went to another worker: the provider has it.
    pub handed_over: Option<HandedOver>,
    /// That its recipient is left alone for a while. Kept, too.
    pub suppress: Option<SuppressContact>,
}

impl From<Outcome> for Settlement {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, event: None, handed_over: None, suppress: None }
    }
}

/// A contact that is to get no messages of a tenant for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuppressContact {
    /// The tenant.
    pub tenant: OrganizationId,
    /// The contact.
    pub contact: ContactKey,
    /// Why, and until when.
    pub suppression: Suppression,
}
