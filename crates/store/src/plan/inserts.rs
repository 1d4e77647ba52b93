//! Whole rows on their way into statements, destructured, so that a new column breaks the build here.

use uuid::Uuid;
use vestibule_engine::model::{
    AbuseRecord, ActivityRecord, Credential, Definition, Millis, Organization, Otp, OutboxMessage,
    ProxyConfig, Submitter, Template, Token, User, WebhookDelivery,
};
use vestibule_engine::store::{TakeSend, channel_code, flavour_code};

use super::{Expect, Step, any, json, one, params};
use crate::rows::{credential_code, status_code, template_parts};
use crate::statements::Statement;
use crate::value::Value;

pub(super) fn insert_activity(activity: &ActivityRecord) -> Step<'_> {
    let ActivityRecord {
        organization_id,
        tenant_id,
        id,
        fingerprint,
        activity_type,
        status,
        timestamp_ms,
        intent,
        result,
        sealed,
        submitter,
        version,
        failure,
        deliberation,
        created_at,
        updated_at,
    } = activity;
    let Submitter { organization_id: home, user_id, vote_id, public_key, signature, scheme, message } =
        submitter;
    one(
        Statement::InsertActivity,
        params![
            organization_id.as_bytes(),
            tenant_id.as_bytes(),
            id.as_bytes(),
            fingerprint,
            activity_type,
            status_code(*status),
            *timestamp_ms,
            home.as_bytes(),
            user_id.as_bytes(),
            vote_id.as_bytes(),
            public_key,
            signature,
            scheme,
            *created_at,
            *updated_at,
            intent,
            result,
            sealed.as_ref(),
            message,
            *version,
            failure.as_ref().map(json),
            deliberation.as_ref().map(json),
        ],
    )
}

/// Only what votes and an outcome change.
pub(super) fn update_activity(activity: &ActivityRecord) -> Step<'_> {
    one(
        Statement::UpdateActivity,
        params![
            status_code(activity.status),
            &activity.result,
            activity.sealed.as_ref(),
            activity.failure.as_ref().map(json),
            activity.deliberation.as_ref().map(json),
            activity.updated_at,
            activity.organization_id.as_bytes(),
            activity.id.as_bytes(),
            activity.version,
        ],
    )
}

pub(super) fn take_send(take: &TakeSend, now: Millis) -> Step<'_> {
    use Statement as S;
    let TakeSend {
        tenant,
        contact,
        otp,
        lifetime_ms,
        slot,
        replaces,
        reserved,
        window_ms,
        sends,
        seen_failures,
    } = take;
    let statement = match (reserved, slot) {
        (false, 0) => S::TakeSend1,
        (false, 1) => S::TakeSend2,
        (false, _) => S::TakeSend3,
        (true, 0) => S::TakeReserve1,
        (true, 1) => S::TakeReserve2,
        (true, _) => S::TakeReserve3,
    };
    let mut params = Vec::from(params![
        tenant.as_bytes(),
        &contact.0,
        now,
        otp.as_bytes(),
        now.saturating_add(*lifetime_ms),
        now.saturating_sub(*window_ms),
        *seen_failures,
        replaces.as_ref().map(|otp| otp.as_bytes()),
    ]);
    if !reserved {
        params.push((*sends).into());
    }
    Step { statement, params, expect: Expect::OneRow }
}

pub(super) fn abuse_params(record: &AbuseRecord) -> [Value<'_>; 8] {
    let AbuseRecord { tenant_id, hour, limit, action, subject, hits, first_at, last_at } = record;
    params![tenant_id.as_bytes(), *hour, limit, action, subject, *hits, *first_at, *last_at]
}

pub(super) fn insert_otp(otp: &Otp) -> Step<'_> {
    let Otp {
        organization_id,
        tenant_id,
        id,
        flavour,
        otp_type,
        contact,
        contact_key,
        identifier_key,
        code_key_id,
        code_hash,
        user_id,
        target_key,
        attempts_left,
        expires_at,
        consumed_at,
        created_at,
    } = otp;
    one(
        Statement::InsertOtp,
        params![
            organization_id.as_bytes(),
            tenant_id.as_bytes(),
            id.as_bytes(),
            flavour_code(*flavour),
            channel_code(*otp_type),
            contact,
            &contact_key.0,
            identifier_key.as_ref().map(|key| &key.0),
            code_key_id,
            code_hash,
            user_id.as_ref().map(|id| id.as_bytes()),
            target_key.as_ref(),
            *attempts_left,
            *expires_at,
            *consumed_at,
            *created_at,
        ],
    )
}

pub(super) fn enqueue(message: &OutboxMessage) -> Step<'_> {
    let OutboxMessage {
        id,
        organization_id,
        tenant_id,
        otp_id,
        channel,
        payload,
        attempts,
        due_at,
        expires_at,
        created_at,
    } = message;
    one(
        Statement::Enqueue,
        params![
            id.as_bytes(),
            organization_id.as_bytes(),
            tenant_id.as_bytes(),
            otp_id.as_bytes(),
            channel_code(*channel),
            payload,
            *attempts,
            *due_at,
            *expires_at,
            *created_at,
        ],
    )
}

pub(super) fn enqueue_delivery(delivery: &WebhookDelivery) -> Step<'_> {
    let WebhookDelivery {
        id,
        organization_id,
        tenant_id,
        event_id,
        endpoint_id,
        payload,
        attempts,
        due_at,
        expires_at,
        created_at,
    } = delivery;
    one(
        Statement::EnqueueDelivery,
        params![
            id.as_bytes(),
            organization_id.as_bytes(),
            tenant_id.as_bytes(),
            event_id.as_bytes(),
            endpoint_id.as_bytes(),
            payload,
            *attempts,
            *due_at,
            *expires_at,
            *created_at,
        ],
    )
}

pub(super) fn insert_token(token: &Token) -> Step<'_> {
    let Token {
        tenant_id,
        id,
        organization_id,
        hash,
        legacy,
        otp_type,
        contact,
        contact_key,
        public_key,
        expires_at,
        signed_up_at,
    } = token;
    one(
        Statement::InsertToken,
        params![
            tenant_id.as_bytes(),
            id.as_bytes(),
            organization_id.as_bytes(),
            hash,
            i64::from(*legacy),
            channel_code(*otp_type),
            contact,
            &contact_key.0,
            public_key.as_ref(),
            *expires_at,
            *signed_up_at,
        ],
    )
}

pub(super) fn insert_organization(organization: &Organization) -> Step<'_> {
    let Organization {
        id,
        parent_id,
        name,
        features,
        quorum,
        webhooks,
        suspended_at,
        locale,
        version,
        created_at,
        updated_at,
    } = organization;
    one(
        Statement::InsertOrganization,
        params![
            id.as_bytes(),
            parent_id.as_ref().map(|id| id.as_bytes()),
            name,
            json(features),
            json(quorum),
            json(webhooks),
            *suspended_at,
            locale.as_ref().map(ToString::to_string),
            *version,
            *created_at,
            *updated_at,
            parent_id.as_ref().unwrap_or(id).as_bytes(),
        ],
    )
}

pub(super) fn insert_user(user: &User) -> Step<'_> {
    let User {
        organization_id,
        tenant_id,
        id,
        name,
        email,
        phone,
        tags,
        mfa_policies,
        version,
        created_at,
        updated_at,
    } = user;
    one(
        Statement::InsertUser,
        params![
            organization_id.as_bytes(),
            tenant_id.as_bytes(),
            id.as_bytes(),
            name,
            email.as_ref(),
            phone.as_ref(),
            json(tags),
            json(mfa_policies),
            *version,
            *created_at,
            *updated_at,
        ],
    )
}

/// What of a user may change; its ids and the time it was made may not.
pub(super) fn update_user(user: &User, now: Millis) -> Step<'_> {
    one(
        Statement::UpdateUser,
        params![
            &user.name,
            user.email.as_ref(),
            user.phone.as_ref(),
            json(&user.tags),
            json(&user.mfa_policies),
            now,
            user.organization_id.as_bytes(),
            user.id.as_bytes(),
            user.version,
        ],
    )
}

pub(super) fn credential_params(credential: &Credential) -> [Value<'_>; 16] {
    let Credential {
        organization_id,
        tenant_id,
        user_id,
        id,
        kind,
        name,
        lookup,
        public_key,
        passkey,
        expiration_seconds,
        expires_at,
        session_profile_id,
        authentication,
        oauth,
        created_at,
        updated_at,
    } = credential;
    params![
        organization_id.as_bytes(),
        tenant_id.as_bytes(),
        user_id.as_bytes(),
        id.as_bytes(),
        credential_code(*kind),
        name,
        lookup,
        public_key,
        passkey.as_ref().map(json),
        *expiration_seconds,
        *expires_at,
        session_profile_id.as_ref().map(Uuid::as_bytes),
        authentication.as_ref().map(json),
        oauth.as_ref().map(json),
        *created_at,
        *updated_at,
    ]
}

pub(super) fn insert_proxy_config(config: &ProxyConfig) -> Step<'_> {
    let ProxyConfig { id, organization_id, user_id, sealed_key, settings, version, created_at, updated_at } =
        config;
    one(
        Statement::InsertProxyConfig,
        params![
            organization_id.as_bytes(),
            id.as_bytes(),
            user_id.as_bytes(),
            sealed_key,
            json(settings),
            *version,
            *created_at,
            *updated_at,
        ],
    )
}

pub(super) fn insert_template(template: &Template) -> Step<'_> {
    let Template { organization_id, id, name, locale, subject, html, text, sms, created_at } = template;
    one(
        Statement::InsertTemplate,
        params![
            organization_id.as_bytes(),
            id.as_bytes(),
            name,
            locale.as_ref().map(ToString::to_string),
            subject,
            html,
            text.as_ref(),
            sms.as_ref(),
            *created_at,
            template_parts(template),
        ],
    )
}

pub(super) fn put_definition(definition: &Definition) -> Step<'_> {
    let Definition { organization_id, kind, id, name, body, created_at, updated_at } = definition;
    any(
        Statement::PutDefinition,
        params![organization_id.as_bytes(), kind.code(), id.as_bytes(), name, body, *created_at, *updated_at],
    )
}
