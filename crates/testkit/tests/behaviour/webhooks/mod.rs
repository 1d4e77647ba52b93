//! Webhook endpoints, and what they are told.

mod endpoints;
mod events;
mod operation;

use serde_json::{Value, json};
use vestibule_testkit::{Event, TestServer};
use vestibule_wire::ActivityType as A;

pub const NOT_PUBLIC: &str = "invalid request body: url does not lead to a public address";

pub fn activities() -> Value {
    json!([{ "eventType": "ACTIVITY_UPDATES" }])
}

pub fn endpoint(url: &str, subscriptions: Value) -> Value {
    json!({ "url": url, "name": "hook", "subscriptions": subscriptions })
}

/// An endpoint of the tenant that is told of activities; its id.
pub async fn hook(server: &TestServer) -> String {
    server.names.set("hooks.example.com", &["93.184.215.14"]);
    server
        .backend(A::CreateWebhookEndpoint, endpoint("https://hooks.example.com/in", activities()))
        .await
        .text("endpointId")
}

pub async fn listed(server: &TestServer) -> Value {
    let organization = server.tenant.organization_id;
    let reply = server.query(&server.tenant.key, "list_webhook_endpoints", organization, json!({})).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["webhookEndpoints"].clone()
}

/// Types and statuses of activities, without their prefixes.
pub fn told(events: &[Event]) -> Vec<(&str, &str)> {
    let text = |event: &'_ Event, member: &str, prefix: &str| {
        let text = event.body[member].as_str().expect("a text");
        text.trim_start_matches(prefix).to_owned().leak() as &str
    };
    let of = |event| (text(event, "type", "ACTIVITY_TYPE_"), text(event, "status", "ACTIVITY_STATUS_"));
    events.iter().map(of).collect()
}
