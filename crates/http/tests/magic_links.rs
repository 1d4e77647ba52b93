//! What a magic link leads to: the pages of an app. Whoever opens one first may be a mail scanner, a link preview or a browser that
//! loads ahead; all of them ask with GET or HEAD, and so nothing here may come of that.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod support;

use axum::http::Method;
use serde_json::json;
use support::{app, send, uncounted};
use vestibule_http::routes;
use vestibule_testkit::TestServer;
use vestibule_wire::ActivityType;

#[tokio::test]
async fn a_link_that_leads_here_spends_nothing_however_often_it_is_opened() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    let contact = "ada@acme.example";
    let begun = server.proxy("otp_init", json!({ "otpType": "OTP_TYPE_EMAIL", "contact": contact })).await;
    let (otp_id, code) = (begun.body["otpId"].as_str().unwrap().to_owned(), server.code(contact).await);
    let activities = async || {
        let page = json!({ "paginationOptions": { "limit": "100" } });
        let list =
            server.query(&server.tenant.key, "list_activities", server.tenant.organization_id, page).await;
        assert_eq!(list.status, 200, "{}", list.body);
        list.body["activities"].as_array().unwrap().len()
    };
    let before = activities().await;

    let proxied = [("x-auth-proxy-config-id", server.tenant.proxy_config.as_str())];
    let query = format!("?code={code}&otpId={otp_id}&otpCode={code}&verificationToken={code}");
    let mut opened = 0;
    for route in routes::all() {
        for path in [format!("{}{query}", route.path), format!("{}/{code}", route.path)] {
            for method in [Method::GET, Method::HEAD] {
                for headers in [&[][..], &proxied[..]] {
                    let answer = send(&app, method.clone(), &path, headers, "").await;
                    let shown = String::from_utf8_lossy(&answer.body).into_owned();
                    assert!(!shown.contains(&code), "{method} {path} repeats the code");
                    opened += 1;
                }
            }
        }
    }
    // More than three times, after which a code that counted them would be dead.
    assert!(opened > 100, "{opened}");
    assert_eq!(activities().await, before, "no activity was made");

    // All three guesses are left: two wrong ones, and the right one still works.
    let guess =
        async |code: &str| server.proxy("otp_verify", json!({ "otpId": otp_id, "otpCode": code })).await;
    let wrong = if code.starts_with('2') { "333333333" } else { "222222222" };
    assert_eq!(guess(wrong).await.status, 400);
    assert_eq!(guess(&wrong.replace(|_: char| true, "4")).await.status, 400);
    let right = guess(&code).await;
    assert_eq!(right.status, 200, "{}", right.body);
}

#[tokio::test]
async fn a_link_with_a_bundle_that_leads_here_leaves_its_key_alone() {
    let server = TestServer::start().await;
    let app = app(&server, uncounted(), None);
    let account = server.create_user("user@acme.example").await;
    let target = vestibule_crypto::p256::AgreementKey::generate(&*server.entropy);
    let parameters = json!({
        "email": "user@acme.example", "targetPublicKey": target.public_key().to_uncompressed_hex(),
        "emailCustomization": { "appName": "Acme", "magicLinkTemplate": "https://app.example/?bundle=%s" },
    });
    let asked = server
        .submit(&server.tenant.key, ActivityType::EmailAuthV3, account.organization_id, parameters)
        .await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    let bundle = server.code("user@acme.example").await;
    for route in routes::all() {
        for method in [Method::GET, Method::HEAD] {
            let path = format!("{}?bundle={bundle}&credentialBundle={bundle}", route.path);
            let answer = send(&app, method, &path, &[], "").await;
            assert!(!String::from_utf8_lossy(&answer.body).contains(&bundle), "{path}");
        }
    }
    let key = vestibule_crypto::bundle::open_credential_bundle(&target, &bundle).unwrap();
    let key = vestibule_crypto::p256::SigningKey::from_bytes(&key).unwrap();
    let whoami = server.query(&key, "whoami", account.organization_id, json!({})).await;
    assert_eq!(whoami.status, 200, "{}", whoami.body);
}
