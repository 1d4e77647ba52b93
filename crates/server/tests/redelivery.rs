//! SIGKILL between the answer and the message: every code that was promised still leaves, and works.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod client;
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use client::{Attempt, Client, DEADLINE, Request, Source};
use futures_util::future::join_all;
use serde_json::{Value, json};
use support::{Server, command, stderr, workspace};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use vestibule_wire::ActivityType;

const ROUNDS: usize = 3;
const STREAMS: usize = 16;
const ACKNOWLEDGEMENTS: usize = 80;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A provider of SMS that takes every other message, and leaves the server waiting with the rest.
#[derive(Default)]
struct Provider {
    reliable: AtomicBool,
    offered: AtomicUsize,
    /// The texts taken, by number.
    taken: Mutex<BTreeMap<String, Vec<String>>>,
    news: Notify,
}

impl Provider {
    async fn start() -> (Arc<Self>, String) {
        let provider = Arc::new(Self::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sms", listener.local_addr().unwrap());
        let router = Router::new().route("/sms", post(take)).with_state(Arc::clone(&provider));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (provider, url)
    }

    /// The text for a number, once it is there. All texts for a number are the same.
    async fn text(&self, number: &str) -> String {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if let Some(texts) = self.taken.lock().unwrap().get(number) {
                assert!(texts.iter().all(|text| *text == texts[0]), "{number}: {texts:?}");
                return texts[0].clone();
            }
            news.await;
        }
    }
}

async fn take(State(provider): State<Arc<Provider>>, body: String) -> StatusCode {
    let offered = provider.offered.fetch_add(1, Ordering::SeqCst);
    if !provider.reliable.load(Ordering::SeqCst) && offered.is_multiple_of(2) {
        std::future::pending::<()>().await;
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    provider.taken.lock().unwrap().entry(text("to")).or_default().push(text("text"));
    provider.news.notify_waiters();
    StatusCode::NO_CONTENT
}

fn program(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = command(directory);
    command.args(arguments).env("VESTIBULE_SMS_WEBHOOK_SECRET", SECRET);
    command
}

fn run(directory: &Path, arguments: &[&str]) -> String {
    let output = program(directory, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    support::stdout(&output)
}

fn start(directory: &Path) -> Server {
    Server::start(directory, &mut program(directory, &["serve", "--config", "vestibule.toml"]))
}

/// An organization, and its backend's private key.
fn tenant(directory: &Path) -> (String, String) {
    let made = run(directory, &["org", "create", "--config", "vestibule.toml", "--name", "Acme"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("organizationId"), text("apiPrivateKey"))
}

fn bundle_signer(server: &Server) -> String {
    let published = server.get("/.well-known/vestibule/keys");
    let keys = published["keys"].as_array().unwrap();
    let signer = keys.iter().find(|key| key["role"] == "bundle-signer" && key["state"] == "active");
    signer.unwrap_or_else(|| panic!("{published}"))["uncompressedHex"].as_str().unwrap().to_owned()
}

/// A request for a code, the number it goes to, and the attempt if the answer came.
type Wanted = (Request, String, Option<Attempt>);

/// Requests codes for fresh numbers until the connection breaks.
async fn want(client: Client, first: usize, enough: Arc<Enough>) -> Vec<Wanted> {
    let mut all = Vec::new();
    for n in (first..).step_by(STREAMS) {
        let number = format!("+1415555{n:04}");
        let request = client.activity(
            ActivityType::InitOtpV3,
            &json!({
                "otpType": "OTP_TYPE_SMS", "contact": number, "appName": "Acme",
                "smsCustomization": { "template": "{{ .OtpCode }}" },
            }),
        );
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
    let directory = workspace();
    let directory = directory.path();
    let (provider, url) = Provider::start().await;
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = \"data\"\n[keys]\nfile = \"keys.json\"\n\
         [sms]\nwebhook_url = \"{url}\"\n[delivery]\nsend_timeout_seconds = 1\nlease_seconds = 2\n"
    );
    std::fs::write(directory.join("vestibule.toml"), config).unwrap();
    run(directory, &["keys", "generate", "--out", "keys.json"]);

    let source = Source::new(30);
    let mut server = start(directory);
    let (organization, key) = tenant(directory);
    let client = |server: &Server| Client::new(server, &source, &organization, &key, &bundle_signer(server));
    let mut wanted: Vec<Wanted> = Vec::new();
    for round in 0..ROUNDS {
        let enough = Arc::new(Enough::default());
        let first = round * 1000;
        let streams: Vec<_> = (0..STREAMS)
            .map(|n| tokio::spawn(want(client(&server), first + n, Arc::clone(&enough))))
            .collect();
        timeout(DEADLINE, enough.reached.notified()).await.expect("the server is too slow");
        server.signal("KILL");
        server.wait();
        for stream in join_all(streams).await {
            wanted.extend(stream.unwrap());
        }
        server = start(directory);
    }

    provider.reliable.store(true, Ordering::SeqCst);
    let client = client(&server);
    let unanswered = wanted.iter().filter(|(_, _, attempt)| attempt.is_none()).count();
    let missing = wanted.iter().filter(|(_, number, _)| !provider.taken.lock().unwrap().contains_key(number));
    let missing = missing.count();
    println!("{} codes wanted, {unanswered} without an answer, {missing} not yet sent", wanted.len());
    assert!(missing > ROUNDS, "the kills met too few messages");
    for (request, number, attempt) in wanted {
        let attempt = match attempt {
            Some(attempt) => attempt,
            None => Attempt::of(&number, &client.ask(&request).await),
        };
        let code = timeout(DEADLINE, provider.text(&number)).await;
        let code = code.unwrap_or_else(|_| panic!("no code for {number}: {}", server.log()));
        let guess = client.guess(&attempt, &code, &source.key());
        client.ask(&guess).await.text("verificationToken");
    }
    server.stop();
}
