//! Arithmetic on ciphertexts. Finishing section 3.
//!
//! A product is relinearised with the gadget of digits of three primes, and divided, in one rounding, by the special primes and
//! by the primes that the product drops. Scales and levels are checked at every step; dropping to the lower of two levels is
//! exact and silent.
#![allow(clippy::indexing_slicing)] // limb ranges below lengths that were checked on entry

use rayon::prelude::*;

use super::ciphertext::{Ciphertext, CkksError, Plaintext, same_scale, to_fixed};
use super::convert::{Basis, divide};
use super::keys::RelinKey;
use super::params::CkksParams;
use super::ring::CkksRing;

/// Evaluates circuits with the tables and the relinearisation key of one study.
#[derive(Clone, Copy)]
pub struct Evaluator<'a> {
    ring: &'a CkksRing,
    key: &'a RelinKey,
}

impl<'a> Evaluator<'a> {
    /// An evaluator.
    pub fn new(ring: &'a CkksRing, key: &'a RelinKey) -> Result<Self, CkksError> {
        let evaluator = Self { ring, key };
        evaluator.check_params(key.params())?;
        Ok(evaluator)
    }

    /// The ring.
    pub fn ring(&self) -> &'a CkksRing {
        self.ring
    }

    /// `a + b`.
    pub fn add(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, CkksError> {
        self.combine(a, b, |acc, x| self.ring.add(acc, x))
    }

    /// `a - b`.
    pub fn subtract(&self, a: &Ciphertext, b: &Ciphertext) -> Result<Ciphertext, CkksError> {
        self.combine(a, b, |acc, x| self.ring.subtract(acc, x))
    }

    fn combine(
        &self,
        a: &Ciphertext,
        b: &Ciphertext,
        f: impl Fn(&mut [u64], &[u64]),
    ) -> Result<Ciphertext, CkksError> {
        let limbs = self.common_limbs(a, b)?;
        same_scale(a.scale, b.scale)?;
        let mut sum = a.clone().truncate(limbs)?;
        f(&mut sum.c0, &b.c0);
        f(&mut sum.c1, &b.c1);
        Ok(sum)
    }

    /// `a + x` for a public vector of the same scale.
    pub fn add_plain(&self, a: &Ciphertext, x: &Plaintext) -> Result<Ciphertext, CkksError> {
        self.check_plain(a, x)?;
        same_scale(a.scale, x.scale)?;
        let mut sum = a.clone();
        self.ring.add(&mut sum.c0, &x.words);
        Ok(sum)
    }

    /// `a x` for a public vector, without rescaling: the scales multiply.
    pub fn multiply_plain(&self, a: &Ciphertext, x: &Plaintext) -> Result<Ciphertext, CkksError> {
        self.check_plain(a, x)?;
        let product = |part: &[u64]| {
            let mut out = vec![0; part.len()];
            self.ring.multiply_add(part, &x.words, &mut out);
            out
        };
        Ok(Ciphertext {
            params: a.params,
            scale: a.scale * x.scale,
            c0: product(&a.c0),
            c1: product(&a.c1),
        })
    }

    /// `a + c` in every slot.
    pub fn add_constant(&self, a: &Ciphertext, c: f64) -> Result<Ciphertext, CkksError> {
        self.check_params(a.params)?;
        let c = to_fixed(c * a.scale, 0, a.scale)?;
        let mut sum = a.clone();
        let limbs = sum.c0.par_chunks_exact_mut(a.params.degree()).zip(self.ring.limbs());
        limbs.for_each(|(words, limb)| limb.lanes.add_constant(words, limb.residue(c)));
        Ok(sum)
    }

    /// `a c` in every slot, c as an integer of that scale, without rescaling: the scales multiply.
    pub fn multiply_constant(
        &self,
        a: &Ciphertext,
        c: f64,
        scale: f64,
    ) -> Result<Ciphertext, CkksError> {
        self.check_params(a.params)?;
        let c = to_fixed(c * scale, 0, scale)?;
        let mut product = a.clone();
        product.scale *= scale;
        for part in [&mut product.c0, &mut product.c1] {
            let limbs = part.par_chunks_exact_mut(a.params.degree()).zip(self.ring.limbs());
            limbs.for_each(|(words, limb)| limb.lanes.scale(words, limb.residue(c)));
        }
        Ok(product)
    }

    /// Divides by the last `drop` primes: the same values at a smaller scale.
    pub fn rescale(&self, a: &Ciphertext, drop: usize) -> Result<Ciphertext, CkksError> {
        self.check_params(a.params)?;
        let limbs = a.limbs();
        let left = remaining(limbs, drop)?;
        if drop == 0 {
            return Ok(a.clone());
        }
        let part = |words: &[u64]| {
            let mut parts = words.chunks_exact(a.params.degree()).map(<[u64]>::to_vec);
            let kept = parts.by_ref().take(left).collect();
            divide(self.ring, kept, (left..limbs).zip(parts).collect())
        };
        Ok(Ciphertext {
            params: a.params,
            scale: self.dropped_scale(a.scale, left, limbs),
            c0: part(&a.c0),
            c1: part(&a.c1),
        })
    }

    /// `a b`, relinearised, divided by the last `drop` primes.
    pub fn multiply(
        &self,
        a: &Ciphertext,
        b: &Ciphertext,
        drop: usize,
    ) -> Result<Ciphertext, CkksError> {
        let limbs = self.common_limbs(a, b)?;
        let left = remaining(limbs, drop)?;
        let params = a.params;
        let digits = self.digits(a, b, limbs);
        let targets: Vec<usize> = (0..limbs).chain(params.limbs()..params.all_limbs()).collect();
        let sums: Vec<[Vec<u64>; 2]> =
            targets.par_iter().map(|&t| self.product_limb(a, b, &digits, limbs, t)).collect();
        let (c0, c1): (Vec<_>, Vec<_>) = sums.into_iter().map(|[x, y]| (x, y)).unzip();
        let part = |sums: Vec<Vec<u64>>| {
            let mut parts = sums.into_iter();
            let kept = parts.by_ref().take(left).collect();
            divide(self.ring, kept, targets[left..].iter().copied().zip(parts).collect())
        };
        let scale = self.dropped_scale(a.scale * b.scale, left, limbs);
        Ok(Ciphertext { params, scale, c0: part(c0), c1: part(c1) })
    }

    /// The gadget digits of `a1 b1`, as coefficients ready to be extended.
    fn digits(&self, a: &Ciphertext, b: &Ciphertext, limbs: usize) -> Vec<Vec<u64>> {
        let (degree, size) = (a.params.degree(), a.params.digit_limbs());
        (0..limbs)
            .into_par_iter()
            .map(|i| {
                let range = i * degree..(i + 1) * degree;
                let mut words = vec![0; degree];
                self.ring.limbs()[i].lanes.multiply(&a.c1[range.clone()], &b.c1[range], &mut words);
                let first = i / size * size;
                let basis = Basis::new(&self.ring.limbs()[first..limbs.min(first + size)]);
                basis.digit(i - first, &mut words);
                words
            })
            .collect()
    }

    /// `P (a0 b0, a0 b1 + a1 b0) + sum digit * key` modulo prime `t`, P being zero modulo special primes.
    fn product_limb(
        &self,
        a: &Ciphertext,
        b: &Ciphertext,
        digits: &[Vec<u64>],
        limbs: usize,
        t: usize,
    ) -> [Vec<u64>; 2] {
        let (params, limb) = (a.params, &self.ring.limbs()[t]);
        let (degree, size) = (params.degree(), params.digit_limbs());
        let range = t * degree..(t + 1) * degree;
        let (mut sum0, mut sum1, mut digit) = (vec![0; degree], vec![0; degree], vec![0; degree]);
        let ciphertext = t < limbs;
        if ciphertext {
            let [a0, a1, b0, b1] = [&a.c0, &a.c1, &b.c0, &b.c1].map(|part| &part[range.clone()]);
            limb.lanes.multiply(a0, b0, &mut sum0);
            limb.lanes.multiply(a0, b1, &mut sum1);
            limb.lanes.multiply_add(a1, b0, &mut sum1);
            let p = special_product(self.ring, t);
            limb.lanes.scale(&mut sum0, p);
            limb.lanes.scale(&mut sum1, p);
        }
        for (number, parts) in digits.chunks(size).enumerate() {
            let first = number * size;
            if ciphertext && (first..first + parts.len()).contains(&t) {
                limb.lanes.multiply(&a.c1[range.clone()], &b.c1[range.clone()], &mut digit);
            } else {
                let basis = Basis::new(&self.ring.limbs()[first..first + parts.len()]);
                basis.extend(parts, limb, &mut digit);
                limb.ntt.forward(&mut digit);
            }
            let (key0, key1) = self.key.limb(number, t);
            limb.lanes.multiply_add(&digit, key0, &mut sum0);
            limb.lanes.multiply_add(&digit, key1, &mut sum1);
        }
        [sum0, sum1]
    }

    fn dropped_scale(&self, scale: f64, left: usize, limbs: usize) -> f64 {
        self.ring.limbs()[left..limbs].iter().fold(scale, |s, l| s / l.modulus().value() as f64)
    }

    fn common_limbs(&self, a: &Ciphertext, b: &Ciphertext) -> Result<usize, CkksError> {
        self.check_params(a.params)?;
        self.check_params(b.params)?;
        Ok(a.limbs().min(b.limbs()))
    }

    fn check_plain(&self, a: &Ciphertext, x: &Plaintext) -> Result<(), CkksError> {
        self.check_params(a.params)?;
        self.check_params(x.params)?;
        let (needed, left) = (a.limbs(), x.limbs());
        if left < needed { Err(CkksError::Depth { needed, left }) } else { Ok(()) }
    }

    fn check_params(&self, found: CkksParams) -> Result<(), CkksError> {
        let expected = self.ring.params();
        if found == expected {
            Ok(())
        } else {
            Err(CkksError::Params { expected: expected.name(), found: found.name() })
        }
    }
}

/// The product of the special primes modulo prime `t`.
pub(crate) fn special_product(ring: &CkksRing, t: usize) -> u64 {
    let m = ring.limbs()[t].modulus();
    let special = &ring.limbs()[ring.params().limbs()..];
    special.iter().fold(1, |p, limb| m.mul(p, limb.modulus().value()))
}

fn remaining(limbs: usize, drop: usize) -> Result<usize, CkksError> {
    match limbs.checked_sub(drop) {
        Some(left) if left > 0 => Ok(left),
        _ => Err(CkksError::Depth { needed: drop + 1, left: limbs }),
    }
}
