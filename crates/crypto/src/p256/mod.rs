//! The one curve of the protocol: public keys, ECDSA with SHA-256, and the private keys that sign and agree.
//!
//! Promise: a [`PublicKey`] is a point on the curve, checked once; verification then costs little more than the curve
//! arithmetic. Signatures made here are low-S; both halves are accepted (protocol 01, section 1).

mod cache;
pub(crate) mod der;
mod private;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use cache::KeyCache;
pub use private::{AgreementKey, SigningKey};

use crate::op;
use der::EcdsaSignature;

/// The bytes or text are no P-256 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a P-256 key")]
pub struct InvalidKey;

/// The signature does not verify, or is not encoded as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("bad signature")]
pub struct BadSignature;

/// A point on P-256, not the point at infinity. Clones share one parsed key; equality and hash are by the compressed bytes.
#[derive(Clone)]
pub struct PublicKey(Arc<Point>);

struct Point {
    compressed: [u8; 33],
    uncompressed: [u8; 65],
    /// The library's own form, made when the key first verifies something: many keys made here never do.
    parsed: OnceLock<ParsedPublicKey>,
}

impl PublicKey {
    /// Parses SEC1 hex, 66 characters compressed or 130 uncompressed, in either case.
    pub fn from_hex(text: &str) -> Result<Self, InvalidKey> {
        let mut buffer = [0; 65];
        Self::from_sec1(decode_hex(text, &mut buffer)?)
    }

    /// Parses a SEC1 point: 33 bytes compressed or 65 uncompressed. Hybrid forms are refused.
    ///
    /// So are the two points with x = 0. They are on the curve, but nobody knows their private keys: they only ever
    /// arrive as zeros that stand for a key, and `otp_bundles.json` calls that malformed.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, InvalidKey> {
        if !matches!((bytes.len(), bytes.first()), (33, Some(2 | 3)) | (65, Some(4)))
            || bytes[1..33] == [0; 32]
        {
            return Err(InvalidKey);
        }
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bytes).map_err(|_| InvalidKey)?;
        let uncompressed: [u8; 65] = match bytes.try_into() {
            Ok(uncompressed) => uncompressed,
            Err(_) => {
                // A SubjectPublicKeyInfo ends with the uncompressed point (RFC 5480, section 2.2).
                let spki: PublicKeyX509Der<'_> = parsed.as_der().map_err(|_| InvalidKey)?;
                *spki.as_ref().last_chunk().filter(|point| point[0] == 4).ok_or(InvalidKey)?
            }
        };
        Ok(Self(Arc::new(Point {
            compressed: compress(&uncompressed),
            uncompressed,
            parsed: OnceLock::from(parsed),
        })))
    }

    /// Wraps a point that the library computed itself.
    fn from_computed(uncompressed: &[u8]) -> Result<Self, InvalidKey> {
        let uncompressed: [u8; 65] = uncompressed.try_into().map_err(|_| InvalidKey)?;
        Ok(Self(Arc::new(Point {
            compressed: compress(&uncompressed),
            uncompressed,
            parsed: OnceLock::new(),
        })))
    }

    /// The compressed SEC1 form.
    pub fn compressed(&self) -> &[u8; 33] {
        &self.0.compressed
    }

    /// The uncompressed SEC1 form.
    pub fn uncompressed(&self) -> &[u8; 65] {
        &self.0.uncompressed
    }

    /// The compressed form as 66 lower-case hex characters: how keys are stored, compared and returned (05, section 1).
    pub fn to_hex(&self) -> String {
        hex::encode(self.0.compressed)
    }

    /// The uncompressed form as 130 lower-case hex characters: how SDKs pin server keys (05, section 13).
    pub fn to_uncompressed_hex(&self) -> String {
        hex::encode(self.0.uncompressed)
    }

    /// The key as a JSON Web Key (RFC 7517, RFC 7518 section 6.2) with the given `kid`.
    ///
    /// There is no `alg`: session tokens are signed over a double SHA-256, which no registered name describes.
    pub fn jwk(&self, kid: &str) -> serde_json::Value {
        serde_json::json!({
            "kty": "EC",
            "crv": "P-256",
            "kid": kid,
            "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(&self.0.uncompressed[1..33]),
            "y": URL_SAFE_NO_PAD.encode(&self.0.uncompressed[33..]),
        })
    }

    /// Verifies a DER signature over SHA-256 of `message`.
    ///
    /// The encoding is short-form DER without trailing bytes, each INTEGER non-negative and at most 33 bytes; leading
    /// zero bytes are tolerated because a published wallet stamper writes them (01 section 1, G-STAMP-2). High S is
    /// accepted.
    pub fn verify_der(&self, message: &[u8], der: &[u8]) -> Result<(), BadSignature> {
        self.verify(message, &EcdsaSignature::from_der(der).ok_or(BadSignature)?)
    }

    /// Verifies a raw `r || s` signature (64 bytes) over SHA-256 of `message`. High S is accepted.
    pub fn verify_raw(&self, message: &[u8], raw: &[u8]) -> Result<(), BadSignature> {
        self.verify(message, &EcdsaSignature::from_raw(raw).ok_or(BadSignature)?)
    }

    fn verify(&self, message: &[u8], signature: &EcdsaSignature) -> Result<(), BadSignature> {
        op!("ecdsa_verify");
        let parsed = self.0.parsed.get_or_init(|| {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.0.uncompressed)
                .expect("a point the library computed is on the curve")
        });
        parsed.verify_sig(message, signature.to_der().as_ref()).map_err(|_| BadSignature)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.compressed == other.0.compressed
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.compressed.hash(state);
    }
}

/// Only the first bytes: enough to tell keys apart, too little to look a user up by.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}..)", hex::encode(&self.0.compressed[..4]))
    }
}

fn compress(uncompressed: &[u8; 65]) -> [u8; 33] {
    let mut compressed = [0; 33];
    compressed[0] = 2 | (uncompressed[64] & 1);
    compressed[1..].copy_from_slice(&uncompressed[1..33]);
    compressed
}

/// Decodes SEC1 hex of either length into `buffer` without allocating.
fn decode_hex<'a>(text: &str, buffer: &'a mut [u8; 65]) -> Result<&'a [u8], InvalidKey> {
    let bytes = buffer.get_mut(..text.len() / 2).ok_or(InvalidKey)?;
    hex::decode_to_slice(text, bytes).map_err(|_| InvalidKey)?;
    Ok(bytes)
}

/// The compressed lower-case hex of SEC1 hex, without checking that the point is on the curve.
///
/// For look-ups: the key found is then the one that verifies, so a point off the curve finds nothing.
pub(crate) fn canonical_hex(text: &str) -> Result<String, InvalidKey> {
    let mut buffer = [0; 65];
    let bytes = decode_hex(text, &mut buffer)?;
    match (<&[u8; 65]>::try_from(bytes), bytes) {
        (Ok(uncompressed @ [4, ..]), _) => Ok(hex::encode(compress(uncompressed))),
        (Err(_), [2 | 3, ..]) if bytes.len() == 33 => Ok(hex::encode(bytes)),
        _ => Err(InvalidKey),
    }
}
