//! What becomes of a provider's receipts: the message is updated, its sender is told, and a contact that cannot be reached is
//! left alone.
//!
//! Promise: what a provider did not sign changes nothing and is answered alike, whatever is wrong with it; what it tells twice
//! counts once; the effects of one receipt become true together; a receipt that names our message counts as soon as the provider
//! can send it; and none is asked for again for longer than a minute.

mod first_heard;

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Builder;
use vestibule_crypto::fingerprint::sha256;
use vestibule_engine::Clock;
use vestibule_engine::model::{EmailEvent, HandedOver, MessageFate, Millis, SuppressedFor};
use vestibule_engine::store::{ChangeSet, CommitError, Store, StoreError, Write};
use vestibule_wire::EmailEventId;
use vestibule_wire::view::{EmailEventDetails, EmailEventType};

use crate::channel::receipt::{Fate, Ours, Receipt, ReceiptRefused, ReceiptRequest, Receipts};
use crate::suppression::SuppressionSettings;
use first_heard::FirstHeard;

/// A receipt this young may be faster than the record that the provider took its message.
const YOUNG_MS: Millis = 60_000;

/// What a keeper is made of.
pub struct ReceiptParts {
    /// Where messages are.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What reads the receipts of each provider, by its name.
    pub readers: BTreeMap<String, Arc<dyn Receipts>>,
    /// How long contacts are left alone.
    pub suppression: SuppressionSettings,
}

/// Why a receipt was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiptNotKept {
    /// It is no receipt of the provider, or there is no such provider.
    Refused,
    /// The provider signed it, and it cannot be read.
    Malformed {
        /// What of it.
        member: &'static str,
        /// What is wrong with that.
        problem: &'static str,
    },
    /// The provider is to send it again later.
    Later,
}

/// Keeps receipts.
pub struct ReceiptKeeper {
    parts: ReceiptParts,
    first_heard: FirstHeard,
}

impl ReceiptKeeper {
    /// Of these parts.
    pub fn new(parts: ReceiptParts) -> Self {
        Self { parts, first_heard: FirstHeard::default() }
    }

    /// Verifies a request and keeps what it tells.
    pub async fn keep(&self, provider: &str, request: &ReceiptRequest<'_>) -> Result<(), ReceiptNotKept> {
        let Some((provider, reader)) = self.parts.readers.get_key_value(provider) else {
            count("unknown", "refused");
            return Err(ReceiptNotKept::Refused);
        };
        let now = self.parts.clock.now_ms();
        let receipts = match reader.read(request, now).await {
            Ok(receipts) => receipts,
            Err(error) => {
                tracing::warn!(provider, %error, "a receipt was not taken");
                let (outcome, not) = match error {
                    ReceiptRefused::Signature | ReceiptRefused::Stale => ("refused", ReceiptNotKept::Refused),
                    ReceiptRefused::Malformed { member, problem } => {
                        ("malformed", ReceiptNotKept::Malformed { member, problem })
                    }
                    ReceiptRefused::Unverifiable => ("unverifiable", ReceiptNotKept::Later),
                };
                count(provider, outcome);
                return Err(not);
            }
        };
        let mut later = false;
        for receipt in &receipts {
            match self.keep_one(provider, receipt, now).await {
                Ok(kept) => {
                    later |= kept == Kept::TooEarly;
                    count(provider, kept.label());
                }
                Err(error) => {
                    tracing::warn!(provider, %error, "a receipt is not recorded yet");
                    count(provider, "unrecorded");
                    later = true;
                }
            }
        }
        if later { Err(ReceiptNotKept::Later) } else { Ok(()) }
    }

    async fn keep_one(&self, provider: &str, receipt: &Receipt, now: Millis) -> Result<Kept, StoreError> {
        let Some(handed) = self.handed_over(provider, receipt).await? else {
            return Ok(self.not_known(provider, receipt, now));
        };
        match self.parts.store.commit(self.changes(&handed, receipt, now)).await {
            Ok(()) => {
                tracing::debug!(provider, message_id = %handed.message_id, fate = ?receipt.fate, "receipt kept");
                Ok(Kept::Told)
            }
            Err(CommitError::Conflict(_)) => Ok(Kept::Repeated),
            Err(CommitError::Unavailable(error)) => Err(error),
        }
    }

    /// The message of a receipt.
    async fn handed_over(&self, provider: &str, receipt: &Receipt) -> Result<Option<HandedOver>, StoreError> {
        let store = &self.parts.store;
        let found = store.handed_over(provider, &receipt.provider_message_id).await?;
        let (None, Some(ours)) = (&found, receipt.ours) else { return Ok(found) };
        let Ours { message_id, channel, contact_key } = ours;
        let mut changes = ChangeSet::new();
        changes.push(Write::RecordHandOver {
            provider: provider.to_owned(),
            provider_message_id: receipt.provider_message_id.clone(),
            message: message_id,
            channel,
            contact: contact_key,
        });
        match store.commit(changes).await {
            Ok(()) | Err(CommitError::Conflict(_)) => {}
            Err(CommitError::Unavailable(error)) => return Err(error),
        }
        store.handed_over(provider, &receipt.provider_message_id).await
    }

    /// What becomes of a receipt whose message is not known.
    fn not_known(&self, provider: &str, receipt: &Receipt, now: Millis) -> Kept {
        // The outbox had the message before its provider did. What is in neither place any more will not be back.
        if receipt.ours.is_some() {
            return Kept::Unknown;
        }
        let since = match receipt.at {
            Some(at) => Some(at),
            None => self.first_heard.since(provider, &receipt.provider_message_id, now),
        };
        let young = since.is_some_and(|since| since.saturating_add(YOUNG_MS) > now);
        if young { Kept::TooEarly } else { Kept::Unknown }
    }

    /// What follows from a receipt.
    fn changes(&self, handed: &HandedOver, receipt: &Receipt, now: Millis) -> ChangeSet {
        let fate = match receipt.fate {
            Fate::Delivered => MessageFate::Delivered,
            Fate::Delayed => MessageFate::Delayed,
            Fate::Bounced { .. } | Fate::Failed => MessageFate::Bounced,
            Fate::Complained => MessageFate::Complained,
        };
        let mut changes = ChangeSet::new();
        let reason = match receipt.fate {
            Fate::Bounced { permanent: true } => Some(SuppressedFor::Bounce),
            Fate::Complained => Some(SuppressedFor::Complaint),
            // The provider's own failures tell nothing of the address.
            Fate::Delivered | Fate::Delayed | Fate::Bounced { permanent: false } | Fate::Failed => None,
        };
        let suppress = reason
            .and_then(|reason| self.parts.suppression.of(reason, handed.tenant_id, handed.contact_key, now));
        if let Some(suppress) = suppress {
            changes.push(Write::Suppress(suppress));
        }
        changes.push(Write::TellFate {
            provider: handed.provider.clone(),
            provider_message_id: handed.provider_message_id.clone(),
            fate,
        });
        if let Some(event) = event(handed, receipt, fate, now) {
            changes.push(Write::InsertEmailEvent(Box::new(event)));
        }
        changes
    }
}

/// What became of a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// It was news.
    Told,
    /// It was told before.
    Repeated,
    /// Its message is not known, perhaps not yet.
    TooEarly,
    /// Its message is not known: forgotten, or another installation's.
    Unknown,
}

impl Kept {
    fn label(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Repeated => "repeated",
            Self::TooEarly => "too_early",
            Self::Unknown => "unknown_message",
        }
    }
}

fn count(provider: &str, outcome: &'static str) {
    metrics::counter!("vestibule_receipts_total", "provider" => provider.to_owned(), "outcome" => outcome)
        .increment(1);
}

/// What is told to whoever had an e-mail sent. Nothing of SMS.
fn event(handed: &HandedOver, receipt: &Receipt, fate: MessageFate, now: Millis) -> Option<EmailEvent> {
    let mail = handed.mail.as_ref()?;
    let diagnostic_code = receipt.diagnostic.clone();
    let none = EmailEventDetails::default();
    let bounce = |kind: &str| EmailEventDetails {
        bounce_type: Some(kind.to_owned()),
        diagnostic_code: diagnostic_code.clone(),
        ..EmailEventDetails::default()
    };
    let (event_type, details) = match receipt.fate {
        Fate::Delivered => {
            let took = receipt.at.unwrap_or(now).saturating_sub(handed.at).max(0);
            let details =
                EmailEventDetails { delivery_processing_time_millis: Some(took.to_string()), ..none };
            (EmailEventType::Delivery, details)
        }
        Fate::Delayed => {
            let kind = Some("General".to_owned());
            let details = EmailEventDetails {
                delivery_delay_type: kind,
                diagnostic_code: diagnostic_code.clone(),
                ..none
            };
            (EmailEventType::DeliveryDelay, details)
        }
        Fate::Bounced { permanent: true } => (EmailEventType::Bounce, bounce("Permanent")),
        Fate::Bounced { permanent: false } => (EmailEventType::Bounce, bounce("Transient")),
        Fate::Failed => (EmailEventType::Bounce, bounce("Undetermined")),
        Fate::Complained => (EmailEventType::Complaint, none),
    };
    Some(EmailEvent {
        id: id(handed, fate, now),
        organization_id: handed.organization_id,
        tenant_id: handed.tenant_id,
        contact_key: handed.contact_key,
        event_type,
        message_id: mail.message_id.clone(),
        from: mail.from.clone(),
        to: mail.to.clone(),
        details,
        at: now,
    })
}

/// An id in order of time.
fn id(handed: &HandedOver, fate: MessageFate, now: Millis) -> EmailEventId {
    let name = format!("{}\0{}\0{}", handed.provider, handed.provider_message_id, fate.code());
    let digest = sha256(name.as_bytes());
    let rest = digest.first_chunk().expect("a digest has 32 bytes");
    EmailEventId(Builder::from_unix_timestamp_millis(now.unsigned_abs(), rest).into_uuid())
}
