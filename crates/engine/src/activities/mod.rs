//! One file per activity: what it needs to know, and what it decides. No I/O, no clock, no randomness of its own.

mod api_keys;
mod auth_proxy;
mod authenticators;
mod create_sub_organization;
mod credentials;
mod definitions;
mod email_auth;
mod features;
mod guess;
mod init_otp;
mod made_keys;
mod message;
mod mfa_policies;
mod oauth_providers;
mod organization;
mod otp_auth;
mod otp_login;
mod policies;
mod read_only_session;
mod read_write_session;
mod session;
mod session_profiles;
mod stamp_login;
mod tags;
mod users;
mod verify_otp;
mod webhooks;

use serde_json::{Map, Value};
use uuid::Uuid;
use vestibule_crypto::entropy::{Entropy, uuid_v7};
use vestibule_crypto::keyset::KeySet;
use vestibule_crypto::p256::{KeyCache, PublicKey};
use vestibule_wire::{Intent, OrganizationId, Refusal, SessionOf, UserId};

use crate::caller::{Caller, Via};
use crate::limits::{Limited, Visit};
use crate::settings::Settings;
use crate::store::{ChangeSet, Facts, IntentKeys};

pub(crate) use auth_proxy::proxy_key_place;
pub(crate) use init_otp::target_place;
pub(crate) use oauth_providers::token_identity;

/// What every decision may use beside the facts and the intent.
pub(crate) struct Context<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) keys: &'a KeySet,
    pub(crate) cache: &'a KeyCache,
    pub(crate) entropy: &'a dyn Entropy,
    pub(crate) caller: &'a Caller,
    pub(crate) facts: &'a Facts,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) visit: Visit,
}

impl Context<'_> {
    /// A fresh id in order of creation.
    pub(crate) fn id(&self) -> Uuid {
        uuid_v7(self.entropy, self.facts.now)
    }

    /// Look-up bytes that credentials of the target have already, as far as they were asked for.
    pub(crate) fn taken(&self) -> Vec<Vec<u8>> {
        self.facts.existing_credentials.iter().map(|credential| credential.lookup.clone()).collect()
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

/// A decision, with the limits that it met.
pub(crate) struct Decided {
    pub(crate) decision: Decision,
    /// Told to the operator once the decision stands.
    pub(crate) limited: Vec<Limited>,
}

impl Decided {
    /// A limit refuses it.
    pub(crate) fn refused(refusal: Refusal, limited: Limited) -> Self {
        Self { decision: Decision::Refuse(refusal, ChangeSet::new()), limited: vec![limited] }
    }
}

impl From<Decision> for Decided {
    fn from(decision: Decision) -> Self {
        Self { decision, limited: Vec::new() }
    }
}

impl From<Refusal> for Decided {
    fn from(refusal: Refusal) -> Self {
        Decision::Refuse(refusal, ChangeSet::new()).into()
    }
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
pub(crate) fn keys(intent: &Intent, organization: OrganizationId, settings: &Settings) -> IntentKeys {
    match intent {
        Intent::InitOtp(i) => init_otp::keys(i, organization, settings),
        Intent::VerifyOtp(i) => IntentKeys { otp: i.otp_id, ..Default::default() },
        Intent::OtpAuth(i) => IntentKeys { otp: i.otp_id, ..Default::default() },
        Intent::OtpLogin(i) => otp_login::keys(i),
        Intent::EmailAuth(i) => email_auth::keys(i, settings),
        Intent::CreateReadWriteSession(i) => read_write_session::keys(i),
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
        Intent::RecoverUser(i) => authenticators::recover_keys(i),
        Intent::UpdateRootQuorum(_) => organization::quorum_keys(),
        Intent::CreateUsers(_) => users::create_keys(),
        Intent::UpdateUser(i) => users::update_keys(i),
        Intent::UpdateContact(i) => users::update_contact_keys(i),
        Intent::DeleteUsers(_) => users::delete_keys(),
        Intent::CreateUserTag(_) | Intent::UpdateUserTag(_) | Intent::DeleteUserTags(_) => tags::keys(),
        Intent::CreateAuthenticators(i) => authenticators::create_keys(i),
        Intent::DeleteAuthenticators(i) => of_user(i.user_id),
        Intent::CreateOauthProviders(i) => oauth_providers::create_keys(i),
        Intent::DeleteOauthProviders(i) => of_user(i.user_id),
        Intent::CreatePolicies(_) | Intent::UpdatePolicy(_) | Intent::DeletePolicies(_) => policies::keys(),
        Intent::CreateMfaPolicy(i) => of_user(i.user_id),
        Intent::UpdateMfaPolicy(i) => of_user(i.user_id),
        Intent::DeleteMfaPolicy(i) => of_user(i.user_id),
        Intent::CreateSessionProfile(_) => session_profiles::keys(),
        Intent::Vote(i) => IntentKeys { voted: Some(i.fingerprint), ..Default::default() },
        Intent::DeleteSubOrganization
        | Intent::UpdateOrganizationName(_)
        | Intent::CreateReadOnlySession
        | Intent::Oauth => IntentKeys::default(),
        Intent::CreateWebhookEndpoint(_)
        | Intent::UpdateWebhookEndpoint(_)
        | Intent::DeleteWebhookEndpoint(_) => IntentKeys::default(),
    }
}

fn of_user(user: UserId) -> IntentKeys {
    IntentKeys { user: Some(user), ..Default::default() }
}

/// Whether an intent concerns only its proposer's own credentials, sessions or particulars.
pub(crate) fn on_self(intent: &Intent, proposer: UserId) -> bool {
    let user = match intent {
        Intent::StampLogin(_) | Intent::CreateReadOnlySession => return true,
        Intent::CreateReadWriteSession(i) => match &i.of {
            SessionOf::Caller => return true,
            SessionOf::User(user) => *user,
            SessionOf::Email(_) => return false,
        },
        Intent::RecoverUser(i) => i.user_id,
        Intent::CreateApiKeys(i) => i.user_id,
        Intent::DeleteApiKeys(i) => i.user_id,
        Intent::CreateAuthenticators(i) => i.user_id,
        Intent::DeleteAuthenticators(i) => i.user_id,
        Intent::CreateOauthProviders(i) => i.user_id,
        Intent::DeleteOauthProviders(i) => i.user_id,
        Intent::CreateMfaPolicy(i) => i.user_id,
        Intent::UpdateMfaPolicy(i) => i.user_id,
        Intent::DeleteMfaPolicy(i) => i.user_id,
        // A consensus may ask for an address, and a login finds its user by one: only a proved contact is one's own to set.
        Intent::UpdateContact(i) if i.contact.is_none() || i.verification_token.is_some() => i.user_id,
        Intent::UpdateContact(_)
        | Intent::UpdateUser(_)
        | Intent::InitOtp(_)
        | Intent::VerifyOtp(_)
        | Intent::OtpAuth(_)
        | Intent::OtpLogin(_)
        | Intent::EmailAuth(_)
        | Intent::Oauth
        | Intent::CreateSubOrganization(_)
        | Intent::DeleteSubOrganization
        | Intent::UpdateOrganizationName(_)
        | Intent::UpdateRootQuorum(_)
        | Intent::SetOrganizationFeature(_)
        | Intent::RemoveOrganizationFeature(_)
        | Intent::EnableAuthProxy
        | Intent::DisableAuthProxy
        | Intent::UpdateAuthProxyConfig(_)
        | Intent::CreateUsers(_)
        | Intent::DeleteUsers(_)
        | Intent::CreateUserTag(_)
        | Intent::UpdateUserTag(_)
        | Intent::DeleteUserTags(_)
        | Intent::CreatePolicies(_)
        | Intent::UpdatePolicy(_)
        | Intent::DeletePolicies(_)
        | Intent::Vote(_)
        | Intent::CreateWebhookEndpoint(_)
        | Intent::UpdateWebhookEndpoint(_)
        | Intent::DeleteWebhookEndpoint(_)
        | Intent::CreateSessionProfile(_) => return false,
    };
    user == proposer
}

/// Whether an attested stamp may submit it (G-ATT-1).
pub(crate) fn stamp_may_submit(intent: &Intent, via: Via) -> bool {
    !matches!(via, Via::Attested { .. }) || matches!(intent, Intent::StampLogin(_) | Intent::Vote(_))
}

/// Whether it is judged on all users or definitions of the organization, so that every other such change makes it be
/// judged anew.
pub(crate) fn holds_organization(intent: &Intent) -> bool {
    matches!(
        intent,
        Intent::CreateUsers(_)
            | Intent::DeleteUsers(_)
            | Intent::UpdateUser(_)
            | Intent::CreateUserTag(_)
            | Intent::UpdateUserTag(_)
            | Intent::DeleteUserTags(_)
            | Intent::CreatePolicies(_)
            | Intent::UpdatePolicy(_)
            | Intent::DeletePolicies(_)
            | Intent::CreateSessionProfile(_)
            | Intent::UpdateRootQuorum(_)
            | Intent::CreateWebhookEndpoint(_)
            | Intent::UpdateWebhookEndpoint(_)
            | Intent::DeleteWebhookEndpoint(_)
    )
}

/// Whether it changes how somebody gets in, for which an operator may demand a fresh authentication.
pub(crate) fn changes_credentials(intent: &Intent) -> bool {
    match intent {
        Intent::UpdateUser(i) => i.email.is_some() || i.phone.is_some(),
        _ => matches!(
            intent,
            Intent::CreateApiKeys(_)
                | Intent::DeleteApiKeys(_)
                | Intent::CreateAuthenticators(_)
                | Intent::DeleteAuthenticators(_)
                | Intent::CreateOauthProviders(_)
                | Intent::DeleteOauthProviders(_)
                | Intent::CreateMfaPolicy(_)
                | Intent::UpdateMfaPolicy(_)
                | Intent::DeleteMfaPolicy(_)
                | Intent::UpdateContact(_)
                | Intent::RecoverUser(_)
                | Intent::CreateUsers(_)
                | Intent::DeleteUsers(_)
                | Intent::UpdateRootQuorum(_)
                | Intent::DeleteSubOrganization
        ),
    }
}

/// Decides an activity.
pub(crate) fn decide(cx: &Context<'_>, intent: &Intent) -> Decided {
    let decision: Decision = match intent {
        Intent::InitOtp(i) => return init_otp::decide(cx, i).unwrap_or_else(|refused| refused),
        Intent::VerifyOtp(i) => verify_otp::decide(cx, i),
        Intent::OtpAuth(i) => otp_auth::decide(cx, i),
        Intent::OtpLogin(i) => otp_login::decide(cx, i).into(),
        Intent::EmailAuth(i) => return email_auth::decide(cx, i).unwrap_or_else(|refused| refused),
        Intent::CreateReadWriteSession(i) => read_write_session::decide(cx, i).into(),
        Intent::StampLogin(i) => stamp_login::decide(cx, i).into(),
        Intent::CreateReadOnlySession => read_only_session::decide(cx).into(),
        Intent::CreateSubOrganization(i) => create_sub_organization::decide(cx, i).into(),
        Intent::CreateApiKeys(i) => api_keys::create(cx, i).into(),
        Intent::DeleteApiKeys(i) => api_keys::delete(cx, i).into(),
        Intent::SetOrganizationFeature(i) => features::set(cx, i).into(),
        Intent::RemoveOrganizationFeature(i) => features::remove(cx, i).into(),
        Intent::EnableAuthProxy => auth_proxy::enable(cx).into(),
        Intent::DisableAuthProxy => auth_proxy::disable(cx).into(),
        Intent::UpdateAuthProxyConfig(i) => auth_proxy::update(cx, i).into(),
        Intent::RecoverUser(i) => authenticators::recover(cx, i).into(),
        Intent::DeleteSubOrganization => organization::delete(cx).into(),
        Intent::UpdateOrganizationName(i) => Decision::Complete(organization::rename(cx, i)),
        Intent::UpdateRootQuorum(i) => organization::quorum(cx, i).into(),
        Intent::CreateUsers(i) => users::create(cx, i).into(),
        Intent::UpdateUser(i) => users::update(cx, i).into(),
        Intent::UpdateContact(i) => users::update_contact(cx, i).into(),
        Intent::DeleteUsers(i) => users::delete(cx, i).into(),
        Intent::CreateUserTag(i) => tags::create(cx, i).into(),
        Intent::UpdateUserTag(i) => tags::update(cx, i).into(),
        Intent::DeleteUserTags(i) => tags::delete(cx, i).into(),
        Intent::CreateAuthenticators(i) => authenticators::create(cx, i).into(),
        Intent::DeleteAuthenticators(i) => authenticators::delete(cx, i).into(),
        Intent::CreateOauthProviders(i) => oauth_providers::create(cx, i).into(),
        Intent::DeleteOauthProviders(i) => oauth_providers::delete(cx, i).into(),
        Intent::CreatePolicies(i) => policies::create(cx, i).into(),
        Intent::UpdatePolicy(i) => policies::update(cx, i).into(),
        Intent::DeletePolicies(i) => policies::delete(cx, i).into(),
        Intent::CreateMfaPolicy(i) => mfa_policies::create(cx, i).into(),
        Intent::UpdateMfaPolicy(i) => mfa_policies::update(cx, i).into(),
        Intent::DeleteMfaPolicy(i) => mfa_policies::delete(cx, i).into(),
        Intent::CreateSessionProfile(i) => session_profiles::create(cx, i).into(),
        // Nobody logs in with OAuth here (G-OAUTH-1).
        Intent::Oauth => Decision::Refuse(Refusal::OauthNotEnabled, ChangeSet::new()),
        // A vote is cast on another activity and never decided as one of its own.
        Intent::Vote(_) => Decision::Refuse(Refusal::FingerprintNotFound, ChangeSet::new()),
        Intent::CreateWebhookEndpoint(i) => webhooks::create(cx, i).into(),
        Intent::UpdateWebhookEndpoint(i) => webhooks::update(cx, i).into(),
        Intent::DeleteWebhookEndpoint(i) => webhooks::delete(cx, i).into(),
    };
    decision.into()
}
