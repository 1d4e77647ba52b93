//! SIGKILL between the answer and the message: every code that was promised still leaves, and works.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod client;
mod site;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use client::{Attempt, Client, DEADLINE, Request, Source};
use futures_util::future::join_all;
use site::{Setup, Site};
use tokio::sync::Notify;
use tokio::time::timeout;
use vestibule_wire::ActivityType;

const ROUNDS: usize = 3;
const STREAMS: usize = 16;
const ACKNOWLEDGEMENTS: usize = 80;

/// A request for a code, the number it goes to, and the attempt if the answer came.
type Wanted = (Request, String, Option<Attempt>);

/// Requests codes for fresh numbers until the connection breaks.
async fn want(client: Client, first: usize, enough: Arc<Enough>) -> Vec<Wanted> {
    let mut all = Vec::new();
    for n in (first..).step_by(STREAMS) {
        let number = format!("+1415555{n:04}");
        let request = client.init(ActivityType::InitOtpV3, &number);
        let reply = client.send(&request).await;
        let attempt = reply.as_ref().map(|reply| Attempt::of(&number, reply));
        all.push((request, number, attempt));
        if reply.is_none() {
            break;
        }
        enough.count();
    }
    all
}

#[derive(Default)]
struct Enough {
    acknowledged: AtomicUsize,
    reached: Notify,
}

impl Enough {
    fn count(&self) {
        if self.acknowledged.fetch_add(1, Ordering::SeqCst) + 1 == ACKNOWLEDGEMENTS {
            self.reached.notify_one();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promised_code_leaves_and_works_although_the_server_is_killed() {
    let site = Site::new().await;
    let setup = Setup { send_timeout_s: 1, lease_s: 12, ..Setup::embedded("node") };
    site.provider.set_reliable(false);
    let source = Source::new(30);
    let mut server = site.start(&setup);
    let backend = site.tenant(&setup, &server, &source).client;
    let mut wanted: Vec<Wanted> = Vec::new();
    for round in 0..ROUNDS {
        let enough = Arc::new(Enough::default());
        let first = round * 1000;
        let streams: Vec<_> = (0..STREAMS)
            .map(|n| tokio::spawn(want(backend.at(&server), first + n, Arc::clone(&enough))))
            .collect();
        timeout(DEADLINE, enough.reached.notified()).await.expect("the server is too slow");
        server.signal("KILL");
        server.wait();
        for stream in join_all(streams).await {
            wanted.extend(stream.unwrap());
        }
        server = site.start(&setup);
    }

    site.provider.set_reliable(true);
    let client = backend.at(&server);
    let unanswered = wanted.iter().filter(|(_, _, attempt)| attempt.is_none()).count();
    let missing = wanted.iter().filter(|(_, number, _)| site.provider.texts(number).is_empty());
    let missing = missing.count();
    println!("{} codes wanted, {unanswered} without an answer, {missing} not yet sent", wanted.len());
    assert!(missing > ROUNDS, "the kills met too few messages");
    for (request, number, attempt) in wanted {
        let attempt = match attempt {
            Some(attempt) => attempt,
            None => Attempt::of(&number, &client.ask(&request).await),
        };
        let code = client.code(&attempt).await.unwrap();
        let texts = site.provider.texts(&number);
        assert!(texts.iter().all(|text| text.text == code), "{number}: {texts:?}");
        let guess = client.guess(&attempt, &code, &source.key());
        client.ask(&guess).await.text("verificationToken");
    }
    server.stop();
}
