//! From residues modulo some primes to residues modulo others: extension of gadget digits, division with rounding.
//!
//! With `R = r_1 ... r_m` and `y_i = x_i (R/r_i)^-1 mod r_i`: `x = sum y_i R/r_i - u R` for an integer u (Halevi, Polyakov
//! and Shoup 2018). A digit may be any representative, so there u = 0; a division rounds to nearest with
//! `u = round(sum y_i / r_i)`, evaluated in doubles in a fixed order, the same on every machine.
#![allow(clippy::indexing_slicing)] // positions below the lengths of slices made here

use rayon::prelude::*;

use super::ring::{CkksRing, Limb};
use crate::arith::Modulus;
use crate::arith::lanes::{to_float, vectorised};

/// Some primes and their product R.
pub(crate) struct Basis<'a> {
    limbs: Vec<&'a Limb>,
}

impl<'a> Basis<'a> {
    pub(crate) fn new(limbs: impl IntoIterator<Item = &'a Limb>) -> Self {
        Self { limbs: limbs.into_iter().collect() }
    }

    /// Turns the residues modulo prime `i` of the basis, NTT domain, into the coefficients `y_i`.
    pub(crate) fn digit(&self, i: usize, words: &mut [u64]) {
        let limb = self.limbs[i];
        let m = limb.modulus();
        limb.ntt.inverse_unscaled(words);
        let inverse = m.inverse(self.punctured(i, m));
        limb.lanes.scale(words, m.mul(inverse, limb.inverse_degree));
    }

    /// `R / r_i` modulo `m`.
    fn punctured(&self, i: usize, m: Modulus) -> u64 {
        let others = self.limbs.iter().enumerate().filter(|&(j, _)| j != i);
        others.fold(1, |product, (_, limb)| m.mul(product, limb.modulus().value()))
    }

    /// `R` modulo `m`.
    fn product(&self, m: Modulus) -> u64 {
        self.punctured(usize::MAX, m)
    }

    /// `out = sum y_i R/r_i` modulo the prime of `target`.
    pub(crate) fn extend(&self, digits: &[impl AsRef<[u64]>], target: &Limb, out: &mut [u64]) {
        out.fill(0);
        for (i, y) in digits.iter().enumerate() {
            let weight = self.punctured(i, target.modulus());
            target.lanes.scale_add(y.as_ref(), weight, out);
        }
    }

    /// `u = round(sum y_i / r_i)`.
    fn wraps(&self, digits: &[Vec<u64>], out: &mut [u64]) {
        let inverses: Vec<f64> =
            self.limbs.iter().map(|l| 1.0 / l.modulus().value() as f64).collect();
        let mut fractions = vec![0.5; out.len()];
        for (y, &inverse) in digits.iter().zip(&inverses) {
            vectorised(|| {
                for (f, &y) in fractions.iter_mut().zip(y) {
                    *f += to_float(y) * inverse;
                }
            });
        }
        for (u, f) in out.iter_mut().zip(fractions) {
            *u = f as u64;
        }
    }
}

/// `round(x / R)` for a polynomial given by limbs (NTT domain): `kept` stay, `divided` (residues and their primes)
/// make up R. The rounding error of each coefficient is within 1/2 (1 + 2^-45).
pub(crate) fn divide(
    ring: &CkksRing,
    kept: Vec<Vec<u64>>,
    divided: Vec<(usize, Vec<u64>)>,
) -> Vec<u64> {
    let basis = Basis::new(divided.iter().map(|&(i, _)| &ring.limbs()[i]));
    let mut digits: Vec<Vec<u64>> = divided.into_iter().map(|(_, words)| words).collect();
    digits.par_iter_mut().enumerate().for_each(|(i, words)| basis.digit(i, words));
    let degree = ring.params().degree();
    let mut wraps = vec![0; degree];
    basis.wraps(&digits, &mut wraps);
    let mut out = vec![0; kept.len() * degree];
    (out.par_chunks_exact_mut(degree)).zip(kept).zip(ring.limbs()).for_each_init(
        || vec![0; degree],
        |centred, ((out, kept), limb)| {
            let m = limb.modulus();
            let product = basis.product(m);
            basis.extend(&digits, limb, centred);
            limb.lanes.scale_add(&wraps, m.neg(product), centred);
            limb.ntt.forward(centred);
            out.copy_from_slice(&kept);
            limb.lanes.subtract_scale(out, centred, m.inverse(product));
        },
    );
    out
}

#[cfg(test)]
mod tests {
    use ethnum::I256;

    use super::*;
    use crate::ckks::fixed::Fixed;
    use crate::ckks::params::CkksParams;

    #[test]
    fn division_rounds_to_nearest() {
        division_rounds_in(CkksParams::N32768Q750, [3, 4]);
        division_rounds_in(CkksParams::N65536Q1746, [7, 8]); // a large and a small prime
    }

    fn division_rounds_in(params: CkksParams, [first, second]: [usize; 2]) {
        let ring = CkksRing::new(params);
        let degree = ring.params().degree();
        // x = quotient * R + rest for R the product of the two primes.
        let r = I256::from(ring.limbs()[first].modulus().value())
            * I256::from(ring.limbs()[second].modulus().value());
        let quotient = |j: usize| I256::from(j as i128 * 0x1234_5678_9abc_def1 - (1 << 77));
        let rest = |j: usize| match j % 4 {
            0 => r / 2 - (r >> 40u32),
            1 => (r >> 40u32) - r / 2,
            2 => I256::ZERO,
            _ => I256::from(j as i128),
        };
        let x: Vec<Fixed> =
            (0..degree).map(|j| Fixed::from_wide(quotient(j) * r + rest(j))).collect();
        let expected: Vec<Fixed> = (0..degree).map(|j| Fixed::from_wide(quotient(j))).collect();
        let words = ring.lift_wide(&x, second + 1);
        let mut limbs = words.chunks_exact(degree).map(<[u64]>::to_vec);
        let kept = limbs.by_ref().take(first).collect();
        let out = divide(&ring, kept, [first, second].into_iter().zip(limbs).collect());
        assert!(out == ring.lift_wide(&expected, first));
    }
}
