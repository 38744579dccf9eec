//! The temporary folder that a server stores in.
//!
//! It holds a lock file that this process keeps locked, so that a later start can tell a folder that was left behind by
//! a killed process from one in use, and remove it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::LocalServerError;
use crate::cleanup::Guard;

const PREFIX: &str = "hegwas-store-";
const LOCK: &str = "lock";

/// A temporary folder that only this user can look into, removed when dropped.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    _lock: File,
    _guard: Guard,
}

impl Store {
    /// Makes one below `parent`, and removes those that nobody uses any more.
    pub(super) fn create(parent: &Path) -> Result<Self, LocalServerError> {
        sweep(parent);
        let make = || {
            // Under another name until it is locked: no other start sees it unlocked.
            let folder = tempfile::Builder::new()
                .prefix(".hegwas-new-")
                .permissions(fs::Permissions::from_mode(0o700))
                .tempdir_in(parent)?;
            let lock = File::create(folder.path().join(LOCK))?;
            lock.lock()?;
            let unique = folder
                .path()
                .file_name()
                .map(|n| n.to_string_lossy().replace(".hegwas-new-", PREFIX));
            let named = parent.join(unique.unwrap_or_default());
            fs::rename(folder.path(), &named)?;
            let _renamed = folder.keep();
            Ok((named, lock))
        };
        let (folder, lock) =
            make().map_err(|source| LocalServerError::Store { path: parent.to_owned(), source })?;
        let remove = folder.clone();
        let guard = Guard::new(move || drop(fs::remove_dir_all(remove)));
        Ok(Self { folder, _lock: lock, _guard: guard })
    }

    /// The folder for the server's data; the server makes it.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

/// Removes folders of processes that are gone. What can't be removed is left.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(PREFIX)) {
        let folder = entry.path();
        let abandoned = File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if abandoned {
            let _removed = fs::remove_dir_all(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abandoned_stores_are_swept_and_used_ones_stay() {
        let parent = tempfile::tempdir().unwrap();
        let used = Store::create(parent.path()).unwrap();
        let left = parent.path().join("hegwas-store-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        fs::write(left.join("data"), "x").unwrap();
        let foreign = parent.path().join("hegwas-store-without-lock");
        fs::create_dir(&foreign).unwrap();
        let other = Store::create(parent.path()).unwrap();
        assert!(
            used.folder.exists() && other.folder.exists() && foreign.exists() && !left.exists()
        );
        let folder = used.folder.clone();
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        drop(used);
        assert!(!folder.exists());
    }
}
