//! Objects as files: `FOLDER/chunks/ab/cdef...`, folders 0700, files 0600.
//!
//! A file is written under `tmp/`, synchronised, renamed to its name, and the folder synchronised: after a crash an object
//! is there whole or not at all. What a crash left under `tmp/` is removed when the folder is opened.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use he_core::Digest;

use super::{Class, Object, ObjectStore, Upload, Version};

const TEMPORARY: &str = "tmp";

/// A folder of objects. One process at a time: the data folder is locked ([`crate::lock`]).
#[derive(Debug)]
pub struct LocalFolder {
    root: PathBuf,
    /// Bytes to leave free on the file system.
    reserve: u64,
    /// Whether to wait until the disk has what was written.
    durable: bool,
    next: AtomicU64,
}

impl LocalFolder {
    /// Opens or makes the folder, and removes what unfinished writes left. Keeps `reserve` bytes of the file system free.
    /// With `durable` unset nothing survives a power failure for certain: for stores that live as long as a process.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(root: &Path, reserve: u64, durable: bool) -> io::Result<Self> {
        for class in Class::ALL {
            make_folder(&root.join(class.folder()))?;
        }
        let temporary = root.join(TEMPORARY);
        make_folder(&temporary)?;
        for entry in fs::read_dir(&temporary)? {
            fs::remove_file(entry?.path())?;
        }
        Ok(Self { root: root.to_owned(), reserve, durable, next: AtomicU64::new(0) })
    }

    /// Opens a folder that exists, for reading only: nothing is made or removed.
    pub fn read_only(root: &Path) -> Self {
        Self { root: root.to_owned(), reserve: u64::MAX, durable: true, next: AtomicU64::new(0) }
    }

    fn path(&self, class: Class, name: &Digest) -> PathBuf {
        let name = name.to_string();
        let (shard, rest) = name.split_at(2);
        self.root.join(class.folder()).join(shard).join(rest)
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

struct OpenFile(File);

impl Object for OpenFile {
    fn version(&self) -> io::Result<Version> {
        let data = self.0.metadata()?;
        let modified = i128::from(data.mtime()) * 1_000_000_000 + i128::from(data.mtime_nsec());
        Ok(Version { length: data.len(), modified, inode: data.ino() })
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

/// A file under `tmp/`; removed when dropped before its commit.
struct TemporaryFile {
    file: File,
    path: PathBuf,
    class_folder: PathBuf,
    durable: bool,
    committed: bool,
}

impl Upload for TemporaryFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn commit(mut self: Box<Self>, name: &Digest) -> io::Result<()> {
        let name = name.to_string();
        let (shard, rest) = name.split_at(2);
        let folder = self.class_folder.join(shard);
        let new = !folder.exists();
        make_folder(&folder)?;
        if self.durable {
            self.file.sync_all()?;
        }
        fs::rename(&self.path, folder.join(rest))?;
        self.committed = true;
        if self.durable {
            File::open(&folder)?.sync_all()?;
            if new {
                File::open(&self.class_folder)?.sync_all()?;
            }
        }
        gwas::walk::durable(|| format!("object {shard}{rest}"));
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.committed
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, "a temporary file could not be removed; the next start will");
        }
    }
}

impl ObjectStore for LocalFolder {
    fn begin(&self, class: Class, length: u64) -> io::Result<Box<dyn Upload>> {
        if self.free_space()? < length {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.root.join(TEMPORARY).join(number.to_string());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let class_folder = self.root.join(class.folder());
        let durable = self.durable;
        Ok(Box::new(TemporaryFile { file, path, class_folder, durable, committed: false }))
    }

    fn open(&self, class: Class, name: &Digest) -> io::Result<Box<dyn Object>> {
        Ok(Box::new(OpenFile(File::open(self.path(class, name))?)))
    }

    fn delete(&self, class: Class, name: &Digest) -> io::Result<()> {
        match fs::remove_file(self.path(class, name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn list(&self, class: Class, each: &mut dyn FnMut(Digest) -> io::Result<()>) -> io::Result<()> {
        for shard in fs::read_dir(self.root.join(class.folder()))? {
            let shard = shard?;
            let first = shard.file_name();
            for file in fs::read_dir(shard.path())? {
                let name = file?.file_name();
                let text = [first.to_str().unwrap_or_default(), name.to_str().unwrap_or_default()];
                // A file with any other name is not ours: it is never read.
                if let Ok(digest) = text.concat().parse() {
                    each(digest)?;
                }
            }
        }
        Ok(())
    }

    fn free_space(&self) -> io::Result<u64> {
        let data = rustix::fs::statvfs(&self.root)?;
        Ok(data.f_bavail.saturating_mul(data.f_frsize).saturating_sub(self.reserve))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::store::{is_full, read_all, write_all};

    fn files(root: &Path) -> usize {
        fs::read_dir(root.join(TEMPORARY)).unwrap().count()
    }

    #[test]
    fn objects_are_whole_or_absent() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalFolder::open(folder.path(), 0, true).unwrap();
        let name = Digest::of(b"abc");
        let mut upload = store.begin(Class::Chunk, 3).unwrap();
        upload.write(b"ab").unwrap();
        assert_eq!(files(folder.path()), 1);
        drop(upload);
        assert_eq!(files(folder.path()), 0);
        assert_eq!(store.open(Class::Chunk, &name).err().unwrap().kind(), io::ErrorKind::NotFound);

        write_all(&store, Class::Chunk, &name, b"abc").unwrap();
        assert_eq!(read_all(&store, Class::Chunk, &name, 3).unwrap(), b"abc");
        assert_eq!(files(folder.path()), 0);
        assert!(read_all(&store, Class::Chunk, &name, 2).is_err(), "over the limit");
        assert!(store.open(Class::Panel, &name).is_err(), "classes have names of their own");
        let mut names = Vec::new();
        let mut each = |name| {
            names.push(name);
            Ok(())
        };
        store.list(Class::Chunk, &mut each).unwrap();
        assert_eq!(names, [name]);

        let text = name.to_string();
        let path = folder.path().join("chunks").join(&text[..2]).join(&text[2..]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let parent = path.parent().unwrap();
        assert_eq!(fs::metadata(parent).unwrap().permissions().mode() & 0o777, 0o700);

        store.delete(Class::Chunk, &name).unwrap();
        store.delete(Class::Chunk, &name).unwrap();
        assert!(store.open(Class::Chunk, &name).is_err());
    }

    #[test]
    fn leftovers_of_a_crash_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalFolder::open(folder.path(), 0, true).unwrap();
        let upload = store.begin(Class::Chunk, 3).unwrap();
        std::mem::forget(upload); // what a killed process leaves
        assert_eq!(files(folder.path()), 1);
        LocalFolder::open(folder.path(), 0, true).unwrap();
        assert_eq!(files(folder.path()), 0);
    }

    #[test]
    fn the_reserve_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalFolder::open(folder.path(), u64::MAX / 2, true).unwrap();
        assert!(is_full(&store.begin(Class::Chunk, 1).err().unwrap()));
    }
}
