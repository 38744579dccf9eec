//! The negacyclic number-theoretic transform: `f -> (f(psi^(2 brv(i) + 1)))_i`, output in bit-reversed order.
//!
//! Three implementations give the same bits: tfhe-rs's, the fastest with AVX-512 IFMA; ours in doubles for machines with AVX2 and FMA only
//! ([`super::float_ntt`]); and a portable one, used
//! where tfhe-rs's is not to be trusted with our roots: the roots of unity are part of the byte format, so
//! [`Ring::new`] checks that tfhe-ntt still uses them and falls back otherwise. Protocol section 1.
#![allow(clippy::indexing_slicing)] // butterflies: indices are bounded by the power-of-two degree

use super::Modulus;
#[cfg(target_arch = "x86_64")]
use super::float_ntt::FloatNtt;
use super::lanes::Lanes;
use crate::kernel;
use crate::params::Params;

/// Roots of unity of order 2^14, one for each prime of [`crate::params::PRIMES`].
///
/// The root of order 2N is `ROOTS[l]^(8192 / N)`.
pub(crate) const ROOTS: [u64; 4] =
    [106_575_731_533_006, 1_055_820_128_863_106, 514_592_881_492_319, 451_300_111_747_955];
const ROOT_ORDER: usize = 1 << 14;

/// A negacyclic NTT of one size modulo one prime.
pub struct Ntt {
    modulus: Modulus,
    degree: usize,
    inverse_degree: u64,
    engine: Engine,
}

enum Engine {
    Fast(Box<tfhe_ntt::prime64::Plan>),
    #[cfg(target_arch = "x86_64")]
    Doubles(Box<FloatNtt>),
    Portable(PortableNtt),
}

impl Engine {
    /// tfhe-ntt's, if it uses this root.
    fn fast(modulus: Modulus, root: u64, degree: usize) -> Option<Self> {
        let plan = tfhe_ntt::prime64::Plan::try_new(degree, modulus.value())?;
        let mut x = vec![0; degree];
        x[1] = 1;
        plan.fwd(&mut x);
        (x[0] == root).then(|| Self::Fast(Box::new(plan)))
    }

    /// In doubles, where the machine can.
    fn doubles(modulus: Modulus, root: u64, degree: usize) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        return {
            let PortableNtt { powers, inverse_powers, .. } =
                PortableNtt::new(modulus, root, degree);
            let ntt = FloatNtt::new(modulus, &powers, &inverse_powers)?;
            Some(Self::Doubles(Box::new(ntt)))
        };
        #[cfg(not(target_arch = "x86_64"))]
        None
    }
}

impl Ntt {
    /// Transform of size `degree` with `root` of order `2 degree`, on the fastest engine that gives our bits.
    pub(crate) fn new(modulus: Modulus, root: u64, degree: usize) -> Self {
        let doubles = kernel::Engine::detect() == kernel::Engine::Fma;
        let portable = || Engine::Portable(PortableNtt::new(modulus, root, degree));
        let engine = (doubles.then(|| Engine::doubles(modulus, root, degree)).flatten())
            .or_else(|| Engine::fast(modulus, root, degree))
            .unwrap_or_else(portable);
        Self::with_engine(modulus, degree, engine)
    }

    fn with_engine(modulus: Modulus, degree: usize, engine: Engine) -> Self {
        Self { modulus, degree, inverse_degree: modulus.inverse(degree as u64), engine }
    }

    /// The same transform on every engine that there is here: tfhe-ntt's first, if it uses this root, the portable one last.
    #[cfg(test)]
    pub(crate) fn all(modulus: Modulus, root: u64, degree: usize) -> Vec<Self> {
        let portable = Engine::Portable(PortableNtt::new(modulus, root, degree));
        let others = [Engine::fast(modulus, root, degree), Engine::doubles(modulus, root, degree)];
        let engines = others.into_iter().flatten().chain([portable]);
        engines.map(|engine| Self::with_engine(modulus, degree, engine)).collect()
    }

    /// Transforms reduced coefficients in place. Panics unless `values` holds `degree` words.
    pub fn forward(&self, values: &mut [u64]) {
        assert_eq!(values.len(), self.degree, "one polynomial at a time");
        match &self.engine {
            Engine::Fast(plan) => plan.fwd(values),
            #[cfg(target_arch = "x86_64")]
            Engine::Doubles(ntt) => ntt.forward(values),
            Engine::Portable(ntt) => ntt.forward(values),
        }
    }

    /// Inverts [`Ntt::forward`], division by N included.
    pub fn inverse(&self, values: &mut [u64]) {
        self.inverse_unscaled(values);
        Lanes::new(self.modulus).scale(values, self.inverse_degree);
    }

    /// N times the inverse of [`Ntt::forward`], for those who multiply by another constant anyway.
    pub(crate) fn inverse_unscaled(&self, values: &mut [u64]) {
        assert_eq!(values.len(), self.degree, "one polynomial at a time");
        match &self.engine {
            Engine::Fast(plan) => plan.inv(values),
            #[cfg(target_arch = "x86_64")]
            Engine::Doubles(ntt) => ntt.inverse_unscaled(values),
            Engine::Portable(ntt) => ntt.inverse_unscaled(values),
        }
    }

    /// The modulus.
    pub fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// Whether it is tfhe-ntt's: elsewhere roots were chosen that this one does not use.
    #[cfg(test)]
    pub(crate) fn is_fast(&self) -> bool {
        matches!(self.engine, Engine::Fast(_))
    }
}

/// The ring of a parameter set: one transform for each limb. Polynomials are `limbs * degree` words, limb-major.
pub struct Ring {
    params: Params,
    limbs: Vec<Ntt>,
}

impl Ring {
    /// Tables for `params`; building them takes about a millisecond, keep and share the value.
    pub fn new(params: Params) -> Self {
        let degree = params.degree();
        let limbs = params
            .moduli()
            .zip(ROOTS)
            .map(|(m, root)| Ntt::new(m, m.pow(root, (ROOT_ORDER / (2 * degree)) as u64), degree))
            .collect();
        Self { params, limbs }
    }

    /// The parameter set.
    pub fn params(&self) -> Params {
        self.params
    }

    /// The transform of each limb.
    pub fn limbs(&self) -> &[Ntt] {
        &self.limbs
    }

    /// Forward transform of a polynomial of `params().words()` words.
    pub fn forward(&self, poly: &mut [u64]) {
        for (ntt, limb) in self.limbs.iter().zip(poly.chunks_exact_mut(self.params.degree())) {
            ntt.forward(limb);
        }
    }

    /// Inverse transform of a polynomial of `params().words()` words.
    pub fn inverse(&self, poly: &mut [u64]) {
        for (ntt, limb) in self.limbs.iter().zip(poly.chunks_exact_mut(self.params.degree())) {
            ntt.inverse(limb);
        }
    }

    /// Residues of small signed coefficients, limb by limb, not transformed.
    pub fn lift(&self, coefficients: &[i64], poly: &mut [u64]) {
        for (ntt, limb) in self.limbs.iter().zip(poly.chunks_exact_mut(self.params.degree())) {
            for (word, &x) in limb.iter_mut().zip(coefficients) {
                *word = ntt.modulus.from_signed(x);
            }
        }
    }
}

/// The portable transform: Cooley-Tukey forward, Gentleman-Sande inverse (Longa and Naehrig 2016, algorithms 1 and 2).
pub struct PortableNtt {
    modulus: Modulus,
    powers: Vec<u64>,
    inverse_powers: Vec<u64>,
}

impl PortableNtt {
    /// Transform of size `degree` with `root` of order `2 degree`.
    pub fn new(modulus: Modulus, root: u64, degree: usize) -> Self {
        let shift = usize::BITS - degree.trailing_zeros();
        let table = |base: u64| {
            let mut powers = vec![0; degree];
            let mut power = 1;
            for k in 0..degree {
                powers[k.reverse_bits() >> shift] = power;
                power = modulus.mul(power, base);
            }
            powers
        };
        Self { modulus, powers: table(root), inverse_powers: table(modulus.inverse(root)) }
    }

    pub(crate) fn forward(&self, values: &mut [u64]) {
        let m = self.modulus;
        let (mut half, mut blocks) = (values.len() / 2, 1);
        while half > 0 {
            for (block, &w) in values.chunks_exact_mut(2 * half).zip(&self.powers[blocks..]) {
                let (low, high) = block.split_at_mut(half);
                for (a, b) in low.iter_mut().zip(high) {
                    let t = m.mul(*b, w);
                    (*a, *b) = (m.add(*a, t), m.sub(*a, t));
                }
            }
            half /= 2;
            blocks *= 2;
        }
    }

    fn inverse_unscaled(&self, values: &mut [u64]) {
        let m = self.modulus;
        let (mut half, mut blocks) = (1, values.len() / 2);
        while blocks > 0 {
            for (block, &w) in values.chunks_exact_mut(2 * half).zip(&self.inverse_powers[blocks..])
            {
                let (low, high) = block.split_at_mut(half);
                for (a, b) in low.iter_mut().zip(high) {
                    (*a, *b) = (m.add(*a, *b), m.mul(m.sub(*a, *b), w));
                }
            }
            half *= 2;
            blocks /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(m: Modulus, degree: usize) -> Vec<u64> {
        (0..degree as u64)
            .map(|i| m.reduce(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (i << 40)))
            .collect()
    }

    #[test]
    fn engines_give_the_same_bits() {
        for params in Params::ALL {
            for (modulus, root) in params.moduli().zip(ROOTS) {
                let degree = params.degree();
                let root = modulus.pow(root, (8192 / degree) as u64);
                let engines = Ntt::all(modulus, root, degree);
                assert!(engines[0].is_fast(), "tfhe-ntt no longer uses the roots of the format");
                engines_agree(&engines, &sample(modulus, degree));
            }
        }
    }

    #[test]
    fn engines_agree_on_the_largest_words() {
        // The bounds of the transform in doubles are those of a prime of 50 bits, and nowhere closer than here.
        let (modulus, degree) = (Modulus::new(crate::params::PRIMES[0]), 2048);
        let engines = Ntt::all(modulus, modulus.pow(ROOTS[0], 4), degree);
        let p = modulus.value();
        for words in [[p - 1, p - 1], [p - 1, 0], [p / 2, p / 2 + 1], [1, p - 1]] {
            engines_agree(&engines, &words.repeat(degree / 2));
        }
    }

    /// Checks that all engines transform `original` alike, both ways, and come back to it.
    fn engines_agree(engines: &[Ntt], original: &[u64]) {
        let (portable, others) = engines.split_last().unwrap();
        let (mut forward, mut backward) = (original.to_vec(), original.to_vec());
        portable.forward(&mut forward);
        portable.inverse_unscaled(&mut backward);
        for ntt in others {
            let mut x = original.to_vec();
            ntt.inverse_unscaled(&mut x);
            assert!(x == backward);
            x.copy_from_slice(original);
            ntt.forward(&mut x);
            assert!(x == forward);
            ntt.inverse(&mut x);
            assert!(x == original);
        }
    }

    #[test]
    fn products_are_negacyclic() {
        let ring = Ring::new(Params::N2048Q50);
        let (n, ntt) = (2048, &ring.limbs()[0]);
        let mut x = vec![0; n]; // X^(N-1) * X = -1
        x[n - 1] = 1;
        let mut y = vec![0; n];
        y[1] = 1;
        ntt.forward(&mut x);
        ntt.forward(&mut y);
        let mut z: Vec<u64> = x.iter().zip(&y).map(|(&a, &b)| ntt.modulus.mul(a, b)).collect();
        ntt.inverse(&mut z);
        assert_eq!(z[0], ntt.modulus.neg(1));
        assert!(z[1..].iter().all(|&v| v == 0));
    }
}
