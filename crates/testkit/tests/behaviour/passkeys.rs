//! Passkeys: who stamps with one is its user, where the parent and the operator let it be used.

use axum::http::Method;
use serde_json::{Value, json};
use vestibule_crypto::p256::SigningKey;
use vestibule_engine::Settings;
use vestibule_testkit::{Passkey, Reply, Signer, TestServer, client_key};
use vestibule_wire::{ActivityType, OrganizationId};

const REFUSED: (u16, &str, &str) = (401, "SIGNATURE_INVALID", "could not verify WebAuthN signature");

/// Makes a sub-organization whose root user has these authenticators and API keys.
async fn sign_up(server: &TestServer, authenticators: Value, api_keys: Value) -> Reply {
    let user = json!({
        "userName": "passkey user", "apiKeys": api_keys, "authenticators": authenticators, "oauthProviders": [],
    });
    let parameters =
        json!({ "subOrganizationName": "passkeys", "rootUsers": [user], "rootQuorumThreshold": 1 });
    server.backend(ActivityType::CreateSubOrganizationV7, parameters).await
}

async fn with_passkey(server: &TestServer) -> (Passkey, OrganizationId) {
    let passkey = Passkey::new(client_key(server));
    let reply = sign_up(server, json!([passkey.registration("laptop")]), json!([])).await;
    let organization = reply.text("subOrganizationId").parse().expect("a UUID");
    (passkey, organization)
}

async fn allow_origins(server: &TestServer, value: &str) {
    let feature = json!({ "name": "FEATURE_NAME_WEBAUTHN_ORIGINS", "value": value });
    server.backend(ActivityType::SetOrganizationFeature, feature).await.result();
}

async fn whoami(server: &TestServer, key: &dyn Signer, organization: OrganizationId) -> Reply {
    server.query(key, "whoami", organization, json!({})).await
}

#[tokio::test]
async fn a_passkey_asks_acts_and_logs_in() {
    let server = TestServer::start().await;
    let (passkey, own) = with_passkey(&server).await;
    let parent = server.tenant.organization_id;
    for named in [own, parent] {
        let reply = whoami(&server, &passkey, named).await;
        assert_eq!(reply.body["organizationId"], json!(own), "{}", reply.body);
        assert_eq!(reply.body["username"], "passkey user");
        let session = client_key(&server);
        let parameters = json!({ "publicKey": session.public_key().to_hex(), "expirationSeconds": "900" });
        let login = server.submit(&passkey, ActivityType::StampLogin, named, parameters).await;
        login.text("session");
        let activity = &login.body["activity"];
        assert_eq!(activity["organizationId"], json!(own));
        let vote = &activity["votes"][0];
        assert_eq!(vote["scheme"], "SIGNATURE_SCHEME_TK_WEBAUTHN");
        assert_eq!(vote["publicKey"], json!(hex::encode(passkey.key.public_key().uncompressed())));
        assert!(!vote["signature"].as_str().expect("hex").is_empty());
        assert_eq!(whoami(&server, &session, own).await.status, 200);
    }
    // Everywhere else the parent's id means the parent.
    let reply = server.query(&passkey, "list_users", parent, json!({})).await;
    let text = format!(
        "credential ID could not be found in organization organizationId={parent} credentialId={}",
        passkey.id()
    );
    assert_eq!(reply.refusal(), (401, "CREDENTIAL_NOT_FOUND", text.as_str()));
}

#[tokio::test]
async fn an_unknown_passkey_is_named_in_the_refusal() {
    let server = TestServer::start().await;
    let (_, own) = with_passkey(&server).await;
    let stranger = Passkey::new(client_key(&server));
    let text = format!(
        "credential ID could not be found in organization or its parent organization organizationId={own} credentialId={}",
        stranger.id()
    );
    assert_eq!(whoami(&server, &stranger, own).await.refusal(), (401, "CREDENTIAL_NOT_FOUND", text.as_str()));
    let reply = whoami(&server, &stranger, server.tenant.organization_id).await;
    assert_eq!(reply.refusal().1, "CREDENTIAL_NOT_FOUND");
}

#[tokio::test]
async fn a_passkey_in_two_sub_organizations_must_name_one() {
    let server = TestServer::start().await;
    let (passkey, own) = with_passkey(&server).await;
    sign_up(&server, json!([passkey.registration("again")]), json!([])).await.result();
    assert_eq!(whoami(&server, &passkey, own).await.status, 200);
    assert_eq!(
        whoami(&server, &passkey, server.tenant.organization_id).await.refusal(),
        (401, "CREDENTIAL_CONFLICT", "more than one suborg associated with a credential ID")
    );
}

#[tokio::test]
async fn a_signature_over_anything_else_is_refused() {
    let server = TestServer::start().await;
    let (passkey, own) = with_passkey(&server).await;
    let body = json!({ "organizationId": own }).to_string();
    let ask = async |stamp: &str, body: &str| {
        let headers = [("x-stamp-webauthn", stamp)];
        server.send(Method::POST, "/public/v1/query/whoami", &headers, body.to_owned()).await
    };
    let (_, stamp) = passkey.stamp(body.as_bytes());
    assert_eq!(ask(&stamp, &body).await.status, 200);
    assert_eq!(ask(&stamp, &format!("{body} ")).await.refusal(), REFUSED, "other bytes");

    let thief = Passkey { key: client_key(&server), ..passkey.clone() };
    assert_eq!(ask(&thief.stamp(body.as_bytes()).1, &body).await.refusal(), REFUSED, "another key");
    let absent = Passkey { flags: 4, ..passkey.clone() };
    assert_eq!(ask(&absent.stamp(body.as_bytes()).1, &body).await.refusal(), REFUSED, "nobody there");
    let elsewhere = Passkey { rp_id: "evil.example".to_owned(), ..passkey.clone() };
    assert_eq!(ask(&elsewhere.stamp(body.as_bytes()).1, &body).await.refusal(), REFUSED, "another party");

    for unreadable in ["garbage", "{}", r#"{"credentialId":"AA"}"#] {
        let reply = ask(unreadable, &body).await;
        let expected = (401, "SIGNATURE_INVALID", "could not extract webauthn stamp");
        assert_eq!(reply.refusal(), expected, "{unreadable}");
    }
    assert_eq!(ask("", &body).await.refusal().1, "SIGNATURE_MISSING");
}

#[tokio::test]
async fn where_passkeys_may_be_used_is_the_parents_to_say() {
    let server = TestServer::start().await;
    let (passkey, own) = with_passkey(&server).await;
    let at = |origin: &str| Passkey { origin: origin.to_owned(), ..passkey.clone() };
    let embedded = Passkey { cross_origin: true, ..passkey.clone() };
    for anywhere in [&at("https://evil.example"), &embedded] {
        assert_eq!(whoami(&server, anywhere, own).await.status, 200, "nothing is said yet");
    }

    allow_origins(&server, "https://acme.example, android:apk-key-hash:x").await;
    for allowed in ["https://acme.example", "android:apk-key-hash:x"] {
        for named in [own, server.tenant.organization_id] {
            assert_eq!(whoami(&server, &at(allowed), named).await.status, 200, "{allowed}");
        }
    }
    for other in ["https://evil.example", "https://acme.example.evil.example", "http://acme.example", "", "*"]
    {
        for named in [own, server.tenant.organization_id] {
            assert_eq!(whoami(&server, &at(other), named).await.refusal(), REFUSED, "{other}");
        }
    }
    assert_eq!(whoami(&server, &embedded, own).await.refusal(), REFUSED);

    let new = Passkey::new(client_key(&server));
    let evil = Passkey { origin: "https://evil.example".to_owned(), ..new.clone() };
    let reply = sign_up(&server, json!([evil.registration("evil")]), json!([])).await;
    assert_eq!(reply.refusal(), (400, "REQUEST_INVALID", "invalid authenticator attestation"));
    sign_up(&server, json!([new.registration("good")]), json!([])).await.result();

    allow_origins(&server, "https://acme.example,*").await;
    for anywhere in [&at("https://evil.example"), &embedded] {
        assert_eq!(whoami(&server, anywhere, own).await.status, 200, "all are welcome");
    }
}

#[tokio::test]
async fn the_operator_may_want_verified_users_and_known_parties() {
    let settings = Settings {
        passkeys_verify_users: true,
        passkey_rp_ids: vec!["login.example".to_owned(), "acme.example".to_owned()],
        ..Settings::default()
    };
    let server = TestServer::with(settings).await;
    let (passkey, own) = with_passkey(&server).await;
    assert_eq!(whoami(&server, &passkey, own).await.status, 200);
    let merely_there = Passkey { flags: 1, ..passkey.clone() };
    assert_eq!(whoami(&server, &merely_there, own).await.refusal(), REFUSED);

    for unwelcome in [
        Passkey { flags: 1, ..Passkey::new(client_key(&server)) },
        Passkey { rp_id: "evil.example".to_owned(), ..Passkey::new(client_key(&server)) },
    ] {
        let reply = sign_up(&server, json!([unwelcome.registration("x")]), json!([])).await;
        assert_eq!(reply.refusal(), (400, "REQUEST_INVALID", "invalid authenticator attestation"));
    }
}

#[tokio::test]
async fn a_counter_that_falls_behind_is_no_reason_to_refuse() {
    let server = TestServer::start().await;
    let passkey = Passkey { sign_count: 9, ..Passkey::new(client_key(&server)) };
    let reply = sign_up(&server, json!([passkey.registration("counts")]), json!([])).await;
    let own = reply.text("subOrganizationId").parse().expect("a UUID");
    for sign_count in [10, 9, 0] {
        let copy = Passkey { sign_count, ..passkey.clone() };
        assert_eq!(whoami(&server, &copy, own).await.status, 200, "{sign_count}");
    }
}

/// A credential id is what its owner makes it. One that repeats another user's public key takes nothing from that user.
#[tokio::test]
async fn a_passkey_named_like_a_public_key_does_not_stand_in_its_way() {
    let server = TestServer::start().await;
    let victim: SigningKey = client_key(&server);
    let key = json!([{ "apiKeyName": "k", "publicKey": victim.public_key().to_hex(), "curveType": "API_KEY_CURVE_P256" }]);
    let own = sign_up(&server, json!([]), key).await.text("subOrganizationId");
    let squatter = Passkey {
        credential_id: victim.public_key().compressed().to_vec(),
        ..Passkey::new(client_key(&server))
    };
    let its_own =
        sign_up(&server, json!([squatter.registration("x")]), json!([])).await.text("subOrganizationId");
    let parent = server.tenant.organization_id;
    assert_eq!(whoami(&server, &victim, parent).await.body["organizationId"], json!(own));
    assert_eq!(whoami(&server, &squatter, parent).await.body["organizationId"], json!(its_own));
    let its_own = its_own.parse().expect("a UUID");
    assert_eq!(whoami(&server, &victim, its_own).await.refusal().1, "PUBLIC_KEY_NOT_FOUND");
}
