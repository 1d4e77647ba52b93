//! Copies the write-ahead log into the database without holding up commits.
//!
//! The log grows until all of it has been copied and no reader needs it. A thread of its own does the bulk while the
//! writer goes on; then the writer copies the few pages that came meanwhile, so that its next commit begins the log
//! anew. Neither is needed for durability: the log itself is synced by each commit.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::connection::{self, Role};

/// So many new pages in the log are worth copying: 8 MiB.
pub(super) const LOG_PAGES: i64 = 2000;

/// When a log is this many times as long, the writer waits for readers to let go of it.
const PATIENCE: i64 = 4;

/// How long it waits at a time. A backup reads one state for minutes: commits do not stand still for it, the log grows.
const WAIT_FOR_READERS: Duration = Duration::from_millis(10);

const IDLE: u8 = 0;
const COPYING: u8 = 1;
const COPIED: u8 = 2;

#[derive(Debug, Default)]
struct Shared {
    /// Pages in the log after the last commit.
    pages: AtomicI64,
    /// Pages of them that were copied, and yet are still in the log because a reader needed them.
    copied: AtomicI64,
    phase: AtomicU8,
}

/// The writer's side.
pub(super) struct Checkpointer {
    shared: Arc<Shared>,
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    log_pages: i64,
}

impl Checkpointer {
    /// Starts the thread and watches the log of `writer`.
    pub(super) fn start(
        path: &Path,
        writer: &mut Connection,
        log_pages: i64,
    ) -> Result<Self, super::OpenError> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            let pages = i64::from(pages);
            if pages < watched.pages.swap(pages, Ordering::Relaxed) {
                // The log began anew.
                watched.copied.store(0, Ordering::Relaxed);
            }
            Ok(())
        }))?;
        let conn = connection::open(path, Role::Checkpointer)?;
        let (wake, woken) = mpsc::sync_channel(1);
        let thread = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("checkpoint".to_owned())
                .spawn(move || run(&conn, &woken, &shared))?
        };
        Ok(Self { shared, wake: Some(wake), thread: Some(thread), log_pages })
    }

    /// To be called between transactions of the writer.
    pub(super) fn after_commit(&self, writer: &Connection) {
        let pages = self.shared.pages.load(Ordering::Relaxed);
        match self.shared.phase.load(Ordering::Acquire) {
            IDLE if pages - self.shared.copied.load(Ordering::Relaxed) >= self.log_pages => {
                self.shared.phase.store(COPYING, Ordering::Release);
                if let Some(wake) = &self.wake {
                    let _ = wake.try_send(());
                }
            }
            COPIED => {
                // Readers that hold the old log let go of it within microseconds; only when that has failed for long is
                // it worth to wait for them.
                if pages < PATIENCE * self.log_pages {
                    copy(writer, "PASSIVE");
                } else {
                    wait_at_most(writer, WAIT_FOR_READERS);
                    copy(writer, "RESTART");
                    wait_at_most(writer, connection::BUSY);
                }
                self.shared.copied.store(pages, Ordering::Relaxed);
                self.shared.phase.store(IDLE, Ordering::Release);
            }
            _ => {}
        }
    }

    /// Ends the thread.
    pub(super) fn stop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(conn: &Connection, woken: &Receiver<()>, shared: &Shared) {
    while woken.recv().is_ok() {
        copy(conn, "PASSIVE");
        shared.phase.store(COPIED, Ordering::Release);
    }
}

fn wait_at_most(conn: &Connection, time: Duration) {
    if let Err(error) = conn.busy_timeout(time) {
        tracing::warn!(target: "vestibule::store", %error, "the time to wait for locks stays as it was");
    }
}

/// Copies what no reader holds back. A failure leaves the log as it is, for the next time.
fn copy(conn: &Connection, mode: &str) {
    let copied = conn.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    });
    match copied {
        Ok((pages, copied)) => tracing::debug!(target: "vestibule::store", mode, pages, copied, "checkpoint"),
        Err(error) => tracing::warn!(target: "vestibule::store", %error, "checkpoint failed"),
    }
}
