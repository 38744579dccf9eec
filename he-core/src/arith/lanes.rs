//! Arithmetic modulo a prime below 2^50 on whole vectors, eight lanes at a time where the processor has them.
//!
//! A product of two residues is formed exactly as a pair of doubles `h + l` with a fused multiply-add, its quotient by p is
//! estimated from `h`, and what is left is again exact (van der Hoeven, Lecerf and Quintin 2016, section 3; the same in
//! FLINT's `fft_small`). No rounding survives: every function gives the residue that integers would, and takes
//! time independent of the values, so secrets may pass through (on processors with the instruction: elsewhere the fused operation is a
//! function of the platform's, which promises bits, not time). Vectors in one call have one length.

#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::{__m256d, __m256i};

#[cfg(target_arch = "x86_64")]
use pulp::x86::V3;

use super::Modulus;
use crate::kernel::centred_binomial_halves;

/// 2^52: adding it moves an integer below 2^52 into the low bits of a double.
pub(crate) const SHIFT: f64 = 4_503_599_627_370_496.0;
const SHIFT_BITS: u64 = SHIFT.to_bits();

/// Vector arithmetic modulo one prime.
#[derive(Clone, Copy)]
pub(crate) struct Lanes {
    modulus: Modulus,
    p: f64,
    inverse: f64,
}

/// Words below 2^52 as floats.
#[inline(always)]
pub(crate) fn to_float(x: u64) -> f64 {
    f64::from_bits(x | SHIFT_BITS) - SHIFT
}

/// The same of four words, in a function that has the instructions.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn vector_to_float(simd: V3, words: __m256i) -> __m256d {
    let shift = simd.avx._mm256_set1_pd(SHIFT);
    let bits = simd.avx2._mm256_or_si256(words, simd.avx._mm256_castpd_si256(shift));
    simd.avx._mm256_sub_pd(simd.avx._mm256_castsi256_pd(bits), shift)
}

impl Lanes {
    pub(crate) fn new(modulus: Modulus) -> Self {
        let p = modulus.value() as f64; // exact
        Self { modulus, p, inverse: 1.0 / p }
    }

    pub(crate) fn modulus(self) -> Modulus {
        self.modulus
    }

    /// `x y mod p` for integers below 2^50 of which one is below p.
    ///
    /// `h` is at most 2^50 p, its quotient estimate at most 1/4 off before rounding down and `|l| <= 2^(b-4)` for a prime of b bits, so the remainder
    /// lies between `-p/3` and `4p/3`: one correction either way.
    #[inline(always)]
    fn product(self, x: f64, y: f64) -> f64 {
        let h = x * y;
        let l = x.mul_add(y, -h);
        let quotient = (h * self.inverse).floor();
        let r = (-quotient).mul_add(self.p, h) + l;
        let r = if r < 0.0 { r + self.p } else { r };
        if r >= self.p { r - self.p } else { r }
    }

    #[inline(always)]
    fn sum(self, x: f64, y: f64) -> f64 {
        let s = x + y;
        if s >= self.p { s - self.p } else { s }
    }

    #[inline(always)]
    fn to_word(x: f64) -> u64 {
        (x + SHIFT).to_bits() ^ SHIFT_BITS
    }

    /// `acc += x`.
    pub(crate) fn add(self, acc: &mut [u64], x: &[u64]) {
        let m = self.modulus;
        vectorised(|| acc.iter_mut().zip(x).for_each(|(a, &x)| *a = m.add(*a, x)));
    }

    /// `acc -= x`.
    pub(crate) fn subtract(self, acc: &mut [u64], x: &[u64]) {
        let m = self.modulus;
        vectorised(|| acc.iter_mut().zip(x).for_each(|(a, &x)| *a = m.sub(*a, x)));
    }

    /// `acc += c`.
    pub(crate) fn add_constant(self, acc: &mut [u64], c: u64) {
        let m = self.modulus;
        vectorised(|| acc.iter_mut().for_each(|a| *a = m.add(*a, c)));
    }

    /// `out = a b`.
    pub(crate) fn multiply(self, a: &[u64], b: &[u64], out: &mut [u64]) {
        vectorised(|| {
            for ((o, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *o = Self::to_word(self.product(to_float(a), to_float(b)));
            }
        });
    }

    /// `acc += a b`.
    pub(crate) fn multiply_add(self, a: &[u64], b: &[u64], acc: &mut [u64]) {
        vectorised(|| {
            for ((o, &a), &b) in acc.iter_mut().zip(a).zip(b) {
                let product = self.product(to_float(a), to_float(b));
                *o = Self::to_word(self.sum(to_float(*o), product));
            }
        });
    }

    /// `x *= c` for a residue c; the words of `x` need only be below 2^50.
    pub(crate) fn scale(self, x: &mut [u64], c: u64) {
        let c = to_float(c);
        vectorised(|| {
            for x in x {
                *x = Self::to_word(self.product(to_float(*x), c));
            }
        });
    }

    /// `acc += c x` for a residue c; the words of `x` need only be below 2^50.
    pub(crate) fn scale_add(self, x: &[u64], c: u64, acc: &mut [u64]) {
        let c = to_float(c);
        vectorised(|| {
            for (o, &x) in acc.iter_mut().zip(x) {
                *o = Self::to_word(self.sum(to_float(*o), self.product(to_float(x), c)));
            }
        });
    }

    /// `acc = c (acc - x)` for a residue c.
    pub(crate) fn subtract_scale(self, acc: &mut [u64], x: &[u64], c: u64) {
        let (m, c) = (self.modulus, to_float(c));
        vectorised(|| {
            for (o, &x) in acc.iter_mut().zip(x) {
                *o = Self::to_word(self.product(to_float(m.sub(*o, x)), c));
            }
        });
    }
}

/// What encryption does to a coefficient before its transform.
impl Lanes {
    /// `out = delta * value + error`, as [`crate::kernel::Engine::encode`] has it; delta is a residue.
    pub(crate) fn encode(self, delta: u64, values: &[i8], noise: &[u64], out: &mut [u64]) {
        let delta = to_float(delta);
        vectorised(|| {
            for ((out, &value), &bits) in out.iter_mut().zip(values).zip(noise) {
                let value = f64::from(value);
                let product = self.product(value.abs(), delta);
                let x = if value < 0.0 { -product } else { product };
                let [plus, minus] = centred_binomial_halves(bits).map(|ones| to_float(ones.into()));
                // Above -p - 22 and below p + 22.
                let x = x + (plus - minus);
                let x = if x < 0.0 { x + self.p } else { x };
                let x = if x < 0.0 { x + self.p } else { x };
                *out = Self::to_word(if x >= self.p { x - self.p } else { x });
            }
        });
    }
}

/// Compiles a loop for the widest vectors that this processor has.
#[inline(always)]
pub(crate) fn vectorised(f: impl FnOnce()) {
    pulp::Arch::new().dispatch(f);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ckks::params::{PRIMES, SMALL_PRIMES};

    fn words(seed: u64, below: u64) -> Vec<u64> {
        let mut state = seed;
        let mut words: Vec<u64> = (0..999)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 14) % below
            })
            .collect();
        words.extend([0, 1, below / 2, below - 2, below - 1]); // where estimates go wrong first
        words
    }

    #[test]
    fn every_operation_agrees_with_integers() {
        for (p, _) in PRIMES.into_iter().chain(SMALL_PRIMES) {
            let m = Modulus::new(p);
            let lanes = Lanes::new(m);
            let (a, wide) = (words(p, p), words(p ^ 77, 1 << 50));
            let b: Vec<u64> = words(p ^ 5, p).into_iter().rev().collect();
            let expect = |f: &dyn Fn(u64, u64, u64) -> u128| -> Vec<u64> {
                (a.iter().zip(&b).zip(&wide))
                    .map(|((&a, &b), &w)| (f(a, b, w) % u128::from(p)) as u64)
                    .collect()
            };
            let run = |f: &dyn Fn(&mut [u64])| {
                let mut x = a.clone();
                f(&mut x);
                x
            };
            let (q, c) = (u128::from(p), p - 3);
            assert_eq!(run(&|x| lanes.add(x, &b)), expect(&|a, b, _| u128::from(a + b)));
            assert_eq!(run(&|x| lanes.subtract(x, &b)), expect(&|a, b, _| u128::from(a + p - b)));
            assert_eq!(run(&|x| lanes.add_constant(x, c)), expect(&|a, _, _| u128::from(a + c)));
            let product = |a: u64, b: u64| u128::from(a) * u128::from(b);
            assert_eq!(run(&|x| lanes.multiply(&wide, &b, x)), expect(&|_, b, w| product(w, b)));
            assert_eq!(
                run(&|x| lanes.multiply_add(&wide, &b, x)),
                expect(&|a, b, w| product(w, b) + u128::from(a))
            );
            assert_eq!(run(&|x| lanes.scale(x, c)), expect(&|a, _, _| product(a, c)));
            assert_eq!(
                run(&|x| lanes.scale_add(&wide, c, x)),
                expect(&|a, _, w| product(w, c) + u128::from(a))
            );
            assert_eq!(
                run(&|x| lanes.subtract_scale(x, &b, c)),
                expect(&|a, b, _| (u128::from(a) + q - u128::from(b)) * u128::from(c))
            );
            // Compiled for the least processor of the target, where the fused product is a function call.
            let plain = |a: u64, b: u64| Lanes::to_word(lanes.product(to_float(a), to_float(b)));
            let plain: Vec<u64> = wide.iter().zip(&b).map(|(&w, &b)| plain(w, b)).collect();
            assert_eq!(plain, expect(&|_, b, w| product(w, b)));
            let mut wide = wide.clone();
            let scaled = expect(&|_, _, w| product(w, c));
            lanes.scale(&mut wide, c);
            assert_eq!(wide, scaled);
        }
    }
}
