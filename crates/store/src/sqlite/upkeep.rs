//! The outbox and the purge on the writer.

use async_trait::async_trait;
use vestibule_engine::model::Millis;
use vestibule_engine::store::{ClaimedMessage, CommitError, StoreError};

use super::SqliteStore;
use super::connection::{Failure, many, one};
use super::writer::Tx;
use crate::plan::params;
use crate::rows;
use crate::statements::Statement as S;
use crate::upkeep::{Deletion, IdleKey, Purger};

/// Claims what is due, after failing what came too late.
pub(super) fn claim(
    tx: &Tx<'_>,
    worker: uuid::Uuid,
    limit: u32,
    lease_ms: i64,
) -> Result<Vec<ClaimedMessage>, Failure> {
    tx.execute(S::FailExpiredMessages, &params![tx.now])?;
    let lease_end = tx.now.saturating_add(lease_ms);
    let params = params![worker.as_bytes(), lease_end, tx.now, limit];
    let mut claimed = tx.many(S::ClaimMessages, &params, rows::claimed)?;
    claimed.sort_by_key(|ClaimedMessage { message, .. }| (message.created_at, message.id));
    Ok(claimed)
}

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

    pub(super) fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        self.readers.with(|conn| one(conn, S::NextMessageDue, &[], |c| c.int()))
    }
}

#[async_trait]
impl Purger for SqliteStore {
    async fn delete(&self, deletions: Vec<Deletion>) -> Result<u64, StoreError> {
        self.upkeep(move |tx| {
            let mut gone = 0;
            for deletion in &deletions {
                gone += tx.execute(deletion.statement(), &deletion.params())? as u64;
            }
            Ok(gone)
        })
        .await
    }

    async fn walk(&self, walk: S, from: &IdleKey, batch: u32) -> Result<Vec<(IdleKey, Millis)>, StoreError> {
        let params = params![&from.0, &from.1, batch];
        self.readers
            .with(|conn| many(conn, walk, &params, |c| Ok(((c.uuid()?.into_bytes(), c.hash()?), c.int()?))))
    }
}
