//! `stamps.json`.

mod support;

use std::collections::HashMap;

use support::{load, public_key, text, visit};
use vestibule_crypto::p256::{BadSignature, KeyCache, PublicKey, SigningKey};
use vestibule_crypto::stamp::{ApiStamp, StampError, StampScheme};

#[test]
fn every_stamp_is_judged_as_the_vectors_say() {
    let file = load("stamps.json");
    assert_eq!(file["cases"].as_array().map(Vec::len), Some(35));
    let cache = KeyCache::new(32);
    let mut verified_by_scheme: HashMap<StampScheme, u32> = HashMap::new();
    visit(&file["cases"], &[], |name, case| {
        // No header at all is the same to whoever reads stamps as an empty one.
        let parsed = ApiStamp::parse(case["headerValue"].as_str().unwrap_or_default());
        let mut verified = |key: Option<&str>| {
            let stamp = parsed.as_ref().unwrap_or_else(|error| panic!("{name}: {error}"));
            if let Some(key) = key {
                assert_eq!(stamp.canonical_key(), key, "{name}");
            }
            let key = stamp.key(&cache).expect("a point");
            let outcome = stamp.verify(&key, text(case, "body").as_bytes());
            *verified_by_scheme.entry(stamp.scheme).or_default() += u32::from(outcome.is_ok());
            outcome
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
            (
                "invalid",
                Some(
                    "no valid authentication signature found for request"
                    | "cannot authenticate public API activity request without a stamp (X-Stamp/X-Stamp-Webauthn header)",
                ),
            ) => assert_eq!(parsed, Err(StampError::Empty), "{name}"),
            ("invalid", Some("could not verify api key signature")) => {
                assert_eq!(verified(registered), Err(BadSignature), "{name}");
            }
            ("invalid", None) => match name {
                // Nothing is wrong with the stamp; only the look-up fails.
                "valid stamp, key not registered anywhere" => assert_eq!(verified(None), Ok(()), "{name}"),
                "p256 key and signature labelled SECP256K1" => {
                    let stamp = parsed.as_ref().expect("a stamp");
                    assert_eq!(stamp.scheme, StampScheme::Secp256k1);
                    let registered = public_key(&stamp.public_key).into();
                    assert_eq!(stamp.verify(&registered, text(case, "body").as_bytes()), Err(BadSignature));
                    assert!(stamp.key(&cache).is_err(), "the point is on another curve");
                }
                "signature raw r||s instead of DER" => {
                    assert_eq!(verified(None), Err(BadSignature), "{name}")
                }
                _ => panic!("{name}: unexpected case"),
            },
            other => panic!("{name}: unexpected outcome {other:?}"),
        }
    });
    let counted = |scheme| verified_by_scheme.get(&scheme).copied().unwrap_or_default();
    assert_eq!(
        [StampScheme::P256, StampScheme::Secp256k1, StampScheme::Secp256k1Eip191, StampScheme::Ed25519]
            .map(counted),
        [13, 1, 2, 1]
    );
}

#[test]
fn a_stamp_verifies_with_a_key_of_its_own_scheme_alone() {
    let file = load("stamps.json");
    let cache = KeyCache::new(32);
    let stamps: Vec<(ApiStamp, &str)> = file["cases"]
        .as_array()
        .expect("cases")
        .iter()
        .filter(|case| case["expect"] == "valid")
        .map(|case| (ApiStamp::parse(text(case, "headerValue")).expect("a stamp"), text(case, "body")))
        .collect();
    for (stamp, body) in &stamps {
        for (other, _) in &stamps {
            let key = other.key(&cache).expect("a point");
            let same = stamp.public_key == other.public_key;
            assert_eq!(stamp.verify(&key, body.as_bytes()).is_ok(), same, "{stamp:?} {other:?}");
        }
    }
    let (stamp, body) = stamps.iter().find(|(s, _)| s.scheme == StampScheme::Secp256k1).expect("one");
    let relabelled = ApiStamp { scheme: StampScheme::Secp256k1Eip191, ..stamp.clone() };
    let key = stamp.key(&cache).expect("a point");
    assert_eq!(relabelled.verify(&key, body.as_bytes()), Err(BadSignature));
}

#[test]
fn a_made_stamp_verifies_and_names_its_key() {
    let file = load("stamps.json");
    let key = support::signing_key(&file["keys"]["k1"]);
    let stamp = ApiStamp::parse(&ApiStamp::make(&key, b"{}")).expect("own stamp");
    assert_eq!(stamp.canonical_key(), text(&file["keys"]["k1"], "publicKeyCompressed"));
    let public = key.public_key().clone().into();
    assert_eq!(stamp.verify(&public, b"{}"), Ok(()));
    assert_eq!(stamp.verify(&public, b"{ }"), Err(BadSignature));
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
