//! Uniform masks from seeds: the half of every ciphertext that is never stored. Protocol section 3.
//!
//! AES-128 in counter mode under a public per-object seed; the counter block names plane, limb, group, row and
//! position, so any tile of any mask can be expanded alone. Words are 64-bit little-endian, cut to 50 bits; a word not
//! below the prime is drawn again from the stream with the next retry number (about one word in 10^8).

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use serde::{Deserialize, Serialize};

use crate::arith::Modulus;
use crate::params::WORD_BITS;

/// A public mask seed, fresh for every object that is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MaskSeed(pub [u8; 16]);

/// Which ciphertext a mask belongs to, inside the object that owns the seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MaskIndex {
    /// Plane of a genotype matrix, or index of a weight vector.
    pub plane: u8,
    /// Limb of the modulus.
    pub limb: u8,
    /// Group of blocks that share the mask; zero for weights.
    pub group: u32,
    /// Row: a person of the dataset.
    pub row: u32,
}

/// Expands the masks of one object.
#[derive(Clone)]
pub struct MaskExpander {
    cipher: Aes128,
}

const BATCH: usize = 64;
const WORD_MASK: u64 = (1 << WORD_BITS) - 1;

impl MaskExpander {
    /// The expander for `seed`.
    pub fn new(seed: MaskSeed) -> Self {
        Self { cipher: Aes128::new(&Array(seed.0)) }
    }

    /// Words `first .. first + words.len()` of the mask at `index`, uniform below the prime.
    ///
    /// `first` and the length are even. In the NTT domain: a uniform mask may be drawn there directly.
    pub fn expand(&self, modulus: Modulus, index: MaskIndex, first: u32, words: &mut [u64]) {
        debug_assert!(first.is_multiple_of(2) && words.len().is_multiple_of(2));
        let mut blocks = [Array([0u8; 16]); BATCH];
        let mut counter = first / 2;
        for chunk in words.chunks_mut(2 * BATCH) {
            let used = chunk.len().div_ceil(2);
            let batch = blocks.get_mut(..used).unwrap_or_default();
            for (block, position) in batch.iter_mut().zip(counter..) {
                *block = counter_block(index, 0, position);
            }
            self.cipher.encrypt_blocks(batch);
            // The sign bit of `p - 1 - word` shows a word that is not below p.
            let mut above = 0;
            for (pair, block) in chunk.as_chunks_mut::<2>().0.iter_mut().zip(batch.iter()) {
                let block = u128::from_le_bytes(block.0);
                *pair = [block as u64 & WORD_MASK, (block >> 64) as u64 & WORD_MASK];
                above |= (modulus.value() - 1).wrapping_sub(pair[0]);
                above |= (modulus.value() - 1).wrapping_sub(pair[1]);
            }
            if above >> 63 == 1 {
                for (word, position) in chunk.iter_mut().zip(2 * counter..) {
                    self.redraw(modulus, index, position, word);
                }
            }
            counter += used as u32;
        }
    }

    /// Draws the word at `position` again until it is below the prime.
    #[cold]
    fn redraw(&self, modulus: Modulus, index: MaskIndex, position: u32, word: &mut u64) {
        let mut retry = 1;
        while *word >= modulus.value() {
            let mut block = counter_block(index, retry, position / 2);
            self.cipher.encrypt_block(&mut block);
            let (halves, _) = block.0.as_chunks::<8>();
            let half = if position.is_multiple_of(2) { halves.first() } else { halves.last() };
            *word = half.map_or(0, |h| u64::from_le_bytes(*h) & WORD_MASK);
            retry = retry.wrapping_add(1);
        }
    }
}

/// `plane | limb | retry | 0 | group (4, LE) | row (4, LE) | counter (4, LE)`.
#[inline(always)]
fn counter_block(index: MaskIndex, retry: u8, counter: u32) -> Array<u8, aes::cipher::consts::U16> {
    let [p, l, r] = [index.plane, index.limb, retry];
    let [g0, g1, g2, g3] = index.group.to_le_bytes();
    let [r0, r1, r2, r3] = index.row.to_le_bytes();
    let [c0, c1, c2, c3] = counter.to_le_bytes();
    Array([p, l, r, 0, g0, g1, g2, g3, r0, r1, r2, r3, c0, c1, c2, c3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::PRIMES;

    const INDEX: MaskIndex = MaskIndex { plane: 1, limb: 0, group: 2, row: 3 };

    #[test]
    fn any_tile_can_be_expanded_alone() {
        let (e, m) = (MaskExpander::new(MaskSeed([7; 16])), Modulus::new(PRIMES[0]));
        let mut whole = vec![0; 2048];
        e.expand(m, INDEX, 0, &mut whole);
        for first in [0, 2, 128, 1920] {
            let mut part = vec![0; 128];
            e.expand(m, INDEX, first, &mut part);
            assert_eq!(part, whole[first as usize..][..128]);
        }
        let mut other = vec![0; 2048];
        for (plane, limb, group, row) in [(0, 0, 2, 3), (1, 1, 2, 3), (1, 0, 1, 3), (1, 0, 2, 4)] {
            e.expand(m, MaskIndex { plane, limb, group, row }, 0, &mut other);
            assert!(whole.iter().zip(&other).all(|(a, b)| a != b));
        }
        MaskExpander::new(MaskSeed([8; 16])).expand(m, INDEX, 0, &mut other);
        assert!(whole.iter().zip(&other).all(|(a, b)| a != b));
    }

    #[test]
    fn known_answer() {
        let mut words = [0; 4];
        MaskExpander::new(MaskSeed(core::array::from_fn(|i| i as u8))).expand(
            Modulus::new(PRIMES[0]),
            INDEX,
            0,
            &mut words,
        );
        // AES-128-ECB of the two counter blocks, computed with OpenSSL.
        assert_eq!(
            words,
            [624_799_699_391_157, 247_742_988_912_227, 823_089_185_678_382, 311_343_455_721_980]
        );
    }

    #[test]
    fn words_above_the_prime_are_drawn_again() {
        // A modulus of half the range makes every second word a retry.
        let e = MaskExpander::new(MaskSeed([9; 16]));
        let (mut once, mut reduced) = (vec![0; 1024], vec![0; 1024]);
        e.expand(Modulus::new(PRIMES[0]), INDEX, 0, &mut once);
        let half = Modulus::new((1 << 50) - (1 << 25) + 1);
        e.expand(half, INDEX, 0, &mut reduced);
        let mut word = WORD_MASK;
        e.redraw(half, INDEX, 5, &mut word);
        assert!(word < half.value() && reduced.iter().all(|&w| w < half.value()));
        let mut again = WORD_MASK;
        e.redraw(half, INDEX, 5, &mut again);
        assert_eq!(word, again);
    }
}
