//! The auth proxy: what browsers do without a key of their own.

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::json;
use vestibule_crypto::p256::SigningKey;
use vestibule_crypto::token::SessionJwt;
use vestibule_engine::Settings;
use vestibule_testkit::{Passkey, TestServer, Verified, client_key};
use vestibule_wire::{ActivityType, OrganizationId};

/// Proves an address through the proxy.
async fn prove(server: &TestServer, email: &str) -> Verified {
    let init = server.proxy("otp_init_v2", json!({ "otpType": "OTP_TYPE_EMAIL", "contact": email })).await;
    assert_eq!(init.status, 200, "{}", init.body);
    let text = |name: &str| init.body[name].as_str().expect("a text").to_owned();
    let key = client_key(server);
    let code = server.code(email).await;
    let guess = server.guess(&text("otpId"), &text("otpEncryptionTargetBundle"), &code, &key);
    let verify = server.proxy("otp_verify_v2", guess).await;
    assert_eq!(verify.status, 200, "{}", verify.body);
    Verified { token: verify.body["verificationToken"].as_str().expect("a token").to_owned(), key }
}

fn account_of(email: &str, verified: &Verified) -> serde_json::Value {
    json!({ "filterType": "EMAIL", "filterValue": email, "verificationToken": verified.token })
}

#[tokio::test]
async fn a_browser_signs_up_and_logs_in() {
    let server = TestServer::start().await;
    let email = "New@Acme.example";
    let verified = prove(&server, email).await;
    assert_eq!(server.proxy("account", account_of(email, &verified)).await.body, json!({}));
    let signup = server.proxy("signup_v2", server.signup_body(email, &verified)).await;
    assert_eq!(signup.status, 200, "{}", signup.body);
    let organization: OrganizationId =
        signup.body["organizationId"].as_str().and_then(|t| t.parse().ok()).expect("an id");
    assert_eq!(
        server.proxy("account", account_of("new@acme.example", &verified)).await.body,
        json!({ "organizationId": organization })
    );
    // What the current SDK does next, and what the native ones do.
    server.attested_login(organization, &verified).await.text("session");
    let login = server
        .proxy(
            "otp_login_v2",
            json!({
                "verificationToken": verified.token,
                "publicKey": verified.key.public_key().to_hex(),
                "clientSignature": verified.login_signature(&verified.key),
            }),
        )
        .await;
    let session = login.body["session"].as_str().expect("a session");
    let jwt = SessionJwt::verify(session, &server.session_signer()).expect("our session");
    assert_eq!(jwt.organization_id, organization.0);
    assert_eq!(jwt.expires_at_s, server.clock.now() / 1000 + 900);
    let whoami = server.query(&verified.key, "whoami", organization, json!({})).await;
    assert_eq!(whoami.body["userId"], signup.body["userId"]);
}

#[tokio::test]
async fn the_legacy_browser_flow_signs_up_and_logs_in() {
    let server = TestServer::start().await;
    let email = "old@acme.example";
    let init = server.proxy("otp_init", json!({ "otpType": "OTP_TYPE_EMAIL", "contact": email })).await;
    assert_eq!(init.body.as_object().map(|o| o.len()), Some(1), "{}", init.body);
    let key = client_key(&server);
    let guess = json!({
        "otpId": init.body["otpId"], "otpCode": server.code(email).await, "publicKey": key.public_key().to_hex(),
    });
    let verify = server.proxy("otp_verify", guess).await;
    let verified =
        Verified { token: verify.body["verificationToken"].as_str().expect("a token").to_owned(), key };
    let mut body = server.signup_body(email, &verified);
    let strict = server.proxy("signup_v2", body.clone()).await;
    assert_eq!(strict.refusal().2, "invalid verification token");
    let message = json!({
        "signup": { "email": email }, "tokenId": verified.token_id(), "type": "USAGE_TYPE_SIGNUP",
    });
    let signature =
        vestibule_crypto::client_signature::ClientSignature::make(&verified.key, message.to_string());
    body["clientSignature"] = serde_json::to_value(signature).expect("JSON");
    let signup = server.proxy("signup", body).await;
    assert_eq!(signup.status, 200, "{}", signup.body);
    let login = json!({
        "verificationToken": verified.token,
        "publicKey": verified.key.public_key().to_hex(),
        "clientSignature": verified.login_signature(&verified.key),
        "organizationId": signup.body["organizationId"],
    });
    assert_eq!(server.proxy("otp_login", login).await.status, 200);
}

#[tokio::test]
async fn of_fifty_sign_ups_at_once_for_one_contact_one_succeeds() {
    let server = TestServer::start().await;
    let email = "new@acme.example";
    let verified = prove(&server, email).await;
    let second = prove(&server, email).await;
    let signups = (0..50).map(|n| {
        let mut body = server.signup_body(email, if n % 2 == 0 { &verified } else { &second });
        body["organizationName"] = json!(format!("attempt {n}"));
        server.proxy("signup_v2", body)
    });
    let replies = join_all(signups).await;
    assert_eq!(replies.iter().filter(|r| r.status == 200).count(), 1);
    for reply in replies.iter().filter(|r| r.status != 200) {
        let (status, code, message) = reply.refusal();
        assert_eq!((status, code), (400, "REQUEST_INVALID"), "{message}");
        let known = [
            "an account with this contact already exists",
            "verification token has already been used to sign up",
        ];
        assert!(known.contains(&message), "{message}");
    }
    let parent = server.tenant.organization_id;
    let all = server.query(&server.tenant.key, "list_suborgs", parent, json!({})).await;
    assert_eq!(all.body["organizationIds"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_sign_up_must_be_signed_for_exactly_what_it_asks() {
    let server = TestServer::start().await;
    let email = "new@acme.example";
    let verified = prove(&server, email).await;
    let thief = client_key(&server);
    let mut smuggled = server.signup_body(email, &verified);
    smuggled["apiKeys"] = json!([{ "apiKeyName": "k", "publicKey": thief.public_key().to_hex(), "curveType": "API_KEY_CURVE_P256" }]);
    assert_eq!(server.proxy("signup_v2", smuggled).await.refusal().2, "invalid client signature");
    let mut unsigned = server.signup_body(email, &verified);
    unsigned.as_object_mut().expect("an object").remove("clientSignature");
    assert_eq!(server.proxy("signup_v2", unsigned).await.refusal().2, "invalid client signature");
    let other = server.signup_body("other@acme.example", &verified);
    let message = server.proxy("signup_v2", other).await;
    assert_eq!(message.refusal().2, "verification token contact does not match any root user");
    let mut wallet = server.signup_body(email, &verified);
    wallet["wallet"] = json!({ "walletName": "w", "accounts": [] });
    assert_eq!(
        server.proxy("signup_v2", wallet).await.refusal().2,
        "wallets are not supported by this server"
    );
    assert_eq!(server.proxy("signup_v2", server.signup_body(email, &verified)).await.status, 200);
    let again = server.proxy("signup_v2", server.signup_body(email, &verified)).await;
    assert_eq!(again.refusal().2, "verification token has already been used to sign up");
}

#[tokio::test]
async fn only_proved_contacts_are_found_through_the_proxy() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let account = server.create_user(email).await;
    let verified = prove(&server, email).await;
    assert_eq!(server.proxy("account", account_of(email, &verified)).await.body, json!({}));
    let login = json!({
        "verificationToken": verified.token,
        "publicKey": verified.key.public_key().to_hex(),
        "clientSignature": verified.login_signature(&verified.key),
        "organizationId": account.organization_id,
    });
    assert_eq!(server.proxy("otp_login_v2", login.clone()).await.status, 404);
    server.login(&account, &verified).await.text("session");
    assert_eq!(server.proxy("otp_login_v2", login).await.status, 200);
    assert_eq!(
        server.proxy("account", account_of(email, &verified)).await.body,
        json!({ "organizationId": account.organization_id })
    );
}

#[tokio::test]
async fn production_tells_accounts_only_to_who_proved_the_contact() {
    let server = TestServer::with(Settings::default()).await;
    let email = "user@acme.example";
    let verified = prove(&server, email).await;
    assert_eq!(server.proxy("signup_v2", server.signup_body(email, &verified)).await.status, 200);
    let bare = server.proxy("account", json!({ "filterType": "EMAIL", "filterValue": email })).await;
    assert_eq!(bare.refusal().2, "invalid request body: missing field `verificationToken`");
    assert_eq!(
        server.proxy("account", account_of("other@acme.example", &verified)).await.refusal().2,
        "invalid verification token"
    );
    assert!(server.proxy("account", account_of(email, &verified)).await.body.get("organizationId").is_some());
}

#[tokio::test]
async fn production_does_not_look_accounts_up_by_names_that_may_be_contacts() {
    let server = TestServer::with(Settings::default()).await;
    server.logged_in("user@acme.example").await;
    for (kind, value) in [("USERNAME", "user@acme.example"), ("NAME", "user")] {
        let reply = server.proxy("account", json!({ "filterType": kind, "filterValue": value })).await;
        assert_eq!(reply.refusal(), (400, "REQUEST_INVALID", "invalid filter"));
    }
}

#[tokio::test]
async fn what_a_browser_was_handed_is_nobodys_to_read_again() {
    let server = TestServer::start().await;
    prove(&server, "user@acme.example").await;
    let parent = server.tenant.organization_id;
    let users = server.query(&server.tenant.key, "list_users", parent, json!({})).await;
    let service =
        users.body["users"].as_array().expect("a list").iter().find(|u| u["userName"] == "Auth Proxy");
    let intruder = client_key(&server);
    let parameters = json!({
        "userId": service.expect("the service user")["userId"],
        "apiKeys": [{ "apiKeyName": "k", "publicKey": intruder.public_key().to_hex(), "curveType": "API_KEY_CURVE_P256" }],
    });
    server.backend(ActivityType::CreateApiKeysV2, parameters).await.result();
    let filter = json!({ "filterByType": ["ACTIVITY_TYPE_VERIFY_OTP_V2"] });
    let list = server.query(&intruder, "list_activities", parent, filter).await;
    let id = json!({ "activityId": list.body["activities"][0]["id"] });
    let read = server.query(&intruder, "get_activity", parent, id).await;
    assert_eq!(read.body["activity"]["result"]["verifyOtpResult"]["verificationToken"], "", "{}", read.body);
}

#[tokio::test]
async fn accounts_are_found_by_key_and_credential_id_too() {
    let server = TestServer::start().await;
    let (account, key) = server.logged_in("user@acme.example").await;
    let by_key =
        json!({ "filterType": "PUBLIC_KEY", "filterValue": key.public_key().to_hex().to_uppercase() });
    assert_eq!(
        server.proxy("account", by_key).await.body,
        json!({ "organizationId": account.organization_id })
    );
    let by_credential = json!({ "filterType": "CREDENTIAL_ID", "filterValue": "AAAA" });
    assert_eq!(server.proxy("account", by_credential).await.body, json!({}));
    assert_eq!(
        server.proxy("account", json!({ "filterType": "X", "filterValue": "y" })).await.refusal().2,
        "invalid filter"
    );
}

#[tokio::test]
async fn the_config_tells_browsers_what_to_draw_and_follows_its_changes() {
    let server = TestServer::start().await;
    let expected = json!({
        "enabledProviders": ["email", "sms"], "sessionExpirationSeconds": "900",
        "organizationId": server.tenant.organization_id, "otpAlphanumeric": true, "otpLength": "9",
    });
    for body in ["", "{}"] {
        let headers = [("x-auth-proxy-config-id", server.tenant.proxy_config.as_str())];
        assert_eq!(server.send(Method::POST, "/v1/wallet_kit_config", &headers, body).await.body, expected);
        assert_eq!(
            server.send(Method::POST, "/v1/wallet_kit_client_params", &headers, body).await.body,
            json!({})
        );
    }
    let change = json!({
        "allowedAuthMethods": ["sms"], "otpLength": 6, "otpAlphanumeric": false, "sessionExpirationSeconds": 60,
        "allowedOrigins": ["https://app.example"],
    });
    let updated = server.backend(ActivityType::UpdateAuthProxyConfig, change).await;
    assert_eq!(updated.text("configId"), server.tenant.proxy_config);
    let config = server.proxy("wallet_kit_config", json!({})).await.body;
    assert_eq!(config["enabledProviders"], json!(["sms"]));
    assert_eq!((&config["otpLength"], &config["sessionExpirationSeconds"]), (&json!("6"), &json!("60")));
    let email =
        server.proxy("otp_init_v2", json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "a@b.example" })).await;
    assert_eq!(email.status, 403, "the method is off: {}", email.body);
    server.proxy("otp_init_v2", json!({ "otpType": "OTP_TYPE_SMS", "contact": "+14155552671" })).await;
    let sent = server.messages(vestibule_wire::OtpType::Sms, "+14155552671").await;
    assert!(sent[0].code.len() == 6 && sent[0].code.bytes().all(|b| b.is_ascii_digit()));
    assert_eq!(sent[0].app_name, "Acme", "the organization's name where no app name is set");
    let query = server
        .query(&server.tenant.key, "get_auth_proxy_config", server.tenant.organization_id, json!({}))
        .await;
    assert_eq!(query.body["configId"], json!(server.tenant.proxy_config));
    assert_eq!(query.body["allowedOrigins"], json!(["https://app.example"]));
}

#[tokio::test]
async fn a_method_that_is_switched_off_ends_at_every_step() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let verified = prove(&server, email).await;
    let init = server.proxy("otp_init", json!({ "otpType": "OTP_TYPE_EMAIL", "contact": email })).await;
    let change = json!({ "allowedAuthMethods": ["sms"] });
    server.backend(ActivityType::UpdateAuthProxyConfig, change).await.result();
    let guess = json!({ "otpId": init.body["otpId"], "otpCode": server.code(email).await });
    let login = json!({
        "verificationToken": verified.token,
        "publicKey": verified.key.public_key().to_hex(),
        "clientSignature": verified.login_signature(&verified.key),
    });
    for (endpoint, body) in [
        ("otp_init_v2", json!({ "otpType": "OTP_TYPE_EMAIL", "contact": email })),
        ("otp_verify", guess),
        ("otp_login", login.clone()),
        ("otp_login_v2", login),
        ("signup_v2", server.signup_body(email, &verified)),
    ] {
        let reply = server.proxy(endpoint, body).await;
        assert_eq!((reply.refusal().0, reply.refusal().1), (403, "FORBIDDEN"), "{endpoint}: {}", reply.body);
    }
}

#[tokio::test]
async fn only_allowed_origins_are_served() {
    let server = TestServer::start().await;
    let change = json!({ "allowedOrigins": ["https://app.example"] });
    server.backend(ActivityType::UpdateAuthProxyConfig, change).await.result();
    for (origin, allowed) in [
        (Some("https://app.example"), true),
        (Some("https://app.example.evil"), false),
        (Some("http://app.example"), false),
        (None, true),
    ] {
        let mut headers = vec![("x-auth-proxy-config-id", server.tenant.proxy_config.as_str())];
        headers.extend(origin.map(|o| ("origin", o)));
        let reply = server.send(Method::POST, "/v1/wallet_kit_config", &headers, "{}").await;
        assert_eq!(reply.status, if allowed { 200 } else { 403 }, "{origin:?}");
        let answered = reply.headers.get("access-control-allow-origin").and_then(|v| v.to_str().ok());
        assert_eq!(answered, origin.filter(|_| allowed));
    }
}

#[tokio::test]
async fn config_ids_that_are_missing_malformed_or_unknown_are_told_apart() {
    let server = TestServer::start().await;
    let ask = async |id: Option<&str>| {
        let headers: Vec<_> = id.map(|id| ("x-auth-proxy-config-id", id)).into_iter().collect();
        server.send(Method::POST, "/v1/wallet_kit_config", &headers, "").await
    };
    assert_eq!(ask(None).await.refusal().2, "invalid auth proxy config id");
    assert_eq!(ask(Some("nonsense")).await.status, 400);
    assert_eq!(ask(Some("00000000-0000-7000-8000-000000000000")).await.status, 404);
}

#[tokio::test]
async fn oauth_is_refused_in_the_words_that_clients_know() {
    let server = TestServer::start().await;
    for endpoint in ["oauth_login", "oauth2_authenticate"] {
        let reply = server.proxy(endpoint, json!({ "oidcToken": "x", "publicKey": "y" })).await;
        assert_eq!(reply.status, 403);
        assert!(reply.refusal().2.contains("OAUTH disallowed"));
    }
}

#[tokio::test]
async fn a_disabled_proxy_is_gone_and_can_come_back_under_a_new_id() {
    let server = TestServer::start().await;
    server.backend(ActivityType::DisableAuthProxy, json!({})).await.result();
    assert_eq!(server.proxy("wallet_kit_config", json!({})).await.status, 404);
    let parent = server.tenant.organization_id;
    let users = server.query(&server.tenant.key, "list_users", parent, json!({})).await;
    assert_eq!(users.body["users"].as_array().map(Vec::len), Some(1), "its service user went too");
    server.backend(ActivityType::EnableAuthProxy, json!({})).await.text("userId");
    let twice = server.backend(ActivityType::EnableAuthProxy, json!({})).await;
    assert_eq!(twice.refusal().2, "auth proxy is already enabled");
    let query = server.query(&server.tenant.key, "get_auth_proxy_config", parent, json!({})).await;
    assert_ne!(query.body["configId"], json!(server.tenant.proxy_config));
}

#[tokio::test]
async fn calls_are_activities_of_the_service_user_and_equal_bodies_are_not_merged() {
    let server = TestServer::start().await;
    let body = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "user@acme.example" });
    let first = server.proxy("otp_init_v2", body.clone()).await;
    let second = server.proxy("otp_init_v2", body).await;
    assert_ne!(first.body["otpId"], second.body["otpId"]);
    let parent = server.tenant.organization_id;
    let filter = json!({ "filterByType": ["ACTIVITY_TYPE_INIT_OTP_V3"] });
    let list = server.query(&server.tenant.key, "list_activities", parent, filter).await;
    let activities = list.body["activities"].as_array().expect("a list");
    assert_eq!(activities.len(), 2);
    for activity in activities {
        let vote = &activity["votes"][0];
        assert_eq!(vote["user"]["userName"], "Auth Proxy");
        let key = vestibule_crypto::p256::PublicKey::from_hex(vote["publicKey"].as_str().expect("hex"))
            .expect("a key");
        let signature = hex(vote["signature"].as_str().expect("hex"));
        let message = vote["message"].as_str().expect("a text").as_bytes();
        key.verify_der(message, &signature).expect("the service user signed the envelope");
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
}

#[tokio::test]
async fn a_wallet_signs_up_with_its_key_where_wallets_are_allowed() {
    let server = TestServer::start().await;
    let key: SigningKey = client_key(&server);
    let body = json!({
        "apiKeys": [{ "apiKeyName": "w", "publicKey": key.public_key().to_hex(), "curveType": "API_KEY_CURVE_P256" }],
        "authenticators": [], "oauthProviders": [],
    });
    assert_eq!(server.proxy("signup_v2", body.clone()).await.status, 403);
    let change = json!({ "allowedAuthMethods": ["email", "wallet"] });
    server.backend(ActivityType::UpdateAuthProxyConfig, change).await.result();
    let done = server.proxy("signup_v2", body).await;
    let organization = done.body["organizationId"].as_str().and_then(|t| t.parse().ok()).expect("an id");
    assert_eq!(server.query(&key, "whoami", organization, json!({})).await.status, 200);
    let empty = json!({ "userName": "nobody", "apiKeys": [], "authenticators": [], "oauthProviders": [] });
    assert_eq!(server.proxy("signup_v2", empty).await.refusal().2, "user missing valid credential: nobody");
}

#[tokio::test]
async fn a_passkey_signs_up_with_a_key_for_its_first_login_where_passkeys_are_allowed() {
    let server = TestServer::start().await;
    let (passkey, key) = (Passkey::new(client_key(&server)), client_key(&server));
    let body = |expiration: serde_json::Value| {
        json!({
            "apiKeys": [{
                "apiKeyName": "first login", "publicKey": key.public_key().to_hex(),
                "curveType": "API_KEY_CURVE_P256", "expirationSeconds": expiration,
            }],
            "authenticators": [passkey.registration("laptop")], "oauthProviders": [],
        })
    };
    assert_eq!(server.proxy("signup_v2", body(json!("60"))).await.status, 403);
    let change = json!({ "allowedAuthMethods": ["email", "passkey"] });
    server.backend(ActivityType::UpdateAuthProxyConfig, change).await.result();
    for lasting in [json!(null), json!("")] {
        assert_eq!(
            server.proxy("signup_v2", body(lasting)).await.status,
            403,
            "a key that stays is a wallet's"
        );
    }
    let done = server.proxy("signup_v2", body(json!("60"))).await;
    let organization = done.body["organizationId"].as_str().and_then(|t| t.parse().ok()).expect("an id");
    assert_eq!(server.query(&key, "whoami", organization, json!({})).await.status, 200);
    assert_eq!(server.query(&passkey, "whoami", organization, json!({})).await.status, 200);
}
