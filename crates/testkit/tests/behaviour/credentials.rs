//! API keys and features.

use futures_util::future::join_all;
use serde_json::{Value, json};
use vestibule_crypto::p256::SigningKey;
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::ActivityType;

fn long_lived(key: &SigningKey) -> Value {
    json!({ "apiKeyName": "k", "publicKey": key.public_key().to_hex(), "curveType": "API_KEY_CURVE_P256" })
}

#[tokio::test]
async fn keys_are_added_work_and_are_deleted() {
    let server = TestServer::start().await;
    let user = server.tenant.user_id;
    let [a, b] = [client_key(&server), client_key(&server)];
    let first = json!({ "userId": user, "apiKeys": [{ "apiKeyName": "a", "publicKey": a.public_key().to_hex(), "expirationSeconds": "60" }] });
    let created = server.backend(ActivityType::CreateApiKeys, first).await;
    let second = json!({ "userId": user, "apiKeys": [long_lived(&b)] });
    let durable = server.backend(ActivityType::CreateApiKeysV2, second.clone()).await;
    assert!(created.body["activity"]["result"].get("createApiKeysResult").is_some());
    let parent = server.tenant.organization_id;
    assert_eq!(server.query(&a, "whoami", parent, json!({})).await.status, 200);
    server.clock.advance_s(60);
    assert_eq!(server.query(&a, "whoami", parent, json!({})).await.refusal().1, "API_KEY_EXPIRED");
    assert_eq!(
        server.backend(ActivityType::CreateApiKeysV2, second).await.refusal().2,
        "public key already exists"
    );
    let id = durable.result()["apiKeyIds"][0].clone();
    let one = server.query(&b, "get_api_key", parent, json!({ "apiKeyId": id })).await;
    assert_eq!(one.body["apiKey"]["credential"]["publicKey"], json!(b.public_key().to_hex()));
    assert!(one.body["apiKey"].get("expirationSeconds").is_none());
    let deleted =
        server.backend(ActivityType::DeleteApiKeys, json!({ "userId": user, "apiKeyIds": [id] })).await;
    assert_eq!(deleted.result()["apiKeyIds"], json!([id]));
    assert_eq!(server.query(&b, "whoami", parent, json!({})).await.refusal().1, "PUBLIC_KEY_NOT_FOUND");
    assert_eq!(
        server.query(&server.tenant.key, "get_api_key", parent, json!({ "apiKeyId": id })).await.status,
        404
    );
}

#[tokio::test]
async fn the_last_durable_credential_stays() {
    let server = TestServer::start().await;
    let (parent, user) = (server.tenant.organization_id, server.tenant.user_id);
    let keys = server.query(&server.tenant.key, "get_api_keys", parent, json!({ "userId": user })).await;
    let id = keys.body["apiKeys"][0]["apiKeyId"].clone();
    let reply =
        server.backend(ActivityType::DeleteApiKeys, json!({ "userId": user, "apiKeyIds": [id] })).await;
    assert_eq!(reply.refusal().2, format!("user missing valid credential: {user}"));

    let (account, session) = server.logged_in("user@acme.example").await;
    let keys = server.query(&session, "get_api_keys", account.organization_id, json!({})).await;
    let id = keys.body["apiKeys"][0]["apiKeyId"].clone();
    let logout = json!({ "userId": account.user_id, "apiKeyIds": [id] });
    server.submit(&session, ActivityType::DeleteApiKeys, account.organization_id, logout).await.result();
    let after = server.query(&session, "whoami", account.organization_id, json!({})).await;
    assert_eq!(after.refusal().1, "PUBLIC_KEY_NOT_FOUND", "a session can always be ended");
}

#[tokio::test]
async fn two_deletions_at_once_do_not_take_the_last_two_keys() {
    let server = TestServer::start().await;
    let (parent, user) = (server.tenant.organization_id, server.tenant.user_id);
    let other = client_key(&server);
    server
        .backend(ActivityType::CreateApiKeysV2, json!({ "userId": user, "apiKeys": [long_lived(&other)] }))
        .await
        .result();
    let keys = server.query(&server.tenant.key, "get_api_keys", parent, json!({ "userId": user })).await;
    let ids: Vec<Value> =
        keys.body["apiKeys"].as_array().expect("a list").iter().map(|k| k["apiKeyId"].clone()).collect();
    assert_eq!(ids.len(), 2);
    let deletions = ids
        .iter()
        .map(|id| server.backend(ActivityType::DeleteApiKeys, json!({ "userId": user, "apiKeyIds": [id] })));
    let done = join_all(deletions).await.iter().filter(|r| r.status == 200).count();
    assert_eq!(done, 1);
}

#[tokio::test]
async fn ten_long_lived_keys_are_the_most_however_they_arrive() {
    let server = TestServer::start().await;
    let user = server.tenant.user_id;
    let keys: Vec<SigningKey> = (0..20).map(|_| client_key(&server)).collect();
    let adds = keys.iter().map(|key| {
        server.backend(ActivityType::CreateApiKeysV2, json!({ "userId": user, "apiKeys": [long_lived(key)] }))
    });
    let replies = join_all(adds).await;
    let mut added = replies.iter().filter(|r| r.status == 200).count();
    for (key, reply) in keys.iter().zip(&replies) {
        if reply.status == 503 {
            // Too many changes of one user met; the client sends again.
            let again = server
                .backend(
                    ActivityType::CreateApiKeysV2,
                    json!({ "userId": user, "apiKeys": [long_lived(key)] }),
                )
                .await;
            added += usize::from(again.status == 200);
        } else if reply.status != 200 {
            assert_eq!(
                (reply.status, reply.refusal().2),
                (429, "user has exceeded maximum long-lived api keys")
            );
        }
    }
    assert_eq!(added, 9, "one was there before");
}

#[tokio::test]
async fn bad_keys_are_refused() {
    let server = TestServer::start().await;
    let user = server.tenant.user_id;
    let good = client_key(&server).public_key().to_hex();
    let off_curve = format!("02{}", "00".repeat(32));
    for (name, key, curve, expiration, message) in [
        ("k", off_curve.as_str(), "API_KEY_CURVE_P256", None, "invalid public key"),
        ("k", "zz", "API_KEY_CURVE_P256", None, "invalid public key"),
        ("k", &good[2..], "API_KEY_CURVE_P256", None, "invalid public key"),
        ("k", &good, "API_KEY_CURVE_ED25519", None, "invalid public key"),
        ("k", &good, "API_KEY_CURVE_P521", None, "bad request body"),
        ("k", &good, "API_KEY_CURVE_P256", Some("0"), "invalid api key expiration"),
        ("k", &good, "API_KEY_CURVE_P256", Some("-5"), "invalid api key expiration"),
        ("k", &good, "API_KEY_CURVE_P256", Some("soon"), "invalid api key expiration"),
        ("a\nb", &good, "API_KEY_CURVE_P256", None, "invalid request body: apiKeyName is not a label"),
    ] {
        let mut params = json!({ "apiKeyName": name, "publicKey": key, "curveType": curve });
        if let Some(expiration) = expiration {
            params["expirationSeconds"] = json!(expiration);
        }
        let reply = server
            .backend(ActivityType::CreateApiKeysV2, json!({ "userId": user, "apiKeys": [params] }))
            .await;
        assert_eq!(reply.refusal(), (400, "REQUEST_INVALID", message), "{key} {curve} {expiration:?}");
    }
    let unknown = json!({ "userId": "00000000-0000-7000-8000-000000000000", "apiKeys": [{ "apiKeyName": "k", "publicKey": good, "curveType": "API_KEY_CURVE_P256" }] });
    assert_eq!(server.backend(ActivityType::CreateApiKeysV2, unknown).await.status, 404);
}

#[tokio::test]
async fn features_are_set_changed_and_removed_and_switch_the_channels() {
    let server = TestServer::start().await;
    let names = |reply: &vestibule_testkit::Reply| -> Vec<String> {
        let list = reply.result()["features"].as_array().expect("a list");
        list.iter().map(|f| f["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let removed = server
        .backend(ActivityType::RemoveOrganizationFeature, json!({ "name": "FEATURE_NAME_OTP_EMAIL_AUTH" }))
        .await;
    assert!(!names(&removed).contains(&"FEATURE_NAME_OTP_EMAIL_AUTH".to_owned()));
    let off = server.backend(ActivityType::InitOtpV3, server.init_email("user@acme.example")).await;
    assert_eq!(off.refusal(), (403, "REQUEST_NOT_AUTHORIZED", "request not authorized"));
    server.clock.advance_ms(1);
    server
        .backend(ActivityType::RemoveOrganizationFeature, json!({ "name": "FEATURE_NAME_OTP_EMAIL_AUTH" }))
        .await
        .result();
    let set = server
        .backend(
            ActivityType::SetOrganizationFeature,
            json!({ "name": "FEATURE_NAME_OTP_EMAIL_AUTH", "value": "" }),
        )
        .await;
    assert!(names(&set).contains(&"FEATURE_NAME_OTP_EMAIL_AUTH".to_owned()));
    server.backend(ActivityType::InitOtpV3, server.init_email("user@acme.example")).await.text("otpId");
    for value in ["https://a.example", "https://b.example"] {
        server.clock.advance_ms(1);
        server
            .backend(
                ActivityType::SetOrganizationFeature,
                json!({ "name": "FEATURE_NAME_WEBAUTHN_ORIGINS", "value": value }),
            )
            .await
            .result();
    }
    let configs = server
        .query(&server.tenant.key, "get_organization_configs", server.tenant.organization_id, json!({}))
        .await;
    let features = configs.body["configs"]["features"].as_array().expect("a list");
    let origins: Vec<_> = features.iter().filter(|f| f["name"] == "FEATURE_NAME_WEBAUTHN_ORIGINS").collect();
    assert_eq!(origins, [&json!({ "name": "FEATURE_NAME_WEBAUTHN_ORIGINS", "value": "https://b.example" })]);
    let unknown = server
        .backend(ActivityType::SetOrganizationFeature, json!({ "name": "FEATURE_NAME_NONE", "value": "" }))
        .await;
    assert_eq!(unknown.refusal().2, "bad request body");
}

#[tokio::test]
async fn a_key_that_is_revoked_meanwhile_opens_no_session() {
    let server = TestServer::start().await;
    let (parent, user) = (server.tenant.organization_id, server.tenant.user_id);
    for _ in 0..20 {
        let doomed = client_key(&server);
        let added = server
            .backend(
                ActivityType::CreateApiKeysV2,
                json!({ "userId": user, "apiKeys": [long_lived(&doomed)] }),
            )
            .await;
        let id = added.result()["apiKeyIds"][0].clone();
        let session = client_key(&server);
        let parameters = json!({ "publicKey": session.public_key().to_hex() });
        let (login, deletion) = futures_util::future::join(
            server.submit(&doomed, ActivityType::StampLogin, parent, parameters),
            server.backend(ActivityType::DeleteApiKeys, json!({ "userId": user, "apiKeyIds": [id] })),
        )
        .await;
        deletion.result();
        if login.status != 200 {
            assert_eq!(login.refusal().1, "PUBLIC_KEY_NOT_FOUND", "{}", login.body);
            assert_eq!(server.query(&session, "whoami", parent, json!({})).await.status, 401);
        }
    }
}

#[tokio::test]
async fn lists_and_values_are_bounded() {
    let server = TestServer::start().await;
    let user = server.tenant.user_id;
    let key = long_lived(&client_key(&server));
    let many = json!({ "userId": user, "apiKeys": vec![key; 101] });
    let refused = server.backend(ActivityType::CreateApiKeysV2, many).await;
    assert_eq!(refused.refusal().2, "invalid request body: a list has more than 100 entries");
    let long = json!({ "name": "FEATURE_NAME_WEBAUTHN_ORIGINS", "value": "x".repeat(4097) });
    assert_eq!(server.backend(ActivityType::SetOrganizationFeature, long).await.refusal().0, 400);
}
