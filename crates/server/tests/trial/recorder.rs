//! Writes down what was sent and what came back.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tokio::time::Instant;
use vestibule_crypto::fingerprint::sha256;
use vestibule_history::{
    Bounds, Delivery, Event, Fault, Header, History, Operation, Outcome, Report, Violation,
};

use super::{Spot, ids};
use crate::client::provider::Text;
use crate::client::{Reply, Request};

/// Nodes, database and recorder have one machine's clock.
pub const BOUNDS: Bounds = Bounds { skew_ms: 250 };

/// SHA-256 in hex.
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(sha256(bytes))
}

/// A history in the making.
pub struct Recorder {
    name: String,
    started: Instant,
    history: Mutex<History>,
}

impl Recorder {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), started: Instant::now(), history: Mutex::default() }
    }

    /// Something is done to the servers.
    pub fn fault(&self, what: &str) {
        let at_us = self.at_us(Instant::now());
        println!("{:>9.3} s: {what}", at_us as f64 / 1e6);
        self.history.lock().unwrap().faults.push(Fault { at_us, what: what.to_owned() });
    }

    /// Sends a request to a node and records what comes of it.
    pub async fn send(
        &self,
        who: &str,
        spot: &Spot,
        operation: &Operation,
        request: &Request,
    ) -> Option<Reply> {
        let began_us = self.at_us(Instant::now());
        let reply = spot.client.send(request).await;
        let ended_us = self.at_us(Instant::now());
        let outcome = match &reply {
            None => Outcome::Lost,
            Some(Reply { status: 200, body }) => Outcome::Acknowledged(ids(operation, body)),
            Some(Reply { status: 503, .. }) => Outcome::Unavailable,
            Some(Reply { status: status @ 400..=499, body }) => {
                let message = body["message"].as_str().unwrap_or_default().to_owned();
                Outcome::Refused { status: *status, message }
            }
            Some(Reply { status, .. }) => Outcome::Failed { status: *status },
        };
        self.history.lock().unwrap().events.push(Event {
            client: who.to_owned(),
            node: spot.name.clone(),
            operation: operation.clone(),
            bytes: digest(request.bytes()),
            began_us,
            ended_us,
            outcome,
        });
        reply
    }

    /// What the provider took.
    pub fn deliveries(&self, texts: &[Text]) {
        let deliveries = texts.iter().map(|text| Delivery {
            contact: text.to.clone(),
            otp: text.otp_id.clone(),
            at_us: self.at_us(text.at),
        });
        self.history.lock().unwrap().deliveries.extend(deliveries);
    }

    /// What was recorded so far.
    pub fn look<T>(&self, at: impl FnOnce(&History) -> T) -> T {
        at(&self.history.lock().unwrap())
    }

    /// Keeps the history in a file and has it checked.
    pub fn judge(&self, nodes: Vec<String>) -> Report {
        let mut history = self.history.lock().unwrap();
        history.header = Header { name: self.name.clone(), nodes };
        let file = self.keep(&history);
        let report = vestibule_history::check(&history, BOUNDS);
        println!("{}: {}\n{report}", file.display(), self.name);
        report
    }

    /// Every violation, and the requests that prove it.
    pub fn explain(&self, report: &Report) -> String {
        let history = self.history.lock().unwrap();
        let explain = |violation: &Violation| {
            let events = violation.events.iter().map(|&index| format!("\n    {:?}", history.events[index]));
            format!("{:?}: {}{}\n", violation.rule, violation.what, events.collect::<String>())
        };
        report.violations.iter().map(explain).collect()
    }

    fn keep(&self, history: &History) -> PathBuf {
        let file = histories().join(format!("{}.jsonl", self.name.replace(' ', "-")));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        vestibule_history::write(history, BufWriter::new(File::create(&file).unwrap())).unwrap();
        file
    }

    fn at_us(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.started).as_micros().try_into().unwrap()
    }
}

impl Drop for Recorder {
    /// A trial that fails on its way leaves what it has.
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(history) = self.history.lock()
        {
            self.keep(&history);
        }
    }
}

/// `target/histories`, wherever cargo builds.
fn histories() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().unwrap().join("histories")
}
