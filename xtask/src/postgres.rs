//! The PostgreSQL that the Rust tests run against.

use std::path::Path;

use anyhow::{Context, Result, bail};
use vestibule_cluster::{Binaries, Cluster, Options, SHARED_VARIABLE};

use crate::apt::Apt;
use crate::process;
use crate::workspace::Workspace;

/// The oldest version that is installed.
const OLDEST: u32 = 15;

/// Debian makes and starts a cluster with the package unless this says otherwise; nobody asked for a server to run.
const DEFAULTS: &str = "/etc/postgresql-common/createcluster.d";
const NO_CLUSTER: &str = "create_main_cluster = false\n";

/// Where the tests find their databases.
pub enum TestPostgres {
    /// Whoever started this command has one.
    Given(String),
    /// Started for the tests; it ends with this value.
    Started(Box<Cluster>),
}

impl TestPostgres {
    /// That of `VESTIBULE_TEST_POSTGRES`, else a cluster of its own, not durable, on a free port.
    pub fn start(workspace: &Workspace) -> Result<Self> {
        if let Ok(url) = std::env::var(SHARED_VARIABLE) {
            println!("PostgreSQL for the tests: {url}, from {SHARED_VARIABLE}");
            return Ok(Self::Given(url));
        }
        install(workspace)?;
        let cluster = Cluster::start(Options { max_connections: 400, ..Options::default() })?;
        println!("PostgreSQL for the tests: {}, which ends with them", cluster.url("postgres"));
        Ok(Self::Started(Box::new(cluster)))
    }

    /// The administrator's URL.
    pub fn url(&self) -> String {
        match self {
            Self::Given(url) => url.clone(),
            Self::Started(cluster) => cluster.url("postgres"),
        }
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        if let Self::Started(_) = self {
            println!("PostgreSQL is stopped and its data are removed");
        }
    }
}

/// Sees to it that PostgreSQL's programs are there; on Debian, as root, they are installed when they are not.
pub fn install(workspace: &Workspace) -> Result<()> {
    let Err(missing) = Binaries::find() else { return Ok(()) };
    let Some(apt) = Apt::here(workspace)? else { return Err(missing) };
    apt.update()?;
    let listed = process::output(process::command("apt-cache", &workspace.root).args([
        "search",
        "--names-only",
        "^postgresql-[0-9]+$",
    ]))?;
    let package = newest(&listed)
        .with_context(|| format!("apt knows no postgresql-{OLDEST} or newer, and {missing:#}"))?;
    let defaults = Path::new(DEFAULTS).join("vestibule.conf");
    std::fs::create_dir_all(DEFAULTS)
        .and_then(|()| std::fs::write(&defaults, NO_CLUSTER))
        .with_context(|| format!("cannot write {}", defaults.display()))?;
    let installed = apt.install(&package);
    std::fs::remove_file(&defaults).with_context(|| format!("cannot remove {}", defaults.display()))?;
    installed?;
    match Binaries::find() {
        Ok(_) => Ok(()),
        Err(error) => bail!("apt-get installed {package}, but {error:#}"),
    }
}

/// The package of the newest version in what `apt-cache search` prints.
fn newest(listed: &str) -> Option<String> {
    let versions = listed.lines().filter_map(|line| {
        let name = line.split_whitespace().next()?;
        name.strip_prefix("postgresql-")?.parse::<u32>().ok()
    });
    let version = versions.max().filter(|version| *version >= OLDEST)?;
    Some(format!("postgresql-{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_package_is_installed() {
        let listed = "postgresql-9 - old\npostgresql-15 - The Database\npostgresql-17 - newer\n";
        assert_eq!(newest(listed).as_deref(), Some("postgresql-17"));
    }

    #[test]
    fn a_package_that_is_too_old_is_not_installed() {
        assert_eq!(newest("postgresql-14 - old\n"), None);
        assert_eq!(newest(""), None);
    }
}
