//! The kernel with AVX-512 IFMA and VBMI: with [`super::ctr`] and [`super::ahead`] the only modules of the project with `unsafe`
//! code.
//!
//! # Audit
//!
//! * Every `#[target_feature]` function is reached only through a safe wrapper that asserts [`available`].
//! * All loads and stores go through [`load`], [`store`], [`load_packed`] and [`store_packed`], which take array references; the packed
//!   ones touch exactly 50 bytes (masked lanes do not fault).
//! * `ctr`, the counter-mode stream, touches memory through [`store`] and [`super::ctr::load_block`] alone.
//! * Row numbers, body counts and lengths were checked by `TileSums::add`; the slices taken here check them again.

#![allow(clippy::indexing_slicing)] // shapes are asserted by `TileSums::add`, and slicing checks them again

pub(super) mod ctr;

use core::arch::x86_64::*;

use super::ahead::Ahead;
use super::encode::HALF;
use super::{BODY_WORDS, GROUPS, ROW_WORDS, ROWS_PER_CALL, Rows, TileSums};
use crate::arith::Modulus;
use crate::arith::pack::{GROUP_BYTES, packed_len};
use crate::layout::{ABREAST, TILE};
use crate::params::ERROR_ETA;

/// Bodies that are added together, so that weights are loaded once for all of them: those that lie side by side.
const COLUMNS: usize = ABREAST;
/// Packed groups of C bodies in a row, side by side.
type Columns<const C: usize> = [[[u8; GROUP_BYTES]; C]; GROUPS];

/// Whether this machine has the instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512ifma")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("aes")
        && is_x86_feature_detected!("vaes")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vpopcntdq")
}

pub(super) fn add(sums: &mut TileSums, rows: &Rows<'_>) {
    assert!(available());
    // SAFETY: the instructions were just found to be available.
    unsafe { add_rows(sums, rows) }
}

pub(super) fn encode(modulus: Modulus, delta: u64, values: &[i8], noise: &[u64], out: &mut [u64]) {
    assert!(available() && delta < modulus.value());
    // SAFETY: the instructions were just found to be available.
    unsafe { encode_vectors(modulus, delta, values, noise, out) }
}

pub(super) fn unpack(bytes: &[u8], words: &mut [u64]) {
    assert!(available() && bytes.len() == packed_len(words.len()));
    // SAFETY: the instructions were just found to be available.
    unsafe { unpack_words(bytes, words) }
}

pub(super) fn pack<'a>(groups: impl Iterator<Item = &'a [u64; 8]>, bytes: &mut [u8]) {
    assert!(available());
    // SAFETY: the instructions were just found to be available.
    unsafe { pack_words(groups, bytes) }
}

pub(super) fn largest_packed(bytes: &[u8]) -> u64 {
    assert!(available());
    // SAFETY: the instructions were just found to be available.
    unsafe { largest_word(bytes) }
}

pub(super) fn multiply_add(modulus: Modulus, a: &[u64], b: &[u64], acc: &mut [u64]) {
    assert!(available());
    // SAFETY: the instructions were just found to be available.
    unsafe { multiply_add_vectors(modulus, a, b, acc) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(words: &[u64; 8]) -> __m512i {
    // SAFETY: reads the 64 bytes of the array; unaligned loads are allowed.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(words: &mut [u64; 8], v: __m512i) {
    // SAFETY: writes the 64 bytes of the array; unaligned stores are allowed.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), v) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_packed(bytes: &[u8; GROUP_BYTES]) -> __m512i {
    // SAFETY: the mask selects the 50 bytes of the array; masked-out bytes are not accessed.
    unsafe { _mm512_maskz_loadu_epi8((1 << GROUP_BYTES) - 1, bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn store_packed(bytes: &mut [u8; GROUP_BYTES], v: __m512i) {
    // SAFETY: the mask selects the 50 bytes of the array; masked-out bytes are not accessed.
    unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast(), (1 << GROUP_BYTES) - 1, v) }
}

/// How eight 50-bit words are taken apart: word i starts in byte `50 i / 8`, at bit `50 i % 8` of it.
#[derive(Clone, Copy)]
struct Unpacker {
    bytes: __m512i,
    shifts: __m512i,
    low: __m512i,
}

impl Unpacker {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new() -> Self {
        let byte = |i: u64| (0..8).fold(0, |lane, b| lane | (50 * i / 8 + b) << (8 * b)) as i64;
        let shift = |i: u64| (50 * i % 8) as i64;
        Self {
            bytes: _mm512_setr_epi64(
                byte(0),
                byte(1),
                byte(2),
                byte(3),
                byte(4),
                byte(5),
                byte(6),
                byte(7),
            ),
            shifts: _mm512_setr_epi64(
                shift(0),
                shift(1),
                shift(2),
                shift(3),
                shift(4),
                shift(5),
                shift(6),
                shift(7),
            ),
            low: _mm512_set1_epi64((1 << 50) - 1),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn unpack(self, bytes: __m512i) -> __m512i {
        let spread = _mm512_permutexvar_epi8(self.bytes, bytes);
        _mm512_and_si512(_mm512_srlv_epi64(spread, self.shifts), self.low)
    }
}

#[target_feature(enable = "avx512f,avx512dq,avx512ifma,avx512vpopcntdq")]
fn encode_vectors(modulus: Modulus, delta: u64, values: &[i8], noise: &[u64], out: &mut [u64]) {
    let p = _mm512_set1_epi64(modulus.value() as i64);
    let (half, delta) = (_mm512_set1_epi64(HALF as i64), _mm512_set1_epi64(delta as i64));
    let offset = _mm512_set1_epi64(128 * modulus.value() as i64); // makes the smallest value, -128 (p - 1) - 21, positive
    let (low50, fold) =
        (_mm512_set1_epi64((1 << 50) - 1), _mm512_set1_epi64(modulus.fold_factor() as i64));
    let vectors = out.as_chunks_mut::<8>().0.iter_mut();
    let inputs = values.as_chunks::<8>().0.iter().zip(noise.as_chunks::<8>().0);
    for (out, (values, noise)) in vectors.zip(inputs) {
        let bits = load(noise);
        let plus = _mm512_popcnt_epi64(_mm512_and_si512(bits, half));
        let upper = _mm512_and_si512(_mm512_srli_epi64::<ERROR_ETA>(bits), half);
        let error = _mm512_sub_epi64(plus, _mm512_popcnt_epi64(upper));
        let packed = i64::from_le_bytes(values.map(|v| v as u8));
        let value = _mm512_cvtepi8_epi64(_mm_cvtsi64_si128(packed));
        let x = _mm512_add_epi64(_mm512_mullo_epi64(value, delta), error);
        let x = _mm512_add_epi64(x, offset); // < 2^58
        let x = _mm512_madd52lo_epu64(_mm512_and_si512(x, low50), _mm512_srli_epi64::<50>(x), fold);
        // < 2^50 + 2^33 < 2 p
        store(out, _mm512_min_epu64(x, _mm512_sub_epi64(x, p)));
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn unpack_words(bytes: &[u8], words: &mut [u64]) {
    let unpacker = Unpacker::new();
    for (group, out) in bytes.as_chunks().0.iter().zip(words.as_chunks_mut().0) {
        store(out, unpacker.unpack(load_packed(group)));
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn largest_word(bytes: &[u8]) -> u64 {
    let unpacker = Unpacker::new();
    let mut largest = _mm512_setzero_si512();
    for group in bytes.as_chunks().0 {
        largest = _mm512_max_epu64(largest, unpacker.unpack(load_packed(group)));
    }
    _mm512_reduce_max_epu64(largest)
}

/// Each of the seven 64-bit words of a group joins the end of one word with the beginning of the next, the fourth one with
/// another beginning: three permutations and shifts.
#[target_feature(enable = "avx512f,avx512bw")]
fn pack_words<'a>(groups: impl Iterator<Item = &'a [u64; 8]>, bytes: &mut [u8]) {
    let ends = _mm512_setr_epi64(0, 1, 2, 3, 5, 6, 7, 7);
    let down = _mm512_setr_epi64(0, 14, 28, 42, 6, 20, 34, 64);
    let starts = _mm512_setr_epi64(1, 2, 3, 4, 6, 7, 7, 7);
    let up = _mm512_setr_epi64(50, 36, 22, 8, 44, 30, 64, 64);
    let fifth = _mm512_set1_epi64(5);
    let last = _mm512_setr_epi64(64, 64, 64, 58, 64, 64, 64, 64); // 64 shifts everything out
    for (group, out) in groups.zip(bytes.as_chunks_mut().0) {
        let word = load(group);
        let a = _mm512_srlv_epi64(_mm512_permutexvar_epi64(ends, word), down);
        let b = _mm512_sllv_epi64(_mm512_permutexvar_epi64(starts, word), up);
        let c = _mm512_sllv_epi64(_mm512_permutexvar_epi64(fifth, word), last);
        store_packed(out, _mm512_or_si512(_mm512_or_si512(a, b), c));
    }
}

/// Adds all rows to all columns, [`COLUMNS`] at a time. For each vector group the accumulators of these columns stay in
/// registers over all rows.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma,avx512vbmi")]
fn add_rows(sums: &mut TileSums, rows: &Rows<'_>) {
    let bodies = sums.bodies;
    let mut first = 0;
    while first < bodies {
        match bodies - first {
            1 => add_bodies::<1>(sums, rows, first),
            2 => add_bodies::<2>(sums, rows, first),
            3 => add_bodies::<3>(sums, rows, first),
            _ => add_bodies::<4>(sums, rows, first),
        }
        first += COLUMNS;
    }
    add_masks(sums, rows);
}

/// Adds the masks, the last column, four vector groups at a time: one alone would wait for its own products.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma,avx512vbmi")]
fn add_masks(sums: &mut TileSums, rows: &Rows<'_>) {
    let masks = rows.masks.as_chunks::<ROW_WORDS>().0;
    let totals = sums.sums[sums.bodies * TILE..].as_chunks_mut::<8>().0;
    for (g, total) in totals.iter_mut().enumerate().take(GROUPS) {
        let sum = masks
            .iter()
            .fold(load(total), |sum, mask| _mm512_add_epi64(sum, load(&mask.as_chunks().0[g])));
        store(total, sum);
    }
    for (w, (d0, d1)) in rows.weights.iter().enumerate() {
        let start = (w * (sums.bodies + 1) + sums.bodies) * BODY_WORDS;
        let products = sums.products[start..][..BODY_WORDS].as_chunks_mut::<8>().0;
        let (d0, d1) = (d0.as_chunks::<ROW_WORDS>().0, d1.as_chunks::<ROW_WORDS>().0);
        for (quarter, products) in
            products.as_chunks_mut::<4>().0.as_chunks_mut::<4>().0.iter_mut().enumerate()
        {
            let mut sums: [[__m512i; 4]; 4] =
                core::array::from_fn(|c| core::array::from_fn(|i| load(&products[c][i])));
            for ((mask, d0), d1) in masks.iter().zip(d0).zip(d1) {
                for (c, sum) in sums.iter_mut().enumerate() {
                    let g = 4 * quarter + c;
                    let [mask, x, y] = [mask, d0, d1].map(|row| load(&row.as_chunks().0[g]));
                    multiply(sum, mask, x, y);
                }
            }
            for (c, sum) in sums.into_iter().enumerate() {
                for (i, sum) in sum.into_iter().enumerate() {
                    store(&mut products[c][i], sum);
                }
            }
        }
    }
}

/// Adds the halves of `b x` and `b y`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn multiply(sum: &mut [__m512i; 4], b: __m512i, x: __m512i, y: __m512i) {
    sum[0] = _mm512_madd52lo_epu64(sum[0], b, x);
    sum[1] = _mm512_madd52hi_epu64(sum[1], b, x);
    sum[2] = _mm512_madd52lo_epu64(sum[2], b, y);
    sum[3] = _mm512_madd52hi_epu64(sum[3], b, y);
}

/// Adds bodies `first .. first + C`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma,avx512vbmi")]
fn add_bodies<const C: usize>(sums: &mut TileSums, rows: &Rows<'_>, first: usize) {
    let (bodies, count) = (sums.bodies, rows.selected.len());
    let groups = rows.packed.as_chunks::<GROUP_BYTES>().0;
    let mut columns: [&Columns<C>; ROWS_PER_CALL] = [&[[[0; GROUP_BYTES]; C]; GROUPS]; _];
    for (columns, &row) in columns.iter_mut().zip(rows.selected) {
        let own = groups[(row as usize * bodies + first) * GROUPS..].as_chunks().0;
        *columns = own.first_chunk().unwrap_or(columns);
    }
    let columns = &columns[..count];
    let unpacker = Unpacker::new();
    let totals = &mut sums.sums[first * TILE..][..C * TILE].as_chunks_mut::<8>().0[..C * GROUPS];
    let products = &mut sums.products[..];
    let steps = bodies.div_ceil(COLUMNS) * GROUPS;
    for g in 0..GROUPS {
        let step = first / COLUMNS * GROUPS + g;
        let mut lines = Ahead::new(rows.ahead, step, steps, count);
        let total: [_; C] = core::array::from_fn(|c| load(&totals[c * GROUPS + g]));
        let words = |columns: &Columns<C>| -> [__m512i; C] {
            lines.fetch(1);
            columns[g].each_ref().map(|packed| unpacker.unpack(load_packed(packed)))
        };
        let total = match rows.weights {
            [] => columns.iter().copied().map(words).fold(total, |sum, words| plus(sum, words)),
            [weight] => {
                let products = &mut products[first * BODY_WORDS..][..C * BODY_WORDS];
                multiply_rows(products, weight, columns, g, total, words)
            }
            weights => {
                let products = &mut products[first * BODY_WORDS..];
                multiply_many(products, bodies + 1, weights, columns, g, total, words)
            }
        };
        for (c, total) in total.into_iter().enumerate() {
            store(&mut totals[c * GROUPS + g], total);
        }
        for bytes in rows.weights_ahead {
            Ahead::new(bytes, step, steps, 1).fetch(1);
        }
    }
}

/// The plain sums `total` and one row's words more. Handed on by value: what a closure has a reference to is stored for each row.
#[inline]
#[target_feature(enable = "avx512f")]
fn plus<const C: usize>(total: [__m512i; C], words: [__m512i; C]) -> [__m512i; C] {
    core::array::from_fn(|c| _mm512_add_epi64(total[c], words[c]))
}

/// Multiplies one vector group of C columns with several weight vectors; `products` are those of the first one, the next
/// one's lie `columns` further. Returns the plain sums.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma,avx512vbmi")]
fn multiply_many<const C: usize, R: Copy>(
    products: &mut [u64],
    columns: usize,
    weights: &[(&[u64], &[u64])],
    rows: &[R],
    g: usize,
    mut total: [__m512i; C],
    mut words: impl FnMut(R) -> [__m512i; C],
) -> [__m512i; C] {
    // Words are unpacked once, for the plain sums and for all products.
    let mut unpacked = [[_mm512_setzero_si512(); C]; ROWS_PER_CALL];
    for (slot, &row) in unpacked.iter_mut().zip(rows) {
        *slot = words(row);
        total = plus(total, *slot);
    }
    for (w, weight) in weights.iter().enumerate() {
        let products = &mut products[w * columns * BODY_WORDS..][..C * BODY_WORDS];
        multiply_rows(products, weight, &unpacked[..rows.len()], g, total, |words| words);
    }
    total
}

/// Multiplies one vector group of C columns with one weight vector, over all rows. Returns the plain sums.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma,avx512vbmi")]
fn multiply_rows<const C: usize, R: Copy>(
    products: &mut [u64],
    (d0, d1): &(&[u64], &[u64]),
    rows: &[R],
    g: usize,
    mut total: [__m512i; C],
    mut words: impl FnMut(R) -> [__m512i; C],
) -> [__m512i; C] {
    let accumulators = &mut products.as_chunks_mut::<BODY_WORDS>().0[..C];
    let mut sums: [[__m512i; 4]; C] = core::array::from_fn(|c| {
        core::array::from_fn(|i| load(&accumulators[c].as_chunks().0[4 * g + i]))
    });
    let (d0, d1) = (d0.as_chunks::<ROW_WORDS>().0, d1.as_chunks::<ROW_WORDS>().0);
    for ((&row, d0), d1) in rows.iter().zip(d0).zip(d1) {
        let (x, y) = (load(&d0.as_chunks().0[g]), load(&d1.as_chunks().0[g]));
        let words = words(row);
        total = plus(total, words);
        for (sum, b) in sums.iter_mut().zip(words) {
            multiply(sum, b, x, y);
        }
    }
    for (c, sum) in sums.into_iter().enumerate() {
        for (i, sum) in sum.into_iter().enumerate() {
            store(&mut accumulators[c].as_chunks_mut().0[4 * g + i], sum);
        }
    }
    total
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma,avx512vbmi")]
fn multiply_add_vectors(modulus: Modulus, a: &[u64], b: &[u64], acc: &mut [u64]) {
    let p = _mm512_set1_epi64(modulus.value() as i64);
    let fold50 = _mm512_set1_epi64(modulus.fold_factor() as i64); // 2^50 = c
    let fold52 = _mm512_set1_epi64(4 * modulus.fold_factor() as i64); // 2^52 = 4 c
    let low50 = _mm512_set1_epi64((1 << 50) - 1);
    let zero = _mm512_setzero_si512();
    let (vectors, rest) = acc.as_chunks_mut::<8>();
    assert!(rest.is_empty(), "whole vectors");
    for ((a, b), acc) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).zip(vectors) {
        let (a, b) = (load(a), load(b));
        let low = _mm512_madd52lo_epu64(load(acc), a, b); // < 2^50 + 2^52
        let high = _mm512_madd52hi_epu64(zero, a, b); // < 2^48
        let folded = _mm512_madd52lo_epu64(low, high, fold52); // < 2^50 + 2^53
        let carry = _mm512_madd52hi_epu64(zero, high, fold52); // < 2^23
        let x = _mm512_madd52lo_epu64(folded, carry, fold52); // < 2^54
        let top = _mm512_srli_epi64::<50>(x);
        let x = _mm512_madd52lo_epu64(_mm512_and_si512(x, low50), top, fold50); // < 2^50 + 2^29 < 2 p
        store(acc, _mm512_min_epu64(x, _mm512_sub_epi64(x, p)));
    }
}
