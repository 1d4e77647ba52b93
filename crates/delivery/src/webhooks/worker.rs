//! The worker that delivers to webhook endpoints: looks for endpoints with something due, claims a share for each, posts, and
//! records what became of it.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use vestibule_engine::Clock;
use vestibule_engine::keys::KeyRing;
use vestibule_engine::model::{Millis, Organization, WaitingEndpoint, WebhookDelivery};
use vestibule_engine::outbox;
use vestibule_engine::store::{Outcome, StoreError};

use super::courier::{Answer, Courier};
use super::health::Health;
use super::schedule::pause_after;
use super::store::DeliveryStore;
use crate::outbox::{PAUSE, ended_early, finish, record, until};

/// What tasks are about, in logs.
const WHAT: &str = "webhook deliveries";
/// Endpoints looked at in one go.
const PAGE: u32 = 64;

/// Limits of a worker.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// Deliveries under way at once. Endpoints that fail share a quarter of them.
    pub max_in_flight: usize,
    /// Of these to one endpoint.
    pub per_endpoint: usize,
    /// How long a claim holds; longer than the courier waits for an answer by what recording may take.
    pub lease: Duration,
    /// How often to look for deliveries that nobody announced: those of other nodes, and of nodes that died.
    pub poll: Duration,
    /// How long a shutdown waits for deliveries under way before it gives them back.
    pub drain: Duration,
}

impl Default for DeliverySettings {
    /// 64 at once, 16 to one endpoint, 60 s lease, a look every 5 s, 10 s to drain.
    fn default() -> Self {
        Self {
            max_in_flight: 64,
            per_endpoint: 16,
            lease: Duration::from_secs(60),
            poll: Duration::from_secs(5),
            drain: Duration::from_secs(10),
        }
    }
}

/// What a worker is made of.
pub struct DeliveryParts<S: DeliveryStore + ?Sized> {
    /// Names this worker in leases; random, one per process start.
    pub id: Uuid,
    /// The outbox.
    pub store: Arc<S>,
    /// The clock that retries follow.
    pub clock: Arc<dyn Clock>,
    /// Opens and signs deliveries.
    pub keys: Arc<KeyRing>,
    /// Posts them.
    pub courier: Courier,
    /// Limits.
    pub settings: DeliverySettings,
}

/// What one round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeliveryRound {
    /// Taken by their endpoints.
    pub delivered: usize,
    /// To be tried again.
    pub retried: usize,
    /// Given up.
    pub failed: usize,
    /// Of all of these, outcomes that are not recorded: the lease was lost, or the store stayed away.
    pub unrecorded: usize,
}

impl DeliveryRound {
    fn count(&mut self, done: &Done) {
        match done.outcome {
            Outcome::Sent => self.delivered += 1,
            Outcome::Retry { .. } => self.retried += 1,
            Outcome::Failed { .. } => self.failed += 1,
        }
        self.unrecorded += usize::from(!done.recorded);
    }

    /// Deliveries that were tried.
    pub fn tried(&self) -> usize {
        self.delivered + self.retried + self.failed
    }
}

struct Shared<S: DeliveryStore + ?Sized> {
    id: Uuid,
    store: Arc<S>,
    clock: Arc<dyn Clock>,
    keys: Arc<KeyRing>,
    courier: Courier,
    settings: DeliverySettings,
    health: Mutex<Health>,
}

/// A delivery that was tried.
struct Done {
    endpoint: Uuid,
    outcome: Outcome,
    recorded: bool,
}

/// Deliveries under way, by endpoint.
#[derive(Default)]
struct InFlight(HashMap<Uuid, usize>);

impl InFlight {
    fn of(&self, endpoint: Uuid) -> usize {
        self.0.get(&endpoint).copied().unwrap_or(0)
    }

    fn total(&self) -> usize {
        self.0.values().sum()
    }

    fn add(&mut self, endpoint: Uuid, count: usize) {
        if count > 0 {
            *self.0.entry(endpoint).or_default() += count;
        }
    }

    fn remove(&mut self, endpoint: Uuid) {
        if let Some(count) = self.0.get_mut(&endpoint) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&endpoint);
            }
        }
    }
}

/// What a look found.
struct Look {
    claimed: Vec<(Arc<Option<Organization>>, WebhookDelivery)>,
    /// Whether another look may find more at once.
    more: bool,
    /// When the next delivery is due that was seen.
    next: Option<Millis>,
}

/// Delivers what the outbox holds for webhook endpoints.
pub struct DeliveryWorker<S: DeliveryStore + ?Sized> {
    shared: Arc<Shared<S>>,
}

impl<S: DeliveryStore + ?Sized + 'static> DeliveryWorker<S> {
    /// Makes a worker; it does nothing before [`DeliveryWorker::run`] or [`DeliveryWorker::run_once`].
    pub fn new(parts: DeliveryParts<S>) -> Self {
        let DeliveryParts { id, store, clock, keys, courier, mut settings } = parts;
        settings.max_in_flight = settings.max_in_flight.max(4);
        settings.per_endpoint = settings.per_endpoint.clamp(1, settings.max_in_flight);
        let health = Mutex::default();
        Self { shared: Arc::new(Shared { id, store, clock, keys, courier, settings, health }) }
    }

    /// Delivers what is due now, and returns when every outcome is recorded.
    pub async fn run_once(&self) -> Result<DeliveryRound, StoreError> {
        let never = CancellationToken::new();
        let mut round = DeliveryRound::default();
        let mut cursor = Uuid::nil();
        loop {
            let look = self.shared.look(&mut cursor, &InFlight::default()).await?;
            let tried =
                look.claimed.iter().map(|(owner, delivery)| self.shared.process(owner, delivery, &never));
            for done in join_all(tried).await {
                round.count(&done);
            }
            if !look.more {
                return Ok(round);
            }
        }
    }

    /// Delivers when `wake` announces something, when something is due, and at every poll, until `shutdown`; then finishes
    /// what it holds, or gives it back.
    pub async fn run(&self, wake: &Notify, shutdown: &CancellationToken) {
        let settings = &self.shared.settings;
        let abandon = CancellationToken::new();
        let mut tasks: JoinSet<Done> = JoinSet::new();
        let mut in_flight = InFlight::default();
        let mut cursor = Uuid::nil();
        let mut look = true;
        let mut deadline = Instant::now() + settings.poll;
        loop {
            // Listening before looking: what is announced in between is not missed.
            let woken = wake.notified();
            tokio::pin!(woken);
            look |= woken.as_mut().enable();
            if look && in_flight.total() < settings.max_in_flight && !shutdown.is_cancelled() {
                match self.shared.look(&mut cursor, &in_flight).await {
                    Ok(found) => {
                        look = found.more;
                        let poll = settings.poll;
                        let wait = found.next.map_or(poll, |at| until(at, &*self.shared.clock, poll));
                        deadline = Instant::now() + wait;
                        for (owner, delivery) in found.claimed {
                            in_flight.add(delivery.endpoint_id, 1);
                            let (shared, abandon) = (Arc::clone(&self.shared), abandon.clone());
                            tasks.spawn(async move { shared.process(&owner, &delivery, &abandon).await });
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, "cannot claim webhook deliveries");
                        look = false;
                        deadline = Instant::now() + PAUSE;
                    }
                }
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(done) = tasks.join_next(), if !tasks.is_empty() => {
                    match done {
                        Ok(done) => in_flight.remove(done.endpoint),
                        // The task catches panics itself, so that its endpoint is known.
                        Err(error) => ended_early(&error, WHAT),
                    }
                    look = true;
                }
                () = woken => look = true,
                () = std::future::ready(()), if look && in_flight.total() < settings.max_in_flight => {}
                () = tokio::time::sleep_until(deadline) => {
                    look = true;
                    deadline = Instant::now() + settings.poll;
                }
            }
        }
        finish(tasks, settings.drain, &abandon, WHAT).await;
    }
}

impl<S: DeliveryStore + ?Sized> Shared<S> {
    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a page of endpoints behind `cursor`, and claims a share of what is due for each: of the free places no
    /// endpoint takes so many that another one with something due gets none.
    async fn look(&self, cursor: &mut Uuid, in_flight: &InFlight) -> Result<Look, StoreError> {
        let page = self.store.waiting(*cursor, PAGE).await?;
        let whole_page = page.len() >= PAGE as usize;
        *cursor = page.last().filter(|_| whole_page).map_or(Uuid::nil(), |last| last.endpoint_id);
        let now = self.clock.now_ms();
        let (mut due, mut next): (Vec<Uuid>, Option<Millis>) = (Vec::new(), None);
        let mut failing = 0;
        {
            let health = self.health();
            failing +=
                in_flight.0.iter().filter(|(e, _)| health.is_failing(**e)).map(|(_, n)| n).sum::<usize>();
            for WaitingEndpoint { endpoint_id, due_at } in page {
                let at = due_at.max(health.not_before(endpoint_id));
                if at <= now {
                    due.push(endpoint_id);
                } else {
                    next = Some(next.map_or(at, |next| next.min(at)));
                }
            }
        }
        let mut free = self.settings.max_in_flight.saturating_sub(in_flight.total());
        let share = (free / due.len().max(1)).max(1);
        let mut claims = Vec::new();
        for endpoint in &due {
            let mut limit =
                self.settings.per_endpoint.saturating_sub(in_flight.of(*endpoint)).min(share).min(free);
            if self.health().is_failing(*endpoint) {
                let places = (self.settings.max_in_flight / 4).saturating_sub(failing);
                limit = limit.min(1_usize.saturating_sub(in_flight.of(*endpoint))).min(places);
                failing += limit;
            }
            if limit > 0 {
                free -= limit;
                claims.push((*endpoint, limit));
            }
        }
        let full: usize = claims.iter().map(|(_, limit)| limit).sum();
        let claimed = join_all(claims.into_iter().map(|(endpoint, limit)| self.claim(endpoint, limit))).await;
        let mut found = Vec::with_capacity(full);
        for batch in claimed {
            found.extend(batch?);
        }
        // A page behind this one, or an endpoint that gave as much as it was asked for, may have more.
        let more = whole_page || !found.is_empty();
        Ok(Look { claimed: found, more, next })
    }

    async fn claim(
        &self,
        endpoint: Uuid,
        limit: usize,
    ) -> Result<Vec<(Arc<Option<Organization>>, WebhookDelivery)>, StoreError> {
        let lease = i64::try_from(self.settings.lease.as_millis()).unwrap_or(i64::MAX);
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let claimed = self.store.claim(self.id, endpoint, limit, lease).await?;
        let Some(first) = claimed.first() else { return Ok(Vec::new()) };
        // Where the endpoint is now is its organization's to say, not that of the time of the event.
        let owner = Arc::new(self.store.owner(first.organization_id).await?);
        Ok(claimed.into_iter().map(|delivery| (Arc::clone(&owner), delivery)).collect())
    }

    /// Tries a claimed delivery once and records the outcome. Never panics.
    async fn process(
        &self,
        owner: &Option<Organization>,
        delivery: &WebhookDelivery,
        abandon: &CancellationToken,
    ) -> Done {
        let endpoint = delivery.endpoint_id;
        let tried = AssertUnwindSafe(self.attempt(owner.as_ref(), delivery, abandon)).catch_unwind().await;
        let (answer, reached) =
            tried.unwrap_or_else(|_| (Answer::Later("the delivery panicked".to_owned()), false));
        let now = self.clock.now_ms();
        let abandoned = abandon.is_cancelled() && matches!(answer, Answer::Later(_));
        if reached && !abandoned {
            match &answer {
                Answer::Taken | Answer::Refused(_) => self.health().answered(endpoint),
                Answer::Later(_) => self.health().failed(endpoint, now),
            }
        }
        let (outcome, label) = match answer {
            Answer::Taken => (Outcome::Sent, "delivered"),
            Answer::Refused(error) => {
                (Outcome::Failed { error }, if reached { "refused" } else { "dropped" })
            }
            Answer::Later(error) if abandoned => (Outcome::Retry { at: now, error }, "retried"),
            Answer::Later(error) => match pause_after(delivery.attempts) {
                Some(pause) if now + pause < delivery.expires_at => {
                    (Outcome::Retry { at: now + pause, error }, "retried")
                }
                _ => (Outcome::Failed { error }, "failed"),
            },
        };
        metrics::counter!("vestibule_webhooks_total", "outcome" => label).increment(1);
        let (attempt, event_id) = (delivery.attempts, delivery.event_id);
        match &outcome {
            Outcome::Sent => {
                let seconds = (now - delivery.created_at).max(0) as f64 / 1000.0;
                metrics::histogram!("vestibule_webhook_seconds").record(seconds);
                tracing::debug!(%endpoint, %event_id, attempt, "event delivered");
            }
            Outcome::Retry { error, .. } => {
                tracing::info!(%endpoint, %event_id, attempt, error, "event not delivered, will be tried again");
            }
            Outcome::Failed { error } => {
                tracing::warn!(%endpoint, %event_id, attempt, error, "event given up");
            }
        }
        let recorded = self.record(delivery, &outcome).await;
        Done { endpoint, outcome, recorded }
    }

    /// What came of it, and whether the endpoint was asked at all.
    async fn attempt(
        &self,
        owner: Option<&Organization>,
        delivery: &WebhookDelivery,
        abandon: &CancellationToken,
    ) -> (Answer, bool) {
        let now = self.clock.now_ms();
        if delivery.expires_at <= now {
            return (Answer::Refused("the delivery is too old".to_owned()), false);
        }
        let Some(to) = owner.and_then(|owner| owner.addressee(delivery.endpoint_id)) else {
            return (Answer::Refused("the endpoint is gone or switched off".to_owned()), false);
        };
        let keys = self.keys.current();
        let payload = match outbox::open_delivery(&keys, delivery) {
            Ok(payload) => payload,
            Err(error) => return (Answer::Refused(error.to_string()), false),
        };
        let posted = self.courier.post(&to, delivery, payload, &keys, (now, self.clock.wall_ms()));
        tokio::select! {
            biased;
            answer = posted => (answer, true),
            () = abandon.cancelled() => {
                (Answer::Later("the server shut down before the endpoint answered".to_owned()), true)
            }
        }
    }

    /// Records an outcome; a store that is away for a moment must not cause a second delivery.
    async fn record(&self, delivery: &WebhookDelivery, outcome: &Outcome) -> bool {
        let event_id = delivery.event_id;
        let settle = || self.store.settle(delivery.id, self.id, outcome);
        let not_yet = |error: &StoreError| tracing::warn!(%event_id, %error, "the delivery's outcome is not recorded yet");
        let recorded = record(settle, not_yet).await;
        match &recorded {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(%event_id, "the delivery's lease went to another worker; it may be made twice");
            }
            Err(error) => {
                tracing::error!(%event_id, %error, "the delivery's outcome is not recorded; it may be made twice");
            }
        }
        recorded.unwrap_or(false)
    }
}
