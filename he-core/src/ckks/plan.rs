//! What a study in release mode `statistic` needs: parameter set, inverse, flooding, and the precision that is left. Finishing section 6.

use super::ciphertext::CkksError;
use super::circuits::{Offset, chi_square, spread_unit};
use super::flood::{Flood, FloodError};
use super::inverse::{InverseError, ProductInverse};
use super::params::{BASE_LIMBS, CkksParams};
use super::predict::{NoiseModel, Predict};

/// A statistic of one degree of freedom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Test {
    /// Allelic chi-square.
    Allelic,
    /// Cochran and Armitage's trend test.
    Trend,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StatisticRequest {
    /// The test.
    pub test: Test,
    /// Key holders.
    pub holders: usize,
    /// Spread relative to the reference: lower end.
    pub lo: f64,
    /// Spread relative to the reference: upper end.
    pub hi: f64,
    /// Smallest `p (1 - p)` of a reference frequency. 1/4 says that there are none: then variants may lie below `lo`, and what is
    /// released of these lies between 0 and their chi-square.
    pub smallest_variance: f64,
    /// Largest chi-square: at most the number of alleles (allelic test) or of people.
    pub largest: f64,
    /// Relative error of the inverse.
    pub relative_error: f64,
    /// Statistical level in bits.
    pub level: u32,
    /// Coefficients released under that level, two for each slot.
    pub coefficients: u64,
}

/// How a statistic is computed and released.
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticPlan {
    request: StatisticRequest,
    params: CkksParams,
    inverse: ProductInverse,
    flood: Flood,
    slot_deviation: f64,
}

/// Why a statistic cannot be released as asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StatisticError {
    /// No inverse.
    #[error(transparent)]
    Inverse(#[from] InverseError),
    /// No parameter set is deep enough.
    #[error(transparent)]
    Circuit(#[from] CkksError),
    /// No room for the flooding.
    #[error(transparent)]
    Flood(#[from] FloodError),
    /// A number that means nothing.
    #[error("{0} is out of range")]
    Request(&'static str),
    /// Values would not fit below the last modulus.
    #[error("a chi-square of {0} does not fit; lower the largest")]
    Range(f64),
}

/// Scale of refreshed inputs.
pub const INPUT_SCALE: f64 = 1.267_650_600_228_229_4e30; // 2^100

/// Sets that serve, smallest first: those whose primes all have 50 bits, so that scales of 2^100 stay so.
const SETS: [CkksParams; 3] =
    [CkksParams::N32768Q750, CkksParams::N32768Q850, CkksParams::N65536Q1700];

impl StatisticPlan {
    /// The smallest parameter set that does, and flooding for the worst slot that the request allows, as if all were like it.
    pub fn new(request: StatisticRequest) -> Result<Self, StatisticError> {
        let positive = [
            (request.holders > 0, "the number of holders"),
            (request.largest > 0.0 && request.largest.is_finite(), "the largest chi-square"),
            (
                request.smallest_variance > 0.0 && request.smallest_variance <= 0.25,
                "the smallest variance",
            ),
            (request.coefficients > 0, "the number of coefficients"),
        ];
        if let Some((_, what)) = positive.into_iter().find(|(fine, _)| !fine) {
            return Err(StatisticError::Request(what));
        }
        let inverse = ProductInverse::with_error(request.lo, request.hi, request.relative_error)?;
        let depth = 2 * (inverse.offsets().len() + 1);
        let params = SETS
            .into_iter()
            .find(|p| p.limbs() >= BASE_LIMBS + depth)
            .ok_or(CkksError::Depth { needed: BASE_LIMBS + depth, left: SETS[2].limbs() })?;
        let (coefficient, scale) = worst_noise(&request, params, &inverse)?;
        // A result, with room for flooding eight deviations wide in every slot, stays below half of the last modulus.
        if request.largest * scale > 2f64.powi(50 * BASE_LIMBS as i32 - 4) {
            return Err(StatisticError::Range(request.largest));
        }
        let flood = Flood::new(request.level, request.coefficients, coefficient)?;
        let slot_deviation = flood.slot_deviation(params.degree(), request.holders, scale);
        Ok(Self { request, params, inverse, flood, slot_deviation })
    }

    /// What was asked for.
    pub fn request(&self) -> &StatisticRequest {
        &self.request
    }

    /// The parameter set.
    pub fn params(&self) -> CkksParams {
        self.params
    }

    /// The inverse.
    pub fn inverse(&self) -> &ProductInverse {
        &self.inverse
    }

    /// The flooding of each holder.
    pub fn flood(&self) -> Flood {
        self.flood
    }

    /// Standard deviation of a released chi-square round its exact value.
    pub fn slot_deviation(&self) -> f64 {
        self.slot_deviation
    }

    /// Largest error of `|Z|`, the root of a released chi-square (0 where that is negative), at that exact chi-square and
    /// `deviations` standard deviations of flooding: `|sqrt(x + e) - sqrt(x)| <= min(sqrt|e|, |e| / sqrt x)`.
    pub fn z_error(&self, chi2: f64, deviations: f64) -> f64 {
        let error = deviations * self.slot_deviation + chi2 * self.inverse.relative_error();
        error.sqrt().min(error / chi2.sqrt())
    }

    /// The scale at which the encrypted offset of the trend test must be refreshed: that of a square of inputs.
    pub fn offset_scale(&self) -> f64 {
        offset_scale(self.params)
    }
}

/// A variant for which noise is predicted: `p (1 - p)` of its reference, its spread relative to that, its chi-square.
pub(super) struct Point {
    pub(super) v: f64,
    pub(super) x: f64,
    pub(super) chi2: f64,
}

impl Point {
    /// `(t - T/2)^2 / (T^2 v)`: what the squared spread root is proportional to.
    pub(super) fn root_square(&self) -> f64 {
        (0.25 / self.v - self.x).max(0.0)
    }

    /// Effect, spread root and offset of the chi-square: `sigma_0 = s_0 - unit x = E^2 + offset`; E is largest in the allelic test.
    pub(super) fn inputs(&self, inverse: &ProductInverse) -> [f64; 3] {
        let unit = spread_unit(inverse);
        let square = unit * self.root_square();
        let effect = (inverse.constant() * self.chi2 * self.x).sqrt();
        [effect, square.sqrt(), inverse.first_offset() - unit * self.x - square]
    }
}

/// Coefficient deviation and scale of the noisiest result over a grid of references, spreads and chi-squares.
fn worst_noise(
    request: &StatisticRequest,
    params: CkksParams,
    inverse: &ProductInverse,
) -> Result<(f64, f64), StatisticError> {
    let predict = Predict::new(NoiseModel::new(params, request.holders));
    let (mut effects, mut roots, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
    // Without reference frequencies nothing keeps rare variants out: their values are too small, and no larger is their noise.
    let below: &[f64] =
        if request.smallest_variance < 0.25 { &[] } else { &[0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8] };
    for v in [request.smallest_variance, (request.smallest_variance * 0.25).sqrt(), 0.25] {
        let inside = (0..=8).map(|step| f64::from(step) / 8.0);
        let inside = inside.map(|part| inverse.lo() + (inverse.hi() - inverse.lo()) * part);
        for x in inside.chain(below.iter().map(|part| inverse.lo() * part)) {
            for chi2 in [0.0, request.largest] {
                let [effect, root, offset] = Point { v, x, chi2 }.inputs(inverse);
                effects.push(effect);
                roots.push(root);
                offsets.push(offset);
            }
        }
    }
    let refresh = NoiseModel::new(params, request.holders).refresh();
    let effect = predict.input(&effects, INPUT_SCALE, refresh);
    let root = predict.input(&roots, INPUT_SCALE, refresh);
    let encrypted = predict.input(&offsets, offset_scale(params), refresh);
    let offset = match request.test {
        Test::Allelic => Offset::Public(&offsets),
        Test::Trend => Offset::Encrypted(&encrypted),
    };
    let out = chi_square(&predict, inverse, &effect, &root, &offset)?;
    Ok((out.worst_coefficient(params), out.scale()))
}

/// The scale of a square of inputs at full depth.
fn offset_scale(params: CkksParams) -> f64 {
    let dropped = params.moduli().take(params.limbs()).skip(params.limbs() - 2);
    dropped.fold(INPUT_SCALE * INPUT_SCALE, |s, m| s / m.value() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: StatisticRequest = StatisticRequest {
        test: Test::Allelic,
        holders: 3,
        lo: 0.5,
        hi: 1.5,
        smallest_variance: 5e-5, // ten copies among 100,000 people
        largest: 10_000.0,
        relative_error: 1e-8,
        level: 40,
        coefficients: 1 << 21,
    };

    #[test]
    fn z_is_within_a_hundredth_after_flooding() {
        for test in [Test::Allelic, Test::Trend] {
            for holders in [1, 3, 10] {
                let plan =
                    StatisticPlan::new(StatisticRequest { test, holders, ..REQUEST }).unwrap();
                assert_eq!(plan.params(), CkksParams::N32768Q750);
                for chi2 in [0.0, 1e-4, 1.0, 30.0, 10_000.0] {
                    assert!(plan.z_error(chi2, 8.0) < 0.01, "{chi2}: {}", plan.z_error(chi2, 8.0));
                }
            }
        }
    }

    #[test]
    fn the_set_follows_the_depth() {
        let params = |lo, relative_error| {
            StatisticPlan::new(StatisticRequest { lo, relative_error, largest: 1000.0, ..REQUEST })
                .map(|p| p.params())
        };
        assert_eq!(params(0.5, 1e-8).unwrap(), CkksParams::N32768Q750);
        assert_eq!(params(0.25, 1e-9).unwrap(), CkksParams::N32768Q850);
        // Without references: p = 1/2 for all, minor allele frequencies from 0.002.
        assert_eq!(params(0.008, 1e-4).unwrap(), CkksParams::N65536Q1700);
    }

    #[test]
    fn bad_requests_are_refused() {
        let error = |r| StatisticPlan::new(r).unwrap_err();
        assert!(matches!(
            error(StatisticRequest { holders: 0, ..REQUEST }),
            StatisticError::Request(_)
        ));
        assert!(matches!(
            error(StatisticRequest { coefficients: 0, ..REQUEST }),
            StatisticError::Request(_)
        ));
        assert!(matches!(
            error(StatisticRequest { largest: f64::NAN, ..REQUEST }),
            StatisticError::Request(_)
        ));
        assert!(matches!(
            error(StatisticRequest { smallest_variance: 0.3, ..REQUEST }),
            StatisticError::Request(_)
        ));
        assert!(matches!(
            error(StatisticRequest { lo: 0.0, ..REQUEST }),
            StatisticError::Inverse(_)
        ));
        assert!(matches!(
            error(StatisticRequest { largest: 1e16, ..REQUEST }),
            StatisticError::Range(_)
        ));
        assert!(matches!(
            error(StatisticRequest { level: 90, ..REQUEST }),
            StatisticError::Flood(_)
        ));
    }
}
