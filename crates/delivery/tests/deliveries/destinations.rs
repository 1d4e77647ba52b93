//! Where a delivery never goes, whatever an endpoint, a name or an answer says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::{IntoResponse, Redirect};
use vestibule_delivery::webhooks::DeliverySettings;
use vestibule_engine::destinations::Resolver;
use vestibule_engine::store::Outcome;

use crate::site::{Dns, Outbox, header, serve, status, with, worker};

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
