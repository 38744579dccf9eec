//! The reciprocal as a product of few factors. Finishing section 8.

/// An approximation of `1/x` on an interval with the smallest relative error of its degree `2^k - 1`, in a form that takes k - 1
/// squares and k products and no constants but additive ones:
///
/// `1/x ~ c prod_(i<k) (s_i + sigma_i)`, `sigma_0 = s_0 (1 - 2x/(lo+hi))`, `sigma_(i+1) = sigma_i^2 - beta_i`.
///
/// With `y = (lo+hi-2x)/(hi-lo)` and T Chebyshev's polynomials, `r_i = T_(2^i)(y) / T_(2^i)(y0)`: `1 - r_(i+1) = alpha_i (1 - r_i)(1 + r_i)`, so
/// `1 - r_k = 2x/(lo+hi) prod alpha_i (1 + r_i)`, and `|r_k| <= 1/T_(2^k)(y0)` on the interval is the relative error; `sigma_i = s_i r_i`.
#[derive(Clone, Debug, PartialEq)]
pub struct ProductInverse {
    lo: f64,
    hi: f64,
    s: Vec<f64>,
    beta: Vec<f64>,
    c: f64,
    relative_error: f64,
}

/// An interval or accuracy for which there is no approximation.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "no inverse of at most {MAX_FACTORS} factors on [{lo}, {hi}] has a relative error of {error:e}; narrow the interval by reference frequencies"
)]
pub struct InverseError {
    lo: f64,
    hi: f64,
    error: f64,
}

/// Factors that the largest parameter set has levels for.
const MAX_FACTORS: usize = 10;

impl ProductInverse {
    /// The shortest product with at most that relative error on `[lo, hi]`.
    pub fn with_error(lo: f64, hi: f64, error: f64) -> Result<Self, InverseError> {
        let valid = 0.0 < lo && lo < hi && hi.is_finite() && error > 0.0;
        (1..=MAX_FACTORS)
            .filter(|_| valid)
            .map(|factors| Self::with_factors(lo, hi, factors))
            .find(|inverse| inverse.relative_error <= error)
            .ok_or(InverseError { lo, hi, error })
    }

    fn with_factors(lo: f64, hi: f64, factors: usize) -> Self {
        let y0 = (hi + lo) / (hi - lo);
        // T_(2^i)(y0), i = 0..=factors: T_(2m) = 2 T_m^2 - 1.
        let chebyshev: Vec<f64> = core::iter::successors(Some(y0), |t| Some(2.0 * t * t - 1.0))
            .take(factors + 1)
            .collect();
        let alpha: Vec<f64> = chebyshev
            .iter()
            .zip(chebyshev.iter().skip(1))
            .map(|(t, next)| 2.0 * t * t / next)
            .collect();
        // From the last factor back: s = 1, then s_i = sqrt(alpha_i s_(i+1)).
        let mut s = vec![1.0];
        for a in alpha.iter().take(factors - 1).rev() {
            let next = s.last().copied().unwrap_or(1.0);
            s.push((a * next).sqrt());
        }
        s.reverse();
        let beta = s.iter().skip(1).zip(chebyshev.iter().skip(1)).map(|(s, t)| s / t).collect();
        let c = 2.0 / (lo + hi) * alpha.iter().product::<f64>() / s.iter().product::<f64>();
        Self { lo, hi, s, beta, c, relative_error: chebyshev.last().map_or(1.0, |t| 1.0 / t) }
    }

    /// Lower end of the interval.
    pub fn lo(&self) -> f64 {
        self.lo
    }

    /// Upper end of the interval.
    pub fn hi(&self) -> f64 {
        self.hi
    }

    /// The offsets `s_i`, one for each factor.
    pub fn offsets(&self) -> &[f64] {
        &self.s
    }

    /// `s_0`.
    pub fn first_offset(&self) -> f64 {
        self.s.first().copied().unwrap_or(1.0)
    }

    /// The constants `beta_i`, one fewer.
    pub fn steps(&self) -> &[f64] {
        &self.beta
    }

    /// The constant c.
    pub fn constant(&self) -> f64 {
        self.c
    }

    /// Largest relative error on the interval.
    pub fn relative_error(&self) -> f64 {
        self.relative_error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(inverse: &ProductInverse, x: f64) -> f64 {
        let mut sigma = inverse.first_offset() * (1.0 - 2.0 * x / (inverse.lo + inverse.hi));
        let mut product = inverse.constant();
        let steps = inverse.steps().iter().copied().chain([0.0]);
        for (s, beta) in inverse.offsets().iter().zip(steps) {
            product *= s + sigma;
            sigma = sigma * sigma - beta;
        }
        product
    }

    #[test]
    fn the_error_is_the_stated_one_and_is_attained() {
        for (lo, hi, error) in
            [(0.5, 1.5, 1e-4), (0.5, 1.5, 1e-8), (0.25, 2.0, 1e-6), (0.008, 1.0, 1e-4)]
        {
            let inverse = ProductInverse::with_error(lo, hi, error).unwrap();
            let stated = inverse.relative_error();
            let worst = (0..=100_000)
                .map(|i| lo + (hi - lo) * f64::from(i) / 1e5)
                .map(|x| (evaluate(&inverse, x) * x - 1.0).abs())
                .fold(0.0, f64::max);
            assert!(stated <= error);
            assert!(worst <= stated * (1.0 + 1e-5) + 1e-13, "{lo} {hi}: {worst} {stated}");
            assert!(worst >= stated * 0.99 - 1e-13, "equioscillation");
        }
        // The figures of the design: half the reference frequency either way.
        let degree = |error| ProductInverse::with_error(0.5, 1.5, error).unwrap().offsets().len();
        assert_eq!((degree(1e-4), degree(1e-8)), (3, 4));
    }

    #[test]
    fn bad_intervals_are_refused() {
        for (lo, hi, error) in [
            (0.0, 1.0, 0.1),
            (1.0, 1.0, 0.1),
            (-1.0, 1.0, 0.1),
            (0.5, f64::NAN, 0.1),
            (0.5, 1.0, 0.0),
            (1e-9, 1.0, 1e-9),
        ] {
            assert!(ProductInverse::with_error(lo, hi, error).is_err());
        }
    }
}
