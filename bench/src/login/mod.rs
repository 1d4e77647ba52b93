//! Logins: a server process on one processor, its clients and its mail server on another.

mod client;
mod limit;
mod load;
mod mail;
mod server;
mod table;
mod users;

use std::path::PathBuf;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::task::LocalSet;

use self::limit::{Cost, Limit};
use self::load::Point;
use self::mail::MailServer;
use self::server::Server;
use self::table::Results;
use self::users::Site;
use crate::machine::{self, Cores};

/// Logins before the first measurement, per connection.
const WARM_UP_CONNECTIONS: usize = 16;

/// What to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How often.
    pub rounds: usize,
    /// How long each time.
    pub time: Duration,
    /// On how many connections.
    pub connections: Vec<usize>,
}

/// What to measure it on.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The server program.
    pub server: PathBuf,
    /// Connections to the mail server; the server's default when absent.
    pub mail_connections: Option<u32>,
    /// Time for a profiler to attach.
    pub pause: Duration,
}

/// What one round found.
struct Round {
    limit: Vec<Cost>,
    points: Vec<Point>,
}

/// The server program beside this one.
pub fn default_server() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    Ok(own.with_file_name(format!("vestibule{}", std::env::consts::EXE_SUFFIX)))
}

/// Measures and reports, as Markdown.
pub fn run(setup: &Setup, plan: &Plan) -> Result<String> {
    let cores = Cores::choose()?;
    machine::pin(cores.generator)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the load generator")?;
    LocalSet::new().block_on(&runtime, measure(setup, plan, cores))
}

async fn measure(setup: &Setup, plan: &Plan, cores: Cores) -> Result<String> {
    let mail = MailServer::start().await?;
    let server = Server::start(setup, mail.address(), cores.server)?;
    eprintln!("the server is process {} at {}", server.pid(), server.address);
    let at_start = machine::memory(server.pid())?;
    let sync = machine::sync_time(server.directory())?;
    let site = Rc::new(Site::new(&server, mail)?);

    users::top_up(&site, WARM_UP_CONNECTIONS * 4).await?;
    load::warm_up(&site, WARM_UP_CONNECTIONS).await?;
    tokio::time::sleep(setup.pause).await;

    let mut rounds = Vec::with_capacity(plan.rounds);
    for number in 1..=plan.rounds {
        let limit = on_core(cores.server, {
            let (keys, time) = (server.keys_document()?, plan.time);
            move || Limit::new(&keys)?.measure(time)
        })?;
        let per_second = limit::logins_per_second(&limit);
        eprintln!("round {number}: crypto-only limit {per_second:.0} logins/s");
        let mut points = Vec::with_capacity(plan.connections.len());
        for connections in &plan.connections {
            // More than the limit allows cannot be used up.
            users::top_up(&site, (per_second * plan.time.as_secs_f64()) as usize + connections).await?;
            let point = load::run(&site, server.pid(), *connections, plan.time).await?;
            eprintln!("round {number}: {connections} connections: {:.0} logins/s", point.logins_per_second);
            points.push(point);
        }
        rounds.push(Round { limit, points });
    }
    let memory = machine::memory(server.pid())?;
    let results = Results { plan, rounds: &rounds, at_start, memory, sync, users: site.users_made() };
    Ok(results.to_markdown())
}

/// Runs `work` on a thread bound to `core`, and waits.
fn on_core<T: Send + 'static>(core: usize, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let thread = thread::spawn(move || {
        machine::pin(core)?;
        work()
    });
    thread.join().map_err(|_| anyhow!("a measuring thread panicked"))?
}
