//! Where chunks are read from: memory, or files as the server reads them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use he_core::codec::HEADER_LEN;
use he_core::kernel::Aligned;
use he_core::sum::ChunkSource;

use crate::{Error, Result};

/// Consecutive chunks of a matrix in memory.
#[derive(Default)]
pub struct Memory {
    /// Number of the first one in the order of the matrix.
    pub first: usize,
    /// Their objects, with headers; aligned as a file is that is mapped into memory.
    pub chunks: Vec<Aligned<u8>>,
}

impl Memory {
    /// Adds the next chunks.
    pub fn extend(&mut self, objects: impl IntoIterator<Item = Vec<u8>>) {
        self.chunks.extend(objects.into_iter().map(|object| Aligned::from(&object[..])));
    }

    /// All bytes.
    #[must_use]
    pub fn buffers(&self) -> Vec<&[u8]> {
        self.chunks.iter().map(|chunk| &chunk[..]).collect()
    }

    /// Bytes without headers.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.chunks.iter().map(|c| c.len().saturating_sub(HEADER_LEN) as u64).sum()
    }
}

impl ChunkSource for Memory {
    fn read_at(&self, chunk: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = HEADER_LEN + usize::try_from(offset).unwrap_or(usize::MAX - HEADER_LEN);
        let bytes = chunk.checked_sub(self.first).and_then(|c| self.chunks.get(c));
        let part = bytes.and_then(|b| b.get(start..)?.get(..buffer.len()));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn in_memory(&self, chunk: usize, offset: u64, length: usize) -> Option<&[u8]> {
        let start = HEADER_LEN + usize::try_from(offset).ok()?;
        self.chunks.get(chunk.checked_sub(self.first)?)?.get(start..)?.get(..length)
    }
}

/// The chunks of a matrix as open files, read at positions: as the server reads chunks that it has verified before.
pub struct Files {
    files: Vec<File>,
}

impl Files {
    /// Writes chunks below `folder`; they stay in the page cache.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn write(folder: &Path, chunks: &[Aligned<u8>]) -> Result<Self> {
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let write = |(number, bytes): (usize, &Aligned<u8>)| {
            let path = folder.join(number.to_string());
            fs::write(&path, &bytes[..]).map_err(Error::file(&path))?;
            File::open(&path).map_err(Error::file(&path))
        };
        Ok(Self { files: chunks.iter().enumerate().map(write).collect::<Result<_>>()? })
    }
}

impl ChunkSource for Files {
    fn read_at(&self, chunk: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let file = self.files.get(chunk).ok_or(io::ErrorKind::InvalidInput)?;
        file.read_exact_at(buffer, HEADER_LEN as u64 + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sources_give_the_same_bytes_and_refuse_the_same() {
        let chunk = |c: u8| (0..200).map(|i| i ^ c).collect::<Vec<u8>>();
        let chunks: Vec<Aligned<u8>> = (0..3).map(|c| chunk(c).as_slice().into()).collect();
        let folder = tempfile::tempdir().unwrap();
        let files = Files::write(folder.path(), &chunks).unwrap();
        let memory = Memory { first: 0, chunks };
        let (mut a, mut b) = ([0; 7], [0; 7]);
        for (chunk, offset) in [(0, 0), (2, 100), (1, 129)] {
            memory.read_at(chunk, offset, &mut a).unwrap();
            files.read_at(chunk, offset, &mut b).unwrap();
            assert_eq!(a, b);
            assert_eq!(u64::from(a[0]), (64 + offset) ^ chunk as u64);
        }
        for (chunk, offset) in [(3, 0), (0, 130)] {
            assert!(memory.read_at(chunk, offset, &mut a).is_err());
            assert!(files.read_at(chunk, offset, &mut a).is_err());
        }
        let later = Memory { first: 2, chunks: memory.chunks };
        assert!(later.read_at(1, 0, &mut a).is_err() && later.read_at(2, 0, &mut a).is_ok());
        assert_eq!(later.body_bytes(), 3 * 136);
    }
}
