//! Query bodies and answers (protocol 03).

mod answers;
mod requests;

pub use answers::*;
pub use requests::*;

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value};

use crate::view::{ActivityStatus, EmailEventType};
use crate::{
    ActivityId, ApiKeyId, AuthenticatorId, Contact, MfaPolicyId, OrganizationId, OtpType, PolicyId, Refusal,
    SessionProfileId, UserId, decode, json,
};

/// One query, read.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// `whoami`
    Whoami,
    /// `get_activity`
    GetActivity(ActivityId),
    /// `list_activities`
    ListActivities {
        /// Empty: all.
        statuses: Vec<ActivityStatus>,
        /// Full names; empty: all. Names of activities that this server does not have match nothing.
        types: Vec<String>,
        /// Which page.
        page: Page,
    },
    /// `get_user`
    GetUser(UserId),
    /// `list_users`
    ListUsers,
    /// `list_suborgs`
    ListSuborgs {
        /// `None`: all.
        filter: Option<Filter>,
        /// Which page.
        page: Page,
    },
    /// `list_verified_suborgs`
    ListVerifiedSuborgs {
        /// `None`: all that have a verified contact.
        filter: Option<Filter>,
        /// Which page.
        page: Page,
    },
    /// `get_api_key`
    GetApiKey(ApiKeyId),
    /// `get_api_keys`
    GetApiKeys(Option<UserId>),
    /// `get_organization_configs`
    GetOrganizationConfigs,
    /// `get_auth_proxy_config`
    GetAuthProxyConfig,
    /// `get_authenticator`
    GetAuthenticator(AuthenticatorId),
    /// `get_authenticators`
    GetAuthenticators(UserId),
    /// `get_oauth_providers`
    GetOauthProviders(Option<UserId>),
    /// `get_policy`
    GetPolicy(PolicyId),
    /// `list_policies`
    ListPolicies,
    /// `get_policy_evaluations`
    GetPolicyEvaluations(ActivityId),
    /// `list_user_tags`
    ListUserTags,
    /// `list_email_events`
    ListEmailEvents {
        /// The recipient.
        email: Contact,
        /// `None`: all.
        event_type: Option<EmailEventType>,
        /// Which page.
        page: Page,
    },
    /// `get_session_profile`
    GetSessionProfile(SessionProfileId),
    /// `get_session_profiles`
    GetSessionProfiles,
    /// `get_mfa_policies`
    GetMfaPolicies(UserId),
    /// `get_mfa_policy`
    GetMfaPolicy {
        /// The user it is for.
        user_id: UserId,
        /// The policy.
        mfa_policy_id: MfaPolicyId,
    },
    /// `get_mfa_status`
    GetMfaStatus {
        /// The activity that waits.
        activity_id: ActivityId,
        /// `None`: everybody who approved it.
        user_id: Option<UserId>,
    },
    /// `list_webhook_endpoints`
    ListWebhookEndpoints,
    /// `list_app_proofs`
    ListAppProofs(ActivityId),
}

/// What sub-organizations are looked up by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Raw credential id of a passkey.
    CredentialId(String),
    /// Name of the sub-organization.
    Name(String),
    /// Name of a user.
    Username(String),
    /// A user's contact, normalised by the engine.
    Contact(OtpType, String),
    /// A token of an OAuth provider, of which issuer, subject and audience are compared.
    OidcToken(String),
    /// A wallet address; there are none here.
    WalletAccountAddress,
    /// A user's API key, hex.
    PublicKey(String),
}

impl Filter {
    /// Reads `filterType` and `filterValue` (protocol 03, list_suborgs).
    pub fn parse(filter_type: &str, value: &str) -> Result<Self, Refusal> {
        let value = value.to_owned();
        Ok(match filter_type {
            "CREDENTIAL_ID" => Self::CredentialId(value),
            "NAME" => Self::Name(value),
            "USERNAME" => Self::Username(value),
            "EMAIL" => Self::Contact(OtpType::Email, value),
            "PHONE_NUMBER" => Self::Contact(OtpType::Sms, value),
            "OIDC_TOKEN" => Self::OidcToken(value),
            "WALLET_ACCOUNT_ADDRESS" => Self::WalletAccountAddress,
            "PUBLIC_KEY" => Self::PublicKey(value),
            _ => return Err(Refusal::InvalidFilter),
        })
    }
}

/// A window into a list, newest first (protocol 03, section 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// 1 to 100.
    pub limit: u32,
    /// Where it starts.
    pub cursor: Cursor,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: 10, cursor: Cursor::Start }
    }
}

/// Where a page starts; ids are exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cursor {
    /// At the newest.
    Start,
    /// Behind this object in list order, that is, older ones.
    After(uuid::Uuid),
    /// The objects that come before this one in list order, that is, newer ones.
    Before(uuid::Uuid),
}

impl Page {
    fn of(options: Option<Pagination>) -> Result<Self, Refusal> {
        let Some(options) = options else { return Ok(Self::default()) };
        let limit = match &options.limit {
            None => 10,
            Some(text) => match text.number() {
                Some(n @ 1..=100) => n as u32,
                _ => return Err(Refusal::InvalidPagination),
            },
        };
        let id = |text: &str| uuid::Uuid::try_parse(text).map_err(|_| Refusal::InvalidPagination);
        let cursor = match (&options.before, &options.after) {
            (None, None) => Cursor::Start,
            (None, Some(after)) => Cursor::After(id(after)?),
            (Some(before), None) => Cursor::Before(id(before)?),
            (Some(_), Some(_)) => return Err(Refusal::InvalidPagination),
        };
        Ok(Self { limit, cursor })
    }
}

/// A query body whose outer form is sound; its members are read once the caller is known.
#[derive(Debug)]
pub struct QueryBody {
    /// The organization asked about.
    pub organization_id: OrganizationId,
    members: Value,
}

impl QueryBody {
    /// All members, null and empty ones left out.
    pub(crate) fn members(&self) -> &Value {
        &self.members
    }

    /// Reads the outer form.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let Ok(members @ Value::Object(_)) = json::parse(body) else { return Err(Refusal::BadRequestBody) };
        let organization_id = match members.get("organizationId") {
            Some(Value::String(text)) => text.parse().map_err(|_| Refusal::MalformedOrganizationId)?,
            Some(_) => return Err(Refusal::BadRequestBody),
            None => return Err(Refusal::MissingField("organizationId".to_owned())),
        };
        Ok(Self { organization_id, members })
    }
}

impl ListSuborgsRequest {
    fn filter(&self) -> Result<Option<Filter>, Refusal> {
        match (&self.filter_type, &self.filter_value) {
            (None, None) => Ok(None),
            (Some(kind), Some(value)) => Filter::parse(kind, value).map(Some),
            _ => Err(Refusal::InvalidFilter),
        }
    }
}

/// Which struct holds the members of a query, how it is answered, and what the server makes of it.
macro_rules! queries {
    ($($name:literal: $wire:ty => $answer:ident, |$r:pat_param| $query:expr;)*) => {
        /// Names of all queries, for tests that enumerate them.
        pub const QUERIES: &[&str] = &[$($name,)*];

        impl QueryBody {
            /// Reads the members of `/public/v1/query/<name>`; `None` for a name that there is not.
            pub fn query(&self, name: &str) -> Option<Result<Query, Refusal>> {
                Some(match name {
                    $($name => decode::<$wire>(&self.members).and_then(|$r| Ok($query)),)*
                    _ => return None,
                })
            }
        }

        /// The schemas of a query's body and answer; `None` for a name that there is not.
        pub(crate) fn schemas(name: &str, generator: &mut SchemaGenerator) -> Option<(Schema, Schema)> {
            Some(match name {
                $($name => (
                    generator.subschema_for::<$wire>(),
                    QueryAnswer::schema(stringify!($answer), generator),
                ),)*
                _ => return None,
            })
        }
    };
}

queries! {
    "whoami": OrganizationRequest => Whoami, |_| Query::Whoami;
    "get_activity": ActivityRequest => Activity, |r| Query::GetActivity(r.activity_id);
    "list_activities": ListActivitiesRequest => Activities, |r| {
        let types = r.filter_by_type.unwrap_or_default();
        if types.iter().any(|name| !name.starts_with("ACTIVITY_TYPE_")) {
            return Err(Refusal::InvalidFilter);
        }
        Query::ListActivities {
            statuses: r.filter_by_status.unwrap_or_default(),
            types,
            page: Page::of(r.pagination_options)?,
        }
    };
    "get_user": UserRequest => User, |r| Query::GetUser(r.user_id);
    "list_users": OrganizationRequest => Users, |_| Query::ListUsers;
    "list_suborgs": ListSuborgsRequest => OrganizationIds, |r| {
        Query::ListSuborgs { filter: r.filter()?, page: Page::of(r.pagination_options)? }
    };
    "list_verified_suborgs": ListSuborgsRequest => OrganizationIds, |r| match r.filter()? {
        filter @ (None | Some(Filter::Contact(..))) => {
            Query::ListVerifiedSuborgs { filter, page: Page::of(r.pagination_options)? }
        }
        Some(_) => return Err(Refusal::InvalidFilter),
    };
    "get_api_key": GetApiKeyRequest => ApiKey, |r| Query::GetApiKey(r.api_key_id);
    "get_api_keys": UsersRequest => ApiKeys, |r| Query::GetApiKeys(r.user_id);
    "get_authenticator": GetAuthenticatorRequest => Authenticator, |r| Query::GetAuthenticator(r.authenticator_id);
    "get_authenticators": UserRequest => Authenticators, |r| Query::GetAuthenticators(r.user_id);
    "get_oauth_providers": UsersRequest => OauthProviders, |r| Query::GetOauthProviders(r.user_id);
    "get_policy": GetPolicyRequest => Policy, |r| Query::GetPolicy(r.policy_id);
    "list_policies": OrganizationRequest => Policies, |_| Query::ListPolicies;
    "get_policy_evaluations": ActivityRequest => PolicyEvaluations, |r| Query::GetPolicyEvaluations(r.activity_id);
    "get_organization_configs": OrganizationRequest => Configs, |_| Query::GetOrganizationConfigs;
    "list_user_tags": OrganizationRequest => UserTags, |_| Query::ListUserTags;
    "list_email_events": ListEmailEventsRequest => EmailEvents, |r| Query::ListEmailEvents {
        email: Contact::email(&r.email)?,
        event_type: r.event_type,
        page: Page::of(r.pagination_options)?,
    };
    "get_session_profile": GetSessionProfileRequest => SessionProfile, |r| Query::GetSessionProfile(r.session_profile_id);
    "get_session_profiles": OrganizationRequest => SessionProfiles, |_| Query::GetSessionProfiles;
    "get_mfa_policies": UserRequest => MfaPolicies, |r| Query::GetMfaPolicies(r.user_id);
    "get_mfa_policy": GetMfaPolicyRequest => MfaPolicy, |r| {
        Query::GetMfaPolicy { user_id: r.user_id, mfa_policy_id: r.mfa_policy_id }
    };
    "get_mfa_status": GetMfaStatusRequest => MfaStatuses, |r| {
        Query::GetMfaStatus { activity_id: r.activity_id, user_id: r.user_id }
    };
    "list_webhook_endpoints": OrganizationRequest => WebhookEndpoints, |_| Query::ListWebhookEndpoints;
    "list_app_proofs": ActivityRequest => AppProofs, |r| Query::ListAppProofs(r.activity_id);
    "get_auth_proxy_config": OrganizationRequest => AuthProxyConfig, |_| Query::GetAuthProxyConfig;
}

/// An empty object, the answer of activities without a result.
pub fn empty_object() -> Value {
    Value::Object(Map::new())
}
