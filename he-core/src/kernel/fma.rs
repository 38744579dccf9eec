//! The kernel with AVX2 and FMA, for x86-64 machines without AVX-512 IFMA; in safe code.
//!
//! These machines multiply 32-bit integers in vectors, but 53-bit floats. A product `a b` below 2^100 is taken apart exactly
//! by two fused multiply-adds: `a b + 2^100` rounds to `2^100 + 2^48 high`, and `a b - 2^48 high` is an integer `low` of at
//! most 2^47 with a sign. The first adds up as an integer, from the bits of a float of a known exponent, the second as a float:
//! sixteen of them are at most 2^51. Once for each call both become the halves of the other engines.
#![allow(clippy::indexing_slicing)] // shapes are asserted by `TileSums::add`

use core::arch::x86_64::{__m128i, __m256d, __m256i};

use pulp::x86::V3;

use super::ahead::Ahead;
use super::{BODY_WORDS, ROW_WORDS, ROWS_PER_CALL, Rows, TileSums};
use crate::arith::pack::GROUP_BYTES;
use crate::layout::{ABREAST, BODIES, GROUPS, TILE};

/// Words in a vector.
const LANES: usize = 4;
/// Vectors in a tile.
const VECTORS: usize = TILE / LANES;
/// Bytes of four packed words.
const VECTOR_BYTES: usize = GROUP_BYTES / 2;
/// Columns that are multiplied together, so that weights are loaded once for both.
const COLUMNS: usize = 2;

const TWO_52: f64 = 4_503_599_627_370_496.0;
/// Added to a product below 2^100, it leaves a float of a known exponent, whose last bit is worth 2^48.
const TWO_100: f64 = TWO_52 * 281_474_976_710_656.0;
/// `1.5 * 2^52`: adding it to an integer of at most 2^51 with a sign leaves the integer in the low bits.
const ROUNDER: f64 = 1.5 * TWO_52;
const LOW: u64 = (1 << 52) - 1;

/// Whether this machine has the instructions.
pub(super) fn available() -> bool {
    V3::try_new().is_some()
}

pub(super) fn add(sums: &mut TileSums, rows: &Rows<'_>) {
    if let Some(simd) = V3::try_new() {
        simd.vectorize(AddRows { simd, sums, rows });
    } else {
        super::portable::add(sums, rows);
    }
}

/// A call of [`add_rows`]. No closure: one that could be called twice is called through a function of its own, which has not
/// these instructions, and there each of them becomes a call.
struct AddRows<'a> {
    simd: V3,
    sums: &'a mut TileSums,
    rows: &'a Rows<'a>,
}

impl pulp::NullaryFnOnce for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        add_rows(self.simd, self.sums, self.rows);
    }
}

/// One vector of one column, row after row, as floats.
type Column = [__m256d; ROWS_PER_CALL];

/// Vector by vector: the words of all columns and rows are unpacked, added up and turned into floats, which then are
/// multiplied with each weight.
#[inline(always)]
fn add_rows(simd: V3, sums: &mut TileSums, rows: &Rows<'_>) {
    let (bodies, count) = (sums.bodies.min(BODIES), rows.selected.len().min(ROWS_PER_CALL));
    let unpacker = Unpacker::new(simd);
    let groups = rows.packed.as_chunks::<GROUP_BYTES>().0;
    let mut packed = [&groups[..0]; ROWS_PER_CALL];
    for (slot, &row) in packed.iter_mut().zip(rows.selected) {
        *slot = &groups[row as usize * bodies * GROUPS..][..bodies * GROUPS];
    }
    let packed = &packed[..count];
    let mut floats = [[simd.avx._mm256_setzero_pd(); ROWS_PER_CALL]; BODIES + 1];
    let steps = VECTORS * bodies.div_ceil(ABREAST);
    for v in 0..VECTORS {
        for first in (0..bodies).step_by(ABREAST) {
            let step = v * bodies.div_ceil(ABREAST) + first / ABREAST;
            let mut ahead = Ahead::new(rows.ahead, step, steps, count);
            let (plain, floats) = (&mut sums.sums[first * TILE..], &mut floats[first..bodies]);
            let fetch = || ahead.fetch();
            match bodies - first {
                1 => unpacker.columns::<1>(packed, v, plain, floats, first, fetch),
                2 => unpacker.columns::<2>(packed, v, plain, floats, first, fetch),
                3 => unpacker.columns::<3>(packed, v, plain, floats, first, fetch),
                _ => unpacker.columns::<4>(packed, v, plain, floats, first, fetch),
            }
        }
        let mut plain = load(&sums.sums[bodies * TILE + v * LANES..]);
        let masks = rows.masks.as_chunks::<ROW_WORDS>().0;
        for (mask, float) in masks.iter().zip(&mut floats[bodies]) {
            let words = load(&mask[v * LANES..]);
            plain = simd.avx2._mm256_add_epi64(plain, words);
            *float = to_float(simd, words);
        }
        store(&mut sums.sums[bodies * TILE + v * LANES..], plain);
        for bytes in rows.weights_ahead {
            Ahead::new(bytes, v, VECTORS, 1).fetch();
        }
        multiply_vector(simd, &mut sums.products, rows, &floats[..=bodies], v);
    }
}

/// Multiplies one vector of all columns with all weights.
#[inline(always)]
fn multiply_vector(simd: V3, products: &mut [u64], rows: &Rows<'_>, columns: &[Column], v: usize) {
    let mut accumulators = products.as_chunks_mut::<BODY_WORDS>().0.iter_mut();
    for (d0, d1) in rows.weights {
        let mut factors = [[simd.avx._mm256_setzero_pd(); 2]; ROWS_PER_CALL];
        let weights = d0.as_chunks::<ROW_WORDS>().0.iter().zip(d1.as_chunks::<ROW_WORDS>().0);
        for (factors, (d0, d1)) in factors.iter_mut().zip(weights) {
            let at = v * LANES;
            *factors = [to_float(simd, load(&d0[at..])), to_float(simd, load(&d1[at..]))];
        }
        let factors = &factors[..rows.selected.len().min(ROWS_PER_CALL)];
        let (pairs, single) = columns.as_chunks::<COLUMNS>();
        for pair in pairs {
            multiply(simd, &mut accumulators, pair, factors, v);
        }
        for column in single {
            multiply(simd, &mut accumulators, core::array::from_ref(column), factors, v);
        }
    }
}

/// Adds the products of C columns, whose accumulators are the next ones.
#[inline(always)]
fn multiply<'a, const C: usize>(
    simd: V3,
    accumulators: &mut impl Iterator<Item = &'a mut [u64; BODY_WORDS]>,
    columns: &[Column; C],
    factors: &[[__m256d; 2]],
    v: usize,
) {
    let mut halves = [[Halves::new(simd); 2]; C];
    for (row, [x, y]) in factors.iter().enumerate() {
        for c in 0..C {
            let b = columns[c][row];
            halves[c][0].add(simd, b, *x);
            halves[c][1].add(simd, b, *y);
        }
    }
    for [zero, one] in halves {
        let Some(accumulators) = accumulators.next() else { return };
        let vector = &mut accumulators[v / 2 * 32 + v % 2 * LANES..];
        zero.settle(simd, factors.len(), vector);
        one.settle(simd, factors.len(), &mut vector[16..]);
    }
}

/// Sums of the two halves of products.
#[derive(Clone, Copy)]
struct Halves {
    /// Of the bits of `2^100 + 2^48 high`: the number of 2^48, and the same exponent once for each product.
    high: __m256i,
    /// Of what is left.
    low: __m256d,
}

impl Halves {
    #[inline(always)]
    fn new(simd: V3) -> Self {
        Self { high: simd.avx._mm256_setzero_si256(), low: simd.avx._mm256_setzero_pd() }
    }

    #[inline(always)]
    fn add(&mut self, simd: V3, a: __m256d, b: __m256d) {
        let (avx, fma) = (simd.avx, simd.fma);
        let shift = avx._mm256_set1_pd(TWO_100);
        let high = fma._mm256_fmadd_pd(a, b, shift);
        let low = fma._mm256_fmadd_pd(a, b, avx._mm256_sub_pd(shift, high));
        self.low = avx._mm256_add_pd(self.low, low);
        self.high = simd.avx2._mm256_add_epi64(self.high, avx._mm256_castpd_si256(high));
    }

    /// Adds the sums of `count` products to accumulators laid out as those of the tile: four low halves, which gain less than
    /// 2^52, and the high ones eight words further.
    #[inline(always)]
    fn settle(self, simd: V3, count: usize, accumulators: &mut [u64]) {
        let (avx, avx2) = (simd.avx, simd.avx2);
        let splat = |x: u64| avx._mm256_set1_epi64x(x as i64);
        let exponents = (count as u64).wrapping_mul(TWO_100.to_bits());
        let high = avx2._mm256_sub_epi64(self.high, splat(exponents));
        let rounded = avx._mm256_add_pd(self.low, avx._mm256_set1_pd(ROUNDER));
        let low = avx2._mm256_sub_epi64(avx._mm256_castpd_si256(rounded), splat(ROUNDER.to_bits()));
        // The last four bits of the number of 2^48 belong to the low half. 2^52 more keep that positive for its shift.
        let ends = avx2._mm256_slli_epi64::<48>(avx2._mm256_and_si256(high, splat(15)));
        let low = avx2._mm256_add_epi64(avx2._mm256_add_epi64(low, ends), splat(1 << 52));
        let carry = avx2._mm256_sub_epi64(avx2._mm256_srli_epi64::<52>(low), splat(1));
        let high = avx2._mm256_add_epi64(avx2._mm256_srli_epi64::<4>(high), carry);
        let low = avx2._mm256_and_si256(low, splat(LOW));
        store(accumulators, avx2._mm256_add_epi64(load(accumulators), low));
        let accumulators = &mut accumulators[8..];
        store(accumulators, avx2._mm256_add_epi64(load(accumulators), high));
    }
}

/// Words below 2^50 as floats.
#[inline(always)]
fn to_float(simd: V3, words: __m256i) -> __m256d {
    let exponent = simd.avx._mm256_set1_pd(TWO_52);
    let bits = simd.avx2._mm256_or_si256(words, simd.avx._mm256_castpd_si256(exponent));
    simd.avx._mm256_sub_pd(simd.avx._mm256_castsi256_pd(bits), exponent)
}

/// The first four words.
#[inline(always)]
fn load(words: &[u64]) -> __m256i {
    pulp::cast(*words.first_chunk::<LANES>().unwrap_or(&[0; LANES]))
}

/// Overwrites the first four words.
#[inline(always)]
fn store(words: &mut [u64], v: __m256i) {
    if let Some(words) = words.first_chunk_mut::<LANES>() {
        *words = pulp::cast(v);
    }
}

/// How four 50-bit words are taken from 25 bytes: two from the first sixteen of them, two from the last.
#[derive(Clone, Copy)]
struct Unpacker {
    simd: V3,
    bytes: __m256i,
    shifts: __m256i,
    low: __m256i,
}

impl Unpacker {
    #[inline(always)]
    fn new(simd: V3) -> Self {
        // Words 0 and 1 start at bits 0 and 50 of the first half, words 2 and 3 at bits 28 and 78 of the second.
        let first = [0u8, 1, 2, 3, 4, 5, 6, 7, 6, 7, 8, 9, 10, 11, 12, 13];
        let second = [3u8, 4, 5, 6, 7, 8, 9, 10, 9, 10, 11, 12, 13, 14, 15, 15];
        Self {
            simd,
            bytes: pulp::cast([first, second]),
            shifts: pulp::cast([0u64, 2, 4, 6]),
            low: simd.avx._mm256_set1_epi64x((1 << 50) - 1),
        }
    }

    /// Vector `v` of columns `first .. first + C` of `rows`, row after row: added to `sums`, the plain sums from column `first`
    /// on, and as `floats`. `each` is called for every row.
    #[inline(always)]
    fn columns<const C: usize>(
        self,
        rows: &[&[[u8; GROUP_BYTES]]],
        v: usize,
        sums: &mut [u64],
        floats: &mut [Column],
        first: usize,
        mut each: impl FnMut(),
    ) {
        let mut totals: [_; C] = core::array::from_fn(|c| load(&sums[c * TILE + v * LANES..]));
        let floats = &mut floats[..C];
        for (slot, row) in rows.iter().enumerate().take(ROWS_PER_CALL) {
            each();
            let groups = &row[first * GROUPS + v / 2 * C..][..C];
            for c in 0..C {
                let words = self.unpack(&groups[c].as_chunks().0[v % 2]);
                totals[c] = self.simd.avx2._mm256_add_epi64(totals[c], words);
                floats[c][slot] = to_float(self.simd, words);
            }
        }
        for (c, total) in totals.into_iter().enumerate() {
            store(&mut sums[c * TILE + v * LANES..], total);
        }
    }

    /// Four packed words.
    #[inline(always)]
    fn unpack(self, bytes: &[u8; VECTOR_BYTES]) -> __m256i {
        let avx2 = self.simd.avx2;
        let bytes = self.simd.avx._mm256_set_m128i(half::<9>(bytes), half::<0>(bytes));
        let spread = avx2._mm256_shuffle_epi8(bytes, self.bytes);
        avx2._mm256_and_si256(avx2._mm256_srlv_epi64(spread, self.shifts), self.low)
    }
}

/// Sixteen of the bytes, from `START` on.
#[inline(always)]
fn half<const START: usize>(bytes: &[u8; VECTOR_BYTES]) -> __m128i {
    pulp::cast(*bytes[START..].first_chunk::<16>().unwrap_or(&[0; 16]))
}
