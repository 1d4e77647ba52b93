//! Endpoints that move, fall silent or fail, and what the others have of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use vestibule_delivery::webhooks::DeliverySettings;
use vestibule_engine::Clock;
use vestibule_engine::store::Outcome;
use vestibule_wire::MessageId;

use crate::site::{Dns, Outbox, serve, status, with, worker};

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
