//! Secret randomness: ternary secrets and centred binomial errors, in constant time.

use he_core::kernel::{CounterCipher, centred_binomial};
use zeroize::Zeroize;

/// Uniform ternary coefficients from a key. Bias below 2^-63.
pub(crate) fn ternary(key: &[u8; 32], coefficients: &mut [i64]) {
    let mut stream = blake3::Hasher::new_keyed(key).finalize_xof();
    let mut bytes = [0; 8];
    for c in coefficients {
        stream.fill(&mut bytes);
        *c = ((u128::from(u64::from_le_bytes(bytes)) * 3) >> 64) as i64 - 1;
    }
    bytes.zeroize();
    stream.zeroize();
}

/// A stream of centred binomial errors, addressed so that no two polynomials share any.
pub(crate) struct Errors {
    cipher: CounterCipher,
}

/// Which polynomial an error belongs to.
#[derive(Clone, Copy)]
pub(crate) struct ErrorIndex {
    pub(crate) plane: u8,
    pub(crate) group: u32,
    pub(crate) row: u32,
    /// Body, or number of the polynomial.
    pub(crate) body: u32,
}

impl Errors {
    pub(crate) fn new(key: &[u8; 16]) -> Self {
        Self { cipher: CounterCipher::new(key) }
    }

    /// Random words, one for the error of each coefficient.
    pub(crate) fn noise(&self, index: ErrorIndex, words: &mut [u64]) {
        // plane (1 byte) and polynomial (3), group (4); row (4), counter (4)
        let low = u64::from(index.plane)
            | u64::from(index.body & 0xff_ffff) << 8
            | u64::from(index.group) << 32;
        self.cipher.fill([low, u64::from(index.row)], u64::MAX, words);
    }

    /// Fills `errors` with the difference of two sums of 21 bits each: 64 stream bits for each coefficient, 42 used.
    pub(crate) fn sample(&self, index: ErrorIndex, errors: &mut [i64]) {
        let mut words = vec![0; errors.len()];
        self.noise(index, &mut words);
        for (error, &bits) in errors.iter_mut().zip(&words) {
            *error = centred_binomial(bits);
        }
        words.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_stated_distribution() {
        let mut e = vec![0; 1 << 18];
        Errors::new(&[3; 16]).sample(ErrorIndex { plane: 0, group: 0, row: 0, body: 0 }, &mut e);
        let n = e.len() as f64;
        let mean = e.iter().sum::<i64>() as f64 / n;
        let variance = e.iter().map(|x| x * x).sum::<i64>() as f64 / n;
        assert!(mean.abs() < 0.04, "{mean}");
        assert!((variance - 10.5).abs() < 0.2, "{variance}");
        assert!(e.iter().all(|x| x.abs() <= 21));
    }

    #[test]
    fn no_two_polynomials_share_errors() {
        let errors = Errors::new(&[3; 16]);
        let base = ErrorIndex { plane: 1, group: 2, row: 3, body: 4 };
        let sample = |index| {
            let mut e = vec![0; 256];
            errors.sample(index, &mut e);
            e
        };
        let first = sample(base);
        assert_eq!(first, sample(base));
        for other in [
            ErrorIndex { plane: 2, ..base },
            ErrorIndex { group: 3, ..base },
            ErrorIndex { row: 4, ..base },
            ErrorIndex { body: 5, ..base },
        ] {
            assert_ne!(first, sample(other));
        }
    }

    #[test]
    fn ternary_coefficients_are_uniform() {
        let mut s = vec![0; 30_000];
        ternary(&[1; 32], &mut s);
        for value in -1..=1 {
            let count = s.iter().filter(|&&x| x == value).count();
            assert!((9_600..10_400).contains(&count), "{value}: {count}");
        }
    }
}
