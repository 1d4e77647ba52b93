//! `attested_stamps.json`: what can be decided without a store.

mod support;

use support::{load, public_key, text, visit};
use vestibule_crypto::p256::PublicKey;
use vestibule_crypto::stamp::{AttestedScheme, AttestedStamp, StampError};
use vestibule_crypto::token::{self, TokenKind};

/// 2026-01-01, between the expired tokens and the ones that live until 2100.
const NOW_MS: i64 = 1_767_225_600_000;

/// Steps 1 to 3 of protocol 01 section 3: token, key, signature.
fn accepts(header: &str, body: &str, otp_key: &PublicKey) -> Result<(), &'static str> {
    let stamp = AttestedStamp::parse(header).map_err(|error| match error {
        StampError::UnknownScheme => "scheme",
        StampError::Empty | StampError::TooLong | StampError::Malformed => "malformed",
    })?;
    if stamp.scheme != AttestedScheme::VerificationToken {
        return Err("scheme");
    }
    let token = token::verify(&stamp.attestation, otp_key).map_err(|_| "token")?;
    if token.kind != TokenKind::V2 {
        return Err("kind");
    }
    if token.is_expired(NOW_MS) {
        return Err("expired");
    }
    if token.public_key.as_deref() != Some(&stamp.public_key) {
        return Err("key");
    }
    stamp.verify(body.as_bytes()).map_err(|_| "signature")
}

#[test]
fn every_attested_stamp_is_judged_as_the_vectors_say() {
    let file = load("attested_stamps.json");
    let otp_key = public_key(text(&load("jwts.json")["keys"]["otpKey"], "publicKeyCompressed"));
    assert_eq!(file["cases"].as_array().map(Vec::len), Some(9));
    visit(&file["cases"], &[], |name, case| {
        let outcome = accepts(text(case, "headerValue"), text(case, "body"), &otp_key);
        let expected = match name {
            "tampered body" => Err("signature"),
            "publicKey differs from token public_key" => Err("key"),
            "expired token" => Err("expired"),
            // The legacy key is another one, so the V2 verifier does not even get to the claims.
            "token signed by another key" | "legacy token (no organization_id)" => Err("token"),
            "unknown scheme" => Err("scheme"),
            _ => Ok(()),
        };
        assert_eq!(outcome, expected, "{name}");
        assert_eq!(outcome.is_err(), text(case, "expect").starts_with("invalid"), "{name}");
    });
}

#[test]
fn a_made_stamp_carries_its_token_and_verifies() {
    let file = load("attested_stamps.json");
    let key = support::signing_key(&file["keys"]["client"]);
    let stamp = AttestedStamp::parse(&AttestedStamp::make(&key, "a.b.c", b"body")).expect("own stamp");
    assert_eq!((stamp.attestation.as_str(), stamp.scheme), ("a.b.c", AttestedScheme::VerificationToken));
    assert_eq!(stamp.public_key, key.public_key().to_hex());
    assert!(stamp.verify(b"body").is_ok());
    assert!(stamp.verify(b"bode").is_err());
    let other = support::signing_key(&load("jwts.json")["keys"]["sess"]);
    assert!(stamp.verify_with(other.public_key(), b"body").is_err());
}

#[test]
fn header_values_beyond_the_limit_are_not_decoded() {
    assert_eq!(AttestedStamp::parse(&"A".repeat(8193)), Err(StampError::TooLong));
    assert_eq!(AttestedStamp::parse(""), Err(StampError::Empty));
}
