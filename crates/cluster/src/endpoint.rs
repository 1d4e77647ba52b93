//! Where clients find a server, and what they do there.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::net::{SocketAddr, ToSocketAddrs};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::binaries::Binaries;

/// The database every cluster has, from which others are made.
const ADMINISTRATIVE: &str = "postgres";

/// A PostgreSQL server as its administrator reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    user: String,
    address: SocketAddr,
}

impl Endpoint {
    pub(crate) fn new(user: &str, address: SocketAddr) -> Self {
        Self { user: user.to_owned(), address }
    }

    /// From `postgres://USER@HOST:PORT/ANY`; what stands before the `@` is kept as it is.
    ///
    /// # Errors
    /// When the URL has another form or the host has no address.
    pub fn parse(url: &str) -> Result<Self> {
        let parts = ["postgres://", "postgresql://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme))
            .and_then(|rest| rest.split('/').next()?.rsplit_once('@'));
        let Some((user, host)) = parts else { bail!("it is not postgres://USER@HOST:PORT/DATABASE") };
        let address = host.to_socket_addrs().with_context(|| format!("{host} has no address"))?.next();
        Ok(Self::new(user, address.with_context(|| format!("{host} has no address"))?))
    }

    /// Host and port: the target of a [`crate::FaultProxy`].
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same server as it is reached through a proxy.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { user: self.user.clone(), address }
    }

    /// `postgres://USER@HOST:PORT/DATABASE`.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{}@{}/{database}", self.user, self.address)
    }

    /// Runs statements, each in a transaction of its own, through psql: values come back unaligned, one row a line, columns
    /// separated by `|`, without a line end behind the last.
    ///
    /// # Errors
    /// When a statement fails, with what psql said of it, and when the server is not there.
    pub fn sql(&self, database: &str, text: &str) -> Result<String> {
        let mut psql = self
            .command(&Binaries::find()?, "psql")
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", "-d"])
            .arg(self.url(database))
            .env("PGCONNECT_TIMEOUT", "30")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("could not start psql")?;
        let mut input = psql.stdin.take().context("psql has no standard input")?;
        let output = std::thread::scope(|scope| {
            // Both at once: it may print before it has read everything. It hangs up on a failure, and its status says so.
            scope.spawn(move || drop(input.write_all(text.as_bytes())));
            psql.wait_with_output()
        })?;
        if !output.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout).context("psql printed no UTF-8")?.trim_end().to_owned())
    }

    /// A new, empty database, dropped with the value.
    ///
    /// # Errors
    /// When the server is not there.
    pub fn create_database(&self) -> Result<Database> {
        let name = format!("test_{}", random_suffix());
        // Nobody can be connected to template0, so that copies of it never wait for each other's end.
        self.sql(ADMINISTRATIVE, &format!("CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy"))
            .context("cannot make a database")?;
        Ok(Database { endpoint: self.clone(), name })
    }

    /// A program of PostgreSQL without settings of whoever runs this.
    pub(crate) fn command(&self, binaries: &Binaries, program: &str) -> Command {
        let mut command = Command::new(binaries.program(program));
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("PG")) {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null());
        command
    }
}

/// A database that is dropped with the value, connections to it included.
#[derive(Debug)]
pub struct Database {
    endpoint: Endpoint,
    name: String,
}

impl Database {
    /// What a client connects to.
    pub fn url(&self) -> String {
        self.endpoint.url(&self.name)
    }

    /// The same through a proxy.
    pub fn url_at(&self, proxy: SocketAddr) -> String {
        self.endpoint.at(proxy).url(&self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server it is on.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Runs statements in it: see [`Endpoint::sql`].
    ///
    /// # Errors
    /// When a statement fails or the server is not there.
    pub fn sql(&self, text: &str) -> Result<String> {
        self.endpoint.sql(&self.name, text)
    }

    /// What its cluster has done, and how large it is itself, as PostgreSQL counts it.
    ///
    /// # Errors
    /// When the server is not there, or is a standby.
    pub fn counts(&self) -> Result<Counts> {
        let line = self.sql(
            "SELECT pg_snapshot_xmax(pg_current_snapshot()), \
             pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint, pg_database_size(current_database())",
        )?;
        let numbers: Vec<u64> = line.split('|').filter_map(|number| number.parse().ok()).collect();
        match numbers.as_slice() {
            [transactions, log_bytes, size] => {
                Ok(Counts { transactions: *transactions, log_bytes: *log_bytes, size: *size })
            }
            _ => bail!("PostgreSQL counts {line:?}"),
        }
    }
}

/// What PostgreSQL counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Transactions that wrote, in the whole cluster, since it was made.
    pub transactions: u64,
    /// Bytes of write-ahead log of the whole cluster.
    pub log_bytes: u64,
    /// Its bytes on disk.
    pub size: u64,
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The server may be gone by intent, and the cluster takes its databases with it.
        let _ =
            self.endpoint.sql(ADMINISTRATIVE, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// 16 hexadecimal digits that no other process has: two hashers with fresh keys never agree.
pub(crate) fn random_suffix() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_put_together() {
        for scheme in ["postgres", "postgresql"] {
            let endpoint = Endpoint::parse(&format!("{scheme}://me@127.0.0.1:5433/postgres")).unwrap();
            assert_eq!(endpoint.address(), SocketAddr::from(([127, 0, 0, 1], 5433)));
            assert_eq!(endpoint.url("other"), "postgres://me@127.0.0.1:5433/other");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for url in ["http://me@127.0.0.1:1/postgres", "postgres://127.0.0.1:1/postgres", "me@127.0.0.1:1"] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn names_do_not_repeat() {
        assert_ne!(random_suffix(), random_suffix());
    }
}
