//! Connections and how statements run on them.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, params_from_iter};

use crate::dialect::Dialect;
use crate::rows::Columns;
use crate::statements::Statement;
use crate::value::{Cell, Row, RowError, Value};

/// How long a connection waits for another program's lock on the database, say that of an operator's `sqlite3`.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that changes things.
    Writer,
    /// Those that look.
    Reader,
    /// The one that copies the log into the database.
    Checkpointer,
}

/// Opens the database in `path`.
///
/// The writer keeps the pages it changes again and again; a reader's cache is void after each commit of another
/// connection anyway, so it is small. Foreign keys are off: the guards say what must hold, at a lower price.
pub(super) fn open(path: &Path, role: Role) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_CREATE;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY)?;
    // Without this, SQLite may plan a statement anew for each value bound to it, which takes longer than to run it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(2 * Statement::ALL.len());
    let cache_kib: i64 = match role {
        Role::Writer => 16 * 1024,
        Role::Reader => 2 * 1024,
        Role::Checkpointer => 64,
    };
    // A journal mode other than WAL means that the file system cannot share memory; queries would block writes.
    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::InvalidParameterName(format!("journal mode is {mode}, not wal")));
    }
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "foreign_keys", false)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "cache_size", -cache_kib)?;
    // Overwrites what was deleted where the page is written anyway.
    conn.pragma_update(None, "secure_delete", "fast").or_else(tolerate_answer)?;
    // The writer never copies the log on its own; see `checkpoint`.
    conn.pragma_update(None, "wal_autocheckpoint", 0).or_else(tolerate_answer)?;
    // A log that grew under a burst shrinks to this when it begins anew.
    conn.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024).or_else(tolerate_answer)?;
    if role == Role::Reader {
        conn.pragma_update(None, "query_only", true)?;
    }
    Ok(conn)
}

/// Some pragmas answer with the value they took.
fn tolerate_answer(error: rusqlite::Error) -> rusqlite::Result<()> {
    match error {
        rusqlite::Error::ExecuteReturnedResults => Ok(()),
        other => Err(other),
    }
}

/// Why a statement or a write did not do what it should.
#[derive(Debug)]
pub(super) enum Failure {
    /// A guard matched no row, or a key is taken.
    Conflict(&'static str),
    /// SQLite's own.
    Sqlite(rusqlite::Error),
    /// A row that this program did not write.
    Row(RowError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<RowError> for Failure {
    fn from(error: RowError) -> Self {
        Self::Row(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conflict(write) => write!(f, "conflict at {write}"),
            Self::Sqlite(error) => error.fmt(f),
            Self::Row(error) => error.fmt(f),
        }
    }
}

/// Whether nothing is known about the database's state on disk after this error: a failed write or sync may have lost
/// pages that the kernel reports as clean from then on, so that trying again proves nothing.
pub(super) fn is_fatal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::DiskFull
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
        )
    )
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
            Self::Id(value) => ValueRef::Blob(value),
        }))
    }
}

impl Row for rusqlite::Row<'_> {
    fn cell(&self, index: usize) -> Result<Cell<'_>, RowError> {
        let problem = |problem| RowError { column: index, problem };
        match self.get_ref(index).map_err(|_| problem("missing"))? {
            ValueRef::Null => Ok(Cell::Null),
            ValueRef::Integer(value) => Ok(Cell::Int(value)),
            ValueRef::Text(value) => {
                std::str::from_utf8(value).map(Cell::Text).map_err(|_| problem("not UTF-8"))
            }
            ValueRef::Blob(value) => Ok(Cell::Bytes(value)),
            ValueRef::Real(_) => Err(problem("a float")),
        }
    }
}

/// Names a statement in the trace. Parameters never appear in logs.
fn traced(statement: Statement) -> &'static str {
    tracing::trace!(target: "vestibule::store", statement = statement.name());
    statement.text(Dialect::Sqlite)
}

/// Runs a statement without rows; returns how many it changed.
pub(super) fn execute(
    conn: &Connection,
    statement: Statement,
    params: &[Value<'_>],
) -> rusqlite::Result<usize> {
    conn.prepare_cached(traced(statement))?.execute(params_from_iter(params))
}

/// Runs a query and hands each row to `visit`.
pub(super) fn each(
    conn: &Connection,
    statement: Statement,
    params: &[Value<'_>],
    mut visit: impl FnMut(&mut Columns<'_>) -> Result<(), RowError>,
) -> Result<(), Failure> {
    let mut prepared = conn.prepare_cached(traced(statement))?;
    let mut rows = prepared.query(params_from_iter(params))?;
    while let Some(row) = rows.next()? {
        visit(&mut Columns::of(row))?;
    }
    Ok(())
}

/// Runs a query and collects what `decode` reads from each row.
pub(super) fn many<T>(
    conn: &Connection,
    statement: Statement,
    params: &[Value<'_>],
    decode: impl Fn(&mut Columns<'_>) -> Result<T, RowError>,
) -> Result<Vec<T>, Failure> {
    let mut found = Vec::new();
    each(conn, statement, params, |columns| {
        found.push(decode(columns)?);
        Ok(())
    })?;
    Ok(found)
}

/// Runs a query of at most one row.
pub(super) fn one<T>(
    conn: &Connection,
    statement: Statement,
    params: &[Value<'_>],
    decode: impl FnOnce(&mut Columns<'_>) -> Result<T, RowError>,
) -> Result<Option<T>, Failure> {
    let mut prepared = conn.prepare_cached(traced(statement))?;
    let mut rows = prepared.query(params_from_iter(params))?;
    match rows.next()? {
        None => Ok(None),
        Some(row) => Ok(Some(decode(&mut Columns::of(row))?)),
    }
}
