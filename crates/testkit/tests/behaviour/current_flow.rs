//! INIT_OTP_V3, VERIFY_OTP_V2, OTP_LOGIN_V2 and STAMP_LOGIN.

use serde_json::json;
use vestibule_crypto::token::{self, SessionJwt, TokenKind};
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::ActivityType;

#[tokio::test]
async fn a_user_logs_in_with_a_code_and_stamps_with_the_session_key() {
    let server = TestServer::start().await;
    let account = server.create_user("user@acme.example").await;
    let verified = server.verify("user@acme.example").await;

    let claims = token::verify(&verified.token, &server.bundle_signer()).expect("our token");
    assert_eq!(claims.kind, TokenKind::V2);
    assert_eq!(claims.contact, "user@acme.example");
    assert_eq!(claims.organization_id, Some(server.tenant.organization_id.0));
    assert_eq!(claims.public_key.as_deref(), Some(verified.key.public_key().to_hex().as_str()));
    assert_eq!(claims.expires_at_ms, server.clock.now() + 3_600_000);

    let session = server.login(&account, &verified).await.text("session");
    let jwt = SessionJwt::verify(&session, &server.session_signer()).expect("our session");
    assert_eq!(jwt.organization_id, account.organization_id.0);
    assert_eq!(jwt.user_id, account.user_id.0);
    assert_eq!(jwt.session_type, "SESSION_TYPE_READ_WRITE");
    assert_eq!(jwt.expires_at_s, server.clock.now() / 1000 + 900);
    assert_eq!(jwt.public_key, verified.key.public_key().to_hex());

    for named in [account.organization_id, server.tenant.organization_id] {
        let whoami = server.query(&verified.key, "whoami", named, json!({})).await;
        assert_eq!(whoami.status, 200, "{}", whoami.body);
        assert_eq!(
            whoami.body,
            json!({
                "organizationId": account.organization_id, "organizationName": "user",
                "userId": account.user_id, "username": "user@acme.example",
            })
        );
    }
}

#[tokio::test]
async fn a_login_proves_the_contact() {
    let server = TestServer::start().await;
    let parent = server.tenant.organization_id;
    let filter = json!({ "filterType": "EMAIL", "filterValue": "User@Acme.example" });
    let account = server.create_user("user@acme.example").await;
    let before = server.query(&server.tenant.key, "list_verified_suborgs", parent, filter.clone()).await;
    assert_eq!(before.body, json!({ "organizationIds": [] }));
    let all = server.query(&server.tenant.key, "list_suborgs", parent, filter.clone()).await;
    assert_eq!(all.body, json!({ "organizationIds": [account.organization_id] }));
    let verified = server.verify("user@acme.example").await;
    server.login(&account, &verified).await.text("session");
    let after = server.query(&server.tenant.key, "list_verified_suborgs", parent, filter).await;
    assert_eq!(after.body, json!({ "organizationIds": [account.organization_id] }));
}

#[tokio::test]
async fn a_token_logs_in_until_it_expires_and_extends_the_same_key() {
    let server = TestServer::start().await;
    let account = server.create_user("user@acme.example").await;
    let verified = server.verify("user@acme.example").await;
    server.login(&account, &verified).await.text("session");
    server.clock.advance_s(800);
    server.login(&account, &verified).await.text("session");
    server.clock.advance_s(800);
    // The first grant is over; the second still runs.
    assert_eq!(server.query(&verified.key, "whoami", account.organization_id, json!({})).await.status, 200);
    let keys = server.query(&verified.key, "get_api_keys", account.organization_id, json!({})).await;
    assert_eq!(keys.body["apiKeys"].as_array().map(Vec::len), Some(1), "{}", keys.body);
    server.clock.advance_s(2000);
    let late = server.login(&account, &verified).await;
    assert_eq!(late.refusal(), (400, "REQUEST_INVALID", "invalid verification token"));
}

#[tokio::test]
async fn an_expired_session_key_is_told_so() {
    let server = TestServer::start().await;
    let (account, key) = server.logged_in("user@acme.example").await;
    server.clock.advance_s(900);
    let reply = server.query(&key, "whoami", account.organization_id, json!({})).await;
    let (status, code, message) = reply.refusal();
    assert_eq!((status, code), (401, "API_KEY_EXPIRED"));
    assert!(message.contains("Unauthenticated desc = expired api key publicKey"), "{message}");
}

#[tokio::test]
async fn an_attested_stamp_logs_in_by_sub_organization_or_by_parent() {
    let server = TestServer::start().await;
    let account = server.create_user("user@acme.example").await;
    let verified = server.verify("user@acme.example").await;
    let unproved = server.attested_login(account.organization_id, &verified).await;
    assert_eq!(unproved.refusal().1, "PUBLIC_KEY_NOT_FOUND", "only proved contacts match: {}", unproved.body);
    server.login(&account, &verified).await.text("session");
    for named in [account.organization_id, server.tenant.organization_id] {
        server.clock.advance_ms(1);
        let reply = server.attested_login(named, &verified).await;
        let jwt = SessionJwt::verify(&reply.text("session"), &server.session_signer());
        assert_eq!(jwt.expect("our session").organization_id, account.organization_id.0);
        assert_eq!(reply.body["activity"]["organizationId"], json!(account.organization_id));
    }
}

#[tokio::test]
async fn an_attested_stamp_does_nothing_but_log_in() {
    let server = TestServer::start().await;
    let (account, _) = server.logged_in("user@acme.example").await;
    let verified = server.verify("user@acme.example").await;
    let parameters =
        json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "user@acme.example", "appName": "Acme" });
    let body = server.activity(ActivityType::InitOtpV3, account.organization_id, &parameters);
    let stamp = vestibule_crypto::stamp::AttestedStamp::make(&verified.key, &verified.token, body.as_bytes());
    let headers = [("x-stamp-attested", stamp.as_str())];
    let reply = server.send(axum::http::Method::POST, "/public/v1/submit/init_otp", &headers, body).await;
    assert_eq!(reply.refusal(), (403, "REQUEST_NOT_AUTHORIZED", "request not authorized"));
}

#[tokio::test]
async fn a_forged_token_says_nothing_about_who_has_the_contact() {
    let server = TestServer::start().await;
    let (account, _) = server.logged_in("known@acme.example").await;
    let forger = client_key(&server);
    for contact in ["known@acme.example", "unknown@acme.example"] {
        let token = token::VerificationToken {
            id: uuid::Uuid::from_u128(7),
            contact: contact.to_owned(),
            verification_type: vestibule_wire::OtpType::Email,
            organization_id: server.tenant.organization_id.0,
            public_key: forger.public_key().to_hex(),
            expires_at_ms: server.clock.now() + 60_000,
        };
        let verified = vestibule_testkit::Verified { token: token.issue(&forger), key: forger.clone() };
        for named in [account.organization_id, server.tenant.organization_id] {
            let reply = server.attested_login(named, &verified).await;
            assert_eq!(
                reply.refusal(),
                (401, "SIGNATURE_INVALID", "could not verify api key signature"),
                "{contact}"
            );
        }
    }
}

#[tokio::test]
async fn a_login_needs_the_proof_of_the_tokens_key() {
    let server = TestServer::start().await;
    let account = server.create_user("user@acme.example").await;
    let verified = server.verify("user@acme.example").await;
    let thief = client_key(&server);
    let stolen = vestibule_testkit::Verified { token: verified.token.clone(), key: thief.clone() };
    for signature in [stolen.login_signature(&thief), verified.login_signature(&verified.key)] {
        let reply = server
            .submit(
                &server.tenant.key,
                ActivityType::OtpLoginV2,
                account.organization_id,
                json!({
                    "verificationToken": verified.token,
                    "publicKey": thief.public_key().to_hex(),
                    "clientSignature": signature,
                }),
            )
            .await;
        assert_eq!(reply.refusal(), (400, "REQUEST_INVALID", "invalid client signature"));
    }
}

#[tokio::test]
async fn sessions_live_as_long_as_asked_within_the_limit() {
    let server = TestServer::start().await;
    let account = server.create_user("user@acme.example").await;
    let verified = server.verify("user@acme.example").await;
    let login = async |expiration: &str| {
        let parameters = json!({
            "verificationToken": verified.token,
            "publicKey": verified.key.public_key().to_hex(),
            "clientSignature": verified.login_signature(&verified.key),
            "expirationSeconds": expiration,
        });
        server.submit(&server.tenant.key, ActivityType::OtpLoginV2, account.organization_id, parameters).await
    };
    let month = 30 * 24 * 3600;
    for good in ["1", "900", &month.to_string()] {
        let jwt = SessionJwt::verify(&login(good).await.text("session"), &server.session_signer());
        let lifetime: i64 = good.parse().expect("a number");
        assert_eq!(jwt.expect("our session").expires_at_s, server.clock.now() / 1000 + lifetime);
    }
    for bad in ["0", "-1", "x", "1.5", &(month + 1).to_string()] {
        assert_eq!(
            login(bad).await.refusal(),
            (400, "REQUEST_INVALID", "invalid api key expiration"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_user_keeps_ten_sessions_and_can_end_the_others() {
    let server = TestServer::start().await;
    let (account, first) = server.logged_in("user@acme.example").await;
    let mut keys = vec![first];
    for _ in 0..10 {
        server.clock.advance_s(1);
        let key = client_key(&server);
        let parameters = json!({ "publicKey": key.public_key().to_hex() });
        let by = keys.last().expect("a key");
        server
            .submit(by, ActivityType::StampLogin, account.organization_id, parameters)
            .await
            .text("session");
        keys.push(key);
    }
    let reply = server.query(&keys[0], "whoami", account.organization_id, json!({})).await;
    assert_eq!(reply.refusal().1, "PUBLIC_KEY_NOT_FOUND", "the oldest of eleven gave way");
    for key in &keys[1..] {
        assert_eq!(server.query(key, "whoami", account.organization_id, json!({})).await.status, 200);
    }
    let parameters = json!({ "publicKey": keys[10].public_key().to_hex(), "invalidateExisting": true });
    server
        .submit(&keys[10], ActivityType::StampLogin, account.organization_id, parameters)
        .await
        .text("session");
    assert_eq!(server.query(&keys[9], "whoami", account.organization_id, json!({})).await.status, 401);
    assert_eq!(server.query(&keys[10], "whoami", account.organization_id, json!({})).await.status, 200);
}
