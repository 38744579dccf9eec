//! The sign of a number, as a composition of monic odd cubics. Finishing section 9.

/// `x -> x (x^2 - c_i)`, repeated: turns `a_0 <= |x| <= b_0` into a value within `error()` of 1 or -1.
///
/// Stage i is the best odd cubic on `[a_i, b_i]`: with `q = a^2 + a b + b^2`, `x (q - x^2)` equals `a b (a + b)` at both ends and has its
/// maximum `2 q^(3/2) / sqrt(27)` between, so its range is the narrowest that any odd cubic can have, relative to its size
/// (equioscillation). Cubics stay monic, hence need no constant products; what normalises is the size of the
/// first input. Each stage flips the sign.
#[derive(Clone, Debug, PartialEq)]
pub struct CompositeSign {
    start: f64,
    constants: Vec<f64>,
    error: f64,
}

/// A gap that no composition in our levels closes.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "no sign of at most {MAX_STAGES} stages closes a relative gap of {gap:e} to within {error:e}; widen the band or lower the largest value"
)]
pub struct SignError {
    gap: f64,
    error: f64,
}

const MAX_STAGES: usize = 24;

impl CompositeSign {
    /// The shortest composition for `gap b <= |x| <= b` with results within `error` of 1 or -1.
    pub fn new(gap: f64, error: f64) -> Result<Self, SignError> {
        if !(gap > 0.0 && gap < 1.0 && error > 0.0) {
            return Err(SignError { gap, error });
        }
        // The ratio a/b at every stage does not depend on sizes.
        let mut ratios = vec![gap];
        let mut deviation = 1.0;
        while deviation > error {
            let ratio = ratios.last().copied().unwrap_or(gap);
            let (low, high) = (low_end(ratio), peak(ratio));
            // (high - low) / (high + low), where both may round to the same double.
            deviation = gap_to_peak(ratio) / (high + low);
            ratios.push(low / high);
            if ratios.len() > MAX_STAGES + 1 {
                return Err(SignError { gap, error });
            }
        }
        ratios.pop();
        // Sizes, from the last stage back: it must end at [1 - deviation, 1 + deviation].
        let mut size = 1.0 + deviation;
        let mut constants = Vec::new();
        for &ratio in ratios.iter().rev() {
            size = (size / peak(ratio)).cbrt();
            constants.push(size * size * mean_square(ratio));
        }
        constants.reverse();
        Ok(Self { start: size, constants, error: deviation })
    }

    /// The largest magnitude that the first stage takes, `b_0`.
    pub fn start(&self) -> f64 {
        self.start
    }

    /// The constants `c_i`.
    pub fn constants(&self) -> &[f64] {
        &self.constants
    }

    /// Largest distance of a result from 1 or -1.
    pub fn error(&self) -> f64 {
        self.error
    }

    /// 1 if results have the sign of the input, -1 if the opposite one.
    pub fn orientation(&self) -> f64 {
        if self.constants.len().is_multiple_of(2) { 1.0 } else { -1.0 }
    }
}

/// `q` for a = r, b = 1.
fn mean_square(r: f64) -> f64 {
    1.0 + r + r * r
}

/// Value at both ends.
fn low_end(r: f64) -> f64 {
    r * (1.0 + r)
}

/// The maximum between.
fn peak(r: f64) -> f64 {
    let q = mean_square(r);
    2.0 * q * (q / 27.0).sqrt()
}

/// `peak - low_end` without cancellation: `(peak^2 - low^2) / (peak + low)`, and `4 q^3 - 27 r^2 (1+r)^2 = ((1-r)(1+2r)(2+r))^2`.
fn gap_to_peak(r: f64) -> f64 {
    let root = (1.0 - r) * (1.0 + 2.0 * r) * (2.0 + r);
    root * root / 27.0 / (peak(r) + low_end(r))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(sign: &CompositeSign, x: f64) -> f64 {
        sign.constants().iter().fold(x, |x, c| x * (x * x - c)) * sign.orientation()
    }

    #[test]
    fn signs_are_within_the_error_and_attain_it() {
        for (gap, error) in [(0.3, 1e-3), (1e-2, 1e-6), (6e-4, 1e-9), (1e-5, 1e-12)] {
            let sign = CompositeSign::new(gap, error).unwrap();
            assert!(sign.error() <= error);
            let mut worst = 0.0f64;
            for i in 0..=40_000 {
                let x = sign.start() * gap.powf(f64::from(i) / 40_000.0);
                worst = worst.max((evaluate(&sign, x) - 1.0).abs());
                assert_eq!(evaluate(&sign, -x), -evaluate(&sign, x));
            }
            assert!(
                worst <= sign.error() * 1.001 + 1e-13 && worst >= 0.9 * sign.error() - 1e-13,
                "{gap}: {worst} {}",
                sign.error()
            );
        }
    }

    #[test]
    fn figures_of_the_hits_circuit() {
        let sign = CompositeSign::new(6e-4, 2f64.powi(-58)).unwrap();
        assert_eq!(sign.constants().len(), 13);
        assert!(sign.error() < 2f64.powi(-100));
        assert_eq!(CompositeSign::new(6e-4, 1e-15).unwrap().constants().len(), 12);
    }

    #[test]
    fn bad_gaps_are_refused() {
        for (gap, error) in [(0.0, 0.1), (1.0, 0.1), (f64::NAN, 0.1), (0.1, 0.0), (1e-12, 1e-9)] {
            assert!(CompositeSign::new(gap, error).is_err());
        }
    }
}
