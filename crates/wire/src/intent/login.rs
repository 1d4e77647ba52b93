//! Logins: otp_login, stamp_login, otp_auth (protocol 02, section 2).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClientSignatureParams, Guess};
use crate::schema;
use crate::text::label;
use crate::{DecimalText, OtpId, Refusal};

/// `OtpLoginIntent`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtpLoginIntent {
    /// JWT, protocol 05 section 8.
    pub verification_token: String,
    /// The session key, hex; the token's key when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::CompressedKey>")]
    pub public_key: Option<String>,
    /// Session lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Seconds>")]
    pub expiration_seconds: Option<DecimalText>,
    /// Removes the user's other session keys first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalidate_existing: Option<bool>,
    /// Proof by the token's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_signature: Option<ClientSignatureParams>,
    /// A session profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Id>")]
    pub session_profile_id: Option<String>,
}

/// `OtpLoginIntentV2`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtpLoginIntentV2 {
    /// JWT, protocol 05 section 8.
    pub verification_token: String,
    /// The session key, hex.
    #[schemars(with = "schema::CompressedKey")]
    pub public_key: String,
    /// Proof by the token's key.
    pub client_signature: ClientSignatureParams,
    /// Session lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Seconds>")]
    pub expiration_seconds: Option<DecimalText>,
    /// Removes the user's other session keys first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalidate_existing: Option<bool>,
    /// A session profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Id>")]
    pub session_profile_id: Option<String>,
}

/// What every login says about the session it wants.
#[derive(Debug, Clone)]
pub struct SessionRequest {
    /// Hex of the key; `None` takes the token's key.
    pub public_key: Option<String>,
    /// As given; the operator's limit applies (D-8).
    pub expiration: Option<DecimalText>,
    /// Removes the user's other session keys first.
    pub invalidate_existing: bool,
    /// A session profile id, as given.
    pub session_profile_id: Option<String>,
}

/// A login with a verification token.
#[derive(Clone)]
pub struct OtpLogin {
    /// The token.
    pub verification_token: String,
    /// Whether the version demands a V2 token and a client signature.
    pub strict: bool,
    /// Proof by the token's key.
    pub client_signature: Option<ClientSignatureParams>,
    /// The session wanted.
    pub session: SessionRequest,
}

/// Tokens do not appear in logs.
impl fmt::Debug for OtpLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtpLogin").field("strict", &self.strict).finish_non_exhaustive()
    }
}

impl From<OtpLoginIntent> for OtpLogin {
    fn from(i: OtpLoginIntent) -> Self {
        Self {
            verification_token: i.verification_token,
            strict: false,
            client_signature: i.client_signature,
            session: SessionRequest {
                public_key: i.public_key,
                expiration: i.expiration_seconds,
                invalidate_existing: i.invalidate_existing.unwrap_or(false),
                session_profile_id: i.session_profile_id,
            },
        }
    }
}

impl From<OtpLoginIntentV2> for OtpLogin {
    fn from(i: OtpLoginIntentV2) -> Self {
        Self {
            verification_token: i.verification_token,
            strict: true,
            client_signature: Some(i.client_signature),
            session: SessionRequest {
                public_key: Some(i.public_key),
                expiration: i.expiration_seconds,
                invalidate_existing: i.invalidate_existing.unwrap_or(false),
                session_profile_id: i.session_profile_id,
            },
        }
    }
}

/// `StampLoginIntent`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StampLoginIntent {
    /// The session key, hex.
    #[schemars(with = "schema::CompressedKey")]
    pub public_key: String,
    /// Session lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Seconds>")]
    pub expiration_seconds: Option<DecimalText>,
    /// Removes the user's other session keys first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalidate_existing: Option<bool>,
    /// A session profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Id>")]
    pub session_profile_id: Option<String>,
}

/// A login by the caller's own stamp.
#[derive(Debug, Clone)]
pub struct StampLogin {
    /// The session wanted.
    pub session: SessionRequest,
}

impl From<StampLoginIntent> for StampLogin {
    fn from(i: StampLoginIntent) -> Self {
        Self {
            session: SessionRequest {
                public_key: Some(i.public_key),
                expiration: i.expiration_seconds,
                invalidate_existing: i.invalidate_existing.unwrap_or(false),
                session_profile_id: i.session_profile_id,
            },
        }
    }
}

/// `OtpAuthIntent`
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtpAuthIntent {
    /// The attempt.
    pub otp_id: String,
    /// The code in clear text.
    pub otp_code: String,
    /// Key the credential bundle is encrypted to, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::TargetKey>")]
    pub target_public_key: Option<String>,
    /// Label of the new key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::LabelText>")]
    pub api_key_name: Option<String>,
    /// Key lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Seconds>")]
    pub expiration_seconds: Option<DecimalText>,
    /// Removes the user's other keys of that type first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalidate_existing: Option<bool>,
}

/// A code exchanged for an API key that the server makes.
#[derive(Debug, Clone)]
pub struct OtpAuth {
    /// `None` when the text is no UUID.
    pub otp_id: Option<OtpId>,
    /// The guess, always [`Guess::Clear`].
    pub guess: Guess,
    /// Hex; without it only the code is verified.
    pub target_public_key: Option<String>,
    /// Label of the new key.
    pub api_key_name: Option<String>,
    /// As given; the operator's limit applies (D-8).
    pub expiration: Option<DecimalText>,
    /// Removes the user's other keys of that type first.
    pub invalidate_existing: bool,
}

impl TryFrom<OtpAuthIntent> for OtpAuth {
    type Error = Refusal;

    fn try_from(i: OtpAuthIntent) -> Result<Self, Refusal> {
        if let Some(name) = &i.api_key_name {
            label(name, "apiKeyName is not a label")?;
        }
        Ok(Self {
            otp_id: i.otp_id.parse().ok(),
            guess: Guess::Clear { code: i.otp_code, public_key: None },
            target_public_key: i.target_public_key,
            api_key_name: i.api_key_name,
            expiration: i.expiration_seconds,
            invalidate_existing: i.invalidate_existing.unwrap_or(false),
        })
    }
}
