//! What follows from a message that was sent, or was not.

use vestibule_engine::model::{EmailEvent, HandedOver, MessageFate, Millis, Suppression};
use vestibule_engine::store::{SuppressContact, channel_code};

use super::{Step, any, json, one, params};
use crate::rows::email_event_code;
use crate::statements::Statement;
use crate::value::Value;

pub(super) fn tell_fate<'a>(provider: &'a str, provider_message_id: &'a str, fate: MessageFate) -> Step<'a> {
    one(Statement::TellFate, params![1_i64 << fate.code(), provider, provider_message_id])
}

pub(crate) fn email_event_params(event: &EmailEvent) -> [Value<'_>; 10] {
    let EmailEvent {
        id,
        organization_id,
        tenant_id,
        contact_key,
        event_type,
        message_id,
        from,
        to,
        details,
        at,
    } = event;
    params![
        id.as_bytes(),
        organization_id.as_bytes(),
        tenant_id.as_bytes(),
        &contact_key.0,
        email_event_code(*event_type),
        message_id,
        from,
        to,
        json(details),
        *at,
    ]
}

pub(crate) fn suppress(suppress: &SuppressContact, now: Millis) -> Step<'_> {
    let SuppressContact { tenant, contact, suppression: Suppression { reason, until } } = suppress;
    any(Statement::Suppress, params![tenant.as_bytes(), &contact.0, now, *until, reason.code()])
}

pub(crate) fn insert_handed_over(handed: &HandedOver) -> Step<'_> {
    let HandedOver {
        provider,
        provider_message_id,
        message_id,
        organization_id,
        tenant_id,
        channel,
        contact_key,
        mail,
        at,
        fate,
    } = handed;
    any(
        Statement::InsertHandedOver,
        params![
            provider,
            provider_message_id,
            message_id.as_bytes(),
            organization_id.as_bytes(),
            tenant_id.as_bytes(),
            channel_code(*channel),
            &contact_key.0,
            mail.as_ref().map(json),
            *at,
            1_i64 << fate.code(),
        ],
    )
}
