//! Two clusters of which one follows the other.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cluster::{Cluster, Options};
use crate::postmaster::wait_for;

/// How long a change of roles may take.
const PATIENCE: Duration = Duration::from_secs(60);

impl Cluster {
    /// A standby of `primary`, made from a base backup over a replication slot and following from there, first asynchronously: an answered
    /// commit may be lost with the primary until [`Cluster::require`] is called. It answers reads.
    ///
    /// # Errors
    /// When the primary is down, or the standby does not start.
    pub fn standby_of(primary: &Self, options: Options) -> Result<Self> {
        let name = format!("standby_{}", crate::endpoint::random_suffix());
        let from = primary.endpoint().address();
        let connection = format!(
            "host={} port={} user={} application_name={name}",
            from.ip(),
            from.port(),
            crate::cluster::ADMINISTRATOR
        );
        Self::make(options, name.clone(), |command_for, data| {
            let mut command = command_for("pg_basebackup");
            command.args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]);
            command.args(["--create-slot", "--slot"]).arg(name).arg("--dbname").arg(connection);
            command.arg("--pgdata").arg(data);
            command
        })
    }

    /// From now on this primary answers a commit only when `standby` has it on disk (with its log applied, if `synchronous_commit` says so).
    /// Returns once that holds.
    ///
    /// # Errors
    /// When the standby does not follow in time.
    pub fn require(&self, standby: &Self) -> Result<()> {
        self.set_synchronous_standby(standby.name())?;
        wait_for(PATIENCE, "synchronous replication", || {
            let state = self.sql(
                "postgres",
                &format!(
                    "SELECT sync_state FROM pg_stat_replication WHERE application_name = '{}'",
                    standby.name()
                ),
            )?;
            Ok(state == "sync")
        })
    }

    /// From now on this primary waits for no standby.
    ///
    /// # Errors
    /// When it is down.
    pub fn require_none(&self) -> Result<()> {
        self.set_synchronous_standby("")
    }

    /// Makes this standby a primary that takes writes and waits for nobody. Its former primary should be dead: nothing
    /// keeps the two apart.
    ///
    /// # Errors
    /// When it is no standby, or is not promoted in time.
    pub fn promote(&self) -> Result<()> {
        // A copy of a primary that waits for a standby would wait for itself.
        let conf = self.data().join("postgresql.auto.conf");
        let mut conf = OpenOptions::new().append(true).open(conf).context("cannot set up the new primary")?;
        conf.write_all(b"synchronous_standby_names = ''\n").context("cannot set up the new primary")?;
        self.sql("postgres", "SELECT pg_reload_conf(); SELECT pg_promote(true, 60)")
            .context("cannot promote the standby")?;
        wait_for(PATIENCE, "the promotion", || Ok(self.sql("postgres", "SELECT pg_is_in_recovery()")? == "f"))
    }

    fn set_synchronous_standby(&self, name: &str) -> Result<()> {
        self.sql(
            "postgres",
            &format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'; SELECT pg_reload_conf()"),
        )
        .map(drop)
    }
}
