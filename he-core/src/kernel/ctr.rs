//! AES-128 in counter mode with 256-bit AES instructions: two blocks in each register, eight registers in flight. For machines
//! with AVX2 and VAES; those with AVX-512 have [`super::avx512::ctr`], and all others the `aes` crate. Tests compare them.
//!
//! # Audit
//!
//! * The `#[target_feature]` functions are reached only through [`round_keys`] and [`counter_words`], which assert
//!   [`available`] (the round keys of the AVX-512 engine, whose machines have these instructions too, as well).
//! * Loads and stores go through [`load_block`] and [`store`], which take array references.

use core::arch::x86_64::*;

use zeroize::Zeroize;

/// Round keys of AES-128.
pub(super) type RoundKeys = [[u64; 2]; 11];

/// Registers in flight: enough to hide the latency of a round.
const LANES: usize = 8;

/// Whether this machine has the instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("aes")
        && is_x86_feature_detected!("vaes")
}

/// The round keys of `key` (FIPS 197, section 5.2).
pub(super) fn round_keys(key: &[u8; 16]) -> RoundKeys {
    assert!(available());
    // SAFETY: the instructions were just found to be available.
    unsafe { expand_key(key) }
}

/// Fills `words` with the blocks `E(low | high + (j << 32) << 64)`, j = 0, 1, ..., each two little-endian words, of which
/// the bits in `keep` are kept. Returns the largest word. `words` holds whole blocks.
pub(super) fn counter_words(
    keys: &RoundKeys,
    [low, high]: [u64; 2],
    keep: u64,
    words: &mut [u64],
) -> u64 {
    assert!(available() && words.len().is_multiple_of(2));
    // SAFETY: the instructions were just found to be available.
    unsafe { fill(keys, low, high, keep, words) }
}

#[target_feature(enable = "aes")]
fn expand_key(key: &[u8; 16]) -> RoundKeys {
    let (halves, _) = key.as_chunks::<8>();
    let halves = [halves[0], halves[1]].map(u64::from_le_bytes);
    let mut round = load_block(&halves);
    let mut keys = [[0; 2]; 11];
    keys[0] = halves;
    macro_rules! rounds {
        ($($number:literal $constant:literal),*) => { $(
            let assist = _mm_aeskeygenassist_si128::<$constant>(round);
            round = next_key(round, assist);
            keys[$number] = halves_of(round);
        )* };
    }
    rounds!(1 0x01, 2 0x02, 3 0x04, 4 0x08, 5 0x10, 6 0x20, 7 0x40, 8 0x80, 9 0x1b, 10 0x36);
    keys
}

#[inline]
#[target_feature(enable = "sse2")]
fn next_key(key: __m128i, assist: __m128i) -> __m128i {
    let key = _mm_xor_si128(key, _mm_slli_si128::<4>(key));
    let key = _mm_xor_si128(key, _mm_slli_si128::<8>(key));
    _mm_xor_si128(key, _mm_shuffle_epi32::<0xff>(assist))
}

#[inline]
#[target_feature(enable = "sse2")]
fn halves_of(key: __m128i) -> [u64; 2] {
    let high = _mm_unpackhi_epi64(key, key);
    [_mm_cvtsi128_si64(key) as u64, _mm_cvtsi128_si64(high) as u64]
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn load_block(words: &[u64; 2]) -> __m128i {
    // SAFETY: reads the 16 bytes of the array; unaligned loads are allowed.
    unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(words: &mut [u64; 4], v: __m256i) {
    // SAFETY: writes the 32 bytes of the array; unaligned stores are allowed.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), v) }
}

#[target_feature(enable = "avx2,aes,vaes")]
fn fill(keys: &RoundKeys, low: u64, high: u64, keep: u64, words: &mut [u64]) -> u64 {
    let mut round_keys = [_mm256_setzero_si256(); 11];
    for (wide, key) in round_keys.iter_mut().zip(keys) {
        *wide = _mm256_broadcastsi128_si256(load_block(key));
    }
    // Two consecutive counters; a step adds to the upper half of the upper word of each block.
    let next = |n: u64| (high.wrapping_add(n << 32)) as i64;
    let mut counter = _mm256_set_epi64x(next(1), low as i64, next(0), low as i64);
    let step = _mm256_set_epi64x(2 << 32, 0, 2 << 32, 0);
    let keep = _mm256_set1_epi64x(keep as i64);
    let mut largest = Largest::new();
    let (vectors, rest) = words.as_chunks_mut::<4>();
    let (bunches, single) = vectors.as_chunks_mut::<LANES>();
    for bunch in bunches {
        let mut blocks = [counter; LANES];
        for block in &mut blocks {
            *block = counter;
            counter = _mm256_add_epi64(counter, step);
        }
        for (vector, block) in bunch.iter_mut().zip(encrypt(&round_keys, blocks)) {
            let word = _mm256_and_si256(block, keep);
            largest.see(word);
            store(vector, word);
        }
    }
    for vector in single {
        let [block] = encrypt(&round_keys, [counter]);
        counter = _mm256_add_epi64(counter, step);
        let word = _mm256_and_si256(block, keep);
        largest.see(word);
        store(vector, word);
    }
    if let [first, second] = rest {
        let [block] = encrypt(&round_keys, [counter]);
        let mut last = [0; 4];
        store(&mut last, _mm256_and_si256(block, keep));
        (*first, *second) = (last[0], last[1]);
        largest.see(_mm256_set_epi64x(0, 0, last[1] as i64, last[0] as i64));
        last.zeroize(); // what is drawn may be secret
    }
    largest.word()
}

/// The largest word seen, of which AVX2 knows the signed order only.
struct Largest(__m256i);

impl Largest {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new() -> Self {
        Self(_mm256_set1_epi64x(i64::MIN))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn see(&mut self, words: __m256i) {
        let signed = _mm256_xor_si256(words, _mm256_set1_epi64x(i64::MIN));
        self.0 = _mm256_blendv_epi8(self.0, signed, _mm256_cmpgt_epi64(signed, self.0));
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn word(self) -> u64 {
        let mut words = [0; 4];
        store(&mut words, self.0);
        let largest = words.into_iter().fold(0, |largest, word| largest.max(word ^ 1 << 63));
        words.zeroize();
        largest
    }
}

#[inline]
#[target_feature(enable = "avx2,vaes")]
fn encrypt<const L: usize>(keys: &[__m256i; 11], mut blocks: [__m256i; L]) -> [__m256i; L] {
    for block in &mut blocks {
        *block = _mm256_xor_si256(*block, keys[0]);
    }
    for key in &keys[1..10] {
        for block in &mut blocks {
            *block = _mm256_aesenc_epi128(*block, *key);
        }
    }
    for block in &mut blocks {
        *block = _mm256_aesenclast_epi128(*block, keys[10]);
    }
    blocks
}
