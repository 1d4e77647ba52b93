//! What messages are for, and what is kept of what became of them.

use serde::{Deserialize, Serialize};
use vestibule_wire::view::{self, EmailEventDetails, EmailEventType};
use vestibule_wire::{EmailEventId, OrganizationId};

use super::{ContactKey, Millis};

/// What a message is for, which decides its built-in texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessagePurpose {
    /// It carries a one-time code.
    #[default]
    Code,
    /// It carries the bundle of a key that logs in.
    SignInBundle,
    /// It carries the bundle of a key that can do nothing but recover its user.
    RecoveryBundle,
}

/// What became of an e-mail. Has no code and no text of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailEvent {
    /// Id; later events have greater ones.
    pub id: EmailEventId,
    /// Organization that had it sent.
    pub organization_id: OrganizationId,
    /// Its parent, or itself.
    pub tenant_id: OrganizationId,
    /// The recipient's look-up form.
    pub contact_key: ContactKey,
    /// What happened.
    pub event_type: EmailEventType,
    /// The `Message-ID` header.
    pub message_id: String,
    /// Sender.
    pub from: String,
    /// Recipient as given.
    pub to: String,
    /// More about it, without words of the mail server, which may repeat the address.
    pub details: EmailEventDetails,
    /// When.
    pub at: Millis,
}

impl From<EmailEvent> for view::EmailEvent {
    fn from(event: EmailEvent) -> Self {
        let EmailEvent {
            id,
            organization_id,
            tenant_id: _,
            contact_key: _,
            event_type,
            message_id,
            from,
            to,
            details,
            at,
        } = event;
        Self {
            id,
            organization_id,
            message_id,
            event_type,
            from_address: from,
            to_address: to,
            sender_tenant: None,
            timestamp: at.to_string(),
            created_at: at.to_string(),
            details,
        }
    }
}
