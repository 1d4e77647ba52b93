//! Messages, deliveries, and what became of them.

use vestibule_engine::model::{
    ContactKey, DeliveryRecord, DeliveryState, EmailEvent, HandedOver, MessageFate, OutboxMessage,
    StoredRoutes, WaitingEndpoint, WebhookDelivery,
};
use vestibule_engine::store::ClaimedMessage;
use vestibule_wire::view::EmailEventType;
use vestibule_wire::{EmailEventId, MessageId, OrganizationId, OtpId};

use super::Columns;
use crate::value::RowError;

/// A message.
pub fn message(c: &mut Columns<'_>) -> Result<OutboxMessage, RowError> {
    Ok(OutboxMessage {
        id: MessageId(c.uuid()?),
        organization_id: OrganizationId(c.uuid()?),
        tenant_id: OrganizationId(c.uuid()?),
        otp_id: OtpId(c.uuid()?),
        channel: c.channel()?,
        payload: c.bytes()?.to_vec(),
        attempts: c.int()?,
        due_at: c.int()?,
        expires_at: c.int()?,
        created_at: c.int()?,
    })
}

/// A message with the routes of its tenant.
pub fn claimed(c: &mut Columns<'_>) -> Result<ClaimedMessage, RowError> {
    Ok(ClaimedMessage { message: message(c)?, routes: c.opt_json()? })
}

/// A message that a provider took.
pub fn handed_over(c: &mut Columns<'_>) -> Result<HandedOver, RowError> {
    Ok(HandedOver {
        provider: c.text()?,
        provider_message_id: c.text()?,
        message_id: MessageId(c.uuid()?),
        organization_id: OrganizationId(c.uuid()?),
        tenant_id: OrganizationId(c.uuid()?),
        channel: c.channel()?,
        contact_key: ContactKey(c.hash()?),
        mail: c.opt_json()?,
        at: c.int()?,
        fate: MessageFate::of_bits(c.int()?),
    })
}

/// Routes of an organization.
pub fn routes(c: &mut Columns<'_>) -> Result<StoredRoutes, RowError> {
    Ok(StoredRoutes { routes: c.json()?, version: c.int()? })
}

/// A delivery to a webhook endpoint.
pub fn delivery(c: &mut Columns<'_>) -> Result<WebhookDelivery, RowError> {
    Ok(WebhookDelivery {
        id: MessageId(c.uuid()?),
        organization_id: OrganizationId(c.uuid()?),
        tenant_id: OrganizationId(c.uuid()?),
        event_id: c.uuid()?,
        endpoint_id: c.uuid()?,
        payload: c.bytes()?.to_vec(),
        attempts: c.int()?,
        due_at: c.int()?,
        expires_at: c.int()?,
        created_at: c.int()?,
    })
}

/// An endpoint for which deliveries wait.
pub fn waiting_endpoint(c: &mut Columns<'_>) -> Result<WaitingEndpoint, RowError> {
    Ok(WaitingEndpoint { endpoint_id: c.uuid()?, due_at: c.int()? })
}

/// What became of a delivery.
pub fn delivery_state(c: &mut Columns<'_>) -> Result<DeliveryRecord, RowError> {
    Ok(DeliveryRecord {
        state: c.code(|code| match code {
            1 => Some(DeliveryState::Delivered),
            2 => Some(DeliveryState::Failed),
            3 => Some(DeliveryState::Waiting),
            _ => None,
        })?,
        attempts: c.int()?,
        due_at: c.int()?,
        created_at: c.int()?,
        error: c.opt_text()?,
    })
}

const EMAIL_EVENTS: [EmailEventType; 5] = [
    EmailEventType::Send,
    EmailEventType::Delivery,
    EmailEventType::Bounce,
    EmailEventType::DeliveryDelay,
    EmailEventType::Complaint,
];

/// How a type of e-mail event is stored.
pub fn email_event_code(event_type: EmailEventType) -> i64 {
    match event_type {
        EmailEventType::Send => 1,
        EmailEventType::Delivery => 2,
        EmailEventType::Bounce => 3,
        EmailEventType::DeliveryDelay => 4,
        EmailEventType::Complaint => 5,
    }
}

/// What became of an e-mail.
pub fn email_event(c: &mut Columns<'_>) -> Result<EmailEvent, RowError> {
    Ok(EmailEvent {
        id: EmailEventId(c.uuid()?),
        organization_id: OrganizationId(c.uuid()?),
        tenant_id: OrganizationId(c.uuid()?),
        contact_key: ContactKey(c.hash()?),
        event_type: c.code(|code| EMAIL_EVENTS.into_iter().find(|kind| email_event_code(*kind) == code))?,
        message_id: c.text()?,
        from: c.text()?,
        to: c.text()?,
        details: c.json()?,
        at: c.int()?,
    })
}
