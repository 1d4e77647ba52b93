//! Logins: a server process on one processor, its clients and its mail server on another.

mod client;
mod comparison;
mod database;
mod delay;
mod delivery;
mod limit;
mod load;
mod mail;
mod server;
mod subject;
mod table;
mod users;

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;
use tokio::task::LocalSet;

use self::comparison::Comparison;
use self::delay::Shim;
use self::limit::{Cost, Limit};
pub use self::subject::Store;
use self::subject::{Kind, Measured, Subject};
use self::table::Results;
use crate::machine::{self, Cores};
use crate::place::Place;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How often.
    pub rounds: usize,
    /// How long each time.
    pub time: Duration,
    /// On how many connections.
    pub connections: Vec<usize>,
    /// On which store; PostgreSQL is measured beside the embedded one.
    pub store: Store,
    /// On a disk that takes this much longer to sync, beside the disk as it is.
    pub delay: Option<Duration>,
}

/// What to measure it on.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The server program.
    pub server: PathBuf,
    /// Connections to the mail server; the server's default when absent.
    pub mail_connections: Option<u32>,
    /// Where PostgreSQL runs.
    pub database_on: DatabaseOn,
    /// Time for a profiler to attach.
    pub pause: Duration,
}

/// The processors PostgreSQL runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DatabaseOn {
    /// The load generator's, so that the server has as much as with the embedded store: the database is another machine's work.
    Load,
    /// The server's: one processor does all the work, as with the embedded store.
    Server,
    /// Either, as the kernel likes.
    Both,
}

impl DatabaseOn {
    fn cores(self, cores: Cores) -> Vec<usize> {
        match self {
            Self::Load => vec![cores.generator],
            Self::Server => vec![cores.server],
            Self::Both => vec![cores.server, cores.generator],
        }
    }
}

impl Plan {
    /// The command whose report it gives, as documents name it.
    pub fn command(&self) -> String {
        let mut command = String::from("cargo xtask bench login");
        if self.store == Store::Postgres {
            command.push_str(" --store postgres");
        }
        if let Some(delay) = self.delay {
            command.push_str(&format!(" --fsync-delay {}", delay.as_millis()));
        }
        command
    }

    /// The servers that are compared.
    fn kinds(&self) -> Vec<Kind> {
        let stores: &[Store] = match self.store {
            Store::Embedded => &[Store::Embedded],
            Store::Postgres => &[Store::Embedded, Store::Postgres],
        };
        let delays = match self.delay {
            None => vec![None],
            // Undelayed as well with the library that counts, so that nothing but the delay differs.
            Some(delay) => vec![Some(Duration::ZERO), Some(delay)],
        };
        stores
            .iter()
            .flat_map(|store| delays.iter().map(|delay| Kind { store: *store, delay: *delay }))
            .collect()
    }
}

/// What one round found.
struct Round {
    limit: Vec<Cost>,
    /// For each subject, for each number of connections.
    measured: Vec<Vec<Measured>>,
}

/// The server program beside this one.
pub fn default_server() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(own.with_file_name(format!("vestibule{}", std::env::consts::EXE_SUFFIX)))
}

/// Measures and reports, as Markdown.
pub fn run(setup: &Setup, plan: &Plan) -> Result<String> {
    let cores = Cores::choose()?;
    machine::pin(&[cores.generator])?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the load generator")?;
    LocalSet::new().block_on(&runtime, measure(setup, plan, cores))
}

async fn measure(setup: &Setup, plan: &Plan, cores: Cores) -> Result<String> {
    let place = Place::make(plan.store == Store::Postgres)?;
    let shim = plan.delay.map(|_| Shim::compile(place.path())).transpose()?;
    let mut subjects = Vec::new();
    for kind in plan.kinds() {
        subjects.push(Subject::start(setup, kind, cores, &place, shim.as_ref()).await?);
    }
    let first = subjects.first().context("there is nothing to measure")?;
    let sync = machine::sync_time(first.data())?;
    tokio::time::sleep(setup.pause).await;

    let mut rounds = Vec::with_capacity(plan.rounds);
    for number in 1..=plan.rounds {
        let limit = on_cores(&[cores.server], {
            let (keys, time) = (first.server.keys_document()?, plan.time);
            move || Limit::new(&keys)?.measure(time)
        })?;
        eprintln!("round {number}: crypto-only limit {:.0} logins/s", limit::logins_per_second(&limit));
        let measured = round(&subjects, plan, number, limit::logins_per_second(&limit)).await?;
        rounds.push(Round { limit, measured });
    }
    match subjects.as_slice() {
        [subject] => {
            let memory = machine::memory(subject.server.pid())?;
            Ok(Results { plan, rounds: &rounds, subject, memory, sync }.to_markdown())
        }
        subjects => {
            let sizes = subjects.iter().map(Subject::database_size).collect::<Result<_>>()?;
            Ok(Comparison { plan, setup, rounds: &rounds, subjects, sync, sizes }.to_markdown())
        }
    }
}

/// Every subject on every number of connections, one right after the other, and in the next round in the opposite order: whatever
/// makes the machine slower for a while is shared by those that are compared.
async fn round(subjects: &[Subject], plan: &Plan, number: usize, limit: f64) -> Result<Vec<Vec<Measured>>> {
    let mut measured: Vec<Vec<Measured>> = subjects.iter().map(|_| Vec::new()).collect();
    for connections in &plan.connections {
        let mut order: Vec<usize> = (0..subjects.len()).collect();
        if number.is_multiple_of(2) {
            order.reverse();
        }
        for index in &order {
            // More than the limit allows cannot be used up.
            let users = (limit * plan.time.as_secs_f64()) as usize + connections;
            users::top_up(&subjects[*index].site, users).await?;
        }
        for index in order {
            let found = subjects[index].measure(*connections, plan.time).await?;
            let (name, rate) = (subjects[index].kind.name(), found.point.logins_per_second);
            eprintln!("round {number}: {connections} connections, {name}: {rate:.0} logins/s");
            measured[index].push(found);
        }
    }
    Ok(measured)
}

/// Runs `work` on a thread bound to `cores`, and waits.
fn on_cores<T: Send + 'static>(
    cores: &[usize],
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let cores = cores.to_vec();
    let thread = thread::spawn(move || {
        machine::pin(&cores)?;
        work()
    });
    thread.join().map_err(|_| anyhow!("a measuring thread panicked"))?
}
