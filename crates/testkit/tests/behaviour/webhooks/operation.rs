//! What webhooks cost, what an operator sees of them, and the key that signs them.

use std::sync::{Arc, Mutex};

use serde_json::json;
use vestibule_crypto::keyset::KeyRole;
use vestibule_engine::Settings;
use vestibule_engine::store::Write;
use vestibule_testkit::{Reply, TestServer};
use vestibule_wire::{ActivityType as A, OrganizationId};

use super::hook;
use crate::company::Person;

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
