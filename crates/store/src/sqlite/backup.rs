//! Backup of a data directory while a server works on it, and restore into an empty one.
//!
//! Promise: a backup is one consistent state, read in one transaction that no commit waits for; it was read back and
//! found whole before it got its name. Restore takes only a file that is still what the backup wrote, and gives a database
//! in which nothing goes on that was under way: no message of that time is sent, no code of that time works.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use vestibule_crypto::fingerprint::sha256_of_reader;

use super::connection::BUSY;
use super::new_file::{NewFile, NewFileError, beside, exists, io_error};
use super::open::{self, OpenError};
use crate::contents::{Checksum, TableContents};
use crate::migrate::{self, HistoryError};
use crate::value::{Row as _, RowError};

/// The figures a backup carries of itself.
const FIGURES: &str = "backup_contents";

/// What a backup file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupContents {
    /// Its tables by name, the schema's history among them.
    pub tables: Vec<TableContents>,
    /// The newest migration it went through.
    pub schema_version: i64,
    /// The file's size.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Whether the file carried figures of its own, which then agreed. A backup does; a copy made by other means does not,
    /// and only its structure can be checked.
    pub compared: bool,
}

impl BackupContents {
    /// Rows in all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// What a restore made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What was in the backup.
    pub contents: BackupContents,
    /// Messages, and events for webhook endpoints, that waited to be sent at the time of the backup, and were given up.
    pub messages_held_back: u64,
    /// Codes that could still be entered at the time of the backup, and were ended.
    pub codes_ended: u64,
}

/// Why there is no backup, or no restored database. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is nothing to back up.
    #[error("there is no database in {}", .0.display())]
    NoDatabase(PathBuf),
    /// A file cannot be read or made.
    #[error(transparent)]
    File(#[from] NewFileError),
    /// The directory has a database, or remains of one.
    #[error("{} exists: restore only into a directory without a database", .0.display())]
    NotEmpty(PathBuf),
    /// Another process holds the directory.
    #[error("{} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The file has a log beside it: it belongs to a server.
    #[error(
        "{} has a write-ahead log beside it: it is the database of a server, not a backup; `vestibule backup` makes one",
        .0.display()
    )]
    Live(PathBuf),
    /// The file is not what a backup wrote.
    #[error("{} is damaged: {why}; use another backup", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// The file's schema is not one of this program's.
    #[error("{}: {cause}", .path.display())]
    History {
        /// Which file.
        path: PathBuf,
        /// What was found.
        cause: HistoryError,
    },
    /// The directory cannot be used.
    #[error(transparent)]
    Directory(OpenError),
    /// SQLite's own refusal.
    #[error("{}: {cause}", .path.display())]
    Database {
        /// Of which file.
        path: PathBuf,
        /// Its answer.
        cause: rusqlite::Error,
    },
}

/// Writes the database in `dir` to the new file `out`, readable by its owner alone, and says what it holds.
///
/// A server may be at work on it. The file gets its name once it is whole, checked and on disk; where it fails, none is
/// left. Blocks until then.
pub fn backup(dir: &Path, out: &Path) -> Result<BackupContents, BackupError> {
    let source = dir.join(open::DATABASE);
    if !exists(&source)? {
        return Err(BackupError::NoDatabase(dir.to_owned()));
    }
    let file = NewFile::create(out)?;
    write(&source, &file.partial)?;
    file.sync()?;
    let contents = inspect(&file.partial)?;
    file.finish()?;
    Ok(contents)
}

/// Makes a database in `dir` from the backup in `from`. The directory is made where it is missing; one that holds a
/// database, or is in use, is refused. Where it fails, no database is left. Blocks until all is on disk.
pub fn restore(from: &Path, dir: &Path) -> Result<Restored, BackupError> {
    let log = beside(from, "-wal");
    if fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
        return Err(BackupError::Live(from.to_owned()));
    }
    let contents = inspect(from)?;

    let (_lock, file) = claim(dir)?;
    io::copy(&mut File::open(from).map_err(io_error(from))?, &mut &file.file)
        .map_err(io_error(&file.partial))?;
    file.sync()?;
    if inspect(&file.partial)? != contents {
        let why = "it read differently the second time".to_owned();
        return Err(BackupError::Damaged { path: from.to_owned(), why });
    }
    let (messages_held_back, codes_ended) = settle(&file.partial).map_err(database_error(&file.partial))?;
    file.finish()?;
    Ok(Restored { contents, messages_held_back, codes_ended })
}

/// Makes a directory that has no database, holds it against other processes, and begins a database in it.
pub(super) fn claim(dir: &Path) -> Result<(File, NewFile), BackupError> {
    open::make_dir(dir).map_err(opening)?;
    let lock = open::lock(dir).map_err(opening)?;
    let database = dir.join(open::DATABASE);
    for end in ["", "-wal", "-shm", "-journal"] {
        let path = beside(&database, end);
        if exists(&path)? {
            return Err(BackupError::NotEmpty(path));
        }
    }
    Ok((lock, NewFile::create(&database)?))
}

/// The predicate of an attempt whose code can still be entered.
macro_rules! live {
    () => {
        "consumed_at IS NULL AND attempts_left > 0"
    };
}

/// Gives up messages and ends codes: both may have been sent and spent since, which this database cannot know. Returns
/// how many there were.
fn settle(path: &Path) -> rusqlite::Result<(u64, u64)> {
    let mut conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // No second file that could outlive this; a restore that breaks off leaves no database at all.
    conn.pragma_update_and_check(None, "journal_mode", "memory", |_| Ok(()))?;
    let tx = conn.transaction()?;
    tx.execute(&format!("DROP TABLE IF EXISTS {FIGURES}"), [])?;
    let messages = tx.execute(
        "UPDATE outbox SET state = 2, payload = NULL, worker = NULL, error = 'restored from a backup', \
         due_at = expires_at WHERE state IN (0, 3)",
        [],
    )?;
    for slot in ["slot_1_otp", "slot_2_otp", "slot_3_otp"] {
        let free = format!(
            concat!(
                "UPDATE contact_limits SET {slot} = NULL WHERE {slot} IN (SELECT id FROM otps WHERE ",
                live!(),
                ")"
            ),
            slot = slot
        );
        tx.execute(&free, [])?;
    }
    let codes =
        tx.execute(concat!("UPDATE otps SET attempts_left = 0, target_key = NULL WHERE ", live!()), [])?;
    tx.commit()?;
    conn.close().map_err(|(_, error)| error)?;
    Ok((messages as u64, codes as u64))
}

/// Copies the database into the empty file `partial`, with figures of what it holds.
///
/// `VACUUM INTO` reads one state of the database in one transaction, which in WAL mode holds up nobody. It leaves behind
/// the free pages, with what was deleted.
fn write(source: &Path, partial: &Path) -> Result<(), BackupError> {
    // Read-only: the last connection to close would otherwise copy the log into the database.
    let conn = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .and_then(|conn| conn.busy_timeout(BUSY).map(|()| conn))
        .map_err(database_error(source))?;
    let Some(target) = partial.to_str() else {
        let cause = io::Error::new(ErrorKind::InvalidInput, "its name is not UTF-8");
        return Err(io_error(partial)(cause).into());
    };
    conn.execute("VACUUM INTO $1", [target]).map_err(database_error(source))?;
    drop(conn);
    add_figures(partial).map_err(|failure| failure.at(partial))
}

fn add_figures(partial: &Path) -> Result<(), Unread> {
    let mut conn = Connection::open_with_flags(partial, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // What fails here is thrown away whole, so no journal is needed.
    conn.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(()))?;
    let tx = conn.transaction()?;
    // Of a backup that was put in place by hand.
    tx.execute(&format!("DROP TABLE IF EXISTS {FIGURES}"), [])?;
    let tables = tables(&tx)?;
    tx.execute(
        &format!(
            "CREATE TABLE {FIGURES} (name TEXT NOT NULL PRIMARY KEY, row_count BIGINT NOT NULL, checksum TEXT NOT NULL)"
        ),
        [],
    )?;
    for table in tables {
        let rows = i64::try_from(table.rows).unwrap_or(i64::MAX);
        tx.execute(
            &format!("INSERT INTO {FIGURES} (name, row_count, checksum) VALUES ($1, $2, $3)"),
            (table.name, rows, table.checksum.to_string()),
        )?;
    }
    tx.commit()?;
    conn.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// Reads a backup whole: its structure, its schema's history, every row, and whether they are those that were written.
fn inspect(path: &Path) -> Result<BackupContents, BackupError> {
    let file = File::open(path).map_err(io_error(path))?;
    let bytes = file.metadata().map_err(io_error(path))?.len();
    let sha256 = sha256_of_reader(&file).map_err(io_error(path))?;
    let conn = open_unchanging(path).map_err(database_error(path))?;
    let Findings { tables, schema_version, compared } = read(&conn).map_err(|failure| failure.at(path))?;
    Ok(BackupContents { tables, schema_version, bytes, sha256, compared })
}

struct Findings {
    tables: Vec<TableContents>,
    schema_version: i64,
    compared: bool,
}

fn read(conn: &Connection) -> Result<Findings, Unread> {
    let verdict: String = conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Unread::Damaged(verdict));
    }
    if names(conn)?.iter().all(|name| name != "schema_migrations") {
        return Err(Unread::Damaged("it is not a database of Vestibule".to_owned()));
    }
    let history = open::history(conn)?;
    migrate::pending(&history)?;
    let Some((schema_version, _)) = history.last() else {
        return Err(Unread::Damaged("it has no schema".to_owned()));
    };
    let tables = tables(conn)?;
    let told = figures(conn)?;
    if let Some(told) = &told
        && *told != tables
    {
        let differs = |table: &&TableContents| !told.contains(table);
        let name = tables.iter().find(differs).map_or("a table", |table| &table.name);
        return Err(Unread::Damaged(format!("{name} does not hold what was written")));
    }
    Ok(Findings { tables, schema_version: *schema_version, compared: told.is_some() })
}

/// The figures that a backup carries; nothing for a copy that was made by other means.
fn figures(conn: &Connection) -> Result<Option<Vec<TableContents>>, Unread> {
    if !names(conn)?.iter().any(|name| name == FIGURES) {
        return Ok(None);
    }
    let mut statement =
        conn.prepare(&format!("SELECT name, row_count, checksum FROM {FIGURES} ORDER BY name"))?;
    let mut rows = statement.query([])?;
    let mut told = Vec::new();
    while let Some(row) = rows.next()? {
        let checksum: String = row.get(2)?;
        told.push(TableContents {
            name: row.get(0)?,
            rows: u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default(),
            checksum: Checksum::parse(&checksum)
                .ok_or_else(|| Unread::Damaged("its figures are not readable".to_owned()))?,
        });
    }
    Ok(Some(told))
}

/// The figures of all tables, by name.
fn tables(conn: &Connection) -> Result<Vec<TableContents>, Unread> {
    let mut scratch = Vec::new();
    let mut tables = Vec::new();
    for name in names(conn)?.into_iter().filter(|name| name != FIGURES) {
        let mut contents = TableContents::empty(&name);
        let mut statement = conn.prepare(&format!("SELECT * FROM \"{}\"", name.replace('"', "\"\"")))?;
        let width = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let cells = (0..width).map(|index| row.cell(index)).collect::<Result<Vec<_>, _>>()?;
            contents.add(cells, &mut scratch);
        }
        tables.push(contents);
    }
    Ok(tables)
}

fn names(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )?
    .query_map([], |row| row.get(0))?
    .collect()
}

/// Opens a file that nobody changes, for reading: without locks, and without files beside it.
fn open_unchanging(path: &Path) -> rusqlite::Result<Connection> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut uri = "file://".to_owned();
    for &byte in absolute.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' => uri.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => uri.push(byte.into()),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    Connection::open_with_flags(uri, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)
}

/// Why a file could not be read as a backup.
enum Unread {
    Damaged(String),
    History(HistoryError),
    Database(rusqlite::Error),
}

impl Unread {
    fn at(self, path: &Path) -> BackupError {
        let path = path.to_owned();
        match self {
            Self::Damaged(why) => BackupError::Damaged { path, why },
            Self::History(cause) => BackupError::History { path, cause },
            Self::Database(cause) => database_error(&path)(cause),
        }
    }
}

impl From<rusqlite::Error> for Unread {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<HistoryError> for Unread {
    fn from(error: HistoryError) -> Self {
        Self::History(error)
    }
}

impl From<RowError> for Unread {
    fn from(error: RowError) -> Self {
        Self::Damaged(format!("a row cannot be read: {error}"))
    }
}

fn opening(error: OpenError) -> BackupError {
    match error {
        OpenError::Locked(path) => BackupError::InUse(path),
        other => BackupError::Directory(other),
    }
}

fn database_error(path: &Path) -> impl FnOnce(rusqlite::Error) -> BackupError {
    let path = path.to_owned();
    move |cause| match cause.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            BackupError::Damaged { path, why: cause.to_string() }
        }
        _ => BackupError::Database { path, cause },
    }
}
