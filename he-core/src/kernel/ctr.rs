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
/// the bits in `keep` are kept. Returns a number that no word is above. `words` holds whole blocks.
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
    let keys = Wide::new(keys);
    // Two consecutive counters; a step adds to the upper half of the upper word of each block.
    let next = |n: u64| (high.wrapping_add(n << 32)) as i64;
    let mut counter = _mm256_set_epi64x(next(1), low as i64, next(0), low as i64);
    let step = _mm256_set_epi64x(2 << 32, 0, 2 << 32, 0);
    let keep = _mm256_set1_epi64x(keep as i64);
    let mut bound = Bound::new();
    let (vectors, rest) = words.as_chunks_mut::<4>();
    let (bunches, single) = vectors.as_chunks_mut::<LANES>();
    for bunch in bunches {
        let mut blocks = [counter; LANES];
        for block in &mut blocks {
            *block = counter;
            counter = _mm256_add_epi64(counter, step);
        }
        for (vector, block) in bunch.iter_mut().zip(keys.encrypt(blocks)) {
            let word = _mm256_and_si256(block, keep);
            bound.see(word);
            store(vector, word);
        }
    }
    for vector in single {
        let [block] = keys.encrypt([counter]);
        counter = _mm256_add_epi64(counter, step);
        let word = _mm256_and_si256(block, keep);
        bound.see(word);
        store(vector, word);
    }
    if let [first, second] = rest {
        let [block] = keys.encrypt([counter]);
        let mut last = [0; 4];
        store(&mut last, _mm256_and_si256(block, keep));
        (*first, *second) = (last[0], last[1]);
        bound.see(_mm256_set_epi64x(0, 0, last[1] as i64, last[0] as i64));
        last.zeroize(); // what is drawn may be secret
    }
    bound.word()
}

/// A bound of the words seen: AVX2 finds the largest of 32-bit halves at once, not of 64-bit words.
struct Bound(__m256i);

impl Bound {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new() -> Self {
        Self(_mm256_setzero_si256())
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn see(&mut self, words: __m256i) {
        self.0 = _mm256_max_epu32(self.0, words);
    }

    /// The largest upper half, and the largest number for the lower one.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn word(self) -> u64 {
        let mut words = [0; 4];
        store(&mut words, self.0);
        let bound = words.into_iter().fold(0, u64::max) | u64::from(u32::MAX);
        words.zeroize();
        bound
    }
}

/// Round keys, each in both halves of a register.
struct Wide {
    keys: [__m256i; 11],
    /// The last but one, of which the compiler can't know where it is: if it could, it would unroll the rounds and encrypt block after
    /// block, for want of registers, where each round has to wait for the one before.
    end: usize,
}

impl Wide {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(round_keys: &RoundKeys) -> Self {
        let mut keys = [_mm256_setzero_si256(); 11];
        for (wide, key) in keys.iter_mut().zip(round_keys) {
            *wide = _mm256_broadcastsi128_si256(load_block(key));
        }
        Self { keys, end: core::hint::black_box(10) }
    }

    #[inline]
    #[target_feature(enable = "avx2,vaes")]
    fn encrypt<const L: usize>(&self, mut blocks: [__m256i; L]) -> [__m256i; L] {
        let [first, .., last] = self.keys;
        for block in &mut blocks {
            *block = _mm256_xor_si256(*block, first);
        }
        for key in self.keys.get(1..self.end).unwrap_or_default() {
            for block in &mut blocks {
                *block = _mm256_aesenc_epi128(*block, *key);
            }
        }
        for block in &mut blocks {
            *block = _mm256_aesenclast_epi128(*block, last);
        }
        blocks
    }
}
