//! The cluster that all tests share.

use std::sync::OnceLock;

use anyhow::{Context, Result};

use crate::cluster::{Cluster, Options};
use crate::endpoint::{Database, Endpoint};

/// Names the cluster that is already there, as `postgres://USER@HOST:PORT/postgres`. `cargo xtask test` sets it.
pub const SHARED_VARIABLE: &str = "VESTIBULE_TEST_POSTGRES";

/// The cluster of `VESTIBULE_TEST_POSTGRES`; without the variable one is started for this process and ends with it.
///
/// # Panics
/// When there is neither, with the reason: a test can do nothing about it.
pub fn shared() -> &'static Endpoint {
    /// The cluster is held so that it lives as long as this process: statics are not dropped.
    static SHARED: OnceLock<(Endpoint, Option<Cluster>)> = OnceLock::new();
    let (endpoint, _) = SHARED.get_or_init(|| match find_or_start() {
        Ok(found) => found,
        Err(error) => panic!("there is no PostgreSQL for the tests: {error:#}"),
    });
    endpoint
}

/// A new, empty database on [`shared`], dropped with the value.
///
/// # Panics
/// When it cannot be made, with the reason.
pub fn fresh_database() -> Database {
    match shared().create_database() {
        Ok(database) => database,
        Err(error) => panic!("there is no database for a test: {error:#}"),
    }
}

fn find_or_start() -> Result<(Endpoint, Option<Cluster>)> {
    match std::env::var(SHARED_VARIABLE) {
        Ok(url) => {
            let endpoint = Endpoint::parse(&url).with_context(|| format!("{SHARED_VARIABLE} is wrong"))?;
            Ok((endpoint, None))
        }
        Err(_) => {
            let cluster = Cluster::start(Options { max_connections: 400, ..Options::default() })?;
            Ok((cluster.endpoint().clone(), Some(cluster)))
        }
    }
}
