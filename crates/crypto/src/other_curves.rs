//! Keys of curves that are registered but do not stamp yet: whether they are points at all (protocol 02, section 2b).

use aws_lc_rs::signature::{ECDSA_P256K1_SHA256_ASN1, ED25519, ParsedPublicKey};

use crate::p256::InvalidKey;

/// Reads a compressed secp256k1 point from 66 hex characters; refuses what is not on the curve.
pub fn secp256k1_point(hex: &str) -> Result<Vec<u8>, InvalidKey> {
    let bytes = hex::decode(hex).map_err(|_| InvalidKey)?;
    if bytes.len() != 33 || !matches!(bytes[0], 2 | 3) {
        return Err(InvalidKey);
    }
    ParsedPublicKey::new(&ECDSA_P256K1_SHA256_ASN1, &bytes).map_err(|_| InvalidKey)?;
    Ok(bytes)
}

/// Reads an Ed25519 public key from 64 hex characters (RFC 8032, section 5.1.3): a canonical y below 2^255 - 19.
///
/// Whether y belongs to a point is left to the library, which decides it when a signature is checked.
pub fn ed25519_point(hex: &str) -> Result<Vec<u8>, InvalidKey> {
    const P: [u8; 32] = {
        let mut p = [0xff; 32];
        p[0] = 0xed;
        p[31] = 0x7f;
        p
    };
    let bytes = hex::decode(hex).map_err(|_| InvalidKey)?;
    let y: [u8; 32] = bytes.as_slice().try_into().map_err(|_| InvalidKey)?;
    let mut magnitude = y;
    magnitude[31] &= 0x7f;
    if !magnitude.iter().rev().lt(P.iter().rev()) {
        return Err(InvalidKey);
    }
    ParsedPublicKey::new(&ED25519, &bytes).map_err(|_| InvalidKey)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
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
}
