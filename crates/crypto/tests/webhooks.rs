//! The vectors of webhook deliveries: what we sign is what the published verifier takes, and what it refuses we refuse.

use serde_json::Value;
use vestibule_crypto::other_curves::Ed25519Key;
use vestibule_crypto::webhook::{WebhookKey, signed_input};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../testdata/vectors/webhooks.json")).expect("JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn key(vectors: &Value) -> WebhookKey {
    let mut seed = [0; 32];
    hex::decode_to_slice(text(&vectors["key"]["seed"]), &mut seed).expect("32 bytes");
    WebhookKey::from_seed(&seed).expect("a key")
}

/// What a receiver makes of a delivery, with the public key of the set: the order in which it looks is the published one.
fn receive(vectors: &Value, case: &Value) -> Result<(), &'static str> {
    let header = |name: &str| text(&case["headers"][name]);
    let known = &vectors["jwks"]["keys"][0];
    if header("X-Turnkey-Signature-Key-Id") != text(&known["kid"]) {
        return Err("missing_key");
    }
    let timestamp = header("X-Turnkey-Timestamp");
    let age = case["nowMs"].as_i64().expect("a time") - timestamp.parse::<i64>().expect("a time");
    if age.abs() > case["maxTimestampAgeMs"].as_i64().expect("an age") {
        return Err("stale_timestamp");
    }
    let public = Ed25519Key::from_bytes(key(vectors).public_key()).expect("a public key");
    let signed =
        signed_input(text(&known["kid"]), timestamp, header("X-Turnkey-Event-Id"), text(&case["body"]));
    let signature = hex::decode(header("X-Turnkey-Signature")).map_err(|_| "invalid_signature")?;
    public.verify(signed.as_bytes(), &signature).map_err(|_| "invalid_signature")
}

#[test]
fn every_delivery_of_the_vectors_is_judged_as_by_the_published_verifier() {
    let vectors = vectors();
    let cases = vectors["cases"].as_array().expect("cases");
    let mut accepted = 0;
    for case in cases {
        let expected = match case["sdkResult"]["ok"].as_bool() {
            Some(true) => Ok(()),
            _ => Err(text(&case["sdkResult"]["reason"])),
        };
        let judged = receive(&vectors, case);
        assert_eq!(judged, expected, "{}", case["name"]);
        accepted += usize::from(judged.is_ok());
    }
    assert_eq!((cases.len(), accepted), (5, 1));
}

#[test]
fn we_sign_the_delivery_of_the_vectors_byte_for_byte() {
    let vectors = vectors();
    let valid = &vectors["cases"][0];
    let header = |name: &str| text(&valid["headers"][name]);
    let key = key(&vectors);
    assert_eq!(hex::encode(key.public_key()), text(&vectors["key"]["publicKey"]));
    let (key_id, event_id) = (header("X-Turnkey-Signature-Key-Id"), header("X-Turnkey-Event-Id"));
    let timestamp = header("X-Turnkey-Timestamp");
    let body = text(&valid["body"]);
    assert_eq!(signed_input(key_id, timestamp, event_id, body), text(&vectors["signedInput"]));
    let signed = key.sign(key_id, timestamp.parse().expect("a time"), event_id, body);
    assert_eq!(signed, header("X-Turnkey-Signature"));
    assert_eq!(key.jwk(key_id), vectors["jwks"]["keys"][0]);
}
