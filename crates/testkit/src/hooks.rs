//! Webhooks in tests: names of hosts that resolve as told, and events captured before they would be posted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;
use vestibule_engine::destinations::Resolver;
use vestibule_engine::model::DELIVERY_LIFETIME_MS;
use vestibule_engine::outbox;
use vestibule_engine::store::Outcome;

use crate::TestServer;

/// Names of hosts; one that was not set has no address.
#[derive(Default)]
pub struct Names(Mutex<HashMap<String, Vec<IpAddr>>>);

impl Names {
    /// Gives a name these addresses.
    pub fn set(&self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|text| text.parse().expect("an address")).collect();
        self.0.lock().expect("no test panicked").insert(name.to_owned(), addresses);
    }
}

#[async_trait]
impl Resolver for Names {
    async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        self.0.lock().expect("no test panicked").get(host).cloned().unwrap_or_default()
    }
}

/// An event on its way to an endpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The endpoint.
    pub endpoint: String,
    /// Whose it is.
    pub owner: String,
    /// The event's id.
    pub id: Uuid,
    /// Its type.
    pub event_type: String,
    /// Where it happened.
    pub organization: String,
    /// What is told.
    pub body: Value,
}

impl TestServer {
    /// What endpoints would be told since the last call, oldest first.
    pub async fn events(&self) -> Vec<Event> {
        let worker = Uuid::from_u128(2);
        let mut events = Vec::new();
        for waiting in self.store.waiting_endpoints(Uuid::nil(), 1000).await.expect("the store answers") {
            let endpoint = waiting.endpoint_id;
            let claimed = self.store.claim_deliveries(worker, endpoint, 1000, 60_000).await;
            for delivery in claimed.expect("the store answers") {
                assert_eq!(delivery.expires_at - delivery.created_at, DELIVERY_LIFETIME_MS);
                let payload =
                    outbox::open_delivery(&self.key_set(), &delivery).expect("sealed by this key set");
                events.push((
                    delivery.id,
                    Event {
                        endpoint: endpoint.to_string(),
                        owner: delivery.organization_id.to_string(),
                        id: delivery.event_id,
                        event_type: payload.event_type,
                        organization: payload.organization_id.to_string(),
                        body: serde_json::from_str(&payload.body).expect("JSON"),
                    },
                ));
                let kept = self.store.settle_delivery(delivery.id, worker, &Outcome::Sent).await;
                assert!(kept.expect("the store answers"), "the lease was ours");
            }
        }
        events.sort_by_key(|(id, _)| *id);
        events.into_iter().map(|(_, event)| event).collect()
    }
}
