//! What endpoints are told, and what nobody is.

use serde_json::json;
use vestibule_engine::store::ActivityFilter;
use vestibule_testkit::{TestServer, client_key};
use vestibule_wire::ActivityType as A;

use super::{NOT_PUBLIC, activities, endpoint, hook, listed, told};
use crate::company::{hire, quorum, status, sub_organization, vote};

#[tokio::test]
async fn an_activity_is_told_of_as_it_is_stored_and_to_those_who_subscribed() {
    let server = TestServer::start().await;
    server.backend(A::CreateUserTag, json!({ "userTagName": "before", "userIds": [] })).await.result();
    assert_eq!(server.events().await, [], "nobody listens");
    let id = hook(&server).await;
    assert_eq!(server.events().await, [], "an endpoint is not told of its own making");
    let made = server.backend(A::CreateUserTag, json!({ "userTagName": "tag", "userIds": [] })).await;
    made.result();
    let events = server.events().await;
    assert_eq!(events.len(), 1);
    let event = &events[0];
    let organization = server.tenant.organization_id.to_string();
    assert_eq!((event.endpoint.as_str(), event.owner.as_str()), (id.as_str(), organization.as_str()));
    assert_eq!(
        (event.event_type.as_str(), event.organization.as_str()),
        ("ACTIVITY_UPDATES", organization.as_str())
    );
    assert_eq!(event.id.get_version_num(), 7);
    assert_eq!(event.body, made.body["activity"], "nothing in it is secret");

    // The same bytes again are the same activity, which has not changed.
    let body = server.activity(
        A::CreateUserTag,
        server.tenant.organization_id,
        &json!({ "userTagName": "t", "userIds": [] }),
    );
    for _ in 0..3 {
        server.post(&server.tenant.key, "/public/v1/submit/create_user_tag", &body).await.result();
    }
    assert_eq!(told(&server.events().await), [("CREATE_USER_TAG", "COMPLETED")]);

    server.backend(A::UpdateWebhookEndpoint, json!({ "endpointId": id, "isActive": false })).await.result();
    assert_eq!(told(&server.events().await), [("UPDATE_WEBHOOK_ENDPOINT", "COMPLETED")]);
    server.backend(A::CreateUserTag, json!({ "userTagName": "after", "userIds": [] })).await.result();
    assert_eq!(server.events().await, [], "it is switched off");
}

#[tokio::test]
async fn filters_and_inactive_subscriptions_keep_events_back() {
    let server = TestServer::start().await;
    server.names.set("hooks.example.com", &["93.184.215.14"]);
    let url = "https://hooks.example.com/";
    for subscriptions in [
        json!([]),
        json!([{ "eventType": "VESTIBULE_ABUSE_ALERT" }]),
        json!([{ "eventType": "ACTIVITY_UPDATES", "isActive": false }]),
        json!([{ "eventType": "ACTIVITY_UPDATES", "filtersJson": "{\"statuses\":[\"ACTIVITY_STATUS_FAILED\"]}" }]),
        json!([{ "eventType": "ACTIVITY_UPDATES", "filtersJson": "{\"activityTypes\":[\"ACTIVITY_TYPE_INIT_OTP\"]}" }]),
    ] {
        server.backend(A::CreateWebhookEndpoint, endpoint(url, subscriptions)).await.result();
    }
    let both = json!([
        { "eventType": "ACTIVITY_UPDATES", "filtersJson": "{\"activityTypes\":[\"ACTIVITY_TYPE_CREATE_USER_TAG\"]}" },
        { "eventType": "ACTIVITY_UPDATES", "filtersJson": "{\"statuses\":[\"ACTIVITY_STATUS_COMPLETED\"]}" },
    ]);
    let id = server.backend(A::CreateWebhookEndpoint, endpoint(url, both)).await.text("endpointId");
    server.events().await;
    server.backend(A::CreateUserTag, json!({ "userTagName": "tag", "userIds": [] })).await.result();
    let events = server.events().await;
    assert_eq!(events.iter().map(|event| event.endpoint.as_str()).collect::<Vec<_>>(), [id.as_str()], "once");
}

#[tokio::test]
async fn a_parent_is_told_of_its_sub_organizations_and_they_only_of_themselves() {
    let server = TestServer::start().await;
    let of_parent = hook(&server).await;
    let (account, key) = server.logged_in("user@acme.example").await;
    let (other, _) = server.logged_in("other@acme.example").await;
    let stranger = server.another_tenant().await;
    let make = server
        .submit(
            &key,
            A::CreateWebhookEndpoint,
            account.organization_id,
            endpoint("https://hooks.example.com/sub", activities()),
        )
        .await;
    let of_sub = make.text("endpointId");
    server.events().await;

    let tag = json!({ "userTagName": "tag", "userIds": [] });
    server.submit(&key, A::CreateUserTag, account.organization_id, tag.clone()).await.result();
    let events = server.events().await;
    let mut endpoints: Vec<_> = events.iter().map(|event| event.endpoint.clone()).collect();
    endpoints.sort();
    let mut both = vec![of_parent.clone(), of_sub.clone()];
    both.sort();
    assert_eq!(endpoints, both);
    assert_eq!(events[0].id, events[1].id, "one event, whoever is told");
    assert!(events.iter().all(|event| event.organization == account.organization_id.to_string()));
    assert_eq!(events[0].body, events[1].body);
    let owners: Vec<_> = events.iter().map(|event| (event.endpoint.clone(), event.owner.clone())).collect();
    assert!(owners.contains(&(of_parent.clone(), server.tenant.organization_id.to_string())), "{owners:?}");

    server.init("other@acme.example").await;
    server.backend(A::CreateUserTag, tag.clone()).await.result();
    let events = server.events().await;
    assert!(events.len() == 2 && events.iter().all(|event| event.endpoint == of_parent), "{events:?}");
    assert_ne!(other.organization_id, account.organization_id);

    server.submit(&stranger.key, A::CreateUserTag, stranger.organization_id, tag).await.result();
    assert_eq!(server.events().await, [], "another tenant is none of theirs");

    let gone = server
        .submit(
            &key,
            A::DeleteSubOrganization,
            account.organization_id,
            json!({ "deleteWithoutExport": true }),
        )
        .await;
    gone.result();
    let last = server.events().await;
    assert_eq!(told(&last)[0], ("DELETE_SUB_ORGANIZATION", "COMPLETED"));
}

#[tokio::test]
async fn votes_are_told_of_where_they_change_the_status() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada", "grace"]).await;
    hook(&server).await;
    quorum(&server, 3, &people).await;
    server.events().await;

    let proposed = server.backend(A::CreateSubOrganizationV8, sub_organization()).await;
    let events = server.events().await;
    assert_eq!(told(&events), [("CREATE_SUB_ORGANIZATION_V8", "CONSENSUS_NEEDED")]);
    assert_eq!(events[0].body["result"], json!({}));
    let first = vote(&server, &people[0], A::ApproveActivity, &proposed).await;
    assert_eq!(status(&first), "CONSENSUS_NEEDED");
    assert_eq!(server.events().await, [], "the status is what it was");
    vote(&server, &people[1], A::ApproveActivity, &proposed).await.result();
    let events = server.events().await;
    assert_eq!(told(&events), [("CREATE_SUB_ORGANIZATION_V8", "COMPLETED")]);
    let body = &events[0].body;
    let voters: Vec<_> =
        body["votes"].as_array().expect("votes").iter().map(|vote| &vote["user"]["userName"]).collect();
    assert_eq!(voters, ["Root user", "ada", "grace"]);
    assert_eq!((&body["canApprove"], &body["canReject"]), (&json!(false), &json!(false)));
    assert!(body["result"]["createSubOrganizationResultV8"]["subOrganizationId"].is_string());

    let proposed = server.backend(A::CreateSubOrganizationV8, sub_organization()).await;
    server.clock.advance_s(1);
    vote(&server, &people[0], A::RejectActivity, &proposed).await;
    let events = server.events().await;
    let statuses: Vec<_> = told(&events).into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, ["CONSENSUS_NEEDED", "REJECTED"]);
}

#[tokio::test]
async fn an_approved_webhook_that_leads_inside_fails_and_is_told_of() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada"]).await;
    hook(&server).await;
    quorum(&server, 2, &people).await;
    server.events().await;
    server.names.set("turncoat.example.com", &["93.184.215.14"]);
    let proposed = server
        .backend(A::CreateWebhookEndpoint, endpoint("https://turncoat.example.com/", activities()))
        .await;
    assert_eq!(status(&proposed), "CONSENSUS_NEEDED");
    server.names.set("turncoat.example.com", &["10.0.0.1"]);
    server.clock.advance_s(1);
    let done = vote(&server, &people[0], A::ApproveActivity, &proposed).await;
    assert_eq!(status(&done), "FAILED");
    assert_eq!(done.body["activity"]["failure"]["message"], NOT_PUBLIC);
    let events = server.events().await;
    let statuses: Vec<_> = told(&events).into_iter().map(|(_, status)| status).collect();
    assert_eq!(statuses, ["CONSENSUS_NEEDED", "FAILED"]);
    assert_eq!(listed(&server).await.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn what_is_refused_and_stored_is_told_of_and_what_is_not_stored_is_not() {
    let server = TestServer::start().await;
    let people = hire(&server, &["ada"]).await;
    hook(&server).await;
    let stored = async || {
        let all = ActivityFilter::default();
        let page = vestibule_wire::query::Page { limit: 100, ..Default::default() };
        server
            .store
            .activities(server.tenant.organization_id, &all, page)
            .await
            .expect("the store answers")
            .len()
    };
    server.events().await;
    let before = stored().await;
    let tag = json!({ "userTagName": "tag", "userIds": [] });
    let denied = server.submit(&people[0].key, A::CreateUserTag, server.tenant.organization_id, tag).await;
    assert_eq!(denied.status, 403);
    let events = server.events().await;
    assert_eq!(told(&events), [("CREATE_USER_TAG", "REJECTED")]);
    assert_eq!(events[0].body["failure"]["code"], 7);
    assert_eq!(stored().await, before + 1);

    let (otp_id, bundle) = server.init("user@acme.example").await;
    server.events().await;
    let before = stored().await;
    let key = client_key(&server);
    let wrong = server.backend(A::VerifyOtpV2, server.guess(&otp_id, &bundle, "OOOOOO", &key)).await;
    assert_eq!(wrong.refusal().2, "Invalid OTP code");
    assert_eq!(server.backend(A::DeleteUsers, json!({ "userIds": ["nobody"] })).await.status, 400);
    let unstamped =
        server.send(axum::http::Method::POST, "/public/v1/submit/create_user_tag", &[], "{}").await;
    assert_eq!(unstamped.status, 401);
    assert_eq!((stored().await, server.events().await), (before, vec![]));
}

#[tokio::test]
async fn no_code_token_session_or_bundle_is_told() {
    let server = TestServer::start().await;
    hook(&server).await;
    let (account, _) = server.logged_in("user@acme.example").await;
    let code = server.code("user@acme.example").await;
    let legacy = json!({ "otpType": "OTP_TYPE_EMAIL", "contact": "user@acme.example" });
    server.clock.advance_s(600);
    let started = server.submit(&server.tenant.key, A::InitOtpAuthV2, account.organization_id, legacy).await;
    let target = client_key(&server).public_key().to_uncompressed_hex();
    let second = server.code("user@acme.example").await;
    let guess = json!({ "otpId": started.text("otpId"), "otpCode": second, "targetPublicKey": target });
    let authenticated = server.submit(&server.tenant.key, A::OtpAuth, account.organization_id, guess).await;
    let bundle = authenticated.text("credentialBundle");
    let events = server.events().await;
    let kinds: Vec<_> = told(&events).into_iter().map(|(kind, _)| kind).collect();
    for kind in ["INIT_OTP_V3", "VERIFY_OTP_V2", "OTP_LOGIN_V2", "OTP_AUTH"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let text = events.iter().map(|event| event.body.to_string()).collect::<String>();
    for secret in [&code, &second, &bundle] {
        assert!(!text.contains(secret.as_str()), "{secret}");
    }
    let member = |kind: &str, result: &str, member: &str| {
        let event = events.iter().find(|event| event.body["type"] == format!("ACTIVITY_TYPE_{kind}"));
        event.expect(kind).body["result"][result][member].clone()
    };
    assert_eq!(member("VERIFY_OTP_V2", "verifyOtpResult", "verificationToken"), "");
    assert_eq!(member("OTP_LOGIN_V2", "otpLoginResult", "session"), "");
    assert_eq!(member("INIT_OTP_V3", "initOtpResultV2", "otpEncryptionTargetBundle"), "");
    assert_eq!(member("OTP_AUTH", "otpAuthResult", "credentialBundle"), "");
    for event in &events {
        let about = event.body["type"].as_str().expect("a type");
        if about.contains("OTP_LOGIN") || about.contains("VERIFY") || about.ends_with("OTP_AUTH") {
            assert_eq!(event.body["votes"][0]["message"], "", "{about}");
        }
    }
}

#[tokio::test]
async fn the_legacy_webhook_is_told_of_all_activities_of_the_organization_and_below() {
    let server = TestServer::start().await;
    server.names.set("legacy.example.com", &["93.184.215.14"]);
    let feature = json!({ "name": "FEATURE_NAME_WEBHOOK", "value": "https://legacy.example.com/in" });
    server.backend(A::SetOrganizationFeature, feature).await.result();
    assert_eq!(server.events().await, []);
    let account = server.create_user("user@acme.example").await;
    server.clock.advance_s(1);
    server
        .submit(
            &server.tenant.key,
            A::InitOtpV3,
            account.organization_id,
            server.init_email("user@acme.example"),
        )
        .await
        .result();
    let events = server.events().await;
    let organization = server.tenant.organization_id;
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| event.endpoint == organization.to_string()), "{events:?}");
    assert_eq!(events[1].organization, account.organization_id.to_string());
    let owner =
        server.store.organization(organization).await.expect("the store answers").expect("the tenant");
    let to = owner.addressee(organization.0).expect("a webhook");
    assert_eq!((to.url, to.signed), ("https://legacy.example.com/in", false));
    server.backend(A::RemoveOrganizationFeature, json!({ "name": "FEATURE_NAME_WEBHOOK" })).await.result();
    server.events().await;
    server.backend(A::CreateUserTag, json!({ "userTagName": "tag", "userIds": [] })).await.result();
    assert_eq!(server.events().await, []);
}
