//! The outbox's outcomes and the purge. The same for both stores.

use async_trait::async_trait;
use vestibule_engine::Clock;
use vestibule_engine::model::{DELIVERY_LIFETIME_MS, Millis};
use vestibule_engine::store::{Outcome, Retention, Settlement, StoreError};
use vestibule_wire::MessageId;
use vestibule_wire::view::EmailEventType;

use crate::plan::{delivery, params};
use crate::statements::Statement as S;
use crate::value::Value;

/// A state of [`Outcome::Sent`] messages.
const SENT: i64 = 1;
/// A state of [`Outcome::Failed`] messages.
const FAILED: i64 = 2;

/// The steps that record what became of a claimed message. The last one changes one row, or none where the lease went to
/// another worker; then no event is told either. That a provider took the message, and what it said of the contact, holds
/// whoever has the lease.
pub(crate) fn settle<'a>(
    id: &'a MessageId,
    worker: &'a uuid::Uuid,
    settlement: &'a Settlement,
    now: Millis,
) -> Vec<(S, Vec<Value<'a>>)> {
    let Settlement { outcome, event, handed_over, suppress } = settlement;
    let (id, worker) = (id.as_bytes(), worker.as_bytes());
    let mut steps = Vec::with_capacity(4);
    if let Some(event) = event {
        let mut params = Vec::from(delivery::email_event_params(event));
        params.extend(params![id, worker]);
        // That a message is late is told with its first delay, whatever number of a try that is: shutdowns and crashes count, too.
        let statement = match event.event_type {
            EmailEventType::DeliveryDelay => S::InsertEmailEventOnce,
            EmailEventType::Send
            | EmailEventType::Delivery
            | EmailEventType::Bounce
            | EmailEventType::Complaint => S::InsertEmailEvent,
        };
        steps.push((statement, params));
    }
    let outcome: (S, Vec<Value<'a>>) = match outcome {
        Outcome::Sent => (S::SettleMessage, params![SENT, None::<&str>, id, worker].into()),
        Outcome::Failed { error } => (S::SettleMessage, params![FAILED, error, id, worker].into()),
        Outcome::Retry { at, error } => (S::RetryMessage, params![*at, error, id, worker].into()),
    };
    let handed_over = handed_over.as_ref().map(delivery::insert_handed_over);
    let suppress = suppress.as_ref().map(|suppress| delivery::suppress(suppress, now));
    for step in handed_over.into_iter().chain(suppress) {
        steps.push((step.statement, step.params));
    }
    steps.push(outcome);
    steps
}

/// The same for a delivery to a webhook endpoint, which waits in a state of its own.
pub(crate) fn settle_delivery<'a>(
    id: &'a MessageId,
    worker: &'a uuid::Uuid,
    outcome: &'a Outcome,
) -> (S, [Value<'a>; 4]) {
    let (id, worker) = (id.as_bytes(), worker.as_bytes());
    match outcome {
        Outcome::Sent => (S::SettleDelivery, params![SENT, None::<&str>, id, worker]),
        Outcome::Failed { error } => (S::SettleDelivery, params![FAILED, error, id, worker]),
        Outcome::Retry { at, error } => (S::RetryDelivery, params![*at, error, id, worker]),
    }
}

/// A key that a walk found, and when it was last touched.
pub(crate) type IdleKey = ([u8; 16], [u8; 32]);

/// Rows to remove.
#[derive(Debug, Clone)]
pub(crate) enum Deletion {
    /// The oldest rows up to a time, at most so many.
    Aged { statement: S, until: Millis, batch: u32 },
    /// One row that was idle since a time, and whose slots are free now.
    Idle { statement: S, key: IdleKey, since: Millis, now: Option<Millis> },
}

impl Deletion {
    pub(crate) fn statement(&self) -> S {
        match self {
            Self::Aged { statement, .. } | Self::Idle { statement, .. } => *statement,
        }
    }

    pub(crate) fn params(&self) -> Vec<Value<'_>> {
        match self {
            Self::Aged { statement: _, until, batch } => params![*until, *batch].into(),
            Self::Idle { statement: _, key, since, now } => {
                let mut params = Vec::from(params![&key.0, &key.1, *since]);
                params.extend(now.map(Value::Int));
                params
            }
        }
    }
}

/// What a purge asks of a store.
#[async_trait]
pub(crate) trait Purger: Sync {
    /// Removes rows in one transaction; returns how many went.
    async fn delete(&self, deletions: Vec<Deletion>) -> Result<u64, StoreError>;

    /// A stretch of a table of limits behind a key.
    async fn walk(&self, walk: S, from: &IdleKey, batch: u32) -> Result<Vec<(IdleKey, Millis)>, StoreError>;
}

/// Purges in small transactions, so that commits go on in between.
pub(crate) async fn purge(
    store: &dyn Purger,
    clock: &dyn Clock,
    retention: &Retention,
) -> Result<u64, StoreError> {
    let Retention { activities_ms, expired_credentials_ms, handed_over_ms, idle_limits_ms, abuse_ms, batch } =
        *retention;
    let batch = batch.max(1);
    let by_age = [
        (S::PurgeOtps, 0),
        (S::PurgeTokens, 0),
        (S::PurgeRefusedGuesses, 0),
        (S::PurgeSent, 0),
        (S::PurgeFailed, 0),
        (S::PurgeStaleDeliveries, DELIVERY_LIFETIME_MS),
        (S::PurgeCredentials, expired_credentials_ms),
        (S::PurgeActivities, activities_ms),
        (S::PurgeMessageEvents, activities_ms),
        (S::PurgeHandedOver, handed_over_ms),
        (S::PurgeCounters, 0),
        (S::PurgeAbuse, abuse_ms),
    ];
    let mut gone: u64 = 0;
    for (statement, kept_ms) in by_age {
        loop {
            // Activities stay at hand for as long as their bytes may be sent again, which in development the clock on
            // the wall decides as well (D-15).
            let wall = match statement {
                S::PurgeActivities => clock.wall_ms(),
                _ => Millis::MAX,
            };
            let until = clock.now_ms().min(wall).saturating_sub(kept_ms);
            let purged = store.delete(vec![Deletion::Aged { statement, until, batch }]).await?;
            gone += purged;
            if purged < u64::from(batch) {
                break;
            }
        }
    }
    for (walk, statement, judges_slots) in [
        (S::WalkContactLimits, S::PurgeContactLimits, true),
        (S::WalkIdentifierLimits, S::PurgeIdentifierLimits, false),
    ] {
        let mut from: IdleKey = ([0; 16], [0; 32]);
        loop {
            let found = store.walk(walk, &from, batch).await?;
            let Some((last, _)) = found.last() else { break };
            from = *last;
            let full = found.len() == batch as usize;
            let now = clock.now_ms();
            let since = now.saturating_sub(idle_limits_ms);
            let idle: Vec<Deletion> = found
                .into_iter()
                .filter(|(_, touched)| *touched <= since)
                .map(|(key, _)| Deletion::Idle { statement, key, since, now: judges_slots.then_some(now) })
                .collect();
            if !idle.is_empty() {
                gone += store.delete(idle).await?;
            }
            if !full {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    Ok(gone)
}
