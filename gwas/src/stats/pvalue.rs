//! Survival functions of the chi-square distribution that do not underflow.
//!
//! With one degree of freedom `P(X > x) = erfc(sqrt(x/2))`, with two `exp(-x/2)`. For large arguments `erfc(z)` is
//! `exp(-z^2) erfcx(z)`, and `erfcx` is a continued fraction (Abramowitz and Stegun 7.1.14).

use core::f64::consts::{LN_10, PI};

/// P-value of chi-square statistic `x` with 1 or 2 degrees of freedom; 0 below the smallest positive `f64`.
#[must_use]
pub fn survival(x: f64, df: u8) -> f64 {
    match df {
        1 => libm::erfc((x / 2.0).sqrt()),
        2 => (-x / 2.0).exp(),
        _ => f64::NAN,
    }
}

/// -log10 of the p-value: finite for every finite `x`.
#[must_use]
pub fn neg_log10_survival(x: f64, df: u8) -> f64 {
    let z = (x / 2.0).sqrt();
    let ln = match df {
        1 if z < 0.5 => (-libm::erf(z)).ln_1p(),
        1 if z < 5.0 => libm::erfc(z).ln(),
        1 => erfcx(z).ln() - x / 2.0,
        2 => -x / 2.0,
        _ => f64::NAN,
    };
    // No negative zero: a statistic of 0 has p = 1.
    -ln / LN_10 + 0.0
}

/// The chi-square of that p-value, by bisection: 0 for 1 and more, NaN for what is no p-value.
#[must_use]
pub fn quantile(p: f64, df: u8) -> f64 {
    if p.is_nan() || p <= 0.0 {
        return f64::NAN;
    }
    let wanted = -p.log10();
    let (mut low, mut high) = (0.0, 3000.0f64.max(5.0 * wanted));
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        *(if neg_log10_survival(middle, df) < wanted { &mut low } else { &mut high }) = middle;
    }
    low
}

/// `exp(z^2) erfc(z)` for `z >= 5`: `1 / (sqrt(pi) (z + (1/2)/(z + 1/(z + (3/2)/(z + ...)))))`, evaluated from the end.
fn erfcx(z: f64) -> f64 {
    let tail = (1..=60).rev().fold(z, |tail, k| z + f64::from(k) / 2.0 / tail);
    1.0 / (PI.sqrt() * tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// -log10 of the survival function, computed with mpmath 1.3 at 50 digits:
    /// `-log(erfc(sqrt(mpf(x)/2)), 10)`.
    const ONE_DF: [(f64, f64); 12] = ONE_DF_VALUES;
    include!("pvalue_vectors.rs");

    #[test]
    fn one_degree_of_freedom_agrees_with_high_precision() {
        for (x, expected) in ONE_DF {
            let got = neg_log10_survival(x, 1);
            assert!((got - expected).abs() <= 1e-12 * expected, "{x}: {got}, expected {expected}");
            let p = survival(x, 1);
            if expected < 300.0 {
                assert!((p.log10() + expected).abs() <= 1e-11 * expected.max(1.0), "{x}: {p}");
            }
        }
        assert_eq!(neg_log10_survival(0.0, 1), 0.0);
        assert!(neg_log10_survival(0.0, 1).is_sign_positive());
        assert_eq!(survival(0.0, 1), 1.0);
        assert_eq!(survival(1e6, 1), 0.0);
    }

    #[test]
    fn two_degrees_of_freedom_are_an_exponential() {
        assert!((neg_log10_survival(1e6, 2) - 217_147.240_951_625_9).abs() < 1e-6);
        assert_eq!(survival(0.0, 2), 1.0);
    }

    #[test]
    fn quantiles_are_the_inverse() {
        // Genome-wide significance: |Z| = 5.4513104.
        assert!((quantile(5e-8, 1).sqrt() - 5.451_310_4).abs() < 1e-7);
        for x in [1e-3, 0.5, 3.84, 29.7, 1000.0] {
            for df in [1, 2] {
                let p = 10f64.powf(-neg_log10_survival(x, df));
                if p > 0.0 {
                    assert!((quantile(p, df) - x).abs() < 1e-9 * x.max(1.0), "{x} {df}");
                }
            }
        }
        assert!(
            quantile(1.0, 1) < 1e-9 && quantile(0.0, 1).is_nan() && quantile(f64::NAN, 1).is_nan()
        );
    }

    #[test]
    fn the_pieces_meet() {
        for z in [0.5f64, 5.0] {
            let x = 2.0 * z * z;
            let (below, above) =
                (neg_log10_survival(x * (1.0 - 1e-14), 1), neg_log10_survival(x, 1));
            assert!((below - above).abs() <= 1e-12 * above);
        }
    }
}
