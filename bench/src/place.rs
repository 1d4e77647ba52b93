//! A directory on disk for as long as a run takes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Where servers, databases and the library keep their files, removed with the value.
pub struct Place {
    directory: TempDir,
}

impl Place {
    /// Beside this program, where cargo builds: a directory for temporary files may be memory, on which a sync costs nothing. When
    /// root runs this, PostgreSQL runs as somebody else, who may not get there; then in `/var/tmp`, which is kept on disk.
    pub fn make(with_postgres: bool) -> Result<Self> {
        let own = std::env::current_exe().context("cannot tell where this program is")?;
        let beside = own.parent().unwrap_or(Path::new("."));
        let is_reachable = !with_postgres || everybody_may_enter(beside);
        let parent = if is_reachable { beside } else { Path::new("/var/tmp") };
        let directory = tempfile::Builder::new()
            .prefix("bench-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(parent)
            .context("cannot make a directory for the data")?;
        Ok(Self { directory })
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A directory of this name, for one server.
    pub fn within(&self, name: &str) -> Result<PathBuf> {
        let path = self.path().join(name);
        fs::create_dir(&path).context("cannot make a directory for the data")?;
        Ok(path)
    }
}

fn everybody_may_enter(directory: &Path) -> bool {
    directory
        .ancestors()
        .all(|path| fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0))
}
