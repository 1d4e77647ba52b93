//! Messages that a provider took, what it tells of them later, and contacts that are left alone because of it.

use serde::{Deserialize, Serialize};
use vestibule_wire::{MessageId, OrganizationId, OtpType};

use super::{ContactKey, Millis};

/// A message that a provider took and has a name of its own for, so that its receipts find it. Has no code and no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandedOver {
    /// The provider, as the configuration names it.
    pub provider: String,
    /// What it calls the message.
    pub provider_message_id: String,
    /// What we call it.
    pub message_id: MessageId,
    /// Organization that had it sent.
    pub organization_id: OrganizationId,
    /// Its parent, or itself.
    pub tenant_id: OrganizationId,
    /// How it went.
    pub channel: OtpType,
    /// The recipient's look-up form.
    pub contact_key: ContactKey,
    /// What an e-mail's events say of it; nothing of SMS.
    pub mail: Option<MailHead>,
    /// When the provider took it.
    pub at: Millis,
    /// What became of it, as far as the provider told.
    pub fate: MessageFate,
}

/// The head of an e-mail, as its events name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailHead {
    /// The `Message-ID` header.
    pub message_id: String,
    /// Sender.
    pub from: String,
    /// Recipient as given.
    pub to: String,
}

/// What a provider told of a message that it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageFate {
    /// Nothing yet.
    Taken,
    /// It is late; the provider goes on trying.
    Delayed,
    /// It arrived.
    Delivered,
    /// It came back, or the provider gave it up.
    Bounced,
    /// Its recipient called it spam.
    Complained,
}

impl MessageFate {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Taken, Self::Delayed, Self::Delivered, Self::Bounced, Self::Complained];

    /// How it is stored: the place of a bit in the set of all that was told, the later fate the greater.
    pub fn code(self) -> i64 {
        match self {
            Self::Taken => 0,
            Self::Delayed => 1,
            Self::Delivered => 2,
            Self::Bounced => 3,
            Self::Complained => 4,
        }
    }

    /// The greatest fate in a set of bits.
    pub fn of_bits(told: i64) -> Self {
        let told = |fate: &&Self| told & (1 << fate.code()) != 0;
        Self::ALL.iter().rev().find(told).copied().unwrap_or(Self::Taken)
    }
}

/// Why a contact is left alone for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuppressedFor {
    /// A message came back for good: there is no such address or number, or it takes nothing.
    Bounce,
    /// Somebody there called a message spam.
    Complaint,
}

impl SuppressedFor {
    /// How it is stored; 0 is nothing.
    pub fn code(self) -> i64 {
        match self {
            Self::Bounce => 1,
            Self::Complaint => 2,
        }
    }

    /// From how it is stored.
    pub fn from_code(code: i64) -> Option<Self> {
        [Self::Bounce, Self::Complaint].into_iter().find(|reason| reason.code() == code)
    }
}

/// A contact that gets no messages of a tenant for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suppression {
    /// Why.
    #[serde(rename = "reason")]
    pub reason: SuppressedFor,
    /// Until when.
    #[serde(rename = "untilMs")]
    pub until: Millis,
}
