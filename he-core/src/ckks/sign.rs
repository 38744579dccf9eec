//! The sign of a number, as a composition of monic odd cubics. Finishing section 9.

use ethnum::I256;

use super::ciphertext::CkksError;
use super::circuits::{Excluded, Variant};
use super::params::CkksParams;
use super::predict::Predicted;
use super::scheme::{Precision, Scheme};

/// `x -> x (x^2 - c_i)`, repeated: turns `a_0 <= |x| <= b_0` into a value within `error()` of 1 or -1.
///
/// Stage i is the best odd cubic on `[a_i, b_i]`: with `q = a^2 + a b + b^2`, `x (q - x^2)` equals `a b (a + b)` at both ends and has its
/// maximum `2 q^(3/2) / sqrt(27)` between, so its range is the narrowest that any odd cubic can have, relative to its size
/// (equioscillation). Cubics stay monic, hence need no constant products; what normalises is the size of the
/// first input. Each stage flips the sign.
#[derive(Clone, Debug, PartialEq)]
pub struct CompositeSign {
    gap: f64,
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
            size = cube_root(size / peak(ratio));
            constants.push(size * size * mean_square(ratio));
        }
        constants.reverse();
        Ok(Self { gap, start: size, constants, error: deviation })
    }

    /// Runs the stages: [`CompositeSign::approach`] and [`CompositeSign::settle`].
    pub fn evaluate<S: Scheme>(&self, scheme: &S, x: S::Value) -> Result<S::Value, CkksError> {
        self.settle(scheme, self.approach(scheme, x)?)
    }

    /// All stages but the last, at scales of a single prime. A stage drops two primes.
    pub fn approach<S: Scheme>(&self, scheme: &S, mut x: S::Value) -> Result<S::Value, CkksError> {
        for c in self.constants.split_last().map_or(&[][..], |(_, first)| first) {
            let factor = scheme.add_constant(&scheme.square(&x, Precision::Single)?, -c)?;
            x = scheme.multiply(&x, &factor, Precision::Single)?;
        }
        Ok(x)
    }

    /// The last cubic, whose square keeps both factors' scale: it contracts what deviates before it, noise included, to its
    /// square, and adds itself only the noise of a scale of 2^100. It drops one prime.
    pub fn settle<S: Scheme>(&self, scheme: &S, x: S::Value) -> Result<S::Value, CkksError> {
        let Some(last) = self.constants.last() else { return Ok(x) };
        let factor = scheme.add_constant(&scheme.square(&x, Precision::Double)?, -last)?;
        scheme.multiply(&x, &factor, Precision::Double)
    }

    /// Primes that [`CompositeSign::evaluate`] drops.
    pub const fn depth(stages: usize) -> usize {
        2 * stages - 1
    }

    /// The scale, near that of a prime, of inputs whose results have the scale 2^100. `dropped` gives the product of the next so many
    /// primes, from the one that is dropped last to the first.
    ///
    /// Primes are not quite 2^50, some are far from it, and every square doubles the relative distance of scale and prime: forwards that grows, backwards
    /// it vanishes.
    pub(crate) fn input_scale(&self, mut dropped: impl FnMut(usize) -> f64) -> f64 {
        let last = cube_root(2f64.powi(100) * dropped(1));
        (1..self.constants.len()).fold(last, |scale, _| cube_root(scale * dropped(2)))
    }

    /// How far results deviate from `1 + excess` and its negative for inputs outside the gap: what flooding has to hide. From the predictions for what
    /// comes before the last cubic and after it.
    ///
    /// To the error of the composition and the predicted first-order noise it adds that of second order, which here is the
    /// larger: near its maximum `m = sqrt(c/3)` the last cubic takes `m + eta` to `1 - 3 m eta^2`.
    pub fn residue(&self, before: &Predicted, out: &Predicted) -> f64 {
        let eta = before.worst_deviation();
        let maximum = self.constants.last().map_or(1.0, |c| (c / 3.0).sqrt());
        // The fourth moment of a normal variable is three times the square of the second.
        let second = 3.0 * maximum * eta * eta * 3f64.sqrt();
        self.error + second + out.worst_deviation()
    }

    /// By how much the magnitude of encrypted results exceeds 1, all of them alike: constants and scales are doubles. `before` and `out` are
    /// the scales before the last cubic and after it.
    ///
    /// The last cubic is `X (X^2 - C) / p` at the scale `out`, C being `c before^2` rounded to a double; its maximum is `m = 2 (C/3)^(3/2) / (p out)`, and
    /// `m - 1 = (4 C^3 - 27 (p out)^2) / (2 27 (p out)^2)` but for its square. In integers: the same on every machine.
    pub fn excess(&self, before: f64, out: f64) -> f64 {
        let Some(c) = self.constants.last() else { return 0.0 };
        let (square, cube) = (before * before, before * (before * before));
        let prime = (cube / out).round();
        let ((c, c_exponent), (out, out_exponent)) = (parts(c * square), parts(out));
        let left = I256::from(4) * I256::from(c).pow(3);
        let right = I256::from(27) * I256::from(prime as i64).pow(2) * I256::from(out).pow(2);
        // Both are some 210 bits, once they have one exponent.
        let shift = 3 * c_exponent - 2 * out_exponent;
        let (left, right) = if shift >= 0 {
            (left << shift as u32, right)
        } else {
            (left, right << shift.unsigned_abs())
        };
        (left - right).as_f64() / (2.0 * right.as_f64())
    }

    /// The smallest magnitude that the first stage takes, `a_0`.
    pub fn nearest(&self) -> f64 {
        self.gap * self.start
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

/// Whether the effect of a variant is positive: the sign of D, undefined where `|Z|` is below a band.
#[derive(Clone, Debug, PartialEq)]
pub struct Direction {
    sign: CompositeSign,
    unit: f64,
}

impl Direction {
    /// For `|Z|` from `band` to the root of `largest` chi-square, and spreads relative to the reference in `[lo, hi]`.
    pub fn new(band: f64, largest: f64, lo: f64, hi: f64) -> Result<Self, SignError> {
        // D of unit factor is Z sqrt(x).
        let reach = (largest * hi).sqrt();
        let sign = CompositeSign::new(band * lo.sqrt() / reach, DIRECTION_ERROR)?;
        Ok(Self { unit: sign.start() / reach, sign })
    }

    /// D as a map of the alternate alleles of cases and of all, for one variant of the allelic test.
    pub fn effect(&self, rho: f64, variant: &Variant) -> Result<[f64; 2], Excluded> {
        if !(rho > 0.0 && rho < 1.0) {
            return Err(Excluded::OneGroup);
        }
        let v = variant.reference * (1.0 - variant.reference);
        let kappa = self.unit / (rho * (1.0 - rho) * 2.0 * variant.people * v).sqrt();
        if kappa.is_finite() { Ok([kappa, -rho * kappa]) } else { Err(Excluded::Reference) }
    }

    /// The scale, near 2^50, of an effect at full depth for which the indicator has the scale 2^100.
    pub fn input_scale(&self, params: CkksParams) -> f64 {
        let depth = CompositeSign::depth(self.sign.constants().len());
        self.sign.input_scale(params.dropped(depth))
    }

    /// [`Direction::positive`] where the effect is positive, its negative where it is negative.
    pub fn evaluate<S: Scheme>(&self, scheme: &S, effect: S::Value) -> Result<S::Value, CkksError> {
        self.sign.evaluate(scheme, effect)
    }

    /// The indicator of a positive effect: 1 or -1.
    pub fn positive(&self) -> f64 {
        self.sign.orientation()
    }
}

/// Largest distance of a direction from 1 or -1, before noise.
const DIRECTION_ERROR: f64 = 3.469_446_951_953_614e-18; // 2^-58

/// A positive double as an integer times a power of two.
fn parts(x: f64) -> (i64, i32) {
    let bits = x.to_bits();
    let mantissa = bits & ((1 << 52) - 1) | 1 << 52;
    (mantissa as i64, (bits >> 52) as i32 - 1075)
}

/// The cube root by Newton's method: arithmetic and square roots are the same on every machine, a library's `cbrt` need not be.
fn cube_root(x: f64) -> f64 {
    let mut root = x.sqrt().sqrt() * x.sqrt().sqrt().sqrt().sqrt();
    for _ in 0..64 {
        root = (2.0 * root + x / (root * root)) / 3.0;
    }
    root
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
    fn directions_are_right_outside_the_band() {
        let direction = Direction::new(0.05, 1000.0, 0.5, 1.5).unwrap();
        // Three levels fewer than hits have, for the fold that directions do without.
        assert!(2 * direction.sign.constants().len() - 1 <= 28);
        let variant = Variant { reference: 0.2, people: 1000.0 };
        let [case, all] = direction.effect(0.25, &variant).unwrap();
        for x in [0.5, 1.0, 1.5] {
            for z in [0.05, 0.1, 1.0, 5.0, 31.6] {
                let d: f64 = z * (x * 0.1875 * 2000.0 * 0.16f64).sqrt();
                for sign in [1.0, -1.0] {
                    let effect = case * (sign * d + 0.25 * 400.0) + all * 400.0;
                    let out = direction.evaluate(&crate::ckks::Clear, vec![effect]).unwrap()[0];
                    assert!((out - sign * direction.positive()).abs() < 1e-9, "{x} {z} {out}");
                }
            }
        }
        assert_eq!(direction.effect(0.0, &variant), Err(Excluded::OneGroup));
        assert_eq!(
            direction.effect(0.5, &Variant { people: 0.0, ..variant }),
            Err(Excluded::Reference)
        );
        assert!(Direction::new(0.0, 1000.0, 0.5, 1.5).is_err());
    }

    #[test]
    fn bad_gaps_are_refused() {
        for (gap, error) in [(0.0, 0.1), (1.0, 0.1), (f64::NAN, 0.1), (0.1, 0.0), (1e-12, 1e-9)] {
            assert!(CompositeSign::new(gap, error).is_err());
        }
    }
}
