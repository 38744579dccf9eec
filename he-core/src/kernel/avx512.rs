//! The kernel with AVX-512 IFMA and VBMI: the only module of the project with `unsafe` code.
//!
//! # Audit
//!
//! * Every `#[target_feature]` function is reached only through a safe wrapper that asserts [`available`] or is called by
//!   [`super::Engine`], whose `Avx512` value [`super::Engine::detect`] creates only if [`available`].
//! * All loads and stores go through [`load`], [`store`] and [`load_packed`], which take slices or array references of
//!   sufficient length; `load_packed` reads exactly 50 bytes (masked lanes do not fault).
//! * Row numbers, body counts and lengths were checked by `TileSums::add`; the slices taken here check them again.

#![allow(clippy::indexing_slicing)] // shapes are asserted by `TileSums::add`, and slicing checks them again

use core::arch::x86_64::*;

use super::{BODY_WORDS, GROUPS, Rows, TileSums};
use crate::arith::Modulus;
use crate::arith::pack::GROUP_BYTES;
use crate::layout::{TILE, TILE_BYTES};

/// Rows whose products are added while an accumulator is in registers.
const ROW_BLOCK: usize = 4;

/// Whether this machine has the instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512ifma")
        && is_x86_feature_detected!("avx512vbmi")
}

pub(super) fn add(sums: &mut TileSums, rows: &Rows<'_>) {
    assert!(available());
    // SAFETY: the instructions were just found to be available.
    unsafe { add_rows(sums, rows) }
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

/// How eight 50-bit words are taken apart: word i starts in byte `50 i / 8`, at bit `50 i % 8`.
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
    fn unpack(self, group: &[u8; GROUP_BYTES]) -> __m512i {
        let spread = _mm512_permutexvar_epi8(self.bytes, load_packed(group));
        _mm512_and_si512(_mm512_srlv_epi64(spread, self.shifts), self.low)
    }
}

/// The tile of one body in one row, as groups of eight packed words.
fn groups_of<'a>(
    rows: &Rows<'a>,
    bodies: usize,
    slot: usize,
    body: usize,
) -> &'a [[u8; GROUP_BYTES]] {
    let start = (rows.selected[slot] as usize * bodies + body) * TILE_BYTES;
    rows.packed[start..start + TILE_BYTES].as_chunks().0
}

fn words_of(words: &[u64], slot: usize) -> &[[u64; 8]] {
    words[slot * TILE..][..TILE].as_chunks().0
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma,avx512vbmi")]
fn add_rows(sums: &mut TileSums, rows: &Rows<'_>) {
    let count = rows.selected.len();
    let whole = count - count % ROW_BLOCK;
    for first in (0..whole).step_by(ROW_BLOCK) {
        add_block::<ROW_BLOCK>(sums, rows, first);
    }
    for first in whole..count {
        add_block::<1>(sums, rows, first);
    }
}

/// Adds rows `first .. first + R`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma,avx512vbmi")]
fn add_block<const R: usize>(sums: &mut TileSums, rows: &Rows<'_>, first: usize) {
    let unpacker = Unpacker::new();
    let bodies = sums.bodies;
    for column in 0..=bodies {
        let totals = &mut sums.sums[column * TILE..][..TILE].as_chunks_mut::<8>().0[..GROUPS];
        if column < bodies {
            let packed: [_; R] =
                core::array::from_fn(|r| &groups_of(rows, bodies, first + r, column)[..GROUPS]);
            let value = |r: usize, g: usize| unpacker.unpack(&packed[r][g]);
            add_column::<R>(totals, &mut sums.products, rows, first, column, bodies, value);
        } else {
            let masks: [_; R] =
                core::array::from_fn(|r| &words_of(rows.masks, first + r)[..GROUPS]);
            let value = |r: usize, g: usize| load(&masks[r][g]);
            add_column::<R>(totals, &mut sums.products, rows, first, column, bodies, value);
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma,avx512vbmi")]
fn add_column<const R: usize>(
    totals: &mut [[u64; 8]],
    products: &mut [u64],
    rows: &Rows<'_>,
    first: usize,
    column: usize,
    bodies: usize,
    value: impl Fn(usize, usize) -> __m512i + Copy,
) {
    for (g, words) in totals.iter_mut().enumerate() {
        let mut total = load(words);
        for r in 0..R {
            total = _mm512_add_epi64(total, value(r, g));
        }
        store(words, total);
    }
    for (w, (d0, d1)) in rows.weights.iter().enumerate() {
        let d0: [_; R] = core::array::from_fn(|r| &words_of(d0, first + r)[..GROUPS]);
        let d1: [_; R] = core::array::from_fn(|r| &words_of(d1, first + r)[..GROUPS]);
        let start = (w * (bodies + 1) + column) * BODY_WORDS;
        let accumulators =
            &mut products[start..start + BODY_WORDS].as_chunks_mut::<8>().0.as_chunks_mut::<4>().0
                [..GROUPS];
        for (g, [low0, high0, low1, high1]) in accumulators.iter_mut().enumerate() {
            let (mut l0, mut h0, mut l1, mut h1) =
                (load(low0), load(high0), load(low1), load(high1));
            for r in 0..R {
                let b = value(r, g);
                let (x, y) = (load(&d0[r][g]), load(&d1[r][g]));
                l0 = _mm512_madd52lo_epu64(l0, b, x);
                h0 = _mm512_madd52hi_epu64(h0, b, x);
                l1 = _mm512_madd52lo_epu64(l1, b, y);
                h1 = _mm512_madd52hi_epu64(h1, b, y);
            }
            store(low0, l0);
            store(high0, h0);
            store(low1, l1);
            store(high1, h1);
        }
    }
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
