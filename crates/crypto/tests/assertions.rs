//! `webauthn.json`: the assertions, verified with the keys that the registrations of the same file hold.

mod support;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{load, text, visit};
use vestibule_crypto::fingerprint::sha256;
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::stamp::StampError;
use vestibule_crypto::webauthn::{Asserted, Assertion, AssertionError, Registration, verify_registration};

fn registrations(file: &Value) -> Vec<Registration> {
    let read = |entry: &Value| {
        let params = &entry["authenticatorParamsV2"];
        let attestation = &params["attestation"];
        verify_registration(
            text(params, "challenge"),
            text(attestation, "credentialId"),
            text(attestation, "clientDataJson"),
            text(attestation, "attestationObject"),
        )
        .expect("a valid registration")
    };
    file["registrations"].as_array().expect("a list").iter().map(read).collect()
}

fn verify(
    keys: &[Registration],
    assertion: &Assertion,
    body: &str,
) -> Option<Result<Asserted, AssertionError>> {
    let key = keys.iter().find(|key| key.credential_id == assertion.credential_id)?;
    Some(assertion.verify(&key.public_key, key.algorithm, body.as_bytes()))
}

#[test]
fn every_assertion_is_judged_as_the_vectors_say() {
    let file = load("webauthn.json");
    assert_eq!(file["assertions"].as_array().map(Vec::len), Some(17));
    let keys = registrations(&file);
    let rp = sha256(text(&file, "rpId").as_bytes());
    let mut algorithms = Vec::new();
    visit(&file["assertions"], &[], |name, case| {
        let parsed = Assertion::parse(text(case, "headerValue"));
        let judged = || {
            let assertion = parsed.as_ref().unwrap_or_else(|error| panic!("{name}: {error}"));
            let body = case["bodyOverride"].as_str().unwrap_or_else(|| text(case, "body"));
            verify(&keys, assertion, body)
        };
        match (text(case, "expect"), case["message"].as_str()) {
            ("valid" | "lenient-accept", _) => {
                let asserted = judged().expect("a known passkey").unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!((asserted.rp_id_hash, asserted.cross_origin), (rp, false), "{name}");
                assert_eq!(asserted.origin, text(&file, "origin"), "{name}");
                if let Some(flags) = case["flags"].as_u64() {
                    assert_eq!(asserted.user_verified, flags & 4 != 0, "{name}");
                    assert_eq!(Some(u64::from(asserted.sign_count)), case["signCount"].as_u64(), "{name}");
                }
                algorithms.push(case["credential"].as_str().unwrap_or("ec").to_owned());
            }
            // The signature is good: what the relying party and the origin are worth is told to whoever holds the policy.
            ("policy", _) => {
                let asserted = judged().expect("a known passkey").unwrap_or_else(|e| panic!("{name}: {e}"));
                match name {
                    "rpIdHash of another rp while origin is localhost" => assert_ne!(asserted.rp_id_hash, rp),
                    "origin not on the allow list" => assert_eq!(asserted.origin, "https://evil.example"),
                    _ => panic!("{name}: unexpected case"),
                }
            }
            ("invalid", Some("could not extract webauthn stamp")) => {
                assert_eq!(parsed, Err(StampError::Malformed), "{name}");
            }
            ("invalid", Some("could not verify WebAuthN signature")) => {
                let expected = match name {
                    "body differs from the signed challenge"
                    | "challenge is the raw 32-byte hash instead of its hex text" => {
                        AssertionError::Challenge
                    }
                    "type webauthn.create" => AssertionError::Ceremony,
                    "user-present flag clear" => AssertionError::UserNotPresent,
                    "signature tampered" => AssertionError::Signature,
                    _ => panic!("{name}: unexpected case"),
                };
                assert_eq!(judged(), Some(Err(expected)), "{name}");
            }
            ("invalid", None) => {
                assert_eq!((name, judged()), ("credentialId unknown", None));
            }
            other => panic!("{name}: unexpected outcome {other:?}"),
        }
    });
    assert_eq!(algorithms.iter().filter(|algorithm| *algorithm == "rsa").count(), 1);
    assert_eq!(algorithms.len(), 7);
}

/// An assertion by `key`, with client data and authenticator data as given.
fn assertion(key: &SigningKey, client_data: &Value, data: &[u8]) -> String {
    let client_data = client_data.to_string();
    let signed = [data, &sha256(client_data.as_bytes())].concat();
    json!({
        "authenticatorData": URL_SAFE_NO_PAD.encode(data),
        "clientDataJson": URL_SAFE_NO_PAD.encode(client_data),
        "credentialId": URL_SAFE_NO_PAD.encode(b"id"),
        "signature": URL_SAFE_NO_PAD.encode(key.sign_der(&signed)),
    })
    .to_string()
}

fn judge(key: &SigningKey, header: &str) -> Result<Asserted, AssertionError> {
    Assertion::parse(header).expect("a stamp").verify(key.public_key().uncompressed(), -7, b"{}")
}

#[test]
fn what_is_signed_is_reported_and_what_is_cut_short_is_refused() {
    let key = SigningKey::from_hex(&"11".repeat(32)).expect("a key");
    let challenge = URL_SAFE_NO_PAD.encode(hex::encode(sha256(b"{}")));
    let client_data = json!({
        "type": "webauthn.get", "challenge": challenge, "origin": "android:apk-key-hash:x", "crossOrigin": true,
        "androidPackageName": "example",
    });
    let data = [[9; 32].as_slice(), &[5, 0, 0, 1, 2], b"extensions"].concat();
    let asserted = judge(&key, &assertion(&key, &client_data, &data)).expect("valid");
    assert_eq!(
        asserted,
        Asserted {
            rp_id_hash: [9; 32],
            origin: "android:apk-key-hash:x".to_owned(),
            cross_origin: true,
            user_verified: true,
            sign_count: 258,
        }
    );
    assert_eq!(
        judge(&key, &assertion(&key, &client_data, &data[..36])),
        Err(AssertionError::AuthenticatorData)
    );
    let without_origin = json!({ "type": "webauthn.get", "challenge": challenge });
    assert_eq!(judge(&key, &assertion(&key, &without_origin, &data)), Err(AssertionError::ClientData));

    let good = Assertion::parse(&assertion(&key, &client_data, &data)).expect("a stamp");
    for algorithm in [-257, -8, 0] {
        let refused = good.verify(key.public_key().uncompressed(), algorithm, b"{}");
        assert_eq!(refused, Err(AssertionError::Signature), "{algorithm}");
    }
}

#[test]
fn header_values_beyond_the_limit_are_not_decoded() {
    assert_eq!(Assertion::parse(&"A".repeat(8193)), Err(StampError::TooLong));
    assert_eq!(Assertion::parse(&"A".repeat(8192)), Err(StampError::Malformed));
    assert_eq!(Assertion::parse(""), Err(StampError::Empty));
    let twice = r#"{"signature":"AA","signature":"AA","credentialId":"AA","authenticatorData":"AA","clientDataJson":"AA"}"#;
    assert_eq!(Assertion::parse(twice), Err(StampError::Malformed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_header_value_is_more_than_refused(header in "\\PC{0,200}") {
        if let Ok(assertion) = Assertion::parse(&header) {
            let judged = assertion.verify(&[4; 65], -7, b"{}");
            prop_assert!(judged.is_err());
        }
    }

    #[test]
    fn no_altered_bit_of_what_is_signed_goes_unnoticed(index in 0_usize..37, bit in 0_u8..8) {
        let key = SigningKey::from_hex(&"11".repeat(32)).expect("a key");
        let challenge = URL_SAFE_NO_PAD.encode(hex::encode(sha256(b"{}")));
        let client_data = json!({ "type": "webauthn.get", "challenge": challenge, "origin": "https://acme.example" });
        let mut data = [[9; 32].as_slice(), &[1, 0, 0, 0, 0]].concat();
        let mut header: Value = serde_json::from_str(&assertion(&key, &client_data, &data)).expect("JSON");
        data[index] ^= 1 << bit;
        header["authenticatorData"] = URL_SAFE_NO_PAD.encode(&data).into();
        prop_assert!(judge(&key, &header.to_string()).is_err());
    }
}
