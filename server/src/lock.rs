//! One process for each data folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

/// How often, and after which pauses, a taken lock is looked at again: a process that has just ended, or a child between its
/// fork and its program's start, which inherits the file for that moment, lets go within this half second.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// A data folder that is ours until this is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a data folder can't be locked.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "the data folder is in use by another server (process {0}); stop it, or choose another folder with --data"
    )]
    InUse(String),
    /// The lock file can't be opened.
    #[error("the data folder's lock file: {0}")]
    Io(#[from] io::Error),
}

impl Lock {
    /// Locks the folder.
    ///
    /// # Errors
    /// When another process has it, or the file can't be opened.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(folder.join("lock"))?;
        let mut attempts = ATTEMPTS;
        let outcome = loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if attempts > 0 => std::thread::sleep(PAUSE),
                outcome => break outcome,
            }
            attempts -= 1;
        };
        match outcome {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.take(20).read_to_string(&mut holder)?;
                return Err(LockError::InUse(holder.trim().to_owned()));
            }
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_has_one_owner() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        let error = Lock::take(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        drop(lock);
        Lock::take(folder.path()).unwrap();
    }
}
