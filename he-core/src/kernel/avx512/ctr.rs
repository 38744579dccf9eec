//! AES-128 in counter mode with 512-bit AES instructions: four blocks in each register, eight registers in flight.
//!
//! The `aes` crate computes the same (tests compare them) and serves every other machine; here the stream costs a quarter,
//! because counters are made in registers and nothing is called per block.

use core::arch::x86_64::*;

use zeroize::Zeroize;

use super::store;
use crate::kernel::ctr::{RoundKeys, load_block};

/// Registers in flight: enough to hide the latency of a round.
const LANES: usize = 8;

/// Fills `words` with the blocks `E(low | high + (j << 32) << 64)`, j = 0, 1, ..., each two little-endian words, of which
/// the bits in `keep` are kept. Returns the largest word, which is a bound. `words` holds whole blocks.
pub(in crate::kernel) fn counter_words(
    keys: &RoundKeys,
    [low, high]: [u64; 2],
    keep: u64,
    words: &mut [u64],
) -> u64 {
    assert!(super::available() && words.len().is_multiple_of(2));
    // SAFETY: the instructions were just found to be available.
    unsafe { fill(keys, low, high, keep, words) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,aes,vaes")]
fn fill(keys: &RoundKeys, low: u64, high: u64, keep: u64, words: &mut [u64]) -> u64 {
    let keys: [__m512i; 11] =
        core::array::from_fn(|r| _mm512_broadcast_i64x2(load_block(&keys[r])));
    let (low, high) = (low as i64, high as i64);
    // Four consecutive counters; a step adds to the upper half of the upper word of each block.
    let next = |n: i64| n << 32;
    let (one, two, three) = (next(1), next(2), next(3));
    let first = _mm512_add_epi64(
        _mm512_set_epi64(high, low, high, low, high, low, high, low),
        _mm512_set_epi64(three, 0, two, 0, one, 0, 0, 0),
    );
    let step = _mm512_set_epi64(next(4), 0, next(4), 0, next(4), 0, next(4), 0);
    let keep = _mm512_set1_epi64(keep as i64);
    let mut counter = first;
    let mut largest = _mm512_setzero_si512();
    let (vectors, rest) = words.as_chunks_mut::<8>();
    let (bunches, single) = vectors.as_chunks_mut::<LANES>();
    for bunch in bunches {
        let mut blocks = [counter; LANES];
        for block in &mut blocks {
            *block = counter;
            counter = _mm512_add_epi64(counter, step);
        }
        for (vector, block) in bunch.iter_mut().zip(encrypt(&keys, blocks)) {
            let word = _mm512_and_si512(block, keep);
            largest = _mm512_max_epu64(largest, word);
            store(vector, word);
        }
    }
    for vector in single {
        let [block] = encrypt(&keys, [counter]);
        counter = _mm512_add_epi64(counter, step);
        let word = _mm512_and_si512(block, keep);
        largest = _mm512_max_epu64(largest, word);
        store(vector, word);
    }
    if !rest.is_empty() {
        let [block] = encrypt(&keys, [counter]);
        let word = _mm512_and_si512(block, keep);
        let mut last = [0; 8];
        store(&mut last, word);
        for (r, l) in rest.iter_mut().zip(last) {
            *r = l;
            largest = _mm512_max_epu64(largest, _mm512_set1_epi64(l as i64));
        }
        last.zeroize(); // what is drawn may be secret
    }
    _mm512_reduce_max_epu64(largest)
}

#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn encrypt<const L: usize>(keys: &[__m512i; 11], mut blocks: [__m512i; L]) -> [__m512i; L] {
    for block in &mut blocks {
        *block = _mm512_xor_si512(*block, keys[0]);
    }
    for key in &keys[1..10] {
        for block in &mut blocks {
            *block = _mm512_aesenc_epi128(*block, *key);
        }
    }
    for block in &mut blocks {
        *block = _mm512_aesenclast_epi128(*block, keys[10]);
    }
    blocks
}
