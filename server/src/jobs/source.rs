//! Stored chunks as the source of a sum.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use gwas::wire::ChunkRef;
use he_core::codec::HEADER_LEN;
use he_core::layout::{ChunkSpec, Shape};
use he_core::sum::ChunkSource;

use crate::app::App;
use crate::check::Residues;
use crate::store::Object;

/// Most chunks that a matrix keeps open.
const MOST_OPEN: usize = 256;

/// The chunks of one matrix. Each is verified before its first byte is used, and stays open while others are few: a tile is
/// read in many small pieces.
pub struct StoredChunks {
    app: Arc<App>,
    shape: Shape,
    specs: Vec<ChunkSpec>,
    chunks: Vec<ChunkRef>,
    open: Mutex<HashMap<usize, Arc<dyn Object>>>,
}

impl StoredChunks {
    /// The chunks of a matrix, in the order of its shape.
    pub fn new(app: Arc<App>, shape: Shape, chunks: Vec<ChunkRef>) -> Self {
        Self { app, shape, specs: shape.chunks().collect(), chunks, open: Mutex::default() }
    }

    fn open(&self, chunk: usize) -> io::Result<Arc<dyn Object>> {
        let known = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(object) = known().get(&chunk) {
            return Ok(Arc::clone(object));
        }
        let place = self.chunks.get(chunk).zip(self.specs.get(chunk));
        let (named, spec) = place.ok_or(io::ErrorKind::InvalidInput)?;
        let residues = || Residues::of_chunk(self.shape.params, spec);
        let object = self.app.verified.open(self.app.store.as_ref(), &named.digest, residues)?;
        let object: Arc<dyn Object> = Arc::from(object);
        let mut known = known();
        if known.len() >= MOST_OPEN {
            known.clear();
        }
        known.insert(chunk, Arc::clone(&object));
        Ok(object)
    }
}

impl ChunkSource for StoredChunks {
    fn read_at(&self, chunk: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.open(chunk)?.read_at(HEADER_LEN as u64 + offset, buffer)
    }
}
