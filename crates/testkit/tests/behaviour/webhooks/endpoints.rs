//! Endpoints: made, changed, listed, deleted, and refused.

use std::sync::Arc;

use serde_json::{Value, json};
use vestibule_engine::Settings;
use vestibule_testkit::{Reply, TestServer};
use vestibule_wire::ActivityType as A;

use super::{NOT_PUBLIC, activities, endpoint, hook, listed};
use crate::company::{hire, policy};

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
