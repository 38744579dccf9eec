//! Stored chunks as the source of a sum.

use std::io;
use std::sync::Arc;

use gwas::wire::ChunkRef;
use he_core::codec::HEADER_LEN;
use he_core::layout::{ChunkSpec, Shape};
use he_core::sum::ChunkSource;

use crate::app::App;
use crate::check::Residues;

/// The chunks of one matrix. Each is verified before its first byte is used.
pub struct StoredChunks {
    app: Arc<App>,
    shape: Shape,
    specs: Vec<ChunkSpec>,
    chunks: Vec<ChunkRef>,
}

impl StoredChunks {
    /// The chunks of a matrix, in the order of its shape.
    pub fn new(app: Arc<App>, shape: Shape, chunks: Vec<ChunkRef>) -> Self {
        Self { app, shape, specs: shape.chunks().collect(), chunks }
    }
}

impl ChunkSource for StoredChunks {
    fn read_at(&self, chunk: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let place = self.chunks.get(chunk).zip(self.specs.get(chunk));
        let (named, spec) = place.ok_or(io::ErrorKind::InvalidInput)?;
        let residues = || Residues::of_chunk(self.shape.params, spec);
        let object = self.app.verified.open(self.app.store.as_ref(), &named.digest, residues)?;
        object.read_at(HEADER_LEN as u64 + offset, buffer)
    }
}
