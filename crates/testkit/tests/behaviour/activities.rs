//! The activity object, idempotency, liveness, and who sees secrets.

use futures_util::future::join_all;
use serde_json::{Value, json};
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::{ActivityType, OtpType};

#[tokio::test]
async fn fifty_identical_bodies_are_one_activity_and_one_message() {
    let server = TestServer::start().await;
    let body = server.activity(
        ActivityType::InitOtpV3,
        server.tenant.organization_id,
        &server.init_email("user@acme.example"),
    );
    let replies =
        join_all((0..50).map(|_| server.post(&server.tenant.key, "/public/v1/submit/init_otp", &body))).await;
    for reply in &replies {
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(reply.body, replies[0].body);
    }
    assert_eq!(server.messages(OtpType::Email, "user@acme.example").await.len(), 1);
}

#[tokio::test]
async fn an_activity_has_all_its_members() {
    let server = TestServer::start().await;
    let mut parameters = server.init_email("user@acme.example");
    parameters["unknownMember"] = json!(1);
    parameters["otpLength"] = json!(7);
    parameters["smsCustomization"] = json!({ "template": null });
    let body = server.activity(ActivityType::InitOtpV3, server.tenant.organization_id, &parameters);
    let reply = server.post(&server.tenant.key, "/public/v1/submit/init_otp", &body).await;
    assert_eq!(reply.content_type.as_deref(), Some("application/json"));
    let activity = reply.body["activity"].clone();
    let now = json!({ "seconds": (server.clock.now() / 1000).to_string(), "nanos": "0" });
    let user = server
        .query(
            &server.tenant.key,
            "get_user",
            server.tenant.organization_id,
            json!({ "userId": server.tenant.user_id }),
        )
        .await;
    let expected = json!({
        "id": activity["id"],
        "organizationId": server.tenant.organization_id,
        "status": "ACTIVITY_STATUS_COMPLETED",
        "type": "ACTIVITY_TYPE_INIT_OTP_V3",
        "timestampMs": server.clock.now().to_string(),
        "intent": { "initOtpIntentV3": {
            "otpType": "OTP_TYPE_EMAIL", "contact": "user@acme.example", "appName": "Acme", "otpLength": 7, "smsCustomization": {},
        } },
        "result": { "initOtpResultV2": activity["result"]["initOtpResultV2"] },
        "votes": [{
            "id": activity["votes"][0]["id"],
            "userId": server.tenant.user_id,
            "user": user.body["user"],
            "activityId": activity["id"],
            "selection": "VOTE_SELECTION_APPROVED",
            "message": body,
            "publicKey": server.tenant.key.public_key().to_hex(),
            "signature": activity["votes"][0]["signature"],
            "scheme": "SIGNATURE_SCHEME_TK_API_P256",
            "createdAt": now,
        }],
        "appProofs": [],
        "fingerprint": vestibule_crypto::fingerprint::activity_fingerprint(body.as_bytes()),
        "canApprove": false,
        "canReject": false,
        "createdAt": now,
        "updatedAt": now,
        "failure": null,
    });
    assert_eq!(activity, expected);
    let again = server
        .query(
            &server.tenant.key,
            "get_activity",
            server.tenant.organization_id,
            json!({ "activityId": activity["id"] }),
        )
        .await;
    assert_eq!(again.body["activity"], expected);
}

#[tokio::test]
async fn codes_are_never_shown_and_tokens_only_to_the_submitter() {
    let server = TestServer::start().await;
    let (account, session) = server.logged_in("user@acme.example").await;
    let parent = server.tenant.organization_id;
    // A second root-level key of another user would see the same as a sub-organization user: nothing secret.
    let list = server
        .query(
            &server.tenant.key,
            "list_activities",
            parent,
            json!({ "paginationOptions": { "limit": "100" } }),
        )
        .await;
    for activity in list.body["activities"].as_array().expect("a list") {
        let text = activity.to_string();
        assert!(!text.contains("eyJ"), "no token in a list: {text}");
        let id = json!({ "activityId": activity["id"] });
        let own = server.query(&server.tenant.key, "get_activity", parent, id).await;
        if activity["type"] == "ACTIVITY_TYPE_VERIFY_OTP_V2" {
            let shown = &own.body["activity"];
            assert!(
                shown["result"]["verifyOtpResult"]["verificationToken"]
                    .as_str()
                    .is_some_and(|t| t.starts_with("eyJ"))
            );
            assert_eq!(shown["intent"]["verifyOtpIntentV2"]["encryptedOtpBundle"], "");
            assert_eq!(shown["votes"][0]["message"], "");
        }
    }
    let logins = server.query(&session, "list_activities", account.organization_id, json!({})).await;
    let login = &logins.body["activities"][0];
    assert_eq!(login["type"], "ACTIVITY_TYPE_OTP_LOGIN_V2");
    let id = json!({ "activityId": login["id"] });
    let theirs = server.query(&session, "get_activity", account.organization_id, id.clone()).await;
    assert_eq!(theirs.body["activity"]["result"]["otpLoginResult"]["session"], "");
    assert_eq!(theirs.body["activity"]["intent"]["otpLoginIntentV2"]["verificationToken"], "");
    assert_eq!(theirs.body["activity"]["votes"][0]["message"], "");
    let submitter = server.query(&server.tenant.key, "get_activity", account.organization_id, id).await;
    let shown = &submitter.body["activity"];
    assert!(shown["result"]["otpLoginResult"]["session"].as_str().is_some_and(|t| t.starts_with("eyJ")));
    assert!(shown["votes"][0]["message"].as_str().is_some_and(|m| m.contains("verificationToken")));
}

#[tokio::test]
async fn a_parent_reads_an_activity_of_its_sub_organization_by_either_id() {
    let server = TestServer::start().await;
    let (account, _) = server.logged_in("user@acme.example").await;
    let list = server.query(&server.tenant.key, "list_activities", account.organization_id, json!({})).await;
    let id = json!({ "activityId": list.body["activities"][0]["id"] });
    for named in [account.organization_id, server.tenant.organization_id] {
        let reply = server.query(&server.tenant.key, "get_activity", named, id.clone()).await;
        assert_eq!(
            reply.body["activity"]["organizationId"],
            json!(account.organization_id),
            "{}",
            reply.body
        );
    }
    let other = server.another_tenant().await;
    assert_eq!(server.query(&other.key, "get_activity", other.organization_id, id).await.status, 404);
}

#[tokio::test]
async fn a_clear_code_is_gone_from_the_first_answer_on() {
    let server = TestServer::start().await;
    let email = "user@acme.example";
    let init = server.backend(ActivityType::InitOtpV2, server.init_email(email)).await;
    let code = server.code(email).await;
    let guess = json!({ "otpId": init.text("otpId"), "otpCode": code });
    let body = server.activity(ActivityType::VerifyOtp, server.tenant.organization_id, &guess);
    let first = server.post(&server.tenant.key, "/public/v1/submit/verify_otp", &body).await;
    let repeat = server.post(&server.tenant.key, "/public/v1/submit/verify_otp", &body).await;
    assert_eq!(first.body, repeat.body);
    assert_eq!(first.body["activity"]["intent"]["verifyOtpIntent"]["otpCode"], "");
    assert!(!first.body.to_string().contains(&code));
}

#[tokio::test]
async fn an_activity_must_be_fresh_unless_it_is_a_repeat() {
    let server = TestServer::start().await;
    let send = async |offset_ms: i64| {
        let timestamp = (server.clock.now() + offset_ms).to_string();
        let body = json!({
            "type": "ACTIVITY_TYPE_INIT_OTP_V3", "timestampMs": timestamp,
            "organizationId": server.tenant.organization_id, "parameters": server.init_email(&format!("u{offset_ms}@acme.example")),
        });
        server.post(&server.tenant.key, "/public/v1/submit/init_otp", &body.to_string()).await
    };
    for good in [-3_600_000, 0, 300_000] {
        send(good).await.text("otpId");
    }
    for bad in [-3_600_001, 300_001] {
        assert_eq!(
            send(bad).await.refusal(),
            (400, "REQUEST_INVALID", "request timestamp is outside of the allowed window")
        );
    }
    let body = server.activity(
        ActivityType::InitOtpV3,
        server.tenant.organization_id,
        &server.init_email("late@acme.example"),
    );
    let first = server.post(&server.tenant.key, "/public/v1/submit/init_otp", &body).await;
    assert_eq!(server.messages(OtpType::Email, "late@acme.example").await.len(), 1);
    server.clock.advance_s(7200);
    let repeat = server.post(&server.tenant.key, "/public/v1/submit/init_otp", &body).await;
    assert_eq!(repeat.body["activity"]["id"], first.body["activity"]["id"]);
    assert_eq!(server.messages(OtpType::Email, "late@acme.example").await.len(), 1);
}

#[tokio::test]
async fn timestamps_may_be_numbers_and_spelling_makes_another_activity() {
    let server = TestServer::start().await;
    let organization = server.tenant.organization_id;
    let now = server.clock.now();
    let params = server.init_email("user@acme.example");
    let bodies = [
        format!(
            r#"{{"type":"ACTIVITY_TYPE_INIT_OTP_V3","timestampMs":{now},"organizationId":"{organization}","parameters":{params}}}"#
        ),
        format!(
            r#"{{"type": "ACTIVITY_TYPE_INIT_OTP_V3", "timestampMs": "{now}", "organizationId": "{organization}", "parameters": {params}, "generateAppProofs": true}}"#
        ),
    ];
    let mut ids: Vec<Value> = Vec::new();
    for body in bodies {
        let reply = server.post(&server.tenant.key, "/public/v1/submit/init_otp", &body).await;
        reply.text("otpId");
        ids.push(reply.body["activity"]["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn one_users_bytes_in_another_users_hands_show_nothing() {
    let server = TestServer::start().await;
    let (_, alice) = server.logged_in("alice@acme.example").await;
    let (_, bob) = server.logged_in("bob@acme.example").await;
    let parameters = json!({ "publicKey": client_key(&server).public_key().to_hex() });
    let body = server.activity(ActivityType::StampLogin, server.tenant.organization_id, &parameters);
    let path = "/public/v1/submit/stamp_login";
    server.post(&alice, path, &body).await.text("session");
    assert_eq!(
        server.post(&bob, path, &body).await.refusal(),
        (403, "REQUEST_NOT_AUTHORIZED", "request not authorized")
    );
    server.post(&alice, path, &body).await.text("session");
}

#[tokio::test]
async fn a_type_that_another_path_takes_is_refused() {
    let server = TestServer::start().await;
    let key = client_key(&server);
    let parameters = json!({ "publicKey": key.public_key().to_hex() });
    let body = server.activity(ActivityType::StampLogin, server.tenant.organization_id, &parameters);
    let reply = server.post(&server.tenant.key, "/public/v1/submit/init_otp", &body).await;
    assert_eq!(reply.refusal(), (400, "REQUEST_INVALID", "bad request body"));
}

#[tokio::test]
async fn lists_of_activities_are_filtered_and_paged() {
    let server = TestServer::start().await;
    for n in 0..12 {
        server.clock.advance_ms(1);
        server
            .backend(ActivityType::InitOtpV3, server.init_email(&format!("u{n}@acme.example")))
            .await
            .text("otpId");
    }
    let parent = server.tenant.organization_id;
    let list =
        async |members: Value| server.query(&server.tenant.key, "list_activities", parent, members).await;
    let first = list(json!({})).await;
    let page = first.body["activities"].as_array().expect("a list").clone();
    assert_eq!(page.len(), 10);
    assert_eq!(page[0]["intent"]["initOtpIntentV3"]["contact"], "u11@acme.example");
    let next = json!({ "paginationOptions": { "limit": "100", "after": page[9]["id"] } });
    let rest = list(next).await;
    assert_eq!(
        rest.body["activities"].as_array().map(Vec::len),
        Some(3),
        "two codes and the proxy's activation"
    );
    let none = json!({ "filterByStatus": ["ACTIVITY_STATUS_FAILED"] });
    assert_eq!(list(none).await.body, json!({ "activities": [] }));
    let proxy = json!({ "filterByType": ["ACTIVITY_TYPE_ENABLE_AUTH_PROXY"], "filterByStatus": ["ACTIVITY_STATUS_COMPLETED"] });
    assert_eq!(list(proxy).await.body["activities"].as_array().map(Vec::len), Some(1));
    let unknown =
        server.query(&server.tenant.key, "get_activity", parent, json!({ "activityId": parent })).await;
    assert_eq!(unknown.refusal().2, format!("unable to find activity {parent} in organization {parent}"));
}
