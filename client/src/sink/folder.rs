//! Chunks as files `FOLDER/<digest>`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use he_core::Digest;
use tempfile::NamedTempFile;

use super::ChunkSink;
use crate::cleanup::Guard;
use crate::{Error, Result};

/// Writes each chunk under its digest, complete or not at all. Unless [`ChunkSink::finish`] succeeds, what was written is
/// removed again.
///
/// Files reach the disk in `finish`, all together: a manifest is written after it, so a manifest on the disk means that
/// its chunks are there too.
#[derive(Debug)]
pub struct FolderSink {
    folder: PathBuf,
    written: Mutex<Vec<Digest>>,
    /// Removes the folder if a signal ends the process.
    guard: Option<Guard>,
}

impl FolderSink {
    /// Makes `folder`, which must not exist yet.
    ///
    /// # Errors
    /// When it exists or can't be made.
    pub fn create(folder: &Path) -> Result<Self> {
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
        }
        fs::create_dir(folder).map_err(Error::file("create", folder))?;
        let remove = folder.to_owned();
        let guard = Guard::new(move || drop(fs::remove_dir_all(remove)));
        Ok(Self { folder: folder.to_owned(), written: Mutex::default(), guard: Some(guard) })
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.to_string())
    }
}

impl ChunkSink for FolderSink {
    fn put(&self, digest: Digest, bytes: Vec<u8>) -> Result<()> {
        let path = self.path(&digest);
        let write = || {
            let mut file = NamedTempFile::with_prefix_in(".part-", &self.folder)?;
            file.write_all(&bytes)?;
            file.persist(&path).map_err(|e| e.error)
        };
        write().map_err(Error::file("write", &path))?;
        gwas::walk::durable(|| "chunk".to_owned());
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push(digest);
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        for digest in self.written.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let path = self.path(digest);
            File::open(&path).and_then(|f| f.sync_all()).map_err(Error::file("write", &path))?;
        }
        File::open(&self.folder)
            .and_then(|f| f.sync_all())
            .map_err(Error::file("write", &self.folder))?;
        if let Some(guard) = self.guard.take() {
            guard.disarm();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_files_named_by_their_digest() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("dataset/chunks");
        let sink = FolderSink::create(&folder).unwrap();
        for text in [&b"one"[..], b"two", b"one"] {
            sink.put(Digest::of(text), text.to_vec()).unwrap();
        }
        sink.finish().unwrap();
        assert_eq!(fs::read(folder.join(Digest::of(b"two").to_string())).unwrap(), b"two");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        assert!(FolderSink::create(&folder).is_err(), "an existing folder is left alone");
    }

    #[test]
    fn nothing_stays_of_an_abandoned_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("chunks");
        let sink = FolderSink::create(&folder).unwrap();
        sink.put(Digest::of(b"one"), b"one".to_vec()).unwrap();
        drop(sink);
        assert!(!folder.exists());
    }

    #[test]
    fn a_folder_that_goes_away_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("chunks");
        let sink = FolderSink::create(&folder).unwrap();
        fs::remove_dir(&folder).unwrap();
        let error = sink.put(Digest::of(b"one"), b"one".to_vec()).unwrap_err();
        assert_eq!(error.exit(), crate::Exit::Disk);
    }
}
