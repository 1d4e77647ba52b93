//! A trial: users who sign up, mistype codes and log in at several nodes at once while something is done to the servers;
//! every request is recorded, everything is read back at the end, and the checker has the last word.

#![allow(dead_code, reason = "each test file uses its own part")]

mod final_phase;
mod recorder;
mod stories;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use vestibule_history::{Ids, Operation, Report};

use crate::client::provider::Provider;
use crate::client::{Client, DEADLINE, Reply, Request};

pub use recorder::{Recorder, digest};
use stories::Known;

/// How long a client waits before it tries another node.
const BACKOFF: Duration = Duration::from_millis(25);
/// How long a client waits for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A node as clients know it.
#[derive(Clone)]
pub struct Spot {
    pub name: String,
    pub client: Client,
}

/// Everything that the users of a trial share.
pub struct Trial {
    pub recorder: Recorder,
    pub provider: Arc<Provider>,
    spots: RwLock<Vec<Spot>>,
    turn: AtomicUsize,
    is_over: AtomicBool,
    answered: AtomicUsize,
    known: Known,
}

impl Trial {
    pub fn new(name: &str, provider: &Arc<Provider>, spots: Vec<Spot>) -> Arc<Self> {
        let spots = spots.into_iter().map(Spot::patient).collect();
        Arc::new(Self {
            recorder: Recorder::new(name),
            provider: Arc::clone(provider),
            spots: RwLock::new(spots),
            turn: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            answered: AtomicUsize::new(0),
            known: Known::default(),
        })
    }

    /// Starts so many users, who go on until [`Trial::finish`].
    pub fn users(self: &Arc<Self>, count: usize) -> JoinSet<()> {
        let mut users = JoinSet::new();
        for number in 0..count {
            let trial = Arc::clone(self);
            users.spawn(async move { trial.user(number).await });
        }
        users
    }

    /// Resolves when so many more requests have been answered, by anything but 503.
    pub async fn more(&self, count: usize) {
        let enough = self.answered.load(Ordering::SeqCst) + count;
        let deadline = Instant::now() + DEADLINE;
        while self.answered.load(Ordering::SeqCst) < enough {
            assert!(Instant::now() < deadline, "the nodes answer nothing any more");
            sleep(BACKOFF).await;
        }
    }

    /// A node is there no longer; nobody turns to it.
    pub fn forget(&self, name: &str) {
        self.spots.write().unwrap().retain(|spot| spot.name != name);
    }

    /// A node is there again, or for the first time.
    pub fn add(&self, spot: Spot) {
        self.spots.write().unwrap().push(spot.patient());
    }

    /// Ends the users, each at the end of a story.
    pub async fn rest(&self, mut users: JoinSet<()>) {
        self.is_over.store(true, Ordering::SeqCst);
        while let Some(ended) = users.join_next().await {
            ended.unwrap();
        }
    }

    /// Reads everything back on all nodes, keeps the history, and has it checked.
    pub async fn judge(&self) -> Report {
        self.read_back().await;
        self.recorder.deliveries(&self.provider.all());
        let names = self.spots().into_iter().map(|spot| spot.name).collect();
        self.recorder.judge(names)
    }

    /// Ends the users and has the history checked. Panics where a promise was broken.
    pub async fn finish(&self, users: JoinSet<()>) -> Report {
        self.rest(users).await;
        let report = self.judge().await;
        assert!(report.passed(), "{}", self.recorder.explain(&report));
        report
    }

    fn spots(&self) -> Vec<Spot> {
        self.spots.read().unwrap().clone()
    }

    /// The node whose turn it is.
    fn next(&self) -> Spot {
        let spots = self.spots.read().unwrap();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        spots[turn % spots.len()].clone()
    }

    /// Sends the same bytes to one node after the other until there is an answer other than 503.
    async fn submit(&self, who: &str, operation: &Operation, request: &Request) -> Reply {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let spot = self.next();
            let reply = self.recorder.send(who, &spot, operation, request).await;
            match reply {
                Some(reply) if reply.status != 503 => {
                    self.answered.fetch_add(1, Ordering::SeqCst);
                    return reply;
                }
                _ => {}
            }
            assert!(Instant::now() < deadline, "no node answers {who}: {operation:?}");
            sleep(BACKOFF).await;
        }
    }
}

impl Spot {
    pub fn new(name: &str, client: Client) -> Self {
        Self { name: name.to_owned(), client }
    }

    fn patient(self) -> Self {
        Self { client: self.client.with_patience(PATIENCE), ..self }
    }
}

/// What an acknowledgement of this operation names.
fn ids(operation: &Operation, body: &Value) -> Ids {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let secret = |value: &Value| value.as_str().map(|text| digest(text.as_bytes()));
    if let Operation::Whoami { .. } = operation {
        return Ids { organization: text(&body["organizationId"]), ..Ids::default() };
    }
    let activity = &body["activity"];
    let result = activity["result"].as_object().and_then(|result| result.values().next());
    let result = result.unwrap_or(&Value::Null);
    let known = Ids {
        activity: text(&activity["id"]),
        digest: Some(digest(activity.to_string().as_bytes())),
        ..Ids::default()
    };
    match operation {
        Operation::CreateUser { .. } => Ids { organization: text(&result["subOrganizationId"]), ..known },
        Operation::Init { .. } => Ids { otp: text(&result["otpId"]), ..known },
        Operation::Verify { .. } => Ids { token: secret(&result["verificationToken"]), ..known },
        Operation::Login { .. } => Ids { session: secret(&result["session"]), ..known },
        Operation::ReadActivity { .. } | Operation::Whoami { .. } => known,
    }
}
