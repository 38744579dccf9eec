//! Wide noise that hides what a decryption share would say about keys, in constant time. Protocol section 8.
//!
//! The noise is the centred sum of some tens of uniform integers ([`he_core::noise::Smudging`]): exactly uniform words from a
//! block cipher, masked and added, so no tables, no rejections, no branch on what is drawn, and the distribution is
//! exactly the one whose hiding is proven (decision record 0010).

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use he_core::arith::Modulus;
use he_core::noise::Smudging;
use he_core::params::Params;
use zeroize::Zeroize;

/// 64-bit words of a sum: wide enough for every smudging that fits a modulus of 200 bits.
const WORDS: usize = 4;
/// Cipher blocks drawn at once.
const BATCH: usize = 64;

/// One polynomial of smudging noise.
pub(crate) struct Noise {
    shape: Smudging,
    /// The sums before centring, little-endian words.
    sums: Vec<[u64; WORDS]>,
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.sums.zeroize();
    }
}

impl Noise {
    /// The noise of `degree` coefficients that belongs to `key`, which is used for nothing else.
    pub(crate) fn expand(shape: Smudging, key: &[u8; 32], degree: usize) -> Self {
        let mut sums = vec![[0; WORDS]; degree];
        // A cipher key for each term: no key encrypts more than 2^15 blocks.
        let mut keys = blake3::Hasher::new_keyed(key).finalize_xof();
        let mut term_key = [0; 16];
        for _ in 0..shape.terms() {
            keys.fill(&mut term_key);
            add_uniform(&Aes128::new(&Array(term_key)), shape.bits(), &mut sums);
        }
        term_key.zeroize();
        keys.zeroize();
        Self { shape, sums }
    }

    /// Residues of the centred noise, limb by limb, not transformed.
    pub(crate) fn residues(&self, params: Params) -> Vec<u64> {
        let mut out = Vec::with_capacity(params.words());
        for m in params.moduli() {
            let base = Base::new(m);
            let centre = m.neg(base.centre(self.shape));
            out.extend(self.sums.iter().map(|sum| m.add(base.residue(sum), centre)));
        }
        out
    }
}

/// Adds to each sum a uniform integer of `bits` bits: the low bits of as many stream words as it takes.
pub(crate) fn add_uniform(cipher: &Aes128, bits: u32, sums: &mut [[u64; WORDS]]) {
    // Whole words, then one of what is left, then none.
    let masks: [u64; WORDS] = core::array::from_fn(|i| {
        let rest = bits.saturating_sub(64 * i as u32);
        if rest >= 64 { u64::MAX } else { (1 << rest) - 1 }
    });
    let words = bits.div_ceil(64) as usize;
    let mut blocks = [Array([0u8; 16]); BATCH];
    let mut stream = [0; 2 * BATCH];
    let mut counter = 0u128;
    for chunk in sums.chunks_mut(2 * BATCH / words.max(1)) {
        for block in &mut blocks {
            *block = Array(counter.to_le_bytes());
            counter += 1;
        }
        cipher.encrypt_blocks(&mut blocks);
        for (pair, block) in stream.as_chunks_mut::<2>().0.iter_mut().zip(&blocks) {
            let block = u128::from_le_bytes(block.0);
            *pair = [block as u64, (block >> 64) as u64];
        }
        for (sum, drawn) in chunk.iter_mut().zip(stream.chunks_exact(words)) {
            let mut carry = false;
            let mut drawn = drawn.iter();
            for (word, mask) in sum.iter_mut().zip(masks) {
                let term = drawn.next().map_or(0, |d| d & mask);
                (*word, carry) = word.carrying_add(term, carry);
            }
        }
    }
    for block in &mut blocks {
        block.0.zeroize();
    }
    stream.zeroize();
}

/// Powers of 2^64 modulo one prime.
pub(crate) struct Base {
    modulus: Modulus,
    powers: [u64; WORDS],
}

impl Base {
    pub(crate) fn new(modulus: Modulus) -> Self {
        let word = modulus.from_u128(1 << 64);
        let mut power = 1;
        let powers = core::array::from_fn(|_| {
            let now = power;
            power = modulus.mul(power, word);
            now
        });
        Self { modulus, powers }
    }

    /// The residue of an unsigned integer of four words.
    pub(crate) fn residue(&self, words: &[u64; WORDS]) -> u64 {
        let m = self.modulus;
        words
            .iter()
            .zip(self.powers)
            .fold(0, |sum, (&word, power)| m.add(sum, m.mul(m.reduce(word), power)))
    }

    /// The residue of the mean of the uncentred sums, `terms (2^bits - 1) / 2`.
    fn centre(&self, shape: Smudging) -> u64 {
        let m = self.modulus;
        let largest = m.sub(m.pow(2, u64::from(shape.bits())), 1);
        m.mul(largest, u64::from(shape.terms() / 2))
    }
}

#[cfg(test)]
mod tests {
    use he_core::arith::{Crt, Scale};

    use super::*;

    /// The noise as numbers, through the residues.
    fn sample(shape: Smudging, seed: u8, degree: usize) -> Vec<f64> {
        let params = Params::N8192Q200;
        let residues = Noise::expand(shape, &[seed; 32], degree).residues(params);
        let crt = Crt::new(params);
        // A scale above every value: all of it is noise.
        let scale = Scale::product(1 << 100, 1 << 98);
        (0..degree)
            .map(|i| {
                let words = residues.iter().copied().skip(i).step_by(degree);
                let (quotient, noise) = crt.decode(words, scale).unwrap();
                assert_eq!(quotient, 0);
                noise
            })
            .collect()
    }

    #[test]
    fn moments_and_tails_are_those_of_the_planned_width() {
        for (seed, exponent) in [(1, 60.0), (2, 63.9), (3, 64.0), (4, 99.5), (5, 139.0), (6, 188.0)]
        {
            let shape = Smudging::hiding(2f64.powf(exponent));
            let values: Vec<f64> =
                sample(shape, seed, 1 << 16).iter().map(|x| x / shape.deviation()).collect();
            let n = values.len() as f64;
            let moment = |power| values.iter().map(|x: &f64| x.powi(power)).sum::<f64>() / n;
            assert!(moment(1).abs() < 5.0 / n.sqrt(), "mean {}", moment(1));
            assert!((moment(2) - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "variance {}", moment(2));
            assert!(moment(3).abs() < 5.0 * (15.0 / n).sqrt(), "skewness {}", moment(3));
            let kurtosis = 3.0 - 1.2 / f64::from(shape.terms());
            assert!((moment(4) - kurtosis).abs() < 5.0 * (96.0 / n).sqrt(), "{}", moment(4));
            for (bound, expected) in [(1.0, 0.3173), (2.0, 0.0455), (3.0, 0.0027)] {
                let beyond = values.iter().filter(|x| x.abs() > bound).count() as f64 / n;
                assert!(beyond < expected * 1.02 + 5.0 * (expected / n).sqrt(), "{beyond}");
                assert!(beyond > expected * 0.80 - 5.0 * (expected / n).sqrt(), "{beyond}");
            }
        }
    }

    /// Chi-square of one term against uniform: its lowest and its highest byte.
    #[test]
    fn terms_are_uniform_to_the_last_bit() {
        for bits in [11u32, 63, 64, 65, 127, 130, 193] {
            let mut terms = vec![[0; WORDS]; 1 << 16];
            add_uniform(&Aes128::new(&Array([bits as u8; 16])), bits, &mut terms);
            let byte = |term: &[u64; WORDS], first: u32| {
                (0..8).fold(0, |byte, i| {
                    let bit = first + i;
                    byte | (term[(bit / 64) as usize] >> (bit % 64) & 1) << i
                })
            };
            for first in [0, bits - 8] {
                let mut counts = [0f64; 256];
                terms.iter().for_each(|term| counts[byte(term, first) as usize] += 1.0);
                let chi: f64 = counts.iter().map(|c| (c - 256.0).powi(2) / 256.0).sum();
                // 255 degrees of freedom, deviation 22.6.
                assert!((140.0..370.0).contains(&chi), "{bits} bits from {first}: {chi}");
            }
            let above = |term: &[u64; WORDS]| {
                (bits..256).any(|bit| term[(bit / 64) as usize] >> (bit % 64) & 1 == 1)
            };
            assert!(!terms.iter().any(above), "{bits}");
        }
    }

    #[test]
    fn sums_carry_across_words() {
        let shape = Smudging::hiding(2f64.powi(122));
        let key = [9; 32];
        let noise = Noise::expand(shape, &key, 256);
        let mut terms = vec![[0; WORDS]; 256];
        let mut keys = blake3::Hasher::new_keyed(&key).finalize_xof();
        let mut wanted = vec![num(&[0; WORDS]); 256];
        for _ in 0..shape.terms() {
            let mut term_key = [0; 16];
            keys.fill(&mut term_key);
            terms.fill([0; WORDS]);
            add_uniform(&Aes128::new(&Array(term_key)), shape.bits(), &mut terms);
            wanted.iter_mut().zip(&terms).for_each(|(w, t)| *w = w.wrapping_add(num(t)));
        }
        assert!(shape.bits() < 126, "the sums fit 128 bits");
        assert!(noise.sums.iter().zip(&wanted).all(|(sum, w)| num(sum) == *w));
        assert!(noise.sums.iter().any(|sum| sum[1] >> (shape.bits() - 64) > 0), "carries happen");
    }

    fn num(words: &[u64; WORDS]) -> u128 {
        assert!(words[2] == 0 && words[3] == 0);
        u128::from(words[0]) | u128::from(words[1]) << 64
    }

    #[test]
    fn noise_is_a_function_of_its_key() {
        let shape = Smudging::hiding(2f64.powi(100));
        let words = |seed| Noise::expand(shape, &[seed; 32], 256).residues(Params::N8192Q150);
        assert_eq!(words(1), words(1));
        assert_ne!(words(1), words(2));
    }
}
