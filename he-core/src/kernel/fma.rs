//! The kernel with AVX2 and FMA, for x86-64 machines without AVX-512 IFMA; in safe code.
//!
//! These machines multiply 32-bit integers in vectors, but 53-bit floats. A product `a b` below 2^100 is taken apart exactly
//! by two fused multiply-adds: `a b + 2^104` rounds to `2^104 + 2^52 high`, and `a b - 2^52 high` is an integer `low` of at
//! most 51 bits with a sign. Both are read off as integers from the bits of floats of a known exponent, so they add up in
//! integer lanes like the halves of the other engines; what `low` borrows is settled once for each call.
#![allow(clippy::indexing_slicing)] // shapes are asserted by `TileSums::add`

use core::arch::x86_64::{__m128i, __m256d, __m256i};

use pulp::x86::V3;

use super::{BODY_WORDS, ROW_WORDS, Rows, TileSums};
use crate::arith::pack::GROUP_BYTES;
use crate::layout::{TILE, TILE_BYTES};

/// Words in a vector.
const LANES: usize = 4;
/// Vectors in a tile.
const VECTORS: usize = TILE / LANES;
/// Bytes of four packed words.
const VECTOR_BYTES: usize = GROUP_BYTES / 2;

const TWO_52: f64 = 4_503_599_627_370_496.0;
const TWO_104: f64 = TWO_52 * TWO_52;
/// `1.5 * 2^52`: adding it to an integer of at most 51 bits with a sign leaves the integer in the low bits.
const ROUNDER: f64 = 1.5 * TWO_52;
const LOW: u64 = (1 << 52) - 1;

/// Whether this machine has the instructions.
pub(super) fn available() -> bool {
    V3::try_new().is_some()
}

pub(super) fn add(sums: &mut TileSums, rows: &Rows<'_>) {
    if let Some(simd) = V3::try_new() {
        simd.vectorize(
            #[inline(always)]
            || add_rows(simd, sums, rows),
        );
    } else {
        super::portable::add(sums, rows);
    }
}

/// Column by column and vector by vector; for each the accumulators stay in registers over all rows.
#[inline(always)]
fn add_rows(simd: V3, sums: &mut TileSums, rows: &Rows<'_>) {
    let (bodies, count) = (sums.bodies, rows.selected.len());
    let unpacker = Unpacker::new(simd);
    for column in 0..=bodies {
        for v in 0..VECTORS {
            let place = Place { unpacker, rows, bodies, column, v };
            let total = &mut sums.sums[column * TILE + v * LANES..][..LANES];
            let mut plain = load(total);
            for (w, (d0, d1)) in rows.weights.iter().enumerate() {
                let mut halves = [Halves::new(simd); 2];
                for slot in 0..count {
                    let words = place.words(slot);
                    if w == 0 {
                        plain = simd.avx2._mm256_add_epi64(plain, words);
                    }
                    let b = to_float(simd, words);
                    let at = slot * ROW_WORDS + v * LANES;
                    halves[0].add(simd, b, to_float(simd, load(&d0[at..])));
                    halves[1].add(simd, b, to_float(simd, load(&d1[at..])));
                }
                let start = (w * (bodies + 1) + column) * BODY_WORDS + v / 2 * 32 + v % 2 * LANES;
                let [zero, one] = halves;
                zero.settle(count, &mut sums.products[start..]);
                one.settle(count, &mut sums.products[start + 16..]);
            }
            if rows.weights.is_empty() {
                for slot in 0..count {
                    plain = simd.avx2._mm256_add_epi64(plain, place.words(slot));
                }
            }
            total.copy_from_slice(&lanes(plain));
        }
    }
}

/// One vector of a column.
#[derive(Clone, Copy)]
struct Place<'a> {
    unpacker: Unpacker,
    rows: &'a Rows<'a>,
    bodies: usize,
    column: usize,
    v: usize,
}

impl Place<'_> {
    /// Its words in a row.
    #[inline(always)]
    fn words(self, slot: usize) -> __m256i {
        let Self { unpacker, rows, bodies, column, v } = self;
        if column < bodies {
            let tile = (rows.selected[slot] as usize * bodies + column) * TILE_BYTES;
            unpacker.unpack(&rows.packed[tile..][..TILE_BYTES], v)
        } else {
            load(&rows.masks[slot * ROW_WORDS + v * LANES..])
        }
    }
}

/// Sums of the two halves of products, as sums of the bits of floats.
#[derive(Clone, Copy)]
struct Halves {
    high: __m256i,
    low: __m256i,
}

impl Halves {
    #[inline(always)]
    fn new(simd: V3) -> Self {
        let zero = simd.avx._mm256_setzero_si256();
        Self { high: zero, low: zero }
    }

    #[inline(always)]
    fn add(&mut self, simd: V3, a: __m256d, b: __m256d) {
        let (avx, fma) = (simd.avx, simd.fma);
        let (shift, rounder) = (avx._mm256_set1_pd(TWO_104), avx._mm256_set1_pd(ROUNDER));
        let high = fma._mm256_fmadd_pd(a, b, shift);
        let low = fma._mm256_fmadd_pd(a, b, avx._mm256_sub_pd(shift, high));
        let low = avx._mm256_add_pd(low, rounder);
        self.high = simd.avx2._mm256_add_epi64(self.high, avx._mm256_castpd_si256(high));
        self.low = simd.avx2._mm256_add_epi64(self.low, avx._mm256_castpd_si256(low));
    }

    /// Takes the constants of `count` products off and adds the sums to accumulators laid out as those of the tile: four low
    /// halves, and the high ones eight words further. Low halves gain less than 2^52.
    #[inline(always)]
    fn settle(self, count: usize, accumulators: &mut [u64]) {
        let count = count as u64;
        let (low, high) = (lanes(self.low), lanes(self.high));
        for i in 0..LANES {
            let low = low[i].wrapping_sub(count.wrapping_mul(ROUNDER.to_bits())) as i64;
            let high = high[i].wrapping_sub(count.wrapping_mul(TWO_104.to_bits()));
            accumulators[i] += low as u64 & LOW;
            accumulators[8 + i] += high.wrapping_add_signed(low >> 52);
        }
    }
}

/// Words below 2^50 as floats.
#[inline(always)]
fn to_float(simd: V3, words: __m256i) -> __m256d {
    let exponent = simd.avx._mm256_set1_pd(TWO_52);
    let bits = simd.avx2._mm256_or_si256(words, simd.avx._mm256_castpd_si256(exponent));
    simd.avx._mm256_sub_pd(simd.avx._mm256_castsi256_pd(bits), exponent)
}

#[inline(always)]
fn load(words: &[u64]) -> __m256i {
    pulp::cast(*words.first_chunk::<LANES>().unwrap_or(&[0; LANES]))
}

#[inline(always)]
fn lanes(v: __m256i) -> [u64; LANES] {
    pulp::cast(v)
}

/// Sixteen bytes of a tile from `start` on; zeros past its end.
#[inline(always)]
fn half(tile: &[u8], start: usize) -> __m128i {
    let rest = &tile[start..];
    if let Some(bytes) = rest.first_chunk::<16>() {
        return pulp::cast(*bytes);
    }
    let mut padded = [0; 16];
    padded[..rest.len()].copy_from_slice(rest);
    pulp::cast(padded)
}

/// How four 50-bit words are taken from 25 bytes: two from each 16-byte half.
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
        // Words 0 and 2 start at byte 0 of their half, words 1 and 3 at byte 6.
        let half = [0u8, 1, 2, 3, 4, 5, 6, 7, 6, 7, 8, 9, 10, 11, 12, 13];
        Self {
            simd,
            bytes: pulp::cast([half, half]),
            shifts: pulp::cast([0u64, 2, 4, 6]),
            low: simd.avx._mm256_set1_epi64x((1 << 50) - 1),
        }
    }

    /// Vector `v` of a packed tile.
    #[inline(always)]
    fn unpack(self, tile: &[u8], v: usize) -> __m256i {
        let avx2 = self.simd.avx2;
        let (first, second) = (half(tile, v * VECTOR_BYTES), half(tile, v * VECTOR_BYTES + 12));
        let bytes = self.simd.avx._mm256_set_m128i(second, first);
        let spread = avx2._mm256_shuffle_epi8(bytes, self.bytes);
        avx2._mm256_and_si256(avx2._mm256_srlv_epi64(spread, self.shifts), self.low)
    }
}
