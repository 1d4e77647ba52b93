//! Opening a data directory.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use vestibule_engine::Clock;

use super::SqliteStore;
use super::checkpoint::{self, Checkpointer};
use super::connection::{self, Role};
use super::queue::Queue;
use super::reader::Readers;
use super::writer::{OnFatal, Writer};
use crate::dialect::Dialect;
use crate::migrate::{self, HistoryError};

/// The database within a data directory.
pub(super) const DATABASE: &str = "vestibule.db";

/// So many jobs may wait for the writer; further ones wait for a place.
const PLACES: usize = 1024;

/// Why a data directory could not be opened. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process holds the directory.
    #[error(
        "the data directory {} is in use by another vestibule process: stop that process, or send the change to it over its API",
        .0.display()
    )]
    Locked(PathBuf),
    /// The database was written by another release.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The directory or a file in it cannot be used.
    #[error("cannot use {}: {cause}; check that the directory is writable and on a local disk", .path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// The system's answer.
        cause: std::io::Error,
    },
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// SQLite's own refusal.
    #[error("cannot open the database: {0}")]
    Database(#[from] rusqlite::Error),
}

/// What a store may be told besides its place. The default is right for production.
#[derive(Clone)]
pub struct Options {
    /// What ends the process after a failed write to disk. Aborts by default; if it returns, the store answers all
    /// later writes as unavailable.
    pub on_fatal: Arc<dyn Fn(&str) + Send + Sync>,
    /// Pages of 4 KiB in the log from which on it is copied into the database.
    pub log_pages: i64,
    /// Pages of 4 KiB the database may have; beyond, the disk counts as full.
    pub max_pages: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            on_fatal: Arc::new(|_| std::process::abort()),
            log_pages: checkpoint::LOG_PAGES,
            max_pages: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { on_fatal: _, log_pages, max_pages } = self;
        f.debug_struct("Options").field("log_pages", log_pages).field("max_pages", max_pages).finish()
    }
}

impl SqliteStore {
    /// Opens the database in `dir`, and makes both where they are missing.
    ///
    /// The directory gets mode 0700 and the database 0600. It is locked for as long as the store lives.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        Self::open_with(dir, clock, Options::default())
    }

    /// As [`SqliteStore::open`], with options.
    pub fn open_with(dir: &Path, clock: Arc<dyn Clock>, options: Options) -> Result<Self, OpenError> {
        let Options { on_fatal, log_pages, max_pages } = options;
        make_dir(dir)?;
        let lock = lock(dir)?;
        let path = dir.join(DATABASE);
        private_file(&path)?;
        let mut conn = connection::open(&path, Role::Writer)?;
        if let Some(pages) = max_pages {
            conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        }
        migrate(&mut conn, clock.now_ms())?;
        let checkpointer = Checkpointer::start(&path, &mut conn, log_pages)?;
        let jobs = Arc::new(Queue::new());
        let on_fatal: OnFatal = on_fatal;
        let writer =
            Writer { conn, jobs: Arc::clone(&jobs), clock: Arc::clone(&clock), checkpointer, on_fatal };
        let thread =
            std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer.run())?;
        Ok(Self {
            readers: Readers::new(path),
            jobs,
            places: Arc::new(Semaphore::new(PLACES)),
            clock,
            writer: Mutex::new(Some(thread)),
            _lock: lock,
        })
    }
}

fn io_error(path: &Path) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.to_owned();
    move |cause| OpenError::Io { path, cause }
}

#[cfg(unix)]
pub(super) fn make_dir(dir: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::DirBuilderExt as _;
    if dir.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io_error(dir))
}

#[cfg(not(unix))]
pub(super) fn make_dir(dir: &Path) -> Result<(), OpenError> {
    fs::create_dir_all(dir).map_err(io_error(dir))
}

/// Makes the file, readable by its owner alone, where it is missing. SQLite gives its log the same mode.
fn private_file(path: &Path) -> Result<File, OpenError> {
    private().create(true).truncate(false).open(path).map_err(io_error(path))
}

/// Makes a file that must not be there yet, readable by its owner alone.
pub(super) fn new_private_file(path: &Path) -> std::io::Result<File> {
    private().create_new(true).open(path)
}

fn private() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

pub(super) fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = private_file(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked(dir.to_owned())),
        Err(TryLockError::Error(cause)) => Err(io_error(&path)(cause)),
    }
}

/// The versions and checksums of the migrations that were applied, in order.
pub(super) fn history(conn: &Connection) -> rusqlite::Result<Vec<(i64, String)>> {
    conn.prepare(migrate::READ_HISTORY)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// Applies the migrations that are missing. `now`: the time, epoch milliseconds.
pub(super) fn migrate(conn: &mut Connection, now: i64) -> Result<(), OpenError> {
    conn.execute(migrate::HISTORY_TABLE, [])?;
    for migration in migrate::pending(&history(conn)?)? {
        let tx = conn.transaction()?;
        tx.execute_batch(&migration.text_for(Dialect::Sqlite))?;
        tx.execute(migrate::ADD_HISTORY, (migration.version, migration.checksum(), now))?;
        tx.commit()?;
        tracing::info!(target: "vestibule::store", version = migration.version, "schema migrated");
    }
    Ok(())
}
