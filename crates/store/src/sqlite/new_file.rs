//! A file that appears under its name once it is whole, and never in the place of another.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::open;

/// What is added to a file's name while it is written.
const UNFINISHED: &str = ".partial";

/// Why a file could not be made. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NewFileError {
    /// There is one of that name.
    #[error("{} exists and is left alone; choose another name or move it away", .0.display())]
    Exists(PathBuf),
    /// Another process is writing it.
    #[error("another process is writing {}", .0.display())]
    Writing(PathBuf),
    /// The system refused.
    #[error("cannot use {}: {cause}", .path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Its answer.
        cause: io::Error,
    },
}

/// A file that is being written. It goes when it is dropped before it was finished.
pub(super) struct NewFile {
    /// Locked, and open for those who write through it.
    pub(super) file: File,
    /// Its name until it is finished.
    pub(super) partial: PathBuf,
    path: PathBuf,
    finished: bool,
}

impl NewFile {
    /// Makes an empty file for its owner alone, and holds it against other processes that would write it. One that a killed
    /// process left, whoever may read it, makes way.
    pub(super) fn create(path: &Path) -> Result<Self, NewFileError> {
        if exists(path)? {
            return Err(NewFileError::Exists(path.to_owned()));
        }
        let partial = beside(path, UNFINISHED);
        let file = match open::new_private_file(&partial) {
            Ok(file) => file,
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
                let left = lock(File::open(&partial).map_err(io_error(&partial))?, &partial)?;
                fs::remove_file(&partial).map_err(io_error(&partial))?;
                let file = open::new_private_file(&partial).map_err(io_error(&partial))?;
                drop(left);
                file
            }
            Err(cause) => return Err(io_error(&partial)(cause)),
        };
        let file = lock(file, &partial)?;
        Ok(Self { file, partial, path: path.to_owned(), finished: false })
    }

    /// Waits until what was written is on disk.
    pub(super) fn sync(&self) -> Result<(), NewFileError> {
        self.file.sync_all().map_err(io_error(&self.partial))
    }

    /// Gives the file its name, for good.
    pub(super) fn finish(mut self) -> Result<(), NewFileError> {
        self.sync()?;
        let (partial, path) = (&self.partial, &self.path);
        match fs::hard_link(partial, path) {
            Ok(()) => fs::remove_file(partial).map_err(io_error(partial))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(NewFileError::Exists(path.clone()));
            }
            // Not every file system has second names.
            Err(_) if exists(path)? => return Err(NewFileError::Exists(path.clone())),
            Err(_) => fs::rename(partial, path).map_err(io_error(path))?,
        }
        self.finished = true;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent).and_then(|directory| directory.sync_all()).map_err(io_error(parent))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // Why it was not finished is told already.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

fn lock(file: File, path: &Path) -> Result<File, NewFileError> {
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(NewFileError::Writing(path.to_owned())),
        Err(fs::TryLockError::Error(cause)) => Err(io_error(path)(cause)),
    }
}

/// Whether there is anything of this name, be it a link to nowhere.
pub(super) fn exists(path: &Path) -> Result<bool, NewFileError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(io_error(path)(cause)),
    }
}

/// The path with `end` added to its last name.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> NewFileError {
    let path = path.to_owned();
    move |cause| NewFileError::Io { path, cause }
}
