//! Files that appear whole or not at all.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file being written beside its destination; dropped unfinished, it leaves nothing behind.
pub(super) struct Pending {
    writer: BufWriter<NamedTempFile>,
    path: PathBuf,
}

impl Pending {
    /// Starts a file that is to become `path`.
    pub(super) fn new(path: PathBuf) -> io::Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".hegwas-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // Reports are ordinary files: what the umask leaves of 0666.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder)?;
        Ok(Self { writer: BufWriter::with_capacity(1 << 20, file), path })
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)
    }

    /// Where the file is going to be.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Brings everything to the disk. The file has still no name.
    pub(super) fn sync(self) -> io::Result<Synced> {
        let file = self.writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        Ok(Synced { file, path: self.path })
    }
}

/// A complete file without its name.
pub(super) struct Synced {
    file: NamedTempFile,
    path: PathBuf,
}

impl Synced {
    /// Gives the file its name, in place of any older one.
    pub(super) fn publish(self) -> io::Result<PathBuf> {
        self.file.persist(&self.path).map_err(|e| e.error)?;
        crate::walk::durable(|| format!("file {}", self.path.display()));
        Ok(self.path)
    }
}

/// `prefix` with `suffix` at its end, dots in the prefix untouched.
pub(super) fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(prefix);
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_unfinished_file_leaves_the_old_one_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = with_suffix(&folder.path().join("a.b"), ".tsv");
        assert!(path.ends_with("a.b.tsv"));
        let mut first = Pending::new(path.clone()).unwrap();
        first.write(b"old").unwrap();
        assert_eq!(first.sync().unwrap().publish().unwrap(), path);
        let mut second = Pending::new(path.clone()).unwrap();
        second.write(&[0; 3 << 20]).unwrap();
        drop(second);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Pending::new(folder.path().join("no/such")).is_err());
    }
}
