//! The closed table of activity types: which path takes them and under which names their parts travel (protocol 02).

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($variant:ident => $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
        }

        impl $name {
            /// The name that policies compare with.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

named! {
    /// What an activity acts on (protocol 02, section 1.1).
    Resource {
        Auth => "AUTH",
        Otp => "OTP",
        Recovery => "RECOVERY",
        Organization => "ORGANIZATION",
        User => "USER",
        Credential => "CREDENTIAL",
        Policy => "POLICY",
        AuthProxy => "AUTH_PROXY",
        WebhookEndpoint => "WEBHOOK_ENDPOINT",
        MfaPolicy => "MFA_POLICY",
        SessionProfile => "SESSION_PROFILE",
    }
}

named! {
    /// What an activity does to its resource.
    Action {
        Create => "CREATE",
        Verify => "VERIFY",
        Update => "UPDATE",
        Delete => "DELETE",
    }
}

macro_rules! resource_action {
    () => {
        None
    };
    ($resource:ident $action:ident) => {
        Some((Resource::$resource, Action::$action))
    };
}

macro_rules! activity_types {
    ($($variant:ident: $kind:literal $version:literal on $path:literal,
        $intent:literal => $result:literal $(, $resource:ident $action:ident)?;)*) => {
        /// One version of one activity.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ActivityType {
            $(#[doc = concat!("`ACTIVITY_TYPE_", $kind, $version, "`")] $variant,)*
        }

        impl ActivityType {
            /// Every type, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The full name, `ACTIVITY_TYPE_...`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => concat!("ACTIVITY_TYPE_", $kind, $version),)* }
            }

            /// The name without prefix and version.
            pub fn kind(self) -> &'static str {
                match self { $(Self::$variant => $kind,)* }
            }

            /// The last segment of `/public/v1/submit/<path>`.
            pub fn path(self) -> &'static str {
                match self { $(Self::$variant => $path,)* }
            }

            /// The one member of `activity.intent`.
            pub fn intent_key(self) -> &'static str {
                match self { $(Self::$variant => $intent,)* }
            }

            /// The one member of `activity.result`; empty for votes, which are answered with the activity voted on.
            pub fn result_key(self) -> &'static str {
                match self { $(Self::$variant => $result,)* }
            }

            /// Resource and action for policies; `None` where the root quorum alone decides, or every user for itself
            /// (protocol 02, section 1.1).
            pub fn resource_action(self) -> Option<(Resource, Action)> {
                match self { $(Self::$variant => resource_action!($($resource $action)?),)* }
            }

            /// Finds a type by its full name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $(concat!("ACTIVITY_TYPE_", $kind, $version) => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

activity_types! {
    InitOtp: "INIT_OTP" "" on "init_otp", "initOtpIntent" => "initOtpResult", Otp Create;
    InitOtpV2: "INIT_OTP" "_V2" on "init_otp", "initOtpIntentV2" => "initOtpResult", Otp Create;
    InitOtpV3: "INIT_OTP" "_V3" on "init_otp", "initOtpIntentV3" => "initOtpResultV2", Otp Create;
    VerifyOtp: "VERIFY_OTP" "" on "verify_otp", "verifyOtpIntent" => "verifyOtpResult", Otp Verify;
    VerifyOtpV2: "VERIFY_OTP" "_V2" on "verify_otp", "verifyOtpIntentV2" => "verifyOtpResult", Otp Verify;
    OtpLogin: "OTP_LOGIN" "" on "otp_login", "otpLoginIntent" => "otpLoginResult", Auth Create;
    OtpLoginV2: "OTP_LOGIN" "_V2" on "otp_login", "otpLoginIntentV2" => "otpLoginResult", Auth Create;
    InitOtpAuth: "INIT_OTP_AUTH" "" on "init_otp_auth", "initOtpAuthIntent" => "initOtpAuthResult", Auth Create;
    InitOtpAuthV2: "INIT_OTP_AUTH" "_V2" on "init_otp_auth", "initOtpAuthIntentV2" => "initOtpAuthResultV2", Auth Create;
    InitOtpAuthV3: "INIT_OTP_AUTH" "_V3" on "init_otp_auth", "initOtpAuthIntentV3" => "initOtpAuthResultV2", Auth Create;
    OtpAuth: "OTP_AUTH" "" on "otp_auth", "otpAuthIntent" => "otpAuthResult", Auth Create;
    EmailAuth: "EMAIL_AUTH" "" on "email_auth", "emailAuthIntent" => "emailAuthResult", Auth Create;
    EmailAuthV2: "EMAIL_AUTH" "_V2" on "email_auth", "emailAuthIntentV2" => "emailAuthResult", Auth Create;
    EmailAuthV3: "EMAIL_AUTH" "_V3" on "email_auth", "emailAuthIntentV3" => "emailAuthResult", Auth Create;
    InitUserEmailRecovery: "INIT_USER_EMAIL_RECOVERY" "" on "init_user_email_recovery", "initUserEmailRecoveryIntent" => "initUserEmailRecoveryResult", Recovery Create;
    InitUserEmailRecoveryV2: "INIT_USER_EMAIL_RECOVERY" "_V2" on "init_user_email_recovery", "initUserEmailRecoveryIntentV2" => "initUserEmailRecoveryResult", Recovery Create;
    RecoverUser: "RECOVER_USER" "" on "recover_user", "recoverUserIntent" => "recoverUserResult";
    StampLogin: "STAMP_LOGIN" "" on "stamp_login", "stampLoginIntent" => "stampLoginResult", Auth Create;
    CreateReadWriteSession: "CREATE_READ_WRITE_SESSION" "" on "create_read_write_session", "createReadWriteSessionIntent" => "createReadWriteSessionResult", Auth Create;
    CreateReadWriteSessionV2: "CREATE_READ_WRITE_SESSION" "_V2" on "create_read_write_session", "createReadWriteSessionIntentV2" => "createReadWriteSessionResultV2", Auth Create;
    CreateReadOnlySession: "CREATE_READ_ONLY_SESSION" "" on "create_read_only_session", "createReadOnlySessionIntent" => "createReadOnlySessionResult";
    CreateSubOrganizationV4: "CREATE_SUB_ORGANIZATION" "_V4" on "create_sub_organization", "createSubOrganizationIntentV4" => "createSubOrganizationResultV4", Organization Create;
    CreateSubOrganizationV5: "CREATE_SUB_ORGANIZATION" "_V5" on "create_sub_organization", "createSubOrganizationIntentV5" => "createSubOrganizationResultV5", Organization Create;
    CreateSubOrganizationV6: "CREATE_SUB_ORGANIZATION" "_V6" on "create_sub_organization", "createSubOrganizationIntentV6" => "createSubOrganizationResultV6", Organization Create;
    CreateSubOrganizationV7: "CREATE_SUB_ORGANIZATION" "_V7" on "create_sub_organization", "createSubOrganizationIntentV7" => "createSubOrganizationResultV7", Organization Create;
    CreateSubOrganizationV8: "CREATE_SUB_ORGANIZATION" "_V8" on "create_sub_organization", "createSubOrganizationIntentV8" => "createSubOrganizationResultV8", Organization Create;
    DeleteSubOrganization: "DELETE_SUB_ORGANIZATION" "" on "delete_sub_organization", "deleteSubOrganizationIntent" => "deleteSubOrganizationResult", Organization Delete;
    UpdateOrganizationName: "UPDATE_ORGANIZATION_NAME" "" on "update_organization_name", "updateOrganizationNameIntent" => "updateOrganizationNameResult";
    SetOrganizationFeature: "SET_ORGANIZATION_FEATURE" "" on "set_organization_feature", "setOrganizationFeatureIntent" => "setOrganizationFeatureResult";
    RemoveOrganizationFeature: "REMOVE_ORGANIZATION_FEATURE" "" on "remove_organization_feature", "removeOrganizationFeatureIntent" => "removeOrganizationFeatureResult";
    UpdateRootQuorum: "UPDATE_ROOT_QUORUM" "" on "update_root_quorum", "updateRootQuorumIntent" => "updateRootQuorumResult";
    CreateUsers: "CREATE_USERS" "" on "create_users", "createUsersIntent" => "createUsersResult", User Create;
    CreateUsersV2: "CREATE_USERS" "_V2" on "create_users", "createUsersIntentV2" => "createUsersResult", User Create;
    CreateUsersV3: "CREATE_USERS" "_V3" on "create_users", "createUsersIntentV3" => "createUsersResult", User Create;
    CreateUsersV4: "CREATE_USERS" "_V4" on "create_users", "createUsersIntentV4" => "createUsersResult", User Create;
    CreateApiOnlyUsers: "CREATE_API_ONLY_USERS" "" on "create_api_only_users", "createApiOnlyUsersIntent" => "createApiOnlyUsersResult", User Create;
    UpdateUser: "UPDATE_USER" "" on "update_user", "updateUserIntent" => "updateUserResult", User Update;
    UpdateUserName: "UPDATE_USER_NAME" "" on "update_user_name", "updateUserNameIntent" => "updateUserNameResult", User Update;
    UpdateUserEmail: "UPDATE_USER_EMAIL" "" on "update_user_email", "updateUserEmailIntent" => "updateUserEmailResult", User Update;
    UpdateUserPhoneNumber: "UPDATE_USER_PHONE_NUMBER" "" on "update_user_phone_number", "updateUserPhoneNumberIntent" => "updateUserPhoneNumberResult", User Update;
    DeleteUsers: "DELETE_USERS" "" on "delete_users", "deleteUsersIntent" => "deleteUsersResult", User Delete;
    CreateUserTag: "CREATE_USER_TAG" "" on "create_user_tag", "createUserTagIntent" => "createUserTagResult", User Create;
    UpdateUserTag: "UPDATE_USER_TAG" "" on "update_user_tag", "updateUserTagIntent" => "updateUserTagResult", User Update;
    DeleteUserTags: "DELETE_USER_TAGS" "" on "delete_user_tags", "deleteUserTagsIntent" => "deleteUserTagsResult", User Delete;
    CreateApiKeys: "CREATE_API_KEYS" "" on "create_api_keys", "createApiKeysIntent" => "createApiKeysResult", Credential Create;
    CreateApiKeysV2: "CREATE_API_KEYS" "_V2" on "create_api_keys", "createApiKeysIntentV2" => "createApiKeysResult", Credential Create;
    DeleteApiKeys: "DELETE_API_KEYS" "" on "delete_api_keys", "deleteApiKeysIntent" => "deleteApiKeysResult", Credential Delete;
    CreateAuthenticators: "CREATE_AUTHENTICATORS" "" on "create_authenticators", "createAuthenticatorsIntent" => "createAuthenticatorsResult", Credential Create;
    CreateAuthenticatorsV2: "CREATE_AUTHENTICATORS" "_V2" on "create_authenticators", "createAuthenticatorsIntentV2" => "createAuthenticatorsResult", Credential Create;
    DeleteAuthenticators: "DELETE_AUTHENTICATORS" "" on "delete_authenticators", "deleteAuthenticatorsIntent" => "deleteAuthenticatorsResult", Credential Delete;
    CreateOauthProviders: "CREATE_OAUTH_PROVIDERS" "" on "create_oauth_providers", "createOauthProvidersIntent" => "createOauthProvidersResult", Credential Create;
    CreateOauthProvidersV2: "CREATE_OAUTH_PROVIDERS" "_V2" on "create_oauth_providers", "createOauthProvidersIntentV2" => "createOauthProvidersResultV2", Credential Create;
    DeleteOauthProviders: "DELETE_OAUTH_PROVIDERS" "" on "delete_oauth_providers", "deleteOauthProvidersIntent" => "deleteOauthProvidersResult", Credential Delete;
    Oauth: "OAUTH" "" on "oauth", "oauthIntent" => "oauthResult", Auth Create;
    OauthLogin: "OAUTH_LOGIN" "" on "oauth_login", "oauthLoginIntent" => "oauthLoginResult", Auth Create;
    Oauth2Authenticate: "OAUTH2_AUTHENTICATE" "" on "oauth2_authenticate", "oauth2AuthenticateIntent" => "oauth2AuthenticateResult", Auth Create;
    CreatePolicyV3: "CREATE_POLICY" "_V3" on "create_policy", "createPolicyIntentV3" => "createPolicyResult", Policy Create;
    CreatePolicies: "CREATE_POLICIES" "" on "create_policies", "createPoliciesIntent" => "createPoliciesResult", Policy Create;
    UpdatePolicy: "UPDATE_POLICY" "" on "update_policy", "updatePolicyIntent" => "updatePolicyResult", Policy Update;
    UpdatePolicyV2: "UPDATE_POLICY" "_V2" on "update_policy", "updatePolicyIntentV2" => "updatePolicyResultV2", Policy Update;
    DeletePolicy: "DELETE_POLICY" "" on "delete_policy", "deletePolicyIntent" => "deletePolicyResult", Policy Delete;
    DeletePolicies: "DELETE_POLICIES" "" on "delete_policies", "deletePoliciesIntent" => "deletePoliciesResult", Policy Delete;
    ApproveActivity: "APPROVE_ACTIVITY" "" on "approve_activity", "approveActivityIntent" => "";
    RejectActivity: "REJECT_ACTIVITY" "" on "reject_activity", "rejectActivityIntent" => "";
    CreateWebhookEndpoint: "CREATE_WEBHOOK_ENDPOINT" "" on "create_webhook_endpoint", "createWebhookEndpointIntent" => "createWebhookEndpointResult", WebhookEndpoint Create;
    UpdateWebhookEndpoint: "UPDATE_WEBHOOK_ENDPOINT" "" on "update_webhook_endpoint", "updateWebhookEndpointIntent" => "updateWebhookEndpointResult", WebhookEndpoint Update;
    DeleteWebhookEndpoint: "DELETE_WEBHOOK_ENDPOINT" "" on "delete_webhook_endpoint", "deleteWebhookEndpointIntent" => "deleteWebhookEndpointResult", WebhookEndpoint Delete;
    CreateMfaPolicy: "CREATE_MFA_POLICY" "" on "create_mfa_policy", "createMfaPolicyIntent" => "createMfaPolicyResult", MfaPolicy Create;
    UpdateMfaPolicy: "UPDATE_MFA_POLICY" "" on "update_mfa_policy", "updateMfaPolicyIntent" => "updateMfaPolicyResult", MfaPolicy Update;
    DeleteMfaPolicy: "DELETE_MFA_POLICY" "" on "delete_mfa_policy", "deleteMfaPolicyIntent" => "deleteMfaPolicyResult", MfaPolicy Delete;
    CreateSessionProfile: "CREATE_SESSION_PROFILE" "" on "create_session_profile", "createSessionProfileIntent" => "createSessionProfileResult", SessionProfile Create;
    EnableAuthProxy: "ENABLE_AUTH_PROXY" "" on "enable_auth_proxy", "enableAuthProxyIntent" => "enableAuthProxyResult", AuthProxy Create;
    DisableAuthProxy: "DISABLE_AUTH_PROXY" "" on "disable_auth_proxy", "disableAuthProxyIntent" => "disableAuthProxyResult", AuthProxy Delete;
    UpdateAuthProxyConfig: "UPDATE_AUTH_PROXY_CONFIG" "" on "update_auth_proxy_config", "updateAuthProxyConfigIntent" => "updateAuthProxyConfigResult", AuthProxy Update;
}

impl ActivityType {
    /// Whether users of the parent may run it in a sub-organization (protocol 02, section 1; G-PAR-1).
    pub fn parent_may_target(self) -> bool {
        matches!(
            self.kind(),
            "INIT_OTP"
                | "VERIFY_OTP"
                | "OTP_LOGIN"
                | "INIT_OTP_AUTH"
                | "OTP_AUTH"
                | "OAUTH"
                | "OAUTH_LOGIN"
                | "EMAIL_AUTH"
                | "INIT_USER_EMAIL_RECOVERY"
                | "CREATE_READ_WRITE_SESSION"
                | "CREATE_OAUTH_PROVIDERS"
        )
    }

    /// Whether only parents may run it, on themselves (protocol 02, section 1).
    pub fn parents_only(self) -> bool {
        matches!(
            self.kind(),
            "CREATE_SUB_ORGANIZATION"
                | "CREATE_SESSION_PROFILE"
                | "ENABLE_AUTH_PROXY"
                | "DISABLE_AUTH_PROXY"
                | "UPDATE_AUTH_PROXY_CONFIG"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_finds_its_type_and_names_its_path() {
        for &t in ActivityType::ALL {
            assert_eq!(ActivityType::from_name(t.name()), Some(t));
            assert_eq!(t.path(), t.kind().to_lowercase());
            let votes = [ActivityType::ApproveActivity, ActivityType::RejectActivity].contains(&t);
            assert_eq!(t.result_key().is_empty(), votes);
            assert!(t.intent_key().to_lowercase().starts_with(&t.kind().to_lowercase().replace('_', "")));
        }
        assert_eq!(ActivityType::from_name("ACTIVITY_TYPE_INIT_OTP_V4"), None);
    }
}
