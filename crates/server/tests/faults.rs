//! What can go wrong goes wrong under load: a node dies, the primary dies, connections are cut, slow, or too few, the
//! database goes away and comes back. Users go on at the other nodes or wait; everything they were told holds, and no
//! node has to be restarted.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod client;
mod site;
mod support;
mod trial;

use std::sync::Arc;
use std::time::Duration;

use client::{Client, DEADLINE, Source};
use site::{Setup, Site};
use support::{Server, until};
use tokio::task::JoinSet;
use trial::{Spot, Trial};
use vestibule_cluster::{Cluster, Database, Direction, FaultProxy, Options, When};
use vestibule_history::{Report, Rule};

/// Users of a trial, unless it needs a crowd.
const USERS: usize = 12;
/// Answers before a fault, and after it.
const BEFORE: usize = 100;
const AFTER: usize = 300;

/// Three nodes, their users, and the cluster that is about to suffer.
struct Stage {
    site: Site,
    setups: Vec<Setup>,
    servers: Vec<Server>,
    backend: Client,
    trial: Arc<Trial>,
    users: JoinSet<()>,
}

/// Node names.
const NAMES: [&str; 3] = ["a", "b", "c"];

fn durable() -> Options {
    Options { durable: true, ..Options::default() }
}

/// A cluster with a database.
fn cluster() -> (Cluster, Database) {
    let cluster = Cluster::start(durable()).unwrap();
    let database = cluster.create_database().unwrap();
    (cluster, database)
}

/// The three nodes' settings, all of which reach the database in this way.
fn by(url: &str) -> Vec<Setup> {
    NAMES.iter().map(|name| Setup::new(name, url)).collect()
}

impl Stage {
    /// Starts the nodes and so many users, and waits until these are at work.
    async fn set(name: &str, seed: u64, setups: Vec<Setup>, users: usize) -> Self {
        let site = Site::new().await;
        let servers: Vec<Server> = setups.iter().map(|setup| site.start(setup)).collect();
        let backend = site.tenant(&setups[0], &servers[0], &Source::new(seed)).client;
        let spots =
            setups.iter().zip(&servers).map(|(setup, server)| Spot::new(&setup.name, backend.at(server)));
        let trial = Trial::new(name, &site.provider, spots.collect());
        let users = trial.users(users);
        trial.more(BEFORE).await;
        Self { site, setups, servers, backend, trial, users }
    }

    fn fault(&self, what: &str) {
        self.trial.recorder.fault(what);
    }

    /// Waits until every node says that it can, or cannot, do its work.
    fn ready(&self, wanted: bool) {
        for (server, setup) in self.servers.iter().zip(&self.setups) {
            until(
                || format!("node {} ready: {wanted}: {}", setup.name, server.log()),
                || ((server.http("GET", "/readyz", "", "").0 == 200) == wanted).then_some(()),
            );
        }
    }

    /// Users go on for a while; then everything is read back on every node, and the nodes end in good order.
    async fn end(self) -> Report {
        self.ready(true);
        self.trial.more(AFTER).await;
        let report = self.trial.finish(self.users).await;
        assert!(report.consumed > 5 && report.locked > 1, "there was too little load: {report}");
        for server in self.servers {
            server.stop();
        }
        report
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_killed_and_its_users_go_on_at_the_others() {
    let (_cluster, database) = cluster();
    let mut stage = Stage::set("a node is killed", 101, by(&database.url()), USERS).await;
    for round in 0..3 {
        let index = round % stage.servers.len();
        stage.fault(&format!("node {} is killed", NAMES[index]));
        stage.servers[index].signal("KILL");
        stage.servers[index].wait();
        stage.trial.more(AFTER / 2).await;
        stage.trial.forget(NAMES[index]);
        stage.servers[index] = stage.site.start(&stage.setups[index]);
        stage.trial.add(Spot::new(NAMES[index], stage.backend.at(&stage.servers[index])));
        stage.fault(&format!("node {} is back", NAMES[index]));
    }
    let report = stage.end().await;
    assert!(report.settled > 0, "the kills met no request: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_primary_is_killed_and_a_synchronous_standby_takes_its_place() {
    let (primary, database) = cluster();
    let standby = Cluster::standby_of(&primary, durable()).unwrap();
    primary.require(&standby).unwrap();
    let proxy = FaultProxy::start(primary.endpoint().address()).unwrap();
    let (first, second) = (primary.endpoint().address(), standby.endpoint().address());
    // Two nodes know both servers and look for the one that takes writes; the third is led by a proxy.
    let both = database.url().replace(&first.to_string(), &format!("{first},{second}"));
    let mut setups = by(&both);
    setups[2] = Setup::new(NAMES[2], &database.url_at(proxy.address()));
    let stage = Stage::set("the primary is killed", 102, setups, USERS).await;
    stage.fault("the primary is killed");
    primary.kill().unwrap();
    stage.ready(false);
    standby.promote().unwrap();
    proxy.set_target(second);
    stage.fault("the standby is promoted");
    let report = stage.end().await;
    assert!(report.settled > 0, "the fault met no request: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_cut_before_within_and_after_commits() {
    let (_cluster, database) = cluster();
    let proxy = FaultProxy::start(database.endpoint().address()).unwrap();
    let stage = Stage::set("commits are cut", 103, by(&database.url_at(proxy.address())), USERS).await;
    // A transaction that writes opens with these words, and all of it goes out together.
    let writes = b"READ WRITE".as_slice();
    let cuts = [
        ("before a writing transaction arrives", writes, Direction::ToServer, When::Before),
        ("when a writing transaction has arrived, its answer lost", writes, Direction::ToServer, When::After),
        ("before the answer to a commit", b"COMMIT\0", Direction::ToClient, When::Before),
        ("right after the answer to a commit", b"COMMIT\0", Direction::ToClient, When::After),
    ];
    for round in 0..40 {
        let (what, pattern, direction, when) = cuts[round % cuts.len()];
        stage.fault(&format!("a connection is cut {what}"));
        let cut = proxy.counters().cut;
        proxy.cut_on(pattern, direction, when);
        assert!(proxy.wait_for_cuts(cut + 1, DEADLINE), "nothing passes");
        stage.trial.more(5).await;
    }
    stage.fault("every connection is cut");
    proxy.cut();
    let report = stage.end().await;
    assert!(report.settled > 10, "the cuts met too few requests: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_slow() {
    let (_cluster, database) = cluster();
    let proxy = FaultProxy::start(database.endpoint().address()).unwrap();
    let stage = Stage::set("the database is slow", 104, by(&database.url_at(proxy.address())), USERS).await;
    for (round_trip_ms, enough) in [(200, 60), (2000, 12)] {
        stage.fault(&format!("every round trip takes {round_trip_ms} ms longer"));
        proxy.latency(Duration::from_millis(round_trip_ms / 2));
        stage.trial.more(enough).await;
    }
    stage.fault("it is as fast as before");
    proxy.latency(Duration::ZERO);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_swallows_what_one_node_says() {
    let (_cluster, database) = cluster();
    let proxy = FaultProxy::start(database.endpoint().address()).unwrap();
    let mut setups = by(&database.url());
    setups[2] = Setup::new(NAMES[2], &database.url_at(proxy.address())).with_limits("statement_seconds = 2");
    let stage = Stage::set("one node is cut off", 105, setups, USERS).await;
    stage.fault("nothing of what node c and the database say arrives");
    proxy.stall(true);
    stage.trial.more(AFTER / 4).await;
    until(
        || "node c notices".to_owned(),
        || (stage.servers[2].http("GET", "/readyz", "", "").0 == 503).then_some(()),
    );
    // What had been sent takes effect now, when its senders have long asked elsewhere.
    stage.fault("everything arrives at last");
    proxy.stall(false);
    let report = stage.end().await;
    assert!(report.settled > 0, "the fault met no request: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_far_too_few_connections() {
    let (_cluster, database) = cluster();
    let proxy = FaultProxy::start(database.endpoint().address()).unwrap();
    let url = database.url_at(proxy.address());
    let setups = by(&url).into_iter().map(|setup| setup.with_limits("connections = 1\nwait_seconds = 1"));
    let stage = Stage::set("too few connections", 106, setups.collect(), 48).await;
    stage.fault("each node has one connection for sixteen users, and 100 ms to the database");
    proxy.latency(Duration::from_millis(50));
    stage.trial.more(AFTER / 2).await;
    proxy.latency(Duration::ZERO);
    stage.fault("the database is near again");
    let report = stage.end().await;
    assert!(report.settled > 0, "nobody had to wait too long: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_is_restarted() {
    let (cluster, database) = cluster();
    let stage = Stage::set("the database is restarted", 107, by(&database.url()), USERS).await;
    stage.fault("the database is shut down");
    cluster.stop().unwrap();
    stage.ready(false);
    cluster.restart().unwrap();
    stage.fault("the database is back");
    stage.ready(true);
    stage.trial.more(AFTER / 2).await;
    stage.fault("the database crashes");
    cluster.kill().unwrap();
    stage.ready(false);
    cluster.restart().unwrap();
    stage.fault("the database has recovered");
    let report = stage.end().await;
    assert!(report.settled > 0, "the faults met no request: {report}");
}

/// The trial of the trials: with an acknowledgement that waits for no standby, what was acknowledged can be lost, and
/// then it is found to be.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_standby_missed_is_found_to_be_lost() {
    let (primary, database) = cluster();
    let standby = Cluster::standby_of(&primary, durable()).unwrap();
    let proxy = FaultProxy::start(primary.endpoint().address()).unwrap();
    let stage =
        Stage::set("controls/a standby missed something", 108, by(&database.url_at(proxy.address())), USERS)
            .await;
    standby.stop().unwrap();
    stage.fault("the standby is down, and nobody waits for it");
    stage.trial.more(AFTER).await;
    stage.trial.rest(stage.users).await;
    primary.kill().unwrap();
    standby.restart().unwrap();
    standby.promote().unwrap();
    proxy.set_target(standby.endpoint().address());
    proxy.cut();
    stage.trial.recorder.fault("the primary is dead, and the standby takes its place");
    let report = stage.trial.judge().await;
    let lost = report.violations.iter().filter(|violation| violation.rule == Rule::Readable).count();
    assert!(lost > AFTER / 4, "{report}");
}
