//! The embedded store keeps the contract, and what only it promises: files, locks, durability across restarts.
#![allow(clippy::unwrap_used)]

mod contract;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use contract::fixtures::{self, ManualClock, START, Subject, new_id};
use vestibule_engine::store::{ChangeSet, CommitError, Outcome, Store as _, Write};
use vestibule_store::{OpenError, Options, SqliteStore};

fn fresh() -> Subject {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let store = SqliteStore::open(dir.path(), clock.clone()).unwrap();
    Subject { store: Arc::new(store), clock, _keep: Arc::new(dir) }
}

macro_rules! as_tests {
    ($($module:ident :: $name:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                contract::$module::$name(fresh()).await;
            }
        )*
    };
}
contract::for_each_case!(as_tests);

macro_rules! run_all {
    ($($module:ident :: $name:ident,)*) => {
        $(contract::$module::$name(fresh()).await;)*
    };
}

#[test]
fn every_statement_of_the_catalogue_is_executed() {
    contract::coverage::assert_all_executed(async {
        contract::for_each_case!(run_all);
    });
}

#[tokio::test]
async fn reopening_finds_everything() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("new").join("data");
    let clock = ManualClock::new();
    let parent = fixtures::organization(None);
    for n in 0..3 {
        let store = SqliteStore::open(&data, clock.clone()).unwrap();
        if n == 0 {
            let insert = Write::InsertOrganization(Box::new(parent.clone()));
            store.commit(ChangeSet { writes: vec![insert] }).await.unwrap();
            store.put_meta("key", "value").await.unwrap();
        }
        assert_eq!(store.organization(parent.id).await.unwrap().as_ref(), Some(&parent));
        assert_eq!(store.meta("key").await.unwrap().as_deref(), Some("value"));
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_found_without_a_clean_close() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), ManualClock::new()).unwrap();
    store.put_meta("key", "value").await.unwrap();
    // The files as they are now, copied aside as a crash would leave them.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let after = SqliteStore::open(copy.path(), ManualClock::new()).unwrap();
    assert_eq!(after.meta("key").await.unwrap().as_deref(), Some("value"));
}

#[test]
fn a_second_process_is_told_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), ManualClock::new()).unwrap();
    let refused = SqliteStore::open(dir.path(), ManualClock::new()).unwrap_err();
    assert!(matches!(&refused, OpenError::Locked(at) if at == dir.path()), "{refused}");
    assert!(refused.to_string().contains("stop that process"), "{refused}");
    drop(store);
    SqliteStore::open(dir.path(), ManualClock::new()).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_readable_by_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = SqliteStore::open(&data, ManualClock::new()).unwrap();
    store.put_meta("key", "value").await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for name in ["vestibule.db", "vestibule.db-wal", "vestibule.db-shm", "lock"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
}

/// Opens the database beside the store.
fn raw(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(dir.join("vestibule.db")).unwrap()
}

#[test]
fn migrations_run_once_and_foreign_histories_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let open = || SqliteStore::open(dir.path(), ManualClock::new());
    drop(open().unwrap());
    let history = || -> Vec<(i64, i64)> {
        let conn = raw(dir.path());
        let mut rows =
            conn.prepare("SELECT version, applied_at FROM schema_migrations ORDER BY version").unwrap();
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
    };
    let first = history();
    assert!(first.iter().all(|(_, applied_at)| *applied_at == START));
    drop(open().unwrap());
    assert_eq!(history(), first);

    let checksum = |version: i64, text: &str| {
        let conn = raw(dir.path());
        conn.execute("INSERT OR REPLACE INTO schema_migrations VALUES (?1, ?2, 0)", (version, text)).unwrap();
    };
    checksum(first.len() as i64 + 1, "later");
    let refused = open().unwrap_err();
    assert!(refused.to_string().contains("a later one"), "{refused}");
    raw(dir.path())
        .execute("DELETE FROM schema_migrations WHERE version > ?1", [first.len() as i64])
        .unwrap();
    checksum(1, "edited");
    let refused = open().unwrap_err();
    assert!(refused.to_string().contains("unmodified release"), "{refused}");
}

#[tokio::test]
async fn a_body_is_gone_once_it_is_sent_failed_or_expired() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::new();
    let store = SqliteStore::open(dir.path(), clock.clone()).unwrap();
    let tenant = vestibule_wire::OrganizationId(new_id());
    let [sent, failed, expired] = [0; 3].map(|_| fixtures::message(tenant));
    let bodies = || -> i64 {
        raw(dir.path())
            .query_row("SELECT count(*) FROM outbox WHERE payload IS NOT NULL", [], |r| r.get(0))
            .unwrap()
    };
    let writes = [&sent, &failed, &expired].map(|message| Write::Enqueue(Box::new(message.clone())));
    store.commit(ChangeSet { writes: writes.to_vec() }).await.unwrap();
    let worker = new_id();
    assert_eq!(store.claim_messages(worker, 10, 1000).await.unwrap().len(), 3);
    assert_eq!(bodies(), 3);
    store.settle_message(sent.id, worker, &Outcome::Sent.into()).await.unwrap();
    assert_eq!(bodies(), 2);
    store
        .settle_message(failed.id, worker, &Outcome::Failed { error: "refused".to_owned() }.into())
        .await
        .unwrap();
    assert_eq!(bodies(), 1);
    clock.advance(fixtures::DAY);
    assert_eq!(store.claim_messages(worker, 10, 1000).await.unwrap(), []);
    assert_eq!(bodies(), 0);
}

#[tokio::test]
async fn a_closed_store_refuses_writes_and_keeps_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(dir.path(), ManualClock::new()).unwrap());
    store.put_meta("key", "value").await.unwrap();
    store.close();
    let refused = store.commit(ChangeSet::new()).await;
    assert!(matches!(refused, Err(CommitError::Unavailable(_))), "{refused:?}");
    assert!(store.ready().await.is_err());
    store.close();
    assert_eq!(store.meta("key").await.unwrap().as_deref(), Some("value"));
}

#[tokio::test]
async fn a_write_that_the_disk_refuses_ends_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let ended = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&ended);
    let on_fatal = Arc::new(move |_: &str| {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    let options = Options { on_fatal, max_pages: Some(120), ..Options::default() };
    let store = SqliteStore::open_with(dir.path(), ManualClock::new(), options).unwrap();
    let mut kept = 0;
    let refused = loop {
        match store.put_meta(&format!("key {kept}"), &"x".repeat(4000)).await {
            Ok(()) => kept += 1,
            Err(refused) => break refused,
        }
    };
    assert!(refused.0.contains("full"), "{refused}");
    assert_eq!(ended.load(Ordering::SeqCst), 1);
    assert!(store.put_meta("key", "small").await.is_err(), "nothing is written any more");
    drop(store);
    let store = SqliteStore::open(dir.path(), ManualClock::new()).unwrap();
    assert!(kept > 0);
    assert!(store.meta(&format!("key {}", kept - 1)).await.unwrap().is_some());
    assert_eq!(store.meta(&format!("key {kept}")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_log_is_copied_while_commits_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { log_pages: 50, ..Options::default() };
    let store = Arc::new(SqliteStore::open_with(dir.path(), ManualClock::new(), options).unwrap());
    // How often the log began anew, which it does when all of it has been copied: a number in its head (SQLite file format,
    // section 4.1). How soon the copying thread gets its turn is the machine's affair, so it has many commits' time.
    let log = dir.path().join("vestibule.db-wal");
    let restarts = || u32::from_be_bytes(std::fs::read(&log).unwrap()[12..16].try_into().unwrap());
    let mut rounds = 0;
    while rounds == 0 || restarts() < 3 {
        assert!(rounds < 2000, "the log is never copied while commits go on");
        let outcomes = fixtures::parallel(20, |n| {
            let store = Arc::clone(&store);
            async move { store.put_meta(&format!("{rounds}/{n}"), &"x".repeat(2000)).await }
        })
        .await;
        assert!(outcomes.iter().all(Result::is_ok));
        rounds += 1;
    }
    for round in [0, rounds - 1] {
        assert_eq!(store.meta(&format!("{round}/19")).await.unwrap().map(|value| value.len()), Some(2000));
    }
}
