//! Users of one node with nothing done to it: what trials of several nodes are measured by.

#![allow(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod client;
mod site;
mod support;
mod trial;

use client::Source;
use site::{Setup, Site};
use trial::{Spot, Trial};

const SEED: u64 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn users_of_one_node_without_a_fault_find_every_promise_kept() {
    let site = Site::new().await;
    let setup = Setup::embedded("a");
    let node = site.start(&setup);
    let client = site.tenant(&setup, &node, &Source::new(SEED)).client;
    let trial = Trial::new("one node and no fault", &site.provider, vec![Spot::new("a", client)]);
    let users = trial.users(12);
    trial.more(300).await;
    let report = trial.finish(users).await;
    assert!(report.consumed > 10 && report.locked > 5, "{report}");
    node.stop();
}
