//! The outbox worker: claims due messages, sends them, records what became of them.
//!
//! Promise: a message goes out at least once while its code lives and the channel works, and once alone unless a lease
//! or an answer is lost; no two workers hold one message; nothing is sent after its code has died; once a provider said that
//! it took a message, no other is asked; a channel that is slow, wrong or panicking delays nobody's request and does not end the
//! worker; a provider that hangs holds up those messages alone that are under way to it.

mod ask;
mod attempt;
mod event;
mod schedule;
mod store;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vestibule_engine::Clock;
use vestibule_engine::keys::KeyRing;
use vestibule_engine::model::Millis;
use vestibule_engine::store::{ClaimedMessage, Outcome, StoreError};

pub use schedule::Schedule;
pub use store::OutboxStore;

use crate::outbox::{self, PAUSE};
use crate::routing::{BreakerSettings, Router, Routing};
use crate::settings::MessageTable;
use crate::suppression::SuppressionSettings;
use ask::Crowd;
use attempt::Tried;

/// Messages that are held at once, at most, in times of those that are sent: the others wait for a turn at a provider.
const CROWD: u32 = 4;
/// Of a lease, what recording an outcome may take.
const RECORDING: Duration = Duration::from_secs(9);
/// What passes beside the conversations with providers: between the claim and the first, and from one to the next.
const BETWEEN: Duration = Duration::from_secs(1);
/// What tasks are about, in logs.
const WHAT: &str = "messages";

/// Limits of a worker.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Messages being sent at once, and claimed at once, at most. The providers share it; those that wait for their turn at one
    /// do not count.
    pub max_in_flight: u32,
    /// How long one provider may take for a message.
    pub send_timeout: Duration,
    /// How long a claim holds: at least [`WorkerSettings::least_lease`].
    pub lease: Duration,
    /// When a message that no provider of its route took is tried again.
    pub retries: Schedule,
    /// When providers that fail are left alone.
    pub breaker: BreakerSettings,
    /// How long contacts are left alone.
    pub suppression: SuppressionSettings,
    /// How often to look for messages that nobody announced: those of other nodes, and of nodes that died.
    pub poll: Duration,
    /// How long a shutdown waits for tries in flight before it abandons them and gives the messages back.
    pub drain: Duration,
}

impl Default for WorkerSettings {
    /// 32 at once, 25 s per provider, 60 s lease, retries after 1 s, 2 s, 4 s ... 30 s, a look every 5 s, 10 s to drain.
    fn default() -> Self {
        Self {
            max_in_flight: 32,
            send_timeout: Duration::from_secs(25),
            lease: Duration::from_secs(60),
            retries: Schedule { first: Duration::from_secs(1), max: Duration::from_secs(30) },
            breaker: BreakerSettings::default(),
            suppression: SuppressionSettings::default(),
            poll: Duration::from_secs(5),
            drain: Duration::from_secs(10),
        }
    }
}

impl WorkerSettings {
    /// The shortest lease under which a provider that takes its whole time leaves as much for the next one, and enough for
    /// recording.
    pub fn least_lease(send_timeout: Duration) -> Duration {
        send_timeout.saturating_mul(2).saturating_add(BETWEEN + RECORDING)
    }

    /// How long the providers of a route may take together: what recording may take is left of the lease.
    fn time_for_a_route(&self) -> Duration {
        self.lease.saturating_sub(RECORDING).max(self.send_timeout)
    }
}

/// What a worker is made of.
pub struct WorkerParts<S: OutboxStore + ?Sized> {
    /// Names this worker in leases; random, one per process start.
    pub id: Uuid,
    /// The outbox.
    pub store: Arc<S>,
    /// The clock that expiry follows.
    pub clock: Arc<dyn Clock>,
    /// Opens messages.
    pub keys: Arc<KeyRing>,
    /// Which providers they go by.
    pub routing: Routing,
    /// Who they come from, by tenant.
    pub messages: MessageTable,
    /// Limits.
    pub settings: WorkerSettings,
}

struct Shared<S: OutboxStore + ?Sized> {
    id: Uuid,
    store: Arc<S>,
    clock: Arc<dyn Clock>,
    keys: Arc<KeyRing>,
    router: Router,
    messages: MessageTable,
    settings: WorkerSettings,
    crowd: Crowd,
}

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Round {
    /// Messages claimed.
    pub claimed: usize,
    /// Handed over.
    pub sent: usize,
    /// To be tried again.
    pub retried: usize,
    /// Given up.
    pub failed: usize,
    /// Of all of these, outcomes that are not recorded: the lease was lost, or the store stayed away.
    pub unrecorded: usize,
}

impl Round {
    fn count(&mut self, tried: &Tried) {
        self.claimed += 1;
        match tried.outcome {
            Outcome::Sent => self.sent += 1,
            Outcome::Retry { .. } => self.retried += 1,
            Outcome::Failed { .. } => self.failed += 1,
        }
        self.unrecorded += usize::from(!tried.recorded);
    }

    fn add(&mut self, other: Self) {
        let Self { claimed, sent, retried, failed, unrecorded } = other;
        self.claimed += claimed;
        self.sent += sent;
        self.retried += retried;
        self.failed += failed;
        self.unrecorded += unrecorded;
    }
}

/// Sends what the outbox holds.
pub struct Worker<S: OutboxStore + ?Sized> {
    shared: Arc<Shared<S>>,
}

impl<S: OutboxStore + ?Sized + 'static> Worker<S> {
    /// Makes a worker; it does nothing before [`Worker::run`], [`Worker::run_once`] or [`Worker::drain`].
    pub fn new(parts: WorkerParts<S>) -> Self {
        let WorkerParts { id, store, clock, keys, routing, messages, mut settings } = parts;
        settings.max_in_flight = settings.max_in_flight.max(1);
        let probe = settings.send_timeout.saturating_add(Duration::from_secs(1)).as_millis();
        settings.breaker.probe_ms = i64::try_from(probe).unwrap_or(i64::MAX);
        let router = Router::new(routing, settings.breaker, settings.max_in_flight);
        let crowd = Crowd::default();
        Self { shared: Arc::new(Shared { id, store, clock, keys, router, messages, settings, crowd }) }
    }

    /// Claims what is due now, once, tries it, and returns when every outcome is recorded.
    pub async fn run_once(&self) -> Result<Round, StoreError> {
        let never = CancellationToken::new();
        let messages = self.claim(self.shared.settings.max_in_flight).await?;
        let mut round = Round::default();
        for tried in join_all(messages.iter().map(|message| self.shared.process(message, &never))).await {
            round.count(&tried);
        }
        Ok(round)
    }

    /// [`Worker::run_once`] until nothing is due.
    pub async fn drain(&self) -> Result<Round, StoreError> {
        let mut all = Round::default();
        loop {
            let round = self.run_once().await?;
            if round.claimed == 0 {
                return Ok(all);
            }
            all.add(round);
        }
    }

    /// Sends messages when `wake` announces them, when they are due, and at every poll, until `shutdown`; then finishes
    /// what it holds, or gives it back.
    pub async fn run(&self, wake: &Notify, shutdown: &CancellationToken) {
        let settings = &self.shared.settings;
        let abandon = CancellationToken::new();
        let mut tasks: JoinSet<Tried> = JoinSet::new();
        // Whether a claim may find something, and when to look again if nobody says so.
        let mut look = true;
        let mut deadline = Instant::now() + settings.poll;
        loop {
            // Listening before looking: what is announced in between is not missed.
            let woken = wake.notified();
            tokio::pin!(woken);
            look |= woken.as_mut().enable();
            let held = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
            let free = settings
                .max_in_flight
                .saturating_sub(held.saturating_sub(self.shared.crowd.waiting()))
                .min(settings.max_in_flight.saturating_mul(CROWD).saturating_sub(held));
            // Under load, fewer and larger claims.
            if look && free >= settings.max_in_flight.div_ceil(4) && !shutdown.is_cancelled() {
                match self.claim(free).await {
                    Ok(messages) => {
                        look = messages.len() >= free as usize;
                        for message in messages {
                            let (shared, abandon) = (Arc::clone(&self.shared), abandon.clone());
                            tasks.spawn(async move { shared.process(&message, &abandon).await });
                        }
                        deadline = Instant::now() + self.until_next().await;
                    }
                    Err(error) => {
                        tracing::error!(%error, "cannot claim messages");
                        look = false;
                        deadline = Instant::now() + PAUSE;
                    }
                }
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(done) = tasks.join_next(), if !tasks.is_empty() => {
                    if let Some(at) = next_try(done) {
                        deadline = deadline.min(Instant::now() + self.until(at));
                    }
                }
                () = woken => look = true,
                // Whoever waits makes room for another.
                () = self.shared.crowd.joined.notified() => {}
                () = tokio::time::sleep_until(deadline) => {
                    look = true;
                    deadline = Instant::now() + settings.poll;
                }
            }
        }
        outbox::finish(tasks, settings.drain, &abandon, WHAT).await;
    }

    async fn claim(&self, limit: u32) -> Result<Vec<ClaimedMessage>, StoreError> {
        let lease = i64::try_from(self.shared.settings.lease.as_millis()).unwrap_or(i64::MAX);
        self.shared.store.claim(self.shared.id, limit, lease).await
    }

    /// How long until the store has something due, at most the poll interval.
    async fn until_next(&self) -> Duration {
        match self.shared.store.next_due().await {
            Ok(Some(at)) => self.until(at),
            Ok(None) => self.shared.settings.poll,
            Err(error) => {
                tracing::warn!(%error, "cannot tell when the next message is due");
                self.shared.settings.poll
            }
        }
    }

    fn until(&self, at: Millis) -> Duration {
        outbox::until(at, &*self.shared.clock, self.shared.settings.poll)
    }
}

/// When a finished try wants another.
fn next_try(done: Result<Tried, JoinError>) -> Option<Millis> {
    match done {
        Ok(Tried { outcome: Outcome::Retry { at, .. }, .. }) => Some(at),
        Ok(_) => None,
        Err(error) => {
            outbox::ended_early(&error, WHAT);
            None
        }
    }
}
