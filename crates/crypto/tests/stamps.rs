//! `stamps.json`: the P-256 part.

mod support;

use support::{load, public_key, text, visit};
use vestibule_crypto::p256::{BadSignature, PublicKey, SigningKey};
use vestibule_crypto::stamp::{ApiStamp, StampError, StampScheme};

const SECP256K1: &str = "secp256k1 stamps: credentials capability";
const ED25519: &str = "Ed25519 stamps: credentials capability";
const ROUTING: &str = "choice of the stamp header: HTTP layer";

#[test]
fn every_p256_stamp_is_judged_as_the_vectors_say() {
    let file = load("stamps.json");
    let pending = [
        ("no stamp header at all", ROUTING),
        ("secp256k1 valid: Rust SDK", SECP256K1),
        ("secp256k1 tampered body", SECP256K1),
        ("secp256k1 EIP-191 valid: wallet stamper", SECP256K1),
        ("EIP-191 signature labelled as plain SECP256K1", SECP256K1),
        ("secp256k1 EIP-191 valid: UTF-8 body", SECP256K1),
        ("ed25519 valid: wallet stamper (Solana)", ED25519),
        ("ed25519 tampered body", ED25519),
    ];
    visit(&file["cases"], &pending, |name, case| {
        let parsed = ApiStamp::parse(text(case, "headerValue"));
        let verified = |key: Option<&str>| {
            let stamp = parsed.as_ref().unwrap_or_else(|error| panic!("{name}: {error}"));
            let key = key.map_or_else(|| stamp.canonical_key(), str::to_owned);
            assert_eq!(stamp.canonical_key(), key, "{name}");
            stamp.verify(&public_key(&key), text(case, "body").as_bytes())
        };
        let registered = case["registeredKey"].as_str();
        match (text(case, "expect"), case["message"].as_str()) {
            ("valid" | "lenient-accept", _) => assert_eq!(verified(registered), Ok(()), "{name}"),
            ("invalid", Some("malformed activity stamp")) => {
                let expected = match name {
                    "unknown scheme" => StampError::UnknownScheme,
                    _ => StampError::Malformed,
                };
                assert_eq!(parsed, Err(expected), "{name}");
            }
            ("invalid", Some("no valid authentication signature found for request")) => {
                assert_eq!(parsed, Err(StampError::Empty), "{name}");
            }
            ("invalid", Some("could not verify api key signature")) => {
                assert_eq!(verified(registered), Err(BadSignature), "{name}");
            }
            ("invalid", None) => match name {
                // Nothing is wrong with the stamp; only the look-up fails.
                "valid stamp, key not registered anywhere" => assert_eq!(verified(None), Ok(()), "{name}"),
                "p256 key and signature labelled SECP256K1" => {
                    assert_eq!(parsed.as_ref().map(|stamp| stamp.scheme), Ok(StampScheme::Secp256k1));
                    assert_eq!(verified(None), Err(BadSignature), "{name}");
                }
                "signature raw r||s instead of DER" => {
                    assert_eq!(verified(None), Err(BadSignature), "{name}")
                }
                _ => panic!("{name}: unexpected case"),
            },
            other => panic!("{name}: unexpected outcome {other:?}"),
        }
    });
}

#[test]
fn stamps_of_other_schemes_parse_but_never_verify_with_a_p256_key() {
    let file = load("stamps.json");
    let key = public_key(text(&file["keys"]["k1"], "publicKeyCompressed"));
    let mut seen = 0;
    for case in file["cases"].as_array().expect("cases") {
        let Ok(stamp) = ApiStamp::parse(case["headerValue"].as_str().unwrap_or("")) else { continue };
        if stamp.scheme == StampScheme::P256 {
            continue;
        }
        seen += 1;
        assert_eq!(stamp.canonical_key(), stamp.public_key);
        assert_eq!(stamp.verify(&key, text(case, "body").as_bytes()), Err(BadSignature));
    }
    assert_eq!(seen, 8);
}

#[test]
fn a_made_stamp_verifies_and_names_its_key() {
    let file = load("stamps.json");
    let key = support::signing_key(&file["keys"]["k1"]);
    let stamp = ApiStamp::parse(&ApiStamp::make(&key, b"{}")).expect("own stamp");
    assert_eq!(stamp.canonical_key(), text(&file["keys"]["k1"], "publicKeyCompressed"));
    assert_eq!(stamp.verify(key.public_key(), b"{}"), Ok(()));
    assert_eq!(stamp.verify(key.public_key(), b"{ }"), Err(BadSignature));
}

#[test]
fn header_values_beyond_the_limit_are_not_decoded() {
    assert_eq!(ApiStamp::parse(&"A".repeat(4097)), Err(StampError::TooLong));
    assert_eq!(ApiStamp::parse(&"A".repeat(4096)), Err(StampError::Malformed));
}

#[test]
fn a_key_of_the_wrong_length_is_malformed() {
    use base64::Engine;
    let header = |key: &str, scheme: &str| {
        let json = serde_json::json!({ "publicKey": key, "scheme": scheme, "signature": "00" });
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json.to_string())
    };
    for (key, scheme) in [
        ("", "SIGNATURE_SCHEME_TK_API_P256"),
        ("zz", "SIGNATURE_SCHEME_TK_API_P256"),
        ("02", "SIGNATURE_SCHEME_TK_API_P256"),
        (&"ab".repeat(33), "SIGNATURE_SCHEME_TK_API_ED25519"),
        (&"ab".repeat(32), "SIGNATURE_SCHEME_TK_API_SECP256K1"),
        (&format!("é{}", "a".repeat(64)), "SIGNATURE_SCHEME_TK_API_P256"),
    ] {
        assert_eq!(ApiStamp::parse(&header(key, scheme)), Err(StampError::Malformed), "{key} {scheme}");
    }
}

/// A wallet stamper builds DER from fixed 32-byte halves: an `r` or `s` that starts with a zero byte is then not minimal.
#[test]
fn integers_with_needless_leading_zeros_are_accepted() {
    let file = load("stamps.json");
    let key: SigningKey = support::signing_key(&file["keys"]["k1"]);
    let public: &PublicKey = key.public_key();
    let fixed = |half: &[u8]| {
        let sign = half[0] >> 7;
        let mut out = vec![0x02, 32 + sign];
        out.extend(vec![0; usize::from(sign)]);
        out.extend(half);
        out
    };
    let mut padded = 0;
    for attempt in 0..2000_u32 {
        let message = attempt.to_be_bytes();
        let raw = key.sign_raw(&message);
        let body = [fixed(&raw[..32]), fixed(&raw[32..])].concat();
        let der = [vec![0x30, body.len() as u8], body].concat();
        assert_eq!(public.verify_der(&message, &der), Ok(()));
        padded += u32::from(der != key_der(&raw));
    }
    assert!(padded > 0, "some signature in 2000 needs the tolerance");
}

fn key_der(raw: &[u8; 64]) -> Vec<u8> {
    p256::ecdsa::Signature::from_slice(raw).expect("in range").to_der().as_bytes().to_vec()
}
