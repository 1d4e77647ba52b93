//! Every test there is, in the order of what they need: the Rust tests, then the published clients and a browser
//! against the server just built.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use vestibule_cluster::SHARED_VARIABLE;

use crate::postgres::TestPostgres;
use crate::server::DevServer;
use crate::steps::Steps;
use crate::workspace::Workspace;
use crate::{browser, process, tools};

/// What `--only` can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The workspace's own tests, against a PostgreSQL that is started for them.
    Rust,
    /// The modules of the web page, in Node.
    Dashboard,
    /// The SDKs published on npm.
    Npm,
    /// The SDK published on PyPI.
    Python,
    /// The SDK published for Rust.
    RustClient,
    /// The web page in Chromium.
    Browser,
}

/// Runs all tests, or one part of them; fails if a step does.
pub fn test(workspace: &Workspace, only: Option<Part>) -> ExitCode {
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut steps = Steps::default();
    let server = workspace.target.join("debug").join(format!("vestibule{}", std::env::consts::EXE_SUFFIX));
    let mut is_built = true;
    if wanted(Part::Rust) {
        // Servers and tests in one go: built apart, cargo would compile shared dependencies once for each set of features.
        is_built = steps.run("build", || {
            process::run(workspace.cargo().args(["build", "--workspace", "--bins", "--tests"]))
        });
        steps.run("rust tests", || rust(workspace));
        steps.run("rust examples in the documentation", || {
            process::run(workspace.cargo().args(["test", "--workspace", "--doc"]))
        });
    } else if only != Some(Part::Dashboard) {
        is_built =
            steps.run("build", || process::run(workspace.cargo().args(["build", "--package", "vestibule"])));
    }
    if wanted(Part::Dashboard) {
        steps.run("dashboard", || node(workspace, "dashboard/test", |_| {}));
    }
    let clients: [(Part, &'static str, Client); 4] = [
        (Part::Npm, "npm clients", npm),
        (Part::Python, "python client", python),
        (Part::RustClient, "rust client", rust_client),
        (Part::Browser, "browser", in_browser),
    ];
    for (part, name, client) in clients {
        if wanted(part) {
            steps.run(name, || match is_built {
                true => client(workspace, &server),
                false => bail!("not run, since the server did not build"),
            });
        }
    }
    steps.finish()
}

type Client = fn(&Workspace, &Path) -> Result<()>;

/// One PostgreSQL for all of them, since making one takes longer than most tests; each test has databases of its own on it.
fn rust(workspace: &Workspace) -> Result<()> {
    let postgres = TestPostgres::start(workspace)?;
    let has_nextest = process::find_on_path(&["cargo-nextest"]).is_some();
    let runner: &[&str] = if has_nextest { &["nextest", "run"] } else { &["test", "--no-fail-fast"] };
    // Tests that listen to the log share one process without nextest, and there must not hear each other.
    let alone: &[&str] = if has_nextest { &[] } else { &["--", "--test-threads=1"] };
    let all = process::run(
        workspace
            .cargo()
            .args(runner)
            .args(["--workspace", "--tests"])
            .args(alone)
            .env(SHARED_VARIABLE, postgres.url()),
    );
    // What the server does is the same on each store; with the same packages, so that nothing is built anew.
    let on_postgres = process::run(
        workspace
            .cargo()
            .args(runner)
            .args(["--workspace", "--test", "behaviour"])
            .args(alone)
            .env("VESTIBULE_TEST_STORE", "postgres")
            .env(SHARED_VARIABLE, postgres.url()),
    );
    all.and(on_postgres)
}

fn npm(workspace: &Workspace, server: &Path) -> Result<()> {
    let directory = required(workspace, "e2e")?;
    npm_ci(&directory)?;
    process::run(process::command("npm", &directory).args(["test", "--silent"]).env("VESTIBULE_BIN", server))
}

fn python(workspace: &Workspace, server: &Path) -> Result<()> {
    let directory = required(workspace, "e2e/python")?;
    // Discovery passes where it finds nothing.
    named_tests(&directory, |name| name.starts_with("test") && name.ends_with(".py"))?;
    let venv = workspace.target.join("e2e-venv");
    tools::python_venv(workspace, &venv, &directory.join("requirements.txt"), &[])?;
    process::run(
        process::command(venv.join("bin/python"), &workspace.root)
            .args(["-m", "unittest", "discover", "-s", "e2e/python"])
            .env("VESTIBULE_BIN", server)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
}

fn rust_client(workspace: &Workspace, server: &Path) -> Result<()> {
    let manifest = required(workspace, "e2e/rust")?.join("Cargo.toml");
    process::run(
        workspace
            .cargo()
            .args(["test", "--locked", "--no-fail-fast", "--manifest-path"])
            .arg(manifest)
            .env("CARGO_TARGET_DIR", workspace.target.join("e2e-rust"))
            .env("VESTIBULE_BIN", server),
    )
}

fn in_browser(workspace: &Workspace, server: &Path) -> Result<()> {
    let directory = required(workspace, "e2e/browser")?;
    let chromium = browser::chromium(workspace)?;
    npm_ci(&directory)?;
    let log = workspace.target.join("browser-tests-server.log");
    let running = DevServer::start(workspace, server, &log)?;
    println!("the server's output is in {}", log.display());
    let environment = running.environment()?;
    node(workspace, "e2e/browser", |command| {
        command
            .envs(environment)
            .env("VESTIBULE_URL", &running.url)
            .env("VESTIBULE_BIN", server)
            .env("VESTIBULE_CHROMIUM", chromium);
    })
}

/// Writes `docs/messages/*.png` with a server that is built for it.
pub fn screenshots(workspace: &Workspace) -> Result<()> {
    process::run(workspace.cargo().args(["build", "--package", "vestibule"]))?;
    let server = workspace.target.join("debug").join(format!("vestibule{}", std::env::consts::EXE_SUFFIX));
    let directory = required(workspace, "e2e/browser")?;
    let chromium = browser::chromium(workspace)?;
    browser::fonts(workspace)?;
    npm_ci(&directory)?;
    let running = DevServer::start(workspace, &server, &workspace.target.join("screenshots-server.log"))?;
    process::run(
        process::command("node", &workspace.root)
            .arg("e2e/browser/screenshots.mjs")
            .env("VESTIBULE_URL", &running.url)
            .env("VESTIBULE_CHROMIUM", chromium)
            .env("OUT", workspace.path("docs/messages")),
    )
}

/// Exactly what the lock file says, quietly, without asking and without a browser of a package's own.
fn npm_ci(directory: &Path) -> Result<()> {
    process::run(
        process::command("npm", directory)
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"])
            .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"),
    )
}

/// Runs Node's test runner on the test files of one directory, named one by one: what it makes of a directory differs
/// from version to version.
fn node(workspace: &Workspace, directory: &str, prepare: impl FnOnce(&mut Command)) -> Result<()> {
    let files = named_tests(&required(workspace, directory)?, |name| {
        [".test.js", ".test.mjs"].iter().any(|ending| name.ends_with(ending))
    })?;
    let mut command = process::command("node", &workspace.root);
    command.arg("--test").args(files.iter().map(|name| format!("{directory}/{name}")));
    prepare(&mut command);
    process::run(&mut command)
}

/// A directory that must be there: a part of the tests that is missing is a failure, not a pass.
fn required(workspace: &Workspace, directory: &str) -> Result<PathBuf> {
    let path = workspace.path(directory);
    if !path.is_dir() {
        bail!("{directory}/ is missing");
    }
    Ok(path)
}

/// The names of the test files right in `directory`, sorted; at least one.
fn named_tests(directory: &Path, is_test: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in
        std::fs::read_dir(directory).with_context(|| format!("could not read {}", directory.display()))?
    {
        names.extend(entry?.file_name().into_string().ok().filter(|name| is_test(name)));
    }
    if names.is_empty() {
        bail!("there is no test in {}", directory.display());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory_with(names: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(directory.path().join(name), "").unwrap();
        }
        directory
    }

    #[test]
    fn a_directory_without_tests_is_an_error() {
        let directory = directory_with(&["helper.mjs"]);
        assert!(named_tests(directory.path(), |name| name.ends_with(".test.mjs")).is_err());
    }

    #[test]
    fn tests_are_told_from_their_helpers() {
        let directory = directory_with(&["b.test.mjs", "helper.mjs", "a.test.mjs"]);
        let names = named_tests(directory.path(), |name| name.ends_with(".test.mjs")).unwrap();
        assert_eq!(names, ["a.test.mjs", "b.test.mjs"]);
    }

    #[test]
    fn a_missing_part_is_an_error() {
        let directory = directory_with(&[]);
        let workspace =
            Workspace { root: directory.path().into(), target: directory.path().into(), members: Vec::new() };
        assert_eq!(required(&workspace, "e2e/python").unwrap_err().to_string(), "e2e/python/ is missing");
    }

    #[test]
    fn every_part_has_the_name_the_documents_use() {
        let names: Vec<_> = Part::value_variants()
            .iter()
            .map(|part| part.to_possible_value().unwrap().get_name().to_owned())
            .collect();
        assert_eq!(names, ["rust", "dashboard", "npm", "python", "rust-client", "browser"]);
    }
}
