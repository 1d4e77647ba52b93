//! Files that hold secrets: made for their owner alone, refused when everybody may read them, never overwritten by
//! accident.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use vestibule_crypto::secret::Secret;

const OWNER_ONLY: u32 = 0o600;

/// Makes a directory, and those above it, for its owner alone; one that exists is left as it is.
pub fn private_directory(path: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the directory {}", path.display()))
}

/// Writes a file that must not exist yet, readable by its owner alone, and waits until it is on disk.
pub fn write_new(path: &Path, content: &str) -> Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{} exists and is left alone; choose another name or move it away", path.display())
        }
        Err(error) => return Err(error).with_context(|| format!("cannot write {}", path.display())),
    };
    let written = file.write_all(content.as_bytes()).and_then(|()| file.sync_all());
    written.with_context(|| format!("cannot write {}", path.display()))?;
    sync_parent(path)
}

/// Locks a file, made where it is missing, for as long as the returned one is open; none where another process holds it.
pub fn lock(path: &Path) -> Result<Option<File>> {
    let open =
        || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY).open(path);
    let file = open().with_context(|| format!("cannot use {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Replaces a file whole, readable by its owner alone: a reader sees the old content or the new.
pub fn replace(path: &Path, content: &str) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    // Left over from a process that was killed; nobody else writes here, the directory is locked.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", beside.display()));
        }
        _ => {}
    }
    write_new(&beside, content)?;
    fs::rename(&beside, path).with_context(|| format!("cannot write {}", path.display()))?;
    sync_parent(path)
}

/// Reads a secret: the file without its final line break. A file that every user of the machine may read is refused.
pub fn read_secret(path: &Path) -> Result<Secret<String>> {
    let cannot_read = || format!("cannot read {}", path.display());
    let mode = fs::metadata(path).with_context(cannot_read)?.mode();
    if mode & 0o007 != 0 {
        bail!(
            "{} holds a secret and every user of this machine may open it; run `chmod 600 {}`",
            path.display(),
            path.display()
        );
    }
    let mut text = fs::read_to_string(path).with_context(cannot_read)?;
    text.truncate(text.trim_end_matches(['\n', '\r']).len());
    Ok(Secret::new(text))
}

fn sync_parent(path: &Path) -> Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .with_context(|| format!("cannot write to {}", parent.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_new_file_is_for_its_owner_alone_and_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.json");
        write_new(&path, "first").unwrap();
        assert_eq!(mode(&path), 0o600);
        let refused = write_new(&path, "second").unwrap_err().to_string();
        assert!(refused.contains("left alone"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
    }

    #[test]
    fn a_replaced_file_has_the_new_content_and_stays_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("dev.env");
        fs::write(directory.path().join("dev.env.new"), "left over").unwrap();
        replace(&path, "first").unwrap();
        replace(&path, "second").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("second", 0o600));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_that_everybody_may_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        fs::write(&path, "correct horse\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(read_secret(&path).unwrap().expose(), "correct horse");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = read_secret(&path).unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");
    }
}
