//! Weighted sums of an encrypted matrix: streaming its tiles through the kernel. Protocol section 5.

use std::io;
use std::ops::Range;

use rayon::prelude::*;

use crate::arith::Modulus;
use crate::kernel::{Aligned, Engine, ROW_WORDS, ROWS_PER_CALL, Rows, TileSums};
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

/// Rows that are read and added at once: `rows`, which lie in `range` of row chunk `row_chunk`.
struct Batch<'a> {
    row_chunk: u32,
    range: Range<u32>,
    rows: &'a [u32],
}

impl<'a> Batch<'a> {
    /// The batches of all `rows`, ascending.
    fn all(shape: &Shape, mut rows: &'a [u32]) -> Vec<Self> {
        let mut batches = Vec::new();
        for row_chunk in 0..shape.row_chunks() {
            let chunk = shape.chunk_rows(row_chunk);
            while let Some(&first) = rows.first().filter(|&&r| r < chunk.end) {
                let end = chunk.end.min(first.saturating_add(ROWS_PER_CALL as u32));
                let (now, later) = rows.split_at(rows.partition_point(|&r| r < end));
                let range = first..now.last().map_or(first, |r| r + 1);
                batches.push(Self { row_chunk, range, rows: now });
                rows = later;
            }
        }
        batches
    }

    /// Where its rows of a tile of a matrix are: chunk, offset and length in bytes.
    fn locate(&self, shape: &Shape, unit: Unit, tile: u32) -> (usize, u64, usize) {
        let row_bytes = shape.bodies(unit.group) as usize * TILE_BYTES;
        let (chunk, offset) = shape.locate(unit, self.row_chunk, tile);
        let skipped = self.range.start - shape.chunk_rows(self.row_chunk).start;
        (chunk, offset + u64::from(skipped) * row_bytes as u64, self.range.len() * row_bytes)
    }
}

/// What one thread needs to sum tiles of a unit; used for one after the other.
struct TileSum<'a> {
    input: &'a UnitInput<'a>,
    batches: Vec<Batch<'a>>,
    weights: WeightTiles<'a>,
    expander: MaskExpander,
    sums: TileSums,
    buffer: Aligned<u8>,
    masks: Aligned<u64>,
    selected: Vec<u32>,
}

impl<'a> TileSum<'a> {
    fn new(engine: Engine, input: &'a UnitInput<'a>) -> Self {
        let bodies = input.shape.bodies(input.unit.group) as usize;
        let weights = WeightTiles::new(engine, &input.weights);
        let modulus = TilePlace::new(input.shape.params, 0).modulus;
        Self {
            input,
            batches: Batch::all(&input.shape, input.rows),
            sums: TileSums::new(engine, modulus, bodies, weights.vectors.len()),
            weights,
            expander: MaskExpander::new(input.mask_seed),
            buffer: Aligned::new(ROWS_PER_CALL * bodies * TILE_BYTES),
            masks: Aligned::new(ROWS_PER_CALL * ROW_WORDS),
            selected: Vec::with_capacity(ROWS_PER_CALL),
        }
    }

    /// Sums one tile: 128 words of each polynomial of the unit.
    fn run(&mut self, tile: u32) -> io::Result<Vec<u64>> {
        let place = TilePlace::new(self.input.shape.params, tile);
        let mut out = vec![0; self.sums.finished_words()];
        self.sums.begin(place.modulus);
        for number in 0..self.batches.len() {
            self.add(&place, number)?;
        }
        self.sums.finish(&mut out);
        Ok(out)
    }

    /// Adds a batch. What the next one needs is fetched meanwhile, if it lies in memory.
    fn add(&mut self, place: &TilePlace, number: usize) -> io::Result<()> {
        let Some(batch) = self.batches.get(number) else { return Ok(()) };
        let next = self.batches.get(number + 1);
        let UnitInput { source, unit, shape, .. } = *self.input;
        self.weights.load(place, batch)?;
        let (chunk, offset, length) = batch.locate(&shape, unit, place.tile);
        let packed =
            view(source, chunk, offset, self.buffer.get_mut(..length).unwrap_or_default())?;
        let masks = self.masks.get_mut(..batch.rows.len() * ROW_WORDS).unwrap_or_default();
        for (&row, words) in batch.rows.iter().zip(masks.as_chunks_mut::<ROW_WORDS>().0) {
            let Unit { plane, group } = unit;
            let index = MaskIndex { plane, limb: place.limb, group, row };
            let words = words.split_at_mut(TILE).0;
            self.expander.expand(place.modulus, index, place.first_word, words);
        }
        self.selected.clear();
        self.selected.extend(batch.rows.iter().map(|r| r - batch.range.start));
        let weights = &self.weights.views(batch.rows.len());
        let ahead = |source: &'a dyn ChunkSource, shape: &Shape, unit| {
            let (chunk, offset, length) = next?.locate(shape, unit, place.tile);
            source.in_memory(chunk, offset, length)
        };
        let weight_shape = self.input.weights.shape;
        let weights_ahead: Vec<&[u8]> = (0..weight_shape.planes)
            .map_while(|plane| {
                ahead(self.input.weights.source, &weight_shape, Unit { plane, group: 0 })
            })
            .collect();
        let rows = Rows {
            packed,
            selected: &self.selected,
            masks,
            weights,
            ahead: ahead(source, &shape, unit).unwrap_or_default(),
            weights_ahead: &weights_ahead,
        };
        self.sums.add(&rows);
        Ok(())
    }
}

/// The weights of a batch of rows, unpacked, with their masks.
struct WeightTiles<'a> {
    engine: Engine,
    input: &'a WeightInput<'a>,
    expander: MaskExpander,
    packed: Vec<u8>,
    /// For each vector `d0` and `d1`, `[row][ROW_WORDS]`.
    vectors: Vec<(Aligned<u64>, Aligned<u64>)>,
}

impl<'a> WeightTiles<'a> {
    fn new(engine: Engine, input: &'a WeightInput<'a>) -> Self {
        let vector = || Aligned::new(ROWS_PER_CALL * ROW_WORDS);
        Self {
            engine,
            input,
            expander: MaskExpander::new(input.mask_seed),
            packed: vec![0; ROWS_PER_CALL * TILE_BYTES],
            vectors: (0..input.shape.planes).map(|_| (vector(), vector())).collect(),
        }
    }

    /// Unpacks the weights of `batch` and expands their masks.
    fn load(&mut self, place: &TilePlace, batch: &Batch<'_>) -> io::Result<()> {
        let WeightInput { shape, source, .. } = *self.input;
        for (plane, (d0, d1)) in (0..).zip(&mut self.vectors) {
            let unit = Unit { plane, group: 0 };
            let (chunk, offset, length) = batch.locate(&shape, unit, place.tile);
            let buffer = self.packed.get_mut(..length).unwrap_or_default();
            let packed = view(source, chunk, offset, buffer)?;
            let vectors = d0.as_chunks_mut::<ROW_WORDS>().0.iter_mut().zip(d1.as_chunks_mut().0);
            for (&row, (d0, d1)) in batch.rows.iter().zip(vectors) {
                let d1: &mut [u64; ROW_WORDS] = d1;
                let (d0, d1) = (d0.split_at_mut(TILE).0, d1.split_at_mut(TILE).0);
                let start = (row - batch.range.start) as usize * TILE_BYTES;
                self.engine.unpack(packed.get(start..start + TILE_BYTES).unwrap_or_default(), d0);
                let index = MaskIndex { plane, limb: place.limb, group: 0, row };
                self.expander.expand(place.modulus, index, place.first_word, d1);
            }
        }
        Ok(())
    }

    fn views(&self, rows: usize) -> Vec<(&[u64], &[u64])> {
        let cut = rows.min(ROWS_PER_CALL) * ROW_WORDS;
        self.vectors.iter().map(|(a, b)| (a.split_at(cut).0, b.split_at(cut).0)).collect()
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
