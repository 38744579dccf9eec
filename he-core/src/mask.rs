//! Uniform masks from seeds: the half of every ciphertext that is never stored. Protocol section 3.
//!
//! AES-128 in counter mode under a public per-object seed; the counter block names plane, limb, group, row and
//! position, so any tile of any mask can be expanded alone. Words are 64-bit little-endian, cut to the bits of the prime (50, or 46); a word not
//! below the prime is drawn again from the stream with the next retry number (one word in 10^7 or fewer; in 10^6 for the primes of 46 bits).

use serde::{Deserialize, Serialize};

use crate::arith::Modulus;
use crate::kernel::CounterCipher;

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
#[derive(Clone, Debug)]
pub struct MaskExpander {
    cipher: CounterCipher,
}

impl MaskExpander {
    /// The expander for `seed`.
    pub fn new(seed: MaskSeed) -> Self {
        Self { cipher: CounterCipher::new(&seed.0) }
    }

    /// Words `first .. first + words.len()` of the mask at `index`, uniform below the prime.
    ///
    /// `first` and the length are even. In the NTT domain: a uniform mask may be drawn there directly.
    pub fn expand(&self, modulus: Modulus, index: MaskIndex, first: u32, words: &mut [u64]) {
        assert!(first.is_multiple_of(2) && words.len().is_multiple_of(2), "whole blocks");
        let [low, high] = stream_of(index);
        let bound =
            self.cipher.fill([low, high | u64::from(first / 2) << 32], modulus.low(), words);
        if bound >= modulus.value() {
            // Almost always for nothing: a bound is not a word.
            for (word, position) in words.iter_mut().zip(first..) {
                self.redraw(modulus, index, position, word);
            }
        }
    }

    /// Draws the word at `position` again until it is below the prime.
    #[cold]
    fn redraw(&self, modulus: Modulus, index: MaskIndex, position: u32, word: &mut u64) {
        let [low, high] = stream_of(index);
        let mut retry: u8 = 1;
        while *word >= modulus.value() {
            let mut pair = [0; 2];
            let stream = [low | u64::from(retry) << 16, high | u64::from(position / 2) << 32];
            self.cipher.fill(stream, modulus.low(), &mut pair);
            *word = if position.is_multiple_of(2) { pair[0] } else { pair[1] };
            retry = retry.wrapping_add(1);
        }
    }
}

/// Name of the stream of a mask, retry and counter 0: `plane | limb | retry | 0 | group (4)` and `row (4) | counter (4)`.
fn stream_of(index: MaskIndex) -> [u64; 2] {
    let MaskIndex { plane, limb, group, row } = index;
    let low = u64::from(plane) | u64::from(limb) << 8 | u64::from(group) << 32;
    [low, u64::from(row)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ckks::params::SMALL_PRIMES;
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

    /// Of a prime of 46 bits: of those of 50 it would take a hundred times as many words to find one that is drawn again.
    #[test]
    fn words_above_the_prime_are_drawn_again() {
        let m = Modulus::new(SMALL_PRIMES[25].0);
        let e = MaskExpander::new(MaskSeed(core::array::from_fn(|i| i as u8)));
        // First draws and those of retry 1: AES-128-ECB of their counter blocks, computed with OpenSSL.
        for (row, position, first, again) in [
            (449, 1572, 70_368_732_662_101, 51_896_367_262_662),
            (843, 909, 70_368_711_566_779, 14_624_598_772_783),
        ] {
            let index = MaskIndex { row, ..INDEX };
            let [low, high] = stream_of(index);
            let mut drawn = vec![0; 2048];
            e.cipher.fill([low, high], m.low(), &mut drawn);
            assert!(drawn[position] == first && first >= m.value());
            drawn[position] = again;
            let mut whole = vec![0; 2048];
            e.expand(m, index, 0, &mut whole);
            assert_eq!(whole, drawn, "the others are as they were");
            let tile = position / 128 * 128;
            let mut part = vec![0; 128];
            e.expand(m, index, tile as u32, &mut part);
            assert_eq!(part, drawn[tile..][..128]);
        }
    }
}
