//! An outbox in memory, look-ups of names that answer as they are told, and endpoints on loopback.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::keyset::KeyFile;
use vestibule_crypto::other_curves::Ed25519Key;
use vestibule_crypto::webhook::signed_input;
use vestibule_delivery::webhooks::{Courier, DeliveryParts, DeliverySettings, DeliveryStore, DeliveryWorker};
use vestibule_engine::destinations::Resolver;
use vestibule_engine::keys::KeyRing;
use vestibule_engine::model::{
    DELIVERY_LIFETIME_MS, DeliveryPayload, Organization, WaitingEndpoint, WebhookDelivery, WebhookEndpoint,
};
use vestibule_engine::store::{Outcome, StoreError};
use vestibule_engine::{Clock, outbox};
use vestibule_wire::view::Quorum;
use vestibule_wire::{MessageId, OrganizationId, WebhookEndpointId};

use crate::support::{START, TestClock};

pub const OWNER: OrganizationId = OrganizationId(Uuid::from_u128(7));
pub const BODY: &str = r#"{"id":"0198aaaa","status":"ACTIVITY_STATUS_COMPLETED","text":"a \"b\" ü"}"#;

/// A delivery, who holds it, and what became of it.
pub type Row = (WebhookDelivery, Option<Uuid>, Option<Outcome>);

/// The outbox's contract for deliveries, in memory, and one organization.
pub struct Outbox {
    pub clock: Arc<TestClock>,
    pub keys: Arc<KeyRing>,
    pub rows: Mutex<BTreeMap<MessageId, Row>>,
    pub owner: Mutex<Organization>,
}

impl Outbox {
    pub fn new() -> Arc<Self> {
        let owner = Organization {
            id: OWNER,
            parent_id: None,
            name: "Acme".to_owned(),
            features: Vec::new(),
            quorum: Quorum { threshold: 1, user_ids: Vec::new() },
            webhooks: Vec::new(),
            suspended_at: None,
            locale: None,
            version: 0,
            created_at: START,
            updated_at: START,
        };
        Arc::new(Self {
            clock: TestClock::new(),
            keys: Arc::new(KeyRing::of_file(KeyFile::generate(&SeededEntropy::new(1))).unwrap()),
            rows: Mutex::default(),
            owner: Mutex::new(owner),
        })
    }

    /// An endpoint at a URL, which replaces one of the same number.
    pub fn endpoint(&self, number: u128, url: &str) -> Uuid {
        let id = WebhookEndpointId(Uuid::from_u128(number));
        let mut owner = self.owner.lock().unwrap();
        owner.webhooks.retain(|known| known.id != id);
        let (name, url, subscriptions) = ("hook".to_owned(), url.to_owned(), Vec::new());
        owner.webhooks.push(WebhookEndpoint { id, name, url, is_active: true, subscriptions });
        id.0
    }

    pub fn enqueue(&self, endpoint: Uuid) -> MessageId {
        let mut rows = self.rows.lock().unwrap();
        let id = MessageId(Uuid::from_u128(rows.len() as u128 + 1));
        let payload = DeliveryPayload {
            event_type: "ACTIVITY_UPDATES".to_owned(),
            organization_id: OrganizationId(Uuid::from_u128(8)),
            body: BODY.to_owned(),
        };
        let now = self.clock.now_ms();
        let delivery = WebhookDelivery {
            id,
            organization_id: OWNER,
            tenant_id: OWNER,
            event_id: Uuid::from_u128(id.0.as_u128() << 64),
            endpoint_id: endpoint,
            payload: outbox::seal_delivery(&self.keys.current(), &SeededEntropy::new(3), id, &payload),
            attempts: 0,
            due_at: now,
            expires_at: now + DELIVERY_LIFETIME_MS,
            created_at: now,
        };
        rows.insert(id, (delivery, None, None));
        id
    }

    /// What became of a delivery; `None` while it waits.
    pub fn outcome(&self, id: MessageId) -> Option<Outcome> {
        self.rows.lock().unwrap()[&id].2.clone()
    }

    pub fn due_at(&self, id: MessageId) -> i64 {
        self.rows.lock().unwrap()[&id].0.due_at
    }
}

#[async_trait]
impl DeliveryStore for Outbox {
    async fn waiting(&self, after: Uuid, limit: u32) -> Result<Vec<WaitingEndpoint>, StoreError> {
        let rows = self.rows.lock().unwrap();
        let mut found: BTreeMap<Uuid, i64> = BTreeMap::new();
        for (delivery, _, outcome) in rows.values().filter(|(delivery, ..)| delivery.endpoint_id > after) {
            if outcome.is_none() {
                let due = found.entry(delivery.endpoint_id).or_insert(i64::MAX);
                *due = delivery.due_at.min(*due);
            }
        }
        let waiting = |(endpoint_id, due_at)| WaitingEndpoint { endpoint_id, due_at };
        Ok(found.into_iter().take(limit as usize).map(waiting).collect())
    }

    async fn claim(
        &self,
        worker: Uuid,
        endpoint: Uuid,
        limit: u32,
        lease_ms: i64,
    ) -> Result<Vec<WebhookDelivery>, StoreError> {
        let now = self.clock.now_ms();
        let mut rows = self.rows.lock().unwrap();
        let due = rows.values_mut().filter(|(delivery, _, outcome)| {
            delivery.endpoint_id == endpoint && outcome.is_none() && delivery.due_at <= now
        });
        let mut due: Vec<_> = due.collect();
        due.sort_by_key(|(delivery, ..)| delivery.due_at);
        let claim = |(delivery, lessee, _): &mut (WebhookDelivery, Option<Uuid>, Option<Outcome>)| {
            delivery.attempts += 1;
            delivery.due_at = now + lease_ms;
            *lessee = Some(worker);
            delivery.clone()
        };
        Ok(due.into_iter().take(limit as usize).map(claim).collect())
    }

    async fn settle(&self, id: MessageId, worker: Uuid, outcome: &Outcome) -> Result<bool, StoreError> {
        let mut rows = self.rows.lock().unwrap();
        let (delivery, lessee, settled) = rows.get_mut(&id).unwrap();
        if *lessee != Some(worker) || settled.is_some() {
            return Ok(false);
        }
        *lessee = None;
        match outcome {
            Outcome::Retry { at, .. } => delivery.due_at = *at,
            Outcome::Sent | Outcome::Failed { .. } => *settled = Some(outcome.clone()),
        }
        Ok(true)
    }

    async fn owner(&self, organization: OrganizationId) -> Result<Option<Organization>, StoreError> {
        let owner = self.owner.lock().unwrap();
        Ok((owner.id == organization).then(|| owner.clone()))
    }
}

/// Answers look-ups in turn, the last one for ever, and counts them.
#[derive(Default)]
pub struct Dns {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    pub asked: AtomicUsize,
}

impl Dns {
    pub fn answering(answers: &[&[&str]]) -> Arc<Self> {
        let answers =
            answers.iter().map(|one| one.iter().map(|text| text.parse().unwrap()).collect()).collect();
        Arc::new(Self { answers: Mutex::new(answers), asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Resolver for Dns {
    async fn addresses(&self, _: &str) -> Vec<IpAddr> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 { answers.remove(0) } else { answers.first().cloned().unwrap_or_default() }
    }
}

pub fn worker(outbox: &Arc<Outbox>, dns: Arc<Dns>, development: bool) -> DeliveryWorker<Outbox> {
    with(outbox, dns, development, Duration::from_secs(10), DeliverySettings::default())
}

pub fn with(
    outbox: &Arc<Outbox>,
    dns: Arc<Dns>,
    development: bool,
    timeout: Duration,
    settings: DeliverySettings,
) -> DeliveryWorker<Outbox> {
    DeliveryWorker::new(DeliveryParts {
        id: Uuid::from_u128(99),
        store: Arc::clone(outbox),
        clock: Arc::clone(&outbox.clock) as _,
        keys: Arc::clone(&outbox.keys),
        courier: Courier::new(dns, timeout, development).unwrap(),
        settings,
    })
}

pub type Requests = Arc<Mutex<Vec<(Uri, HeaderMap, Bytes)>>>;

/// Answers with what `answer` makes of the number of the request; returns its URL and what it got.
pub async fn serve(answer: impl Fn(usize) -> Response + Clone + Send + Sync + 'static) -> (String, Requests) {
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let mut seen = seen.lock().unwrap();
        seen.push((uri, headers, body));
        let response = answer(seen.len());
        async move { response }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}"), requests)
}

pub fn status(code: u16) -> Response {
    StatusCode::from_u16(code).unwrap().into_response()
}

pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

/// What a receiver checks, with the published set of keys.
pub fn verified(outbox: &Outbox, headers: &HeaderMap, body: &[u8]) -> bool {
    use base64::Engine as _;
    let jwks = outbox.keys.current().webhook_jwks(0, 0);
    let keys = jwks["keys"].as_array().unwrap();
    let id = header(headers, "x-turnkey-signature-key-id");
    let Some(key) = keys.iter().find(|key| key["kid"] == id) else { return false };
    let x = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(key["x"].as_str().unwrap()).unwrap();
    let body = std::str::from_utf8(body).unwrap();
    let (time, event) = (header(headers, "x-turnkey-timestamp"), header(headers, "x-turnkey-event-id"));
    let signature = hex(header(headers, "x-turnkey-signature"));
    Ed25519Key::from_bytes(&x)
        .unwrap()
        .verify(signed_input(id, time, event, body).as_bytes(), &signature)
        .is_ok()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
