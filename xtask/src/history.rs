//! Prints what the checker finds in recorded histories.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use vestibule_history::{Bounds, History, Report};

/// Checks every file; fails if one of them breaks a promise. An error means that a file is no history.
pub fn check(files: &[PathBuf], bounds: Bounds) -> Result<ExitCode> {
    let mut total = 0;
    for file in files {
        let history = read(file)?;
        let report = vestibule_history::check(&history, bounds);
        total += report.violations.len();
        println!("{}: {}\n{report}", file.display(), history.header.name);
        explain(&history, &report)?;
        println!();
    }
    println!("{} histories checked, {total} violations", files.len());
    Ok(if total == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> Result<History> {
    let opened = File::open(file).with_context(|| format!("could not open {}", file.display()))?;
    vestibule_history::read(BufReader::new(opened))
        .with_context(|| format!("{} is no history", file.display()))
}

/// Every violation, and the requests that prove it.
fn explain(history: &History, report: &Report) -> Result<()> {
    for violation in &report.violations {
        println!("broken: {} ({:?})\n  {}", violation.rule.promise(), violation.rule, violation.what);
        for &index in &violation.events {
            println!("  {}", serde_json::to_string(&history.events[index])?);
        }
    }
    Ok(())
}
