//! The chunks of a matrix on a server, downloaded when they are needed and checked before they are used.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use gwas::wire::ChunkRef;
use he_core::codec::{HEADER_LEN, Header, Kind};
use he_core::kernel::Engine;
use he_core::layout::{ChunkSpec, Shape, TILE};
use he_core::sum::ChunkSource;

use crate::net::Client;

/// Downloaded chunks lie in a temporary file without a name, each in its place; what was not asked for takes no room.
pub(super) struct Downloaded<'a> {
    client: &'a Client,
    kind: Kind,
    nonce: [u8; 16],
    shape: Shape,
    file: File,
    chunks: Vec<Chunk>,
}

struct Chunk {
    named: ChunkRef,
    spec: ChunkSpec,
    /// Where its body lies in the file.
    offset: u64,
    /// Whether it is there.
    there: Mutex<bool>,
}

impl<'a> Downloaded<'a> {
    /// The chunks of a matrix, in the order of its shape.
    pub(super) fn new(
        client: &'a Client,
        kind: Kind,
        nonce: [u8; 16],
        shape: Shape,
        chunks: &[ChunkRef],
    ) -> io::Result<Self> {
        let mut offset = 0;
        let place = |(spec, named): (ChunkSpec, &ChunkRef)| {
            let chunk = Chunk { named: *named, spec, offset, there: Mutex::new(false) };
            offset += spec.body_len() as u64;
            chunk
        };
        let chunks = shape.chunks().zip(chunks).map(place).collect();
        Ok(Self { client, kind, nonce, shape, file: tempfile::tempfile()?, chunks })
    }

    fn fetch(&self, chunk: &Chunk) -> io::Result<()> {
        let bytes = self.client.get_chunk_of(self.kind, &chunk.named).map_err(io::Error::other)?;
        let body = self.check(&bytes, &chunk.spec).ok_or_else(|| {
            let text = format!("chunk {} is not one of its dataset", chunk.named.digest);
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        self.file.write_all_at(body, chunk.offset)
    }

    /// The body of a chunk that belongs in that place and whose words are reduced.
    fn check<'b>(&self, bytes: &'b [u8], spec: &ChunkSpec) -> Option<&'b [u8]> {
        let params = self.shape.params;
        let (header, body) = Header::split(bytes, self.kind).ok()?;
        header.expect_params(params).ok()?;
        header.expect_context(self.nonce, "dataset").ok()?;
        let place = [u32::from(spec.unit.plane), spec.unit.group, spec.row_chunk, spec.first_tile];
        if header.counts != place || bytes.len() != HEADER_LEN + spec.body_len() {
            return None;
        }
        let (engine, per_limb) = (Engine::detect(), params.degree() / TILE);
        let moduli: Vec<_> = params.moduli().collect();
        let reduced = (spec.first_tile as usize..).zip(body.chunks(spec.tile_bytes())).all(
            |(tile, words)| {
                moduli.get(tile / per_limb).is_some_and(|m| engine.all_reduced(words, *m))
            },
        );
        reduced.then_some(body)
    }
}

impl ChunkSource for Downloaded<'_> {
    fn read_at(&self, chunk: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let chunk = self.chunks.get(chunk).ok_or(io::ErrorKind::InvalidInput)?;
        {
            // Held while downloading, so that a chunk that several threads wait for comes once.
            let mut there = chunk.there.lock().unwrap_or_else(PoisonError::into_inner);
            if !*there {
                self.fetch(chunk)?;
                *there = true;
            }
        }
        self.file.read_exact_at(buffer, chunk.offset + offset)
    }
}
