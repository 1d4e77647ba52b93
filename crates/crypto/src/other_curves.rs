//! Keys of the other curves that stamp: secp256k1 and Ed25519 (protocol 01 section 1, 02 section 2b).
//!
//! Promise: what a key verifies is what the scheme of its stamp says, over the whole message. Signatures on secp256k1 may
//! have a high S, and their DER the needless zeros that wallets write (G-STAMP-2).

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::signature::{ECDSA_P256K1_SHA256_ASN1, ED25519, ParsedPublicKey};
use sha3::{Digest as _, Keccak256};

use crate::op;
use crate::p256::der::EcdsaSignature;
use crate::p256::{BadSignature, InvalidKey};

/// A point on secp256k1.
#[derive(Debug, Clone)]
pub struct Secp256k1Key(ParsedPublicKey);

impl Secp256k1Key {
    /// Parses a compressed SEC1 point, 33 bytes; refuses what is not on the curve.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, InvalidKey> {
        if bytes.len() != 33 || !matches!(bytes[0], 2 | 3) {
            return Err(InvalidKey);
        }
        ParsedPublicKey::new(&ECDSA_P256K1_SHA256_ASN1, bytes).map(Self).map_err(|_| InvalidKey)
    }

    /// Verifies a DER signature over SHA-256 of `message`.
    pub fn verify_sha256(&self, message: &[u8], der: &[u8]) -> Result<(), BadSignature> {
        let signature = EcdsaSignature::from_der(der).ok_or(BadSignature)?;
        op!("ecdsa_verify");
        self.0.verify_sig(message, signature.to_der().as_ref()).map_err(|_| BadSignature)
    }

    /// Verifies a DER signature over `message` as a wallet signs it: Keccak-256 of the prefix, the length of the message
    /// in decimal, and the message (EIP-191, version `0x45`).
    pub fn verify_eip191(&self, message: &[u8], der: &[u8]) -> Result<(), BadSignature> {
        let signature = EcdsaSignature::from_der(der).ok_or(BadSignature)?;
        op!("ecdsa_verify");
        let mut hash = Keccak256::new();
        hash.update(b"\x19Ethereum Signed Message:\n");
        hash.update(message.len().to_string());
        hash.update(message);
        // ECDSA takes any 32 bytes for its digest. The library knows no Keccak, but lets a digest be brought along under
        // the name of the one its algorithm expects.
        let digest = Digest::import_less_safe(&hash.finalize(), &SHA256).map_err(|_| BadSignature)?;
        self.0.verify_digest_sig(&digest, signature.to_der().as_ref()).map_err(|_| BadSignature)
    }
}

/// A key of Ed25519 (RFC 8032).
#[derive(Debug, Clone)]
pub struct Ed25519Key(ParsedPublicKey);

impl Ed25519Key {
    /// Parses 32 bytes (RFC 8032, section 5.1.3): a canonical y below 2^255 - 19.
    ///
    /// Whether y belongs to a point is left to the library, which decides it when a signature is checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidKey> {
        const P: [u8; 32] = {
            let mut p = [0xff; 32];
            p[0] = 0xed;
            p[31] = 0x7f;
            p
        };
        let mut magnitude: [u8; 32] = bytes.try_into().map_err(|_| InvalidKey)?;
        magnitude[31] &= 0x7f;
        if !magnitude.iter().rev().lt(P.iter().rev()) {
            return Err(InvalidKey);
        }
        ParsedPublicKey::new(&ED25519, bytes).map(Self).map_err(|_| InvalidKey)
    }

    /// Verifies a signature of 64 bytes over `message` itself.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        op!("eddsa_verify");
        self.0.verify_sig(message, signature).map_err(|_| BadSignature)
    }
}

/// Reads a compressed secp256k1 point from 66 hex characters; refuses what is not on the curve.
pub fn secp256k1_point(hex: &str) -> Result<Vec<u8>, InvalidKey> {
    let bytes = hex::decode(hex).map_err(|_| InvalidKey)?;
    Secp256k1Key::from_sec1(&bytes)?;
    Ok(bytes)
}

/// Reads an Ed25519 public key from 64 hex characters; see [`Ed25519Key::from_bytes`] for what is refused.
pub fn ed25519_point(hex: &str) -> Result<Vec<u8>, InvalidKey> {
    let bytes = hex::decode(hex).map_err(|_| InvalidKey)?;
    Ed25519Key::from_bytes(&bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use k256::ecdsa::signature::hazmat::PrehashSigner;

    use super::*;

    #[test]
    fn real_keys_are_points_and_others_are_not() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../../testdata/vectors/stamps.json")).expect("JSON");
        let secp = vectors["keys"]["s1"]["publicKeyCompressed"].as_str().expect("hex");
        let ed = vectors["keys"]["e1"]["publicKey"].as_str().expect("hex");
        assert!(secp256k1_point(secp).is_ok());
        assert!(ed25519_point(ed).is_ok());
        let off = format!("02{}", "ff".repeat(32));
        for bad in [off.as_str(), &secp[2..], ed, "zz"] {
            assert_eq!(secp256k1_point(bad), Err(InvalidKey), "{bad}");
        }
        for bad in ["ff".repeat(32).as_str(), &ed[2..], secp, "zz"] {
            assert_eq!(ed25519_point(bad), Err(InvalidKey), "{bad}");
        }
    }

    /// Wallets build DER from halves of 32 bytes each, whatever their first bytes are.
    fn as_a_wallet_does(half: &[u8]) -> Vec<u8> {
        let sign = half[0] >> 7;
        [vec![0x02, 32 + sign], vec![0; usize::from(sign)], half.to_vec()].concat()
    }

    #[test]
    fn either_s_and_needless_zeros_are_accepted_under_both_digests() {
        let signer = k256::ecdsa::SigningKey::from_slice(&[7; 32]).expect("a private key");
        let key =
            Secp256k1Key::from_sec1(signer.verifying_key().to_sec1_point(true).as_bytes()).expect("a point");
        let mut padded = 0;
        for attempt in 0..600_u32 {
            let message = attempt.to_be_bytes();
            let wallet = [b"\x19Ethereum Signed Message:\n4".as_slice(), &message].concat();
            let digests: [[u8; 32]; 2] =
                [crate::fingerprint::sha256(&message), Keccak256::digest(wallet).into()];
            for (digest, eip191) in digests.iter().zip([false, true]) {
                let low: k256::ecdsa::Signature = signer.sign_prehash(digest).expect("signs");
                let low = low.normalize_s();
                let (r, s) = low.split_scalars();
                let high = k256::ecdsa::Signature::from_scalars(r, -*s).expect("in range");
                for signature in [low, high] {
                    let (r, s) = signature.split_bytes();
                    let halves = [as_a_wallet_does(&r), as_a_wallet_does(&s)].concat();
                    let der = [vec![0x30, halves.len() as u8], halves].concat();
                    padded += u32::from(der != signature.to_der().as_bytes());
                    let (right, wrong) = match eip191 {
                        true => (key.verify_eip191(&message, &der), key.verify_sha256(&message, &der)),
                        false => (key.verify_sha256(&message, &der), key.verify_eip191(&message, &der)),
                    };
                    assert_eq!((right, wrong), (Ok(()), Err(BadSignature)), "{attempt}");
                }
            }
        }
        assert!(padded > 0, "some signature of 2400 needs the tolerance");
    }
}
