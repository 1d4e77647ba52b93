//! Opening a database: connect, bring its schema up to date, learn its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use vestibule_engine::Clock;
use vestibule_engine::store::StoreError;

use super::PostgresStore;
use super::options::PostgresOptions;
use super::pool::{self, Pool};
use crate::dialect::Dialect;
use crate::migrate::{self, HistoryError, Migration};

/// How often the creation of the history's table is tried: several nodes may start at once, and one of them wins.
const CREATE_TRIES: u32 = 20;

/// Why a database could not be opened. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenPostgresError {
    /// It cannot be reached or refuses the login.
    #[error("cannot connect to the database at {place}: {cause}")]
    Unreachable {
        /// Host, port and name of the database.
        place: String,
        /// What went wrong.
        cause: String,
    },
    /// Older than what the schema needs.
    #[error("the database server is PostgreSQL {0}; version 15 or later is needed")]
    TooOld(String),
    /// The schema was written by another release.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A migration failed, and was undone.
    #[error("cannot bring the schema to version {version}: {cause}")]
    Migration {
        /// Of the file.
        version: i64,
        /// The database's answer.
        cause: String,
    },
    /// It refused a statement.
    #[error("the database refused to be opened: {0}")]
    Refused(String),
    /// TLS cannot be set up.
    #[error("cannot set up TLS to the database: {0}")]
    Tls(String),
}

impl PostgresStore {
    /// Connects, applies the migrations that are missing, and returns a store.
    ///
    /// A clock that follows the store ([`Clock::correct`]) is set to the database's time here and kept at it.
    pub async fn open(options: &PostgresOptions, clock: Arc<dyn Clock>) -> Result<Self, OpenPostgresError> {
        let pool = pool::new(options)?;
        let migrated = migrate(&pool, options, clock.as_ref()).await?;
        if migrated > 0 {
            tracing::info!(target: "vestibule::store", files = migrated, "schema migrated");
        }
        let store = Self {
            pool,
            clock,
            limit: 2 * options.statement,
            follows: AtomicBool::new(false),
            timed_at: AtomicI64::new(i64::MIN),
            trips: AtomicU64::new(0),
        };
        store.learn_time().await.map_err(|error| OpenPostgresError::Refused(error.0))?;
        Ok(store)
    }

    /// Applies the migrations that are missing; returns how many there were.
    pub async fn migrate(options: &PostgresOptions, clock: &dyn Clock) -> Result<usize, OpenPostgresError> {
        migrate(&pool::new(options)?, options, clock).await
    }

    /// Asks the database for its time.
    pub(super) async fn learn_time(&self) -> Result<(), StoreError> {
        let sent = self.clock.wall_ms();
        let (time, _) = self.look(&[], true).await?;
        let follows = self.clock.correct(0);
        self.follows.store(follows, Ordering::Relaxed);
        if let Some(time) = time.filter(|_| follows) {
            self.learned_time(sent, time);
        }
        Ok(())
    }
}

async fn migrate(
    pool: &Pool,
    options: &PostgresOptions,
    clock: &dyn Clock,
) -> Result<usize, OpenPostgresError> {
    let conn = pool.get().await.map_err(|error| OpenPostgresError::Unreachable {
        place: options.place(),
        cause: pool::unavailable(error).0,
    })?;
    let client = &conn.client;
    check_server(client).await?;
    create_history(client).await?;
    let mut applied = 0;
    for migration in migrate::pending(&history(client).await?)? {
        if apply(client, migration, clock.now_ms()).await.map_err(|error| OpenPostgresError::Migration {
            version: migration.version,
            cause: pool::describe(&error),
        })? {
            applied += 1;
        }
    }
    // Another node may have been faster, and of another release.
    migrate::pending(&history(client).await?)?;
    Ok(applied)
}

fn refused(error: tokio_postgres::Error) -> OpenPostgresError {
    OpenPostgresError::Refused(pool::describe(&error))
}

async fn check_server(client: &Client) -> Result<(), OpenPostgresError> {
    let shown = async |name: &str| -> Result<String, OpenPostgresError> {
        Ok(client.query_one(&format!("SHOW {name}"), &[]).await.map_err(refused)?.get(0))
    };
    let version = shown("server_version_num").await?;
    if version.parse::<u32>().is_ok_and(|version| version < 150_000) {
        return Err(OpenPostgresError::TooOld(shown("server_version").await?));
    }
    if shown("fsync").await? == "off" || shown("full_page_writes").await? == "off" {
        tracing::warn!(target: "vestibule::store", "the database runs with fsync or full_page_writes off: it may lose what it acknowledged");
    }
    if shown("synchronous_commit").await? == "off" {
        tracing::warn!(target: "vestibule::store", "the database acknowledges commits before they are on disk (synchronous_commit = off)");
    }
    Ok(())
}

/// Makes the table of the history. `IF NOT EXISTS` does not keep two sessions from colliding in the catalogue.
async fn create_history(client: &Client) -> Result<(), OpenPostgresError> {
    let collided = [
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_OBJECT,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    let mut tries = 0;
    loop {
        match client.batch_execute(migrate::HISTORY_TABLE).await {
            Ok(()) => return Ok(()),
            Err(error)
                if tries < CREATE_TRIES && error.code().is_some_and(|code| collided.contains(code)) =>
            {
                tries += 1;
            }
            // A user that may not make tables can still use those that `vestibule migrate` made.
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                return history(client).await.map(|_| ());
            }
            Err(error) => return Err(refused(error)),
        }
    }
}

async fn history(client: &Client) -> Result<Vec<(i64, String)>, OpenPostgresError> {
    let rows = client.query(migrate::READ_HISTORY, &[]).await.map_err(refused)?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Applies a file, unless another node does: whoever enters it in the history first goes on, the others wait for that
/// transaction and find the entry.
async fn apply(client: &Client, migration: &Migration, now: i64) -> Result<bool, tokio_postgres::Error> {
    client.batch_execute("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
    let applied = async {
        let entry = format!("{} ON CONFLICT DO NOTHING", migrate::ADD_HISTORY);
        let entered = client.execute(&entry, &[&migration.version, &migration.checksum(), &now]).await?;
        if entered == 1 {
            client.batch_execute(&migration.text_for(Dialect::Postgres)).await?;
        }
        client.batch_execute("COMMIT").await?;
        Ok(entered == 1)
    }
    .await;
    if applied.is_err() {
        // The first error is the one to tell.
        let _ = client.batch_execute("ROLLBACK").await;
    }
    applied
}
