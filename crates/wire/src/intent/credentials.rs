//! API keys (protocol 02, section 2b).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema;
use crate::text::{MAX_LIST, label};
use crate::{ApiKeyId, DecimalText, Refusal, UserId};

/// `ApiKeyCurve`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiKeyCurve {
    /// NIST P-256
    #[serde(rename = "API_KEY_CURVE_P256")]
    P256,
    /// secp256k1
    #[serde(rename = "API_KEY_CURVE_SECP256K1")]
    Secp256k1,
    /// Ed25519
    #[serde(rename = "API_KEY_CURVE_ED25519")]
    Ed25519,
}

/// `ApiKeyParams`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyParams {
    /// Label.
    #[schemars(with = "schema::LabelText")]
    pub api_key_name: String,
    /// Compressed P-256 hex, 66 characters.
    #[schemars(with = "schema::CompressedKey")]
    pub public_key: String,
    /// Seconds; absent for a long-lived key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Seconds>")]
    pub expiration_seconds: Option<DecimalText>,
}

/// `ApiKeyParamsV2`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyParamsV2 {
    /// Label.
    #[schemars(with = "schema::LabelText")]
    pub api_key_name: String,
    /// Hex: 66 characters for P256 and SECP256K1, 64 for ED25519.
    #[schemars(with = "schema::AnyKey")]
    pub public_key: String,
    /// The curve the key is on.
    pub curve_type: ApiKeyCurve,
    /// Seconds; absent for a long-lived key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Seconds>")]
    pub expiration_seconds: Option<DecimalText>,
}

/// An API key to be stored.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Label.
    pub name: String,
    /// Hex as given; the engine checks that it is a point of the curve.
    pub public_key: String,
    /// Its curve.
    pub curve: ApiKeyCurve,
    /// As given; the operator's limit applies (D-8).
    pub expiration: Option<DecimalText>,
}

impl TryFrom<ApiKeyParams> for NewApiKey {
    type Error = Refusal;

    fn try_from(p: ApiKeyParams) -> Result<Self, Refusal> {
        label(&p.api_key_name, "apiKeyName is not a label")?;
        if p.public_key.len() != 66 {
            return Err(Refusal::InvalidPublicKey);
        }
        Ok(Self {
            name: p.api_key_name,
            public_key: p.public_key,
            curve: ApiKeyCurve::P256,
            expiration: p.expiration_seconds,
        })
    }
}

impl TryFrom<ApiKeyParamsV2> for NewApiKey {
    type Error = Refusal;

    fn try_from(p: ApiKeyParamsV2) -> Result<Self, Refusal> {
        label(&p.api_key_name, "apiKeyName is not a label")?;
        let length = match p.curve_type {
            ApiKeyCurve::P256 | ApiKeyCurve::Secp256k1 => 66,
            ApiKeyCurve::Ed25519 => 64,
        };
        if p.public_key.len() != length || !p.public_key.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Refusal::InvalidPublicKey);
        }
        Ok(Self {
            name: p.api_key_name,
            public_key: p.public_key,
            curve: p.curve_type,
            expiration: p.expiration_seconds,
        })
    }
}

pub(super) fn api_keys<P>(params: Vec<P>) -> Result<Vec<NewApiKey>, Refusal>
where
    NewApiKey: TryFrom<P, Error = Refusal>,
{
    if params.len() > MAX_LIST {
        return Err(Refusal::InvalidField("a list has more than 100 entries"));
    }
    params.into_iter().map(NewApiKey::try_from).collect()
}

/// `CreateApiKeysIntent`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateApiKeysIntent {
    /// One or more keys.
    #[schemars(length(min = 1, max = 100))]
    pub api_keys: Vec<ApiKeyParams>,
    /// Their user.
    #[schemars(with = "schema::Id")]
    pub user_id: String,
}

/// `CreateApiKeysIntentV2`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreateApiKeysIntentV2 {
    /// One or more keys.
    #[schemars(length(min = 1, max = 100))]
    pub api_keys: Vec<ApiKeyParamsV2>,
    /// Their user.
    #[schemars(with = "schema::Id")]
    pub user_id: String,
}

/// Keys to add to a user.
#[derive(Debug, Clone)]
pub struct CreateApiKeys {
    /// At least one.
    pub keys: Vec<NewApiKey>,
    /// Their user.
    pub user_id: UserId,
}

fn create_api_keys(keys: Vec<NewApiKey>, user_id: &str) -> Result<CreateApiKeys, Refusal> {
    if keys.is_empty() {
        return Err(Refusal::InvalidField("apiKeys is empty"));
    }
    Ok(CreateApiKeys { keys, user_id: user(user_id)? })
}

fn user(text: &str) -> Result<UserId, Refusal> {
    text.parse().map_err(|_| Refusal::InvalidField("userId is not a UUID"))
}

impl TryFrom<CreateApiKeysIntent> for CreateApiKeys {
    type Error = Refusal;

    fn try_from(i: CreateApiKeysIntent) -> Result<Self, Refusal> {
        create_api_keys(api_keys(i.api_keys)?, &i.user_id)
    }
}

impl TryFrom<CreateApiKeysIntentV2> for CreateApiKeys {
    type Error = Refusal;

    fn try_from(i: CreateApiKeysIntentV2) -> Result<Self, Refusal> {
        create_api_keys(api_keys(i.api_keys)?, &i.user_id)
    }
}

/// `DeleteApiKeysIntent`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeleteApiKeysIntent {
    /// Their user.
    #[schemars(with = "schema::Id")]
    pub user_id: String,
    /// One or more key ids.
    #[schemars(with = "Vec<schema::Id>", length(min = 1, max = 100))]
    pub api_key_ids: Vec<String>,
}

/// Keys to take from a user.
#[derive(Debug, Clone)]
pub struct DeleteApiKeys {
    /// Their user.
    pub user_id: UserId,
    /// At least one, each once.
    pub ids: Vec<ApiKeyId>,
}

impl TryFrom<DeleteApiKeysIntent> for DeleteApiKeys {
    type Error = Refusal;

    fn try_from(i: DeleteApiKeysIntent) -> Result<Self, Refusal> {
        if i.api_key_ids.len() > MAX_LIST {
            return Err(Refusal::InvalidField("a list has more than 100 entries"));
        }
        let mut ids: Vec<ApiKeyId> = Vec::with_capacity(i.api_key_ids.len());
        for text in &i.api_key_ids {
            let id = text.parse().map_err(|_| Refusal::InvalidField("apiKeyIds must be UUIDs"))?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        if ids.is_empty() {
            return Err(Refusal::InvalidField("apiKeyIds is empty"));
        }
        Ok(Self { user_id: user(&i.user_id)?, ids })
    }
}
