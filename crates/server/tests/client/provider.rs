//! A provider of SMS that runs in the test and remembers what it was handed.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// How long a message may take before a test gives up on it.
const DEADLINE: Duration = Duration::from_secs(60);

/// The secret of its webhook.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A message that was taken.
#[derive(Debug, Clone)]
pub struct Text {
    pub message_id: String,
    pub otp_id: String,
    pub to: String,
    pub text: String,
    /// The node that handed it over.
    pub via: String,
    pub at: Instant,
}

/// Takes messages from any number of nodes.
pub struct Provider {
    url: String,
    texts: Mutex<Vec<Text>>,
    /// Nodes that get no answer for now, and how many messages each of them waits for.
    mute: Mutex<HashMap<String, usize>>,
    is_reliable: AtomicBool,
    offered: AtomicUsize,
    news: Notify,
}

impl Provider {
    /// Starts it on a free port, for as long as the runtime lives.
    pub async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sms", listener.local_addr().unwrap());
        let provider = Arc::new(Self {
            url,
            texts: Mutex::default(),
            mute: Mutex::default(),
            is_reliable: AtomicBool::new(true),
            offered: AtomicUsize::new(0),
            news: Notify::new(),
        });
        let router = Router::new().route("/sms/{node}", post(take)).with_state(Arc::clone(&provider));
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// The webhook that a node is given.
    pub fn url(&self, node: &str) -> String {
        format!("{}/{node}", self.url)
    }

    /// While it is not reliable it takes every other message, and leaves the nodes waiting with the rest.
    pub fn set_reliable(&self, is_reliable: bool) {
        self.is_reliable.store(is_reliable, Ordering::SeqCst);
    }

    /// From now on takes what a node hands over, and leaves it waiting for the answer.
    pub fn mute(&self, node: &str) {
        self.mute.lock().unwrap().insert(node.to_owned(), 0);
    }

    /// Answers a node again, and everything it waits for.
    pub fn unmute(&self, node: &str) {
        self.mute.lock().unwrap().remove(node);
        self.news.notify_waiters();
    }

    /// How many messages of a mute node were taken and not answered.
    pub fn held(&self, node: &str) -> usize {
        self.mute.lock().unwrap().get(node).copied().unwrap_or_default()
    }

    /// What was taken for a number, oldest first.
    pub fn texts(&self, number: &str) -> Vec<Text> {
        self.all().into_iter().filter(|text| text.to == number).collect()
    }

    /// Everything that was taken, oldest first.
    pub fn all(&self) -> Vec<Text> {
        self.texts.lock().unwrap().clone()
    }

    /// The code of an attempt, once it is there.
    pub async fn code(&self, otp_id: &str) -> String {
        let code =
            self.until(|texts| texts.iter().find(|text| text.otp_id == otp_id).map(|text| text.text.clone()));
        timeout(DEADLINE, code).await.unwrap_or_else(|_| panic!("no code for {otp_id}"))
    }

    /// The answer to a question about everything that was taken, once there is one.
    pub async fn until<T>(&self, mut ask: impl FnMut(&[Text]) -> Option<T>) -> T {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            if let Some(answer) = ask(&self.texts.lock().unwrap()) {
                return answer;
            }
            news.await;
        }
    }
}

async fn take(State(provider): State<Arc<Provider>>, Path(node): Path<String>, body: String) -> StatusCode {
    let offered = provider.offered.fetch_add(1, Ordering::SeqCst);
    if !provider.is_reliable.load(Ordering::SeqCst) && offered.is_multiple_of(2) {
        std::future::pending::<()>().await;
    }
    let body: Value = serde_json::from_str(&body).unwrap();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    provider.texts.lock().unwrap().push(Text {
        message_id: text("messageId"),
        otp_id: text("otpId"),
        to: text("to"),
        text: text("text"),
        via: node.clone(),
        at: Instant::now(),
    });
    if let Some(held) = provider.mute.lock().unwrap().get_mut(&node) {
        *held += 1;
    }
    provider.news.notify_waiters();
    provider.until(|_| (!provider.mute.lock().unwrap().contains_key(&node)).then_some(())).await;
    StatusCode::NO_CONTENT
}
