//! AES-128 in counter mode: the stream that masks and errors are drawn from.
//!
//! Block j of a stream is `E(low | (high + j 2^32) 2^64)`, little-endian: the two words name what the stream is for, and
//! the upper half of the second one counts. Engines give the same words.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroize;

use super::Engine;
#[cfg(target_arch = "x86_64")]
use super::{avx512, ctr};

/// Blocks that the portable engine encrypts at once.
const BATCH: usize = 64;

/// A key of AES-128, expanded for one engine; erased when dropped. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct CounterCipher(Keys);

#[derive(Clone)]
enum Keys {
    /// Four blocks in a register.
    #[cfg(target_arch = "x86_64")]
    Avx512(Box<ctr::RoundKeys>),
    /// Two.
    #[cfg(target_arch = "x86_64")]
    Vaes(Box<ctr::RoundKeys>),
    Portable(Box<Aes128>),
}

impl core::fmt::Debug for CounterCipher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("CounterCipher(..)")
    }
}

impl Drop for CounterCipher {
    fn drop(&mut self) {
        match &mut self.0 {
            #[cfg(target_arch = "x86_64")]
            Keys::Avx512(keys) | Keys::Vaes(keys) => keys.iter_mut().for_each(Zeroize::zeroize),
            Keys::Portable(_) => {} // erases itself: the crate's `zeroize` feature
        }
    }
}

impl CounterCipher {
    /// Expands `key` for the fastest engine of this machine.
    pub fn new(key: &[u8; 16]) -> Self {
        Self::with_engine(Engine::detect(), key)
    }

    /// Expands `key` for an engine.
    pub fn with_engine(engine: Engine, key: &[u8; 16]) -> Self {
        Self(match engine {
            #[cfg(target_arch = "x86_64")]
            Engine::Avx512 => Keys::Avx512(Box::new(ctr::round_keys(key))),
            #[cfg(target_arch = "x86_64")]
            Engine::Fma if ctr::available() => Keys::Vaes(Box::new(ctr::round_keys(key))),
            _ => Keys::Portable(Box::new(Aes128::new(&Array(*key)))),
        })
    }

    /// Fills `words` with the stream `[low, high]`, two words a block, keeping the bits in `keep`; returns a
    /// number that no word is above, and whose upper half is that of the largest. `words` holds whole blocks: an even number of words.
    pub fn fill(&self, stream: [u64; 2], keep: u64, words: &mut [u64]) -> u64 {
        assert!(words.len().is_multiple_of(2), "whole blocks");
        match &self.0 {
            #[cfg(target_arch = "x86_64")]
            Keys::Avx512(keys) => avx512::ctr::counter_words(keys, stream, keep, words),
            #[cfg(target_arch = "x86_64")]
            Keys::Vaes(keys) => ctr::counter_words(keys, stream, keep, words),
            Keys::Portable(cipher) => fill(cipher, stream, keep, words),
        }
    }
}

fn fill(cipher: &Aes128, [low, mut high]: [u64; 2], keep: u64, words: &mut [u64]) -> u64 {
    let mut blocks = [Array([0u8; 16]); BATCH];
    let mut largest = 0;
    for words in words.chunks_mut(2 * BATCH) {
        let batch = blocks.get_mut(..words.len() / 2).unwrap_or_default();
        for block in batch.iter_mut() {
            block.0 = (u128::from(low) | u128::from(high) << 64).to_le_bytes();
            high = high.wrapping_add(1 << 32);
        }
        cipher.encrypt_blocks(batch);
        for (pair, block) in words.as_chunks_mut::<2>().0.iter_mut().zip(batch) {
            let block = u128::from_le_bytes(block.0);
            *pair = [block as u64 & keep, (block >> 64) as u64 & keep];
            largest = largest.max(pair[0]).max(pair[1]);
        }
    }
    // What is drawn may be secret.
    blocks.iter_mut().for_each(|block| block.0.zeroize());
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_give_the_same_words() {
        let key = core::array::from_fn(|i| (i * 29 + 3) as u8);
        let portable = CounterCipher::with_engine(Engine::Portable, &key);
        let ciphers = Engine::all().into_iter().map(|e| CounterCipher::with_engine(e, &key));
        for cipher in ciphers {
            for (length, counter) in
                [(0, 0), (2, 1), (6, 5), (8, 0), (128, 7), (130, 9), (2048, 0), (318, 1 << 30)]
            {
                for keep in [u64::MAX, (1 << 50) - 1] {
                    let stream = [0x0123_4567_89ab_cdef, 77 | counter << 32];
                    let (mut x, mut y) = (vec![1; length], vec![2; length]);
                    portable.fill(stream, keep, &mut x);
                    let bound = cipher.fill(stream, keep, &mut y);
                    assert_eq!(x, y);
                    let largest = x.iter().copied().max().unwrap_or(0);
                    assert!(bound >= largest && bound >> 32 == largest >> 32);
                }
            }
        }
    }

    #[test]
    fn known_answer() {
        // FIPS 197, appendix B: the block is the plaintext there.
        let key = 0x3c4f_cf09_8815_f7ab_a6d2_ae28_1615_7e2b_u128.to_le_bytes();
        let block = 0x3407_37e0_a298_3131_8d30_5a88_a8f6_4332_u128;
        let expected = 0x320b_6a19_9785_11dc_fb09_dc02_1d84_2539_u128;
        for engine in Engine::all() {
            let mut words = [0; 2];
            let cipher = CounterCipher::with_engine(engine, &key);
            cipher.fill([block as u64, (block >> 64) as u64], u64::MAX, &mut words);
            assert_eq!(words, [expected as u64, (expected >> 64) as u64]);
        }
    }

    #[test]
    fn nothing_is_printed_of_a_key() {
        assert_eq!(format!("{:?}", CounterCipher::new(&[7; 16])), "CounterCipher(..)");
    }
}
