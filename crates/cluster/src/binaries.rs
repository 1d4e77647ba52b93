//! Where PostgreSQL's programs are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Names the directory of PostgreSQL's programs; it comes before every other place.
pub const BIN_VARIABLE: &str = "VESTIBULE_POSTGRES_BIN";

/// The oldest major version Vestibule is tested with.
const OLDEST: u32 = 15;

/// Where Debian and its like keep one directory for each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// What a directory must hold: a machine may have the client programs alone.
const NEEDED: &[&str] = &["initdb", "postgres", "pg_basebackup", "psql"];

/// PostgreSQL's programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// From the directory in `VESTIBULE_POSTGRES_BIN`, else the newest version under `/usr/lib/postgresql`, else from PATH.
    ///
    /// # Errors
    /// When there are none, or they are older than PostgreSQL 15.
    pub fn find() -> Result<Self> {
        if let Some(directory) = std::env::var_os(BIN_VARIABLE).map(PathBuf::from) {
            return Self::at(&directory).with_context(|| format!("{BIN_VARIABLE} does not fit"));
        }
        if let Some(directory) = newest(Path::new(DEBIAN)) {
            return Ok(Self { directory });
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        match std::env::split_paths(&path).find(|directory| is_complete(directory)) {
            Some(directory) => Self::at(&directory),
            None => bail!(
                "PostgreSQL {OLDEST} or newer is needed (initdb, postgres, pg_basebackup, psql): install it, or name the \
                 directory of its programs in {BIN_VARIABLE}"
            ),
        }
    }

    fn at(directory: &Path) -> Result<Self> {
        if !is_complete(directory) {
            bail!("{} lacks one of {}", directory.display(), NEEDED.join(", "));
        }
        let output = Command::new(directory.join("postgres"))
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .context("could not start postgres")?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        match major(&text) {
            Some(version) if version >= OLDEST => Ok(Self { directory: directory.to_owned() }),
            Some(version) => bail!("PostgreSQL {OLDEST} or newer is needed, and this is {version}"),
            None => bail!("`postgres --version` printed {text:?}"),
        }
    }

    /// The path of one program, such as `psql`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

fn is_complete(directory: &Path) -> bool {
    NEEDED.iter().all(|name| directory.join(name).is_file())
}

/// The complete `VERSION/bin` of the highest version, if it is not too old.
fn newest(root: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(root).ok()?;
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(version, directory)| *version >= OLDEST && is_complete(directory))
        .max()
        .map(|(_, directory)| directory)
}

/// From `postgres (PostgreSQL) 15.4 (some build)`.
fn major(text: &str) -> Option<u32> {
    let rest = text.strip_prefix("postgres (PostgreSQL) ")?;
    let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(root: &Path, version: &str, programs: &[&str]) {
        let bin = root.join(version).join("bin");
        fs::create_dir_all(&bin).unwrap();
        for program in programs {
            fs::write(bin.join(program), "").unwrap();
        }
    }

    #[test]
    fn the_newest_complete_version_is_taken() {
        let root = tempfile::tempdir().unwrap();
        installed(root.path(), "9", NEEDED);
        installed(root.path(), "15", NEEDED);
        installed(root.path(), "16", NEEDED);
        installed(root.path(), "17", &["psql"]);
        installed(root.path(), "common", NEEDED);
        assert_eq!(newest(root.path()), Some(root.path().join("16/bin")));
    }

    #[test]
    fn an_old_version_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        installed(root.path(), "14", NEEDED);
        assert_eq!(newest(root.path()), None);
        assert_eq!(newest(&root.path().join("absent")), None);
    }

    #[test]
    fn the_major_version_is_read_from_what_postgres_prints() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18devel"), Some(18));
        assert_eq!(major("postgres"), None);
    }

    #[test]
    fn an_incomplete_directory_is_an_error_that_says_what_is_needed() {
        let root = tempfile::tempdir().unwrap();
        let error = Binaries::at(root.path()).unwrap_err().to_string();
        assert!(error.contains("lacks one of initdb, postgres"), "{error}");
    }
}
