//! Constant-time arithmetic modulo primes just below 2^50 or 2^46.

/// Bits of the larger primes.
const LARGE: u32 = 50;
/// Bits of the smaller primes.
const SMALL: u32 = 46;

/// A prime `p = 2^b - c`: b = 50 and `c < 2^27` (`c < 2^25` for those of [`crate::params::PRIMES`]), or b = 46 and `c < 2^26`.
///
/// Reduction folds the bits above 2^b down by multiplying them with `c`; there is no division and no branch
/// on data, so secrets may pass through every function here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Modulus {
    p: u64,
    c: u64,
    bits: u32,
}

impl Modulus {
    /// The modulus for `p`, one of [`crate::params::PRIMES`] or of the finishing ring's.
    pub(crate) const fn new(p: u64) -> Self {
        let bits = if p >> SMALL == 0 { SMALL } else { LARGE };
        let c = (1 << bits) - p;
        assert!(c < if bits == SMALL { 1 << 26 } else { 1 << 27 });
        Self { p, c, bits }
    }

    /// `2^b - 1`: p lies just below it.
    pub(crate) const fn low(self) -> u64 {
        (1 << self.bits) - 1
    }

    /// The prime.
    pub const fn value(self) -> u64 {
        self.p
    }

    /// `2^50 - p` for a prime of 50 bits, the factor by which high bits fold down.
    pub const fn fold_factor(self) -> u64 {
        assert!(self.bits == LARGE);
        self.c
    }

    /// Whether p is a prime of ciphertexts, not only of finishing: the kernel folds with `c < 2^25`.
    pub(crate) const fn is_for_ciphertexts(self) -> bool {
        self.bits == LARGE && self.c < 1 << 25
    }

    /// `x mod p` for `x < 2p`.
    #[inline(always)]
    pub const fn reduce_once(self, x: u64) -> u64 {
        let (difference, borrow) = x.overflowing_sub(self.p);
        difference.wrapping_add(self.p & (borrow as u64).wrapping_neg())
    }

    /// `x mod p` for any `x`.
    #[inline(always)]
    pub const fn reduce(self, x: u64) -> u64 {
        // < 2^50 + 2^41, 2^46 + 2^44
        self.reduce_once((x & self.low()) + (x >> self.bits) * self.c)
    }

    /// `x mod p` for `x < 2^103`, and for `x < 2^112` where `c < 2^25`.
    #[inline(always)]
    pub const fn reduce_wide(self, x: u128) -> u64 {
        let (low, high) = self.split(x);
        let (low, high) = self.split(low as u128 + high as u128 * self.c as u128);
        self.reduce(low + high * self.c) // < 2^50 + 2^62, 2^46 + 2^63
    }

    /// The lowest b bits of `x < 2^(64 + b)`, and those above them.
    #[inline(always)]
    const fn split(self, x: u128) -> (u64, u64) {
        let (low, high) = (x as u64, (x >> 64) as u64);
        (low & self.low(), high << (64 - self.bits) | low >> self.bits)
    }

    /// `a + b mod p` for reduced arguments.
    #[inline(always)]
    pub const fn add(self, a: u64, b: u64) -> u64 {
        self.reduce_once(a + b)
    }

    /// `a - b mod p` for reduced arguments.
    #[inline(always)]
    pub const fn sub(self, a: u64, b: u64) -> u64 {
        self.reduce_once(a + self.p - b)
    }

    /// `-a mod p` for a reduced argument.
    #[inline(always)]
    pub const fn neg(self, a: u64) -> u64 {
        self.sub(0, a)
    }

    /// `a b mod p` for arguments below 2^51 (2^56 where `c < 2^25`).
    #[inline(always)]
    pub const fn mul(self, a: u64, b: u64) -> u64 {
        self.reduce_wide(a as u128 * b as u128)
    }

    /// `a^e mod p`; the exponent is public.
    pub const fn pow(self, a: u64, mut e: u64) -> u64 {
        let (mut base, mut result) = (a, 1);
        while e > 0 {
            if e & 1 == 1 {
                result = self.mul(result, base);
            }
            base = self.mul(base, base);
            e >>= 1;
        }
        result
    }

    /// Inverse of a non-zero residue.
    pub const fn inverse(self, a: u64) -> u64 {
        self.pow(a, self.p - 2)
    }

    /// Residue of a signed integer of magnitude below 2^62.
    #[inline(always)]
    pub const fn from_signed(self, x: i64) -> u64 {
        let negative = (x >> 63) as u64; // all ones or zero
        let magnitude = self.reduce(x.unsigned_abs());
        // p - m where negative, m elsewhere; p itself (m = 0) folds to 0
        self.reduce_once(
            (magnitude ^ negative).wrapping_sub(negative).wrapping_add(self.p & negative),
        )
    }

    /// Residue of a public 128-bit integer.
    pub const fn from_u128(self, x: u128) -> u64 {
        (x % self.p as u128) as u64
    }

    /// The representative in `(-p/2, p/2]`.
    #[inline(always)]
    pub const fn centre(self, x: u64) -> i64 {
        let above = ((self.p >> 1).wrapping_sub(x) >> 63).wrapping_neg(); // all ones where x > p/2
        x.wrapping_sub(self.p & above) as i64
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ckks::{self, params::SMALL_PRIMES};
    use crate::params::PRIMES;

    proptest! {
        #[test]
        fn agrees_with_wide_remainders(i in 0usize..7, a: u64, b: u64, wide in 0u128..1 << 112, s in -(1i64 << 61)..1 << 61) {
            let finishing = [SMALL_PRIMES[0].0, SMALL_PRIMES[25].0, ckks::params::PRIMES[33].0];
            let m = Modulus::new(PRIMES.into_iter().chain(finishing).nth(i).unwrap_or_default());
            let p = m.value() as u128;
            let wide = if i < 4 { wide } else { wide >> 9 };
            prop_assert_eq!(m.reduce(a) as u128, a as u128 % p);
            prop_assert_eq!(m.reduce_wide(wide) as u128, wide % p);
            let (a, b) = (m.reduce(a), m.reduce(b));
            prop_assert_eq!(m.mul(a, b) as u128, a as u128 * b as u128 % p);
            prop_assert_eq!(m.add(a, b) as u128, (a as u128 + b as u128) % p);
            prop_assert_eq!(m.add(m.sub(a, b), b), a);
            prop_assert_eq!(m.from_signed(s) as i128, (s as i128).rem_euclid(p as i128));
            prop_assert_eq!(m.from_signed(m.centre(a)), a);
            prop_assert!(m.centre(a).unsigned_abs() <= m.value() / 2);
            if a != 0 {
                prop_assert_eq!(m.mul(a, m.inverse(a)), 1);
            }
        }
    }

    #[test]
    fn edges() {
        for p in PRIMES {
            let m = Modulus::new(p);
            assert_eq!(m.reduce_once(p), 0);
            assert_eq!(m.reduce_once(2 * p - 1), p - 1);
            assert_eq!(m.reduce_wide((1 << 112) - 1) as u128, ((1u128 << 112) - 1) % p as u128);
            assert_eq!(m.from_signed(-(p as i64)), 0);
            assert_eq!(m.centre(p / 2), (p / 2) as i64);
            assert_eq!(m.centre(p / 2 + 1), (p / 2 + 1) as i64 - p as i64);
            assert_eq!(m.neg(0), 0);
        }
    }
}
