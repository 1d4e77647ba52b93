//! Clusters: what a test may rely on.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use vestibule_cluster::{Cluster, Options, fresh_database, shared};

fn start() -> Cluster {
    Cluster::start(Options::default()).unwrap()
}

/// Looks until it holds; a bound of this length is only reached by a failure.
fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_cluster_answers_as_soon_as_it_is_started_and_leaves_nothing_behind() {
    let cluster = start();
    assert_eq!(cluster.sql("postgres", "SELECT 1 + 1, 'two'; SELECT 3").unwrap(), "2|two\n3");
    assert!(cluster.url("a").starts_with("postgres://postgres@127.0.0.1:"));
    let (address, directory) = (cluster.endpoint().address(), cluster.directory().to_owned());
    assert!(directory.is_dir());
    drop(cluster);
    assert!(!directory.exists());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_failed_statement_is_an_error_that_says_why() {
    let database = fresh_database();
    let error = database.sql("SELECT * FROM absent").unwrap_err().to_string();
    assert!(error.contains("relation \"absent\" does not exist"), "{error}");
}

#[test]
fn long_input_and_long_output_pass() {
    let database = fresh_database();
    let text = format!("SELECT '{}', repeat('b', 300000);\n", "a".repeat(300_000)).repeat(3);
    assert_eq!(database.sql(&text).unwrap().len(), 3 * 600_002 - 1);
}

#[test]
fn databases_are_fresh_and_go_with_their_value() {
    let (first, second) = (fresh_database(), fresh_database());
    assert_ne!(first.name(), second.name());
    first.sql("CREATE TABLE t (id int)").unwrap();
    assert!(second.sql("SELECT * FROM t").is_err());
    let names = |name: &str| {
        shared()
            .sql("postgres", &format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'"))
            .unwrap()
    };
    let name = first.name().to_owned();
    assert_eq!(names(&name), "1");
    drop(first);
    assert_eq!(names(&name), "0");
}

#[test]
fn what_a_database_does_is_counted() {
    let database = fresh_database();
    let before = database.counts().unwrap();
    database.sql("CREATE TABLE t AS SELECT repeat('x', 1000) AS text FROM generate_series(1, 1000)").unwrap();
    let after = database.counts().unwrap();
    assert!(after.transactions > before.transactions, "{before:?} {after:?}");
    assert!(after.log_bytes >= before.log_bytes + 1000, "{before:?} {after:?}");
    assert!(after.size > before.size, "{before:?} {after:?}");
}

#[test]
fn settings_reach_the_server() {
    let options = Options { max_connections: 17, ..Options::default() }.with("work_mem", "5MB");
    let cluster = Cluster::start(options).unwrap();
    let settings = "SELECT current_setting('max_connections'), current_setting('work_mem'), current_setting('fsync'), \
                    current_setting('server_encoding'), current_setting('lc_collate')";
    assert_eq!(cluster.sql("postgres", settings).unwrap(), "17|5MB|off|UTF8|C");
}

#[test]
fn a_durable_cluster_has_the_defaults_of_durability() {
    let cluster = Cluster::start(Options { durable: true, ..Options::default() }).unwrap();
    let settings = "SELECT current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')";
    assert_eq!(cluster.sql("postgres", settings).unwrap(), "on|on|on");
}

#[test]
fn environment_reaches_the_server() {
    let environment = vec![("TZ".into(), "Asia/Kolkata".into())];
    let cluster = Cluster::start(Options { environment, ..Options::default() }).unwrap();
    let server = cluster.pid().unwrap();
    let environment = std::fs::read(format!("/proc/{server}/environ")).unwrap();
    assert!(environment.split(|byte| *byte == 0).any(|entry| entry == b"TZ=Asia/Kolkata"));
}

#[test]
fn a_setting_that_does_not_exist_is_an_error_that_names_it() {
    let error = Cluster::start(Options::default().with("no_such_setting", "1")).unwrap_err();
    assert!(format!("{error:#}").contains("no_such_setting"), "{error:#}");
}

#[test]
fn what_was_committed_survives_a_kill() {
    let cluster = start();
    let database = cluster.create_database().unwrap();
    database.sql("CREATE TABLE t (id int); INSERT INTO t VALUES (7)").unwrap();
    let (url, killed) = (database.url(), cluster.pid().unwrap());
    cluster.kill().unwrap();
    assert_eq!(cluster.pid(), None);
    assert!(database.sql("SELECT 1").is_err());
    assert!(TcpStream::connect(cluster.endpoint().address()).is_err());
    cluster.restart().unwrap();
    assert_ne!(cluster.pid(), Some(killed));
    assert_eq!(database.url(), url);
    assert_eq!(database.sql("SELECT id FROM t").unwrap(), "7");
    assert!(cluster.log().contains("database system was not properly shut down"));
}

#[test]
fn a_kill_takes_connections_in_the_middle_of_a_statement() {
    let cluster = start();
    std::thread::scope(|scope| {
        let asleep = scope.spawn(|| cluster.sql("postgres", "SELECT pg_sleep(600)"));
        eventually("the statement's start", || {
            let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
            cluster.sql("postgres", running).unwrap() == "1"
        });
        cluster.kill().unwrap();
        assert!(asleep.join().unwrap().is_err());
    });
}

#[test]
fn a_cluster_is_stopped_and_started_again() {
    let cluster = start();
    cluster.sql("postgres", "CREATE TABLE t (id int)").unwrap();
    cluster.stop().unwrap();
    assert!(cluster.sql("postgres", "SELECT 1").is_err());
    cluster.stop().unwrap();
    cluster.restart().unwrap();
    cluster.restart().unwrap();
    assert_eq!(cluster.sql("postgres", "SELECT count(*) FROM t").unwrap(), "0");
    assert!(!cluster.log().contains("not properly shut down"), "{}", cluster.log());
}

#[test]
fn a_synchronous_standby_that_is_promoted_has_every_answered_commit() {
    let primary = start();
    primary.sql("postgres", "CREATE TABLE t (id int)").unwrap();
    let standby = Cluster::standby_of(&primary, Options::default()).unwrap();
    primary.require(&standby).unwrap();
    for id in 0..20 {
        primary.sql("postgres", &format!("INSERT INTO t VALUES ({id})")).unwrap();
    }
    assert!(standby.sql("postgres", "INSERT INTO t VALUES (99)").is_err(), "a standby only reads");
    primary.kill().unwrap();
    standby.promote().unwrap();
    assert_eq!(standby.sql("postgres", "SELECT count(*) FROM t").unwrap(), "20");
    standby.sql("postgres", "INSERT INTO t VALUES (20)").unwrap();
}

#[test]
fn a_primary_waits_for_the_standby_it_requires() {
    let primary = start();
    let standby = Cluster::standby_of(&primary, Options::default()).unwrap();
    primary.require(&standby).unwrap();
    standby.kill().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| primary.sql("postgres", "CREATE TABLE t (id int)"));
        eventually("the wait for the standby", || {
            let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            primary.sql("postgres", waits).unwrap() == "1"
        });
        assert!(!waiting.is_finished());
        primary.require_none().unwrap();
        waiting.join().unwrap().unwrap();
    });
    // A standby made of this primary later, and promoted, waits for nobody either.
    standby.restart().unwrap();
    primary.require(&standby).unwrap();
    let second = Cluster::standby_of(&primary, Options::default()).unwrap();
    primary.kill().unwrap();
    second.promote().unwrap();
    second.sql("postgres", "CREATE TABLE u (id int)").unwrap();
}

/// The address, the server's process and the directory of a cluster that another process holds.
fn held_elsewhere() -> (std::process::Child, String, u32, PathBuf) {
    use std::io::{BufRead, BufReader};
    let mut holder = Command::new(env!("CARGO_BIN_EXE_vestibule-cluster"))
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.next().unwrap();
    let url = url.strip_prefix("VESTIBULE_TEST_POSTGRES=").unwrap().to_owned();
    let directory = PathBuf::from(lines.next().unwrap());
    let lock = std::fs::read_to_string(directory.join("data/postmaster.pid")).unwrap();
    let server = lock.lines().next().unwrap().parse().unwrap();
    (holder, url, server, directory)
}

fn is_alive(process: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else { return false };
    // An init that collects nothing leaves a dead process in this state.
    !stat.rsplit_once(") ").unwrap().1.starts_with('Z')
}

#[test]
fn a_cluster_goes_with_a_process_that_is_killed() {
    let (mut holder, url, server, directory) = held_elsewhere();
    let endpoint = vestibule_cluster::Endpoint::parse(&url).unwrap();
    assert_eq!(endpoint.sql("postgres", "SELECT 1").unwrap(), "1");
    assert!(is_alive(server));
    holder.kill().unwrap();
    holder.wait().unwrap();
    eventually("the end of the server", || !is_alive(server));
    eventually("the end of its files", || !directory.exists());
}

#[test]
fn a_killed_server_leaves_no_shared_memory_behind() {
    let cluster = start();
    let lock = cluster.directory().join("data/postmaster.pid");
    cluster.kill().unwrap();
    let text = std::fs::read_to_string(lock).unwrap();
    let id = text.lines().nth(6).unwrap().split_whitespace().nth(1).unwrap().to_owned();
    let exists = || {
        let list = std::fs::read_to_string(Path::new("/proc/sysvipc/shm")).unwrap();
        list.lines().any(|line| line.split_whitespace().nth(1) == Some(id.as_str()))
    };
    assert!(exists());
    drop(cluster);
    assert!(!exists());
}
