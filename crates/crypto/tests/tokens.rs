//! `jwts.json`: verification tokens and session tokens.

mod support;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use support::{load, public_key, signing_key, text, visit};
use uuid::Uuid;
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::token::{
    LegacyVerificationToken, SessionJwt, TokenError, TokenKind, VerificationToken, hash, peek, verify,
};
use vestibule_wire::OtpType;

/// The keys of the hosted service that SDKs pin; two of the vectors are real tokens of it.
const HOSTED_OTP_KEY: &str = "046b4f88421f76b6ba418afc2ea1d8ced671337d7db6b80478a60d8531bf8f17fa9a512f0fef96fc0c9b4cd9dff70b34992e520ce04c79d931f6ff6296b547d201";
const HOSTED_SESSION_KEY: &str = "04d498aa87ac3bf982ac2b5dd9604d0074905cfbda5d62727c5a237b895e6749205e9f7cd566909c4387f6ca25c308445c60884b788560b785f4a96ac33702a469";

/// Later than any of the expired tokens, earlier than 2100.
const NOW_MS: i64 = 1_800_000_000_000;

#[test]
fn every_verification_token_is_judged_as_the_vectors_say() {
    let file = load("jwts.json");
    visit(&file["verificationTokens"], &[], |name, case| {
        let key = public_key(case["overrideKey"].as_str().unwrap_or(HOSTED_OTP_KEY));
        let outcome = verify(text(case, "token"), &key);
        let legacy = name.starts_with("legacy V1 token");
        match case["verifyOtpVerificationToken"]["throws"].as_str() {
            // The SDK's function takes V2 tokens only; the legacy ones are valid for the other verifiers.
            None => {
                let token = outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(!token.is_expired(NOW_MS), "{name}");
                let claims = &case["verifyOtpVerificationToken"]["ok"];
                assert_eq!(token.kind, TokenKind::V2);
                assert_eq!(token.expires_at_ms.to_string(), text(claims, "exp"));
                assert_eq!(token.id.to_string(), text(claims, "id"));
                assert_eq!(
                    token.organization_id.map(|id| id.to_string()).as_deref(),
                    claims["organization_id"].as_str()
                );
                assert_eq!(token.verification_type.as_str(), text(claims, "verification_type"));
                assert_eq!(token.contact, text(claims, "contact"));
                assert_eq!(token.public_key.as_deref(), claims["public_key"].as_str());
            }
            Some(_) if legacy => {
                let token = outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
                let claims = &case["coreDecode"]["ok"];
                assert_eq!((token.kind, token.organization_id), (TokenKind::Legacy, None));
                assert_eq!(Some(token.expires_at_ms), claims["exp"].as_i64().map(|seconds| seconds * 1000));
                assert_eq!(token.id.to_string(), text(claims, "id"));
                assert_eq!(token.public_key.as_deref(), claims["public_key"].as_str());
            }
            Some(error) if error.ends_with("has expired") => {
                assert!(
                    outcome.unwrap_or_else(|error| panic!("{name}: {error}")).is_expired(NOW_MS),
                    "{name}"
                );
            }
            Some(error) if error.ends_with("signature is invalid") => {
                assert_eq!(outcome, Err(TokenError::Signature), "{name}");
                assert!(peek(text(case, "token")).is_ok(), "{name}");
            }
            Some(_) => {
                assert_eq!(outcome, Err(TokenError::Malformed), "{name}");
                assert_eq!(peek(text(case, "token")), Err(TokenError::Malformed), "{name}");
            }
        }
    });
}

#[test]
fn every_session_token_is_judged_as_the_vectors_say() {
    let file = load("jwts.json");
    visit(&file["sessionJwts"], &[], |name, case| {
        let key = public_key(case["overrideKey"].as_str().unwrap_or(HOSTED_SESSION_KEY));
        let outcome = SessionJwt::verify(text(case, "token"), &key);
        let expected = match name {
            "single SHA-256 (ordinary ES256)" | "another key" => Err(TokenError::Signature),
            "two parts" | "missing user_id" => Err(TokenError::Malformed),
            _ => Ok(()),
        };
        assert_eq!(outcome.as_ref().map(|_| ()).map_err(|error| *error), expected, "{name}");
        if let (Ok(session), Some(claims)) = (&outcome, case["claims"].as_object()) {
            assert_eq!(Some(session.expires_at_s), claims["exp"].as_i64());
            assert_eq!(Some(session.public_key.as_str()), claims["public_key"].as_str());
            assert_eq!(Some(session.session_type.as_str()), claims["session_type"].as_str());
            assert_eq!(Some(session.user_id.to_string().as_str()), claims["user_id"].as_str());
            assert_eq!(
                Some(session.organization_id.to_string().as_str()),
                claims["organization_id"].as_str()
            );
        }
    });
}

/// Our own issue of a vector's claims differs from the vector's text only in the signature.
#[test]
fn issued_tokens_have_the_text_of_the_vectors() {
    let file = load("jwts.json");
    let [otp, session, legacy] = ["otpKey", "notar", "legacy"].map(|name| signing_key(&file["keys"][name]));
    let message = |token: &str| token.rsplit_once('.').expect("three parts").0.to_owned();
    let (mut v2, mut old, mut sessions) = (0, 0, 0);
    for case in file["verificationTokens"].as_array().expect("cases") {
        let Ok(token) = peek(text(case, "token")) else { continue };
        // The vectors with unescaped hazards are not what may be issued.
        if text(case, "name").contains("plain") {
            continue;
        }
        let issued = match (token.kind, token.organization_id, token.public_key) {
            (TokenKind::V2, Some(organization_id), Some(public_key)) => {
                v2 += 1;
                let (id, contact, expires_at_ms) = (token.id, token.contact, token.expires_at_ms);
                let verification_type = token.verification_type;
                VerificationToken {
                    id,
                    contact,
                    verification_type,
                    organization_id,
                    public_key,
                    expires_at_ms,
                }
                .issue(&otp)
            }
            (_, _, public_key) => {
                old += 1;
                let (id, contact, expires_at_ms) = (token.id, token.contact, token.expires_at_ms);
                let verification_type = token.verification_type;
                LegacyVerificationToken { id, contact, verification_type, public_key, expires_at_ms }
                    .issue(&legacy)
            }
        };
        if text(case, "name").starts_with("alg ") || text(case, "name").starts_with("typ ") {
            continue;
        }
        assert_eq!(message(&issued), message(text(case, "token")), "{}", text(case, "name"));
    }
    for case in file["sessionJwts"].as_array().expect("cases") {
        let key = public_key(case["overrideKey"].as_str().unwrap_or(HOSTED_SESSION_KEY));
        let Ok(claims) = SessionJwt::verify(text(case, "token"), &key) else { continue };
        if text(case, "name").contains("plainly") {
            continue;
        }
        sessions += 1;
        assert_eq!(message(&claims.issue(&session)), message(text(case, "token")), "{}", text(case, "name"));
    }
    assert_eq!((v2, old, sessions), (10, 2, 4));
}

#[test]
fn issued_tokens_verify_with_their_own_key_and_scheme_alone() {
    let entropy = SeededEntropy::new(9);
    let [signer, other] = [(); 2].map(|()| SigningKey::generate(&entropy));
    let token = sample_v2("user@example.com").issue(&signer);
    let claims = verify(&token, signer.public_key()).expect("own token");
    assert_eq!(claims, peek(&token).expect("own token"));
    assert_eq!(verify(&token, other.public_key()), Err(TokenError::Signature));
    assert_eq!(hash(&token), vestibule_crypto::fingerprint::sha256(token.as_bytes()));

    let session = sample_session("SESSION_TYPE_READ_WRITE", None);
    let jwt = session.issue(&signer);
    assert_eq!(SessionJwt::verify(&jwt, signer.public_key()), Ok(session));
    assert_eq!(SessionJwt::verify(&jwt, other.public_key()), Err(TokenError::Signature));
    // The two hash differently on purpose: neither passes for the other.
    assert_eq!(SessionJwt::verify(&token, signer.public_key()), Err(TokenError::Signature));
    let (message, signature) = jwt.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    assert!(signer.public_key().verify_raw(message.as_bytes(), &signature).is_err());
}

#[test]
fn legacy_tokens_round_the_expiry_down_to_seconds() {
    let signer = SigningKey::generate(&SeededEntropy::new(9));
    let token = LegacyVerificationToken {
        id: Uuid::from_u128(1),
        contact: "+13214567890".to_owned(),
        verification_type: OtpType::Sms,
        public_key: None,
        expires_at_ms: 1_999,
    };
    let read = verify(&token.issue(&signer), signer.public_key()).expect("own token");
    assert_eq!((read.expires_at_ms, read.kind, read.public_key.clone()), (1_000, TokenKind::Legacy, None));
    assert!(read.is_expired(1_000) && !read.is_expired(999));
}

#[test]
fn tokens_beyond_the_limit_or_of_another_shape_are_refused_unread() {
    let signer = SigningKey::generate(&SeededEntropy::new(9));
    let token = sample_v2("user@example.com").issue(&signer);
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts")
    };
    for text in [
        String::new(),
        "..".to_owned(),
        format!("{token}.{signature}"),
        format!("{header}.{payload}"),
        format!("{header}.{payload}=.{signature}"),
        format!("{header}.{}.{signature}", payload.repeat(20)),
        sample_v2(&"~".repeat(1000)).issue(&signer),
    ] {
        assert_eq!(peek(&text), Err(TokenError::Malformed), "{text}");
        assert_eq!(verify(&text, signer.public_key()), Err(TokenError::Malformed), "{text}");
    }
    for signature in ["", "AA", &signature[1..], &format!("{signature}A")] {
        assert_eq!(
            verify(&format!("{header}.{payload}.{signature}"), signer.public_key()),
            Err(TokenError::Signature)
        );
    }
    assert!(
        peek(&sample_v2(&"~".repeat(254)).issue(&signer)).is_ok(),
        "the longest contact fits, every byte escaped"
    );
}

fn sample_v2(contact: &str) -> VerificationToken {
    VerificationToken {
        id: Uuid::from_u128(1),
        contact: contact.to_owned(),
        verification_type: OtpType::Email,
        organization_id: Uuid::from_u128(2),
        public_key: "02".repeat(33),
        expires_at_ms: 4_102_444_800_000,
    }
}

fn sample_session(session_type: &str, scope: Option<&str>) -> SessionJwt {
    SessionJwt {
        expires_at_s: 4_102_444_800,
        public_key: "02".repeat(33),
        session_type: session_type.to_owned(),
        user_id: Uuid::from_u128(3),
        organization_id: Uuid::from_u128(4),
        session_profile_id: scope.map(|_| Uuid::from_u128(5).to_string()),
        scope: scope.map(str::to_owned),
    }
}

/// What a browser's `atob` and a plain JSON parser make of the payload, given that no byte of it is beyond ASCII.
fn atob_payload(token: &str) -> serde_json::Value {
    let payload = token.split('.').nth(1).expect("a payload");
    assert!(!payload.contains(['-', '_']), "{payload}");
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(payload).expect("plain base64");
    assert!(bytes.is_ascii());
    serde_json::from_slice(&bytes).expect("JSON")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_claim_ever_puts_a_dash_or_underscore_into_a_payload(
        contact in prop_oneof![".{1,60}", "[>?~\u{7f}a-z\u{80}-\u{10ffff}]{1,60}", "\\PC{1,60}"],
        scope in prop_oneof![".{1,80}", "[>?~\u{7f} &|=\u{80}-\u{10ffff}]{1,80}"],
    ) {
        let signer = SigningKey::generate(&SeededEntropy::new(1));
        let token = sample_v2(&contact).issue(&signer);
        let payload = atob_payload(&token);
        prop_assert_eq!(payload["contact"].as_str(), Some(contact.as_str()));
        prop_assert_eq!(&verify(&token, signer.public_key()).expect("own token").contact, &contact);

        let legacy = LegacyVerificationToken {
            id: Uuid::from_u128(1),
            contact: contact.clone(),
            verification_type: OtpType::Sms,
            public_key: None,
            expires_at_ms: 0,
        };
        let payload = atob_payload(&legacy.issue(&signer));
        prop_assert_eq!(payload["contact"].as_str(), Some(contact.as_str()));

        let session = sample_session(&contact, Some(&scope));
        let jwt = session.issue(&signer);
        let payload = atob_payload(&jwt);
        prop_assert_eq!(payload["scope"].as_str(), Some(scope.as_str()));
        prop_assert_eq!(SessionJwt::verify(&jwt, signer.public_key()), Ok(session));
    }

    #[test]
    fn no_text_makes_peeking_panic(text in "[ -~]{0,100}", payload in "\\PC{0,100}") {
        prop_assert!(peek(&text).is_err());
        let token = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.{}.AA", URL_SAFE_NO_PAD.encode(payload));
        prop_assert!(peek(&token).is_err());
    }
}
