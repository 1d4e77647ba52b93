//! Everything a machine can say about the source without running it.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{arrows, process, sources, tools};

/// Runs every check; fails if one of them does.
pub fn lint(workspace: &Workspace) -> ExitCode {
    let mut steps = Steps::default();
    steps.run("format", || {
        process::run(workspace.cargo().args(["fmt", "--all", "--check"]))?;
        // Workspaces of their own: one as a user of the published SDK would have, one for a nightly compiler.
        for manifest in ["e2e/rust/Cargo.toml", "fuzz/Cargo.toml"] {
            process::run(workspace.cargo().args(["fmt", "--check", "--manifest-path", manifest]))?;
        }
        Ok(())
    });
    steps.run("clippy", || {
        process::run(workspace.cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    });
    steps.run("arrows", || none(arrows::violations(&workspace.members)));
    steps.run("sources", || check_sources(workspace));
    steps.run("spelling", || {
        process::run(&mut process::command(tools::TYPOS.find(workspace)?, &workspace.root))
    });
    steps.run("dependencies", || deny(workspace, &["bans", "licenses", "sources"]));
    steps.finish()
}

/// Looks the dependencies up in the advisory database, which it fetches.
pub fn audit(workspace: &Workspace) -> Result<()> {
    deny(workspace, &["advisories"])
}

fn deny(workspace: &Workspace, checks: &[&str]) -> Result<()> {
    let program = tools::CARGO_DENY.find(workspace)?;
    process::run(
        process::command(program, &workspace.root)
            .args(["--all-features", "check", "--hide-inclusion-graph"])
            .args(checks),
    )
}

fn check_sources(workspace: &Workspace) -> Result<()> {
    for exception in sources::exceptions() {
        println!("let through: {exception}");
    }
    let mut found = Vec::new();
    let mut rust_files = 0;
    for path in files(&workspace.root)? {
        let full = workspace.path(&path);
        // git still lists a file that was deleted but not yet committed so.
        if !full.is_file() {
            continue;
        }
        rust_files += usize::from(path.ends_with(".rs"));
        let read = || std::fs::read_to_string(&full).with_context(|| format!("could not read {path}"));
        found.extend(sources::findings(&path, read)?.iter().map(ToString::to_string));
    }
    if rust_files == 0 {
        bail!("git lists no Rust file here");
    }
    println!("{rust_files} Rust files read");
    none(found)
}

/// Every file that is or could be committed, relative to the root.
fn files(root: &Path) -> Result<Vec<String>> {
    let listed = process::output(process::command("git", root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    Ok(listed.split_terminator('\0').map(str::to_owned).collect())
}

fn none(violations: Vec<String>) -> Result<()> {
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        count => bail!("{count} found"),
    }
}
