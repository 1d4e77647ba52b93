//! INIT_OTP, VERIFY_OTP, OTP_LOGIN in their first versions, and INIT_OTP_AUTH with OTP_AUTH.

use serde_json::json;
use vestibule_crypto::bundle::open_credential_bundle;
use vestibule_crypto::p256::{AgreementKey, SigningKey};
use vestibule_crypto::token::{self, TokenKind};
use vestibule_testkit::{TestServer, Verified, client_key};
use vestibule_wire::{ActivityType, OtpType};

#[tokio::test]
async fn the_first_versions_log_in_with_a_legacy_token() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let account = server.create_user(email).await;
    for activity in [ActivityType::InitOtp, ActivityType::InitOtpV2] {
        let init = server.backend(activity, server.init_email(email)).await;
        assert_eq!(init.result().as_object().map(|r| r.len()), Some(1), "{}", init.body);
        let code = server.code(email).await;
        let session = client_key(&server);
        let guess = json!({ "otpId": init.text("otpId"), "otpCode": code, "publicKey": session.public_key().to_hex() });
        let token = server.backend(ActivityType::VerifyOtp, guess).await.text("verificationToken");
        let claims =
            token::verify(&token, server.key_set().legacy_token_signer(server.clock.now()).public_key())
                .expect("our token");
        assert_eq!(claims.kind, TokenKind::Legacy);
        let verified = Verified { token: token.clone(), key: session.clone() };
        let strict = server.login(&account, &verified).await;
        assert_eq!(strict.refusal().2, "invalid verification token", "V2 takes V2 tokens only");
        let parameters = json!({ "verificationToken": token, "publicKey": session.public_key().to_hex() });
        let unsigned = server
            .submit(&server.tenant.key, ActivityType::OtpLogin, account.organization_id, parameters.clone())
            .await;
        assert_eq!(unsigned.refusal().2, "invalid client signature", "a token with a key needs its proof");
        let mut signed = parameters;
        signed["clientSignature"] = verified.login_signature(&session);
        server
            .submit(&server.tenant.key, ActivityType::OtpLogin, account.organization_id, signed)
            .await
            .text("session");
        assert_eq!(server.query(&session, "whoami", account.organization_id, json!({})).await.status, 200);
    }
}

#[tokio::test]
async fn a_legacy_token_without_a_key_logs_in_any_key() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let account = server.create_user(email).await;
    let init = server.backend(ActivityType::InitOtpV2, server.init_email(email)).await;
    let guess = json!({ "otpId": init.text("otpId"), "otpCode": server.code(email).await });
    let token = server.backend(ActivityType::VerifyOtp, guess).await.text("verificationToken");
    let session = client_key(&server);
    let parameters = json!({ "verificationToken": token, "publicKey": session.public_key().to_hex() });
    server
        .submit(&server.tenant.key, ActivityType::OtpLogin, account.organization_id, parameters)
        .await
        .text("session");
    let keyless = server
        .submit(
            &server.tenant.key,
            ActivityType::OtpLogin,
            account.organization_id,
            json!({ "verificationToken": token }),
        )
        .await;
    assert_eq!(keyless.refusal().2, "invalid request body: missing field `publicKey`");
}

#[tokio::test]
async fn otp_auth_returns_a_key_that_only_the_target_can_open() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let account = server.create_user(email).await;
    let versions = [
        (ActivityType::InitOtpAuth, "initOtpAuthResult"),
        (ActivityType::InitOtpAuthV2, "initOtpAuthResultV2"),
        (ActivityType::InitOtpAuthV3, "initOtpAuthResultV2"),
    ];
    for (activity, result_key) in versions {
        server.clock.advance_s(300);
        let init = server
            .submit(&server.tenant.key, activity, account.organization_id, server.init_email(email))
            .await;
        assert!(init.body["activity"]["result"].get(result_key).is_some(), "{}", init.body);
        let target = AgreementKey::generate(&*server.entropy);
        let parameters = json!({
            "otpId": init.text("otpId"),
            "otpCode": server.code(email).await,
            "targetPublicKey": target.public_key().to_uncompressed_hex(),
            "apiKeyName": "browser",
            "expirationSeconds": "3600",
            "invalidateExisting": true,
        });
        let done = server
            .submit(&server.tenant.key, ActivityType::OtpAuth, account.organization_id, parameters)
            .await;
        assert_eq!(done.result()["userId"], json!(account.user_id));
        let secret =
            open_credential_bundle(&target, &done.text("credentialBundle")).expect("for this target");
        let key = SigningKey::from_bytes(&secret).expect("a key");
        let keys = server.query(&key, "get_api_keys", account.organization_id, json!({})).await;
        assert_eq!(
            keys.body["apiKeys"].as_array().map(Vec::len),
            Some(1),
            "others were invalidated: {}",
            keys.body
        );
        assert_eq!(keys.body["apiKeys"][0]["apiKeyId"], done.result()["apiKeyId"]);
        assert_eq!(keys.body["apiKeys"][0]["apiKeyName"], "browser");
        assert_eq!(keys.body["apiKeys"][0]["credential"]["type"], "CREDENTIAL_TYPE_OTP_AUTH_KEY_P256");
        assert_eq!(keys.body["apiKeys"][0]["expirationSeconds"], "3600");
    }
}

#[tokio::test]
async fn otp_auth_without_a_target_only_verifies_the_code() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let account = server.create_user(email).await;
    let init = server
        .submit(
            &server.tenant.key,
            ActivityType::InitOtpAuthV2,
            account.organization_id,
            server.init_email(email),
        )
        .await;
    let parameters = json!({ "otpId": init.text("otpId"), "otpCode": server.code(email).await });
    let done =
        server.submit(&server.tenant.key, ActivityType::OtpAuth, account.organization_id, parameters).await;
    assert_eq!(*done.result(), json!({ "userId": account.user_id }));
}

#[tokio::test]
async fn init_otp_auth_wants_a_contact_of_the_organization() {
    let server = TestServer::start().await;
    let account = server.create_user("user@acme.example").await;
    let parameters = server.init_email("stranger@acme.example");
    let reply = server
        .submit(&server.tenant.key, ActivityType::InitOtpAuthV3, account.organization_id, parameters)
        .await;
    assert_eq!(reply.status, 404, "{}", reply.body);
    assert!(server.messages(OtpType::Email, "stranger@acme.example").await.is_empty());
}

#[tokio::test]
async fn a_code_by_sms_proves_a_number_in_any_spelling() {
    let server = TestServer::start().await;
    let parameters = json!({ "otpType": "OTP_TYPE_SMS", "contact": " +1 (415) 555-2671", "appName": "Acme" });
    let init = server.backend(ActivityType::InitOtpV2, parameters).await;
    let sent = server.messages(OtpType::Sms, "+14155552671").await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].to, "+14155552671");
    let guess = json!({ "otpId": init.text("otpId"), "otpCode": sent[0].code });
    let token = server.backend(ActivityType::VerifyOtp, guess).await.text("verificationToken");
    assert_eq!(token::peek(&token).expect("a token").contact, "+1 (415) 555-2671", "the contact as given");
}
