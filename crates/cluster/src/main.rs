//! A PostgreSQL cluster by hand: prints its URL, for `VESTIBULE_TEST_POSTGRES` or a server, and goes with this process.

use anyhow::Result;
use vestibule_cluster::{Cluster, Options, SHARED_VARIABLE};

fn main() -> Result<()> {
    let cluster = Cluster::start(Options { max_connections: 400, ..Options::default() })?;
    println!("{SHARED_VARIABLE}={}", cluster.url("postgres"));
    println!("{}", cluster.directory().display());
    // Until a signal: the cluster's reaper sees the end of this process.
    loop {
        std::thread::park();
    }
}
