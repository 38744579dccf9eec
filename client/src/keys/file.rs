//! Files that only their owner can read.

use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::KeyError;

/// Longest key file in bytes.
const MAX_FILE: u64 = 64 << 10;
const OWNER_ONLY: u32 = 0o600;

/// The bytes of a file that only its owner can read.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let file = File::open(path).map_err(read_error(path))?;
    let meta = file.metadata().map_err(read_error(path))?;
    let mode = meta.mode() & 0o7777;
    if meta.is_file() && mode & 0o077 != 0 {
        return Err(KeyError::Permissions { path: path.to_owned(), mode });
    }
    read_limited(file, path)
}

/// The bytes of a file that anybody may read: an encrypted backup.
pub(super) fn read_public(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    read_limited(File::open(path).map_err(read_error(path))?, path)
}

fn read_limited(file: File, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(read_error(path))?;
    if bytes.len() as u64 > MAX_FILE { Err(KeyError::TooLong(path.to_owned())) } else { Ok(bytes) }
}

fn read_error(path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Read { path, source }
}

/// Writes a new file, complete and on the disk, readable by its owner alone; an existing one is left alone.
pub(super) fn create_private(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    if path.symlink_metadata().is_ok() {
        return Err(KeyError::Exists(path.to_owned()));
    }
    let write = || {
        // Appears under its name only if the name is still free.
        temporary(path, bytes)?.persist_noclobber(path).map_err(|e| e.error)?;
        sync_folder(path)
    };
    write().map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
        _ => KeyError::Write { path: path.to_owned(), source },
    })
}

/// Replaces a file of ours by another, at once.
pub(super) fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let write = || {
        temporary(path, bytes)?.persist(path).map_err(|e| e.error)?;
        sync_folder(path)
    };
    write().map_err(|source| KeyError::Write { path: path.to_owned(), source })
}

fn temporary(path: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(".hegwas-key-")
        .permissions(Permissions::from_mode(OWNER_ONLY))
        .tempfile_in(folder(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_can_read_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        create_private(&path, b"first").unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, OWNER_ONLY);
        assert!(matches!(create_private(&path, b"second"), Err(KeyError::Exists(_))));
        assert_eq!(*read_private(&path).unwrap(), b"first");
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        assert!(matches!(
            create_private(&folder.path().join("link"), b"x"),
            Err(KeyError::Exists(_))
        ));
        replace_private(&path, b"second").unwrap();
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, OWNER_ONLY);
        assert_eq!(*read_private(&path).unwrap(), b"second");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            2,
            "no temporary file is left"
        );
    }

    #[test]
    fn loose_permissions_are_refused_with_the_command_that_mends_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k");
        create_private(&path, b"x").unwrap();
        for mode in [0o640, 0o604, 0o620, 0o660, 0o644, 0o601] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = read_private(&path).unwrap_err();
            assert_eq!(error.remedy(), format!("chmod 600 {}", path.display()));
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert!(read_private(&path).is_ok());
    }

    #[test]
    fn endless_files_are_refused() {
        assert!(matches!(read_public(Path::new("/dev/zero")), Err(KeyError::TooLong(_))));
    }
}
