//! `client_signatures.json`, and the rules of comparison the file does not exercise.

mod support;

use serde_json::{Map, Value, json};
use support::{load, signing_key, text, visit};
use uuid::Uuid;
use vestibule_crypto::client_signature::{
    ClientSignature, ClientSignatureError, LoginExpectation, SignupExpectation, UsageMessage,
};
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::token::peek;

fn signature(value: &Value) -> ClientSignature {
    serde_json::from_value(value.clone()).expect("a client signature")
}

fn signup(request: &Value) -> SignupExpectation<'_> {
    SignupExpectation {
        api_keys: request["apiKeys"].clone(),
        authenticators: request["authenticators"].clone(),
        oauth_providers: request["oauthProviders"].clone(),
        email: request["userEmail"].as_str(),
        phone_number: None,
    }
}

#[test]
fn every_client_signature_is_judged_as_the_vectors_say() {
    let file = load("client_signatures.json");
    let client = text(&file["keys"]["client"], "publicKeyCompressed");
    let core_1x_signup = json!({ "userEmail": "user@example.com", "apiKeys": [], "authenticators": [] });
    visit(&file["cases"], &[], |name, case| {
        let token = peek(text(case, "verificationToken")).expect("a token");
        let checked = signature(&case["clientSignature"]).check(token.public_key.as_deref().expect("a key"));
        // The session key of the request; most cases use the token's key for both.
        let session_key = case["request"]["publicKey"].as_str().unwrap_or(client);
        let login = |message: &UsageMessage| message.matches_login(token.id, session_key);
        let signup = |request: &Value, legacy| {
            checked.as_ref().is_ok_and(|message| message.matches_signup(token.id, &signup(request), legacy))
        };
        match name {
            "signup V2 usage (core 2.x): empty arrays" | "signup V2 usage with an API key" => {
                assert!(signup(&case["request"], false), "{name}");
                assert!(!signup(&case["request"], true), "{name}: not a legacy message");
                assert!(!checked.as_ref().is_ok_and(login), "{name}: not a login");
                let mut other = case["request"].clone();
                other["userEmail"] = "other@example.com".into();
                assert!(!signup(&other, false), "{name}: another address");
            }
            "signup legacy usage (core 1.x)" => {
                assert!(signup(&core_1x_signup, true), "{name}");
                assert!(!signup(&core_1x_signup, false), "{name}: not a V2 message");
            }
            "strict login V2 usage (upcoming SDK branches)" => {
                let message = checked.expect(name);
                let expected = LoginExpectation {
                    public_key: client,
                    organization_id: "c75ecb07-c84a-4dd5-932c-539dfafc6864",
                    invalidate_existing: false,
                    expiration_seconds: Some("900"),
                    session_profile_id: None,
                };
                assert!(message.matches_login_request(token.id, &expected));
                assert!(
                    !message.matches_login(token.id, client),
                    "says more than a plain login is compared with"
                );
                for other in [
                    LoginExpectation { public_key: "02", ..expected },
                    LoginExpectation { organization_id: "7ff189fb-df7d-452e-8540-57632e380b77", ..expected },
                    LoginExpectation { invalidate_existing: true, ..expected },
                    LoginExpectation { expiration_seconds: Some("901"), ..expected },
                    LoginExpectation { expiration_seconds: None, ..expected },
                    LoginExpectation { session_profile_id: Some("p"), ..expected },
                ] {
                    assert!(!message.matches_login_request(token.id, &other), "{other:?}");
                }
            }
            "tokenId of another token"
            | "type SIGNUP used for login"
            | "message.login.publicKey differs from request publicKey" => {
                assert!(!login(&checked.expect(name)), "{name}");
            }
            "not JSON" => assert_eq!(checked, Err(ClientSignatureError::Message), "{name}"),
            "publicKey member differs from token public_key" => {
                assert_eq!(checked, Err(ClientSignatureError::Key), "{name}");
            }
            "tampered signature" => assert_eq!(checked, Err(ClientSignatureError::Signature), "{name}"),
            "unknown scheme" => assert_eq!(checked, Err(ClientSignatureError::Scheme), "{name}"),
            _ => {
                assert!(
                    ["valid", "lenient-accept"].iter().any(|accept| text(case, "expect").starts_with(accept)),
                    "{name}"
                );
                let message = checked.expect(name);
                assert!(login(&message), "{name}");
                let plain = LoginExpectation { public_key: session_key, ..LoginExpectation::default() };
                assert!(message.matches_login_request(token.id, &plain), "{name}");
                assert!(!message.matches_login(Uuid::nil(), session_key), "{name}: another token");
            }
        }
        // The same signature in DER verifies too, and fails where the raw one does.
        let mut der = signature(&case["clientSignature"]);
        der.signature = text(case, "derSignatureHex").to_owned();
        if name != "tampered signature" {
            assert_eq!(
                der.check(client).is_ok(),
                signature(&case["clientSignature"]).check(client).is_ok(),
                "{name}"
            );
        }
    });
}

fn key() -> SigningKey {
    signing_key(&load("client_signatures.json")["keys"]["client"])
}

fn message(json: &Value) -> Result<UsageMessage, ClientSignatureError> {
    let key = key();
    ClientSignature::make(&key, json.to_string()).check(&key.public_key().to_hex())
}

const TOKEN: Uuid = Uuid::from_u128(0xeb39b199_3352_4289_b31f_57194c79609c);

#[test]
fn made_signatures_say_what_they_are_asked_to() {
    let key = key();
    let session = "03".repeat(33);
    let login = ClientSignature::make_login(&key, TOKEN, &session);
    assert_eq!(
        login.message,
        format!(r#"{{"login":{{"publicKey":"{session}"}},"tokenId":"{TOKEN}","type":"USAGE_TYPE_LOGIN"}}"#)
    );
    assert!(
        login
            .check(&key.public_key().to_hex().to_uppercase())
            .expect("own")
            .matches_login(TOKEN, &session.to_uppercase())
    );

    let file = load("client_signatures.json");
    let request = &file["cases"][3]["request"];
    for legacy in [false, true] {
        let made = ClientSignature::make_signup(&key, TOKEN, &signup(request), legacy);
        assert!(made.check(&key.public_key().to_hex()).expect("own").matches_signup(
            TOKEN,
            &signup(request),
            legacy
        ));
        if !legacy {
            assert_eq!(made.message, text(&file["cases"][3]["clientSignature"], "message"));
        }
    }
}

#[test]
fn exactly_one_usage_member_is_read() {
    let login = json!({ "publicKey": "02" });
    for (refused, why) in [
        (json!({ "type": "USAGE_TYPE_LOGIN", "tokenId": TOKEN }), "none"),
        (json!({ "type": "USAGE_TYPE_LOGIN", "tokenId": TOKEN, "login": null }), "null"),
        (json!({ "type": "USAGE_TYPE_LOGIN", "tokenId": TOKEN, "login": login, "signup": {} }), "two"),
        (
            json!({ "type": "USAGE_TYPE_LOGIN", "tokenId": TOKEN, "login": login, "loginV2": login }),
            "two logins",
        ),
        (json!({ "type": "USAGE_TYPE_LOGIN", "tokenId": TOKEN, "transfer": login }), "unknown"),
        (json!({ "type": "USAGE_TYPE_LOGIN", "tokenId": TOKEN, "login": "02" }), "no object"),
        (json!({ "tokenId": TOKEN, "login": login }), "no type"),
        (json!({ "type": "USAGE_TYPE_LOGIN", "login": login }), "no token"),
        (json!([]), "no object at all"),
    ] {
        assert_eq!(message(&refused), Err(ClientSignatureError::Message), "{why}");
    }
}

#[test]
fn a_login_that_says_more_than_its_key_is_refused() {
    let more = json!({ "publicKey": "02", "expirationSeconds": "900" });
    let said = message(&json!({ "type": "USAGE_TYPE_LOGIN", "tokenId": TOKEN, "login": more }))
        .expect("well-formed");
    assert!(!said.matches_login(TOKEN, "02"));
    let nothing = json!({ "publicKey": "02", "expirationSeconds": null });
    let said = message(&json!({ "type": "USAGE_TYPE_LOGIN", "tokenId": TOKEN, "login": nothing }))
        .expect("well-formed");
    assert!(said.matches_login(TOKEN, "02"));
    assert!(!said.matches_login(TOKEN, "03"));
}

#[test]
fn sign_up_lists_are_compared_deeply_and_in_order() {
    let request = json!({
        "apiKeys": [{ "apiKeyName": "a", "publicKey": "02" }, { "apiKeyName": "b", "expirationSeconds": null }],
        "userEmail": "user@example.com",
    });
    let matches = |usage: Value| {
        let text = json!({ "type": "USAGE_TYPE_SIGNUP", "tokenId": TOKEN, "signupV2": usage });
        message(&text).expect("well-formed").matches_signup(TOKEN, &signup(&request), false)
    };
    let [first, second] =
        [json!({ "publicKey": "02", "apiKeyName": "a", "x": null }), json!({ "apiKeyName": "b" })];
    let email = "user@example.com";
    assert!(matches(
        json!({ "email": email, "apiKeys": [first, second], "authenticators": [], "phoneNumber": "" })
    ));
    for (usage, why) in [
        (json!({ "email": email, "apiKeys": [second, first] }), "another order"),
        (json!({ "email": email, "apiKeys": [first] }), "one less"),
        (json!({ "email": email, "apiKeys": [first, second, second] }), "one more"),
        (json!({ "email": email, "apiKeys": [first, json!({ "apiKeyName": "c" })] }), "another name"),
        (json!({ "email": email }), "none"),
        (json!({ "apiKeys": [first, second] }), "no address"),
        (json!({ "email": email, "apiKeys": [first, second], "phoneNumber": "+1" }), "another contact"),
        (
            json!({ "email": email, "apiKeys": [first, second], "wallet": { "name": "w" } }),
            "an unknown member",
        ),
        (json!({ "email": email, "apiKeys": [first, second], "oauthProviders": [{}] }), "a provider"),
    ] {
        assert!(!matches(usage), "{why}");
    }
}

#[test]
fn a_strict_sign_up_equals_the_whole_request() {
    let members = json!({ "parentOrganizationId": "p", "subOrganizationName": "s", "rootQuorumThreshold": 1,
        "rootUsers": [{ "userName": "u", "apiKeys": [] }], "disableSmsAuth": true });
    let expected: Map<String, Value> = members.as_object().expect("an object").clone();
    let said = |usage: &Value| {
        let text = json!({ "type": "USAGE_TYPE_SIGNUP", "tokenId": TOKEN, "signupV3": usage });
        message(&text).expect("well-formed").matches_signup_v3(TOKEN, &expected)
    };
    assert!(said(&members));
    let mut spelled_out = members.clone();
    spelled_out["disableEmailAuth"] = false.into();
    spelled_out["wallet"] = Value::Null;
    assert!(said(&spelled_out));
    for name in expected.keys() {
        let mut less = members.clone();
        less.as_object_mut().expect("an object").shift_remove(name);
        assert!(!said(&less), "without {name}");
    }
}
