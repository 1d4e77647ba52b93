//! The project's own commands. `cargo xtask lint` and then `cargo xtask test` is the whole gate: CI runs exactly that.

mod apt;
mod arrows;
mod browser;
mod history;
mod lint;
mod postgres;
mod process;
mod server;
mod sources;
mod steps;
mod suite;
mod tools;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use vestibule_history::Bounds;

use crate::suite::Part;
use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Vestibule's own commands", disable_version_flag = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check format, clippy, the arrows between crates, spelling, licenses and sources.
    Lint,
    /// Run every test: Rust, dashboard, published clients, browser.
    Test {
        /// Run one part only.
        #[arg(long, value_enum)]
        only: Option<Part>,
    },
    /// Write the pictures of messages that docs/messages.md shows, with Chromium, from the texts as they are now.
    Screenshots,
    /// Look the dependencies up among the known advisories. Needs the open network, so it is no part of `lint`.
    Audit,
    /// Build server and load generator for release and run the load generator, for example `bench login`.
    Bench {
        /// What the load generator receives.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Hold recorded histories of concurrent clients against what Vestibule promises; fails where one breaks it.
    CheckHistory {
        /// How far the clock that judges expiry may lie from the recorder's, in milliseconds.
        #[arg(long, default_value_t = Bounds::default().skew_ms)]
        skew_ms: u64,
        /// Files of JSON lines, as the tests of several nodes leave them in `target/histories`.
        #[arg(required = true)]
        files: Vec<std::path::PathBuf>,
    },
}

fn main() -> ExitCode {
    run(Cli::parse().command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    match command {
        Command::Lint => return Ok(lint::lint(&workspace)),
        Command::Test { only } => return Ok(suite::test(&workspace, only)),
        Command::Screenshots => suite::screenshots(&workspace)?,
        Command::Audit => lint::audit(&workspace)?,
        Command::Bench { args } => bench(&workspace, &args)?,
        Command::CheckHistory { skew_ms, files } => return history::check(&files, Bounds { skew_ms }),
    }
    Ok(ExitCode::SUCCESS)
}

fn bench(workspace: &Workspace, args: &[String]) -> Result<()> {
    if args.iter().any(|argument| argument.trim_start_matches("--store=") == "postgres") {
        postgres::install(workspace)?;
    }
    process::run(workspace.cargo().args(["build", "--release", "-p", "vestibule", "-p", "vestibule-bench"]))?;
    let release = workspace.target.join("release");
    process::run(
        process::command(release.join("vestibule-bench"), &workspace.root)
            .args(args)
            .env("VESTIBULE_BIN", release.join("vestibule")),
    )
}
