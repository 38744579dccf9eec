//! Files of decryption shares: share objects one after the other, in any order, each naming its result object.
//!
//! A file is as large as the result it opens, so it is written and read share by share.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use he_core::Digest;
use he_core::codec::{HEADER_LEN, Header, Kind};

use crate::{Error, Result};

/// Largest file of shares that is read.
const MAX_LENGTH: u64 = 64 << 30;

/// An open file of shares.
#[derive(Debug)]
pub(crate) struct ShareFile {
    path: PathBuf,
    file: File,
    /// Where each result object's share lies: offset and length.
    places: HashMap<[u8; 16], (u64, usize)>,
}

impl ShareFile {
    /// Opens a file and finds the shares in it; reads their headers only.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let bad = |what: &dyn std::fmt::Display| {
            Error::corrupt(format_args!("{}: {what}", path.display()))
                .with_remedy("make the share again with `hegwas share`, and copy it whole")
        };
        let file = File::open(path).map_err(Error::file("read", path))?;
        let length = file.metadata().map_err(Error::file("read", path))?.len();
        if length > MAX_LENGTH {
            return Err(bad(&"too large for a share"));
        }
        let mut places = HashMap::new();
        let mut at = 0;
        while at < length {
            let mut head = [0; HEADER_LEN];
            let head_length = (length - at).min(HEADER_LEN as u64) as usize;
            let head = head.get_mut(..head_length).unwrap_or_default();
            file.read_exact_at(head, at).map_err(Error::file("read", path))?;
            let header = Header::parse(head).map_err(|e| bad(&e))?;
            header.expect_kind(Kind::DecryptionShare).map_err(|e| bad(&e))?;
            let size = HEADER_LEN as u64 + header.length;
            let end = at.checked_add(size).filter(|&end| end <= length);
            let end = end.ok_or_else(|| bad(&"the last share is cut off"))?;
            // The limit of the kind, checked with the header, fits an address.
            places.insert(header.context, (at, usize::try_from(size).unwrap_or(usize::MAX)));
            at = end;
        }
        Ok(Self { path: path.to_owned(), file, places })
    }

    /// How many shares it holds.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The share of a result object, as bytes.
    pub(crate) fn get(&self, object: &Digest) -> Result<Vec<u8>> {
        let &(offset, length) = self.places.get(&object.short()).ok_or_else(|| {
            Error::corrupt(format_args!("{} holds no share of this result", self.path.display()))
                .with_remedy("make the share again with `hegwas share` for this job")
        })?;
        let mut bytes = vec![0; length];
        let read: io::Result<()> = self.file.read_exact_at(&mut bytes, offset);
        read.map_err(Error::file("read", &self.path))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(object: u8, body: &[u8]) -> Vec<u8> {
        let context = Digest([object; 32]).short();
        let header = Header { context, ..Header::message(Kind::DecryptionShare, body.len()) };
        [&header.to_bytes()[..], body].concat()
    }

    fn open(bytes: &[u8]) -> Result<ShareFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.share");
        std::fs::write(&path, bytes).unwrap();
        ShareFile::open(&path)
    }

    #[test]
    fn each_share_is_found_by_its_object() {
        let (one, two) = (share(1, b"first"), share(2, b""));
        let file = open(&[&one[..], &two].concat()).unwrap();
        assert_eq!(file.len(), 2);
        assert_eq!(file.get(&Digest([1; 32])).unwrap(), one);
        assert_eq!(file.get(&Digest([2; 32])).unwrap(), two);
        let missing = file.get(&Digest([3; 32])).unwrap_err();
        assert!(missing.to_string().contains("no share of this result"), "{missing}");
    }

    #[test]
    fn bad_share_files_are_refused() {
        let good = share(1, b"first");
        let other = Header::message(Kind::ResultUnit, 0).to_bytes();
        for bad in [&good[..good.len() - 1], &good[..66], &good[..10], &other, b"hegwas"] {
            let error = open(bad).unwrap_err();
            assert_eq!(error.exit(), crate::Exit::Corrupt, "{error}");
            assert!(error.to_string().contains("x.share") && error.remedy().is_some(), "{error}");
        }
        let many = [&good[..], &good[..20]].concat();
        assert!(open(&many).is_err());
    }
}
