//! One cluster: made, started, stopped, killed, started again.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::account::Account;
use crate::binaries::Binaries;
use crate::endpoint::{Database, Endpoint};
use crate::postmaster::{self, wait_for};
use crate::reaper::Reaper;

/// How long a server may take to start, recovery after a crash included, or to shut down.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often another port is tried when somebody else was faster.
const PORTS_TRIED: u32 = 20;

/// Below what Linux gives outgoing connections (32768 and up): a server that is down for a while finds its port free.
const PORTS: std::ops::Range<u16> = 18_000..32_000;

/// The administrator of every cluster made here.
pub(crate) const ADMINISTRATOR: &str = "postgres";

/// What a cluster is to be like.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether commits are synced to disk, and PostgreSQL's defaults of durability hold. Without it a cluster survives
    /// [`Cluster::kill`], since the operating system lives on, but not a power failure; it is much quicker.
    pub durable: bool,
    /// Connections it takes.
    pub max_connections: u32,
    /// Further settings, as in `postgresql.conf`: names and values.
    pub settings: Vec<(String, String)>,
    /// Further environment of the server process, such as `LD_PRELOAD`.
    pub environment: Vec<(OsString, OsString)>,
    /// Where its directory is made; that for temporary files when absent. Whoever runs the server must be able to reach it.
    pub directory: Option<PathBuf>,
}

impl Default for Options {
    /// For plain tests: not durable, 100 connections.
    fn default() -> Self {
        Self {
            durable: false,
            max_connections: 100,
            settings: Vec::new(),
            environment: Vec::new(),
            directory: None,
        }
    }
}

impl Options {
    /// The same with one more setting.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A PostgreSQL cluster on a free port of 127.0.0.1 that trusts everybody there. Dropping it, and the end of this process in whatever
/// way, ends the server at once and removes its files.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) binaries: Binaries,
    account: Account,
    directory: PathBuf,
    options: Options,
    /// How it is called among clusters: the name under which a standby is known to its primary.
    name: String,
    endpoint: Endpoint,
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    server: Option<Child>,
    reaper: Reaper,
}

/// Why a server did not start.
enum Failure {
    PortTaken,
    Other(anyhow::Error),
}

impl Cluster {
    /// Makes a new cluster and waits until it accepts connections.
    ///
    /// # Errors
    /// When PostgreSQL is not there, or does not start; the error ends with what it said.
    pub fn start(options: Options) -> Result<Self> {
        let name = format!("cluster_{}", crate::endpoint::random_suffix());
        Self::make(options, name, |command_for, data| {
            let mut command = command_for("initdb");
            command.args([
                "--auth=trust",
                "--no-locale",
                "--encoding=UTF8",
                "--no-sync",
                "--no-instructions",
            ]);
            command.arg("--username").arg(ADMINISTRATOR).arg("--pgdata").arg(data);
            command
        })
    }

    /// Has `filled` fill the data directory, then starts the server.
    pub(crate) fn make(
        options: Options,
        name: String,
        filled: impl FnOnce(&dyn Fn(&str) -> Command, &Path) -> Command,
    ) -> Result<Self> {
        let binaries = Binaries::find()?;
        let account = Account::choose()?;
        let parent = options.directory.clone().unwrap_or_else(std::env::temp_dir);
        let directory = tempfile::Builder::new()
            .prefix("vestibule-postgres-")
            .tempdir_in(&parent)
            .with_context(|| format!("cannot make a directory in {}", parent.display()))?;
        let reaper = Reaper::watch(directory.path())?;
        // From here on it is the reaper's.
        let directory = directory.keep();
        account.own(&directory)?;
        let mut cluster = Self {
            binaries,
            account,
            options,
            name,
            endpoint: Endpoint::new(ADMINISTRATOR, address(0)),
            running: Mutex::new(Running { server: None, reaper }),
            directory,
        };
        let command = filled(&|program| cluster.command(program), &cluster.data());
        cluster.complete(command)?;
        for _ in 0..PORTS_TRIED {
            cluster.endpoint = Endpoint::new(ADMINISTRATOR, address(free_port()?));
            match cluster.launch() {
                Ok(()) => return Ok(cluster),
                Err(Failure::PortTaken) => {}
                Err(Failure::Other(error)) => return Err(error),
            }
        }
        bail!("no port of {PORTS_TRIED} was free for PostgreSQL")
    }

    /// Where clients find it, also while it is down.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// `postgres://postgres@127.0.0.1:PORT/DATABASE`.
    pub fn url(&self, database: &str) -> String {
        self.endpoint.url(database)
    }

    /// Runs statements in a database through psql and returns what it prints: see [`Endpoint::sql`].
    ///
    /// # Errors
    /// When a statement fails or the server is not there.
    pub fn sql(&self, database: &str, text: &str) -> Result<String> {
        self.endpoint.sql(database, text)
    }

    /// A new, empty database, dropped with the value.
    ///
    /// # Errors
    /// When the server is not there.
    pub fn create_database(&self) -> Result<Database> {
        self.endpoint.create_database()
    }

    /// How it is called: a standby is known to its primary by this (`application_name`, and the name of its slot).
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server's process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.running().server.as_ref().map(Child::id)
    }

    /// Its directory: `data`, and `log` with what the server says.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the server has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Kills the server and all its children, as a crash would. Nothing happens to one that is down.
    ///
    /// # Errors
    /// When a process cannot be signalled.
    pub fn kill(&self) -> Result<()> {
        let mut running = self.running();
        if let Some(server) = running.server.take() {
            postmaster::kill(server)?;
            running.reaper.forget()?;
        }
        Ok(())
    }

    /// Shuts it down in order, ending its connections (a *fast* shutdown). Nothing happens to one that is down.
    ///
    /// # Errors
    /// When it does not end in time; it is killed then.
    pub fn stop(&self) -> Result<()> {
        self.end(Signal::INT, PATIENCE)
    }

    /// Starts it on the same port and data; stops it before if it runs.
    ///
    /// # Errors
    /// When it does not start; the error ends with what it said.
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        let mut last = None;
        // Somebody may hold the port for a moment.
        let started = wait_for(Duration::from_secs(10), "the port's release", || match self.launch() {
            Ok(()) => Ok(true),
            Err(Failure::PortTaken) => Ok(false),
            Err(Failure::Other(error)) => {
                last = Some(error);
                Ok(true)
            }
        });
        last.map_or(started, Err)
    }

    fn end(&self, signal: Signal, limit: Duration) -> Result<()> {
        let mut running = self.running();
        let Some(server) = running.server.take() else { return Ok(()) };
        let ended = postmaster::end(server, signal, limit);
        running.reaper.forget()?;
        ended
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A program of PostgreSQL as the server's account, without settings of whoever runs this.
    fn command(&self, program: &str) -> Command {
        let mut command = self.endpoint.command(&self.binaries, program);
        command.current_dir(&self.directory).env("LC_ALL", "C");
        self.account.apply(&mut command);
        command
    }

    /// Runs a command that fills the data directory; it ends with this process, too.
    fn complete(&self, mut command: Command) -> Result<()> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_owned();
        let name = name.to_string_lossy();
        let log = self.open_log()?;
        let mut child = command
            .process_group(0)
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        let mut running = self.running();
        running.reaper.end(child.id())?;
        let status = child.wait()?;
        running.reaper.forget()?;
        if !status.success() {
            bail!("{name} ended with {status}: {}", self.log());
        }
        Ok(())
    }

    fn open_log(&self) -> Result<File> {
        let path = self.directory.join("log");
        OpenOptions::new().append(true).create(true).open(path).context("cannot write PostgreSQL's log")
    }

    fn launch(&self) -> Result<(), Failure> {
        let said_before = self.log().len();
        let mut running = self.running();
        let started = self.spawn().and_then(|child| {
            let process = child.id();
            running.server = Some(child);
            running.reaper.end(process)?;
            wait_for(PATIENCE, "the server's start", || {
                let server = running.server.as_mut().context("the server is gone")?;
                if let Some(status) = server.try_wait()? {
                    bail!("the server ended with {status}");
                }
                Ok(postmaster::is_ready(&self.data(), process))
            })
        });
        let Err(error) = started else { return Ok(()) };
        if let Some(server) = running.server.take() {
            // It has ended, or is of no use.
            let _ = postmaster::kill(server);
            let _ = running.reaper.forget();
        }
        let log = self.log();
        let said = log.get(said_before..).unwrap_or_default();
        if said.contains("Address already in use") {
            return Err(Failure::PortTaken);
        }
        Err(Failure::Other(error.context(format!("PostgreSQL did not start; it said: {said}"))))
    }

    fn spawn(&self) -> Result<Child> {
        let log = self.open_log()?;
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        for (name, value) in self.settings() {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command
            .envs(self.options.environment.iter().map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("could not start postgres")
    }

    fn settings(&self) -> Vec<(&str, String)> {
        let mut settings = vec![
            ("listen_addresses", self.endpoint.address().ip().to_string()),
            ("port", self.endpoint.address().port().to_string()),
            // A path of a socket is short, and that of a directory for temporary files may be long.
            ("unix_socket_directories", String::new()),
            ("max_connections", self.options.max_connections.to_string()),
            ("cluster_name", self.name.clone()),
            // A standby whose primary was away comes back to it soon.
            ("wal_retrieve_retry_interval", "100ms".into()),
        ];
        if !self.options.durable {
            settings.push(("fsync", "off".into()));
            settings.push(("full_page_writes", "off".into()));
        }
        // Of two values of one setting the last holds.
        settings.extend(self.options.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
        settings
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // What fails here is left to the reaper, which is dropped next.
        let _ = self.end(Signal::QUIT, Duration::from_secs(10));
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A port nobody listens on right now. Processes begin at different places, so that they rarely meet.
fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    let own = u16::try_from(std::process::id().wrapping_mul(61) % u32::from(count)).unwrap_or_default();
    for _ in 0..count {
        let offset = (u32::from(own) + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(count);
        let port = PORTS.start + u16::try_from(offset).unwrap_or_default();
        if TcpListener::bind(address(port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port between {} and {} is free", PORTS.start, PORTS.end)
}
