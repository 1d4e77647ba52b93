//! The load generator: how fast a server is on this machine, beside what the machine's cryptography allows.

mod login;
mod machine;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
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

    /// Connections of each measurement, one login at a time on each.
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1, 8, 64])]
    connections: Vec<usize>,

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

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Login(args) => run_login(args),
    }
}

fn run_login(args: LoginArgs) -> Result<()> {
    let LoginArgs { server, seconds, rounds, connections, quick, write, mail_connections, pause } = args;
    let server = match server {
        Some(path) => path,
        None => login::default_server()?,
    };
    let plan = match quick {
        true => login::Plan { rounds: 1, time: Duration::from_millis(300), connections: vec![1, 4] },
        false => login::Plan { rounds: rounds.max(1), time: Duration::from_secs_f64(seconds), connections },
    };
    let setup = login::Setup { server, mail_connections, pause: Duration::from_secs(pause) };
    let report = login::run(&setup, &plan)?;
    println!("\n{report}");
    match write {
        Some(path) => report::replace(&path, &report),
        None => Ok(()),
    }
}
