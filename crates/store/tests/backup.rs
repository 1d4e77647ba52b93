//! A backup is one consistent state of a store at work, a restore accepts nothing else, and nothing of that time goes on.
#![allow(clippy::unwrap_used)]

#[allow(dead_code, reason = "this file uses its own part")]
#[path = "contract/fixtures.rs"]
mod fixtures;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fixtures::{ManualClock, new_id};
use tempfile::TempDir;
use vestibule_engine::store::{ChangeSet, Store as _, Write};
use vestibule_store::{BackupError, NewFileError, Options, SqliteStore, backup, restore};

fn open(dir: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(dir, ManualClock::new()).unwrap())
}

async fn commit(store: &SqliteStore, writes: Vec<Write>) {
    store.commit(ChangeSet { writes }).await.unwrap();
}

/// An organization and a user of it, in one commit.
async fn account(store: &SqliteStore) {
    let organization = fixtures::organization(None);
    let user = fixtures::user(organization.id, organization.id);
    commit(store, vec![Write::InsertOrganization(Box::new(organization)), Write::InsertUser(Box::new(user))])
        .await;
}

/// A closed store with some accounts, and a backup of it.
async fn small() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = open(&data);
    for _ in 0..3 {
        account(&store).await;
    }
    store.close();
    let file = dir.path().join("a backup.db");
    backup(&data, &file).unwrap();
    (dir, file)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

fn raw(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(dir.join("vestibule.db")).unwrap()
}

fn number(dir: &Path, query: &str) -> i64 {
    raw(dir).query_row(query, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_under_continuous_commits_is_one_consistent_state() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = open(&data);
    let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (store, stop, made) = (Arc::clone(&store), Arc::clone(&stop), Arc::clone(&made));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    account(&store).await;
                    made.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let mut last = 0;
    for round in 0..5 {
        while made.load(Ordering::SeqCst) < last + 50 {
            tokio::task::yield_now().await;
        }
        let before = made.load(Ordering::SeqCst);
        let file = dir.path().join(format!("{round}.db"));
        let contents = tokio::task::spawn_blocking({
            let (data, file) = (data.clone(), file.clone());
            move || backup(&data, &file).unwrap()
        })
        .await
        .unwrap();
        // One commit of each writer may be done, and not counted yet.
        let after = made.load(Ordering::SeqCst) + writers.len();
        let rows = |name: &str| contents.tables.iter().find(|table| table.name == name).unwrap().rows;
        let (organizations, users) = (rows("organizations"), rows("users"));
        assert_eq!(organizations, users, "half a commit is in the backup");
        let range = before as u64..=after as u64;
        assert!(range.contains(&users), "{users} users, not in {range:?}");
        let to = dir.path().join(format!("restored-{round}"));
        assert_eq!(restore(&file, &to).unwrap().contents, contents);
        assert_eq!(number(&to, "SELECT count(*) FROM users") as u64, users);
        last = after;
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
}

/// A backup reads one state for as long as it takes; until then the log cannot begin anew.
#[tokio::test]
async fn commits_do_not_wait_for_a_long_reader() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { log_pages: 1, ..Options::default() };
    let store = SqliteStore::open_with(dir.path(), ManualClock::new(), options).unwrap();
    store.put_meta("key", "before").await.unwrap();
    let reader = raw(dir.path());
    reader.execute_batch("BEGIN").unwrap();
    let seen = || -> String {
        reader.query_row("SELECT value FROM meta WHERE key = 'key'", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(seen(), "before");
    // Five seconds for each would be a quarter of an hour.
    let commits = async {
        for n in 0..200 {
            store.put_meta("key", &n.to_string()).await.unwrap();
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(120), commits).await.expect("commits waited");
    assert_eq!(seen(), "before");
}

#[tokio::test]
async fn a_backup_is_private_and_complete_and_leaves_nothing_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = open(&data);
    account(&store).await;
    // Of a process that was killed.
    fs::write(dir.path().join("backup.db.partial"), "half a backup").unwrap();
    let file = dir.path().join("backup.db");
    let contents = backup(&data, &file).unwrap();
    store.close();

    assert_eq!(names(dir.path()), ["backup.db", "data"]);
    assert_eq!(contents.bytes, fs::metadata(&file).unwrap().len());
    assert_eq!(contents.sha256, vestibule_crypto::fingerprint::sha256(&fs::read(&file).unwrap()));
    assert!(contents.compared);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let to = dir.path().join("restored");
        restore(&file, &to).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(&to), mode(&to.join("vestibule.db"))), (0o600, 0o700, 0o600));
        assert_eq!(names(&to), ["lock", "vestibule.db"]);
    }
}

#[tokio::test]
async fn a_stopped_server_is_backed_up_and_its_log_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    account(&store).await;
    // As a crash leaves them: everything is in the log still.
    let crashed = dir.path().join("crashed");
    fs::create_dir(&crashed).unwrap();
    for name in ["vestibule.db", "vestibule.db-wal"] {
        fs::copy(dir.path().join("data").join(name), crashed.join(name)).unwrap();
    }
    let log = fs::read(crashed.join("vestibule.db-wal")).unwrap();
    assert!(!log.is_empty());
    let contents = backup(&crashed, &dir.path().join("backup.db")).unwrap();
    assert_eq!(contents.tables.iter().find(|table| table.name == "users").unwrap().rows, 1);
    assert_eq!(fs::read(crashed.join("vestibule.db-wal")).unwrap(), log, "a backup changes nothing");
}

#[tokio::test]
async fn what_was_deleted_is_not_in_a_backup() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let store = open(&data);
    let organization = fixtures::organization(None);
    let mut user = fixtures::user(organization.id, organization.id);
    user.name = "Grace, who left".to_owned();
    commit(&store, vec![Write::InsertUser(Box::new(user.clone()))]).await;
    let found = |file: &str| {
        let bytes = fs::read(dir.path().join(file)).unwrap();
        bytes.windows(user.name.len()).any(|window| window == user.name.as_bytes())
    };
    backup(&data, &dir.path().join("before.db")).unwrap();
    raw(&data).execute("DELETE FROM users", []).unwrap();
    backup(&data, &dir.path().join("after.db")).unwrap();
    assert_eq!((found("before.db"), found("after.db")), (true, false));
}

#[tokio::test]
async fn nothing_is_overwritten() {
    let (dir, file) = small().await;
    let data = dir.path().join("data");
    let before = fs::read(&file).unwrap();
    assert!(
        matches!(backup(&data, &file), Err(BackupError::File(NewFileError::Exists(path))) if path == file)
    );
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(matches!(restore(&file, &data), Err(BackupError::NotEmpty(_))));

    let store = open(&dir.path().join("busy"));
    fs::remove_file(dir.path().join("busy/vestibule.db")).unwrap();
    assert!(matches!(restore(&file, &dir.path().join("busy")), Err(BackupError::InUse(_))));
    drop(store);

    let remains = dir.path().join("remains");
    fs::create_dir(&remains).unwrap();
    fs::write(remains.join("vestibule.db-wal"), "").unwrap();
    assert!(matches!(restore(&file, &remains), Err(BackupError::NotEmpty(_))));
    assert!(matches!(backup(&remains, &dir.path().join("x")), Err(BackupError::NoDatabase(_))));
}

#[tokio::test]
async fn a_database_at_work_is_no_backup() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("data"));
    account(&store).await;
    let refused = restore(&dir.path().join("data/vestibule.db"), &dir.path().join("to")).unwrap_err();
    assert!(matches!(refused, BackupError::Live(_)), "{refused}");
    assert!(!dir.path().join("to").exists());
}

#[tokio::test]
async fn a_flipped_byte_is_noticed_or_does_not_matter() {
    let (dir, file) = small().await;
    let whole = fs::read(&file).unwrap();
    let good = restore(&file, &dir.path().join("good")).unwrap().contents;
    let damaged = dir.path().join("damaged.db");
    let mut refused = 0;
    let places = (0..whole.len()).step_by(1777);
    let texts =
        whole.windows(15).enumerate().filter(|(_, window)| window == b"An organization").map(|(at, _)| at);
    let text: Vec<usize> = texts.collect();
    assert!(!text.is_empty());
    for at in places.chain(text.iter().copied()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        fs::write(&damaged, &bytes).unwrap();
        let to = dir.path().join(format!("to-{at}"));
        match restore(&damaged, &to) {
            Ok(restored) => {
                assert!(!text.contains(&at));
                // A free part of a page, or a figure of SQLite's own.
                assert_eq!(restored.contents.tables, good.tables, "{at}");
            }
            Err(_) => {
                refused += 1;
                assert!(!to.join("vestibule.db").exists());
            }
        }
    }
    assert!(refused > text.len());
}

#[tokio::test]
async fn what_is_no_backup_is_refused() {
    let (dir, file) = small().await;
    let whole = fs::read(&file).unwrap();
    let other = dir.path().join("other.db");
    let refused = |bytes: &[u8]| {
        fs::write(&other, bytes).unwrap();
        let refused = restore(&other, &dir.path().join("to")).unwrap_err();
        assert!(!dir.path().join("to/vestibule.db").exists());
        refused
    };
    for bytes in [
        &whole[..whole.len() / 2],
        &whole[..100],
        b"",
        b"not a database at all, but long enough to have a header, which begins with other words; and so on",
    ] {
        let refused = refused(bytes);
        assert!(matches!(refused, BackupError::Damaged { .. }), "{} bytes: {refused}", bytes.len());
    }
    let missing = restore(&dir.path().join("missing.db"), &dir.path().join("to")).unwrap_err();
    assert!(matches!(missing, BackupError::File(NewFileError::Io { .. })), "{missing}");

    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    raw(&foreign).execute_batch("CREATE TABLE t (a)").unwrap();
    let foreign = refused(&fs::read(foreign.join("vestibule.db")).unwrap());
    assert!(foreign.to_string().contains("not a database of Vestibule"), "{foreign}");

    let newer = dir.path().join("newer");
    fs::create_dir(&newer).unwrap();
    fs::copy(&file, newer.join("vestibule.db")).unwrap();
    raw(&newer).execute("INSERT INTO schema_migrations VALUES (1000, 'later', 0)", []).unwrap();
    let newer = refused(&fs::read(newer.join("vestibule.db")).unwrap());
    assert!(matches!(newer, BackupError::History { .. }), "{newer}");
}

#[tokio::test]
async fn a_copy_that_other_tools_made_is_taken_for_its_structure() {
    let (dir, _) = small().await;
    let copy = dir.path().join("copy.db");
    raw(&dir.path().join("data")).execute("VACUUM INTO $1", [copy.to_str().unwrap()]).unwrap();
    let restored = restore(&copy, &dir.path().join("to")).unwrap();
    assert!(!restored.contents.compared);
    // A database in WAL mode, stopped and copied as it is.
    let restored = restore(&dir.path().join("data/vestibule.db"), &dir.path().join("again")).unwrap();
    assert!(!restored.contents.compared);
    assert_eq!(number(&dir.path().join("again"), "SELECT count(*) FROM users"), 3);
}

#[tokio::test]
async fn nothing_that_was_under_way_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file, to) =
        (dir.path().join("data"), dir.path().join("backup.db"), dir.path().join("restored"));
    let store = open(&data);
    let tenant = vestibule_wire::OrganizationId(new_id());
    let waiting = fixtures::message(tenant);
    let live = fixtures::otp(tenant, tenant);
    let spent =
        vestibule_engine::model::Otp { consumed_at: Some(fixtures::START), ..fixtures::otp(tenant, tenant) };
    commit(
        &store,
        vec![
            Write::Enqueue(Box::new(waiting.clone())),
            Write::EnqueueDelivery(Box::new(fixtures::delivery(tenant, new_id()))),
            Write::InsertOtp(Box::new(live.clone())),
            Write::InsertOtp(Box::new(spent.clone())),
        ],
    )
    .await;
    {
        let conn = raw(&data);
        conn.execute(
            "INSERT INTO contact_limits (tenant_id, contact_key, touched_at, slot_1_otp, slot_2_otp) VALUES ($1, $1, 0, $2, $3)",
            (tenant.as_bytes(), live.id.as_bytes(), spent.id.as_bytes()),
        )
        .unwrap();
    }
    backup(&data, &file).unwrap();
    let restored = restore(&file, &to).unwrap();
    assert_eq!((restored.messages_held_back, restored.codes_ended), (2, 1));

    let after = open(&to);
    assert_eq!(after.claim_messages(new_id(), 10, 1000).await.unwrap(), []);
    assert_eq!(after.waiting_endpoints(uuid::Uuid::nil(), 10).await.unwrap(), []);
    after.close();
    assert_eq!(number(&to, "SELECT count(*) FROM outbox WHERE payload IS NOT NULL"), 0);
    assert_eq!(number(&to, "SELECT sum(attempts_left) FROM otps WHERE consumed_at IS NULL"), 0);
    assert_eq!(
        number(&to, "SELECT count(*) FROM otps WHERE consumed_at IS NULL AND target_key IS NOT NULL"),
        0
    );
    assert_eq!(number(&to, "SELECT slot_1_otp IS NULL AND slot_2_otp IS NOT NULL FROM contact_limits"), 1);
    // The server that was backed up goes on.
    assert_eq!(store.claim_messages(new_id(), 10, 1000).await.unwrap().len(), 1);
}
