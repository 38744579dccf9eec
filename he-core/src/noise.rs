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
    /// Contributions that are switched one by one and then added. `people` counts the rows of all of them.
    pub datasets: f64,
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
    ///
    /// A contribution of encrypted totals has the noise of one encryption under the public key, which is less than what
    /// switching one component adds: it counts as a dataset.
    pub fn output_deviation(&self) -> f64 {
        let sum = self.weighted_variance().max(self.plain_variance()).max(self.total_variance());
        (sum + self.datasets * self.switching_variance(3.0)).sqrt()
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

/// Standard deviation that smudging of `bits` statistical bits needs: `2^(bits-1) sqrt(values) 1.1 deviation`.
///
/// The noise v of M values has an expected squared norm of `M deviation^2`, and smudging of Fisher information
/// `1/sigma^2` hides a shift v up to a statistical distance of `|v| / (2 sigma)`: on average over v less than
/// `2^-bits` for all values together, and still so where the norm is a tenth above the expected one.
pub fn smudging_deviation(bits: u32, values: u64, deviation: f64) -> f64 {
    2f64.powi(bits as i32 - 1) * (values as f64).sqrt() * 1.1 * deviation
}

/// Distribution of smudging noise: the centred sum of `terms` independent uniform integers of `bits` bits.
///
/// For independent coordinates with root-density information `I = 4 sum_x (sqrt(p(x)) - sqrt(p(x-1)))^2`, an integer
/// shift v of all of them has squared Hellinger distance at most `|v|^2 I / 8`, hence statistical distance at most
/// `|v| sqrt(I) / 2`: the bound that a Gaussian of deviation `1/sqrt(I)` has. With 16 or more terms `1/sqrt(I)` is the
/// deviation to within one part in a thousand, which [`Smudging::hiding`] makes up for. Sums of uniform integers are
/// strictly sub-Gaussian: tails are below those of a Gaussian of the same variance. Decision record 0010.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Smudging {
    bits: u32,
    terms: u32,
}

impl Smudging {
    /// Fewest terms.
    pub const LEAST_TERMS: u32 = 16;

    /// The narrowest distribution that hides like a Gaussian of this standard deviation (at least 2^20, below 2^200).
    pub fn hiding(deviation: f64) -> Self {
        let variance = (1.001 * deviation).powi(2).max(2f64.powi(40));
        // Variance of a term is (4^bits - 1) / 12; the largest width that still needs the fewest terms.
        let term = |bits: u32| (4f64.powi(bits as i32) - 1.0) / 12.0;
        let wanted = variance / f64::from(Self::LEAST_TERMS);
        let mut bits = ((12.0 * wanted).log2() / 2.0).floor() as u32;
        if term(bits) > wanted {
            bits -= 1;
        }
        // An even number, so that the centre is an integer.
        let terms = 2 * (variance / term(bits) / 2.0).ceil() as u32;
        Self { bits, terms }
    }

    /// Bits of each uniform term.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// Number of terms: even, 16 to 66.
    pub fn terms(self) -> u32 {
        self.terms
    }

    /// Standard deviation, `sqrt(terms (4^bits - 1) / 12)`.
    pub fn deviation(self) -> f64 {
        (f64::from(self.terms) * (4f64.powi(self.bits as i32) - 1.0) / 12.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smudging_is_as_wide_as_asked_for_and_hardly_wider() {
        for exponent in 200..1900 {
            let wanted = 2f64.powf(f64::from(exponent) / 10.0);
            let s = Smudging::hiding(wanted);
            let ratio = s.deviation() / wanted;
            assert!((1.001..1.07).contains(&(ratio + 1e-12)), "2^{wanted}: {ratio}");
            assert!((16..=66).contains(&s.terms()) && s.terms().is_multiple_of(2));
        }
    }

    /// The information that bounds the statistical distance, from the exact distribution.
    #[test]
    fn smudging_hides_like_a_gaussian_of_its_deviation() {
        for (bits, terms) in [(6, 16), (8, 16), (6, 40)] {
            let width = 1usize << bits;
            let mut p = vec![1.0f64];
            for _ in 0..terms {
                let mut next = vec![0.0; p.len() + width - 1];
                let mut window = 0.0;
                for (i, out) in next.iter_mut().enumerate() {
                    window += p.get(i).copied().unwrap_or(0.0);
                    if i >= width {
                        window -= p[i - width];
                    }
                    *out = window.max(0.0) / width as f64;
                }
                p = next;
            }
            let roots: Vec<f64> =
                [0.0].into_iter().chain(p.iter().map(|x| x.sqrt())).chain([0.0]).collect();
            let information: f64 =
                roots.windows(2).map(|pair| 4.0 * (pair[1] - pair[0]).powi(2)).sum();
            let s = Smudging { bits, terms };
            let loss = information.sqrt() * s.deviation();
            assert!(loss < 1.001, "{bits} bits, {terms} terms: {loss}");
            assert!(loss > 0.999, "no distribution hides better: {loss}");
        }
    }
}
