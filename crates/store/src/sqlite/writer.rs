//! The one thread that changes the database.
//!
//! Promise: an answer leaves only after the sync of the commit that holds its change; a change set is applied whole or
//! not at all; a conflict in one set leaves the others of its batch alone. After a failed sync the process ends,
//! because nothing is known about what is on disk.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use vestibule_engine::Clock;
use vestibule_engine::model::Millis;
use vestibule_engine::store::{ChangeSet, CommitError, StoreError};

use super::checkpoint::Checkpointer;
use super::connection::{self, Failure, is_fatal};
use super::queue::{Pacer, Queue};
use crate::plan::{self, Expect};
use crate::rows::Columns;
use crate::statements::Statement;
use crate::value::{RowError, Value};

/// The database within a transaction of the writer.
pub(super) struct Tx<'c> {
    conn: &'c Connection,
    /// The store's time, by which guards judge.
    pub(super) now: Millis,
}

impl Tx<'_> {
    /// Runs a statement without rows; returns how many it changed.
    pub(super) fn execute(&self, statement: Statement, params: &[Value<'_>]) -> Result<usize, Failure> {
        Ok(connection::execute(self.conn, statement, params)?)
    }

    /// Runs a statement with rows.
    pub(super) fn many<T>(
        &self,
        statement: Statement,
        params: &[Value<'_>],
        decode: impl Fn(&mut Columns<'_>) -> Result<T, RowError>,
    ) -> Result<Vec<T>, Failure> {
        connection::many(self.conn, statement, params, decode)
    }

    /// Applies a change set. On a conflict the caller undoes what was applied of it.
    pub(super) fn apply(&self, changes: &ChangeSet) -> Result<(), Failure> {
        for write in &changes.writes {
            for step in plan::steps(write, self.now) {
                if matches!(step.expect, Expect::Exists | Expect::Holds) {
                    let found = connection::one(self.conn, step.statement, &step.params, |_| Ok(()))?;
                    if found.is_none() && step.expect == Expect::Exists {
                        return Err(Failure::Conflict(plan::name(write)));
                    }
                    continue;
                }
                let changed = match connection::execute(self.conn, step.statement, &step.params) {
                    Ok(changed) => changed,
                    Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => 0,
                    Err(error) => return Err(error.into()),
                };
                if changed == 0 && step.expect == Expect::OneRow {
                    return Err(Failure::Conflict(plan::name(write)));
                }
            }
        }
        Ok(())
    }
}

/// Something to do in a transaction, and somebody who waits for it.
pub(super) trait Job: Send {
    /// Does it; possibly once more, after what it did was undone.
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Failure>;

    /// Tells whoever waits, after the commit.
    fn answer(self: Box<Self>, outcome: Result<(), CommitError>);
}

/// A job made of a function.
pub(super) struct Task<T, F> {
    run: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, CommitError>>,
    /// Bounds how many jobs wait.
    _place: OwnedSemaphorePermit,
}

impl<T, F> Task<T, F> {
    pub(super) fn new(
        run: F,
        reply: oneshot::Sender<Result<T, CommitError>>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { run, value: None, reply, _place: place }
    }
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: Fn(&Tx<'_>) -> Result<T, Failure> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Failure> {
        self.value = Some((self.run)(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), CommitError>) {
        let value = match (outcome, self.value) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(value)) => Ok(value),
            (Ok(()), None) => Err(unavailable("the job did not run")),
        };
        // Nobody waits any more when the client went away; what was committed stays.
        let _ = self.reply.send(value);
    }
}

/// What ends the process; tests observe it instead.
pub(super) type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// The jobs of a store.
pub(super) type Jobs = Queue<Box<dyn Job>>;

/// An answer for those whose job could not be done.
pub(super) fn unavailable(cause: impl std::fmt::Display) -> CommitError {
    CommitError::Unavailable(StoreError(cause.to_string()))
}

/// The thread's state.
pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) jobs: Arc<Jobs>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) checkpointer: Checkpointer,
    pub(super) on_fatal: OnFatal,
}

impl Writer {
    /// Serves jobs until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let mut pacer = Pacer::new();
        while let Some(mut batch) = self.jobs.next_batch(&mut pacer) {
            match self.transaction(&mut batch) {
                Ok(outcomes) => {
                    pacer.committed(batch.len(), self.jobs.len());
                    for (job, outcome) in batch.into_iter().zip(outcomes) {
                        job.answer(outcome);
                    }
                }
                Err(error) => {
                    let cause = error.to_string();
                    if is_fatal(&error) {
                        tracing::error!(target: "vestibule::store", %cause, "the database cannot be written; stopping");
                        (self.on_fatal)(&cause);
                        batch.extend(self.jobs.abandon());
                        batch.into_iter().for_each(|job| job.answer(Err(unavailable(&cause))));
                        return;
                    }
                    tracing::warn!(target: "vestibule::store", %cause, "a commit failed");
                    if !self.conn.is_autocommit()
                        && let Err(error) = self.control("ROLLBACK")
                    {
                        tracing::error!(target: "vestibule::store", %error, "rollback failed");
                    }
                    batch.into_iter().for_each(|job| job.answer(Err(unavailable(&cause))));
                }
            }
            self.checkpointer.after_commit(&self.conn);
        }
        self.checkpointer.stop();
    }

    fn control(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    /// Runs a batch and commits it. An error means that nothing of it was committed.
    ///
    /// Savepoints cost a copy of each page a job changes, and conflicts are rare: the jobs of a batch run without, and
    /// only when one of them fails is everything undone and run again, each job in a savepoint of its own.
    fn transaction(&self, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<Vec<Result<(), CommitError>>> {
        self.control("BEGIN IMMEDIATE")?;
        let mut outcomes = Vec::with_capacity(batch.len());
        if let Err(failure) = self.run_all(batch)? {
            self.control("ROLLBACK")?;
            if batch.len() == 1 {
                return Ok(vec![Err(as_answer(failure))]);
            }
            self.control("BEGIN IMMEDIATE")?;
            for job in batch {
                outcomes.push(self.run_apart(job.as_mut())?);
            }
        } else {
            outcomes.resize_with(batch.len(), || Ok(()));
        }
        // A conflict, too, is answered after the commit: it may follow from a change of this very batch, which nobody
        // can read before.
        self.control("COMMIT")?;
        Ok(outcomes)
    }

    fn tx(&self) -> Tx<'_> {
        Tx { conn: &self.conn, now: self.clock.now_ms() }
    }

    /// Runs jobs until one fails. The outer error ends the transaction.
    fn run_all(&self, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<Result<(), Failure>> {
        let tx = self.tx();
        for job in batch {
            match job.run(&tx) {
                Ok(()) => {}
                Err(Failure::Sqlite(error)) if is_fatal(&error) => return Err(error),
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(Ok(()))
    }

    /// Runs a job in a savepoint, so that its failure undoes nothing but itself.
    fn run_apart(&self, job: &mut dyn Job) -> rusqlite::Result<Result<(), CommitError>> {
        self.control("SAVEPOINT job")?;
        let outcome = match job.run(&self.tx()) {
            Ok(()) => Ok(()),
            Err(Failure::Sqlite(error)) if is_fatal(&error) => return Err(error),
            Err(failure) => {
                self.control("ROLLBACK TO job")?;
                Err(as_answer(failure))
            }
        };
        self.control("RELEASE job")?;
        Ok(outcome)
    }
}

fn as_answer(failure: Failure) -> CommitError {
    match failure {
        Failure::Conflict(write) => CommitError::Conflict(write),
        Failure::Sqlite(error) => unavailable(error),
        Failure::Row(error) => unavailable(error),
    }
}
