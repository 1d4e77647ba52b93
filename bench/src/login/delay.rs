//! A slower disk: a C library that is loaded into a program, delays what it syncs, and counts.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const SOURCE: &str = include_str!("delay.c");

/// The library, compiled.
pub struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Compiles it into `directory` with the C compiler that the build needs as well.
    pub fn compile(directory: &Path) -> Result<Self> {
        let (source, library) = (directory.join("delay.c"), directory.join("delay.so"));
        fs::write(&source, SOURCE).context("cannot write the library that delays syncs")?;
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .args([&library, &source])
            .output()
            .context("cannot start cc, which compiles the library that delays syncs")?;
        if !output.status.success() {
            bail!("cc failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(Self { library })
    }

    /// What a program needs in its environment for each sync to take `delay` longer, and where its syncs are counted: in a
    /// new file `name` beside the library.
    pub fn prepare(&self, name: &str, delay: Duration) -> Result<(Vec<(OsString, OsString)>, Syncs)> {
        let count = self.library.with_file_name(name);
        fs::write(&count, [0; 8])
            // PostgreSQL may run as another user than this program.
            .and_then(|()| fs::set_permissions(&count, Permissions::from_mode(0o666)))
            .context("cannot make the file in which syncs are counted")?;
        let environment = vec![
            ("LD_PRELOAD".into(), self.library.clone().into_os_string()),
            ("VESTIBULE_SYNC_DELAY_US".into(), delay.as_micros().to_string().into()),
            ("VESTIBULE_SYNC_COUNT".into(), count.clone().into_os_string()),
        ];
        Ok((environment, Syncs { count }))
    }
}

/// Counts the syncs of a program and of the processes it starts.
pub struct Syncs {
    count: PathBuf,
}

impl Syncs {
    /// How many there were so far.
    pub fn count(&self) -> Result<u64> {
        let bytes = fs::read(&self.count).context("cannot read how many syncs there were")?;
        let bytes = bytes.try_into().ok().context("the count of syncs makes no sense")?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_the_library_is_delayed_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        let shim = Shim::compile(directory.path()).unwrap();
        let (environment, syncs) = shim.prepare("count", Duration::from_millis(30)).unwrap();
        let start = std::time::Instant::now();
        let status = Command::new("dd")
            .args(["if=/dev/zero", "bs=1", "count=1", "conv=fsync", "status=none"])
            .arg(format!("of={}", directory.path().join("file").display()))
            .envs(environment)
            .status()
            .unwrap();
        assert!(status.success());
        assert!(start.elapsed() >= Duration::from_millis(30));
        assert_eq!(syncs.count().unwrap(), 1);
    }
}
