//! Connections that read, on the thread that asks.
//!
//! A read takes some tens of microseconds, no more than the signature check that runs on the same thread, and nearly
//! always finds its pages in memory: handing it to another thread would cost more than it takes. The pool gives out
//! the connection that was returned last, whose cache is the warmest, and opens another one only while all are in use,
//! so there are never more than threads that read at once.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use vestibule_engine::store::StoreError;

use super::connection::{self, Failure, Role};

/// Connections kept for the next read.
const KEPT: usize = 16;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(Vec::new()) }
    }

    /// Reads within one transaction: all statements of `read` see the same state.
    pub(super) fn consistent<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.with(|conn| {
            conn.prepare_cached("BEGIN DEFERRED")?.execute([])?;
            let found = read(conn)?;
            conn.prepare_cached("COMMIT")?.execute([])?;
            Ok(found)
        })
    }

    /// Reads with one statement, which is consistent in itself.
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => {
                connection::open(&self.path, Role::Reader).map_err(|error| StoreError(error.to_string()))?
            }
        };
        // After a failure the connection is closed, and whatever state it was in goes with it.
        let found = read(&conn).map_err(|failure| StoreError(failure.to_string()))?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(conn);
        }
        Ok(found)
    }

    /// Closes the connections that are not in use.
    pub(super) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
