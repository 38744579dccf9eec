//! The ring modulo every prime of a parameter set: transforms, lifting, limb-wise arithmetic. Finishing section 1.
//!
//! A polynomial is limb-major words in the NTT domain: the residues modulo the first prime, then the second, and so on. A
//! polynomial of fewer limbs is a prefix of one with more, except that special primes always come last.

use rayon::prelude::*;
use zeroize::Zeroize;

use super::embedding::Embedding;
use super::fixed::{Complex, Fixed};
use super::params::CkksParams;
use crate::arith::lanes::Lanes;
use crate::arith::{Modulus, Ntt};
use crate::digest::Digest;
use crate::mask::{MaskExpander, MaskIndex, MaskSeed};

/// Tables of a parameter set: at most 2 MB (N = 2^15) or 4 MB (2^16) for each prime. Build once and share.
pub struct CkksRing {
    params: CkksParams,
    limbs: Vec<Limb>,
    embedding: Embedding,
}

/// One prime.
pub(crate) struct Limb {
    pub(crate) lanes: Lanes,
    pub(crate) ntt: Ntt,
    /// 1/N modulo the prime.
    pub(crate) inverse_degree: u64,
    /// `2^(64 i)` for i = 0..=4.
    word_powers: [u64; 5],
}

impl Limb {
    fn new(prime: u64, root: u64, degree: usize) -> Self {
        let modulus = Modulus::new(prime);
        let base = modulus.from_u128(1 << 64);
        let root = modulus.pow(root, (1 << 16) / degree as u64);
        Self {
            lanes: Lanes::new(modulus),
            ntt: Ntt::new(modulus, root, degree),
            inverse_degree: modulus.inverse(degree as u64),
            word_powers: [0, 1, 2, 3, 4].map(|i| modulus.pow(base, i)),
        }
    }

    pub(crate) fn modulus(&self) -> Modulus {
        self.lanes.modulus()
    }

    /// Residue of a 256-bit integer, in constant time.
    #[inline(always)]
    pub(crate) fn residue(&self, x: Fixed) -> u64 {
        let m = self.modulus();
        let [p0, p1, p2, p3, p4] = self.word_powers;
        let mut sum = 0u128;
        for (word, power) in x.words().into_iter().zip([p0, p1, p2, p3]) {
            sum += u128::from(m.reduce(word)) * u128::from(power);
        }
        // A negative number reads 2^256 too much.
        m.sub(m.reduce_wide(sum), p4 & x.sign_mask())
    }
}

impl CkksRing {
    /// Tables for `params`.
    pub fn new(params: CkksParams) -> Self {
        let primes: Vec<_> = params.primes().collect();
        let limb = |(p, root)| Limb::new(p, root, params.degree());
        let limbs = primes.into_par_iter().map(limb).collect();
        Self { params, limbs, embedding: Embedding::new(params) }
    }

    /// The parameter set.
    pub fn params(&self) -> CkksParams {
        self.params
    }

    pub(crate) fn limbs(&self) -> &[Limb] {
        &self.limbs
    }

    /// The slot transform.
    pub fn embedding(&self) -> &Embedding {
        &self.embedding
    }

    /// A polynomial with small signed coefficients (below 2^62), modulo the first `limbs` primes.
    pub fn lift_small(&self, coefficients: &[i64], limbs: usize) -> Vec<u64> {
        self.lift(limbs, |limb, j| {
            limb.modulus().from_signed(coefficients.get(j).copied().unwrap_or_default())
        })
    }

    /// A polynomial with 256-bit coefficients, modulo the first `limbs` primes.
    pub fn lift_wide(&self, coefficients: &[Fixed], limbs: usize) -> Vec<u64> {
        self.lift(limbs, |limb, j| limb.residue(coefficients.get(j).copied().unwrap_or_default()))
    }

    fn lift(&self, limbs: usize, residue: impl Fn(&Limb, usize) -> u64 + Sync) -> Vec<u64> {
        let degree = self.params.degree();
        let mut words = vec![0; limbs * degree];
        words.par_chunks_exact_mut(degree).zip(&self.limbs).for_each(|(words, limb)| {
            for (j, word) in words.iter_mut().enumerate() {
                *word = residue(limb, j);
            }
            limb.ntt.forward(words);
        });
        words
    }

    /// The polynomial whose slots are `values` (times `2^GUARD_BITS`, see [`Embedding::encode`]); `values` are overwritten.
    pub fn encode(&self, values: &mut [Complex], limbs: usize) -> Vec<u64> {
        let mut coefficients = self.embedding.encode(values);
        let words = self.lift_wide(&coefficients, limbs);
        coefficients.zeroize(); // they may be a holder's masks
        words
    }

    /// `acc += a b`, for as many limbs as `acc` has.
    pub fn multiply_add(&self, a: &[u64], b: &[u64], acc: &mut [u64]) {
        let degree = self.params.degree();
        (acc.par_chunks_exact_mut(degree))
            .zip(a.par_chunks_exact(degree))
            .zip(b.par_chunks_exact(degree))
            .zip(&self.limbs)
            .for_each(|(((acc, a), b), limb)| limb.lanes.multiply_add(a, b, acc));
    }

    /// `acc += x`, for as many limbs as `acc` has.
    pub fn add(&self, acc: &mut [u64], x: &[u64]) {
        self.combine(acc, x, |lanes, acc, x| lanes.add(acc, x));
    }

    /// `acc -= x`, for as many limbs as `acc` has.
    pub fn subtract(&self, acc: &mut [u64], x: &[u64]) {
        self.combine(acc, x, |lanes, acc, x| lanes.subtract(acc, x));
    }

    fn combine(&self, acc: &mut [u64], x: &[u64], f: impl Fn(Lanes, &mut [u64], &[u64]) + Sync) {
        let degree = self.params.degree();
        (acc.par_chunks_exact_mut(degree))
            .zip(x.par_chunks_exact(degree))
            .zip(&self.limbs)
            .for_each(|((acc, x), limb)| f(limb.lanes, acc, x));
    }

    /// The public mask `number` of the object with that digest, modulo the first `limbs` primes.
    pub fn mask(&self, context: &str, object: &Digest, number: u32, limbs: usize) -> Vec<u64> {
        let expander = MaskExpander::new(MaskSeed(Digest::derive(context, &object.0).short()));
        let degree = self.params.degree();
        let mut words = vec![0; limbs * degree];
        let numbered: Vec<_> = (0u8..).zip(&self.limbs).collect();
        words.par_chunks_exact_mut(degree).zip(&numbered).for_each(
            |(words, (number_of_limb, limb))| {
                let index = MaskIndex { plane: 0, limb: *number_of_limb, group: number, row: 0 };
                expander.expand(limb.modulus(), index, 0, words);
            },
        );
        words
    }
}

#[cfg(test)]
mod tests {
    use ethnum::I256;

    use super::*;
    use crate::ckks::params::{PRIMES, SMALL_PRIMES};

    #[test]
    fn every_engine_serves_every_prime_with_the_roots_of_the_format() {
        use CkksParams::{N32768Q750, N65536Q1700, N65536Q1746};
        for params in [N32768Q750, N65536Q1700, N65536Q1746] {
            let ring = CkksRing::new(params);
            for (limb, (p, root)) in ring.limbs.iter().zip(params.primes()) {
                let root = limb.modulus().pow(root, (1 << 16) / params.degree() as u64);
                let original: Vec<u64> = (0..params.degree() as u64)
                    .map(|i| limb.modulus().reduce(i.wrapping_mul(p) << 13))
                    .collect();
                let mut expected = original.clone();
                limb.ntt.forward(&mut expected);
                let engines = Ntt::all(limb.modulus(), root, params.degree());
                assert!(engines[0].is_fast(), "tfhe-ntt does not use the root of {p}");
                for ntt in engines {
                    let mut x = original.clone();
                    ntt.forward(&mut x);
                    assert!(x == expected, "{p}");
                    ntt.inverse(&mut x);
                    assert!(x == original, "{p}");
                }
            }
        }
    }

    #[test]
    fn residues_of_wide_integers() {
        for (p, root) in [PRIMES[33], SMALL_PRIMES[25]] {
            let limb = Limb::new(p, root, 1 << 15);
            for x in [
                I256::MIN,
                I256::MAX,
                I256::from(-1),
                I256::ZERO,
                I256::ONE << 137u32,
                -(I256::ONE << 229u32),
            ] {
                let expected = x.rem_euclid(I256::from(p)).as_u64();
                assert_eq!(limb.residue(Fixed::from_wide(x)), expected);
            }
        }
    }
}
