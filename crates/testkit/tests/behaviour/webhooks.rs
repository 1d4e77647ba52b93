//! Webhook endpoints, and what they are told.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use vestibule_crypto::keyset::KeyRole;
use vestibule_engine::Settings;
use vestibule_engine::store::{ActivityFilter, Write};
use vestibule_testkit::{Event, Reply, TestServer, client_key};
use vestibule_wire::{ActivityType as A, OrganizationId};

use crate::company::{Person, hire, policy, quorum, status, sub_organization, vote};

const NOT_PUBLIC: &str = "invalid request body: url does not lead to a public address";

fn activities() -> Value {
    json!([{ "eventType": "ACTIVITY_UPDATES" }])
}

fn endpoint(url: &str, subscriptions: Value) -> Value {
    json!({ "url": url, "name": "hook", "subscriptions": subscriptions })
}

/// An endpoint of the tenant that is told of activities; its id.
async fn hook(server: &TestServer) -> String {
    server.names.set("hooks.example.com", &["93.184.215.14"]);
    server
        .backend(A::CreateWebhookEndpoint, endpoint("https://hooks.example.com/in", activities()))
        .await
        .text("endpointId")
}

async fn listed(server: &TestServer) -> Value {
    let organization = server.tenant.organization_id;
    let reply = server.query(&server.tenant.key, "list_webhook_endpoints", organization, json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["webhookEndpoints"].clone()
}

/// Types and statuses of activities, without their prefixes.
fn told(events: &[Event]) -> Vec<(&str, &str)> {
    let text = |event: &'_ Event, member: &str, prefix: &str| {
        let text = event.body[member].as_str().expect("a text");
        text.trim_start_matches(prefix).to_owned().leak() as &str
    };
    let of = |event| (text(event, "type", "ACTIVITY_TYPE_"), text(event, "status", "ACTIVITY_STATUS_"));
    events.iter().map(of).collect()
}

#[tokio::test]
async fn an_endpoint_is_made_changed_listed_and_deleted() {
    let server = TestServer::start().await;
    server.names.set("hooks.example.com", &["93.184.215.14", "2606:2800:21f:cb07::1"]);
    let subscriptions = json!([
        { "eventType": "ACTIVITY_UPDATES", "filtersJson": "{\"statuses\":[\"ACTIVITY_STATUS_COMPLETED\"]}", "isActive": false },
        { "eventType": "VESTIBULE_ABUSE_ALERT" },
    ]);
    let made = server
        .backend(
            A::CreateWebhookEndpoint,
            endpoint("https://hooks.example.com/a?key=1", subscriptions.clone()),
        )
        .await;
    let id = made.text("endpointId");
    let data = json!({
        "endpointId": id, "organizationId": server.tenant.organization_id, "url": "https://hooks.example.com/a?key=1",
        "name": "hook", "isActive": true, "subscriptions": subscriptions,
    });
    assert_eq!(made.result()["webhookEndpoint"], data);
    assert_eq!(listed(&server).await, json!([data]));

    server.names.set("other.example.com", &["1.1.1.1"]);
    let change = json!({ "endpointId": id, "url": "https://other.example.com/", "name": "renamed", "isActive": false });
    let changed = server.backend(A::UpdateWebhookEndpoint, change).await;
    let mut data = data;
    data["url"] = json!("https://other.example.com/");
    data["name"] = json!("renamed");
    data["isActive"] = json!(false);
    assert_eq!(changed.result(), &json!({ "endpointId": id, "webhookEndpoint": data }));
    let untouched = server.backend(A::UpdateWebhookEndpoint, json!({ "endpointId": id })).await;
    assert_eq!(untouched.result()["webhookEndpoint"], data);

    let second = server
        .backend(A::CreateWebhookEndpoint, json!({ "url": "https://other.example.com/", "name": "renamed" }))
        .await;
    assert_eq!(second.result()["webhookEndpoint"]["subscriptions"], json!([]));
    assert_eq!(listed(&server).await[0]["endpointId"], second.result()["endpointId"], "newest first");

    let gone = server.backend(A::DeleteWebhookEndpoint, json!({ "endpointId": id })).await;
    assert_eq!(gone.result(), &json!({ "endpointId": id }));
    assert_eq!(listed(&server).await.as_array().map(Vec::len), Some(1));
    for activity in [A::UpdateWebhookEndpoint, A::DeleteWebhookEndpoint] {
        let missing = server.backend(activity, json!({ "endpointId": id })).await;
        let organization = server.tenant.organization_id;
        let message = format!("unable to find webhook endpoint {id} in organization {organization}");
        assert_eq!(missing.refusal(), (404, "", message.as_str()));
    }
}

#[tokio::test]
async fn an_organization_has_ten_endpoints_at_most_however_many_are_made_at_once() {
    let server = Arc::new(TestServer::start().await);
    server.names.set("hooks.example.com", &["93.184.215.14"]);
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let server = Arc::clone(&server);
            tokio::spawn(async move {
                let parameters = endpoint("https://hooks.example.com/", json!([]));
                server.backend(A::CreateWebhookEndpoint, parameters).await
            })
        })
        .collect();
    let mut made = 0;
    for tried in tries {
        let reply = tried.await.expect("no test panicked");
        match reply.status {
            200 => made += 1,
            _ => assert_eq!(reply.refusal().0, 429, "{}", reply.body),
        }
    }
    assert_eq!((made, listed(&server).await.as_array().map(Vec::len)), (10, Some(10)));
}

#[tokio::test]
async fn a_url_that_leads_inside_or_nowhere_is_refused_with_one_text() {
    let server = TestServer::start().await;
    let id = hook(&server).await;
    server.names.set("inside.example.com", &["10.0.0.7"]);
    server.names.set("metadata.example.com", &["169.254.169.254"]);
    server.names.set("mixed.example.com", &["93.184.215.14", "127.0.0.1"]);
    server.names.set("mapped.example.com", &["::ffff:192.168.0.1"]);
    server.names.set("localhost", &["127.0.0.1", "::1"]);
    for url in [
        "https://inside.example.com/",
        "https://metadata.example.com/latest",
        "https://mixed.example.com/",
        "https://mapped.example.com/",
        "https://nowhere.example.com/",
        "https://localhost/",
        "http://localhost:8080/",
        "http://127.0.0.1:8080/",
        "https://127.0.0.1/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://0251.0376.0251.0376/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::a00:1]/",
        "https://10.0.0.1/",
    ] {
        let made = server.backend(A::CreateWebhookEndpoint, endpoint(url, activities())).await;
        assert_eq!(made.refusal(), (400, "REQUEST_INVALID", NOT_PUBLIC), "{url}");
        let changed = server.backend(A::UpdateWebhookEndpoint, json!({ "endpointId": id, "url": url })).await;
        assert_eq!(changed.refusal(), (400, "REQUEST_INVALID", NOT_PUBLIC), "{url}");
        let feature = json!({ "name": "FEATURE_NAME_WEBHOOK", "value": url });
        let set = server.backend(A::SetOrganizationFeature, feature).await;
        assert_eq!(set.refusal(), (400, "REQUEST_INVALID", NOT_PUBLIC), "{url}");
    }
    for url in [
        "ftp://hooks.example.com/",
        "http://hooks.example.com/",
        "https://u:p@hooks.example.com/",
        "hooks",
        "https://hooks.example.com:22/",
    ] {
        let made = server.backend(A::CreateWebhookEndpoint, endpoint(url, activities())).await;
        let (status, code, message) = made.refusal();
        assert_eq!((status, code), (400, "REQUEST_INVALID"), "{url}");
        assert!(message.starts_with("invalid request body: url "), "{url}: {message}");
        let feature = json!({ "name": "FEATURE_NAME_WEBHOOK", "value": url });
        assert_eq!(server.backend(A::SetOrganizationFeature, feature).await.refusal().0, 400, "{url}");
    }
    assert_eq!(listed(&server).await.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn development_lets_this_machine_in_and_no_private_network() {
    let server = TestServer::with(Settings { loopback_webhooks: true, ..Settings::default() }).await;
    server.names.set("localhost", &["127.0.0.1", "::1"]);
    for url in ["http://localhost:8080/", "http://127.0.0.1:8080/", "https://[::1]/", "http://127.0.0.1/"] {
        server.backend(A::CreateWebhookEndpoint, endpoint(url, activities())).await.text("endpointId");
    }
    for url in ["https://10.0.0.1/", "https://169.254.169.254/", "https://[fd00::1]/"] {
        let made = server.backend(A::CreateWebhookEndpoint, endpoint(url, activities())).await;
        assert_eq!(made.refusal().2, NOT_PUBLIC, "{url}");
    }
}

#[tokio::test]
async fn what_cannot_be_subscribed_to_is_refused() {
    let server = TestServer::start().await;
    server.names.set("hooks.example.com", &["93.184.215.14"]);
    let many = vec![json!({ "eventType": "ACTIVITY_UPDATES" }); 11];
    for subscriptions in [
        json!([{ "eventType": "BALANCE_CONFIRMED_UPDATES" }]),
        json!([{ "eventType": "VESTIBULE_PING" }]),
        json!([{ "eventType": "" }]),
        json!([{}]),
        json!([{ "eventType": "ACTIVITY_UPDATES", "filtersJson": "{" }]),
        json!([{ "eventType": "ACTIVITY_UPDATES", "filtersJson": "{\"address\":\"0x0\"}" }]),
        json!([{ "eventType": "VESTIBULE_ABUSE_ALERT", "filtersJson": "{\"statuses\":[\"ACTIVITY_STATUS_FAILED\"]}" }]),
        json!(many),
    ] {
        let parameters = endpoint("https://hooks.example.com/", subscriptions.clone());
        let reply = server.backend(A::CreateWebhookEndpoint, parameters).await;
        assert_eq!(reply.refusal().0, 400, "{subscriptions}: {}", reply.body);
    }
    assert_eq!(listed(&server).await, json!([]));
}

#[tokio::test]
async fn policies_rule_on_endpoints_by_resource_action_and_id() {
    let server = TestServer::start().await;
    server.names.set("hooks.example.com", &["93.184.215.14"]);
    let people = hire(&server, &["ada"]).await;
    let organization = server.tenant.organization_id;
    let by_ada = async |activity, parameters: Value| -> Reply {
        server.submit(&people[0].key, activity, organization, parameters).await
    };
    let make = || endpoint("https://hooks.example.com/", json!([]));
    assert_eq!(by_ada(A::CreateWebhookEndpoint, make()).await.status, 403);
    let condition = "activity.resource == 'WEBHOOK_ENDPOINT' && activity.action == 'CREATE'";
    policy(&server, "create", json!({ "condition": condition })).await;
    let id = by_ada(A::CreateWebhookEndpoint, make()).await.text("endpointId");
    let other = by_ada(A::CreateWebhookEndpoint, make()).await.text("endpointId");
    assert_eq!(by_ada(A::DeleteWebhookEndpoint, json!({ "endpointId": id })).await.status, 403);
    let kinds = "activity.kind == 'UPDATE_WEBHOOK_ENDPOINT' || activity.kind == 'DELETE_WEBHOOK_ENDPOINT'";
    let mine = json!({ "condition": format!("({kinds}) && activity.params.endpoint_id == '{id}'") });
    policy(&server, "mine", mine).await;
    for activity in [A::UpdateWebhookEndpoint, A::DeleteWebhookEndpoint] {
        assert_eq!(by_ada(activity, json!({ "endpointId": other })).await.status, 403);
        by_ada(activity, json!({ "endpointId": id })).await.result();
    }
}

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

/// The names of the statements that a request runs.
async fn statements(work: impl Future<Output = Reply>) -> Vec<String> {
    use tracing::instrument::WithSubscriber as _;
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

    #[derive(Clone, Default)]
    struct Names(Arc<Mutex<Vec<String>>>);
    impl tracing::field::Visit for Names {
        fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
            if field.name() == "statement" {
                self.0.lock().expect("no test panicked").push(value.to_owned());
            }
        }
        fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
    }
    impl<S: tracing::Subscriber> Layer<S> for Names {
        fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
            event.record(&mut self.clone());
        }
    }
    let names = Names::default();
    work.with_subscriber(tracing_subscriber::registry().with(names.clone())).await.result();
    names.0.lock().expect("no test panicked").clone()
}

#[tokio::test]
async fn an_event_costs_no_statement_beyond_its_rows() {
    let server = TestServer::start().await;
    let request = |name: &str| json!({ "userTagName": name, "userIds": [] });
    let silent = statements(server.backend(A::CreateUserTag, request("one"))).await;
    assert!(silent.len() > 3, "the trace saw the work: {silent:?}");
    hook(&server).await;
    hook(&server).await;
    let loud = statements(server.backend(A::CreateUserTag, request("two"))).await;
    let rest: Vec<_> = loud.iter().filter(|name| *name != "enqueue_delivery").cloned().collect();
    // The writer's statements are seen where it runs on the same thread, which is not so on every store.
    assert_eq!(rest, silent);
    assert_eq!(server.events().await.len(), 3, "two of the tag, and one of the second endpoint");
}

#[tokio::test]
async fn an_operator_sees_and_tries_endpoints() {
    let server = TestServer::start().await;
    let id = hook(&server).await;
    let organization = server.tenant.organization_id;
    let pinged = server.engine.ping_webhook(organization, id.parse().expect("an id")).await.expect("a ping");
    let shown = server.engine.list_webhooks(organization).await.expect("a list");
    assert_eq!(shown.len(), 1);
    let json = serde_json::to_value(&shown[0]).expect("JSON");
    assert_eq!((&json["endpoint"]["id"], &json["signed"]), (&json!(id), &json!(true)));
    assert_eq!(json["deliveries"][0]["state"], "waiting");
    let events = server.events().await;
    assert_eq!((events.len(), events[0].event_type.as_str()), (1, "VESTIBULE_PING"));
    assert_eq!(events[0].body["id"], json!(pinged));
    assert_eq!(pinged, format!("evt_{}", events[0].id));
    let shown = server.engine.list_webhooks(organization).await.expect("a list");
    let json = serde_json::to_value(&shown[0]).expect("JSON");
    assert_eq!(
        (&json["deliveries"][0]["state"], &json["deliveries"][0]["attempts"]),
        (&json!("delivered"), &json!(1))
    );
    server.backend(A::UpdateWebhookEndpoint, json!({ "endpointId": id, "isActive": false })).await.result();
    assert!(server.engine.ping_webhook(organization, id.parse().expect("an id")).await.is_err());
    assert!(server.engine.list_webhooks(OrganizationId(uuid::Uuid::nil())).await.is_err());
}

#[tokio::test]
async fn a_new_webhook_key_is_published_a_day_before_it_signs() {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let server = TestServer::start().await;
    let published = || {
        let jwks = server.engine.webhook_jwks();
        let keys = jwks["keys"].as_array().expect("keys").clone();
        keys.iter().map(|key| key["kid"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let signer = || server.key_set().webhook_signer(server.clock.now()).0.to_owned();
    let first = signer();
    assert_eq!(published(), std::slice::from_ref(&first));
    let made = server.engine.rotate_key(KeyRole::WebhookSigner, None).await.expect("a new key");
    assert_eq!(made.activates_at, server.clock.now() + DAY_MS);
    assert_eq!((published(), signer()), (vec![first.clone(), made.id.clone()], first.clone()));
    assert!(server.engine.retire_key(&first).await.is_err(), "nobody could sign yet");
    server.clock.advance_s(DAY_MS / 1000);
    assert_eq!(signer(), made.id);
    server.engine.retire_key(&first).await.expect("the heir has begun");
    assert_eq!(published(), [first.clone(), made.id.clone()]);
    server.clock.advance_s(2 * 60 * 60);
    assert_eq!(published(), std::slice::from_ref(&made.id));
    // In an emergency the operator names the time.
    let soon = server.engine.rotate_key(KeyRole::WebhookSigner, Some(0)).await.expect("a new key");
    assert_eq!(soon.activates_at, server.clock.now() + Settings::default().key_activation_ms);
}

#[tokio::test]
async fn a_delivery_commits_with_its_cause_or_not_at_all() {
    let server = TestServer::start().await;
    let id = hook(&server).await;
    let person = Person { id: server.tenant.user_id, key: server.tenant.key.clone() };
    let owner =
        server.store.organization(server.tenant.organization_id).await.expect("answers").expect("there");
    let mut stale = owner.clone();
    stale.version -= 1;
    let queued = server.engine.ping_webhook(owner.id, id.parse().expect("an id")).await;
    queued.expect("a ping");
    server.events().await;
    let changes = vestibule_engine::store::ChangeSet {
        writes: vec![
            Write::EnqueueDelivery(Box::new(vestibule_engine::model::WebhookDelivery {
                id: vestibule_wire::MessageId(uuid::Uuid::from_u128(9)),
                organization_id: owner.id,
                tenant_id: owner.id,
                event_id: person.id.0,
                endpoint_id: owner.webhooks[0].id.0,
                payload: Vec::new(),
                attempts: 0,
                due_at: server.clock.now(),
                expires_at: server.clock.now() + 1000,
                created_at: server.clock.now(),
            })),
            Write::UpdateOrganization(Box::new(stale)),
        ],
    };
    assert!(server.store.commit(changes).await.is_err());
    assert_eq!(server.events().await, []);
}
