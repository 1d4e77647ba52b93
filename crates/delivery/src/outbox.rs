//! What both workers of the outbox, that of messages and that of deliveries to webhook endpoints, do alike.
//!
//! Promise: a store that is away for a moment loses no outcome, and a shutdown ends.

use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vestibule_engine::Clock;
use vestibule_engine::model::Millis;
use vestibule_engine::store::StoreError;

/// Wait after a claim that failed, and where the store calls something due that another worker holds.
pub(crate) const PAUSE: Duration = Duration::from_millis(250);
/// Time for the last outcomes to be recorded, after what was under way was abandoned.
const LAST_RECORDS: Duration = Duration::from_secs(5);
/// Times a record is tried when the store is away. Together they wait about three seconds.
const RECORD_TRIES: u32 = 6;
const FIRST_RECORD_DELAY: Duration = Duration::from_millis(100);

/// How long until something is due, at most the poll interval. At least a pause: what is due already was just claimed, or is
/// held by another worker.
pub(crate) fn until(at: Millis, clock: &dyn Clock, poll: Duration) -> Duration {
    let wait = u64::try_from(at.saturating_sub(clock.now_ms())).unwrap_or(0);
    Duration::from_millis(wait).max(PAUSE).min(poll)
}

/// Records an outcome: whether the lease was still there. `not_yet` hears of every failure after which it is tried again.
pub(crate) async fn record<F>(
    settle: impl Fn() -> F,
    not_yet: impl Fn(&StoreError),
) -> Result<bool, StoreError>
where
    F: Future<Output = Result<bool, StoreError>>,
{
    let mut delay = FIRST_RECORD_DELAY;
    for _ in 1..RECORD_TRIES {
        match settle().await {
            Ok(kept) => return Ok(kept),
            Err(error) => not_yet(&error),
        }
        tokio::time::sleep(delay).await;
        delay *= 2;
    }
    settle().await
}

/// Waits for tasks as long as a shutdown may, then has them give back what they hold.
pub(crate) async fn finish<T: 'static>(
    mut tasks: JoinSet<T>,
    drain: Duration,
    abandon: &CancellationToken,
    what: &'static str,
) {
    if timeout(drain, all_done(&mut tasks, what)).await.is_err() {
        tracing::warn!(
            what,
            count = tasks.len(),
            "shutting down while some are under way; they are given back"
        );
        abandon.cancel();
        if timeout(LAST_RECORDS, all_done(&mut tasks, what)).await.is_err() {
            tracing::error!(what, count = tasks.len(), "some stay leased until their lease ends");
            tasks.abort_all();
        }
    }
}

async fn all_done<T: 'static>(tasks: &mut JoinSet<T>, what: &'static str) {
    while let Some(done) = tasks.join_next().await {
        if let Err(error) = done {
            ended_early(&error, what);
        }
    }
}

/// The error's own text may quote a panic message; whether it was one is all that is told.
pub(crate) fn ended_early(error: &JoinError, what: &'static str) {
    tracing::error!(what, panicked = error.is_panic(), "a task of delivery ended early");
}
