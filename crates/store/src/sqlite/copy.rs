//! The embedded store as either end of a copy.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, params_from_iter};
use tokio::sync::mpsc::{Receiver, Sender};

use super::backup::{self, BackupError};
use super::connection::BUSY;
use super::open::{self, OpenError};
use crate::contents::TableContents;
use crate::copy::catalogue::TABLES;
use crate::copy::{CopyError, Owned, Packer, Parcel, compare, failed, named};
use crate::migrate;

/// Reads the store in `dir`, which no server may have open, and sends its rows. Blocks until all are taken.
pub(crate) fn read(dir: &Path, sender: Option<Sender<Parcel>>) -> Result<Vec<TableContents>, CopyError> {
    let path = dir.join(open::DATABASE);
    if !path.exists() {
        return Err(CopyError::NoDatabase(dir.to_owned()));
    }
    let _lock = open::lock(dir).map_err(|error| opening(dir, error))?;
    let refused = |error: rusqlite::Error| failed(named(dir), error);
    let mut conn = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(refused)?;
    conn.busy_timeout(BUSY).map_err(refused)?;
    let tx = conn.transaction().map_err(refused)?;
    let history = open::history(&tx).map_err(refused)?;
    if !migrate::pending(&history)?.is_empty() {
        return Err(CopyError::Outdated(named(dir)));
    }
    let tables = send_rows(dir, &tx, sender.as_ref())?;
    if let Some(sender) = sender {
        sender.blocking_send(Parcel::End(tables.clone())).map_err(|_| CopyError::BrokenOff)?;
    }
    Ok(tables)
}

/// Makes a store in `dir`, which has none, of what is received. Blocks until all is on disk. `now`: the time, epoch
/// milliseconds.
pub(crate) fn fill(
    dir: &Path,
    mut receiver: Receiver<Parcel>,
    now: i64,
) -> Result<Vec<TableContents>, CopyError> {
    let refused = |error: rusqlite::Error| failed(named(dir), error);
    let (_lock, file) = backup::claim(dir).map_err(|error| match error {
        BackupError::InUse(path) => CopyError::InUse(path),
        BackupError::NotEmpty(path) => CopyError::NotEmpty(format!("{} exists", path.display())),
        other => failed(named(dir), other),
    })?;
    let mut conn =
        Connection::open_with_flags(&file.partial, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(refused)?;
    // A copy that breaks off leaves no file at all, and the file is synced as a whole.
    conn.pragma_update_and_check(None, "journal_mode", "off", |_| Ok(())).map_err(refused)?;
    conn.pragma_update(None, "synchronous", "off").map_err(refused)?;
    open::migrate(&mut conn, now).map_err(|error| opening(dir, error))?;

    let tx = conn.transaction().map_err(refused)?;
    let told = receive_rows(dir, &tx, &mut receiver)?;
    let tables = send_rows(dir, &tx, None)?;
    compare(&told, &tables)?;
    tx.commit().map_err(refused)?;
    conn.close().map_err(|(_, error)| refused(error))?;
    file.finish().map_err(|error| failed(named(dir), error))?;
    Ok(tables)
}

/// Counts the rows of all tables, and sends them where somebody wants them.
fn send_rows(
    dir: &Path,
    conn: &Connection,
    sender: Option<&Sender<Parcel>>,
) -> Result<Vec<TableContents>, CopyError> {
    let send = |parcel: Option<Parcel>| match (sender, parcel) {
        (Some(sender), Some(parcel)) => sender.blocking_send(parcel).map_err(|_| CopyError::BrokenOff),
        _ => Ok(()),
    };
    let mut packer = Packer::new(sender.is_some());
    for table in TABLES {
        packer.begin();
        let refused = |error: rusqlite::Error| failed(named(dir), error);
        let mut statement = conn.prepare(&table.select()).map_err(refused)?;
        let mut rows = statement.query([]).map_err(refused)?;
        while let Some(row) = rows.next().map_err(refused)? {
            send(packer.add(row)?)?;
        }
        send(packer.pack())?;
    }
    Ok(packer.finish())
}

/// Inserts rows until their end; returns what the source says they are.
fn receive_rows(
    dir: &Path,
    conn: &Connection,
    receiver: &mut Receiver<Parcel>,
) -> Result<Vec<TableContents>, CopyError> {
    let refused = |error: rusqlite::Error| failed(named(dir), error);
    loop {
        match receiver.blocking_recv() {
            Some(Parcel::Rows(table, rows)) => {
                let mut insert = conn.prepare_cached(&TABLES[table].insert()).map_err(refused)?;
                for row in &rows {
                    insert.execute(params_from_iter(row.iter().map(Owned::lend))).map_err(refused)?;
                }
            }
            Some(Parcel::End(told)) => return Ok(told),
            None => return Err(CopyError::BrokenOff),
        }
    }
}

fn opening(dir: &Path, error: OpenError) -> CopyError {
    match error {
        OpenError::Locked(path) => CopyError::InUse(path),
        OpenError::History(error) => error.into(),
        other => failed(named(dir), other),
    }
}

#[cfg(test)]
mod tests {
    use crate::copy::catalogue::{Column, Kind, TABLES};

    #[test]
    fn the_catalogue_is_the_schema() {
        let mut conn = rusqlite::Connection::open_in_memory().unwrap();
        super::open::migrate(&mut conn, 0).unwrap();
        let mut found: Vec<String> = conn
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'schema_migrations'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let mut known: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        found.sort();
        known.sort_unstable();
        assert_eq!(found, known);
        for table in TABLES {
            let mut statement = conn.prepare(&format!("PRAGMA table_info({})", table.name)).unwrap();
            let mut rows = statement.query([]).unwrap();
            let (mut columns, mut key) = (Vec::new(), Vec::new());
            while let Some(row) = rows.next().unwrap() {
                let name: String = row.get(1).unwrap();
                let kind = match row.get::<_, String>(2).unwrap().as_str() {
                    "BIGINT" => Kind::Int,
                    "TEXT" => Kind::Text,
                    "BYTEA" => Kind::Bytes,
                    other => panic!("{other} is no type of the catalogue"),
                };
                let place: u32 = row.get(5).unwrap();
                if place > 0 {
                    key.push((place, name.clone()));
                }
                columns.push((name, kind, !row.get::<_, bool>(3).unwrap()));
            }
            key.sort();
            let of = |Column { name, kind, nullable }: &Column| ((*name).to_owned(), *kind, *nullable);
            assert_eq!(columns, table.columns.iter().map(of).collect::<Vec<_>>(), "{}", table.name);
            assert_eq!(
                key.into_iter().map(|(_, name)| name).collect::<Vec<_>>(),
                table.key,
                "{}",
                table.name
            );
        }
    }
}
