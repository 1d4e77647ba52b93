//! What a delivery says, how often it is made, and what its answer comes to.

use uuid::Uuid;
use vestibule_delivery::webhooks::DeliveryRound;
use vestibule_engine::Clock;
use vestibule_engine::model::DELIVERY_LIFETIME_MS;
use vestibule_engine::store::Outcome;
use vestibule_wire::{Feature, FeatureName};

use crate::site::{BODY, Dns, OWNER, Outbox, header, serve, status, verified, worker};

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
