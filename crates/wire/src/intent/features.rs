//! Feature switches of an organization (protocol 02, section 2b).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::destination::Destination;
use crate::{Refusal, schema};

macro_rules! feature_names {
    ($($(#[$doc:meta])* $variant:ident => $name:literal;)*) => {
        /// `FeatureName`
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum FeatureName {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)*
        }

        impl FeatureName {
            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

feature_names! {
    /// Older name of e-mail recovery for root users.
    RootUserEmailRecovery => "FEATURE_NAME_ROOT_USER_EMAIL_RECOVERY";
    /// Comma-separated origins that passkeys may be used from.
    WebauthnOrigins => "FEATURE_NAME_WEBAUTHN_ORIGINS";
    /// EMAIL_AUTH.
    EmailAuth => "FEATURE_NAME_EMAIL_AUTH";
    /// INIT_USER_EMAIL_RECOVERY.
    EmailRecovery => "FEATURE_NAME_EMAIL_RECOVERY";
    /// The legacy webhook's URL.
    Webhook => "FEATURE_NAME_WEBHOOK";
    /// Codes by SMS.
    SmsAuth => "FEATURE_NAME_SMS_AUTH";
    /// Codes by e-mail.
    OtpEmailAuth => "FEATURE_NAME_OTP_EMAIL_AUTH";
    /// The auth proxy; its value is the config id.
    AuthProxy => "FEATURE_NAME_AUTH_PROXY";
    /// Stored, without effect here.
    SolanaRentPrefundEnabled => "FEATURE_NAME_SOLANA_RENT_PREFUND_ENABLED";
    /// Stored, without effect here.
    SwapConfig => "FEATURE_NAME_SWAP_CONFIG";
    /// Stored, without effect here.
    EarnConfig => "FEATURE_NAME_EARN_CONFIG";
}

impl fmt::Display for FeatureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `Feature`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Feature {
    /// Which switch.
    pub name: FeatureName,
    /// Its value; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// `SetOrganizationFeatureIntent`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SetOrganizationFeatureIntent {
    /// Which switch.
    pub name: FeatureName,
    /// Its value; absent means empty.
    #[serde(default)]
    #[schemars(with = "Option<schema::FeatureValue>")]
    pub value: String,
}

/// Sets a feature, or changes its value.
#[derive(Debug, Clone)]
pub struct SetOrganizationFeature {
    /// The feature as it shall be.
    pub feature: Feature,
    /// Where the legacy webhook leads, where this is it.
    pub webhook: Option<Destination>,
}

impl TryFrom<SetOrganizationFeatureIntent> for SetOrganizationFeature {
    type Error = Refusal;

    fn try_from(i: SetOrganizationFeatureIntent) -> Result<Self, Refusal> {
        if i.value.len() > 4096 || i.value.chars().any(char::is_control) {
            return Err(Refusal::InvalidField(
                "a feature's value has at most 4096 bytes and no control characters",
            ));
        }
        let is_webhook = i.name == FeatureName::Webhook && !i.value.is_empty();
        let webhook = is_webhook.then(|| Destination::parse(&i.value)).transpose()?;
        Ok(Self { feature: Feature { name: i.name, value: i.value }, webhook })
    }
}

/// `RemoveOrganizationFeatureIntent`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RemoveOrganizationFeatureIntent {
    /// Which switch.
    pub name: FeatureName,
}

/// Removes a feature; an absent one too.
#[derive(Debug, Clone)]
pub struct RemoveOrganizationFeature {
    /// Which switch.
    pub name: FeatureName,
}

impl From<RemoveOrganizationFeatureIntent> for RemoveOrganizationFeature {
    fn from(i: RemoveOrganizationFeatureIntent) -> Self {
        Self { name: i.name }
    }
}
