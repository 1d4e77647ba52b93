//! Session tokens: what a login returns (protocol 05, section 11).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{HEADER, TokenError, decode, hyphenated, sign, split};
use crate::fingerprint::sha256;
use crate::p256::{PublicKey, SigningKey};

/// The claims of a session token.
///
/// Its signature is over SHA-256(SHA-256(header "." payload)): ordinary JWT libraries refuse it, the SDKs expect it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionJwt {
    /// `exp`, epoch **seconds**.
    pub expires_at_s: i64,
    /// `public_key`, the session key, 66 hex characters.
    pub public_key: String,
    /// `session_type`: `SESSION_TYPE_READ_WRITE`, `SESSION_TYPE_READ_ONLY`, or the name of the session profile.
    pub session_type: String,
    /// `user_id`.
    pub user_id: Uuid,
    /// `organization_id`, the user's sub-organization.
    pub organization_id: Uuid,
    /// `session_profile_id`, only with a profile.
    pub session_profile_id: Option<String>,
    /// `scope`, the profile's policy expression, only with a profile.
    pub scope: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    exp: i64,
    public_key: &'a str,
    session_type: &'a str,
    user_id: Uuid,
    organization_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_profile_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

#[derive(Deserialize)]
struct ClaimsRead {
    exp: i64,
    public_key: String,
    session_type: String,
    user_id: String,
    organization_id: String,
    session_profile_id: Option<String>,
    scope: Option<String>,
}

impl SessionJwt {
    /// Signs the token with the session signer.
    pub fn issue(&self, signer: &SigningKey) -> String {
        let claims = Claims {
            exp: self.expires_at_s,
            public_key: &self.public_key,
            session_type: &self.session_type,
            user_id: self.user_id,
            organization_id: self.organization_id,
            session_profile_id: self.session_profile_id.as_deref(),
            scope: self.scope.as_deref(),
        };
        sign(HEADER, &claims, |message| signer.sign_raw(&sha256(message)))
    }

    /// Checks the signature with `key` and reads the claims, all of which must be there and non-empty as
    /// `@turnkey/core` demands. The expiry is for the caller, who has the clock.
    pub fn verify(token: &str, key: &PublicKey) -> Result<Self, TokenError> {
        let parts = split(token)?;
        let prehash = sha256(parts.message.as_bytes());
        key.verify_raw(&prehash, &parts.signature()?).map_err(|_| TokenError::Signature)?;
        let claims: ClaimsRead = decode(parts.payload)?;
        if claims.exp == 0 || claims.public_key.is_empty() || claims.session_type.is_empty() {
            return Err(TokenError::Malformed);
        }
        Ok(Self {
            expires_at_s: claims.exp,
            public_key: claims.public_key,
            session_type: claims.session_type,
            user_id: hyphenated(&claims.user_id)?,
            organization_id: hyphenated(&claims.organization_id)?,
            session_profile_id: claims.session_profile_id,
            scope: claims.scope,
        })
    }
}
