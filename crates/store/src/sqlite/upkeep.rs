//! The outbox and the purge.

use vestibule_engine::model::{Millis, OutboxMessage};
use vestibule_engine::store::{CommitError, Outcome, Retention, StoreError};
use vestibule_wire::MessageId;

use super::SqliteStore;
use super::connection::{Failure, many, one};
use super::writer::Tx;
use crate::plan::params;
use crate::rows;
use crate::statements::Statement as S;

/// A state of [`Outcome::Sent`] messages.
const SENT: i64 = 1;
/// A state of [`Outcome::Failed`] messages.
const FAILED: i64 = 2;

/// Claims what is due, after failing what came too late.
pub(super) fn claim(
    tx: &Tx<'_>,
    worker: uuid::Uuid,
    limit: u32,
    lease_ms: i64,
) -> Result<Vec<OutboxMessage>, Failure> {
    tx.execute(S::FailExpiredMessages, &params![tx.now])?;
    let lease_end = tx.now.saturating_add(lease_ms);
    let params = params![worker.as_bytes(), lease_end, tx.now, limit];
    let mut claimed = tx.many(S::ClaimMessages, &params, rows::message)?;
    claimed.sort_by_key(|message| (message.created_at, message.id));
    Ok(claimed)
}

/// Records an outcome; false where the lease went to another worker.
pub(super) fn settle(
    tx: &Tx<'_>,
    id: MessageId,
    worker: uuid::Uuid,
    outcome: &Outcome,
) -> Result<bool, Failure> {
    let (id, worker) = (id.as_bytes(), worker.as_bytes());
    let changed = match outcome {
        Outcome::Sent => tx.execute(S::SettleMessage, &params![SENT, None::<&str>, id, worker]),
        Outcome::Failed { error } => tx.execute(S::SettleMessage, &params![FAILED, error, id, worker]),
        Outcome::Retry { at, error } => tx.execute(S::RetryMessage, &params![*at, error, id, worker]),
    }?;
    Ok(changed == 1)
}

/// A key that a walk found to be idle.
type IdleKey = ([u8; 16], [u8; 32]);

/// Stores keep what they answered; errors of single jobs are told as such.
fn as_store_error(error: CommitError) -> StoreError {
    match error {
        CommitError::Conflict(write) => StoreError(format!("conflict at {write}")),
        CommitError::Unavailable(error) => error,
    }
}

impl SqliteStore {
    /// Runs one job on the writer.
    pub(super) async fn upkeep<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Tx<'_>) -> Result<T, Failure> + Send + 'static,
    {
        self.write(job).await.map_err(as_store_error)
    }

    /// Purges in small jobs, so that commits go on in between.
    pub(super) async fn purge_all(&self, retention: &Retention) -> Result<u64, StoreError> {
        let Retention { activities_ms, expired_credentials_ms, idle_limits_ms, batch } = *retention;
        let batch = batch.max(1);
        let by_age = [
            (S::PurgeOtps, 0),
            (S::PurgeTokens, 0),
            (S::PurgeRefusedGuesses, 0),
            (S::PurgeSent, 0),
            (S::PurgeFailed, 0),
            (S::PurgeCredentials, expired_credentials_ms),
            (S::PurgeActivities, activities_ms),
        ];
        let mut gone: u64 = 0;
        for (statement, kept_ms) in by_age {
            loop {
                // Activities stay at hand for as long as their bytes may be sent again, which in development the clock
                // on the wall decides as well (D-15).
                let wall = match statement {
                    S::PurgeActivities => self.clock.wall_ms(),
                    _ => Millis::MAX,
                };
                let purged = self
                    .upkeep(move |tx| {
                        tx.execute(statement, &params![tx.now.min(wall).saturating_sub(kept_ms), batch])
                    })
                    .await?;
                gone += purged as u64;
                if purged < batch as usize {
                    break;
                }
            }
        }
        for (walk, purge, judges_slots) in [
            (S::WalkContactLimits, S::PurgeContactLimits, true),
            (S::WalkIdentifierLimits, S::PurgeIdentifierLimits, false),
        ] {
            let mut from: IdleKey = ([0; 16], [0; 32]);
            loop {
                let found = self.idle_keys(walk, &from, batch)?;
                let Some((last, _)) = found.last() else { break };
                from = *last;
                let full = found.len() == batch as usize;
                let cutoff = self.clock.now_ms().saturating_sub(idle_limits_ms);
                let idle: Vec<IdleKey> =
                    found.into_iter().filter(|(_, touched)| *touched <= cutoff).map(|(key, _)| key).collect();
                if !idle.is_empty() {
                    gone += self.upkeep(move |tx| purge_keys(tx, purge, &idle, cutoff, judges_slots)).await?;
                }
                if !full {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        Ok(gone)
    }

    fn idle_keys(&self, walk: S, from: &IdleKey, batch: u32) -> Result<Vec<(IdleKey, Millis)>, StoreError> {
        let params = params![&from.0, &from.1, batch];
        self.readers
            .with(|conn| many(conn, walk, &params, |c| Ok(((c.uuid()?.into_bytes(), c.hash()?), c.int()?))))
    }

    pub(super) fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        self.readers.with(|conn| one(conn, S::NextMessageDue, &[], |c| c.int()))
    }
}

fn purge_keys(
    tx: &Tx<'_>,
    purge: S,
    idle: &[IdleKey],
    cutoff: Millis,
    judges_slots: bool,
) -> Result<u64, Failure> {
    let mut gone = 0;
    for (tenant, key) in idle {
        let mut params = Vec::from(params![tenant, key, cutoff]);
        if judges_slots {
            params.push(tx.now.into());
        }
        gone += tx.execute(purge, &params)? as u64;
    }
    Ok(gone)
}
