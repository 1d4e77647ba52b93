//! Keys of the other curves: what they stamp counts, and nothing else does.

use axum::http::Method;
use serde_json::{Value, json};
use vestibule_testkit::{Ed25519Key, Signer, TestServer, WalletKey, client_key};
use vestibule_wire::ActivityType;

const SECRET: [u8; 32] = [7; 32];

fn api_key(name: &str, public_key: &str, curve: &str) -> Value {
    json!({ "apiKeyName": name, "publicKey": public_key, "curveType": format!("API_KEY_CURVE_{curve}") })
}

/// Registers a wallet's key and one of Ed25519 with the backend's user.
async fn with_keys(server: &TestServer) -> (WalletKey, Ed25519Key) {
    let (wallet, ed) = (WalletKey::new(SECRET), Ed25519Key::new(SECRET));
    let keys = json!([
        api_key("wallet", &wallet.public_key(), "SECP256K1"),
        api_key("ed", &ed.public_key(), "ED25519"),
    ]);
    let parameters = json!({ "userId": server.tenant.user_id, "apiKeys": keys });
    server.backend(ActivityType::CreateApiKeysV2, parameters).await.result();
    (wallet, ed)
}

#[tokio::test]
async fn keys_of_every_curve_ask_and_act() {
    let server = TestServer::start().await;
    let (wallet, ed) = with_keys(&server).await;
    let plain = wallet.plain();
    let parent = server.tenant.organization_id;
    let signers: [(&dyn Signer, String, &str); 4] = [
        (&wallet, wallet.public_key(), "SIGNATURE_SCHEME_TK_API_SECP256K1_EIP191"),
        (&plain, plain.public_key(), "SIGNATURE_SCHEME_TK_API_SECP256K1"),
        (&ed, ed.public_key(), "SIGNATURE_SCHEME_TK_API_ED25519"),
        (&server.tenant.key, server.tenant.key.public_key().to_hex(), "SIGNATURE_SCHEME_TK_API_P256"),
    ];
    for (signer, public_key, scheme) in signers {
        let whoami = server.query(signer, "whoami", parent, json!({})).await;
        assert_eq!(whoami.body["userId"], json!(server.tenant.user_id), "{scheme}: {}", whoami.body);
        let init = server.init_email(&format!("{scheme}@acme.example"));
        let reply = server.submit(signer, ActivityType::InitOtpV3, parent, init).await;
        let vote = &reply.body["activity"]["votes"][0];
        assert_eq!((&vote["publicKey"], &vote["scheme"]), (&json!(public_key), &json!(scheme)));
    }
}

#[tokio::test]
async fn a_stamp_of_another_scheme_or_over_other_bytes_is_refused() {
    let server = TestServer::start().await;
    let (wallet, ed) = with_keys(&server).await;
    let body = json!({ "organizationId": server.tenant.organization_id }).to_string();
    let ask = async |stamp: &str, body: &str| {
        let reply = server
            .send(Method::POST, "/public/v1/query/whoami", &[("x-stamp", stamp)], body.to_owned())
            .await;
        (reply.status, reply.body["message"].as_str().unwrap_or_default().to_owned())
    };
    let refused = (401, "could not verify api key signature".to_owned());
    let signers: [&dyn Signer; 2] = [&wallet, &ed];
    for signer in signers {
        let (_, stamp) = signer.stamp(body.as_bytes());
        assert_eq!(ask(&stamp, &body).await.0, 200);
        assert_eq!(ask(&stamp, &format!("{body} ")).await, refused);
    }
    // The right bytes under the wrong name: a P-256 scheme with a wallet's key, and a wallet's digest with the plain one.
    use base64::Engine;
    let relabelled = |stamp: &str, scheme: &str| {
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let mut json: Value = serde_json::from_slice(&engine.decode(stamp).expect("base64")).expect("JSON");
        json["scheme"] = json!(format!("SIGNATURE_SCHEME_TK_API_{scheme}"));
        engine.encode(json.to_string())
    };
    let (_, stamp) = wallet.stamp(body.as_bytes());
    for scheme in ["P256", "SECP256K1"] {
        assert_eq!(ask(&relabelled(&stamp, scheme), &body).await, refused, "{scheme}");
    }
    let p256 = server.tenant.key.stamp(body.as_bytes()).1;
    for scheme in ["SECP256K1", "SECP256K1_EIP191"] {
        assert_eq!(ask(&relabelled(&p256, scheme), &body).await, refused, "{scheme}");
    }
    let stranger = WalletKey::new([9; 32]).stamp(body.as_bytes()).1;
    let (status, message) = ask(&stranger, &body).await;
    assert!(status == 401 && message.starts_with("could not find public key in organization"), "{message}");
}

#[tokio::test]
async fn an_expired_wallet_key_is_told_so() {
    let server = TestServer::start().await;
    let wallet = WalletKey::new(SECRET);
    let mut key = api_key("wallet", &wallet.public_key(), "SECP256K1");
    key["expirationSeconds"] = json!("60");
    let parameters = json!({ "userId": server.tenant.user_id, "apiKeys": [key] });
    server.backend(ActivityType::CreateApiKeysV2, parameters).await.result();
    let parent = server.tenant.organization_id;
    assert_eq!(server.query(&wallet, "whoami", parent, json!({})).await.status, 200);
    server.clock.advance_s(60);
    let reply = server.query(&wallet, "whoami", parent, json!({})).await;
    let text = format!(
        "rpc error: code = Unauthenticated desc = expired api key publicKey={} organizationId={parent}",
        wallet.public_key()
    );
    assert_eq!(reply.refusal(), (401, "API_KEY_EXPIRED", text.as_str()));
}

#[tokio::test]
async fn a_wallet_logs_in_by_its_parents_id() {
    let server = TestServer::start().await;
    let wallet = WalletKey::new(SECRET);
    let user = json!({
        "userName": "wallet user", "apiKeys": [api_key("wallet", &wallet.public_key(), "SECP256K1")],
        "authenticators": [], "oauthProviders": [],
    });
    let created = server
        .backend(
            ActivityType::CreateSubOrganizationV7,
            json!({ "subOrganizationName": "wallet", "rootUsers": [user], "rootQuorumThreshold": 1 }),
        )
        .await;
    let own = created.text("subOrganizationId");
    let parent = server.tenant.organization_id;
    let whoami = server.query(&wallet, "whoami", parent, json!({})).await;
    assert_eq!(whoami.body["organizationId"], json!(own), "{}", whoami.body);
    let session = client_key(&server);
    let parameters = json!({ "publicKey": session.public_key().to_hex(), "expirationSeconds": "900" });
    let reply = server.submit(&wallet, ActivityType::StampLogin, parent, parameters).await;
    reply.text("session");
    assert_eq!(reply.body["activity"]["organizationId"], json!(own));
    let users = server.query(&session, "list_users", own.parse().expect("a UUID"), json!({})).await;
    assert_eq!(users.body["users"][0]["userName"], "wallet user");
}
