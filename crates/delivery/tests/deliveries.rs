//! Deliveries to webhook endpoints, to HTTP servers on loopback: what is sent, when, and where it never goes.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test")]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use support::{START, TestClock};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vestibule_crypto::entropy::SeededEntropy;
use vestibule_crypto::keyset::KeyFile;
use vestibule_crypto::other_curves::Ed25519Key;
use vestibule_crypto::webhook::signed_input;
use vestibule_delivery::webhooks::{
    Courier, DeliveryParts, DeliveryRound, DeliverySettings, DeliveryStore, DeliveryWorker,
};
use vestibule_engine::destinations::Resolver;
use vestibule_engine::keys::KeyRing;
use vestibule_engine::model::{
    DELIVERY_LIFETIME_MS, DeliveryPayload, Organization, WaitingEndpoint, WebhookDelivery, WebhookEndpoint,
};
use vestibule_engine::store::{Outcome, StoreError};
use vestibule_engine::{Clock, outbox};
use vestibule_wire::view::Quorum;
use vestibule_wire::{Feature, FeatureName, MessageId, OrganizationId, WebhookEndpointId};

const OWNER: OrganizationId = OrganizationId(Uuid::from_u128(7));
const BODY: &str = r#"{"id":"0198aaaa","status":"ACTIVITY_STATUS_COMPLETED","text":"a \"b\" ü"}"#;

/// A delivery, who holds it, and what became of it.
type Row = (WebhookDelivery, Option<Uuid>, Option<Outcome>);

/// The outbox's contract for deliveries, in memory, and one organization.
struct Outbox {
    clock: Arc<TestClock>,
    keys: Arc<KeyRing>,
    rows: Mutex<BTreeMap<MessageId, Row>>,
    owner: Mutex<Organization>,
}

impl Outbox {
    fn new() -> Arc<Self> {
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
    fn endpoint(&self, number: u128, url: &str) -> Uuid {
        let id = WebhookEndpointId(Uuid::from_u128(number));
        let mut owner = self.owner.lock().unwrap();
        owner.webhooks.retain(|known| known.id != id);
        let (name, url, subscriptions) = ("hook".to_owned(), url.to_owned(), Vec::new());
        owner.webhooks.push(WebhookEndpoint { id, name, url, is_active: true, subscriptions });
        id.0
    }

    fn enqueue(&self, endpoint: Uuid) -> MessageId {
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
    fn outcome(&self, id: MessageId) -> Option<Outcome> {
        self.rows.lock().unwrap()[&id].2.clone()
    }

    fn due_at(&self, id: MessageId) -> i64 {
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
struct Dns {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Dns {
    fn answering(answers: &[&[&str]]) -> Arc<Self> {
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

fn worker(outbox: &Arc<Outbox>, dns: Arc<Dns>, development: bool) -> DeliveryWorker<Outbox> {
    with(outbox, dns, development, Duration::from_secs(10), DeliverySettings::default())
}

fn with(
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

type Requests = Arc<Mutex<Vec<(Uri, HeaderMap, Bytes)>>>;

/// Answers with what `answer` makes of the number of the request; returns its URL and what it got.
async fn serve(answer: impl Fn(usize) -> Response + Clone + Send + Sync + 'static) -> (String, Requests) {
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

fn status(code: u16) -> Response {
    StatusCode::from_u16(code).unwrap().into_response()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

/// What a receiver checks, with the published set of keys.
fn verified(outbox: &Outbox, headers: &HeaderMap, body: &[u8]) -> bool {
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

#[tokio::test]
async fn a_delivery_has_the_headers_of_the_contract_and_a_signature_over_the_raw_body() {
    let outbox = Outbox::new();
    let (url, requests) = serve(|_| status(204)).await;
    let id = outbox.enqueue(outbox.endpoint(1, &format!("{url}/in?key=1")));
    let round = worker(&outbox, Dns::answering(&[]), true).run_once().await.unwrap();
    assert_eq!(round, DeliveryRound { delivered: 1, ..DeliveryRound::default() });
    assert_eq!(outbox.outcome(id), Some(Outcome::Sent));
    let requests = requests.lock().unwrap();
    let (uri, headers, body) = &requests[0];
    assert_eq!((requests.len(), uri.to_string().as_str()), (1, "/in?key=1"));
    assert_eq!(body, BODY);
    assert_eq!(header(headers, "content-type"), "application/json");
    assert_eq!(header(headers, "x-turnkey-organization-id"), Uuid::from_u128(8).to_string());
    assert_eq!(header(headers, "x-turnkey-event-type"), "ACTIVITY_UPDATES");
    assert_eq!(header(headers, "x-turnkey-webhook-version"), "1");
    assert_eq!(header(headers, "x-turnkey-signature-algorithm"), "ed25519");
    assert_eq!(header(headers, "x-turnkey-signature-version"), "v1");
    assert!(header(headers, "x-turnkey-event-id").starts_with("evt_"));
    let age = outbox.clock.now_ms() - header(headers, "x-turnkey-timestamp").parse::<i64>().unwrap();
    assert!((0..60_000).contains(&age), "{age}");
    assert!(verified(&outbox, headers, body));
    assert!(!verified(&outbox, headers, &[body, &b" "[..]].concat()));
    let ours = headers.keys().filter(|name| name.as_str().starts_with("x-turnkey-")).count();
    assert_eq!(ours, 9, "{headers:?}");
}

#[tokio::test]
async fn the_legacy_webhook_gets_the_same_body_unsigned() {
    let outbox = Outbox::new();
    let (url, requests) = serve(|_| status(200)).await;
    outbox.owner.lock().unwrap().features.push(Feature { name: FeatureName::Webhook, value: url });
    outbox.enqueue(OWNER.0);
    assert_eq!(worker(&outbox, Dns::answering(&[]), true).run_once().await.unwrap().delivered, 1);
    let requests = requests.lock().unwrap();
    let (_, headers, body) = &requests[0];
    assert_eq!(body, BODY);
    assert_eq!(header(headers, "content-type"), "application/json");
    assert!(headers.keys().all(|name| !name.as_str().starts_with("x-turnkey-signature")), "{headers:?}");
}

#[tokio::test]
async fn a_failing_endpoint_is_tried_six_times_under_one_event_id_and_a_fresh_signature() {
    let outbox = Outbox::new();
    let (url, requests) = serve(|_| status(503)).await;
    let id = outbox.enqueue(outbox.endpoint(1, &url));
    let worker = worker(&outbox, Dns::answering(&[]), true);
    for (pause, at) in [5, 30, 120, 600, 3600].into_iter().zip(1..) {
        let before = outbox.clock.now_ms();
        assert_eq!(worker.run_once().await.unwrap().retried, 1, "try {at}");
        let waits = outbox.due_at(id) - pause * 1000;
        assert!((before..=outbox.clock.now_ms()).contains(&waits), "try {at}: {waits}");
        assert_eq!(worker.run_once().await.unwrap().tried(), 0, "it is not due yet");
        outbox.clock.advance(pause * 1000);
    }
    assert_eq!(worker.run_once().await.unwrap().failed, 1);
    assert_eq!(outbox.outcome(id), Some(Outcome::Failed { error: "the endpoint answered 503".to_owned() }));
    let requests = requests.lock().unwrap();
    assert_eq!(requests.len(), 6);
    let each = |name: &str| {
        let mut all: Vec<_> =
            requests.iter().map(|(_, headers, _)| header(headers, name).to_owned()).collect();
        all.dedup();
        all.len()
    };
    assert_eq!(
        (each("x-turnkey-event-id"), each("x-turnkey-timestamp"), each("x-turnkey-signature")),
        (1, 6, 6)
    );
    assert!(requests.iter().all(|(_, headers, body)| verified(&outbox, headers, body) && body == BODY));
}

#[tokio::test]
async fn an_answer_that_is_no_fault_of_the_endpoint_is_final() {
    for code in [301, 400, 401, 404, 410, 429] {
        let outbox = Outbox::new();
        let (url, requests) = serve(move |_| status(code)).await;
        let id = outbox.enqueue(outbox.endpoint(1, &url));
        let worker = worker(&outbox, Dns::answering(&[]), true);
        assert_eq!(worker.run_once().await.unwrap().failed, 1, "{code}");
        assert_eq!(
            outbox.outcome(id),
            Some(Outcome::Failed { error: format!("the endpoint answered {code}") })
        );
        outbox.clock.advance(DELIVERY_LIFETIME_MS);
        worker.run_once().await.unwrap();
        assert_eq!(requests.lock().unwrap().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (inside, hits) = serve(|_| status(200)).await;
    for answer in [Redirect::temporary(&inside), Redirect::permanent(&inside), Redirect::to(&inside)] {
        let outbox = Outbox::new();
        let (url, requests) = serve(move |_| answer.clone().into_response()).await;
        outbox.enqueue(outbox.endpoint(1, &url));
        assert_eq!(worker(&outbox, Dns::answering(&[]), true).run_once().await.unwrap().failed, 1);
        assert_eq!(requests.lock().unwrap().len(), 1);
    }
    assert_eq!(hits.lock().unwrap().len(), 0);
}

/// A listener that counts connections, and its port.
async fn listener() -> (u16, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    (port, connections)
}

#[tokio::test]
async fn a_name_that_is_bound_anew_between_check_and_connection_leads_nowhere() {
    // What was public when the endpoint was made is this machine when the connection is made.
    let (port, connections) = listener().await;
    for answers in
        [&[&["93.184.215.14"][..], &["127.0.0.1"]], &[&["93.184.215.14"], &["93.184.215.14", "127.0.0.1"]]]
    {
        let outbox = Outbox::new();
        let dns = Dns::answering(answers);
        let addresses = dns.addresses("rebind.example").await;
        let url = format!("https://rebind.example:{port}/");
        assert!(vestibule_wire::Destination::parse(&url).unwrap().may_lead_to(&addresses, false));
        let id = outbox.enqueue(outbox.endpoint(1, &url));
        assert_eq!(worker(&outbox, Arc::clone(&dns), false).run_once().await.unwrap().failed, 1);
        assert_eq!(outbox.outcome(id), Some(Outcome::Failed { error: "the host is not public".to_owned() }));
        assert_eq!(dns.asked.load(Ordering::SeqCst), 2, "once when it was made, once for the connection");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);

    // The same connection is made where it may be: the listener would have seen it.
    let outbox = Outbox::new();
    let id = outbox.enqueue(outbox.endpoint(1, &format!("https://rebind.example:{port}/")));
    let dns = Dns::answering(&[&["127.0.0.1"]]);
    let worker = with(&outbox, dns, true, Duration::from_millis(200), DeliverySettings::default());
    assert_eq!(worker.run_once().await.unwrap().retried, 1);
    assert_eq!(outbox.outcome(id), None);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn no_connection_is_made_to_an_address_that_is_not_public_however_it_is_written() {
    let (port, connections) = listener().await;
    let outbox = Outbox::new();
    let dns = Dns::answering(&[]);
    let hosts = [
        "127.0.0.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "[::]",
    ];
    for (host, number) in hosts.into_iter().zip(1..) {
        for scheme in ["https", "http"] {
            outbox.enqueue(outbox.endpoint(number, &format!("{scheme}://{host}:{port}/")));
            let round = worker(&outbox, Arc::clone(&dns), false).run_once().await.unwrap();
            assert_eq!(round.delivered, 0, "{scheme} {host}");
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_name_is_looked_up_once_for_a_connection_and_that_address_is_taken() {
    let outbox = Outbox::new();
    let (url, requests) = serve(|_| status(200)).await;
    let port = url.rsplit(':').next().unwrap();
    outbox.enqueue(outbox.endpoint(1, &format!("http://hooks.localhost:{port}/")));
    let dns = Dns::answering(&[&["127.0.0.1"], &["10.0.0.1"]]);
    assert_eq!(worker(&outbox, Arc::clone(&dns), true).run_once().await.unwrap().delivered, 1);
    assert_eq!((dns.asked.load(Ordering::SeqCst), requests.lock().unwrap().len()), (1, 1));
    let headers = &requests.lock().unwrap()[0].1;
    assert_eq!(header(headers, "host"), format!("hooks.localhost:{port}"));
}

#[tokio::test]
async fn an_endpoint_that_is_gone_off_or_moved_is_found_as_it_is_now() {
    let outbox = Outbox::new();
    let (old, at_old) = serve(|_| status(500)).await;
    let (new, at_new) = serve(|_| status(200)).await;
    let endpoint = outbox.endpoint(1, &old);
    let [moved, off, gone] = [(); 3].map(|()| outbox.enqueue(endpoint));
    let worker = worker(&outbox, Dns::answering(&[]), true);
    assert_eq!(worker.run_once().await.unwrap().retried, 3);
    let only =
        |id: MessageId| outbox.rows.lock().unwrap().get_mut(&id).unwrap().0.due_at = outbox.clock.now_ms();
    outbox.clock.advance(1000);
    outbox.endpoint(1, &new);
    only(moved);
    assert_eq!(worker.run_once().await.unwrap().delivered, 1);
    outbox.owner.lock().unwrap().webhooks[0].is_active = false;
    only(off);
    assert_eq!(worker.run_once().await.unwrap().failed, 1);
    outbox.owner.lock().unwrap().webhooks.clear();
    only(gone);
    assert_eq!(worker.run_once().await.unwrap().failed, 1);
    for id in [off, gone] {
        let error = "the endpoint is gone or switched off".to_owned();
        assert_eq!(outbox.outcome(id), Some(Outcome::Failed { error }));
    }
    assert_eq!((at_old.lock().unwrap().len(), at_new.lock().unwrap().len()), (3, 1));
}

#[tokio::test]
async fn a_delivery_that_is_too_old_is_not_made() {
    let outbox = Outbox::new();
    let (url, requests) = serve(|_| status(200)).await;
    let id = outbox.enqueue(outbox.endpoint(1, &url));
    outbox.clock.advance(DELIVERY_LIFETIME_MS);
    assert_eq!(worker(&outbox, Dns::answering(&[]), true).run_once().await.unwrap().failed, 1);
    assert_eq!(outbox.outcome(id), Some(Outcome::Failed { error: "the delivery is too old".to_owned() }));
    assert_eq!(requests.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn silence_and_absence_are_tried_again_and_a_long_answer_is_cut_off() {
    let app = Router::new().route("/never", axum::routing::post(std::future::pending::<StatusCode>)).route(
        "/endless",
        axum::routing::post(|| async {
            let chunk = || Ok::<_, std::convert::Infallible>(Bytes::from(vec![b'x'; 4096]));
            Body::from_stream(futures_util::stream::repeat_with(chunk))
        }),
    );
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(socket, app).await });
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = closed.local_addr().unwrap();
    drop(closed);
    let outbox = Outbox::new();
    let silent = outbox.enqueue(outbox.endpoint(1, &format!("http://{address}/never")));
    let absent = outbox.enqueue(outbox.endpoint(2, &format!("http://{nobody}/")));
    let endless = outbox.enqueue(outbox.endpoint(3, &format!("http://{address}/endless")));
    let timeout = Duration::from_millis(300);
    let worker = with(&outbox, Dns::answering(&[]), true, timeout, DeliverySettings::default());
    let round = worker.run_once().await.unwrap();
    assert_eq!((round.retried, round.delivered), (2, 1));
    assert_eq!(outbox.outcome(endless), Some(Outcome::Sent));
    assert!([silent, absent].into_iter().all(|id| outbox.outcome(id).is_none()));
}

#[tokio::test]
async fn an_endpoint_that_fails_again_and_again_is_tried_ever_more_seldom() {
    let outbox = Outbox::new();
    let failing = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (url, requests) = serve({
        let failing = Arc::clone(&failing);
        move |_| status(if failing.load(Ordering::SeqCst) { 500 } else { 200 })
    })
    .await;
    let endpoint = outbox.endpoint(1, &url);
    for _ in 0..200 {
        outbox.enqueue(endpoint);
    }
    let worker = worker(&outbox, Dns::answering(&[]), true);
    let per_endpoint = DeliverySettings::default().per_endpoint;
    assert_eq!(worker.run_once().await.unwrap().retried, per_endpoint, "as many as it may have at once");
    for _ in 0..5 {
        assert_eq!(worker.run_once().await.unwrap().tried(), 0, "it rests");
        outbox.clock.advance(5_000);
        assert_eq!(worker.run_once().await.unwrap().retried, 1, "one at a time");
    }
    failing.store(false, Ordering::SeqCst);
    outbox.clock.advance(5_000);
    // The first that is taken opens the gate again.
    assert!(worker.run_once().await.unwrap().delivered > per_endpoint);
    assert!(requests.lock().unwrap().len() > per_endpoint + 5);
}

#[tokio::test]
async fn an_endpoint_that_hangs_holds_up_no_other() {
    let outbox = Outbox::new();
    let (hanging, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let taken = Arc::new(Semaphore::new(0));
    let app = Router::new()
        .route(
            "/hang",
            axum::routing::post({
                let (hanging, most) = (Arc::clone(&hanging), Arc::clone(&most));
                move || async move {
                    most.fetch_max(hanging.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::future::pending::<StatusCode>().await
                }
            }),
        )
        .route(
            "/quick",
            axum::routing::post({
                let taken = Arc::clone(&taken);
                move || async move {
                    taken.add_permits(1);
                    StatusCode::OK
                }
            }),
        );
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(socket, app).await });
    let dead = outbox.endpoint(1, &format!("{url}/hang"));
    for _ in 0..500 {
        outbox.enqueue(dead);
    }
    let quick = outbox.endpoint(2, &format!("{url}/quick"));
    let wanted: HashMap<MessageId, ()> = (0..100).map(|_| (outbox.enqueue(quick), ())).collect();
    let settings = DeliverySettings { max_in_flight: 8, per_endpoint: 4, ..DeliverySettings::default() };
    let settings = DeliverySettings { drain: Duration::from_millis(50), ..settings };
    let worker = with(&outbox, Dns::answering(&[]), true, Duration::from_secs(600), settings);
    let (wake, shutdown) = (Arc::new(Notify::new()), CancellationToken::new());
    let running = tokio::spawn({
        let (wake, shutdown) = (Arc::clone(&wake), shutdown.clone());
        async move { worker.run(&wake, &shutdown).await }
    });
    // All of the quick endpoint's arrive while the other one keeps its places for ever.
    taken.acquire_many(100).await.unwrap().forget();
    shutdown.cancel();
    running.await.unwrap();
    assert!((1..=4).contains(&most.load(Ordering::SeqCst)), "{most:?}");
    assert!(
        wanted.keys().all(|id| outbox.outcome(*id) == Some(Outcome::Sent)),
        "what was under way was finished"
    );
    // What hung was given back at once, without counting as a pause.
    let rows = outbox.rows.lock().unwrap();
    let back = rows.values().filter(|(delivery, lessee, _)| delivery.endpoint_id == dead && lessee.is_none());
    assert_eq!(back.count(), 500);
}

#[tokio::test]
async fn the_outcomes_are_counted() {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    let outbox = Outbox::new();
    let (url, _) = serve(|number| status([200, 500, 404][(number - 1) % 3])).await;
    let endpoint = outbox.endpoint(1, &url);
    let worker = worker(&outbox, Dns::answering(&[]), true);
    let guard = metrics::set_default_local_recorder(&recorder);
    for _ in 0..3 {
        outbox.enqueue(endpoint);
        worker.run_once().await.unwrap();
    }
    outbox.owner.lock().unwrap().webhooks.clear();
    outbox.enqueue(endpoint);
    worker.run_once().await.unwrap();
    drop(guard);
    let mut counted: Vec<(String, u64)> = Vec::new();
    for (key, _, _, value) in snapshots.snapshot().into_vec() {
        if let (DebugValue::Counter(count), "vestibule_webhooks_total") = (value, key.key().name()) {
            counted.push((key.key().labels().next().unwrap().value().to_owned(), count));
        }
    }
    counted.sort();
    let expected = [("delivered", 1), ("dropped", 1), ("refused", 1), ("retried", 1)];
    assert_eq!(counted, expected.map(|(outcome, count)| (outcome.to_owned(), count)));
}
