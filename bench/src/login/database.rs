//! PostgreSQL under the server: a cluster of its own that syncs what it commits, as PostgreSQL does by default.

use std::ffi::OsString;
use std::ops::Sub;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use vestibule_cluster::{Cluster, Database, Options};

use super::on_cores;
use crate::machine;

/// What differs from PostgreSQL's defaults, all of it far from what decides whether a commit is safe: memory for pages as on a small
/// machine, and room for the log, so that no checkpoint falls into one measurement and not into another.
pub const SETTINGS: &[(&str, &str)] = &[("shared_buffers", "1GB"), ("max_wal_size", "8GB")];

/// A cluster and the server's database in it.
pub struct Postgres {
    // Dropped first: the cluster ends with the other.
    database: Database,
    cluster: Cluster,
}

/// What a cluster has used since it was made.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Processor time of all its processes.
    pub cpu: Duration,
    /// Transactions that wrote.
    pub transactions: u64,
    /// Bytes of write-ahead log.
    pub log_bytes: u64,
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            transactions: self.transactions.saturating_sub(earlier.transactions),
            log_bytes: self.log_bytes.saturating_sub(earlier.log_bytes),
        }
    }
}

impl Postgres {
    /// Starts it on the processors `cores`, with its data in `directory`.
    pub fn start(directory: &Path, cores: &[usize], environment: Vec<(OsString, OsString)>) -> Result<Self> {
        let settings =
            SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let options = Options {
            durable: true,
            settings,
            environment,
            directory: Some(directory.to_owned()),
            ..Options::default()
        };
        let cluster = on_cores(cores, move || Cluster::start(options))?;
        let database = cluster.create_database()?;
        Ok(Self { database, cluster })
    }

    /// What the server connects to.
    pub fn url(&self) -> String {
        self.database.url()
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        self.cluster.directory()
    }

    /// What it has used so far.
    pub fn usage(&self) -> Result<Usage> {
        let server = self.cluster.pid().context("PostgreSQL is gone")?;
        let counts = self.database.counts()?;
        Ok(Usage {
            cpu: machine::cpu_time_with_children(server)?,
            transactions: counts.transactions,
            log_bytes: counts.log_bytes,
        })
    }

    /// Bytes of the server's database on disk.
    pub fn size(&self) -> Result<u64> {
        Ok(self.database.counts()?.size)
    }
}
