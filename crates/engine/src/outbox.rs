//! Messages at rest: sealed until delivery sends them.

use vestibule_crypto::entropy::Entropy;
use vestibule_crypto::keyset::KeySet;
use vestibule_crypto::seal::place;
use vestibule_wire::MessageId;

use crate::model::{DeliveryPayload, MessagePayload, OutboxMessage, WebhookDelivery};

/// Why a stored message cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("message cannot be opened: {0}")]
pub struct UnreadableMessage(&'static str);

/// Where a message is sealed to.
pub(crate) fn payload_place(id: MessageId) -> Vec<u8> {
    place("outbox", "payload", id.as_bytes())
}

/// Seals what a message says for its place in the outbox.
pub fn seal(keys: &KeySet, entropy: &dyn Entropy, id: MessageId, payload: &MessagePayload) -> Vec<u8> {
    let text = serde_json::to_vec(payload).expect("a payload is texts and numbers");
    keys.sealing_key().seal(entropy, &payload_place(id), &text)
}

/// Opens a claimed message.
pub fn open(keys: &KeySet, message: &OutboxMessage) -> Result<MessagePayload, UnreadableMessage> {
    let text = keys
        .open(&payload_place(message.id), &message.payload)
        .map_err(|_| UnreadableMessage("not sealed for this place"))?;
    serde_json::from_slice(&text).map_err(|_| UnreadableMessage("not a payload"))
}

/// Seals what is told to a webhook endpoint for its place in the outbox.
pub fn seal_delivery(
    keys: &KeySet,
    entropy: &dyn Entropy,
    id: MessageId,
    payload: &DeliveryPayload,
) -> Vec<u8> {
    let text = serde_json::to_vec(payload).expect("a payload is texts");
    keys.sealing_key().seal(entropy, &payload_place(id), &text)
}

/// Opens a claimed delivery.
pub fn open_delivery(
    keys: &KeySet,
    delivery: &WebhookDelivery,
) -> Result<DeliveryPayload, UnreadableMessage> {
    let text = keys
        .open(&payload_place(delivery.id), &delivery.payload)
        .map_err(|_| UnreadableMessage("not sealed for this place"))?;
    serde_json::from_slice(&text).map_err(|_| UnreadableMessage("not a payload"))
}
