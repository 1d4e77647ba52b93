//! Bodies and answers of the auth proxy (protocol 04, section 3).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ClientSignatureParams, OrganizationId, OtpType, Refusal, UserId, decode, json};

/// Reads a body of the proxy; an empty one is `{}` (protocol 04, section 1).
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    if body.is_empty() {
        return decode(&Value::Object(Map::new()));
    }
    match json::parse(body) {
        Ok(value @ Value::Object(_)) => decode(&value),
        _ => Err(Refusal::BadRequestBody),
    }
}

/// `ProxyEmailCustomizationParams`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EmailCustomization {
    /// Id of a stored template.
    pub template_id: Option<String>,
}

/// `otp_init` and `otp_init_v2`
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtpInit {
    /// Channel.
    pub otp_type: OtpType,
    /// Address or number.
    pub contact: String,
    /// Overrides members of the config's.
    pub email_customization: Option<EmailCustomization>,
}

/// `otp_verify`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtpVerify {
    /// The attempt.
    pub otp_id: String,
    /// The code in clear text.
    pub otp_code: String,
    /// Key to bind, hex.
    pub public_key: Option<String>,
}

/// `otp_verify_v2`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtpVerifyV2 {
    /// The attempt.
    pub otp_id: String,
    /// JSON text, protocol 05 section 7.
    pub encrypted_otp_bundle: String,
}

/// `otp_login` and `otp_login_v2`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtpLogin {
    /// The token.
    pub verification_token: String,
    /// The session key, hex.
    pub public_key: String,
    /// Removes the user's other session keys first.
    pub invalidate_existing: Option<bool>,
    /// A child of the parent.
    pub organization_id: Option<String>,
    /// Proof by the token's key; demanded by V2.
    pub client_signature: Option<ClientSignatureParams>,
}

/// `account`
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// As in list_suborgs.
    pub filter_type: String,
    /// What to look for.
    pub filter_value: String,
    /// Proves a contact.
    pub verification_token: Option<String>,
    /// Token of an OAuth provider.
    pub oidc_token: Option<String>,
}

/// `signup` and `signup_v2`; the lists are read again as those of create_sub_organization.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signup {
    /// Address.
    pub user_email: Option<String>,
    /// Number.
    pub user_phone_number: Option<String>,
    /// Id of a user tag.
    pub user_tag: Option<String>,
    /// Label.
    pub user_name: Option<String>,
    /// Label.
    pub organization_name: Option<String>,
    /// Proves the contact.
    pub verification_token: Option<String>,
    /// API keys.
    pub api_keys: Vec<Value>,
    /// Passkeys.
    pub authenticators: Vec<Value>,
    /// OAuth identities.
    pub oauth_providers: Vec<Value>,
    /// Outside this product.
    pub wallet: Option<Value>,
    /// Proof by the token's key.
    pub client_signature: Option<ClientSignatureParams>,
}

/// Answer of `account`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountAnswer {
    /// Absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
}

/// Answer of `signup` and `signup_v2`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignupAnswer {
    /// The new sub-organization.
    pub organization_id: OrganizationId,
    /// Its root user.
    pub user_id: UserId,
    /// Always empty (G-PROOF-1).
    pub app_proofs: [(); 0],
}

/// Answer of `wallet_kit_config`.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WalletKitConfig {
    /// email, sms, passkey, wallet, google, apple, x, discord, facebook
    pub enabled_providers: Vec<String>,
    /// Decimal text.
    pub session_expiration_seconds: String,
    /// The parent.
    pub organization_id: OrganizationId,
    /// Provider to client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_client_ids: Option<std::collections::BTreeMap<String, String>>,
    /// URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth_redirect_url: Option<String>,
    /// Code alphabet.
    pub otp_alphanumeric: bool,
    /// Decimal text.
    pub otp_length: String,
}

/// Names of the proxy's endpoints, for routing and for tests that enumerate them.
pub const ENDPOINTS: &[&str] = &[
    "account",
    "oauth2_authenticate",
    "oauth_login",
    "otp_init",
    "otp_init_v2",
    "otp_verify",
    "otp_verify_v2",
    "otp_login",
    "otp_login_v2",
    "signup",
    "signup_v2",
    "wallet_kit_client_params",
    "wallet_kit_config",
];
