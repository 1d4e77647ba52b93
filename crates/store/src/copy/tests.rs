//! Copies between stores with rows in every table.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;
use vestibule_cluster::{Database, fresh_database};
use vestibule_engine::Clock;
use vestibule_engine::model::Millis;

use super::catalogue::{Column, Kind, TABLES, Table};
use super::{CopyError, Place, compare, contents, copy};
use crate::SqliteStore;

/// Rows of each table.
const ROWS: usize = 5;

struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> Millis {
        1_700_000_000_000
    }
}

/// Columns of no index, which may be long.
const LONG: &[&str] = &["sealed", "payload", "intent", "result", "message", "html", "body_text", "passkey"];

/// A value that no other row has in this column, and that is as odd as the column allows.
fn odd(table: &Table, column: &Column, row: usize, may_be_long: bool) -> Value {
    let is_key = table.key.contains(&column.name);
    let is_long = may_be_long && LONG.contains(&column.name) && row == 3;
    if column.nullable && row.is_multiple_of(2) {
        return Value::Null;
    }
    match column.kind {
        Kind::Int => Value::Integer([0, i64::MIN, i64::MAX, -1, 1_700_000_000_000][row]),
        Kind::Text if row == 1 && !is_key => Value::Text(String::new()),
        Kind::Text => {
            let text = format!("{row} Zoë 你好 \u{1f980} '\"\\\t\n {}", column.name);
            Value::Text(text.repeat(if is_long { 20_000 } else { 1 }))
        }
        Kind::Bytes if row == 1 && !is_key => Value::Blob(Vec::new()),
        Kind::Bytes => {
            let bytes: Vec<u8> = [row as u8].into_iter().chain(0..=255).collect();
            Value::Blob(bytes.repeat(if is_long { 10_000 } else { 1 }))
        }
    }
}

fn raw(dir: &Path) -> Connection {
    Connection::open(dir.join("vestibule.db")).unwrap()
}

/// A directory with an embedded store of odd rows in every table.
fn odd_store() -> (TempDir, PathBuf) {
    odd_store_of(true)
}

fn odd_store_of(may_be_long: bool) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    drop(SqliteStore::open(&data, std::sync::Arc::new(Stopped)).unwrap());
    let conn = raw(&data);
    for table in TABLES {
        for row in 0..ROWS {
            let values = table.columns.iter().map(|column| odd(table, column, row, may_be_long));
            conn.execute(&table.insert(), rusqlite::params_from_iter(values)).unwrap();
        }
    }
    (dir, data)
}

fn at(dir: &Path) -> Place {
    Place::Sqlite(dir.to_owned())
}

fn on(database: &Database) -> Place {
    Place::parse(&database.url()).unwrap()
}

/// Every row of a table as SQLite holds it.
fn rows(dir: &Path, table: &Table) -> Vec<Vec<Value>> {
    let conn = raw(dir);
    let mut statement =
        conn.prepare(&format!("{} ORDER BY {}", table.select(), table.key.join(", "))).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        found.push((0..table.columns.len()).map(|index| row.get(index).unwrap()).collect());
    }
    found
}

fn rows_on(database: &Database) -> u64 {
    TABLES
        .iter()
        .map(|table| {
            database.sql(&format!("SELECT count(*) FROM {};", table.name)).unwrap().parse::<u64>().unwrap()
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_survives_the_way_to_postgresql_and_back() {
    let (dir, data) = odd_store();
    let database = fresh_database();
    let there = copy(&at(&data), &on(&database), &Stopped).await.unwrap();
    assert_eq!(there.iter().map(|table| table.rows).collect::<Vec<_>>(), vec![ROWS as u64; TABLES.len()]);
    assert_eq!(contents(&on(&database)).await.unwrap(), there);

    let other = dir.path().join("other");
    let back = copy(&on(&database), &at(&other), &Stopped).await.unwrap();
    assert_eq!(back, there);
    assert_eq!(contents(&at(&data)).await.unwrap(), there);
    for table in TABLES {
        assert_eq!(rows(&other, table), rows(&data, table), "{}", table.name);
    }
    // A store opens what was copied.
    drop(SqliteStore::open(&other, std::sync::Arc::new(Stopped)).unwrap());

    let third = dir.path().join("third");
    assert_eq!(copy(&at(&other), &at(&third), &Stopped).await.unwrap(), there);
    let second = fresh_database();
    assert_eq!(copy(&on(&database), &on(&second), &Stopped).await.unwrap(), there);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_rows_is_copied_too() {
    let dir = tempfile::tempdir().unwrap();
    drop(SqliteStore::open(dir.path(), std::sync::Arc::new(Stopped)).unwrap());
    let database = fresh_database();
    let tables = copy(&at(dir.path()), &on(&database), &Stopped).await.unwrap();
    assert!(tables.len() == TABLES.len() && tables.iter().all(|table| table.rows == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_noticed_in_every_column() {
    let (dir, data) = odd_store_of(false);
    let whole = contents(&at(&data)).await.unwrap();
    assert!(compare(&whole, &whole).is_ok());
    for table in TABLES {
        for column in table.columns {
            let other = tempfile::tempdir_in(dir.path()).unwrap();
            std::fs::copy(data.join("vestibule.db"), other.path().join("vestibule.db")).unwrap();
            let changed = match column.kind {
                Kind::Int => format!("{0} = {0} + 1", column.name),
                Kind::Text => format!("{0} = '9' || substr({0}, 2)", column.name),
                Kind::Bytes => format!("{0} = CAST('9' || substr({0}, 2) AS BLOB)", column.name),
            };
            // The last row has a value in every column but one that is null in every other row; the one before has it.
            let row = if column.nullable { 3 } else { 4 };
            let change = format!(
                "UPDATE {name} SET {changed} WHERE {key} = $1",
                name = table.name,
                key = table.key[0],
            );
            let key = table.columns.iter().find(|column| column.name == table.key[0]).unwrap();
            assert_eq!(raw(other.path()).execute(&change, [odd(table, key, row, false)]).unwrap(), 1);
            let found = contents(&at(other.path())).await.unwrap();
            let differs = compare(&whole, &found).unwrap_err();
            assert!(
                matches!(&differs, CopyError::Differs { table: name, .. } if name == table.name),
                "{}.{}: {differs}",
                table.name,
                column.name
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_altered_is_not_kept() {
    let (_dir, data) = odd_store();
    let database = fresh_database();
    crate::PostgresStore::migrate(&crate::PostgresOptions::from_url(&database.url()).unwrap(), &Stopped)
        .await
        .unwrap();
    database
        .sql(
            "CREATE FUNCTION alter_it() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN IF NEW.name = '' THEN NEW.name = '!'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER alter_it BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION alter_it();",
        )
        .unwrap();
    let refused = copy(&at(&data), &on(&database), &Stopped).await.unwrap_err();
    assert!(matches!(&refused, CopyError::Differs { table, .. } if table == "users"), "{refused}");
    assert_eq!(rows_on(&database), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_target_gives_up_nothing_is_left_and_the_reason_is_told() {
    let (dir, data) = odd_store();
    // PostgreSQL has no texts with this character.
    raw(&data).execute("UPDATE users SET name = name || char(0) || 'x'", []).unwrap();
    let database = fresh_database();
    let refused = copy(&at(&data), &on(&database), &Stopped).await.unwrap_err();
    assert!(refused.to_string().contains("0x00"), "{refused}");
    assert_eq!(rows_on(&database), 0);
    // SQLite has them.
    copy(&at(&data), &at(&dir.path().join("other")), &Stopped).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_source_gives_up_nothing_is_left_and_the_reason_is_told() {
    let (dir, data) = odd_store();
    raw(&data).execute("UPDATE templates SET created_at = 'yesterday'", []).unwrap();
    let (other, database) = (dir.path().join("other"), fresh_database());
    for target in [at(&other), on(&database)] {
        let refused = copy(&at(&data), &target, &Stopped).await.unwrap_err();
        assert!(matches!(refused, CopyError::Row { table: "templates", .. }), "{refused}");
    }
    assert_eq!(rows_on(&database), 0);
    assert!(!other.join("vestibule.db").exists() && !other.join("vestibule.db.partial").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_with_data_is_left_alone() {
    let (dir, data) = odd_store();
    let database = fresh_database();
    let options = crate::PostgresOptions::from_url(&database.url()).unwrap();
    crate::PostgresStore::migrate(&options, &Stopped).await.unwrap();
    database.sql("INSERT INTO meta (key, value) VALUES ('key', 'value');").unwrap();
    let refused = copy(&at(&data), &on(&database), &Stopped).await.unwrap_err();
    assert!(refused.to_string().contains("has rows in meta"), "{refused}");
    assert_eq!(rows_on(&database), 1);
    let (_other, with_data) = odd_store();
    let refused = copy(&at(&data), &at(&with_data), &Stopped).await.unwrap_err();
    assert!(matches!(refused, CopyError::NotEmpty(_)), "{refused}");
    let refused = copy(&at(&data), &at(&data), &Stopped).await.unwrap_err();
    assert!(matches!(refused, CopyError::NotEmpty(_) | CopyError::InUse(_)), "{refused}");
    let missing =
        copy(&at(&dir.path().join("missing")), &at(&dir.path().join("new")), &Stopped).await.unwrap_err();
    assert!(matches!(missing, CopyError::NoDatabase(_)), "{missing}");
    assert!(!dir.path().join("new/vestibule.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_in_use_or_of_another_release_is_refused() {
    let (dir, data) = odd_store();
    let to = at(&dir.path().join("to"));
    let store = SqliteStore::open(&data, std::sync::Arc::new(Stopped)).unwrap();
    let refused = copy(&at(&data), &to, &Stopped).await.unwrap_err();
    assert!(matches!(refused, CopyError::InUse(_)), "{refused}");
    drop(store);

    raw(&data).execute("INSERT INTO schema_migrations VALUES (1000, 'later', 0)", []).unwrap();
    let refused = copy(&at(&data), &to, &Stopped).await.unwrap_err();
    assert!(matches!(refused, CopyError::History(_)), "{refused}");
    raw(&data).execute("DELETE FROM schema_migrations", []).unwrap();
    let refused = copy(&at(&data), &to, &Stopped).await.unwrap_err();
    assert!(matches!(refused, CopyError::Outdated(_)), "{refused}");
    let refused = copy(&on(&fresh_database()), &to, &Stopped).await.unwrap_err();
    assert!(matches!(refused, CopyError::Outdated(_)), "{refused}");
}

#[test]
fn a_place_is_named_without_its_password() {
    let place = Place::parse("postgres://me:secret@127.0.0.1:5433/vestibule").unwrap();
    assert_eq!(place.to_string(), "postgres://127.0.0.1:5433/vestibule");
    assert_eq!(Place::parse("sqlite:some/where").unwrap().to_string(), "sqlite:some/where");
    for wrong in ["sqlite:", "some/where", ""] {
        assert!(Place::parse(wrong).is_err(), "{wrong}");
    }
}
