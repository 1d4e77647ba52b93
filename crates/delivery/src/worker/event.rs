//! What is told of an e-mail, for those who had it sent.

use uuid::Builder;
use vestibule_crypto::fingerprint::sha256;
use vestibule_engine::model::{ContactKey, EmailEvent, Millis, OutboxMessage};
use vestibule_engine::store::Outcome;
use vestibule_wire::view::{EmailEventDetails, EmailEventType};
use vestibule_wire::{Contact, EmailEventId};

use crate::channel::{Delivery, Retry, SendError};
use crate::render::Rendered;

/// The event of a try: that it was sent, that it was given up, or that it is late, which the store tells once for each message.
/// `error` is why the try failed. Nothing of SMS.
pub(super) fn event(
    message: &OutboxMessage,
    delivery: &Delivery,
    outcome: &Outcome,
    error: Option<&SendError>,
    at: Millis,
) -> Option<EmailEvent> {
    let Rendered::Email(email) = &delivery.message else { return None };
    let contact = Contact::email(&email.to).ok()?;
    let (event_type, details) = match outcome {
        Outcome::Sent => (EmailEventType::Send, EmailEventDetails::default()),
        Outcome::Failed { .. } => (EmailEventType::Bounce, bounce(error)),
        Outcome::Retry { .. } => (EmailEventType::DeliveryDelay, delay(error)),
    };
    Some(EmailEvent {
        id: id(message, at),
        organization_id: message.organization_id,
        tenant_id: message.tenant_id,
        contact_key: ContactKey::of(&contact),
        event_type,
        message_id: email.message_id(message.id),
        from: email.from.address.clone(),
        to: email.to.clone(),
        details,
        at,
    })
}

/// The code of the server's answer alone: its words like to repeat the address.
fn diagnostic_code(error: Option<&SendError>) -> Option<String> {
    error?.smtp_code.map(|code| format!("smtp; {code}"))
}

fn bounce(error: Option<&SendError>) -> EmailEventDetails {
    let for_good = error.is_some_and(|error| error.retry == Retry::Never);
    EmailEventDetails {
        bounce_type: Some(if for_good { "Permanent" } else { "Transient" }.to_owned()),
        diagnostic_code: diagnostic_code(error),
        ..EmailEventDetails::default()
    }
}

fn delay(error: Option<&SendError>) -> EmailEventDetails {
    let diagnostic_code = diagnostic_code(error);
    let answered = diagnostic_code.is_some();
    let kind = if answered { "General" } else { "TransientCommunicationFailure" };
    EmailEventDetails {
        delivery_delay_type: Some(kind.to_owned()),
        diagnostic_code,
        ..EmailEventDetails::default()
    }
}

/// An id in order of time, the same for one try however often it is recorded.
fn id(message: &OutboxMessage, at: Millis) -> EmailEventId {
    let mut text = message.id.as_bytes().to_vec();
    text.extend_from_slice(&message.attempts.to_be_bytes());
    let digest = sha256(&text);
    let rest = digest.first_chunk().expect("a digest has 32 bytes");
    EmailEventId(Builder::from_unix_timestamp_millis(at.unsigned_abs(), rest).into_uuid())
}
