//! Stamps: the headers `X-Stamp` and `X-Stamp-Attested` that authenticate a request (protocol 01, sections 1 and 3).
//! Those of passkeys are in [`crate::webauthn`].
//!
//! Parsing and verifying are apart, because the key must be looked up in between: an unknown key and a bad signature
//! are different errors to a client.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};

use crate::other_curves::{Ed25519Key, Secp256k1Key};
use crate::p256::{BadSignature, InvalidKey, KeyCache, PublicKey, SigningKey, canonical_hex};

/// The largest `X-Stamp` header value, in bytes (G-STAMP-3).
pub const MAX_API_STAMP: usize = 4096;

/// The largest `X-Stamp-Attested` header value, in bytes (G-STAMP-3).
pub const MAX_ATTESTED_STAMP: usize = 8192;

/// Why a stamp could not be read. None of these says anything about the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    /// The header value is empty: to the caller this is no stamp at all.
    #[error("empty stamp")]
    Empty,
    /// The header value exceeds its limit.
    #[error("stamp too long")]
    TooLong,
    /// Not base64url, not JSON, a member missing or of the wrong type, or hex that is none.
    #[error("malformed stamp")]
    Malformed,
    /// The scheme is not one of the protocol.
    #[error("unknown stamp scheme")]
    UnknownScheme,
}

/// The schemes of `X-Stamp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StampScheme {
    /// `SIGNATURE_SCHEME_TK_API_P256`
    P256,
    /// `SIGNATURE_SCHEME_TK_API_SECP256K1`
    Secp256k1,
    /// `SIGNATURE_SCHEME_TK_API_SECP256K1_EIP191`
    Secp256k1Eip191,
    /// `SIGNATURE_SCHEME_TK_API_ED25519`
    Ed25519,
}

impl StampScheme {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "SIGNATURE_SCHEME_TK_API_P256",
            Self::Secp256k1 => "SIGNATURE_SCHEME_TK_API_SECP256K1",
            Self::Secp256k1Eip191 => "SIGNATURE_SCHEME_TK_API_SECP256K1_EIP191",
            Self::Ed25519 => "SIGNATURE_SCHEME_TK_API_ED25519",
        }
    }

    fn parse(text: &str) -> Result<Self, StampError> {
        [Self::P256, Self::Secp256k1, Self::Secp256k1Eip191, Self::Ed25519]
            .into_iter()
            .find(|scheme| scheme.as_str() == text)
            .ok_or(StampError::UnknownScheme)
    }
}

/// The public key of an `X-Stamp`, parsed.
#[derive(Debug, Clone)]
pub enum StampKey {
    /// For [`StampScheme::P256`].
    P256(PublicKey),
    /// For [`StampScheme::Secp256k1`] and [`StampScheme::Secp256k1Eip191`].
    Secp256k1(Secp256k1Key),
    /// For [`StampScheme::Ed25519`].
    Ed25519(Ed25519Key),
}

impl From<PublicKey> for StampKey {
    fn from(key: PublicKey) -> Self {
        Self::P256(key)
    }
}

/// A parsed `X-Stamp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiStamp {
    /// The public key as given, in lower case; hex of a length that fits the scheme.
    pub public_key: String,
    /// The scheme.
    pub scheme: StampScheme,
    /// The signature's bytes, not yet looked at.
    pub signature: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiStampJson<'a> {
    #[serde(borrow)]
    public_key: Cow<'a, str>,
    #[serde(borrow)]
    scheme: Cow<'a, str>,
    #[serde(borrow)]
    signature: Cow<'a, str>,
}

impl ApiStamp {
    /// Reads a header value: base64url of a JSON object. Padding and the standard alphabet are tolerated, unknown
    /// members are ignored, a repeated member is refused.
    pub fn parse(header: &str) -> Result<Self, StampError> {
        bounded(header, MAX_API_STAMP)?;
        let json = decode_base64(header)?;
        let stamp: ApiStampJson<'_> = serde_json::from_slice(&json).map_err(|_| StampError::Malformed)?;
        let scheme = StampScheme::parse(&stamp.scheme)?;
        let public_key = lower_hex(&stamp.public_key)?;
        let fits = match scheme {
            StampScheme::P256 | StampScheme::Secp256k1 | StampScheme::Secp256k1Eip191 => [66, 130].as_slice(),
            StampScheme::Ed25519 => &[64],
        };
        if !fits.contains(&public_key.len()) {
            return Err(StampError::Malformed);
        }
        let signature = hex::decode(&*stamp.signature).map_err(|_| StampError::Malformed)?;
        Ok(Self { public_key, scheme, signature })
    }

    /// The key as registered keys are compared: lower case, a point of an ECDSA curve compressed.
    ///
    /// Text only: whether the point is on the curve shows when the registered key verifies.
    pub fn canonical_key(&self) -> String {
        match self.scheme {
            StampScheme::P256 | StampScheme::Secp256k1 | StampScheme::Secp256k1Eip191 => {
                canonical_hex(&self.public_key).unwrap_or_else(|_| self.public_key.clone())
            }
            StampScheme::Ed25519 => self.public_key.clone(),
        }
    }

    /// Parses the key that the stamp names, on the curve of its scheme.
    pub fn key(&self, cache: &KeyCache) -> Result<StampKey, InvalidKey> {
        let canonical = self.canonical_key();
        if self.scheme == StampScheme::P256 {
            return cache.get_hex(&canonical).map(StampKey::P256);
        }
        let bytes = hex::decode(canonical).map_err(|_| InvalidKey)?;
        match self.scheme {
            StampScheme::Ed25519 => Ed25519Key::from_bytes(&bytes).map(StampKey::Ed25519),
            _ => Secp256k1Key::from_sec1(&bytes).map(StampKey::Secp256k1),
        }
    }

    /// Verifies the signature over the raw request body with `key`, the registered key that [`ApiStamp::canonical_key`]
    /// found. Refuses a scheme that the key does not sign with. ECDSA signatures are DER, see [`PublicKey::verify_der`];
    /// those of Ed25519 have 64 bytes.
    pub fn verify(&self, key: &StampKey, body: &[u8]) -> Result<(), BadSignature> {
        match (self.scheme, key) {
            (StampScheme::P256, StampKey::P256(key)) => key.verify_der(body, &self.signature),
            (StampScheme::Secp256k1, StampKey::Secp256k1(key)) => key.verify_sha256(body, &self.signature),
            (StampScheme::Secp256k1Eip191, StampKey::Secp256k1(key)) => {
                key.verify_eip191(body, &self.signature)
            }
            (StampScheme::Ed25519, StampKey::Ed25519(key)) => key.verify(body, &self.signature),
            _ => Err(BadSignature),
        }
    }

    /// Makes the header value with which the holder of `key` sends `body`.
    pub fn make(key: &SigningKey, body: &[u8]) -> String {
        encode_base64(&ApiStampJson {
            public_key: key.public_key().to_hex().into(),
            scheme: StampScheme::P256.as_str().into(),
            signature: hex::encode(key.sign_der(body)).into(),
        })
    }
}

/// The schemes of `X-Stamp-Attested`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttestedScheme {
    /// `STAMP_ATTESTED_SCHEME_P256_VERIFICATION_TOKEN`: the attestation is a V2 verification token.
    VerificationToken,
    /// `STAMP_ATTESTED_SCHEME_P256_OIDC`: the attestation is a provider's token.
    Oidc,
}

impl AttestedScheme {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VerificationToken => "STAMP_ATTESTED_SCHEME_P256_VERIFICATION_TOKEN",
            Self::Oidc => "STAMP_ATTESTED_SCHEME_P256_OIDC",
        }
    }

    fn parse(text: &str) -> Result<Self, StampError> {
        [Self::VerificationToken, Self::Oidc]
            .into_iter()
            .find(|scheme| scheme.as_str() == text)
            .ok_or(StampError::UnknownScheme)
    }
}

/// A parsed `X-Stamp-Attested`. That the attestation is genuine and names `public_key` is for the caller to check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestedStamp {
    /// The attestation, a compact JWT.
    pub attestation: String,
    /// The scheme.
    pub scheme: AttestedScheme,
    /// The public key, compressed, lower-case hex.
    pub public_key: String,
    /// The signature's bytes, not yet looked at.
    pub signature: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttestedStampJson<'a> {
    #[serde(borrow)]
    public_key_attestation: Cow<'a, str>,
    #[serde(borrow)]
    scheme: Cow<'a, str>,
    #[serde(borrow)]
    public_key: Cow<'a, str>,
    #[serde(borrow)]
    signature: Cow<'a, str>,
}

impl AttestedStamp {
    /// Reads a header value: base64url of a JSON object as `@turnkey/core` sends it, or the object itself as the
    /// documentation describes it.
    pub fn parse(header: &str) -> Result<Self, StampError> {
        bounded(header, MAX_ATTESTED_STAMP)?;
        let json = match header.trim_start().starts_with('{') {
            true => Cow::Borrowed(header.as_bytes()),
            false => Cow::Owned(decode_base64(header)?),
        };
        let stamp: AttestedStampJson<'_> =
            serde_json::from_slice(&json).map_err(|_| StampError::Malformed)?;
        Ok(Self {
            scheme: AttestedScheme::parse(&stamp.scheme)?,
            public_key: canonical_hex(&stamp.public_key).map_err(|_| StampError::Malformed)?,
            signature: hex::decode(&*stamp.signature).map_err(|_| StampError::Malformed)?,
            attestation: stamp.public_key_attestation.into_owned(),
        })
    }

    /// Verifies the signature over the raw request body with the key that the stamp names.
    pub fn verify(&self, body: &[u8]) -> Result<(), BadSignature> {
        self.verify_with(&PublicKey::from_hex(&self.public_key).map_err(|_| BadSignature)?, body)
    }

    /// Verifies as [`AttestedStamp::verify`] does, with `key` already parsed; a key the stamp does not name is refused.
    ///
    /// The signature is DER; raw `r || s` is tolerated (`attested_stamps.json`).
    pub fn verify_with(&self, key: &PublicKey, body: &[u8]) -> Result<(), BadSignature> {
        if key.to_hex() != self.public_key {
            return Err(BadSignature);
        }
        match self.signature.len() {
            64 if self.signature[0] != 0x30 || self.signature[1] != 62 => {
                key.verify_raw(body, &self.signature)
            }
            _ => key.verify_der(body, &self.signature),
        }
    }

    /// Makes the header value with which the holder of `key` and of `attestation`, a V2 verification token that names
    /// the key, sends `body`.
    pub fn make(key: &SigningKey, attestation: &str, body: &[u8]) -> String {
        encode_base64(&AttestedStampJson {
            public_key_attestation: attestation.into(),
            scheme: AttestedScheme::VerificationToken.as_str().into(),
            public_key: key.public_key().to_hex().into(),
            signature: hex::encode(key.sign_der(body)).into(),
        })
    }
}

const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn bounded(header: &str, limit: usize) -> Result<(), StampError> {
    match header.len() {
        0 => Err(StampError::Empty),
        length if length > limit => Err(StampError::TooLong),
        _ => Ok(()),
    }
}

fn decode_base64(header: &str) -> Result<Vec<u8>, StampError> {
    let decoded = if header.contains(['+', '/']) {
        TOLERANT.decode(header.replace('+', "-").replace('/', "_"))
    } else {
        TOLERANT.decode(header)
    };
    decoded.map_err(|_| StampError::Malformed)
}

fn encode_base64(stamp: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(stamp).expect("a stamp is plain text members"))
}

fn lower_hex(text: &str) -> Result<String, StampError> {
    match text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(StampError::Malformed),
    }
}
