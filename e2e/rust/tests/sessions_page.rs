//! The Rust snippet of docs/sessions.md, as it stands there, over tokens that must pass and tokens that must not.

mod page {
    include!(concat!(env!("OUT_DIR"), "/sessions_page.rs"));
}

use page::{check_session, check_verification_token};
use serde_json::Value;

/// The vectors name no time; those that are good are so until 2100.
const NOW_MS: i64 = 1_800_000_000_000;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../testdata/vectors/jwts.json")).unwrap()
}

type Check = fn(&str, &[&str], i64) -> Option<Value>;

fn judge(check: Check, vectors: &Value, is_good: fn(&Value) -> bool) {
    let (mut passed, mut refused) = (0, 0);
    for vector in vectors.as_array().unwrap() {
        // A token of the hosted service, under its own key, names none.
        let Some(key) = vector["overrideKey"].as_str() else { continue };
        let claims = check(vector["token"].as_str().unwrap(), &[key], NOW_MS);
        assert_eq!(claims.is_some(), is_good(vector), "{}", vector["name"]);
        match claims {
            Some(claims) => {
                assert!(claims["public_key"].is_string());
                passed += 1;
            }
            None => refused += 1,
        }
    }
    assert!(passed >= 3 && refused >= 3, "{passed} passed, {refused} refused");
}

#[test]
fn sessions() {
    judge(check_session, &vectors()["sessionJwts"], |vector| {
        vector["verifySessionJwtSignature"] == true && !vector["coreParse"].to_string().contains("missing")
    });
}

#[test]
fn verification_tokens() {
    judge(check_verification_token, &vectors()["verificationTokens"], |vector| {
        vector["verifyOtpVerificationToken"].get("ok").is_some()
    });
}

#[test]
fn a_session_is_over_at_its_expiry_and_each_trusted_key_counts() {
    let vectors = vectors();
    let vector = &vectors["sessionJwts"][0];
    let (token, key) = (vector["token"].as_str().unwrap(), vector["overrideKey"].as_str().unwrap());
    let other = vectors["verificationTokens"][0]["overrideKey"].as_str().unwrap();
    let expires_ms = vector["claims"]["exp"].as_i64().unwrap() * 1000;
    assert_eq!(check_session(token, &[other, key], expires_ms - 1).as_ref(), Some(&vector["claims"]));
    assert_eq!(check_session(token, &[key], expires_ms), None);
    assert_eq!(check_session(token, &[other], NOW_MS), None);
    assert_eq!(check_session(token, &[], NOW_MS), None);
}
