//! Weighted sums of an encrypted matrix: streaming its tiles through the kernel. Protocol section 5.

use std::io;
use std::ops::Range;

use rayon::prelude::*;

use crate::arith::Modulus;
use crate::kernel::{Engine, ROWS_PER_CALL, Rows, TileSums};
use crate::layout::{Shape, TILE, TILE_BYTES, Unit};
use crate::mask::{MaskExpander, MaskIndex, MaskSeed};
use crate::params::Params;

/// Where the chunks of a matrix are.
pub trait ChunkSource: Sync {
    /// Fills `buffer` with the bytes at `offset` of the body (header excluded) of chunk `chunk`, counted in the order of
    /// [`Shape::chunks`].
    fn read_at(&self, chunk: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// The same bytes where they lie, if the source holds chunks in memory.
    fn in_memory(&self, _chunk: usize, _offset: u64, _length: usize) -> Option<&[u8]> {
        None
    }
}

/// The bytes at `offset` of a chunk: where they lie, or read into `buffer`, whose length says how many.
fn view<'a>(
    source: &'a dyn ChunkSource,
    chunk: usize,
    offset: u64,
    buffer: &'a mut [u8],
) -> io::Result<&'a [u8]> {
    if let Some(bytes) = source.in_memory(chunk, offset, buffer.len()) {
        return Ok(bytes);
    }
    source.read_at(chunk, offset, buffer)?;
    Ok(buffer)
}

/// Encrypted weights.
#[derive(Clone, Copy)]
pub struct WeightInput<'a> {
    /// Their shape ([`Shape::weights`]); the planes are the weight vectors.
    pub shape: Shape,
    /// Their mask seed.
    pub mask_seed: MaskSeed,
    /// Their chunks.
    pub source: &'a dyn ChunkSource,
}

/// What a unit's sums are computed from.
#[derive(Clone, Copy)]
pub struct UnitInput<'a> {
    /// Shape of the genotype matrix.
    pub shape: Shape,
    /// Its mask seed.
    pub mask_seed: MaskSeed,
    /// Its chunks.
    pub source: &'a dyn ChunkSource,
    /// The unit.
    pub unit: Unit,
    /// The weights.
    pub weights: WeightInput<'a>,
    /// Rows that take part, ascending.
    pub rows: &'a [u32],
}

/// Sums of one unit under the dataset's keys; polynomials of `params.words()` reduced words, NTT domain.
pub struct UnitSums {
    pub(crate) params: Params,
    pub(crate) bodies: usize,
    pub(crate) weights: usize,
    /// `[weight][B0_k, B1_k of each body, then A0, A1]`, then `[S_k of each body, then S_A]`.
    pub(crate) polynomials: Vec<u64>,
}

/// Sums of the weights themselves under the dataset's keys: `sum d0`, `sum d1` for each weight vector.
pub struct TotalSums {
    pub(crate) params: Params,
    pub(crate) polynomials: Vec<u64>,
}

impl UnitSums {
    fn polynomial(&self, number: usize) -> &[u64] {
        let words = self.params.words();
        self.polynomials.get(number * words..(number + 1) * words).unwrap_or_default()
    }

    /// `B0` (component 0) or `B1` (1) of `column`; column `bodies` is the mask: `A0`, `A1`.
    pub fn product(&self, weight: usize, column: usize, component: usize) -> &[u64] {
        self.polynomial((weight * (self.bodies + 1) + column) * 2 + component)
    }

    /// `S_k`, or `S_A` where `column` is `bodies`.
    pub fn plain(&self, column: usize) -> &[u64] {
        self.polynomial(self.weights * (self.bodies + 1) * 2 + column)
    }

    /// Bodies of the unit.
    pub fn bodies(&self) -> usize {
        self.bodies
    }

    /// Weight vectors.
    pub fn weights(&self) -> usize {
        self.weights
    }
}

impl TotalSums {
    /// Weight vectors.
    pub fn weights(&self) -> usize {
        self.polynomials.len() / (2 * self.params.words())
    }

    /// `sum d0` (component 0) or `sum d1` (1) of a weight vector.
    pub fn component(&self, weight: usize, component: usize) -> &[u64] {
        let words = self.params.words();
        self.polynomials
            .get((2 * weight + component) * words..)
            .and_then(|p| p.get(..words))
            .unwrap_or_default()
    }
}

/// Computes one unit's sums, tiles in parallel on the current rayon pool. Each thread holds about a mebibyte.
///
/// # Errors
///
/// What a source returns.
pub fn sum_unit(engine: Engine, input: &UnitInput<'_>) -> io::Result<UnitSums> {
    let shape = input.shape;
    let bodies = shape.bodies(input.unit.group) as usize;
    let weights = usize::from(input.weights.shape.planes);
    let polynomials = (2 * weights + 1) * (bodies + 1);
    let tiles: Vec<Vec<u64>> = (0..shape.tiles())
        .into_par_iter()
        .map_init(|| TileSum::new(engine, input), TileSum::run)
        .collect::<io::Result<_>>()?;
    Ok(UnitSums {
        params: shape.params,
        bodies,
        weights,
        polynomials: join(shape.params, polynomials, &tiles),
    })
}

/// Polynomials from the 128 words that each tile has of each of them.
fn join(params: Params, count: usize, tiles: &[Vec<u64>]) -> Vec<u64> {
    let mut polynomials = vec![0; count * params.words()];
    for (number, polynomial) in polynomials.chunks_exact_mut(params.words()).enumerate() {
        for (tile, words) in tiles.iter().zip(polynomial.as_chunks_mut::<TILE>().0) {
            if let Some(sums) = tile.as_chunks::<TILE>().0.get(number) {
                *words = *sums;
            }
        }
    }
    polynomials
}

/// A tile's place: limb, first word inside the limb, modulus.
struct TilePlace {
    tile: u32,
    limb: u8,
    first_word: u32,
    modulus: Modulus,
}

impl TilePlace {
    fn new(params: Params, tile: u32) -> Self {
        let per_limb = (params.degree() / TILE) as u32;
        let limb = tile / per_limb;
        let modulus =
            params.moduli().nth(limb as usize).unwrap_or(Modulus::new(crate::params::PRIMES[0]));
        Self { tile, limb: limb as u8, first_word: tile % per_limb * TILE as u32, modulus }
    }
}

/// Runs of consecutive rows to read at once, each with the participating rows in it.
fn batches(rows: &[u32], chunk: Range<u32>) -> impl Iterator<Item = (Range<u32>, &[u32])> {
    let end = rows.partition_point(|&r| r < chunk.end);
    let mut rest = rows.get(..end).unwrap_or_default();
    rest = rest.get(rest.partition_point(|&r| r < chunk.start)..).unwrap_or_default();
    core::iter::from_fn(move || {
        let first = *rest.first()?;
        let last = chunk.end.min(first.saturating_add(ROWS_PER_CALL as u32));
        let (now, later) = rest.split_at(rest.partition_point(|&r| r < last));
        rest = later;
        Some((first..now.last().map_or(first, |r| r + 1), now))
    })
}

/// What one thread needs to sum tiles of a unit; used for one after the other.
struct TileSum<'a> {
    engine: Engine,
    input: &'a UnitInput<'a>,
    weights: WeightTiles<'a>,
    expander: MaskExpander,
    sums: TileSums,
    buffer: Vec<u8>,
    masks: Vec<u64>,
    selected: Vec<u32>,
}

impl<'a> TileSum<'a> {
    fn new(engine: Engine, input: &'a UnitInput<'a>) -> Self {
        let bodies = input.shape.bodies(input.unit.group) as usize;
        let weights = WeightTiles::new(engine, &input.weights);
        let modulus = TilePlace::new(input.shape.params, 0).modulus;
        Self {
            engine,
            input,
            sums: TileSums::new(modulus, bodies, weights.vectors.len()),
            weights,
            expander: MaskExpander::new(input.mask_seed),
            buffer: vec![0; ROWS_PER_CALL * bodies * TILE_BYTES],
            masks: vec![0; ROWS_PER_CALL * TILE],
            selected: Vec::with_capacity(ROWS_PER_CALL),
        }
    }

    /// Sums one tile: 128 words of each polynomial of the unit.
    fn run(&mut self, tile: u32) -> io::Result<Vec<u64>> {
        let shape = self.input.shape;
        let place = TilePlace::new(shape.params, tile);
        let mut out = vec![0; self.sums.finished_words()];
        self.sums.begin(place.modulus);
        for row_chunk in 0..shape.row_chunks() {
            let (chunk, offset) = shape.locate(self.input.unit, row_chunk, tile);
            let chunk_rows = shape.chunk_rows(row_chunk);
            for (range, rows) in batches(self.input.rows, chunk_rows.clone()) {
                self.weights.load(&place, row_chunk, &range, rows)?;
                self.add(&place, (chunk, offset), &chunk_rows, range, rows)?;
            }
        }
        self.sums.finish(&mut out);
        Ok(out)
    }

    /// Adds `rows`, which lie in `range` of the row chunk stored at `at`.
    fn add(
        &mut self,
        place: &TilePlace,
        (chunk, offset): (usize, u64),
        chunk_rows: &Range<u32>,
        range: Range<u32>,
        rows: &[u32],
    ) -> io::Result<()> {
        let UnitInput { source, unit, shape, .. } = *self.input;
        let row_bytes = shape.bodies(unit.group) as usize * TILE_BYTES;
        let offset = offset + u64::from(range.start - chunk_rows.start) * row_bytes as u64;
        let length = range.len() * row_bytes;
        let packed =
            view(source, chunk, offset, self.buffer.get_mut(..length).unwrap_or_default())?;
        let next = (chunk_rows.end - range.end).min(ROWS_PER_CALL as u32) as usize * row_bytes;
        let ahead = source.in_memory(chunk, offset + length as u64, next).unwrap_or_default();
        let (early, ahead) = ahead.split_at(ahead.len() / 6);
        let mut early = early.chunks(early.len().div_ceil(rows.len()).max(1));
        let masks = self.masks.get_mut(..rows.len() * TILE).unwrap_or_default();
        for (&row, words) in rows.iter().zip(masks.chunks_exact_mut(TILE)) {
            self.engine.prefetch(early.next().unwrap_or_default());
            let Unit { plane, group } = unit;
            let index = MaskIndex { plane, limb: place.limb, group, row };
            self.expander.expand(place.modulus, index, place.first_word, words);
        }
        self.selected.clear();
        self.selected.extend(rows.iter().map(|r| r - range.start));
        let weights = &self.weights.views(rows.len());
        let rows = Rows { packed, selected: &self.selected, masks, weights, ahead };
        self.sums.add(self.engine, &rows);
        Ok(())
    }
}

/// The weights of a batch of rows, unpacked, with their masks.
struct WeightTiles<'a> {
    engine: Engine,
    input: &'a WeightInput<'a>,
    expander: MaskExpander,
    packed: Vec<u8>,
    /// For each vector `d0` and `d1`, `[row][128]`.
    vectors: Vec<(Vec<u64>, Vec<u64>)>,
}

impl<'a> WeightTiles<'a> {
    fn new(engine: Engine, input: &'a WeightInput<'a>) -> Self {
        let vector = || (vec![0; ROWS_PER_CALL * TILE], vec![0; ROWS_PER_CALL * TILE]);
        Self {
            engine,
            input,
            expander: MaskExpander::new(input.mask_seed),
            packed: vec![0; ROWS_PER_CALL * TILE_BYTES],
            vectors: (0..input.shape.planes).map(|_| vector()).collect(),
        }
    }

    fn load(
        &mut self,
        place: &TilePlace,
        row_chunk: u32,
        range: &Range<u32>,
        rows: &[u32],
    ) -> io::Result<()> {
        let shape = self.input.shape;
        let skipped = u64::from(range.start - shape.chunk_rows(row_chunk).start);
        for (plane, (d0, d1)) in (0..).zip(&mut self.vectors) {
            let (chunk, offset) = shape.locate(Unit { plane, group: 0 }, row_chunk, place.tile);
            let packed = self.packed.get_mut(..range.len() * TILE_BYTES).unwrap_or_default();
            let offset = offset + skipped * TILE_BYTES as u64;
            let packed = view(self.input.source, chunk, offset, packed)?;
            for ((&row, d0), d1) in
                rows.iter().zip(d0.chunks_exact_mut(TILE)).zip(d1.chunks_exact_mut(TILE))
            {
                let start = (row - range.start) as usize * TILE_BYTES;
                self.engine.unpack(packed.get(start..start + TILE_BYTES).unwrap_or_default(), d0);
                let index = MaskIndex { plane, limb: place.limb, group: 0, row };
                self.expander.expand(place.modulus, index, place.first_word, d1);
            }
        }
        Ok(())
    }

    fn views(&self, rows: usize) -> Vec<(&[u64], &[u64])> {
        let cut = |v: &'_ Vec<u64>| v.len().min(rows * TILE);
        self.vectors.iter().map(|(a, b)| (a.split_at(cut(a)).0, b.split_at(cut(b)).0)).collect()
    }
}

/// Computes the sums of the weights themselves: those of a matrix of one body, the mask of a row being its `d1`.
///
/// # Errors
///
/// What the source returns.
pub fn sum_totals(
    engine: Engine,
    weights: &WeightInput<'_>,
    rows: &[u32],
) -> io::Result<TotalSums> {
    let WeightInput { shape, mask_seed, source } = *weights;
    let mut polynomials = Vec::with_capacity(2 * usize::from(shape.planes) * shape.params.words());
    for plane in 0..shape.planes {
        let weights = WeightInput { shape: Shape { planes: 0, ..shape }, mask_seed, source };
        let unit = Unit { plane, group: 0 };
        let sums = sum_unit(engine, &UnitInput { shape, mask_seed, source, unit, weights, rows })?;
        polynomials.extend_from_slice(sums.plain(0));
        polynomials.extend_from_slice(sums.plain(1));
    }
    Ok(TotalSums { params: shape.params, polynomials })
}
