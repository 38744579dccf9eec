//! From values and random words to noisy residues: what encryption does to every coefficient before its transform.

use super::Engine;
#[cfg(target_arch = "x86_64")]
use super::avx512;
use crate::arith::Modulus;
use crate::arith::lanes::Lanes;
use crate::params::ERROR_ETA;

/// Bits of one half of a random word: the error is the difference of the numbers of ones in two halves.
pub(super) const HALF: u64 = (1 << ERROR_ETA) - 1;

/// The centred binomial error of 64 random bits, of which 42 count: ones among bits 0 to 20 less ones among bits 21 to 41.
#[inline(always)]
pub fn centred_binomial(bits: u64) -> i64 {
    let [plus, minus] = centred_binomial_halves(bits);
    i64::from(plus) - i64::from(minus)
}

/// The numbers of ones of which a [`centred_binomial`] is the difference.
#[inline(always)]
pub(crate) fn centred_binomial_halves(bits: u64) -> [u32; 2] {
    [(bits & HALF).count_ones(), (bits >> ERROR_ETA & HALF).count_ones()]
}

impl Engine {
    /// `out = delta * value + error mod p`, each error drawn from a word of `noise` ([`centred_binomial`]). Constant time.
    ///
    /// `delta` is below p, a prime of [`crate::params::PRIMES`]; all slices have the same length, a multiple of eight.
    pub fn encode(
        self,
        modulus: Modulus,
        delta: u64,
        values: &[i8],
        noise: &[u64],
        out: &mut [u64],
    ) {
        assert!(
            values.len() == out.len()
                && noise.len() == out.len()
                && out.len().is_multiple_of(8)
                && delta < modulus.value(),
            "slices of one length, a reduced scale"
        );
        assert!(modulus.is_for_ciphertexts(), "a prime of ciphertexts");
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::encode(modulus, delta, values, noise, out),
            Self::Fma => Lanes::new(modulus).encode(delta, values, noise, out),
            _ => encode(modulus, delta, values, noise, out),
        }
    }
}

/// |value delta| stays below 2^57.
fn encode(modulus: Modulus, delta: u64, values: &[i8], noise: &[u64], out: &mut [u64]) {
    for ((out, &value), &bits) in out.iter_mut().zip(values).zip(noise) {
        *out = modulus.from_signed(centred_binomial(bits) + i64::from(value) * delta as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::CounterCipher;
    use crate::params::PRIMES;

    #[test]
    fn engines_encode_alike() {
        let mut noise = vec![0; 256];
        CounterCipher::new(&[3; 16]).fill([1, 2], u64::MAX, &mut noise);
        noise[..4].copy_from_slice(&[0, u64::MAX, HALF, HALF << ERROR_ETA]);
        let values: Vec<i8> = (0..=255u8).map(|v| v as i8).collect();
        for p in PRIMES {
            let modulus = Modulus::new(p);
            for delta in [0, 1, 186_276, p / 2, p - 1] {
                let (mut a, mut b) = (vec![1; 256], vec![2; 256]);
                Engine::Portable.encode(modulus, delta, &values, &noise, &mut a);
                for engine in Engine::all() {
                    engine.encode(modulus, delta, &values, &noise, &mut b);
                    assert_eq!(a, b, "{engine:?}");
                }
                for ((&word, &value), &bits) in a.iter().zip(&values).zip(&noise) {
                    let exact =
                        i128::from(value) * i128::from(delta) + i128::from(centred_binomial(bits));
                    assert_eq!(i128::from(word), exact.rem_euclid(i128::from(p)));
                }
            }
        }
        assert_eq!([0, HALF, HALF << ERROR_ETA, u64::MAX].map(centred_binomial), [0, 21, -21, 0]);
    }
}
