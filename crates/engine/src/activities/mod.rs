//! One file per activity: what it needs to know, and what it decides. No I/O, no clock, no randomness of its own.

mod api_keys;
mod auth_proxy;
mod create_sub_organization;
mod features;
mod guess;
mod init_otp;
mod otp_auth;
mod otp_login;
mod session;
mod stamp_login;
mod verify_otp;

use serde_json::{Map, Value};
use uuid::Uuid;
use vestibule_crypto::entropy::{Entropy, uuid_v7};
use vestibule_crypto::keyset::KeySet;
use vestibule_crypto::p256::{KeyCache, PublicKey};
use vestibule_wire::{Intent, OrganizationId, Refusal};

use crate::caller::{Caller, Via};
use crate::settings::Settings;
use crate::store::{ChangeSet, Facts, IntentKeys};

pub(crate) use auth_proxy::proxy_key_place;
pub(crate) use init_otp::target_place;

/// What every decision may use beside the facts and the intent.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) keys: &'a KeySet,
    pub(crate) cache: &'a KeyCache,
    pub(crate) entropy: &'a dyn Entropy,
    pub(crate) caller: &'a Caller,
    pub(crate) facts: &'a Facts,
    pub(crate) fingerprint: [u8; 32],
}

impl Context<'_> {
    /// A fresh id in order of creation.
    pub(crate) fn id(&self) -> Uuid {
        uuid_v7(self.entropy, self.facts.now)
    }

    /// Reads a P-256 key of a request.
    pub(crate) fn public_key(&self, hex: &str) -> Result<PublicKey, Refusal> {
        self.cache.get_hex(hex).map_err(|_| Refusal::InvalidPublicKey)
    }
}

/// What an activity comes to.
pub(crate) enum Decision {
    /// It is done once the changes are committed.
    Complete(Effect),
    /// It is refused, once the changes, if any, are committed: a wrong guess is spent before the answer leaves.
    Refuse(Refusal, ChangeSet),
}

/// Result and changes of a completed activity.
pub(crate) struct Effect {
    /// Members of the result, secrets in clear.
    pub(crate) result: Map<String, Value>,
    /// Everything it changes, beside the activity itself.
    pub(crate) changes: ChangeSet,
}

impl From<Result<Effect, Refusal>> for Decision {
    fn from(result: Result<Effect, Refusal>) -> Self {
        match result {
            Ok(effect) => Self::Complete(effect),
            Err(refusal) => Self::Refuse(refusal, ChangeSet::new()),
        }
    }
}

/// Builds a result object.
macro_rules! result {
    ($($name:literal: $value:expr),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut members = serde_json::Map::new();
        $(members.insert($name.to_owned(), serde_json::Value::from($value));)*
        members
    }};
}
pub(crate) use result;

/// What an intent needs to be loaded.
pub(crate) fn keys(intent: &Intent, organization: OrganizationId) -> IntentKeys {
    match intent {
        Intent::InitOtp(i) => init_otp::keys(i, organization),
        Intent::VerifyOtp(i) => IntentKeys { otp: i.otp_id, ..Default::default() },
        Intent::OtpAuth(i) => IntentKeys { otp: i.otp_id, ..Default::default() },
        Intent::OtpLogin(i) => otp_login::keys(i),
        Intent::StampLogin(i) => session::keys(&i.session),
        Intent::CreateSubOrganization(i) => create_sub_organization::keys(i),
        Intent::CreateApiKeys(i) => api_keys::create_keys(i),
        Intent::DeleteApiKeys(i) => IntentKeys { user: Some(i.user_id), ..Default::default() },
        Intent::SetOrganizationFeature(_) | Intent::RemoveOrganizationFeature(_) => IntentKeys::default(),
        Intent::EnableAuthProxy | Intent::DisableAuthProxy => {
            IntentKeys { proxy_config: true, ..Default::default() }
        }
        Intent::UpdateAuthProxyConfig(i) => {
            IntentKeys { proxy_config: true, named_templates: i.templates().collect(), ..Default::default() }
        }
        Intent::EmailAuth(_)
        | Intent::RecoverUser(_)
        | Intent::CreateReadWriteSession(_)
        | Intent::CreateReadOnlySession
        | Intent::DeleteSubOrganization
        | Intent::UpdateOrganizationName(_)
        | Intent::UpdateRootQuorum(_)
        | Intent::CreateUsers(_)
        | Intent::UpdateUser(_)
        | Intent::UpdateContact(_)
        | Intent::DeleteUsers(_)
        | Intent::CreateUserTag(_)
        | Intent::UpdateUserTag(_)
        | Intent::DeleteUserTags(_)
        | Intent::CreateAuthenticators(_)
        | Intent::DeleteAuthenticators(_)
        | Intent::CreateOauthProviders(_)
        | Intent::DeleteOauthProviders(_)
        | Intent::Oauth
        | Intent::CreatePolicies(_)
        | Intent::UpdatePolicy(_)
        | Intent::DeletePolicies(_)
        | Intent::Vote(_)
        | Intent::CreateWebhookEndpoint(_)
        | Intent::UpdateWebhookEndpoint(_)
        | Intent::DeleteWebhookEndpoint(_)
        | Intent::CreateMfaPolicy(_)
        | Intent::UpdateMfaPolicy(_)
        | Intent::DeleteMfaPolicy(_)
        | Intent::CreateSessionProfile(_) => IntentKeys::default(),
    }
}

/// Whether an intent concerns only the caller's own credentials or sessions.
pub(crate) fn on_self(intent: &Intent, caller: &Caller) -> bool {
    match intent {
        Intent::StampLogin(_) => true,
        Intent::CreateApiKeys(i) => i.user_id == caller.record.user.id,
        Intent::DeleteApiKeys(i) => i.user_id == caller.record.user.id,
        Intent::InitOtp(_)
        | Intent::VerifyOtp(_)
        | Intent::OtpAuth(_)
        | Intent::OtpLogin(_)
        | Intent::CreateSubOrganization(_)
        | Intent::SetOrganizationFeature(_)
        | Intent::RemoveOrganizationFeature(_)
        | Intent::EnableAuthProxy
        | Intent::DisableAuthProxy
        | Intent::UpdateAuthProxyConfig(_) => false,
        Intent::EmailAuth(_)
        | Intent::RecoverUser(_)
        | Intent::CreateReadWriteSession(_)
        | Intent::CreateReadOnlySession
        | Intent::DeleteSubOrganization
        | Intent::UpdateOrganizationName(_)
        | Intent::UpdateRootQuorum(_)
        | Intent::CreateUsers(_)
        | Intent::UpdateUser(_)
        | Intent::UpdateContact(_)
        | Intent::DeleteUsers(_)
        | Intent::CreateUserTag(_)
        | Intent::UpdateUserTag(_)
        | Intent::DeleteUserTags(_)
        | Intent::CreateAuthenticators(_)
        | Intent::DeleteAuthenticators(_)
        | Intent::CreateOauthProviders(_)
        | Intent::DeleteOauthProviders(_)
        | Intent::Oauth
        | Intent::CreatePolicies(_)
        | Intent::UpdatePolicy(_)
        | Intent::DeletePolicies(_)
        | Intent::Vote(_)
        | Intent::CreateWebhookEndpoint(_)
        | Intent::UpdateWebhookEndpoint(_)
        | Intent::DeleteWebhookEndpoint(_)
        | Intent::CreateMfaPolicy(_)
        | Intent::UpdateMfaPolicy(_)
        | Intent::DeleteMfaPolicy(_)
        | Intent::CreateSessionProfile(_) => false,
    }
}

/// Whether an attested stamp may submit it (G-ATT-1).
pub(crate) fn stamp_may_submit(intent: &Intent, via: Via) -> bool {
    via != Via::Attested || matches!(intent, Intent::StampLogin(_))
}

/// Decides an activity.
pub(crate) fn decide(cx: &Context<'_>, intent: &Intent) -> Decision {
    match intent {
        Intent::InitOtp(i) => init_otp::decide(cx, i).into(),
        Intent::VerifyOtp(i) => verify_otp::decide(cx, i),
        Intent::OtpAuth(i) => otp_auth::decide(cx, i),
        Intent::OtpLogin(i) => otp_login::decide(cx, i).into(),
        Intent::StampLogin(i) => stamp_login::decide(cx, i).into(),
        Intent::CreateSubOrganization(i) => create_sub_organization::decide(cx, i).into(),
        Intent::CreateApiKeys(i) => api_keys::create(cx, i).into(),
        Intent::DeleteApiKeys(i) => api_keys::delete(cx, i).into(),
        Intent::SetOrganizationFeature(i) => features::set(cx, i).into(),
        Intent::RemoveOrganizationFeature(i) => features::remove(cx, i).into(),
        Intent::EnableAuthProxy => auth_proxy::enable(cx).into(),
        Intent::DisableAuthProxy => auth_proxy::disable(cx).into(),
        Intent::UpdateAuthProxyConfig(i) => auth_proxy::update(cx, i).into(),
        // Not answered yet: routing knows their paths only once they are decided here.
        Intent::EmailAuth(_)
        | Intent::RecoverUser(_)
        | Intent::CreateReadWriteSession(_)
        | Intent::CreateReadOnlySession
        | Intent::DeleteSubOrganization
        | Intent::UpdateOrganizationName(_)
        | Intent::UpdateRootQuorum(_)
        | Intent::CreateUsers(_)
        | Intent::UpdateUser(_)
        | Intent::UpdateContact(_)
        | Intent::DeleteUsers(_)
        | Intent::CreateUserTag(_)
        | Intent::UpdateUserTag(_)
        | Intent::DeleteUserTags(_)
        | Intent::CreateAuthenticators(_)
        | Intent::DeleteAuthenticators(_)
        | Intent::CreateOauthProviders(_)
        | Intent::DeleteOauthProviders(_)
        | Intent::Oauth
        | Intent::CreatePolicies(_)
        | Intent::UpdatePolicy(_)
        | Intent::DeletePolicies(_)
        | Intent::Vote(_)
        | Intent::CreateWebhookEndpoint(_)
        | Intent::UpdateWebhookEndpoint(_)
        | Intent::DeleteWebhookEndpoint(_)
        | Intent::CreateMfaPolicy(_)
        | Intent::UpdateMfaPolicy(_)
        | Intent::DeleteMfaPolicy(_)
        | Intent::CreateSessionProfile(_) => Decision::Refuse(Refusal::UnknownPath, ChangeSet::new()),
    }
}
