//! The closed table of activity types: which path takes them and under which names their parts travel (protocol 02).

/// What an activity acts on (protocol 02, section 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// `AUTH`
    Auth,
    /// `OTP`
    Otp,
    /// `ORGANIZATION`
    Organization,
    /// `CREDENTIAL`
    Credential,
    /// `AUTH_PROXY`
    AuthProxy,
}

/// What an activity does to its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `CREATE`
    Create,
    /// `VERIFY`
    Verify,
    /// `UPDATE`
    Update,
    /// `DELETE`
    Delete,
}

macro_rules! activity_types {
    ($($variant:ident: $kind:literal $version:literal on $path:literal, $intent:literal => $result:literal;)*) => {
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

            /// The one member of `activity.result`.
            pub fn result_key(self) -> &'static str {
                match self { $(Self::$variant => $result,)* }
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
    InitOtp: "INIT_OTP" "" on "init_otp", "initOtpIntent" => "initOtpResult";
    InitOtpV2: "INIT_OTP" "_V2" on "init_otp", "initOtpIntentV2" => "initOtpResult";
    InitOtpV3: "INIT_OTP" "_V3" on "init_otp", "initOtpIntentV3" => "initOtpResultV2";
    VerifyOtp: "VERIFY_OTP" "" on "verify_otp", "verifyOtpIntent" => "verifyOtpResult";
    VerifyOtpV2: "VERIFY_OTP" "_V2" on "verify_otp", "verifyOtpIntentV2" => "verifyOtpResult";
    OtpLogin: "OTP_LOGIN" "" on "otp_login", "otpLoginIntent" => "otpLoginResult";
    OtpLoginV2: "OTP_LOGIN" "_V2" on "otp_login", "otpLoginIntentV2" => "otpLoginResult";
    InitOtpAuth: "INIT_OTP_AUTH" "" on "init_otp_auth", "initOtpAuthIntent" => "initOtpAuthResult";
    InitOtpAuthV2: "INIT_OTP_AUTH" "_V2" on "init_otp_auth", "initOtpAuthIntentV2" => "initOtpAuthResultV2";
    InitOtpAuthV3: "INIT_OTP_AUTH" "_V3" on "init_otp_auth", "initOtpAuthIntentV3" => "initOtpAuthResultV2";
    OtpAuth: "OTP_AUTH" "" on "otp_auth", "otpAuthIntent" => "otpAuthResult";
    StampLogin: "STAMP_LOGIN" "" on "stamp_login", "stampLoginIntent" => "stampLoginResult";
    CreateSubOrganizationV4: "CREATE_SUB_ORGANIZATION" "_V4" on "create_sub_organization", "createSubOrganizationIntentV4" => "createSubOrganizationResultV4";
    CreateSubOrganizationV5: "CREATE_SUB_ORGANIZATION" "_V5" on "create_sub_organization", "createSubOrganizationIntentV5" => "createSubOrganizationResultV5";
    CreateSubOrganizationV6: "CREATE_SUB_ORGANIZATION" "_V6" on "create_sub_organization", "createSubOrganizationIntentV6" => "createSubOrganizationResultV6";
    CreateSubOrganizationV7: "CREATE_SUB_ORGANIZATION" "_V7" on "create_sub_organization", "createSubOrganizationIntentV7" => "createSubOrganizationResultV7";
    CreateSubOrganizationV8: "CREATE_SUB_ORGANIZATION" "_V8" on "create_sub_organization", "createSubOrganizationIntentV8" => "createSubOrganizationResultV8";
    CreateApiKeys: "CREATE_API_KEYS" "" on "create_api_keys", "createApiKeysIntent" => "createApiKeysResult";
    CreateApiKeysV2: "CREATE_API_KEYS" "_V2" on "create_api_keys", "createApiKeysIntentV2" => "createApiKeysResult";
    DeleteApiKeys: "DELETE_API_KEYS" "" on "delete_api_keys", "deleteApiKeysIntent" => "deleteApiKeysResult";
    SetOrganizationFeature: "SET_ORGANIZATION_FEATURE" "" on "set_organization_feature", "setOrganizationFeatureIntent" => "setOrganizationFeatureResult";
    RemoveOrganizationFeature: "REMOVE_ORGANIZATION_FEATURE" "" on "remove_organization_feature", "removeOrganizationFeatureIntent" => "removeOrganizationFeatureResult";
    EnableAuthProxy: "ENABLE_AUTH_PROXY" "" on "enable_auth_proxy", "enableAuthProxyIntent" => "enableAuthProxyResult";
    DisableAuthProxy: "DISABLE_AUTH_PROXY" "" on "disable_auth_proxy", "disableAuthProxyIntent" => "disableAuthProxyResult";
    UpdateAuthProxyConfig: "UPDATE_AUTH_PROXY_CONFIG" "" on "update_auth_proxy_config", "updateAuthProxyConfigIntent" => "updateAuthProxyConfigResult";
}

impl ActivityType {
    /// Resource and action for policies; `None` where the root quorum alone decides (protocol 02, section 1.1).
    pub fn resource_action(self) -> Option<(Resource, Action)> {
        use ActivityType as T;
        match self {
            T::InitOtp | T::InitOtpV2 | T::InitOtpV3 => Some((Resource::Otp, Action::Create)),
            T::VerifyOtp | T::VerifyOtpV2 => Some((Resource::Otp, Action::Verify)),
            T::OtpLogin
            | T::OtpLoginV2
            | T::InitOtpAuth
            | T::InitOtpAuthV2
            | T::InitOtpAuthV3
            | T::OtpAuth
            | T::StampLogin => Some((Resource::Auth, Action::Create)),
            T::CreateSubOrganizationV4
            | T::CreateSubOrganizationV5
            | T::CreateSubOrganizationV6
            | T::CreateSubOrganizationV7
            | T::CreateSubOrganizationV8 => Some((Resource::Organization, Action::Create)),
            T::CreateApiKeys | T::CreateApiKeysV2 => Some((Resource::Credential, Action::Create)),
            T::DeleteApiKeys => Some((Resource::Credential, Action::Delete)),
            T::SetOrganizationFeature | T::RemoveOrganizationFeature => None,
            T::EnableAuthProxy => Some((Resource::AuthProxy, Action::Create)),
            T::DisableAuthProxy => Some((Resource::AuthProxy, Action::Delete)),
            T::UpdateAuthProxyConfig => Some((Resource::AuthProxy, Action::Update)),
        }
    }

    /// Whether users of the parent may run it in a sub-organization (protocol 02, section 1; G-PAR-1).
    pub fn parent_may_target(self) -> bool {
        matches!(self.kind(), "INIT_OTP" | "VERIFY_OTP" | "OTP_LOGIN" | "INIT_OTP_AUTH" | "OTP_AUTH")
    }

    /// Whether only parents may run it, on themselves (protocol 02, section 1).
    pub fn parents_only(self) -> bool {
        matches!(
            self.kind(),
            "CREATE_SUB_ORGANIZATION"
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
            assert!(t.intent_key().to_lowercase().starts_with(&t.kind().to_lowercase().replace('_', "")));
        }
        assert_eq!(ActivityType::from_name("ACTIVITY_TYPE_INIT_OTP_V4"), None);
    }
}
