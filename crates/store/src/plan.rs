//! From the engine's writes to statements, the same for both stores. Rows are destructured fully, so that a new column
//! breaks the build here.

pub(crate) mod delivery;
mod inserts;
mod keys;

use vestibule_engine::limits::{Bucket, CounterWindow};
use vestibule_engine::model::Millis;
use vestibule_engine::store::{ChangeSet, Write, channel_code};

use crate::rows::credential_code;
use crate::statements::Statement;
use crate::value::Value;
use inserts::{
    abuse_params, credential_params, enqueue, enqueue_delivery, insert_activity, insert_organization,
    insert_otp, insert_proxy_config, insert_template, insert_token, insert_user, put_definition, take_send,
    update_activity, update_user,
};

pub use keys::walk;

/// How long ago a key must have expired to count as a key again; until then it is kept, so that its user is told so.
const EXPIRY_NOTICE_MS: i64 = 24 * 60 * 60 * 1000;

/// What a step must achieve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// One row is changed; none is a conflict.
    OneRow,
    /// Any number of rows.
    AnyRows,
    /// A query that finds a row; it changes none.
    Exists,
    /// A query that finds any number of rows, which it holds; it changes none.
    Holds,
}

/// One statement to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Step<'a> {
    /// Which.
    pub statement: Statement,
    /// Its parameters, `$1` first.
    pub params: Vec<Value<'a>>,
    /// Its guard.
    pub expect: Expect,
}

fn one<'a, const N: usize>(statement: Statement, params: [Value<'a>; N]) -> Step<'a> {
    Step { statement, params: Vec::from(params), expect: Expect::OneRow }
}

fn any<'a, const N: usize>(statement: Statement, params: [Value<'a>; N]) -> Step<'a> {
    Step { statement, params: Vec::from(params), expect: Expect::AnyRows }
}

/// `params![a, b]`: an array of values.
macro_rules! params {
    ($($value:expr),* $(,)?) => { [$($crate::value::Value::from($value)),*] };
}
pub(crate) use params;

pub(crate) fn json<'a, T: serde::Serialize>(value: &T) -> Value<'a> {
    // Maps with text keys, lists and texts alone: nothing that JSON cannot hold.
    Value::from(serde_json::to_string(value).expect("the model is representable in JSON"))
}

/// The name of a write, for [`vestibule_engine::store::CommitError::Conflict`].
pub fn name(write: &Write) -> &'static str {
    match write {
        Write::InsertActivity(_) => "InsertActivity",
        Write::UpdateActivity(_) => "UpdateActivity",
        Write::RequireCredential { .. } => "RequireCredential",
        Write::RememberRefusedGuess { .. } => "RememberRefusedGuess",
        Write::TakeSend(_) => "TakeSend",
        Write::TakeMail { .. } => "TakeMail",
        Write::TakeIdentifierSend { .. } => "TakeIdentifierSend",
        Write::Count { .. } => "Count",
        Write::Fill { .. } => "Fill",
        Write::CreditVerified { .. } => "CreditVerified",
        Write::InsertAbuse(_) => "InsertAbuse",
        Write::AddAbuse(_) => "AddAbuse",
        Write::InsertOtp(_) => "InsertOtp",
        Write::SpendAttempt { .. } => "SpendAttempt",
        Write::ConsumeOtp { .. } => "ConsumeOtp",
        Write::RetireOtp { .. } => "RetireOtp",
        Write::CountFailure { .. } => "CountFailure",
        Write::ClearFailures { .. } => "ClearFailures",
        Write::ClearOwnFailures { .. } => "ClearOwnFailures",
        Write::TrustIdentifier { .. } => "TrustIdentifier",
        Write::Enqueue(_) => "Enqueue",
        Write::RecordHandOver { .. } => "RecordHandOver",
        Write::TellFate { .. } => "TellFate",
        Write::InsertEmailEvent(_) => "InsertEmailEvent",
        Write::Suppress(_) => "Suppress",
        Write::LiftSuppression { .. } => "LiftSuppression",
        Write::PutRoutes { .. } => "PutRoutes",
        Write::EnqueueDelivery(_) => "EnqueueDelivery",
        Write::InsertToken(_) => "InsertToken",
        Write::UseTokenForSignup { .. } => "UseTokenForSignup",
        Write::InsertOrganization(_) => "InsertOrganization",
        Write::InsertUser(_) => "InsertUser",
        Write::InsertContact { .. } => "InsertContact",
        Write::ClaimContact { .. } => "ClaimContact",
        Write::VerifyContact { .. } => "VerifyContact",
        Write::InsertCredential(_) => "InsertCredential",
        Write::PutSessionKey(_) => "PutSessionKey",
        Write::DeleteCredentialsOfType { .. } => "DeleteCredentialsOfType",
        Write::TrimExpiringKeys { .. } => "TrimExpiringKeys",
        Write::DeleteCredential { .. } => "DeleteCredential",
        Write::HoldUser { .. } => "HoldUser",
        Write::TouchUser { .. } => "TouchUser",
        Write::UpdateUser(_) => "UpdateUser",
        Write::RemoveContact { .. } => "RemoveContact",
        Write::DeleteUser { .. } => "DeleteUser",
        Write::UpdateOrganization(_) => "UpdateOrganization",
        Write::DeleteOrganization { .. } => "DeleteOrganization",
        Write::PutDefinition(_) => "PutDefinition",
        Write::DeleteDefinition { .. } => "DeleteDefinition",
        Write::SetSuspended { .. } => "SetSuspended",
        Write::SetLocale { .. } => "SetLocale",
        Write::InsertProxyConfig(_) => "InsertProxyConfig",
        Write::UpdateProxyConfig(_) => "UpdateProxyConfig",
        Write::DeleteProxyConfig { .. } => "DeleteProxyConfig",
        Write::InsertTemplate(_) => "InsertTemplate",
        Write::DeleteTemplate { .. } => "DeleteTemplate",
        Write::InsertMeta { .. } => "InsertMeta",
        Write::ServerKey(write) => keys::name(write),
        Write::Reseal(_) => "Reseal",
    }
}

/// Where a write stands among those that lock rows: activity, contact, identifier, attempt, token, organization, user,
/// contacts of users, credentials, outbox. With one order for all, two change sets wait for each other in one direction only.
fn lock_rank(write: &Write) -> u8 {
    match write {
        Write::InsertActivity(_)
        | Write::UpdateActivity(_)
        | Write::RememberRefusedGuess { .. }
        | Write::RequireCredential { .. } => 0,
        Write::TakeSend(_)
        | Write::TakeMail { .. }
        | Write::CountFailure { .. }
        | Write::ClearFailures { .. }
        | Write::ClearOwnFailures { .. }
        | Write::Suppress(_)
        | Write::LiftSuppression { .. } => 1,
        Write::TakeIdentifierSend { .. } | Write::TrustIdentifier { .. } => 2,
        Write::InsertOtp(_)
        | Write::SpendAttempt { .. }
        | Write::ConsumeOtp { .. }
        | Write::RetireOtp { .. } => 3,
        Write::InsertToken(_) | Write::UseTokenForSignup { .. } => 4,
        Write::InsertOrganization(_)
        | Write::UpdateOrganization(_)
        | Write::DeleteOrganization { .. }
        | Write::PutDefinition(_)
        | Write::DeleteDefinition { .. }
        | Write::SetSuspended { .. }
        | Write::SetLocale { .. }
        | Write::InsertProxyConfig(_)
        | Write::UpdateProxyConfig(_)
        | Write::DeleteProxyConfig { .. }
        | Write::InsertTemplate(_)
        | Write::DeleteTemplate { .. }
        | Write::PutRoutes { .. } => 5,
        Write::InsertUser(_)
        | Write::HoldUser { .. }
        | Write::TouchUser { .. }
        | Write::UpdateUser(_)
        | Write::DeleteUser { .. } => 6,
        Write::InsertContact { .. }
        | Write::RemoveContact { .. }
        | Write::ClaimContact { .. }
        | Write::VerifyContact { .. } => 7,
        Write::InsertCredential(_)
        | Write::PutSessionKey(_)
        | Write::DeleteCredentialsOfType { .. }
        | Write::TrimExpiringKeys { .. }
        | Write::DeleteCredential { .. } => 8,
        Write::Enqueue(_) | Write::EnqueueDelivery(_) => 9,
        Write::RecordHandOver { .. } | Write::TellFate { .. } | Write::InsertEmailEvent(_) => 10,
        // Many wait for the same ones: they are locked last, and soon free again.
        Write::Count { .. } | Write::Fill { .. } | Write::CreditVerified { .. } => 11,
        Write::InsertAbuse(_) | Write::AddAbuse(_) => 12,
        // Never together with the others.
        Write::InsertMeta { .. } | Write::ServerKey(_) | Write::Reseal(_) => 13,
    }
}

/// The writes of a change set in the order in which a store with many writers locks rows. Writes of one rank stay in
/// their order; those of different ranks touch different tables.
pub fn in_lock_order(changes: &ChangeSet) -> Vec<&Write> {
    let mut writes: Vec<&Write> = changes.writes.iter().collect();
    writes.sort_by_key(|write| lock_rank(write));
    writes
}

/// The statements of a write, in order. `now` is the store's time.
pub fn steps(write: &Write, now: Millis) -> Vec<Step<'_>> {
    use Statement as S;
    vec![match write {
        Write::InsertActivity(activity) => insert_activity(activity),
        Write::UpdateActivity(activity) => update_activity(activity),
        Write::RequireCredential { tenant, organization, lookup } => Step {
            statement: S::LiveCredential,
            params: Vec::from(params![tenant.as_bytes(), lookup, organization.as_bytes(), now]),
            expect: Expect::Exists,
        },
        Write::RememberRefusedGuess { organization, fingerprint, otp, expires_at } => one(
            S::RememberRefusedGuess,
            params![organization.as_bytes(), fingerprint, otp.as_bytes(), *expires_at],
        ),
        Write::TakeSend(take) => take_send(take, now),
        Write::TakeMail { tenant, contact, window_ms, sends } => one(
            S::TakeMail,
            params![tenant.as_bytes(), &contact.0, now, *sends, now.saturating_sub(*window_ms)],
        ),
        Write::TakeIdentifierSend { tenant, identifier, window_ms, sends } => one(
            S::TakeIdentifierSend,
            params![tenant.as_bytes(), &identifier.0, now, *sends, now.saturating_sub(*window_ms)],
        ),
        Write::Count { tenant, scope, window, amount, ceiling } => {
            let CounterWindow { opens_at, over_from, forgotten_from, expires_at } = *window;
            one(
                S::Count,
                params![
                    tenant.as_bytes(),
                    scope,
                    opens_at,
                    *amount,
                    expires_at,
                    over_from,
                    forgotten_from,
                    ceiling.saturating_sub(*amount),
                ],
            )
        }
        Write::Fill { tenant, scope, bucket, drops, guarded } => {
            let Bucket { drop_us, burst_us, most_us } = *bucket;
            let added = drop_us * i64::from(*drops);
            let fits_until = if *guarded { burst_us - added } else { i64::MAX };
            let empty_at = now + most_us / 1000 + 1;
            one(S::Fill, params![tenant.as_bytes(), scope, now, added, empty_at, most_us, fits_until])
        }
        Write::CreditVerified { tenant, scope } => {
            any(S::CreditVerified, params![tenant.as_bytes(), scope, now])
        }
        Write::InsertAbuse(record) => one(S::InsertAbuse, abuse_params(record)),
        Write::AddAbuse(record) => one(S::AddAbuse, abuse_params(record)),
        Write::InsertOtp(otp) => insert_otp(otp),
        Write::SpendAttempt { organization, otp, attempts_left } => {
            one(S::SpendAttempt, params![organization.as_bytes(), otp.as_bytes(), now, *attempts_left])
        }
        Write::ConsumeOtp { organization, otp } => {
            one(S::ConsumeOtp, params![now, organization.as_bytes(), otp.as_bytes()])
        }
        Write::RetireOtp { otp, tenant } => {
            any(S::RetireOtp, params![now, tenant.as_bytes(), otp.as_bytes()])
        }
        Write::CountFailure { tenant, contact, locked } => any(
            S::CountFailure,
            params![tenant.as_bytes(), &contact.0, now, locked.as_ref().map(|otp| otp.as_bytes())],
        ),
        Write::ClearFailures { tenant, contact, otp } => any(
            S::ClearFailures,
            params![now, otp.as_ref().map(|otp| otp.as_bytes()), tenant.as_bytes(), &contact.0],
        ),
        Write::ClearOwnFailures { tenant, contact, organization, user } => any(
            S::ClearOwnFailures,
            params![now, tenant.as_bytes(), &contact.0, organization.as_bytes(), user.as_bytes()],
        ),
        Write::TrustIdentifier { tenant, contact, identifier } => {
            any(S::TrustIdentifier, params![tenant.as_bytes(), &contact.0, &identifier.0, now])
        }
        Write::Enqueue(message) => enqueue(message),
        Write::RecordHandOver { provider, provider_message_id, message, channel, contact } => {
            let channel = channel_code(*channel);
            any(
                S::RecordHandOver,
                params![provider, provider_message_id, &contact.0, now, message.as_bytes(), channel],
            )
        }
        Write::TellFate { provider, provider_message_id, fate } => {
            delivery::tell_fate(provider, provider_message_id, *fate)
        }
        Write::InsertEmailEvent(event) => one(S::TellEmailEvent, delivery::email_event_params(event)),
        Write::Suppress(suppress) => delivery::suppress(suppress, now),
        Write::LiftSuppression { tenant, contact } => {
            one(S::LiftSuppression, params![now, tenant.as_bytes(), &contact.0])
        }
        Write::PutRoutes { organization, stored } => {
            one(S::PutRoutes, params![organization.as_bytes(), json(&stored.routes), now, stored.version])
        }
        Write::EnqueueDelivery(delivery) => enqueue_delivery(delivery),
        Write::InsertToken(token) => insert_token(token),
        Write::UseTokenForSignup { tenant, token } => {
            one(S::UseTokenForSignup, params![now, tenant.as_bytes(), token.as_bytes()])
        }
        Write::InsertOrganization(organization) => insert_organization(organization),
        Write::InsertUser(user) => insert_user(user),
        Write::InsertContact { tenant, contact, organization, user, verified_at } => one(
            S::InsertContact,
            params![organization.as_bytes(), user.as_bytes(), &contact.0, tenant.as_bytes(), *verified_at],
        ),
        Write::ClaimContact { tenant, contact } => {
            one(S::ClaimContact, params![tenant.as_bytes(), &contact.0, now])
        }
        Write::VerifyContact { tenant, contact, organization, user } => {
            return vec![
                one(
                    S::VerifyContact,
                    params![now, organization.as_bytes(), user.as_bytes(), &contact.0, tenant.as_bytes()],
                ),
                any(S::KeepClaim, params![tenant.as_bytes(), &contact.0, now]),
            ];
        }
        Write::InsertCredential(credential) => one(S::InsertCredential, credential_params(credential)),
        Write::PutSessionKey(credential) => one(S::PutSessionKey, credential_params(credential)),
        Write::DeleteCredentialsOfType { organization, user, kind, except } => any(
            S::DeleteCredentialsOfType,
            params![organization.as_bytes(), user.as_bytes(), credential_code(*kind), except],
        ),
        Write::TrimExpiringKeys { organization, user, keep, except } => any(
            S::TrimExpiringKeys,
            params![organization.as_bytes(), user.as_bytes(), except, now, now - EXPIRY_NOTICE_MS, *keep],
        ),
        Write::DeleteCredential { organization, user, id } => {
            one(S::DeleteCredential, params![organization.as_bytes(), user.as_bytes(), id.as_bytes()])
        }
        Write::HoldUser { organization, user } => Step {
            statement: S::HoldUser,
            params: Vec::from(params![organization.as_bytes(), user.as_bytes()]),
            expect: Expect::Exists,
        },
        Write::TouchUser { organization, user, version } => {
            one(S::TouchUser, params![now, organization.as_bytes(), user.as_bytes(), *version])
        }
        Write::UpdateUser(user) => update_user(user, now),
        Write::RemoveContact { tenant, contact, organization, user } => {
            let key = || params![tenant.as_bytes(), &contact.0, organization.as_bytes(), user.as_bytes()];
            let held = params![tenant.as_bytes(), &contact.0];
            return vec![
                Step { expect: Expect::Holds, ..any(S::HoldClaim, held) },
                any(S::ReleaseClaim, key()),
                one(S::DeleteContact, key()),
            ];
        }
        Write::DeleteUser { organization, user } => {
            let key = || params![organization.as_bytes(), user.as_bytes()];
            return vec![
                one(S::DeleteUser, key()),
                any(S::DeleteCredentialsOfUser, key()),
                Step { expect: Expect::Holds, ..any(S::HoldClaimsOfUser, key()) },
                any(S::ReleaseClaimsOfUser, key()),
                any(S::DeleteContactsOfUser, key()),
            ];
        }
        Write::UpdateOrganization(organization) => one(
            S::UpdateOrganization,
            params![
                &organization.name,
                json(&organization.features),
                json(&organization.quorum),
                json(&organization.webhooks),
                now,
                organization.id.as_bytes(),
                organization.version,
            ],
        ),
        Write::DeleteOrganization { organization, version } => {
            let key = || params![organization.as_bytes()];
            return vec![
                one(S::DeleteOrganization, params![organization.as_bytes(), *version]),
                any(S::DeleteDefinitions, key()),
                any(S::DeleteUsers, key()),
                any(S::DeleteCredentials, key()),
                Step { expect: Expect::Holds, ..any(S::HoldClaims, key()) },
                any(S::ReleaseClaims, key()),
                any(S::DeleteContacts, key()),
            ];
        }
        Write::PutDefinition(definition) => put_definition(definition),
        Write::DeleteDefinition { organization, kind, id } => {
            one(S::DeleteDefinition, params![organization.as_bytes(), kind.code(), id.as_bytes()])
        }
        Write::SetSuspended { organization, suspended_at } => {
            one(S::SetSuspended, params![*suspended_at, now, organization.as_bytes()])
        }
        Write::SetLocale { organization, locale } => {
            one(S::SetLocale, params![locale.as_ref().map(ToString::to_string), now, organization.as_bytes()])
        }
        Write::InsertProxyConfig(config) => insert_proxy_config(config),
        Write::UpdateProxyConfig(config) => one(
            S::UpdateProxyConfig,
            params![json(&config.settings), now, config.organization_id.as_bytes(), config.version],
        ),
        Write::DeleteProxyConfig { organization } => {
            one(S::DeleteProxyConfig, params![organization.as_bytes()])
        }
        Write::InsertTemplate(template) => insert_template(template),
        Write::DeleteTemplate { organization, template } => {
            one(S::DeleteTemplate, params![organization.as_bytes(), template.as_bytes()])
        }
        Write::InsertMeta { key, value } => one(S::InsertMeta, params![key, value]),
        Write::ServerKey(write) => keys::step(write, now),
        Write::Reseal(reseal) => keys::reseal(reseal),
    }]
}
