//! Moves everything from one store to another, of the same kind or not, and proves that it arrived.
//!
//! Promise: the source is read in one consistent state and left as it is; the target was empty, and either has every row of
//! the source or is left empty. Before the target's transaction commits, its rows are read back, and the rows and the
//! checksum of each table are compared with those of the source. Memory does not grow with the database.

pub(crate) mod catalogue;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use vestibule_engine::Clock;

use crate::contents::TableContents;
use crate::migrate::HistoryError;
use crate::postgres::copy as postgres;
use crate::sqlite::copy as sqlite;
use crate::value::{Cell, RowError, Value};
use crate::{PostgresOptions, UrlError};

/// So many bytes travel at once, and one row more.
const BATCH_BYTES: usize = 1 << 20;

/// So many batches may be on their way.
const BATCHES: usize = 4;

/// One of the two ends of a copy.
#[derive(Debug, Clone)]
pub enum Place {
    /// The embedded store in this data directory.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Box<PostgresOptions>),
}

impl Place {
    /// Reads `sqlite:DIR` or `postgres://USER@HOST:PORT/DATABASE`.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        match text.strip_prefix("sqlite:") {
            Some("") => Err(UrlError::Lacks("data directory")),
            Some(dir) => Ok(Self::Sqlite(PathBuf::from(dir))),
            None => Ok(Self::Postgres(Box::new(PostgresOptions::from_url(text)?))),
        }
    }
}

impl fmt::Display for Place {
    /// Without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(dir) => write!(f, "sqlite:{}", dir.display()),
            Self::Postgres(options) => write!(f, "postgres://{}", options.place()),
        }
    }
}

/// Why there is no copy. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is no database at the source.
    #[error("there is no database in {}", .0.display())]
    NoDatabase(PathBuf),
    /// A server, or another command, holds the data directory.
    #[error("{} is in use by another process; stop the server first", .0.display())]
    InUse(PathBuf),
    /// The target has a database already.
    #[error("{0}; copy only into a place without data")]
    NotEmpty(String),
    /// The source has not got every migration of this release.
    #[error(
        "the schema of {0} is older than this program: run `vestibule migrate`, or start a server of this release on it once"
    )]
    Outdated(String),
    /// The source's schema is not one of this program's.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A table did not arrive as it was. Nothing was kept.
    #[error(
        "table {table} differs: {from} rows with checksum {from_checksum} were read, {to} rows with checksum {to_checksum} arrived"
    )]
    Differs {
        /// Its name.
        table: String,
        /// Rows of the source.
        from: u64,
        /// Their checksum.
        from_checksum: String,
        /// Rows of the target.
        to: u64,
        /// Their checksum.
        to_checksum: String,
    },
    /// A row that this program did not write.
    #[error("table {table}: {cause}")]
    Row {
        /// Where it is.
        table: &'static str,
        /// What is wrong with it.
        cause: RowError,
    },
    /// A database or a file refused.
    #[error("{place}: {cause}")]
    Failed {
        /// Which.
        place: String,
        /// Its answer.
        cause: String,
    },
    /// The other side gave up; what it says is the reason.
    #[error("the copy was broken off")]
    BrokenOff,
}

/// Copies everything at `from` to `to`; what both hold then.
///
/// The schema of the target is made, or brought up to date. The embedded store must not be open in a server; a server on
/// PostgreSQL should be stopped, because what it writes after the copy began stays behind.
pub async fn copy(from: &Place, to: &Place, clock: &dyn Clock) -> Result<Vec<TableContents>, CopyError> {
    let (sender, receiver) = mpsc::channel(BATCHES);
    let (source, target) = tokio::join!(read(from, Some(sender)), fill(to, receiver, clock));
    match source {
        // Whoever gave up first knows why.
        Err(CopyError::BrokenOff) => target.and(Err(CopyError::BrokenOff)),
        source => source.and(target),
    }
}

/// What the tables of a store hold, by the same rules as [`copy`]: two stores that answer the same hold the same.
pub async fn contents(of: &Place) -> Result<Vec<TableContents>, CopyError> {
    read(of, None).await
}

/// The first table in which two stores differ, as an error.
pub fn compare(from: &[TableContents], to: &[TableContents]) -> Result<(), CopyError> {
    let missing = TableContents::empty("");
    let pairs = from.iter().map(|table| (table, to.iter().find(|other| other.name == table.name)));
    let additional = to.iter().filter(|table| from.iter().all(|other| other.name != table.name));
    let all = pairs.chain(additional.map(|table| (&missing, Some(table))));
    for (source, target) in all {
        let target = target.unwrap_or(&missing);
        if source != target {
            let name = if source.name.is_empty() { &target.name } else { &source.name };
            return Err(CopyError::Differs {
                table: name.clone(),
                from: source.rows,
                from_checksum: source.checksum.to_string(),
                to: target.rows,
                to_checksum: target.checksum.to_string(),
            });
        }
    }
    Ok(())
}

async fn read(from: &Place, sender: Option<mpsc::Sender<Parcel>>) -> Result<Vec<TableContents>, CopyError> {
    match from {
        Place::Sqlite(dir) => {
            let dir = dir.clone();
            blocking(move || sqlite::read(&dir, sender)).await
        }
        Place::Postgres(options) => postgres::read(options, sender).await,
    }
}

async fn fill(
    to: &Place,
    receiver: mpsc::Receiver<Parcel>,
    clock: &dyn Clock,
) -> Result<Vec<TableContents>, CopyError> {
    match to {
        Place::Sqlite(dir) => {
            let (dir, now) = (dir.clone(), clock.now_ms());
            blocking(move || sqlite::fill(&dir, receiver, now)).await
        }
        Place::Postgres(options) => postgres::fill(options, receiver, clock).await,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CopyError> + Send + 'static,
) -> Result<T, CopyError> {
    // It ends early only by a panic, which was reported where it happened.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(CopyError::BrokenOff))
}

/// What travels from the source to the target.
pub(crate) enum Parcel {
    /// Rows of the table with this index in the catalogue; tables come in its order.
    Rows(usize, Vec<Vec<Owned>>),
    /// There are no more; this is what was read. A target that does not get it commits nothing.
    End(Vec<TableContents>),
}

/// A value on its way.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Owned {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Owned {
    fn of(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Null => Self::Null,
            Cell::Int(value) => Self::Int(value),
            Cell::Text(value) => Self::Text(value.to_owned()),
            Cell::Bytes(value) => Self::Bytes(value.to_owned()),
        }
    }

    /// As a parameter.
    pub(crate) fn lend(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Int(value) => (*value).into(),
            Self::Text(value) => value.into(),
            Self::Bytes(value) => value.into(),
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Null | Self::Int(_) => 16,
            Self::Text(value) => 32 + value.len(),
            Self::Bytes(value) => 32 + value.len(),
        }
    }
}

/// Takes the rows of a source one after the other, counts them, and packs them.
pub(crate) struct Packer {
    packs: bool,
    tables: Vec<TableContents>,
    rows: Vec<Vec<Owned>>,
    weight: usize,
    scratch: Vec<u8>,
}

impl Packer {
    /// `packs`: whether there is a target, or rows are only counted.
    pub(crate) fn new(packs: bool) -> Self {
        Self { packs, tables: Vec::new(), rows: Vec::new(), weight: 0, scratch: Vec::new() }
    }

    /// Begins the next table of the catalogue.
    pub(crate) fn begin(&mut self) {
        let table = &catalogue::TABLES[self.tables.len()];
        self.tables.push(TableContents::empty(table.name));
    }

    /// Takes a row of the table that was begun last. A parcel is full and to be sent when one is returned.
    pub(crate) fn add(&mut self, row: &impl crate::value::Row) -> Result<Option<Parcel>, CopyError> {
        let index = self.tables.len() - 1;
        let table = &catalogue::TABLES[index];
        let wrong = |cause| CopyError::Row { table: table.name, cause };
        let mut cells = Vec::with_capacity(table.columns.len());
        for (position, column) in table.columns.iter().enumerate() {
            let cell = row.cell(position).map_err(wrong)?;
            if !column.takes(cell) {
                return Err(wrong(RowError { column: position, problem: "of another type than its column" }));
            }
            cells.push(cell);
        }
        self.tables[index].add(cells.iter().copied(), &mut self.scratch);
        if !self.packs {
            return Ok(None);
        }
        let row: Vec<Owned> = cells.into_iter().map(Owned::of).collect();
        self.weight += row.iter().map(Owned::weight).sum::<usize>();
        self.rows.push(row);
        Ok(if self.weight < BATCH_BYTES { None } else { self.pack() })
    }

    /// What is left of a table whose rows have ended.
    pub(crate) fn pack(&mut self) -> Option<Parcel> {
        self.weight = 0;
        let rows = std::mem::take(&mut self.rows);
        (!rows.is_empty()).then(|| Parcel::Rows(self.tables.len() - 1, rows))
    }

    /// What was read.
    pub(crate) fn finish(self) -> Vec<TableContents> {
        self.tables
    }
}

/// An error of a file or a database.
pub(crate) fn failed(place: impl fmt::Display, cause: impl fmt::Display) -> CopyError {
    CopyError::Failed { place: place.to_string(), cause: cause.to_string() }
}

/// The embedded store in `dir`, as messages name it.
pub(crate) fn named(dir: &Path) -> String {
    Place::Sqlite(dir.to_owned()).to_string()
}
