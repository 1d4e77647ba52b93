//! Compact JWTs: verification tokens of both kinds and session tokens (protocol 05, sections 8 and 11), and ordinary ones
//! for backends.
//!
//! Promise: the payload of every token issued here decodes with a plain `atob`, which browsers' SDKs apply to base64url
//! directly: `-` and `_` never occur in it, whatever the claims contain (section 8.1).

mod json;
mod ordinary;
mod session;

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vestibule_wire::OtpType;

use crate::fingerprint::sha256;
use crate::p256::{PublicKey, SigningKey};

pub use ordinary::OrdinaryToken;
pub use session::SessionJwt;

/// The largest token read, in bytes. A contact of 254 characters, every one escaped, stays below 2800.
pub const MAX_TOKEN: usize = 4096;

/// `{"typ":"JWT","alg":"ES256"}`, the header of V2 verification tokens.
const HEADER_V2: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9";

/// `{"alg":"ES256","typ":"JWT"}`, the header of legacy verification tokens and session tokens.
const HEADER: &str = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9";

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a compact JWT with this header, a claim missing or of the wrong type, or too long.
    #[error("malformed token")]
    Malformed,
    /// The signature does not verify with this key.
    #[error("bad token signature")]
    Signature,
}

/// A V2 verification token before it is signed: the proof that `contact` was verified for `public_key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerificationToken {
    /// `id`, the token's own id.
    pub id: Uuid,
    /// `contact`, as given when the code was requested.
    pub contact: String,
    /// `verification_type`.
    pub verification_type: OtpType,
    /// `organization_id`, the organization in which the code was requested.
    pub organization_id: Uuid,
    /// `public_key`, the client's key, 66 hex characters.
    pub public_key: String,
    /// `exp`, epoch milliseconds; written as a decimal string.
    pub expires_at_ms: i64,
}

#[derive(Serialize)]
struct ClaimsV2<'a> {
    exp: String,
    id: Uuid,
    organization_id: Uuid,
    verification_type: OtpType,
    contact: &'a str,
    public_key: &'a str,
}

impl VerificationToken {
    /// Signs the token (ES256) with the bundle signer.
    pub fn issue(&self, signer: &SigningKey) -> String {
        let claims = ClaimsV2 {
            exp: self.expires_at_ms.to_string(),
            id: self.id,
            organization_id: self.organization_id,
            verification_type: self.verification_type,
            contact: &self.contact,
            public_key: &self.public_key,
        };
        sign(HEADER_V2, &claims, |message| signer.sign_raw(message))
    }
}

/// A legacy verification token before it is signed. It names no organization: the server remembers that by `id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyVerificationToken {
    /// `id`, the token's own id.
    pub id: Uuid,
    /// `contact`, as given when the code was requested.
    pub contact: String,
    /// `verification_type`.
    pub verification_type: OtpType,
    /// `public_key`, when the client bound the token to a key.
    pub public_key: Option<String>,
    /// Epoch milliseconds; `exp` is written as a number of whole seconds, rounded down.
    pub expires_at_ms: i64,
}

#[derive(Serialize)]
struct ClaimsLegacy<'a> {
    contact: &'a str,
    exp: i64,
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<&'a str>,
    verification_type: OtpType,
}

impl LegacyVerificationToken {
    /// Signs the token (ES256) with the legacy-token signer, which is a key of its own (G-KEY-1).
    pub fn issue(&self, signer: &SigningKey) -> String {
        let claims = ClaimsLegacy {
            contact: &self.contact,
            exp: self.expires_at_ms.div_euclid(1000),
            id: self.id,
            public_key: self.public_key.as_deref(),
            verification_type: self.verification_type,
        };
        sign(HEADER, &claims, |message| signer.sign_raw(message))
    }
}

/// Which of the two kinds a verification token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Names its organization and key; `exp` is milliseconds as text.
    V2,
    /// Names no organization; `exp` is seconds as a number.
    Legacy,
}

/// The claims of a verification token of either kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeekedToken {
    /// The kind, told by the claims.
    pub kind: TokenKind,
    /// `id`.
    pub id: Uuid,
    /// `contact`.
    pub contact: String,
    /// `verification_type`.
    pub verification_type: OtpType,
    /// `organization_id`; always there in V2, never in legacy tokens.
    pub organization_id: Option<Uuid>,
    /// `public_key` in lower case; always there in V2.
    pub public_key: Option<String>,
    /// `exp` as epoch milliseconds, whatever its form in the token.
    pub expires_at_ms: i64,
}

impl PeekedToken {
    /// True from the expiry on.
    pub fn is_expired(&self, now_ms: i64) -> bool {
        now_ms >= self.expires_at_ms
    }
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    typ: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Claims {
    exp: Expiry,
    id: String,
    organization_id: Option<String>,
    verification_type: OtpType,
    contact: String,
    public_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expiry {
    Millis(String),
    Seconds(i64),
}

/// Reads the claims of a verification token **without checking its signature** or its expiry.
///
/// For finding out what to look up; trust nothing of it until [`verify`] passed, or until the stored [`hash`] of the
/// token that this server issued under this id equals the hash of the text.
pub fn peek(token: &str) -> Result<PeekedToken, TokenError> {
    let parts = split(token)?;
    let claims: Claims = decode(parts.payload)?;
    let (kind, expires_at_ms) = match (&claims.exp, &claims.organization_id) {
        (Expiry::Millis(text), Some(_)) => (TokenKind::V2, decimal(text)?),
        (Expiry::Seconds(seconds), None) => {
            (TokenKind::Legacy, seconds.checked_mul(1000).ok_or(TokenError::Malformed)?)
        }
        _ => return Err(TokenError::Malformed),
    };
    let public_key = claims.public_key.filter(|key| !key.is_empty()).map(|key| key.to_ascii_lowercase());
    if claims.contact.is_empty() || (kind == TokenKind::V2 && public_key.is_none()) {
        return Err(TokenError::Malformed);
    }
    Ok(PeekedToken {
        kind,
        id: hyphenated(&claims.id)?,
        contact: claims.contact,
        verification_type: claims.verification_type,
        organization_id: claims.organization_id.as_deref().map(hyphenated).transpose()?,
        public_key,
        expires_at_ms,
    })
}

/// Checks the signature of a verification token (ES256: one SHA-256) with `key` and reads its claims. The expiry is for
/// the caller, who has the clock: [`PeekedToken::is_expired`].
pub fn verify(token: &str, key: &PublicKey) -> Result<PeekedToken, TokenError> {
    let claims = peek(token)?;
    let parts = split(token)?;
    key.verify_raw(parts.message.as_bytes(), &parts.signature()?).map_err(|_| TokenError::Signature)?;
    Ok(claims)
}

/// SHA-256 of the token's text: what the server stores of a token it issued.
pub fn hash(token: &str) -> [u8; 32] {
    sha256(token.as_bytes())
}

struct Parts<'a> {
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl Parts<'_> {
    fn signature(&self) -> Result<[u8; 64], TokenError> {
        let mut signature = [0; 64];
        match URL_SAFE_NO_PAD.decode_slice(self.signature, &mut signature) {
            Ok(64) => Ok(signature),
            _ => Err(TokenError::Signature),
        }
    }
}

/// Takes a compact JWT apart and checks its header: `alg` ES256, `typ` JWT.
fn split(token: &str) -> Result<Parts<'_>, TokenError> {
    if token.len() > MAX_TOKEN {
        return Err(TokenError::Malformed);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
    if payload.contains('.') {
        return Err(TokenError::Malformed);
    }
    if header != HEADER_V2 && header != HEADER {
        let bytes = URL_SAFE_NO_PAD.decode(header).map_err(|_| TokenError::Malformed)?;
        let header: Header<'_> = serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)?;
        if header.alg != "ES256" || header.typ != "JWT" {
            return Err(TokenError::Malformed);
        }
    }
    Ok(Parts { message, payload, signature })
}

fn decode<T: serde::de::DeserializeOwned>(payload: &str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}

fn sign(header: &str, claims: &impl Serialize, signature: impl FnOnce(&[u8]) -> [u8; 64]) -> String {
    let claims = json::to_ascii_vec(claims);
    let mut token = String::with_capacity(header.len() + claims.len().div_ceil(3) * 4 + 88);
    token.push_str(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(&claims, &mut token);
    let signature = signature(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token
}

/// Digits only: `str::parse` would take a sign.
fn decimal(text: &str) -> Result<i64, TokenError> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().map_err(|_| TokenError::Malformed),
        false => Err(TokenError::Malformed),
    }
}

fn hyphenated(text: &str) -> Result<Uuid, TokenError> {
    match text.len() {
        36 => Uuid::try_parse(text).map_err(|_| TokenError::Malformed),
        _ => Err(TokenError::Malformed),
    }
}
