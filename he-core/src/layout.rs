//! How an encrypted matrix is cut: blocks, groups, row chunks, tiles, chunk objects. Protocol section 4.
//!
//! A matrix has `rows` people and, in each of its `planes`, `blocks` polynomials per row. Eight consecutive blocks form
//! a *group* whose bodies share one mask per row. A *unit* is one group of one plane, the piece of work of a job. Rows are
//! cut into *row chunks*, polynomials into *tiles* of 128 coefficients of one limb. A weighted sum streams tile after tile, in these
//! row after row. In a row, groups of eight words of four bodies lie side by side:
//!
//! ```text
//! unit (plane, group)
//!   row chunk 0:  tile 0: row 0 [bodies * 800 bytes] | row 1 ...      <- a slab, written at once
//!                 tile 1: ...
//!   row chunk 1:  ...
//!
//! row:  bodies 0 to 3: words 0 to 7 of body 0 [50 bytes] .. body 3 | words 8 to 15 ... | words 120 to 127
//!       bodies 4 to 7: ...
//! ```
//!
//! A slab is stored as one or more chunk objects of whole tiles, each of at most [`MAX_CHUNK_BODY`] bytes.

#[cfg(test)]
mod place;

#[cfg(test)]
pub(crate) use place::Place;
use serde::{Deserialize, Serialize};

use crate::arith::pack::packed_len;
use crate::params::Params;

/// Coefficients of one limb in a tile.
pub const TILE: usize = 128;
/// Groups of eight words of a body in a tile.
pub(crate) const GROUPS: usize = TILE / 8;
/// Bodies of which eight words lie side by side. The kernel keeps their sums in registers while it goes through the rows: these 200
/// bytes of a row are read at a time, and bodies one after the other would have it touch twice as many cache lines, each of them twice.
pub const ABREAST: usize = 4;
const _: () = assert!(BODIES.is_multiple_of(ABREAST), "bodies are cut evenly");
/// Bodies that share one mask.
pub const BODIES: usize = 8;
/// Bytes of one packed tile of one body.
pub const TILE_BYTES: usize = packed_len(TILE);
/// Largest body of a chunk object in bytes.
pub const MAX_CHUNK_BODY: usize = 8 << 20;
/// Most rows of a matrix.
pub const MAX_ROWS: u32 = 1 << 24;
/// Most blocks of a plane.
pub const MAX_BLOCKS: u32 = 1 << 16;
/// Most planes of a matrix.
pub const MAX_PLANES: u8 = 16;

/// Shape of an encrypted matrix; also of encrypted weights, which are one plane of one block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shape {
    /// Parameter set.
    pub params: Params,
    /// People.
    pub rows: u32,
    /// Planes.
    pub planes: u8,
    /// Polynomials per row and plane.
    pub blocks: u32,
}

/// A shape outside the limits of this module.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "a matrix has 1 to {MAX_ROWS} rows, 1 to {MAX_PLANES} planes and 1 to {MAX_BLOCKS} blocks; this one is {rows} x {planes} x {blocks}"
)]
pub struct ShapeError {
    rows: u32,
    planes: u8,
    blocks: u32,
}

/// One group of one plane: the unit of work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Unit {
    /// Plane, below `Shape::planes`.
    pub plane: u8,
    /// Group, below `Shape::groups()`.
    pub group: u32,
}

/// One chunk object of a matrix: some tiles of one row chunk of one unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkSpec {
    /// The unit.
    pub unit: Unit,
    /// Row chunk.
    pub row_chunk: u32,
    /// First tile; tiles are numbered limb by limb.
    pub first_tile: u32,
    /// Number of tiles.
    pub tiles: u32,
    /// Rows in this row chunk.
    pub rows: u32,
    /// Bodies of this unit.
    pub bodies: u32,
}

impl ChunkSpec {
    /// Bytes of one tile: `rows * bodies * 800`.
    pub fn tile_bytes(&self) -> usize {
        self.rows as usize * self.bodies as usize * TILE_BYTES
    }

    /// Bytes of the chunk's body.
    pub fn body_len(&self) -> usize {
        self.tiles as usize * self.tile_bytes()
    }
}

impl Shape {
    /// Checks the limits.
    pub fn check(self) -> Result<Self, ShapeError> {
        let fine = (1..=MAX_ROWS).contains(&self.rows)
            && (1..=MAX_PLANES).contains(&self.planes)
            && (1..=MAX_BLOCKS).contains(&self.blocks);
        if fine {
            Ok(self)
        } else {
            Err(ShapeError { rows: self.rows, planes: self.planes, blocks: self.blocks })
        }
    }

    /// Shape of `vectors` encrypted weight vectors for `rows` people.
    pub fn weights(params: Params, rows: u32, vectors: u8) -> Self {
        Self { params, rows, planes: vectors, blocks: 1 }
    }

    /// Groups in each plane.
    pub fn groups(&self) -> u32 {
        self.blocks.div_ceil(BODIES as u32)
    }

    /// Bodies in `group`: eight, or fewer in the last one.
    pub fn bodies(&self, group: u32) -> u32 {
        self.blocks.saturating_sub(group.saturating_mul(BODIES as u32)).min(BODIES as u32)
    }

    /// Rows in a full row chunk: a slab of eight bodies stays near 50 MiB for every parameter set.
    pub fn rows_per_chunk(&self) -> u32 {
        match self.params {
            Params::N2048Q50 => 512,
            Params::N4096Q100 => 128,
            Params::N8192Q150 | Params::N8192Q200 => 32,
        }
    }

    /// Row chunks.
    pub fn row_chunks(&self) -> u32 {
        self.rows.div_ceil(self.rows_per_chunk())
    }

    /// Rows of row chunk `index`, as a range of row numbers.
    pub fn chunk_rows(&self, index: u32) -> core::ops::Range<u32> {
        let first = index.saturating_mul(self.rows_per_chunk()).min(self.rows);
        first..first.saturating_add(self.rows_per_chunk()).min(self.rows)
    }

    /// Tiles of one polynomial: `limbs * degree / 128`.
    pub fn tiles(&self) -> u32 {
        (self.params.words() / TILE) as u32
    }

    /// Every unit, planes outermost.
    pub fn units(&self) -> impl Iterator<Item = Unit> + use<> {
        let groups = self.groups();
        (0..self.planes).flat_map(move |plane| (0..groups).map(move |group| Unit { plane, group }))
    }

    /// Tiles in one chunk object of row chunk `row_chunk` of a unit with `bodies` bodies.
    fn tiles_per_chunk(&self, rows: u32, bodies: u32) -> u32 {
        let tile = rows as usize * bodies as usize * TILE_BYTES;
        ((MAX_CHUNK_BODY / tile.max(1)) as u32).clamp(1, self.tiles())
    }

    /// The chunk objects of one row chunk of one unit, in order.
    pub fn slab_chunks(
        &self,
        unit: Unit,
        row_chunk: u32,
    ) -> impl Iterator<Item = ChunkSpec> + use<> {
        let range = self.chunk_rows(row_chunk);
        let (rows, bodies, tiles) =
            (range.end - range.start, self.bodies(unit.group), self.tiles());
        let step = self.tiles_per_chunk(rows, bodies);
        (0..tiles.div_ceil(step)).map(move |i| ChunkSpec {
            unit,
            row_chunk,
            first_tile: i * step,
            tiles: step.min(tiles - i * step),
            rows,
            bodies,
        })
    }

    /// The chunk objects of one unit, in order.
    pub fn unit_chunks(self, unit: Unit) -> impl Iterator<Item = ChunkSpec> {
        (0..self.row_chunks()).flat_map(move |c| self.slab_chunks(unit, c))
    }

    /// Every chunk object of the matrix, in the order in which a manifest lists them.
    pub fn chunks(self) -> impl Iterator<Item = ChunkSpec> {
        self.units().flat_map(move |unit| self.unit_chunks(unit))
    }

    /// Where a tile is stored: number of its chunk in the order of [`Shape::chunks`] and offset in the chunk's body.
    pub fn locate(&self, unit: Unit, row_chunk: u32, tile: u32) -> (usize, u64) {
        let rows = |chunk: u32| self.chunk_rows(chunk).len() as u32;
        let slab =
            |rows, bodies| u64::from(self.tiles().div_ceil(self.tiles_per_chunk(rows, bodies)));
        let whole = u64::from(self.rows / self.rows_per_chunk());
        let last = self.rows % self.rows_per_chunk();
        let in_unit = |bodies| {
            whole * slab(self.rows_per_chunk(), bodies)
                + if last > 0 { slab(last, bodies) } else { 0 }
        };
        let full_groups = u64::from(self.blocks / BODIES as u32);
        let rest = self.blocks % BODIES as u32;
        let in_plane =
            full_groups * in_unit(BODIES as u32) + if rest > 0 { in_unit(rest) } else { 0 };
        let bodies = self.bodies(unit.group);
        let step = self.tiles_per_chunk(rows(row_chunk), bodies);
        let chunk = u64::from(unit.plane) * in_plane
            + u64::from(unit.group) * in_unit(BODIES as u32)
            + u64::from(row_chunk) * slab(self.rows_per_chunk(), bodies)
            + u64::from(tile / step);
        let tile_bytes = u64::from(rows(row_chunk)) * u64::from(bodies) * TILE_BYTES as u64;
        (chunk as usize, u64::from(tile % step) * tile_bytes)
    }

    /// Bytes of all chunk bodies.
    pub fn body_bytes(&self) -> u64 {
        u64::from(self.rows)
            * u64::from(self.planes)
            * u64::from(self.blocks)
            * packed_len(self.params.words()) as u64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn chunks_tile_the_matrix(set in 0usize..4, rows in 1u32..3000, planes in 1u8..4, blocks in 1u32..30) {
            let shape = Shape { params: Params::ALL[set], rows, planes, blocks }.check().unwrap();
            let (mut bytes, mut last) = (0u64, None);
            for (number, c) in shape.chunks().enumerate() {
                for tile in [0, c.tiles - 1] {
                    let offset = u64::from(tile) * c.tile_bytes() as u64;
                    prop_assert_eq!(shape.locate(c.unit, c.row_chunk, c.first_tile + tile), (number, offset));
                }
                prop_assert!(c.body_len() <= MAX_CHUNK_BODY && c.body_len() > 0);
                bytes += c.body_len() as u64;
                let key = (c.unit, c.row_chunk, c.first_tile);
                prop_assert!(last < Some(key));
                last = Some(key);
            }
            prop_assert_eq!(bytes, shape.body_bytes());
        }
    }

    #[test]
    fn limits_are_enforced() {
        let fine = Shape { params: Params::N2048Q50, rows: 1, planes: 1, blocks: 1 };
        assert!(fine.check().is_ok());
        for bad in [
            Shape { rows: 0, ..fine },
            Shape { rows: MAX_ROWS + 1, ..fine },
            Shape { planes: 0, ..fine },
            Shape { planes: MAX_PLANES + 1, ..fine },
            Shape { blocks: 0, ..fine },
            Shape { blocks: MAX_BLOCKS + 1, ..fine },
        ] {
            assert!(bad.check().is_err());
        }
    }
}
