//! The store on PostgreSQL keeps the contract, and what only it promises: round trips, equal nodes, recovery.
#![allow(clippy::unwrap_used)]

mod contract;

use std::sync::Arc;

use contract::fixtures::{ManualClock, Subject};
use vestibule_engine::model::Organization;
use vestibule_store::dialect::Dialect;
use vestibule_store::statements::Statement;
use vestibule_store::{PostgresOptions, PostgresStore};

async fn fresh() -> Subject {
    let database = vestibule_cluster::fresh_database();
    let clock = ManualClock::new();
    let options = PostgresOptions::from_url(&database.url()).unwrap();
    let store = PostgresStore::open(&options, clock.clone()).await.unwrap();
    Subject { store: Arc::new(store), clock, _keep: Arc::new(database) }
}

macro_rules! as_tests {
    ($($module:ident :: $name:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                contract::$module::$name(fresh().await).await;
            }
        )*
    };
}
contract::for_each_case!(as_tests);

macro_rules! run_all {
    ($($module:ident :: $name:ident,)*) => {
        $(contract::$module::$name(fresh().await).await;)*
    };
}

#[test]
fn every_statement_of_the_catalogue_is_executed() {
    contract::coverage::assert_all_executed(async {
        contract::for_each_case!(run_all);
    });
}

/// Passes a flight on only when it is there to its end: a store that waited for an answer in the middle of its
/// transaction would wait for ever. Counts the flights of each connection's statements behind `BEGIN`.
mod whole_flights {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    const BEGIN: &[u8] = b"BEGIN ISOLATION LEVEL";
    const COMMIT: &[u8] = b"COMMIT\0";

    fn holds(bytes: &[u8], pattern: &[u8]) -> bool {
        bytes.windows(pattern.len()).any(|window| window == pattern)
    }

    pub async fn start(target: SocketAddr) -> (SocketAddr, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let flights = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&flights);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(target).await.unwrap();
                tokio::spawn(pass(client, server, Arc::clone(&counted)));
            }
        });
        (address, flights)
    }

    async fn pass(client: TcpStream, server: TcpStream, flights: Arc<AtomicU64>) {
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        let mut held = Vec::new();
        let mut buffer = [0; 65536];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            held.extend_from_slice(&buffer[..count]);
            if holds(&held, BEGIN) {
                if !holds(&held, COMMIT) {
                    continue;
                }
                flights.fetch_add(1, Ordering::SeqCst);
            }
            to_server.write_all(&held).await.unwrap();
            held.clear();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_activity_takes_two_round_trips_and_two_more_after_a_conflict() {
    use contract::fixtures::{activity, new_hash};
    use vestibule_engine::store::{
        CallerKey, ChangeSet, CommitError, IntentKeys, ReadKeys, Store as _, Write,
    };
    use vestibule_wire::UserId;

    let database = vestibule_cluster::fresh_database();
    let (proxy, flights) = whole_flights::start(database.endpoint().address()).await;
    let mut options = PostgresOptions::from_url(&database.url_at(proxy)).unwrap();
    options.connections = 1;
    let store = PostgresStore::open(&options, ManualClock::new()).await.unwrap();
    let parent = contract::fixtures::organization(None);
    let mut begin = ChangeSet::new();
    begin.push(Write::InsertOrganization(Box::new(parent.clone())));
    store.commit(begin).await.unwrap();

    let fingerprint = new_hash();
    let keys = ReadKeys {
        organization: parent.id,
        caller: CallerKey::User(UserId(contract::fixtures::new_id())),
        fingerprint: Some(fingerprint),
        intent: IntentKeys { proxy_config: true, ..IntentKeys::default() },
    };
    let set = || {
        let submitter = UserId(contract::fixtures::new_id());
        let record = vestibule_engine::model::ActivityRecord {
            fingerprint,
            ..activity(parent.id, parent.id, submitter)
        };
        let mut set = ChangeSet::new();
        set.push(Write::InsertActivity(Box::new(record)));
        set.push(Write::InsertUser(Box::new(contract::fixtures::user(parent.id, parent.id))));
        set
    };
    // Once, so that everything is prepared; in a transaction that comes to nothing.
    store.read(&keys).await.unwrap();
    let mut failing = set();
    failing.push(Write::UpdateOrganization(Box::new(Organization { version: 99, ..parent.clone() })));
    assert!(matches!(store.commit(failing).await, Err(CommitError::Conflict("UpdateOrganization"))));

    let counted = || (flights.load(std::sync::atomic::Ordering::SeqCst), store.round_trips());
    let before = counted();
    assert!(store.read(&keys).await.unwrap().activity.is_none());
    store.commit(set()).await.unwrap();
    let after = counted();
    assert_eq!((after.0 - before.0, after.1 - before.1), (2, 2));

    // The same bytes again, decided on what was read before: a conflict, then the stored activity.
    assert!(matches!(store.commit(set()).await, Err(CommitError::Conflict("InsertActivity"))));
    assert!(store.read(&keys).await.unwrap().activity.is_some());
    let last = counted();
    // One commit, one read, and one look at who submitted what is there; no BEGIN frames that.
    assert_eq!((last.0 - after.0, last.1 - after.1), (2, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_nodes_that_start_at_once_migrate_once() {
    let database = vestibule_cluster::fresh_database();
    let options = PostgresOptions::from_url(&database.url()).unwrap();
    let opened = contract::fixtures::parallel(10, |_| {
        let options = options.clone();
        async move { PostgresStore::migrate(&options, &*ManualClock::new()).await.unwrap() }
    })
    .await;
    assert_eq!(opened.iter().sum::<usize>(), vestibule_store::migrate::MIGRATIONS.len(), "{opened:?}");
    assert_eq!(PostgresStore::migrate(&options, &*ManualClock::new()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_schema_of_a_later_release_is_left_alone() {
    use vestibule_store::OpenPostgresError;
    use vestibule_store::migrate::HistoryError;

    let database = vestibule_cluster::fresh_database();
    let options = PostgresOptions::from_url(&database.url()).unwrap();
    PostgresStore::migrate(&options, &*ManualClock::new()).await.unwrap();
    database.sql("INSERT INTO schema_migrations VALUES (99, 'later', 0)").unwrap();
    let refused = PostgresStore::open(&options, ManualClock::new()).await.unwrap_err();
    assert!(
        matches!(refused, OpenPostgresError::History(HistoryError::Newer { found: 99, .. })),
        "{refused}"
    );
}

/// A clock that follows the store.
#[derive(Default)]
struct Follower(std::sync::atomic::AtomicI64);

impl vestibule_engine::Clock for Follower {
    fn now_ms(&self) -> i64 {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }

    fn correct(&self, by_ms: i64) -> bool {
        self.0.fetch_add(by_ms, std::sync::atomic::Ordering::SeqCst);
        true
    }
}

#[tokio::test]
async fn a_clock_that_went_wrong_is_set_right_before_anything_is_committed() {
    use vestibule_engine::Clock as _;
    use vestibule_engine::model::ActivityRecord;
    use vestibule_engine::store::{
        CallerKey, ChangeSet, CommitError, IntentKeys, ReadKeys, Store as _, Write,
    };
    use vestibule_wire::UserId;

    use contract::fixtures::activity;

    let database = vestibule_cluster::fresh_database();
    let options = PostgresOptions::from_url(&database.url()).unwrap();
    let clock = Arc::new(Follower::default());
    let store = PostgresStore::open(&options, clock.clone()).await.unwrap();
    let told = |sql: &str| database.sql(sql).unwrap().trim().parse::<i64>().unwrap();
    let database_now = || told("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
    let off = || (clock.now_ms() - database_now()).abs();
    assert!(off() < 60_000, "the clock starts at 1970 and is set when the store is opened");

    // Half an hour behind: a code that has expired would seem to live.
    clock.correct(-1_800_000);
    let mut set = ChangeSet::new();
    let parent = contract::fixtures::organization(None);
    set.push(Write::InsertOrganization(Box::new(parent.clone())));
    set.push(Write::SetSuspended { organization: parent.id, suspended_at: None });
    store.commit(set).await.unwrap();
    assert!(off() < 60_000);
    let updated = store.organization(parent.id).await.unwrap().unwrap().updated_at;
    assert!((updated - database_now()).abs() < 60_000, "guards judged by the right time: {updated}");

    // An activity comes back as a conflict, which is read anew, and the read sets the clock.
    clock.correct(-1_800_000);
    let fingerprint = contract::fixtures::new_hash();
    let commit = || {
        let submitter = UserId(contract::fixtures::new_id());
        let record = ActivityRecord { fingerprint, ..activity(parent.id, parent.id, submitter) };
        store.commit(ChangeSet { writes: vec![Write::InsertActivity(Box::new(record))] })
    };
    assert!(matches!(commit().await, Err(CommitError::Conflict("InsertActivity"))));
    let keys = ReadKeys {
        organization: parent.id,
        caller: CallerKey::User(UserId(contract::fixtures::new_id())),
        fingerprint: Some(fingerprint),
        intent: IntentKeys::default(),
    };
    let facts = store.read(&keys).await.unwrap();
    assert!(facts.activity.is_none() && (facts.now - database_now()).abs() < 60_000);
    commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_pool_and_an_unreachable_database_are_told_apart_and_pass() {
    use vestibule_engine::store::Store as _;

    let database = vestibule_cluster::fresh_database();
    let mut options = PostgresOptions::from_url(&database.url()).unwrap();
    options.connections = 1;
    options.wait = std::time::Duration::from_millis(50);
    let store = Arc::new(PostgresStore::open(&options, ManualClock::new()).await.unwrap());
    store.put_meta("key", "value").await.unwrap();
    // The row is held, so that the one connection is busy until it is let go.
    let mut holder = std::process::Command::new(vestibule_cluster::Binaries::find().unwrap().program("psql"))
        .args(["-qAt", &database.url()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = holder.stdin.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(holder.stdout.take().unwrap()));
    std::io::Write::write_all(&mut input, b"BEGIN; UPDATE meta SET value = 'held'; SELECT 'holds';\n")
        .unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "holds");
    let blocked = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.put_meta("key", "after").await }
    });
    while database.sql("SELECT count(*) FROM pg_locks WHERE NOT granted").unwrap().trim() == "0" {
        tokio::task::yield_now().await;
    }
    let refused = store.meta("key").await.unwrap_err();
    assert!(refused.to_string().contains("every database connection is busy"), "{refused}");
    assert!(store.ready().await.is_err());
    std::io::Write::write_all(&mut input, b"COMMIT;\n").unwrap();
    blocked.await.unwrap().unwrap();
    assert_eq!(store.meta("key").await.unwrap().as_deref(), Some("after"));
    store.ready().await.unwrap();
    drop(input);
    assert!(holder.wait().unwrap().success());
}

/// How PostgreSQL would run every statement, whatever the values: plans of a script that prepares and explains them.
fn generic_plans(database: &vestibule_cluster::Database) -> Vec<(Statement, Vec<String>)> {
    // A plan that still walks a table or sorts has no other way. Rows that an index gives in order of a unique first column
    // may be sorted by the others as they come.
    let mut script = String::from(
        "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_bitmapscan = off; \
         SET enable_sort = off; SET enable_hashagg = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
         SET enable_material = off;\n",
    );
    for (number, statement) in Statement::ALL.iter().enumerate() {
        let nulls = vec!["NULL"; statement.parameters()].join(", ");
        let arguments = if nulls.is_empty() { String::new() } else { format!("({nulls})") };
        script.push_str(&format!(
            "PREPARE s{number} AS {};\nSELECT 'statement {number}';\nEXPLAIN (COSTS off) EXECUTE s{number}{arguments};\n",
            statement.text(Dialect::Postgres)
        ));
    }
    let mut plans: Vec<(Statement, Vec<String>)> = Vec::new();
    for line in database.sql(&script).unwrap().lines() {
        match line.strip_prefix("statement ") {
            Some(number) => plans.push((Statement::ALL[number.parse::<usize>().unwrap()], Vec::new())),
            None => plans.last_mut().unwrap().1.push(line.to_owned()),
        }
    }
    plans
}

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    use Statement as S;
    let database = vestibule_cluster::fresh_database();
    let options = PostgresOptions::from_url(&database.url()).unwrap();
    PostgresStore::migrate(&options, &*ManualClock::new()).await.unwrap();
    let plans = generic_plans(&database);
    assert_eq!(plans.len(), S::ALL.len());
    // The keys of the server are a few rows.
    let walks = [S::ServerKeys];
    // What the planner begins with depends on how full the tables are, and it knows nothing of empty ones: parents may be
    // walked by their ids, and claims before the few contacts that they are compared with.
    let either = [S::Parents, S::HoldClaims, S::HoldClaimsOfUser, S::ReleaseClaims, S::ReleaseClaimsOfUser];
    // Few rows are put in order: the users of an organization, the keys of a user, the callers that one key names, one page for
    // each type and status.
    let sorts =
        [S::ContactInTarget, S::TrimExpiringKeys, S::ChosenActivitiesAfter, S::ChosenActivitiesBefore];
    let mut unexpected = Vec::new();
    for (statement, plan) in plans {
        let nodes: Vec<&str> = plan.iter().map(|line| line.trim_start_matches([' ', '-', '>'])).collect();
        let walked = nodes.iter().enumerate().any(|(at, node)| {
            let by_index = node.starts_with("Index Scan ") || node.starts_with("Index Only Scan ");
            // The whole index is as long as the table.
            let bound = nodes.get(at + 1).is_some_and(|next| next.starts_with("Index Cond: "));
            node.starts_with("Seq Scan ") || (by_index && !bound)
        });
        let expected = walks.contains(&statement);
        // Purges, too, compare a limited number of rows with their table, from whichever side.
        let open = either.contains(&statement) || format!("{statement:?}").starts_with("Purge");
        let sorted = nodes.contains(&"Sort");
        if (walked != expected && !open) || sorted != sorts.contains(&statement) {
            unexpected.push(format!("{statement:?} walks: {walked}, sorts: {sorted}: {plan:#?}"));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
}
