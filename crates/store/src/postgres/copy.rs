//! A PostgreSQL database as either end of a copy.

use std::pin::pin;

use futures_util::TryStreamExt as _;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use vestibule_engine::Clock;

use super::PostgresStore;
use super::open::OpenPostgresError;
use super::options::PostgresOptions;
use super::pool::{self, Lent};
use crate::contents::TableContents;
use crate::copy::catalogue::{Kind, TABLES, Table};
use crate::copy::{CopyError, Owned, Packer, Parcel, compare, failed};
use crate::migrate;
use crate::value::Value;

/// Whole tables take longer than a request may; one waits for a lock for half a minute, not for ever.
const SETTINGS: &str = "SET statement_timeout = 0; SET lock_timeout = '30s'; \
    SET idle_in_transaction_session_timeout = 0; SET enable_seqscan = on";

/// Reads a database and sends its rows, in one state of it.
pub(crate) async fn read(
    options: &PostgresOptions,
    sender: Option<Sender<Parcel>>,
) -> Result<Vec<TableContents>, CopyError> {
    let conn = connect(options).await?;
    let refused = refused(options);
    let client = &conn.client;
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(&refused)?;
    let history = match client.query(migrate::READ_HISTORY, &[]).await {
        Ok(rows) => rows.iter().map(|row| (row.get(0), row.get(1))).collect(),
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Vec::new(),
        Err(error) => return Err(refused(error)),
    };
    if !migrate::pending(&history)?.is_empty() {
        return Err(CopyError::Outdated(options.place()));
    }
    let tables = send_rows(options, client, sender.as_ref()).await?;
    client.batch_execute("COMMIT").await.map_err(&refused)?;
    if let Some(sender) = sender {
        sender.send(Parcel::End(tables.clone())).await.map_err(|_| CopyError::BrokenOff)?;
    }
    Ok(tables)
}

/// Fills a database without rows with what is received, in one transaction; makes its schema first.
pub(crate) async fn fill(
    options: &PostgresOptions,
    mut receiver: Receiver<Parcel>,
    clock: &dyn Clock,
) -> Result<Vec<TableContents>, CopyError> {
    PostgresStore::migrate(options, clock).await.map_err(opening(options))?;
    let conn = connect(options).await?;
    let refused = refused(options);
    let client = &conn.client;
    client.batch_execute("BEGIN").await.map_err(&refused)?;
    let names: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    // A server that starts on it meanwhile waits, and does not put anything between the rows.
    client
        .batch_execute(&format!("LOCK TABLE {} IN EXCLUSIVE MODE", names.join(", ")))
        .await
        .map_err(&refused)?;
    for table in TABLES {
        if client.query_one(&table.any(), &[]).await.map_err(&refused)?.get(0) {
            return Err(CopyError::NotEmpty(format!("{} has rows in {}", options.place(), table.name)));
        }
    }
    let told = receive_rows(options, client, &mut receiver).await?;
    let tables = send_rows(options, client, None).await?;
    compare(&told, &tables)?;
    client.batch_execute("COMMIT").await.map_err(&refused)?;
    Ok(tables)
}

/// A connection of its own. Closing it ends what it has begun.
async fn connect(options: &PostgresOptions) -> Result<Lent, CopyError> {
    let pool = pool::new(options).map_err(opening(options))?;
    let conn = pool.get().await.map_err(|error| failed(options.place(), pool::unavailable(error)))?;
    conn.client.batch_execute(SETTINGS).await.map_err(refused(options))?;
    Ok(conn)
}

/// Counts the rows of all tables, and sends them where somebody wants them.
async fn send_rows(
    options: &PostgresOptions,
    client: &Client,
    sender: Option<&Sender<Parcel>>,
) -> Result<Vec<TableContents>, CopyError> {
    let refused = refused(options);
    let send = async |parcel: Option<Parcel>| match (sender, parcel) {
        (Some(sender), Some(parcel)) => sender.send(parcel).await.map_err(|_| CopyError::BrokenOff),
        _ => Ok(()),
    };
    let mut packer = Packer::new(sender.is_some());
    for table in TABLES {
        packer.begin();
        let none: [Value<'_>; 0] = [];
        let mut rows = pin!(client.query_raw(&table.select(), none).await.map_err(&refused)?);
        while let Some(row) = rows.try_next().await.map_err(&refused)? {
            send(packer.add(&row)?).await?;
        }
        send(packer.pack()).await?;
    }
    Ok(packer.finish())
}

/// Adds rows until their end; returns what the source says they are.
async fn receive_rows(
    options: &PostgresOptions,
    client: &Client,
    receiver: &mut Receiver<Parcel>,
) -> Result<Vec<TableContents>, CopyError> {
    loop {
        match receiver.recv().await {
            Some(Parcel::Rows(table, rows)) => {
                add(client, &TABLES[table], &rows).await.map_err(refused(options))?;
            }
            Some(Parcel::End(told)) => return Ok(told),
            None => return Err(CopyError::BrokenOff),
        }
    }
}

async fn add(client: &Client, table: &Table, rows: &[Vec<Owned>]) -> Result<(), tokio_postgres::Error> {
    let types: Vec<Type> = table
        .columns
        .iter()
        .map(|column| match column.kind {
            Kind::Int => Type::INT8,
            Kind::Text => Type::TEXT,
            Kind::Bytes => Type::BYTEA,
        })
        .collect();
    let sink = client.copy_in(&table.copy_in()).await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    for row in rows {
        writer.as_mut().write_raw(row.iter().map(Owned::lend)).await?;
    }
    writer.finish().await?;
    Ok(())
}

fn refused(options: &PostgresOptions) -> impl Fn(tokio_postgres::Error) -> CopyError {
    let place = options.place();
    move |error| failed(&place, pool::describe(&error))
}

fn opening(options: &PostgresOptions) -> impl FnOnce(OpenPostgresError) -> CopyError {
    let place = options.place();
    move |error| match error {
        OpenPostgresError::History(error) => error.into(),
        other => failed(place, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Stopped;

    impl Clock for Stopped {
        fn now_ms(&self) -> i64 {
            0
        }
    }

    #[tokio::test]
    async fn the_catalogue_is_the_schema() {
        let database = vestibule_cluster::fresh_database();
        let options = PostgresOptions::from_url(&database.url()).unwrap();
        PostgresStore::migrate(&options, &Stopped).await.unwrap();
        let columns = database
            .sql(
                "SELECT c.table_name, c.column_name, c.data_type, c.is_nullable = 'YES' FROM information_schema.columns c \
                 WHERE c.table_schema = current_schema AND c.table_name <> 'schema_migrations' \
                 ORDER BY c.table_name COLLATE \"C\", c.ordinal_position;",
            )
            .unwrap();
        let keys = database
            .sql(
                "SELECT t.relname, a.attname FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid \
                 JOIN pg_namespace n ON n.oid = t.relnamespace \
                 CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY AS k (column_number, place) \
                 JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.column_number \
                 WHERE i.indisprimary AND n.nspname = current_schema AND t.relname <> 'schema_migrations' \
                 ORDER BY t.relname COLLATE \"C\", k.place;",
            )
            .unwrap();
        let mut tables: Vec<&Table> = TABLES.iter().collect();
        tables.sort_by_key(|table| table.name);
        let (mut known_columns, mut known_keys) = (Vec::new(), Vec::new());
        for table in tables {
            for column in table.columns {
                let kind = match column.kind {
                    Kind::Int => "bigint",
                    Kind::Text => "text",
                    Kind::Bytes => "bytea",
                };
                let nullable = if column.nullable { "t" } else { "f" };
                known_columns.push(format!("{}|{}|{kind}|{nullable}", table.name, column.name));
            }
            known_keys.extend(table.key.iter().map(|column| format!("{}|{column}", table.name)));
        }
        assert_eq!(columns.lines().collect::<Vec<_>>(), known_columns);
        assert_eq!(keys.lines().collect::<Vec<_>>(), known_keys);
    }
}
