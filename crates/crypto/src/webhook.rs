//! Signatures of webhook deliveries (protocol 02 section 4, 05 section 12): Ed25519 over the raw body and what came with it.
//!
//! Promise: what is signed names its key, its time and its event, so that a receiver can refuse what is old and drop what it
//! has seen.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::op;
use crate::p256::InvalidKey;

/// `X-Turnkey-Signature-Algorithm`
pub const ALGORITHM: &str = "ed25519";

/// `X-Turnkey-Signature-Version`
pub const VERSION: &str = "v1";

/// A private key of Ed25519 (RFC 8032).
pub struct WebhookKey(Ed25519KeyPair);

impl WebhookKey {
    /// The key of a seed of 32 bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, InvalidKey> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| InvalidKey)
    }

    /// The public key, 32 bytes.
    pub fn public_key(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// `X-Turnkey-Signature` of a delivery: hex of 64 bytes. `key_id` is this key's name in the set that receivers read.
    pub fn sign(&self, key_id: &str, timestamp_ms: i64, event_id: &str, body: &str) -> String {
        op!("eddsa_sign");
        hex::encode(self.0.sign(signed_input(key_id, &timestamp_ms.to_string(), event_id, body).as_bytes()))
    }

    /// Its entry in the JSON Web Key Set that receivers read.
    pub fn jwk(&self, key_id: &str) -> Value {
        json!({
            "kid": key_id,
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(self.public_key()),
            "turnkey_signature_algorithm": ALGORITHM,
            "turnkey_signature_version": VERSION,
        })
    }
}

/// What is signed: the members as their headers have them, and the raw body.
pub fn signed_input(key_id: &str, timestamp_ms: &str, event_id: &str, body: &str) -> String {
    format!("{VERSION}.{ALGORITHM}.{key_id}.{timestamp_ms}.{event_id}.{body}")
}
