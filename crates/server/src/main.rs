//! The `vestibule` program.

mod abuse;
mod admin;
mod app;
mod backup;
mod cli;
mod clock;
mod config;
mod db;
mod dev;
mod files;
mod installation;
mod key_commands;
mod keys;
mod lifecycle;
mod lists;
mod logging;
mod metrics;
mod output;
mod policy_test;
mod purge;
mod receipts;
mod request;
mod serve;
mod templates;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::cli::{Cli, Command};
use crate::installation::Place;
use crate::output::say;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match start(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(command: Command) -> Result<ExitCode> {
    // Worker threads: as many as the machine has processors for this process.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(run(command))
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Dev(arguments) => dev::run(&arguments).await?,
        Command::Serve(arguments) => serve::run(&arguments).await?,
        Command::Init(arguments) => init(&arguments.out)?,
        Command::Keys(command) => key_commands::run(command).await?,
        Command::Config(cli::Config::Check { config }) => serve::check(&config)?,
        Command::Migrate(arguments) => migrate(&arguments).await?,
        Command::Request(arguments) => return request::run(&arguments).await,
        Command::Db(command) => db::run(command).await?,
        Command::Backup(arguments) => backup::backup(&arguments)?,
        Command::Restore(arguments) => backup::restore(&arguments)?,
        Command::Org(command) => admin::org(command).await?,
        Command::Template(command) => return Ok(templates::run(*command).await?.into()),
        Command::Contact(command) => admin::contact(command).await?,
        Command::Route(command) => admin::route(command).await?,
        Command::Webhook(command) => admin::webhook(command).await?,
        Command::Abuse(command) => admin::abuse(command).await?,
        Command::Policy(cli::Policy::Test(arguments)) => {
            return Ok(if policy_test::run(&arguments)? { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn migrate(arguments: &cli::Migrate) -> Result<()> {
    match Place::find(&arguments.place)?.migrate().await? {
        0 => say!("The schema is up to date."),
        1 => say!("The schema is up to date: one migration was applied."),
        count => say!("The schema is up to date: {count} migrations were applied."),
    }
    Ok(())
}

fn init(path: &Path) -> Result<()> {
    files::write_new(path, config::EXAMPLE)?;
    let (file, keys) = (path.display(), path.with_file_name("keys.json"));
    say!(
        "Wrote {file}. Next:\n\
         \x20 1. Edit it: at least [email] or [sms]. docs/configuration.md explains every setting.\n\
         \x20 2. vestibule keys generate --out {keys}\n\
         \x20    and keep a copy of that file in a safe place: without it the database is of no use.\n\
         \x20 3. vestibule config check --config {file}\n\
         \x20 4. vestibule serve --config {file}\n\
         \x20 5. vestibule org create --config {file} --name \"My app\"",
        keys = keys.display()
    );
    Ok(())
}
