//! Ordinary tokens: what they say, who gets them, and which keys they are checked with.

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use vestibule_crypto::keyset::KeyRole;
use vestibule_crypto::p256::PublicKey;
use vestibule_engine::Settings;
use vestibule_testkit::{Passkey, Reply, Signer, TestServer, client_key};
use vestibule_wire::{ActivityType, OrganizationId};

const PATH: &str = "/vestibule/v1/token";

fn body(server: &TestServer, organization: OrganizationId) -> Value {
    json!({ "organizationId": organization, "audience": "https://api.acme.example", "timestampMs": server.clock.now().to_string() })
}

async fn ask(server: &TestServer, key: &dyn Signer, body: &Value) -> Reply {
    server.post(key, PATH, &body.to_string()).await
}

async fn published(server: &TestServer) -> Vec<Value> {
    let reply = server.send(Method::GET, "/.well-known/jwks.json", &[], "").await;
    assert_eq!((reply.status, reply.content_type.as_deref()), (200, Some("application/json")));
    assert_eq!(reply.headers["cache-control"], "public, max-age=15");
    assert_eq!(reply.headers["access-control-allow-origin"], "*");
    reply.body["keys"].as_array().expect("a list").clone()
}

fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).expect("base64url")
}

/// Header and claims, once the signature was checked as any library does: ES256 with the published key of that name.
async fn checked(server: &TestServer, token: &str) -> (Value, Value) {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let (header, claims) = signed.split_once('.').expect("three parts");
    let read = |part| serde_json::from_slice::<Value>(&decode(part)).expect("JSON");
    let (header, claims) = (read(header), read(claims));
    let keys = published(server).await;
    let jwk = keys.iter().find(|jwk| jwk["kid"] == header["kid"]).expect("the key is published");
    assert_eq!(
        (&jwk["kty"], &jwk["crv"], &jwk["use"], &jwk["alg"]),
        (&json!("EC"), &json!("P-256"), &json!("sig"), &json!("ES256"))
    );
    let coordinate = |name: &str| decode(jwk[name].as_str().expect("text"));
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let key = PublicKey::from_sec1(&point).expect("a point");
    key.verify_raw(signed.as_bytes(), &decode(signature)).expect("a good signature");
    (header, claims)
}

#[tokio::test]
async fn a_token_says_who_stamped_and_nothing_more() {
    let settings = Settings { token_issuer: "https://login.acme.example".to_owned(), ..Settings::default() };
    let server = TestServer::with(settings).await;
    let (account, session) = server.logged_in("user@acme.example").await;
    let own = account.organization_id;
    let reply = ask(&server, &session, &body(&server, own)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let token = reply.body["token"].as_str().expect("text");
    let (header, claims) = checked(&server, token).await;
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("JWT")));
    let now = server.clock.now() / 1000;
    let id = claims["jti"].as_str().expect("text").to_owned();
    assert_eq!(
        claims,
        json!({
            "iss": "https://login.acme.example", "aud": "https://api.acme.example", "sub": account.user_id,
            "organization_id": own, "iat": now, "nbf": now, "exp": now + 900, "jti": id,
        })
    );
    assert_eq!(reply.body["expiresAt"], json!((now + 900).to_string()));
    let again = ask(&server, &session, &body(&server, own)).await;
    let (_, claims) = checked(&server, again.body["token"].as_str().expect("text")).await;
    assert_ne!(claims["jti"], json!(id), "each has its own");

    // No key of another role passes for the signer of these.
    let others = server.send(Method::GET, "/.well-known/vestibule/keys", &[], "").await;
    let published = published(&server).await;
    for key in others.body["keys"].as_array().expect("a list") {
        let is_signer = key["role"] == "token-signer";
        assert_eq!(published.iter().any(|jwk| jwk["x"] == key["jwk"]["x"]), is_signer, "{key}");
    }
}

#[tokio::test]
async fn every_stamp_of_a_user_gets_a_token_for_that_user_alone() {
    let server = TestServer::start().await;
    let parent = server.tenant.organization_id;
    let backend = ask(&server, &server.tenant.key, &body(&server, parent)).await;
    let (_, claims) = checked(&server, backend.body["token"].as_str().expect("text")).await;
    assert_eq!(claims["sub"], json!(server.tenant.user_id));
    assert_eq!(
        (&claims["organization_id"], &claims["iss"]),
        (&json!(parent), &json!("https://vestibule.invalid"))
    );

    let passkey = Passkey::new(client_key(&server));
    let user = json!({
        "userName": "passkey user", "apiKeys": [], "authenticators": [passkey.registration("laptop")], "oauthProviders": [],
    });
    let parameters =
        json!({ "subOrganizationName": "passkeys", "rootUsers": [user], "rootQuorumThreshold": 1 });
    let created = server.backend(ActivityType::CreateSubOrganizationV7, parameters).await;
    let own: OrganizationId = created.text("subOrganizationId").parse().expect("a UUID");
    let reply = ask(&server, &passkey, &body(&server, own)).await;
    let (_, claims) = checked(&server, reply.body["token"].as_str().expect("text")).await;
    assert_eq!(
        (&claims["organization_id"], &claims["sub"]),
        (&json!(own), &created.result()["rootUserIds"][0])
    );

    let foreign = ask(&server, &server.tenant.key, &body(&server, own)).await;
    assert_eq!(foreign.refusal().1, "ORGANIZATION_MISMATCH", "a backend is not its user");
    let unresolved = ask(&server, &passkey, &body(&server, parent)).await;
    assert_eq!(unresolved.refusal().1, "CREDENTIAL_NOT_FOUND");
    let stranger = ask(&server, &client_key(&server), &body(&server, own)).await;
    assert_eq!(stranger.refusal().1, "PUBLIC_KEY_NOT_FOUND");
}

#[tokio::test]
async fn what_does_not_stamp_gets_no_token() {
    let server = TestServer::start().await;
    let parent = server.tenant.organization_id;
    let text = body(&server, parent).to_string();
    let send = async |headers: &[(&str, &str)]| {
        server.send(Method::POST, PATH, headers, text.clone()).await.body["turnkeyErrorCode"].clone()
    };
    assert_eq!(send(&[]).await, "SIGNATURE_MISSING");
    let session = server.backend(ActivityType::CreateReadOnlySession, json!({})).await.text("session");
    assert_eq!(send(&[("x-session", &session)]).await, "UNAUTHENTICATED", "a read-only session reads");
    let (header, stamp) = server.tenant.key.stamp(b"other bytes");
    assert_eq!(send(&[(header, &stamp)]).await, "SIGNATURE_INVALID");

    let verified = server.verify("user@acme.example").await;
    let stamp = vestibule_crypto::stamp::AttestedStamp::make(&verified.key, &verified.token, text.as_bytes());
    assert_eq!(send(&[("x-stamp-attested", &stamp)]).await, "REQUEST_NOT_AUTHORIZED");
}

/// Whoever checks a token knows nothing of the scope of the session that fetched it.
#[tokio::test]
async fn a_session_with_a_scope_gets_no_token() {
    let server = TestServer::start().await;
    let parameters = json!({ "sessionProfileName": "narrow", "scope": "activity.resource == 'OTP'" });
    let profile =
        server.backend(ActivityType::CreateSessionProfile, parameters).await.text("sessionProfileId");
    let (parent, scoped) = (server.tenant.organization_id, client_key(&server));
    let login = json!({
        "publicKey": scoped.public_key().to_hex(), "sessionProfileId": profile, "expirationSeconds": "900",
    });
    server.backend(ActivityType::StampLogin, login).await.text("session");
    let reply = ask(&server, &scoped, &body(&server, parent)).await;
    assert_eq!(reply.refusal(), (403, "REQUEST_NOT_AUTHORIZED", "request not authorized"));
}

#[tokio::test]
async fn a_request_is_recent_complete_and_of_this_kind() {
    let server = TestServer::with(Settings { max_token_s: 600, ..Settings::default() }).await;
    let parent = server.tenant.organization_id;
    let now = server.clock.now();
    let with = |name: &str, value: Value| {
        let mut body = body(&server, parent);
        body[name] = value;
        body
    };
    let key = &server.tenant.key;
    for (body, lifetime) in [
        (with("x", Value::Null), 600),
        (with("expirationSeconds", json!("60")), 60),
        (with("expirationSeconds", json!(1)), 1),
    ] {
        let reply = ask(&server, key, &body).await;
        assert_eq!(reply.body["expiresAt"], json!((now / 1000 + lifetime).to_string()), "{}", reply.body);
    }
    for seconds in [json!("601"), json!("0"), json!("-1"), json!("x")] {
        let reply = ask(&server, key, &with("expirationSeconds", seconds)).await;
        assert_eq!((reply.refusal().0, reply.refusal().1), (400, "REQUEST_INVALID"));
    }
    for (body, message) in [
        (with("audience", Value::Null), "invalid request body: missing field `audience`"),
        (with("timestampMs", Value::Null), "invalid request body: missing field `timestampMs`"),
        (
            with("timestampMs", json!((now - 3_600_001).to_string())),
            "request timestamp is outside of the allowed window",
        ),
        (
            with("timestampMs", json!((now + 300_001).to_string())),
            "request timestamp is outside of the allowed window",
        ),
        // What was stamped for something else is no request for a token, whatever it holds besides.
        (with("type", json!("ACTIVITY_TYPE_STAMP_LOGIN")), "bad request body"),
        (with("organizationId", json!("x")), "malformed organization ID provided"),
    ] {
        assert_eq!(ask(&server, key, &body).await.refusal().2, message);
    }
}

#[tokio::test]
async fn a_new_signer_is_published_before_it_signs_and_a_retired_one_is_not() {
    let server = TestServer::start().await;
    let parent = server.tenant.organization_id;
    let signer = async || {
        let reply = ask(&server, &server.tenant.key, &body(&server, parent)).await;
        checked(&server, reply.body["token"].as_str().expect("text")).await.0["kid"].clone()
    };
    let old = signer().await;
    let made = server.engine.rotate_key(KeyRole::TokenSigner, None).await.expect("a new key");
    let ids: Vec<Value> = published(&server).await.iter().map(|jwk| jwk["kid"].clone()).collect();
    assert_eq!(ids, [old.clone(), json!(made.id)]);
    assert_eq!(signer().await, old, "the other nodes must learn of it first");
    server.clock.advance_s(60);
    assert_eq!(signer().await, json!(made.id));
    server.engine.retire_key(old.as_str().expect("text")).await.expect("its successor signs");
    let ids: Vec<Value> = published(&server).await.iter().map(|jwk| jwk["kid"].clone()).collect();
    assert_eq!(ids, [json!(made.id)]);
}
