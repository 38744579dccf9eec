//! Packed genotypes while a stream is read: in memory, then in an unlinked temporary file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::VcfErrorKind;
use crate::io::positioned::PositionedFile;
use crate::io::store::CodeStore;

/// Records of equal length, appended one at a time.
pub(super) struct Spool {
    stride: usize,
    records: u32,
    memory: Vec<u8>,
    /// Most bytes held in memory.
    limit: usize,
    file: Option<BufWriter<File>>,
    dir: PathBuf,
}

impl Spool {
    pub(super) fn new(stride: usize, limit: usize, dir: Option<PathBuf>) -> Self {
        let dir = dir.unwrap_or_else(std::env::temp_dir);
        Self { stride, records: 0, memory: Vec::new(), limit, file: None, dir }
    }

    /// Appends one record.
    pub(super) fn push(&mut self, codes: &[u8]) -> Result<(), VcfErrorKind> {
        if self.file.is_none() && self.memory.len() + codes.len() > self.limit {
            self.spill().map_err(|e| self.wrong(e))?;
        }
        self.records = self.records.saturating_add(1);
        match &mut self.file {
            None => self.memory.extend_from_slice(codes),
            Some(file) => {
                let written = file.write_all(codes);
                written.map_err(|e| self.wrong(e))?;
            }
        }
        Ok(())
    }

    /// The records, ready to be read at any position.
    pub(super) fn finish(self) -> Result<CodeStore, VcfErrorKind> {
        let Self { stride, records, memory, file, dir, limit } = self;
        let Some(file) = file else {
            return Ok(CodeStore::memory(memory, stride, records));
        };
        match file.into_inner() {
            Ok(file) => {
                let name = dir.join("(temporary genotypes)");
                Ok(CodeStore::file(PositionedFile::new(file), &name, 0, stride, records))
            }
            Err(e) => {
                let source = e.into_error();
                Err(Self { stride, records, memory, file: None, dir, limit }.wrong(source))
            }
        }
    }

    /// Moves what is in memory to a file without a name.
    fn spill(&mut self) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, tempfile::tempfile_in(&self.dir)?);
        file.write_all(&self.memory)?;
        self.memory = Vec::new();
        self.file = Some(file);
        Ok(())
    }

    fn wrong(&self, source: io::Error) -> VcfErrorKind {
        let needed = self.stride as u64 * (u64::from(self.records) + 1);
        VcfErrorKind::Spool { dir: self.dir.clone(), needed, source }
    }
}
