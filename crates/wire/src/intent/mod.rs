//! Activity bodies: the envelope, and the closed set of intents (protocol 00 section 4, protocol 02).
//!
//! Each version of an activity has its own struct with exactly the members of that version; all versions meet in one
//! domain type, made by `TryFrom`, in which defaults are filled in and bounds are checked.

/// A struct of the contract: required members first, then optional ones, which are left out when absent.
macro_rules! wire_struct {
    (
        $(#[$doc:meta])* $name:ident { $($(#[$meta:meta])* $field:ident: $ty:ty,)* }
        optional { $($(#[$opt_meta:meta])* $opt_field:ident: $opt_ty:ty,)* }
    ) => {
        #[derive(Debug, Clone, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase")]
        $(#[$doc])*
        pub struct $name {
            $($(#[$meta])* pub $field: $ty,)*
            $(
                $(#[$opt_meta])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $opt_field: Option<$opt_ty>,
            )*
        }
    };
}
pub(crate) use wire_struct;

mod authenticators;
mod credentials;
mod customization;
mod features;
mod login;
mod mfa;
mod oauth;
mod organization;
mod otp;
mod policies;
mod proxy_config;
mod root;
mod sessions;
mod tags;
mod users;
mod votes;
mod webhooks;

pub use authenticators::*;
pub use credentials::*;
pub use customization::*;
pub use features::*;
pub use login::*;
pub use mfa::*;
pub use oauth::*;
pub use organization::*;
pub use otp::*;
pub use policies::*;
pub use proxy_config::*;
pub use root::*;
pub use sessions::*;
pub use tags::*;
pub use users::*;
pub use votes::*;
pub use webhooks::*;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::text::PROBLEMS;
use crate::{ActivityType, DecimalText, OrganizationId, Refusal, json};

/// What an activity asks for, whatever its version.
#[derive(Debug, Clone)]
pub enum Intent {
    /// `INIT_OTP` and `INIT_OTP_AUTH`, all versions.
    InitOtp(Box<InitOtp>),
    /// `VERIFY_OTP`, both versions.
    VerifyOtp(VerifyOtp),
    /// `OTP_LOGIN`, both versions.
    OtpLogin(OtpLogin),
    /// `OTP_AUTH`
    OtpAuth(OtpAuth),
    /// `STAMP_LOGIN`
    StampLogin(StampLogin),
    /// `CREATE_SUB_ORGANIZATION`, V4 to V8.
    CreateSubOrganization(Box<CreateSubOrganization>),
    /// `CREATE_API_KEYS`, both versions.
    CreateApiKeys(CreateApiKeys),
    /// `DELETE_API_KEYS`
    DeleteApiKeys(DeleteApiKeys),
    /// `SET_ORGANIZATION_FEATURE`
    SetOrganizationFeature(SetOrganizationFeature),
    /// `REMOVE_ORGANIZATION_FEATURE`
    RemoveOrganizationFeature(RemoveOrganizationFeature),
    /// `ENABLE_AUTH_PROXY`
    EnableAuthProxy,
    /// `DISABLE_AUTH_PROXY`
    DisableAuthProxy,
    /// `UPDATE_AUTH_PROXY_CONFIG`
    UpdateAuthProxyConfig(Box<UpdateAuthProxyConfig>),
    /// `EMAIL_AUTH` and `INIT_USER_EMAIL_RECOVERY`, all versions.
    EmailAuth(Box<EmailAuth>),
    /// `RECOVER_USER`
    RecoverUser(RecoverUser),
    /// `CREATE_READ_WRITE_SESSION`, both versions.
    CreateReadWriteSession(CreateReadWriteSession),
    /// `CREATE_READ_ONLY_SESSION`
    CreateReadOnlySession,
    /// `DELETE_SUB_ORGANIZATION`
    DeleteSubOrganization,
    /// `UPDATE_ORGANIZATION_NAME`
    UpdateOrganizationName(UpdateOrganizationName),
    /// `UPDATE_ROOT_QUORUM`
    UpdateRootQuorum(UpdateRootQuorum),
    /// `CREATE_USERS`, all versions, and `CREATE_API_ONLY_USERS`.
    CreateUsers(CreateUsers),
    /// `UPDATE_USER` and `UPDATE_USER_NAME`
    UpdateUser(UpdateUser),
    /// `UPDATE_USER_EMAIL` and `UPDATE_USER_PHONE_NUMBER`
    UpdateContact(UpdateContact),
    /// `DELETE_USERS`
    DeleteUsers(DeleteUsers),
    /// `CREATE_USER_TAG`
    CreateUserTag(CreateUserTag),
    /// `UPDATE_USER_TAG`
    UpdateUserTag(UpdateUserTag),
    /// `DELETE_USER_TAGS`
    DeleteUserTags(DeleteUserTags),
    /// `CREATE_AUTHENTICATORS`, both versions.
    CreateAuthenticators(CreateAuthenticators),
    /// `DELETE_AUTHENTICATORS`
    DeleteAuthenticators(DeleteAuthenticators),
    /// `CREATE_OAUTH_PROVIDERS`, both versions.
    CreateOauthProviders(CreateOauthProviders),
    /// `DELETE_OAUTH_PROVIDERS`
    DeleteOauthProviders(DeleteOauthProviders),
    /// `OAUTH`, `OAUTH_LOGIN` and `OAUTH2_AUTHENTICATE`, which are refused whatever they ask (G-OAUTH-1).
    Oauth,
    /// `CREATE_POLICY` and `CREATE_POLICIES`
    CreatePolicies(CreatePolicies),
    /// `UPDATE_POLICY`, both versions.
    UpdatePolicy(Box<UpdatePolicy>),
    /// `DELETE_POLICY` and `DELETE_POLICIES`
    DeletePolicies(DeletePolicies),
    /// `APPROVE_ACTIVITY` and `REJECT_ACTIVITY`
    Vote(Vote),
    /// `CREATE_WEBHOOK_ENDPOINT`
    CreateWebhookEndpoint(CreateWebhookEndpoint),
    /// `UPDATE_WEBHOOK_ENDPOINT`
    UpdateWebhookEndpoint(UpdateWebhookEndpoint),
    /// `DELETE_WEBHOOK_ENDPOINT`
    DeleteWebhookEndpoint(DeleteWebhookEndpoint),
    /// `CREATE_MFA_POLICY`
    CreateMfaPolicy(NewMfaPolicy),
    /// `UPDATE_MFA_POLICY`
    UpdateMfaPolicy(UpdateMfaPolicy),
    /// `DELETE_MFA_POLICY`
    DeleteMfaPolicy(DeleteMfaPolicy),
    /// `CREATE_SESSION_PROFILE`
    CreateSessionProfile(CreateSessionProfile),
}

/// A body whose outer form is sound. The intent is still unread, because a caller must be known before the server
/// says what is wrong with it.
#[derive(Debug)]
pub struct Envelope {
    /// The version submitted.
    pub activity_type: ActivityType,
    /// Epoch milliseconds by the client's clock.
    pub timestamp_ms: i64,
    /// The organization acted on.
    pub organization_id: OrganizationId,
    parameters: Value,
}

/// An intent with the echo of its parameters that `activity.intent` carries.
#[derive(Debug)]
pub struct ParsedIntent {
    /// The domain value.
    pub intent: Intent,
    /// The members as understood: unknown ones left out, absent ones absent.
    pub echo: Value,
}

impl Envelope {
    /// Reads the envelope of a body posted to `/public/v1/submit/<path>`.
    pub fn parse(path: &str, body: &[u8]) -> Result<Self, Refusal> {
        let mut body = json::parse_with_empty(body).map_err(|_| Refusal::BadRequestBody)?;
        let removed = take_removals(&mut body);
        json::drop_empty(&mut body);
        let Value::Object(mut body) = body else { return Err(Refusal::BadRequestBody) };
        let text = |body: &Map<String, Value>, name: &str| match body.get(name) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(Refusal::BadRequestBody),
            None => Err(Refusal::MissingField(name.to_owned())),
        };
        let organization_id =
            text(&body, "organizationId")?.parse().map_err(|_| Refusal::MalformedOrganizationId)?;
        let activity_type = ActivityType::from_name(&text(&body, "type")?)
            .filter(|t| t.path() == path)
            .ok_or(Refusal::BadRequestBody)?;
        let timestamp =
            body.get("timestampMs").ok_or_else(|| Refusal::MissingField("timestampMs".to_owned()))?;
        let timestamp_ms = serde_json::from_value::<DecimalText>(timestamp.clone())
            .ok()
            .and_then(|t| t.number())
            .and_then(|n| i64::try_from(n).ok())
            .ok_or(Refusal::BadRequestBody)?;
        let parameters = match body.remove("parameters") {
            Some(Value::Object(mut parameters)) => {
                parameters.extend(removed);
                Value::Object(parameters)
            }
            Some(_) => return Err(Refusal::BadRequestBody),
            None => return Err(Refusal::MissingField("parameters".to_owned())),
        };
        Ok(Self { activity_type, timestamp_ms, organization_id, parameters })
    }

    /// Builds an envelope inside the server, for a call of the auth proxy (D-13).
    pub fn internal(
        activity_type: ActivityType,
        timestamp_ms: i64,
        organization_id: OrganizationId,
        parameters: Value,
    ) -> Self {
        Self { activity_type, timestamp_ms, organization_id, parameters }
    }
}

/// The one member whose `""` removes something, in the activities that have it; everywhere else `""` is absent (D-5).
fn take_removals(body: &mut Value) -> Option<(String, Value)> {
    let name = match body.get("type")?.as_str()? {
        "ACTIVITY_TYPE_UPDATE_USER_EMAIL" => "userEmail",
        "ACTIVITY_TYPE_UPDATE_USER_PHONE_NUMBER" => "userPhoneNumber",
        _ => return None,
    };
    let parameters = body.get_mut("parameters")?.as_object_mut()?;
    (parameters.get(name)? == "").then(|| (name.to_owned(), Value::String(String::new())))
}

/// Which struct holds the parameters of a type, and what the server makes of them.
macro_rules! intents {
    ($($variant:ident: $wire:ty => |$i:pat_param| $domain:expr;)*) => {
        impl Envelope {
            /// Reads the parameters as the version demands.
            pub fn intent(&self) -> Result<ParsedIntent, Refusal> {
                match self.activity_type {
                    $(ActivityType::$variant => read::<$wire, _>(&self.parameters, |$i| Ok($domain)),)*
                }
            }
        }

        /// The schema of the parameters of a type.
        pub(crate) fn parameters_schema(
            activity_type: ActivityType,
            generator: &mut schemars::SchemaGenerator,
        ) -> schemars::Schema {
            match activity_type {
                $(ActivityType::$variant => generator.subschema_for::<$wire>(),)*
            }
        }
    };
}

intents! {
    InitOtp: InitOtpIntent => |i| Intent::InitOtp(Box::new(i.try_into()?));
    InitOtpV2: InitOtpIntentV2 => |i| Intent::InitOtp(Box::new(i.into_domain(OtpFlavour::Legacy)?));
    InitOtpV3: InitOtpIntentV2 => |i| Intent::InitOtp(Box::new(i.into_domain(OtpFlavour::Encrypted)?));
    VerifyOtp: VerifyOtpIntent => |i| Intent::VerifyOtp(i.try_into()?);
    VerifyOtpV2: VerifyOtpIntentV2 => |i| Intent::VerifyOtp(i.try_into()?);
    OtpLogin: OtpLoginIntent => |i| Intent::OtpLogin(i.into());
    OtpLoginV2: OtpLoginIntentV2 => |i| Intent::OtpLogin(i.into());
    InitOtpAuth: InitOtpAuthIntent => |i| Intent::InitOtp(Box::new(i.try_into()?));
    InitOtpAuthV2: InitOtpAuthIntentV2 => |i| Intent::InitOtp(Box::new(i.try_into()?));
    InitOtpAuthV3: InitOtpIntentV2 => |i| Intent::InitOtp(Box::new(i.into_domain(OtpFlavour::Auth)?));
    OtpAuth: OtpAuthIntent => |i| Intent::OtpAuth(i.try_into()?);
    EmailAuth: EmailAuthIntent => |i| Intent::EmailAuth(Box::new(i.try_into()?));
    EmailAuthV2: EmailAuthIntent => |i| Intent::EmailAuth(Box::new(i.try_into()?));
    EmailAuthV3: EmailAuthIntentV3 => |i| Intent::EmailAuth(Box::new(i.try_into()?));
    InitUserEmailRecovery: InitUserEmailRecoveryIntent => |i| Intent::EmailAuth(Box::new(i.try_into()?));
    InitUserEmailRecoveryV2: InitUserEmailRecoveryIntentV2 => |i| Intent::EmailAuth(Box::new(i.try_into()?));
    RecoverUser: RecoverUserIntent => |i| Intent::RecoverUser(i.into());
    StampLogin: StampLoginIntent => |i| Intent::StampLogin(i.into());
    CreateReadWriteSession: CreateReadWriteSessionIntent => |i| Intent::CreateReadWriteSession(i.try_into()?);
    CreateReadWriteSessionV2: CreateReadWriteSessionIntentV2 => |i| Intent::CreateReadWriteSession(i.into());
    CreateReadOnlySession: NoParameters => |_| Intent::CreateReadOnlySession;
    CreateSubOrganizationV4: CreateSubOrganizationIntentV4 => |i| sub_organization(i)?;
    CreateSubOrganizationV5: CreateSubOrganizationIntentV5 => |i| sub_organization(i)?;
    CreateSubOrganizationV6: CreateSubOrganizationIntentV6 => |i| sub_organization(i)?;
    CreateSubOrganizationV7: CreateSubOrganizationIntentV7 => |i| sub_organization(i)?;
    CreateSubOrganizationV8: CreateSubOrganizationIntentV8 => |i| sub_organization(i)?;
    DeleteSubOrganization: DeleteSubOrganizationIntent => |_| Intent::DeleteSubOrganization;
    UpdateOrganizationName: UpdateOrganizationNameIntent => |i| Intent::UpdateOrganizationName(i.into());
    SetOrganizationFeature: SetOrganizationFeatureIntent => |i| Intent::SetOrganizationFeature(i.try_into()?);
    RemoveOrganizationFeature: RemoveOrganizationFeatureIntent => |i| Intent::RemoveOrganizationFeature(i.into());
    UpdateRootQuorum: UpdateRootQuorumIntent => |i| Intent::UpdateRootQuorum(i.try_into()?);
    CreateUsers: CreateUsersIntent => |i| Intent::CreateUsers(i.try_into()?);
    CreateUsersV2: CreateUsersIntentV2 => |i| Intent::CreateUsers(i.try_into()?);
    CreateUsersV3: CreateUsersIntentV3 => |i| Intent::CreateUsers(i.try_into()?);
    CreateUsersV4: CreateUsersIntentV4 => |i| Intent::CreateUsers(i.try_into()?);
    CreateApiOnlyUsers: CreateApiOnlyUsersIntent => |i| Intent::CreateUsers(i.try_into()?);
    UpdateUser: UpdateUserIntent => |i| Intent::UpdateUser(i.try_into()?);
    UpdateUserName: UpdateUserNameIntent => |i| Intent::UpdateUser(i.into());
    UpdateUserEmail: UpdateUserEmailIntent => |i| Intent::UpdateContact(i.try_into()?);
    UpdateUserPhoneNumber: UpdateUserPhoneNumberIntent => |i| Intent::UpdateContact(i.try_into()?);
    DeleteUsers: DeleteUsersIntent => |i| Intent::DeleteUsers(i.into());
    CreateUserTag: CreateUserTagIntent => |i| Intent::CreateUserTag(i.into());
    UpdateUserTag: UpdateUserTagIntent => |i| Intent::UpdateUserTag(i.into());
    DeleteUserTags: DeleteUserTagsIntent => |i| Intent::DeleteUserTags(i.into());
    CreateApiKeys: CreateApiKeysIntent => |i| Intent::CreateApiKeys(i.try_into()?);
    CreateApiKeysV2: CreateApiKeysIntentV2 => |i| Intent::CreateApiKeys(i.try_into()?);
    DeleteApiKeys: DeleteApiKeysIntent => |i| Intent::DeleteApiKeys(i.try_into()?);
    CreateAuthenticators: CreateAuthenticatorsIntent => |i| Intent::CreateAuthenticators(i.try_into()?);
    CreateAuthenticatorsV2: CreateAuthenticatorsIntentV2 => |i| Intent::CreateAuthenticators(i.into());
    DeleteAuthenticators: DeleteAuthenticatorsIntent => |i| Intent::DeleteAuthenticators(i.into());
    CreateOauthProviders: CreateOauthProvidersIntent => |i| Intent::CreateOauthProviders(i.try_into()?);
    CreateOauthProvidersV2: CreateOauthProvidersIntentV2 => |i| Intent::CreateOauthProviders(i.try_into()?);
    DeleteOauthProviders: DeleteOauthProvidersIntent => |i| Intent::DeleteOauthProviders(i.into());
    Oauth: OauthIntent => |_| Intent::Oauth;
    OauthLogin: OauthLoginIntent => |_| Intent::Oauth;
    Oauth2Authenticate: Oauth2AuthenticateIntent => |_| Intent::Oauth;
    CreatePolicyV3: CreatePolicyIntentV3 => |i| Intent::CreatePolicies(i.into());
    CreatePolicies: CreatePoliciesIntent => |i| Intent::CreatePolicies(i.into());
    UpdatePolicy: UpdatePolicyIntent => |i| Intent::UpdatePolicy(Box::new(i.into()));
    UpdatePolicyV2: UpdatePolicyIntentV2 => |i| Intent::UpdatePolicy(Box::new(i.into()));
    DeletePolicy: DeletePolicyIntent => |i| Intent::DeletePolicies(i.into());
    DeletePolicies: DeletePoliciesIntent => |i| Intent::DeletePolicies(i.into());
    ApproveActivity: VoteIntent => |i| Intent::Vote(Vote::parse(&i, true)?);
    RejectActivity: VoteIntent => |i| Intent::Vote(Vote::parse(&i, false)?);
    CreateWebhookEndpoint: CreateWebhookEndpointIntent => |i| Intent::CreateWebhookEndpoint(i.try_into()?);
    UpdateWebhookEndpoint: UpdateWebhookEndpointIntent => |i| Intent::UpdateWebhookEndpoint(i.try_into()?);
    DeleteWebhookEndpoint: DeleteWebhookEndpointIntent => |i| Intent::DeleteWebhookEndpoint(i.into());
    CreateMfaPolicy: CreateMfaPolicyIntent => |i| Intent::CreateMfaPolicy(i.into());
    UpdateMfaPolicy: UpdateMfaPolicyIntent => |i| Intent::UpdateMfaPolicy(i.into());
    DeleteMfaPolicy: DeleteMfaPolicyIntent => |i| Intent::DeleteMfaPolicy(i.into());
    CreateSessionProfile: CreateSessionProfileIntent => |i| Intent::CreateSessionProfile(i.try_into()?);
    EnableAuthProxy: NoParameters => |_| Intent::EnableAuthProxy;
    DisableAuthProxy: NoParameters => |_| Intent::DisableAuthProxy;
    UpdateAuthProxyConfig: UpdateAuthProxyConfigIntent => |i| Intent::UpdateAuthProxyConfig(Box::new(i.try_into()?));
}

wire_struct! {
    /// Parameters of an activity that has none.
    NoParameters {} optional {}
}

fn sub_organization<T: TryInto<CreateSubOrganization, Error = Refusal>>(wire: T) -> Result<Intent, Refusal> {
    Ok(Intent::CreateSubOrganization(Box::new(wire.try_into()?)))
}

fn read<T, F>(parameters: &Value, domain: F) -> Result<ParsedIntent, Refusal>
where
    T: DeserializeOwned + Serialize,
    F: FnOnce(T) -> Result<Intent, Refusal>,
{
    let wire: T = decode(parameters)?;
    let echo = serde_json::to_value(&wire).map_err(|_| Refusal::BadRequestBody)?;
    Ok(ParsedIntent { intent: domain(wire)?, echo })
}

/// Decodes a struct of the contract. A missing member is named, and so is one whose value its type refuses; a member of
/// a wrong JSON type makes a bad body (protocol 00, 6.2).
pub(crate) fn decode<T: DeserializeOwned>(value: &Value) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let text = error.inner().to_string();
        if let Some(problem) = PROBLEMS.iter().find(|problem| **problem == text) {
            return Refusal::InvalidMember { path: error.path().to_string(), problem };
        }
        match text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
            Some("attestation") => Refusal::MissingAttestation,
            Some(name) => Refusal::MissingField(name.to_owned()),
            None => Refusal::BadRequestBody,
        }
    })
}
