//! The load generator: how fast a server is on this machine, beside what the machine's cryptography allows; and how fast
//! it answers queries over very many sub-organizations, beside few.

mod client;
mod login;
mod machine;
mod place;
mod queries;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "vestibule-bench", about = "Measures Vestibule", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Complete logins (init, verify, login; stamped, durable, mail delivered) beside the crypto-only limit.
    Login(LoginArgs),
    /// Queries over very many sub-organizations beside few, on the embedded store. Fails where one does not keep to the floor.
    Queries(QueriesArgs),
}

#[derive(Args)]
struct LoginArgs {
    /// The server program. Absent: the variable VESTIBULE_BIN, else the program beside this one.
    #[arg(long, value_name = "FILE", env = "VESTIBULE_BIN")]
    server: Option<PathBuf>,

    /// Seconds per measurement.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,

    /// How often everything is measured; the report gives medians.
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,

    /// Connections of each measurement, one login at a time on each. Absent: 1,8,64, and 256 with --fsync-delay.
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    connections: Option<Vec<usize>>,

    /// Where the server keeps its data. PostgreSQL is started for the run, and measured beside the embedded store.
    #[arg(long, value_enum, default_value_t = login::Store::Embedded)]
    store: login::Store,

    /// Measure a disk that takes this much longer to sync beside the disk as it is. Needs a C compiler.
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..=1000))]
    fsync_delay: Option<u64>,

    /// The processors PostgreSQL runs on.
    #[arg(long, value_enum, default_value_t = login::DatabaseOn::Load)]
    database_on: login::DatabaseOn,

    /// One short round on few connections: shows that everything works, measures nothing of worth.
    #[arg(long, conflicts_with_all = ["seconds", "rounds", "connections", "write"])]
    quick: bool,

    /// Put the report between the markers in this file, such as docs/performance.md.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,

    /// Connections the server keeps to its mail server. Absent: its own default.
    #[arg(long, value_name = "N")]
    mail_connections: Option<u32>,

    /// Wait this long before the first measurement, for a profiler to attach to the server; its process id is printed.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    pause: u64,
}

#[derive(Args)]
struct QueriesArgs {
    /// Sub-organizations at the full number. A million take about 4 GB of disk.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = at_least_a_thousand)]
    organizations: usize,

    /// Requests per query, number and round.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    requests: usize,

    /// How often everything is measured; the report gives medians.
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,

    /// Few sub-organizations and requests: shows that everything works, measures nothing of worth and judges nothing.
    #[arg(long, conflicts_with_all = ["organizations", "requests", "rounds", "write"])]
    quick: bool,

    /// Put the report between the markers in this file, such as docs/performance.md.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

fn at_least_a_thousand(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if number >= 1000 { Ok(number) } else { Err("at least 1000, the number it is compared with".to_owned()) }
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Login(args) => run_login(args),
        Command::Queries(args) => run_queries(&args),
    }
}

fn run_login(args: LoginArgs) -> Result<()> {
    let LoginArgs { server, seconds, rounds, connections, store, fsync_delay, database_on, quick, .. } = args;
    let server = match server {
        Some(path) => path,
        None => login::default_server()?,
    };
    let delay = fsync_delay.map(Duration::from_millis);
    let plan = match quick {
        true => {
            login::Plan { rounds: 1, time: Duration::from_millis(500), connections: vec![1, 4], store, delay }
        }
        false => login::Plan {
            rounds: rounds.max(1),
            time: Duration::from_secs_f64(seconds),
            connections: connections
                .unwrap_or_else(|| if delay.is_some() { vec![256] } else { vec![1, 8, 64] }),
            store,
            delay,
        },
    };
    let LoginArgs { write, mail_connections, pause, .. } = args;
    let setup = login::Setup { server, mail_connections, database_on, pause: Duration::from_secs(pause) };
    let report = login::run(&setup, &plan)?;
    println!("\n{report}");
    match write {
        Some(path) => report::replace(&path, &plan.command(), &report),
        None => Ok(()),
    }
}

fn run_queries(args: &QueriesArgs) -> Result<()> {
    let plan = match args.quick {
        true => queries::Plan { few: 100, many: 1000, requests: 10, rounds: 1 },
        false => queries::Plan {
            few: 1000,
            many: args.organizations,
            requests: args.requests.max(1),
            rounds: args.rounds.max(1),
        },
    };
    let queries::Report { text, slow } = queries::run(&plan)?;
    println!("\n{text}");
    if let Some(path) = &args.write {
        report::replace(path, "cargo xtask bench queries", &text)?;
    }
    ensure!(args.quick || slow.is_empty(), "slower than the floor: {}", slow.join("; "));
    Ok(())
}
