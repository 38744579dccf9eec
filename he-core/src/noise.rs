//! Predicted noise of every stage, as standard deviations per coefficient. Protocol section 8.
//!
//! Derivation: each row contributes `e_y x` (a product of two polynomials of N coefficients), `e_g y` (y is a constant
//! polynomial) and `e_y e_g`; a switched component contributes one product with a key error for each digit.
//! Independent terms add in variance. `he-core-secret` measures the same quantities, and tests hold the two together.

use crate::params::{ERROR_SIGMA, Params};

/// What determines the noise of a weighted sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SumNoise {
    /// Parameter set.
    pub params: Params,
    /// Rows added.
    pub people: f64,
    /// Largest magnitude of a packed value.
    pub dosage_max: f64,
    /// Largest magnitude of a weight.
    pub weight_max: f64,
    /// Scale of packed values.
    pub delta_g: f64,
    /// Scale of weights.
    pub delta_y: f64,
    /// Key holders, whose secrets and errors add up in the study key.
    pub holders: f64,
}

impl SumNoise {
    /// Variance of a weighted sum before any grant is applied.
    pub fn weighted_variance(&self) -> f64 {
        let s2 = ERROR_SIGMA * ERROR_SIGMA;
        let n = self.params.degree() as f64;
        let from_weights = (self.delta_g * self.dosage_max).powi(2) * n * s2;
        let from_values = (self.delta_y * self.weight_max).powi(2) * s2;
        self.people * (from_weights + from_values + n * s2 * s2)
    }

    /// Variance of an unweighted sum, which is scaled by `delta_y` so that all results share one scale.
    pub fn plain_variance(&self) -> f64 {
        self.people * (self.delta_y * ERROR_SIGMA).powi(2)
    }

    /// Variance of the sum of the weights themselves, which is scaled by `delta_g`.
    pub fn total_variance(&self) -> f64 {
        self.people * (self.delta_g * ERROR_SIGMA).powi(2)
    }

    /// Variance that switching `components` key components adds.
    pub fn switching_variance(&self, components: f64) -> f64 {
        let n = self.params.degree() as f64;
        let digits = (self.params.limbs() * self.params.gadget_digits()) as f64;
        let digit_variance = 4f64.powi(self.params.gadget_bits() as i32) / 12.0;
        components * digits * n * digit_variance * public_key_variance(self.params, self.holders)
    }

    /// Standard deviation of a released value before smudging: the largest of the kinds of result.
    pub fn output_deviation(&self) -> f64 {
        let sum = self.weighted_variance().max(self.plain_variance()).max(self.total_variance());
        (sum + self.switching_variance(3.0)).sqrt()
    }
}

/// Noise variance of an encryption under a study's public key: `e u + e0 + e1 S`, with the key's error `e` and secret `S`
/// sums over the holders and `u` ternary.
pub fn public_key_variance(params: Params, holders: f64) -> f64 {
    ERROR_SIGMA * ERROR_SIGMA * (1.0 + 4.0 / 3.0 * holders * params.degree() as f64)
}

/// Multiple of the standard deviation that all of `values` values stay below, but with probability `2^-128`:
/// `sqrt(2 ln 2 (129 + log2 values))` for sub-Gaussian errors and a union bound.
pub fn tail(values: u64) -> f64 {
    let log2_values = f64::from(values.max(1).next_power_of_two().trailing_zeros());
    (2.0 * core::f64::consts::LN_2 * (129.0 + log2_values)).sqrt()
}

/// Standard deviation of one holder's smudging: `2^(bits-1) sqrt(values) 1.1 deviation`.
pub fn smudging_deviation(bits: u32, values: u64, deviation: f64) -> f64 {
    2f64.powi(bits as i32 - 1) * (values as f64).sqrt() * 1.1 * deviation
}
