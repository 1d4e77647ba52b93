//! Results of activities: what stands under the one member of `activity.result` (protocol 02).

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value;

use crate::view::WebhookEndpointData;
use crate::{
    ApiKeyId, AuthenticatorId, Feature, MfaPolicyId, OauthProviderId, OrganizationId, OtpId, PolicyId,
    ProxyConfigId, SessionProfileId, TagId, UserId, WebhookEndpointId,
};

macro_rules! results {
    ($($(#[$doc:meta])* $name:ident for $($key:literal)|+ {
        $($(#[$meta:meta])* $field:ident: $ty:ty,)*
    } optional { $($(#[$opt_meta:meta])* $opt_field:ident: $opt_ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Deserialize, JsonSchema)]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            pub struct $name {
                $($(#[$meta])* pub $field: $ty,)*
                $($(#[$opt_meta])* pub $opt_field: Option<$opt_ty>,)*
            }
        )*

        /// Why an object is not the result that its key promises; `None` where it is.
        pub fn mismatch(key: &str, result: &Value) -> Option<String> {
            let read = match key {
                $($($key)|+ => $name::deserialize(result).map(drop),)*
                _ => return Some(format!("{key} is the key of no result")),
            };
            read.err().map(|error| error.to_string())
        }

        /// The schema of what stands under a key.
        pub(crate) fn schema(key: &str, generator: &mut SchemaGenerator) -> Option<Schema> {
            match key {
                $($($key)|+ => Some(generator.subschema_for::<$name>()),)*
                _ => None,
            }
        }
    };
}

results! {
    /// The attempt.
    OtpStarted for "initOtpResult" | "initOtpAuthResult" | "initOtpAuthResultV2" {
        /// UUID.
        otp_id: OtpId,
    } optional {}

    /// The attempt, and what its code is encrypted to.
    EncryptedOtpStarted for "initOtpResultV2" {
        /// UUID.
        otp_id: OtpId,
        /// JSON text, protocol 05 section 6.
        otp_encryption_target_bundle: String,
    } optional {}

    /// A contact was proved.
    ContactProved for "verifyOtpResult" {
        /// JWT, protocol 05 section 8.
        verification_token: String,
    } optional {}

    /// A session.
    SessionStarted for "otpLoginResult" | "stampLoginResult" | "oauthLoginResult" {
        /// JWT, protocol 05 section 11.
        session: String,
    } optional {}

    /// A key that the server made, encrypted; both members are absent where only the code was asked about.
    OtpAuthResult for "otpAuthResult" {
        /// Its user.
        user_id: UserId,
    } optional {
        /// UUID.
        api_key_id: ApiKeyId,
        /// base58check, protocol 05 section 5.
        credential_bundle: String,
    }

    /// A key that the server made and sent by e-mail.
    EmailAuthResult for "emailAuthResult" {
        /// Its user.
        user_id: UserId,
        /// UUID.
        api_key_id: ApiKeyId,
    } optional {}

    /// One user.
    UserResult for "initUserEmailRecoveryResult" | "updateUserResult" | "updateUserNameResult" | "updateUserEmailResult"
        | "updateUserPhoneNumberResult" | "enableAuthProxyResult" {
        /// UUID.
        user_id: UserId,
    } optional {}

    /// The new passkey.
    RecoverUserResult for "recoverUserResult" {
        /// A list of one UUID.
        authenticator_id: Vec<AuthenticatorId>,
    } optional {}

    /// A session key that the server made.
    ReadWriteSessionResult for "createReadWriteSessionResult" | "createReadWriteSessionResultV2" {
        /// The user's organization.
        organization_id: OrganizationId,
        /// Its name.
        organization_name: String,
        /// The session's user.
        user_id: UserId,
        /// The user's name.
        username: String,
        /// UUID.
        api_key_id: ApiKeyId,
        /// base58check, protocol 05 section 5.
        credential_bundle: String,
    } optional {}

    /// A session for queries.
    ReadOnlySessionResult for "createReadOnlySessionResult" {
        /// The user's organization.
        organization_id: OrganizationId,
        /// Its name.
        organization_name: String,
        /// The session's user.
        user_id: UserId,
        /// The user's name.
        username: String,
        /// For the `X-Session` header.
        session: String,
        /// Epoch seconds, decimal text.
        session_expiry: String,
    } optional {}

    /// The new sub-organization.
    CreateSubOrganizationResult for "createSubOrganizationResultV4" | "createSubOrganizationResultV5"
        | "createSubOrganizationResultV6" | "createSubOrganizationResultV7" | "createSubOrganizationResultV8" {
        /// UUID.
        sub_organization_id: OrganizationId,
        /// In the order of `rootUsers`.
        root_user_ids: Vec<UserId>,
    } optional {}

    /// The deleted sub-organization.
    DeleteSubOrganizationResult for "deleteSubOrganizationResult" {
        /// UUID.
        sub_organization_uuid: OrganizationId,
    } optional {}

    /// The organization with its new name.
    UpdateOrganizationNameResult for "updateOrganizationNameResult" {
        /// UUID.
        organization_id: OrganizationId,
        /// Label.
        organization_name: String,
    } optional {}

    /// All features after the change.
    FeaturesResult for "setOrganizationFeatureResult" | "removeOrganizationFeatureResult" {
        /// As stored.
        features: Vec<Feature>,
    } optional {}

    /// Nothing.
    NoResult for "updateRootQuorumResult" | "disableAuthProxyResult" {} optional {}

    /// Several users.
    UsersResult for "createUsersResult" | "createApiOnlyUsersResult" | "deleteUsersResult" {
        /// In the order of the request.
        user_ids: Vec<UserId>,
    } optional {}

    /// The new tag.
    CreateUserTagResult for "createUserTagResult" {
        /// UUID.
        user_tag_id: TagId,
        /// Users that got it.
        user_ids: Vec<UserId>,
    } optional {}

    /// The changed tag.
    UpdateUserTagResult for "updateUserTagResult" {
        /// UUID.
        user_tag_id: TagId,
    } optional {}

    /// The deleted tags.
    DeleteUserTagsResult for "deleteUserTagsResult" {
        /// UUIDs.
        user_tag_ids: Vec<TagId>,
        /// Users that lost one.
        user_ids: Vec<UserId>,
    } optional {}

    /// API keys.
    ApiKeysResult for "createApiKeysResult" | "deleteApiKeysResult" {
        /// In the order of the request.
        api_key_ids: Vec<ApiKeyId>,
    } optional {}

    /// Passkeys.
    AuthenticatorsResult for "createAuthenticatorsResult" | "deleteAuthenticatorsResult" {
        /// In the order of the request.
        authenticator_ids: Vec<AuthenticatorId>,
    } optional {}

    /// OAuth identities.
    OauthProvidersResult for "createOauthProvidersResult" | "createOauthProvidersResultV2" | "deleteOauthProvidersResult" {
        /// In the order of the request.
        provider_ids: Vec<OauthProviderId>,
    } optional {}

    /// Never given: there are no OAuth logins (G-OAUTH-1).
    OauthResult for "oauthResult" {
        /// The user.
        user_id: UserId,
        /// UUID.
        api_key_id: ApiKeyId,
        /// base58check, protocol 05 section 5.
        credential_bundle: String,
    } optional {}

    /// Never given: there are no OAuth logins (G-OAUTH-1).
    Oauth2AuthenticateResult for "oauth2AuthenticateResult" {
        /// JWT of the provider.
        oidc_token: String,
    } optional {}

    /// One policy.
    PolicyIdResult for "createPolicyResult" | "updatePolicyResult" | "updatePolicyResultV2" | "deletePolicyResult" {
        /// UUID.
        policy_id: PolicyId,
    } optional {}

    /// Several policies.
    PolicyIdsResult for "createPoliciesResult" | "deletePoliciesResult" {
        /// In the order of the request.
        policy_ids: Vec<PolicyId>,
    } optional {}

    /// A webhook endpoint.
    WebhookEndpointResult for "createWebhookEndpointResult" | "updateWebhookEndpointResult" {
        /// UUID.
        endpoint_id: WebhookEndpointId,
        /// The endpoint in full.
        webhook_endpoint: WebhookEndpointData,
    } optional {}

    /// The deleted webhook endpoint.
    DeleteWebhookEndpointResult for "deleteWebhookEndpointResult" {
        /// UUID.
        endpoint_id: WebhookEndpointId,
    } optional {}

    /// One MFA policy.
    MfaPolicyResult for "createMfaPolicyResult" | "updateMfaPolicyResult" | "deleteMfaPolicyResult" {
        /// UUID.
        mfa_policy_id: MfaPolicyId,
    } optional {}

    /// The new session profile.
    SessionProfileResult for "createSessionProfileResult" {
        /// UUID.
        session_profile_id: SessionProfileId,
    } optional {}

    /// The changed configuration.
    AuthProxyConfigResult for "updateAuthProxyConfigResult" {
        /// What clients send as `X-Auth-Proxy-Config-Id`.
        config_id: ProxyConfigId,
    } optional {}
}
