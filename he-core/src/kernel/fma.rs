//! The kernel with AVX2 and FMA, for x86-64 machines without AVX-512 IFMA; in safe code.
//!
//! These machines multiply 32-bit integers in vectors, but 53-bit floats. A product `a b` below 2^100 is taken apart exactly
//! by two fused multiply-adds: `a b + 2^100` rounds to `2^100 + 2^48 high`, and `a b - 2^48 high` is an integer `low` of at
//! most 2^47 with a sign. The first adds up as an integer, from the bits of a float of a known exponent, the second as a float:
//! sixteen of them are at most 2^51. Accumulators hold both as they are, exponents included: [`total`] makes a number of them.
#![allow(clippy::indexing_slicing)] // shapes are asserted by `TileSums::add`

use core::arch::x86_64::{__m128i, __m256d, __m256i};

use pulp::x86::V3;

use super::ahead::Ahead;
use super::{BODY_WORDS, ROW_WORDS, ROWS_PER_CALL, Rows, TileSums};
use crate::arith::lanes::{SHIFT, vector_to_float};
use crate::arith::pack::{self, GROUP_BYTES};
use crate::layout::{ABREAST, BODIES, GROUPS};

/// Columns that are multiplied together, so that weights are loaded once for both.
const COLUMNS: usize = 2;
/// A pass over the rows of columns that are multiplied takes as long as this many rows of columns that are unpacked.
const PASS: usize = 4;
/// Words of one group.
type Words = [u64; 8];

/// Added to a product below 2^100, it leaves a float of a known exponent, whose last bit is worth 2^48.
const TWO_100: f64 = SHIFT * 281_474_976_710_656.0;
/// `1.5 * 2^52`: adding it to an integer of at most 2^51 with a sign leaves the integer in the low bits.
const ROUNDER: f64 = 1.5 * SHIFT;

/// Whether this machine has the instructions.
pub(super) fn available() -> bool {
    V3::try_new().is_some()
}

pub(super) fn add(sums: &mut TileSums, rows: &Rows<'_>) {
    assert!(available(), "an engine that this machine has");
    if let Some(simd) = V3::try_new() {
        simd.vectorize(AddRows { simd, sums, rows });
    }
}

/// The sum of products of which an accumulator holds these halves, after so many rows in so many calls: each row left the
/// exponent of a product, each call a rounder.
pub(super) fn total(low: u64, high: u64, rows: u64, calls: u64) -> u128 {
    let high = high.wrapping_sub(TWO_100.to_bits().wrapping_mul(rows));
    let low = low.wrapping_sub(ROUNDER.to_bits().wrapping_mul(calls)) as i64;
    (u128::from(high) << 48).wrapping_add_signed(low.into())
}

/// [`crate::arith::pack::unpack`].
pub(super) fn unpack(bytes: &[u8], words: &mut [u64]) {
    match V3::try_new() {
        Some(simd) => simd.vectorize(Unpack { simd, bytes, words }),
        None => pack::unpack(bytes, words),
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

/// The same of unpacking.
struct Unpack<'a> {
    simd: V3,
    bytes: &'a [u8],
    words: &'a mut [u64],
}

impl pulp::NullaryFnOnce for Unpack<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (outer, inner) = (Vector::<OUTER>::new(self.simd), Vector::<INNER>::new(self.simd));
        for (group, words) in self.bytes.as_chunks().0.iter().zip(self.words.as_chunks_mut().0) {
            outer.store(words, outer.unpack(group));
            inner.store(words, inner.unpack(group));
        }
    }
}

/// One vector of one column, row after row, as floats.
type Column = [__m256d; ROWS_PER_CALL];
/// One vector of a weight's `d0` and `d1`, in the same way.
type Factors = [[__m256d; 2]; ROWS_PER_CALL];

/// Vector by vector: the words of all columns and rows are unpacked, added up and turned into floats, which then are
/// multiplied with each weight.
#[inline(always)]
fn add_rows(simd: V3, sums: &mut TileSums, rows: &Rows<'_>) {
    let (bodies, count) = (sums.bodies.min(BODIES), rows.selected.len().min(ROWS_PER_CALL));
    let groups = rows.packed.as_chunks::<GROUP_BYTES>().0;
    let mut packed = [&groups[..0]; ROWS_PER_CALL];
    for (slot, &row) in packed.iter_mut().zip(rows.selected) {
        *slot = &groups[row as usize * bodies * GROUPS..][..bodies * GROUPS];
    }
    let zero = simd.avx._mm256_setzero_pd();
    let mut floats = [[zero; ROWS_PER_CALL]; BODIES + 1];
    let mut factors = [[zero; 2]; ROWS_PER_CALL];
    let (outer, inner) = (Vector::<OUTER>::new(simd), Vector::<INNER>::new(simd));
    for g in 0..GROUPS {
        outer.add(sums, rows, &packed[..count], &mut floats[..=bodies], &mut factors, g);
        inner.add(sums, rows, &packed[..count], &mut floats[..=bodies], &mut factors, g);
    }
}

/// Words 0, 1, 6 and 7 of a group.
const OUTER: bool = false;
/// Words 2 to 5, whose bytes one load brings: 9 to 40 of 50, in whose halves lie two words each.
const INNER: bool = true;

/// How four words of a group are loaded, stored and taken from its bytes.
#[derive(Clone, Copy)]
struct Vector<const HALF: bool> {
    simd: V3,
    bytes: __m256i,
    shifts: __m256i,
    low: __m256i,
}

impl<const HALF: bool> Vector<HALF> {
    #[inline(always)]
    fn new(simd: V3) -> Self {
        // In sixteen bytes two words begin at bits 0 and 50, or at bits 28 and 78.
        let begin = [0u8, 1, 2, 3, 4, 5, 6, 7, 6, 7, 8, 9, 10, 11, 12, 13];
        let end = [3u8, 4, 5, 6, 7, 8, 9, 10, 9, 10, 11, 12, 13, 14, 15, 15];
        let (bytes, shifts) = match HALF {
            OUTER => ([begin, end], [0u64, 2, 4, 6]),
            INNER => ([end, begin], [4, 6, 0, 2]),
        };
        let low = simd.avx._mm256_set1_epi64x((1 << 50) - 1);
        Self { simd, bytes: pulp::cast(bytes), shifts: pulp::cast(shifts), low }
    }

    #[inline(always)]
    fn load(self, w: &Words) -> __m256i {
        match HALF {
            OUTER => self.join(pulp::cast([w[0], w[1]]), pulp::cast([w[6], w[7]])),
            INNER => pulp::cast([w[2], w[3], w[4], w[5]]),
        }
    }

    #[inline(always)]
    fn store(self, w: &mut Words, v: __m256i) {
        let v: [u64; 4] = pulp::cast(v);
        match HALF {
            OUTER => ([w[0], w[1]], [w[6], w[7]]) = ([v[0], v[1]], [v[2], v[3]]),
            INNER => [w[2], w[3], w[4], w[5]] = v,
        }
    }

    /// Four words of a packed group.
    #[inline(always)]
    fn unpack(self, group: &[u8; GROUP_BYTES]) -> __m256i {
        let avx2 = self.simd.avx2;
        let bytes = match HALF {
            OUTER => {
                self.join(pulp::cast(window::<0, 16>(group)), pulp::cast(window::<34, 16>(group)))
            }
            INNER => pulp::cast(window::<9, 32>(group)),
        };
        let spread = avx2._mm256_shuffle_epi8(bytes, self.bytes);
        avx2._mm256_and_si256(avx2._mm256_srlv_epi64(spread, self.shifts), self.low)
    }

    #[inline(always)]
    fn join(self, low: __m128i, high: __m128i) -> __m256i {
        self.simd.avx._mm256_set_m128i(high, low)
    }

    /// Adds group `g` of all rows.
    #[inline(always)]
    fn add(
        self,
        sums: &mut TileSums,
        rows: &Rows<'_>,
        packed: &[&[[u8; GROUP_BYTES]]],
        floats: &mut [Column],
        factors: &mut Factors,
        g: usize,
    ) {
        let (bodies, count) = (floats.len() - 1, packed.len());
        let (step, steps) = (2 * g + usize::from(HALF), 2 * GROUPS);
        let passes = floats.len().div_ceil(COLUMNS) * rows.weights.len();
        let parts = count * bodies.div_ceil(ABREAST) + PASS * passes;
        let mut ahead = Ahead::new(rows.ahead, step, steps, parts);
        let plain = sums.sums.as_chunks_mut().0;
        for first in (0..bodies).step_by(ABREAST) {
            let (plain, floats) = (&mut plain[first * GROUPS..], &mut floats[first..]);
            match bodies - first {
                1 => self.columns::<1>(packed, g, plain, floats, first, &mut ahead),
                2 => self.columns::<2>(packed, g, plain, floats, first, &mut ahead),
                3 => self.columns::<3>(packed, g, plain, floats, first, &mut ahead),
                _ => self.columns::<4>(packed, g, plain, floats, first, &mut ahead),
            }
        }
        self.masks(rows.masks, g, &mut plain[bodies * GROUPS..], &mut floats[bodies]);
        for bytes in rows.weights_ahead {
            Ahead::new(bytes, step, steps, 1).fetch(1);
        }
        let accumulators = sums.products.as_chunks_mut::<BODY_WORDS>().0;
        for (weight, columns) in
            rows.weights.iter().zip(accumulators.chunks_exact_mut(floats.len()))
        {
            self.weights(weight, g, factors);
            let (pairs, single) = columns.as_chunks_mut::<COLUMNS>();
            let (float_pairs, single_float) = floats.as_chunks::<COLUMNS>();
            for (accumulators, column) in pairs.iter_mut().zip(float_pairs) {
                ahead.fetch(PASS);
                self.multiply(accumulators, column, factors, count, g);
            }
            for (accumulators, column) in single.iter_mut().zip(single_float) {
                ahead.fetch(PASS);
                let accumulators = core::array::from_mut(accumulators);
                self.multiply(accumulators, core::array::from_ref(column), factors, count, g);
            }
        }
    }

    /// Group `g` of columns `first .. first + C`, row after row: added to `sums`, the plain sums from column `first` on, and as
    /// `floats`.
    #[inline(always)]
    fn columns<const C: usize>(
        self,
        rows: &[&[[u8; GROUP_BYTES]]],
        g: usize,
        sums: &mut [Words],
        floats: &mut [Column],
        first: usize,
        ahead: &mut Ahead<'_>,
    ) {
        let mut totals: [_; C] = core::array::from_fn(|c| self.load(&sums[c * GROUPS + g]));
        let floats = &mut floats[..C];
        for (slot, row) in rows.iter().enumerate().take(ROWS_PER_CALL) {
            ahead.fetch(1);
            let groups = &row[first * GROUPS + g * C..][..C];
            for c in 0..C {
                let words = self.unpack(&groups[c]);
                totals[c] = self.simd.avx2._mm256_add_epi64(totals[c], words);
                floats[c][slot] = vector_to_float(self.simd, words);
            }
        }
        for (c, total) in totals.into_iter().enumerate() {
            self.store(&mut sums[c * GROUPS + g], total);
        }
    }

    /// The same of the masks.
    #[inline(always)]
    fn masks(self, masks: &[u64], g: usize, sums: &mut [Words], floats: &mut Column) {
        let mut total = self.load(&sums[g]);
        for (mask, float) in masks.as_chunks::<ROW_WORDS>().0.iter().zip(floats) {
            let words = self.load(&mask.as_chunks().0[g]);
            total = self.simd.avx2._mm256_add_epi64(total, words);
            *float = vector_to_float(self.simd, words);
        }
        self.store(&mut sums[g], total);
    }

    /// Group `g` of a weight as floats.
    #[inline(always)]
    fn weights(self, (d0, d1): &(&[u64], &[u64]), g: usize, factors: &mut Factors) {
        let rows = d0.as_chunks::<ROW_WORDS>().0.iter().zip(d1.as_chunks::<ROW_WORDS>().0);
        for (factors, (d0, d1)) in factors.iter_mut().zip(rows) {
            let [d0, d1] = [self.load(&d0.as_chunks().0[g]), self.load(&d1.as_chunks().0[g])];
            *factors = [vector_to_float(self.simd, d0), vector_to_float(self.simd, d1)];
        }
    }

    /// Adds the products of C columns with a weight.
    #[inline(always)]
    fn multiply<const C: usize>(
        self,
        accumulators: &mut [[u64; BODY_WORDS]; C],
        columns: &[Column; C],
        factors: &Factors,
        rows: usize,
        g: usize,
    ) {
        let (avx, avx2, fma) = (self.simd.avx, self.simd.avx2, self.simd.fma);
        let shift = avx._mm256_set1_pd(TWO_100);
        let mut lows = [[avx._mm256_setzero_pd(); 2]; C];
        let mut highs: [[_; 2]; C] = core::array::from_fn(|c| {
            let words = &accumulators[c].as_chunks().0[4 * g..][..4];
            [self.load(&words[1]), self.load(&words[3])]
        });
        for row in 0..rows.min(ROWS_PER_CALL) {
            for c in 0..C {
                let a = columns[c][row];
                for (i, &b) in factors[row].iter().enumerate() {
                    let high = fma._mm256_fmadd_pd(a, b, shift);
                    highs[c][i] = avx2._mm256_add_epi64(highs[c][i], avx._mm256_castpd_si256(high));
                    let low = fma._mm256_fmadd_pd(a, b, avx._mm256_sub_pd(shift, high));
                    lows[c][i] = avx._mm256_add_pd(lows[c][i], low);
                }
            }
        }
        let rounder = avx._mm256_set1_pd(ROUNDER);
        for c in 0..C {
            let words = &mut accumulators[c].as_chunks_mut().0[4 * g..][..4];
            for i in 0..2 {
                let low = avx._mm256_castpd_si256(avx._mm256_add_pd(lows[c][i], rounder));
                let low = avx2._mm256_add_epi64(low, self.load(&words[2 * i]));
                self.store(&mut words[2 * i], low);
                self.store(&mut words[2 * i + 1], highs[c][i]);
            }
        }
    }
}

/// N of the bytes of a group, from `START` on.
#[inline(always)]
fn window<const START: usize, const N: usize>(group: &[u8; GROUP_BYTES]) -> [u8; N] {
    *group[START..].first_chunk().unwrap_or(&[0; N])
}
