//! The chi-square distribution's upper tail, by the incomplete gamma function (Abramowitz and Stegun 6.5).

use std::f64::consts::PI;

/// Natural logarithm of `Q(a, x) = Gamma(a, x) / Gamma(a)`, for `a` a positive multiple of one half and `x >= 0`.
///
/// Below `a + 1` by the power series of `P = 1 - Q` (6.5.29), above by Legendre's continued fraction (6.5.31), evaluated
/// with Lentz's method: neither underflows, since the exponential stays a logarithm.
pub(super) fn ln_upper(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    let ln_front = a * x.ln() - x - ln_gamma(a);
    if x < a + 1.0 {
        let (mut term, mut sum, mut k) = (1.0 / a, 1.0 / a, a);
        while term > sum * f64::EPSILON / 8.0 {
            k += 1.0;
            term *= x / k;
            sum += term;
        }
        return (-(ln_front.exp() * sum)).ln_1p();
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (f64::MAX, 1.0 / b);
    let mut fraction = d;
    for i in 1..10_000 {
        let i = f64::from(i);
        let numerator = -i * (i - a);
        b += 2.0;
        d = 1.0 / (numerator * d + b);
        c = b + numerator / c;
        fraction *= d * c;
        if (d * c - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    ln_front + fraction.ln()
}

/// `ln Gamma(a)` of a multiple of one half, from `Gamma(1/2) = sqrt(pi)` and `Gamma(1) = 1`.
fn ln_gamma(a: f64) -> f64 {
    match a {
        ..=0.5 => PI.ln() / 2.0,
        ..=1.0 => 0.0,
        _ => (a - 1.0).ln() + ln_gamma(a - 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Survival functions at 50 digits by mpmath 1.3: `log(gammainc(df/2, x/2, regularized=True))`.
    #[test]
    fn equals_high_precision() {
        for (df, x, expected) in [
            (1.0, 1e-8, -7.979_163_921_548_35e-5),
            (1.0, 1.0, -1.147_874_464_449_318_2),
            (1.0, 174.1, -89.861_269_868_471_8),
            (1.0, 1e6, -500_007.133_547_631_6),
            (2.0, 3.0, -1.5),
            (2.0, 4000.0, -2000.0),
            (3.0, 3.0, -0.937_450_079_608_155_2),
            (4.0, 4.0, -0.901_387_711_331_890_4),
        ] {
            let got = ln_upper(df / 2.0, x / 2.0);
            assert!((got - expected).abs() <= 1e-13 * f64::abs(expected), "{df} {x}: {got}");
        }
    }
}
