//! Ciphertexts, plaintexts, and what can be wrong with them.

use super::GUARD_BITS;
use super::fixed::{Complex, Fixed};
use super::params::CkksParams;
use super::ring::CkksRing;

/// Why an operation is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CkksError {
    /// Values of different parameter sets.
    #[error("an object of {found} does not go with {expected}; one circuit has one parameter set")]
    Params {
        /// The evaluator's.
        expected: &'static str,
        /// The object's.
        found: &'static str,
    },
    /// Not enough primes left.
    #[error(
        "the circuit is too deep: {needed} primes are needed here and {left} are left; use a larger parameter set"
    )]
    Depth {
        /// Primes that the operation needs.
        needed: usize,
        /// Primes that the operand has.
        left: usize,
    },
    /// Scales that differ.
    #[error(
        "values of scales 2^{0:.6} and 2^{1:.6} cannot be added; bring them to one scale first"
    )]
    Scale(f64, f64),
    /// Values that do not fit the modulus or the arithmetic.
    #[error("a value is not finite or too large for its scale of 2^{0:.1}")]
    Range(f64),
    /// Wrong number of values.
    #[error("{found} values do not fit {slots} slots")]
    Slots {
        /// Slots of a ciphertext.
        slots: usize,
        /// Values given.
        found: usize,
    },
}

/// Relative difference up to which two scales count as one. A scale is a double, and each operation rounds it by 2^-53 at most;
/// what two routes to one scale differ by adds to a value's relative error and is far below every bound that we state.
const SCALE_TOLERANCE: f64 = 1e-12;

/// Checks that two scales are one.
pub(crate) fn same_scale(a: f64, b: f64) -> Result<(), CkksError> {
    if (a / b - 1.0).abs() <= SCALE_TOLERANCE {
        Ok(())
    } else {
        Err(CkksError::Scale(a.log2(), b.log2()))
    }
}

/// An encoded vector: integer polynomial `round(scale * values)`, modulo the first few primes, NTT domain.
#[derive(Clone, PartialEq)]
pub struct Plaintext {
    pub(crate) params: CkksParams,
    pub(crate) scale: f64,
    pub(crate) words: Vec<u64>,
}

impl Plaintext {
    /// Encodes public values at a scale, for ciphertexts of up to `limbs` primes. Missing values are 0.
    ///
    /// Values are doubles, so their relative error is 2^-53 besides that of [`super::Embedding::encode`].
    pub fn encode(
        ring: &CkksRing,
        values: &[f64],
        scale: f64,
        limbs: usize,
    ) -> Result<Self, CkksError> {
        let params = ring.params();
        if values.len() > params.slots() {
            return Err(CkksError::Slots { slots: params.slots(), found: values.len() });
        }
        let mut slots = vec![Complex::default(); params.slots()];
        for (slot, &value) in slots.iter_mut().zip(values) {
            slot.re = to_fixed(value * scale, GUARD_BITS as i32, scale)?;
        }
        Ok(Self { params, scale, words: ring.encode(&mut slots, limbs) })
    }

    /// Primes modulo which the plaintext is known.
    pub fn limbs(&self) -> usize {
        self.words.len() / self.params.degree()
    }

    /// The scale.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The words, limb-major, NTT domain.
    pub fn words(&self) -> &[u64] {
        &self.words
    }
}

/// Largest magnitude of an encoded value: the bound under which [`super::Embedding::encode`] states its error.
const LARGEST_ENCODED: f64 = 1.0e69; // just below 2^230

pub(crate) fn to_fixed(x: f64, shift: i32, scale: f64) -> Result<Fixed, CkksError> {
    let fits = x.abs() * 2f64.powi(shift) < LARGEST_ENCODED;
    Fixed::from_float(x, shift).filter(|_| fits).ok_or(CkksError::Range(scale.log2()))
}

/// An encrypted vector: `c0 + c1 S = round(scale * values) + noise` modulo the first `limbs()` primes, NTT domain.
#[derive(Clone, PartialEq)]
pub struct Ciphertext {
    pub(crate) params: CkksParams,
    pub(crate) scale: f64,
    pub(crate) c0: Vec<u64>,
    pub(crate) c1: Vec<u64>,
}

impl core::fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let limbs = self.limbs();
        f.debug_struct("Ciphertext")
            .field("limbs", &limbs)
            .field("scale", &self.scale)
            .finish_non_exhaustive()
    }
}

impl Ciphertext {
    /// From its two polynomials, of one length, a whole number of limbs.
    pub fn new(params: CkksParams, scale: f64, c0: Vec<u64>, c1: Vec<u64>) -> Self {
        assert!(
            c0.len() == c1.len() && c0.len().is_multiple_of(params.degree()),
            "two polynomials"
        );
        Self { params, scale, c0, c1 }
    }

    /// The parameter set.
    pub fn params(&self) -> CkksParams {
        self.params
    }

    /// Primes left.
    pub fn limbs(&self) -> usize {
        self.c0.len() / self.params.degree()
    }

    /// The scale.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// `c0` and `c1`.
    pub fn parts(&self) -> (&[u64], &[u64]) {
        (&self.c0, &self.c1)
    }

    /// The same values modulo the first `limbs` primes only.
    pub fn truncate(mut self, limbs: usize) -> Result<Self, CkksError> {
        if limbs == 0 || limbs > self.limbs() {
            return Err(CkksError::Depth { needed: limbs, left: self.limbs() });
        }
        self.c0.truncate(limbs * self.params.degree());
        self.c1.truncate(limbs * self.params.degree());
        Ok(self)
    }
}
