//! Ordinary tokens: what a backend checks with any JWT library (RFC 7519, RFC 7518 section 3.4).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::sign;
use crate::p256::SigningKey;

/// The claims of an ordinary token: who its bearer proved to be, to whom it says so, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrdinaryToken {
    /// `iss`, this installation as its backends know it.
    pub issuer: String,
    /// `aud`, the one backend it is for.
    pub audience: String,
    /// `sub`, the user.
    pub user_id: Uuid,
    /// `organization_id`, where the user lives.
    pub organization_id: Uuid,
    /// `iat` and `nbf`, epoch seconds.
    pub issued_at_s: i64,
    /// `exp`, epoch seconds.
    pub expires_at_s: i64,
    /// `jti`, the token's own id.
    pub id: Uuid,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: Uuid,
    organization_id: Uuid,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
}

impl OrdinaryToken {
    /// Signs the token (ES256) with the token signer, whose name in the JWKS is `key_id`.
    pub fn issue(&self, key_id: &str, signer: &SigningKey) -> String {
        let header = json!({ "alg": "ES256", "kid": key_id, "typ": "JWT" }).to_string();
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: self.user_id,
            organization_id: self.organization_id,
            iat: self.issued_at_s,
            nbf: self.issued_at_s,
            exp: self.expires_at_s,
            jti: self.id,
        };
        sign(&URL_SAFE_NO_PAD.encode(header), &claims, |message| signer.sign_raw(message))
    }
}
