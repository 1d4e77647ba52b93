//! Bodies and answers of the auth proxy (protocol 04, section 3).

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::schema;
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
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailCustomization {
    /// Id of a stored template.
    #[schemars(with = "Option<schema::Id>")]
    pub template_id: Option<String>,
}

/// `otp_init` and `otp_init_v2`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtpInit {
    /// Channel.
    pub otp_type: OtpType,
    /// Address or number.
    pub contact: String,
    /// Overrides members of the config's.
    pub email_customization: Option<EmailCustomization>,
    /// Language of the message, before those of `Accept-Language`: a BCP 47 tag, or several as there. Not in the published API.
    #[schemars(with = "Option<schema::Languages>")]
    pub locale: Option<String>,
}

/// `otp_verify`
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtpVerify {
    /// The attempt.
    pub otp_id: String,
    /// The code in clear text.
    pub otp_code: String,
    /// Key to bind, hex.
    #[schemars(with = "Option<schema::CompressedKey>")]
    pub public_key: Option<String>,
}

/// `otp_verify_v2`
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtpVerifyV2 {
    /// The attempt.
    pub otp_id: String,
    /// JSON text, protocol 05 section 7.
    pub encrypted_otp_bundle: String,
}

/// `otp_login` and `otp_login_v2`
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtpLogin {
    /// The token.
    pub verification_token: String,
    /// The session key, hex.
    #[schemars(with = "schema::CompressedKey")]
    pub public_key: String,
    /// Removes the user's other session keys first.
    pub invalidate_existing: Option<bool>,
    /// A child of the parent.
    #[schemars(with = "Option<schema::Id>")]
    pub organization_id: Option<String>,
    /// Proof by the token's key; demanded by V2.
    pub client_signature: Option<ClientSignatureParams>,
}

/// `account`
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// As in list_suborgs.
    #[schemars(with = "schema::FilterType")]
    pub filter_type: String,
    /// What to look for.
    pub filter_value: String,
    /// Proves a contact.
    pub verification_token: Option<String>,
    /// Token of an OAuth provider.
    pub oidc_token: Option<String>,
}

/// `signup` and `signup_v2`; the lists are read again as those of create_sub_organization.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Signup {
    /// Address.
    #[schemars(with = "Option<schema::Email>")]
    pub user_email: Option<String>,
    /// Number.
    #[schemars(with = "Option<schema::Phone>")]
    pub user_phone_number: Option<String>,
    /// Id of a user tag.
    #[schemars(with = "Option<schema::Id>")]
    pub user_tag: Option<String>,
    /// Label.
    #[schemars(with = "Option<schema::LabelText>")]
    pub user_name: Option<String>,
    /// Label.
    #[schemars(with = "Option<schema::LabelText>")]
    pub organization_name: Option<String>,
    /// Proves the contact.
    pub verification_token: Option<String>,
    /// API keys.
    #[schemars(with = "Vec<crate::ApiKeyParamsV2>")]
    pub api_keys: Vec<Value>,
    /// Passkeys.
    #[schemars(with = "Vec<crate::AuthenticatorParamsV2>")]
    pub authenticators: Vec<Value>,
    /// OAuth identities.
    #[schemars(with = "Vec<crate::OauthProviderParamsV2>")]
    pub oauth_providers: Vec<Value>,
    /// Outside this product.
    #[schemars(skip)]
    pub wallet: Option<Value>,
    /// Proof by the token's key.
    pub client_signature: Option<ClientSignatureParams>,
}

/// Answer of `account`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountAnswer {
    /// Absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
}

/// Answer of `signup` and `signup_v2`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, Serialize, JsonSchema)]
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

/// Answer of `otp_init`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtpInitAnswer {
    /// The attempt.
    pub otp_id: String,
}

/// Answer of `otp_init_v2`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtpInitV2Answer {
    /// The attempt.
    pub otp_id: String,
    /// JSON text, protocol 05 section 6.
    pub otp_encryption_target_bundle: String,
}

/// Answer of `otp_verify` and `otp_verify_v2`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtpVerifyAnswer {
    /// JWT, protocol 05 section 8.
    pub verification_token: String,
}

/// Answer of `otp_login` and `otp_login_v2`, and of `oauth_login`, which is never given.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct LoginAnswer {
    /// Session JWT, protocol 05 section 11.
    pub session: String,
}

/// Answer of `oauth2_authenticate`, which is never given (G-OAUTH-1).
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Oauth2Answer {
    /// JWT of the provider.
    pub oidc_token: String,
}

/// Answer of `wallet_kit_client_params`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientParams {
    /// Site key of Turnstile; absent: there is no captcha, or one of another provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turnstile_site_key: Option<String>,
    /// The provider of the captcha, where it is another: `hcaptcha` or `recaptcha`. Not a member of the hosted service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captcha_provider: Option<&'static str>,
    /// Site key at that provider. Not a member of the hosted service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captcha_site_key: Option<String>,
}

/// `oauth_login`, which is refused whatever it says (G-OAUTH-1).
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OauthLogin {
    /// JWT of the provider.
    pub oidc_token: String,
    /// The session key, hex.
    #[schemars(with = "schema::CompressedKey")]
    pub public_key: String,
    /// Removes the user's other session keys first.
    pub invalidate_existing: Option<bool>,
    /// A child of the parent.
    #[schemars(with = "Option<schema::Id>")]
    pub organization_id: Option<String>,
}

/// `otp_login_v2`: as [`OtpLogin`], and signed by the token's key.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtpLoginV2 {
    /// The token.
    pub verification_token: String,
    /// The session key, hex.
    #[schemars(with = "schema::CompressedKey")]
    pub public_key: String,
    /// Removes the user's other session keys first.
    pub invalidate_existing: Option<bool>,
    /// A child of the parent.
    #[schemars(with = "Option<schema::Id>")]
    pub organization_id: Option<String>,
    /// Proof by the token's key.
    pub client_signature: ClientSignatureParams,
}

/// `Oauth2Provider`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Oauth2Provider {
    /// `OAUTH2_PROVIDER_X`
    #[serde(rename = "OAUTH2_PROVIDER_X")]
    X,
    /// `OAUTH2_PROVIDER_DISCORD`
    #[serde(rename = "OAUTH2_PROVIDER_DISCORD")]
    Discord,
}

/// `oauth2_authenticate`, which is refused whatever it says (G-OAUTH-1).
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Oauth2Authenticate {
    /// Which provider.
    pub provider: Oauth2Provider,
    /// Authorization code.
    pub auth_code: String,
    /// As used in the redirect.
    pub redirect_uri: String,
    /// PKCE verifier.
    pub code_verifier: String,
    /// Of the client at the provider.
    pub client_id: String,
    /// Hex SHA-256 of the session public key.
    pub nonce: String,
}

/// A body without members.
#[derive(Clone, Deserialize, JsonSchema)]
pub struct Empty {}

macro_rules! endpoints {
    ($($name:literal: $body:ty => $answer:ty;)*) => {
        /// Names of the proxy's endpoints, for routing and for tests that enumerate them.
        pub const ENDPOINTS: &[&str] = &[$($name,)*];

        /// The schemas of an endpoint's body and answer; `None` for a name that there is not.
        pub(crate) fn schemas(name: &str, generator: &mut SchemaGenerator) -> Option<(Schema, Schema)> {
            Some(match name {
                $($name => (generator.subschema_for::<$body>(), generator.subschema_for::<$answer>()),)*
                _ => return None,
            })
        }
    };
}

endpoints! {
    "account": Account => AccountAnswer;
    "oauth2_authenticate": Oauth2Authenticate => Oauth2Answer;
    "oauth_login": OauthLogin => LoginAnswer;
    "otp_init": OtpInit => OtpInitAnswer;
    "otp_init_v2": OtpInit => OtpInitV2Answer;
    "otp_verify": OtpVerify => OtpVerifyAnswer;
    "otp_verify_v2": OtpVerifyV2 => OtpVerifyAnswer;
    "otp_login": OtpLogin => LoginAnswer;
    "otp_login_v2": OtpLoginV2 => LoginAnswer;
    "signup": Signup => SignupAnswer;
    "signup_v2": Signup => SignupAnswer;
    "wallet_kit_client_params": Empty => ClientParams;
    "wallet_kit_config": Empty => WalletKitConfig;
}
