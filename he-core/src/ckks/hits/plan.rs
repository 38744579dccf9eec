//! What a study that releases hits needs: circuit, flooding, and how a released value is read. Finishing section 9.

use super::{FACTOR_ERROR, Hits, INDICATOR_ERROR, Prediction, Rule};
use crate::ckks::ciphertext::CkksError;
use crate::ckks::circuits::{Offset, chi_square};
use crate::ckks::flood::{Flood, FloodError};
use crate::ckks::inverse::{InverseError, ProductInverse};
use crate::ckks::params::{BASE_LIMBS, CkksParams};
use crate::ckks::plan::Point;
use crate::ckks::predict::{NoiseModel, Predict};
use crate::ckks::scheme::{Precision, Scheme};
use crate::ckks::sign::SignError;

/// Deviations of flooding within which an error is stated.
const DEVIATIONS: f64 = 8.0;
/// Distance from 1, -1 or a chi-square at which a released value is called undecided.
const UNDECIDED: f64 = 0.5;

/// Largest deviation that flooding may leave of a released value: a chi-square comes out twice.
fn widest(values: bool) -> f64 {
    UNDECIDED / DEVIATIONS * if values { 2.0 } else { 1.0 }
}

/// Steps in which the noise of either answer is looked at.
const SWEEP: usize = 160;

/// Plans that are tried to find a band that would do.
const MOST_PLANS: usize = 12;

/// Primes that the product of an indicator with a chi-square drops.
const PRODUCT: usize = 2;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HitsRequest {
    /// Key holders.
    pub holders: usize,
    /// Which chi-squares are hits.
    pub rule: Rule,
    /// Smallest `p (1 - p)` of a reference frequency; 1/4 says that there are none.
    pub smallest_variance: f64,
    /// Relative error of the hits' chi-squares, if these are released.
    pub values: Option<f64>,
    /// Statistical level in bits.
    pub level: u32,
    /// Coefficients released under that level, two for each slot.
    pub coefficients: u64,
}

/// Why hits cannot be released as asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HitsError {
    /// No composition closes the gap.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// No inverse.
    #[error(transparent)]
    Inverse(#[from] InverseError),
    /// No room for the flooding.
    #[error(transparent)]
    Flood(#[from] FloodError),
    /// A circuit that does not end.
    #[error(transparent)]
    Circuit(#[from] CkksError),
    /// More primes than the largest parameter set has.
    #[error(
        "telling hits from the rest so exactly takes {needed} primes, and there are {left}; raise the smallest frequency{}",
        or_widen(*.band)
    )]
    Depth {
        /// Primes that the circuit drops.
        needed: usize,
        /// Primes that the largest set can drop.
        left: usize,
        /// A band that would do.
        band: Option<f64>,
    },
    /// Noise that takes variants from one side of the band to the other.
    #[error(
        "the noise of refreshed sums is wider than the band leaves room for; raise the smallest frequency{}",
        or_widen(*.band)
    )]
    Blur {
        /// A band that would do.
        band: Option<f64>,
    },
    /// Noise that would tell what it must not.
    #[error(
        "flooding hides what must not be seen at {found:.1} bits, not at {level}; release hits without values, or plan for fewer people or jobs{}",
        or_widen(*.band)
    )]
    Level {
        /// Level asked for.
        level: u32,
        /// Level reached.
        found: f64,
        /// A band that would do.
        band: Option<f64>,
    },
}

fn or_widen(band: Option<f64>) -> String {
    band.map_or_else(String::new, |band| {
        format!(", or widen the band to {band} in |Z| to either side")
    })
}

impl HitsError {
    /// Names a band that would do.
    fn with_band(mut self, find: impl FnOnce() -> Option<f64>) -> Self {
        if let Self::Depth { band, .. } | Self::Blur { band } | Self::Level { band, .. } = &mut self
        {
            *band = find();
        }
        self
    }
}

/// What a released value says of a variant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Released {
    /// It is a hit; its chi-square, if chi-squares are released.
    Hit(Option<f64>),
    /// It is none.
    Other,
    /// It lies in the band.
    Undecided,
}

/// How hits are computed, released and read.
///
/// With values, what is released is the chi-square times `1 + indicator`: of hits twice their chi-square, of all others nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct HitsPlan {
    request: HitsRequest,
    params: CkksParams,
    hits: Hits,
    inverse: Option<ProductInverse>,
    flood: Flood,
    residue: f64,
    excess: f64,
    slot_deviation: f64,
    level: f64,
}

/// Effect, spread root and offset of a circuit.
pub(super) type Inputs<'a, V> = ([&'a V; 2], &'a [f64]);

impl HitsPlan {
    /// The plan of a request.
    ///
    /// # Errors
    /// When the largest parameter set is not deep enough, or noise would say more than `level` bits hide.
    pub fn new(request: HitsRequest) -> Result<Self, HitsError> {
        let narrow = |error: HitsError| error.with_band(|| widened(&request));
        Self::of(request).map_err(narrow)
    }

    fn of(request: HitsRequest) -> Result<Self, HitsError> {
        let HitsRequest { rule, values, .. } = request;
        let (hits, params) = chosen(&request)?;
        let inverse =
            values.map(|error| ProductInverse::with_error(rule.lo, rule.hi, error)).transpose()?;
        let Worst { residue, excess, coefficient, scale } =
            worst(params, &request, &hits, inverse.as_ref())?;
        let (degree, holders) = (params.degree(), request.holders);
        // Indicators stay readable under as much noise as that; chi-squares have no more than the level takes.
        let widest = Flood::widest(widest(values.is_some()), degree, holders, scale)?;
        let coefficients = request.coefficients.max(1);
        let found = widest.level(coefficients, coefficient);
        if found < request.level.into() {
            return Err(HitsError::Level { level: request.level, found, band: None });
        }
        let flood = match values {
            None => widest,
            Some(_) => Flood::new(request.level, coefficients, coefficient)?,
        };
        let level = flood.level(coefficients, coefficient);
        let slot_deviation = flood.slot_deviation(degree, holders, scale);
        Ok(Self { request, params, hits, inverse, flood, residue, excess, slot_deviation, level })
    }

    /// The parameter set.
    pub fn params(&self) -> CkksParams {
        self.params
    }

    /// What was asked for.
    pub fn request(&self) -> &HitsRequest {
        &self.request
    }

    /// The indicator's circuit.
    pub fn hits(&self) -> &Hits {
        &self.hits
    }

    /// The inverse of the chi-squares that are released with the hits.
    pub fn inverse(&self) -> Option<&ProductInverse> {
        self.inverse.as_ref()
    }

    /// How far an encrypted indicator deviates from `1 + excess` and its negative outside the band, as a standard deviation.
    pub fn residue(&self) -> f64 {
        self.residue
    }

    /// By how much the magnitude of every encrypted indicator exceeds 1 ([`super::CompositeSign::excess`]).
    pub fn excess(&self) -> f64 {
        self.excess
    }

    /// The flooding of each holder.
    pub fn flood(&self) -> Flood {
        self.flood
    }

    /// The level in bits at which it hides whatever is not to be seen, outside the band.
    pub fn level(&self) -> f64 {
        self.level
    }

    /// Scale and primes of the inputs of the indicator and, if chi-squares are released, of those of the chi-square.
    pub fn inputs(&self) -> impl Iterator<Item = (f64, usize)> {
        let indicator = (self.hits.input_scale(self.params), self.params.limbs());
        let value = self
            .inverse
            .as_ref()
            .map(|inverse| (value_scale(self.params, inverse), value_limbs(inverse)));
        core::iter::once(indicator).chain(value)
    }

    /// What is released. `value` are the inputs of the chi-square, if chi-squares are released.
    ///
    /// # Errors
    /// Those of the scheme.
    pub fn evaluate<S: Scheme>(
        &self,
        scheme: &S,
        ([effect, root], offset): Inputs<'_, S::Value>,
        value: Option<Inputs<'_, S::Value>>,
    ) -> Result<S::Value, CkksError> {
        let indicator = self.hits.evaluate(scheme, effect, root, &Offset::Public(offset))?;
        match self.inverse.as_ref().zip(value) {
            Some((inverse, value)) => {
                with_value(scheme, &indicator, (self.hits.hit(), self.excess), inverse, value)
            }
            None => Ok(indicator),
        }
    }

    /// What no released value exceeds, flooding included.
    pub fn largest(&self) -> f64 {
        let value = self.inverse.as_ref().map_or(1.0, |inverse| {
            2.0 * self.request.rule.largest * (1.0 + inverse.relative_error())
        });
        value + 1.0
    }

    /// Reads a released value.
    pub fn read(&self, released: f64) -> Released {
        let value = released * self.hits.hit();
        let (hit, other, chi2) = match self.inverse {
            None => (value > 1.0 - UNDECIDED, value < UNDECIDED - 1.0, None),
            Some(_) => {
                let chi2 = value / 2.0;
                (chi2 > self.request.rule.lower() - UNDECIDED, chi2 < UNDECIDED, Some(chi2))
            }
        };
        match (hit, other) {
            (true, _) => Released::Hit(chi2),
            (_, true) => Released::Other,
            _ => Released::Undecided,
        }
    }

    /// Largest error of the root of a hit's chi-square.
    pub fn z_error(&self, chi2: f64) -> f64 {
        let relative = self.inverse.as_ref().map_or(0.0, ProductInverse::relative_error);
        let error = DEVIATIONS * self.slot_deviation / 2.0 + chi2 * relative;
        let chi2 = chi2.max(self.request.rule.lower());
        // sqrt(x) - sqrt(x - e)
        error / (chi2.sqrt() + (chi2 - error).max(0.0).sqrt())
    }
}

/// `(indicator + hit (1 + excess)) chi2`: nothing of a chi-square that is no hit. The excess is below what a double adds to 1.
fn with_value<S: Scheme>(
    scheme: &S,
    indicator: &S::Value,
    (hit, excess): (f64, f64),
    inverse: &ProductInverse,
    ([effect, root], offset): Inputs<'_, S::Value>,
) -> Result<S::Value, CkksError> {
    let chi2 = chi_square(scheme, inverse, effect, root, &Offset::Public(offset))?;
    let factor = scheme.add_constant(&scheme.add_constant(indicator, hit)?, hit * excess)?;
    scheme.multiply(&factor, &chi2, Precision::Double)
}

/// Sets that serve, the cheapest first.
const SETS: [CkksParams; 2] = [CkksParams::N65536Q1700, CkksParams::N65536Q1746];

/// The circuit, and the first set that is deep enough. An indicator that multiplies chi-squares has a cubic more if that set serves it too:
/// a choice by depth alone, the same on every machine.
fn chosen(request: &HitsRequest) -> Result<(Hits, CkksParams), HitsError> {
    let hits = Hits::within(request.rule, INDICATOR_ERROR)?;
    let needed = depth(&hits, request);
    let Some(params) = SETS.into_iter().find(|&set| left(set) >= needed) else {
        let left = SETS.map(left).into_iter().max().unwrap_or_default();
        return Err(HitsError::Depth { needed, left, band: None });
    };
    let finer = request.values.and_then(|_| Hits::within(request.rule, FACTOR_ERROR).ok());
    let finer = finer.filter(|hits| depth(hits, request) <= left(params));
    Ok((finer.unwrap_or(hits), params))
}

/// Primes that a circuit of that set can drop.
fn left(params: CkksParams) -> usize {
    params.limbs() - BASE_LIMBS
}

/// Primes that a circuit drops: two more for the product with a chi-square.
fn depth(hits: &Hits, request: &HitsRequest) -> usize {
    hits.depth() + if request.values.is_some() { PRODUCT } else { 0 }
}

/// Primes of the inputs of a chi-square that is multiplied with an indicator at its end: two for each level, two for that product.
fn value_limbs(inverse: &ProductInverse) -> usize {
    BASE_LIMBS + PRODUCT + 2 * (inverse.offsets().len() + 1)
}

/// Their scale, for which that chi-square has the scale 2^100 before the product.
fn value_scale(params: CkksParams, inverse: &ProductInverse) -> f64 {
    let mut primes = params.moduli().skip(BASE_LIMBS + PRODUCT).map(|m| m.value() as f64);
    (0..=inverse.offsets().len())
        .fold(2f64.powi(100), |scale, _| (scale * primes.by_ref().take(2).product::<f64>()).sqrt())
}

/// The narrowest band, in steps of a tenth, that is not refused.
fn widened(request: &HitsRequest) -> Option<f64> {
    let band = |step: i32| {
        let wide = request.rule.band * 1.1f64.powi(step);
        let magnitude = 10f64.powf(wide.log10().floor() - 1.0);
        (wide / magnitude).ceil() * magnitude
    };
    let request = |band| HitsRequest { rule: Rule { band, ..request.rule }, ..*request };
    let deep_enough = (1..60).map(band).filter(|&band| chosen(&request(band)).is_ok());
    deep_enough.take(MOST_PLANS).find(|&band| HitsPlan::of(request(band)).is_ok())
}

/// The worst slot outside the band.
struct Worst {
    residue: f64,
    excess: f64,
    /// Root mean square in coefficients of what flooding has to hide if every slot were like it.
    coefficient: f64,
    /// The scale of the result.
    scale: f64,
}

fn worst(
    params: CkksParams,
    request: &HitsRequest,
    hits: &Hits,
    inverse: Option<&ProductInverse>,
) -> Result<Worst, HitsError> {
    let model = NoiseModel::new(params, request.holders);
    let predict = Predict::new(model);
    let rule = &request.rule;
    let points = grid(request);
    let column = |f: &dyn Fn(&Point) -> f64| points.iter().map(f).collect::<Vec<f64>>();
    let (unit, constant) = hits.units();
    let input = |values: Vec<f64>, scale| predict.input(&values, scale, model.refresh());
    let scale = hits.input_scale(params);
    // D^2 = unit x chi2, E^2 = unit tau (1/(4v) - x): sections 8 and 9.
    let effect = input(column(&|p| (unit * p.x * p.chi2).sqrt()), scale);
    let root = input(column(&|p| (unit * rule.lower() * p.root_square()).sqrt()), scale);
    let offset = column(&|p| constant - unit * rule.lower() * (p.root_square() + p.x));
    let prediction = hits.predict(&predict, &effect, &root, &Offset::Public(&offset))?;
    if prediction.blur > 1.0 {
        return Err(HitsError::Blur { band: None });
    }
    let Prediction { indicator, residue, excess, .. } = prediction;
    let (error, scale) = match inverse {
        None => (residue, indicator.scale()),
        Some(inverse) => {
            let limbs = value_limbs(inverse);
            let scale = value_scale(params, inverse);
            let input = |values| input(values, scale).modulo(limbs);
            let effect = input(column(&|p| p.inputs(inverse)[0]));
            let root = input(column(&|p| p.inputs(inverse)[1]));
            let offset = column(&|p| p.inputs(inverse)[2]);
            let value = ([&effect, &root], &offset[..]);
            let out = with_value(&predict, &indicator, (hits.hit(), excess), inverse, value)?;
            let first = out.worst_deviation();
            // Of what is no hit nothing may be left; a hit's chi-square is public, and noise alone is to be hidden.
            let noise = residue - hits.sign().error();
            let left = (residue * rule.lower()).max(noise * rule.largest);
            (first + left, out.scale())
        }
    };
    let coefficient = error * scale / (params.degree() as f64).sqrt();
    Ok(Worst { residue, excess, coefficient, scale })
}

/// References, spreads and chi-squares outside the band.
fn grid(request: &HitsRequest) -> Vec<Point> {
    let Rule { lo, hi, .. } = request.rule;
    let smallest = request.smallest_variance;
    // Without reference frequencies nothing keeps rare variants out.
    let below: &[f64] = if smallest < 0.25 { &[] } else { &[0.0, 0.1, 0.5] };
    let inside = (0..=2).map(|step| lo + (hi - lo) * f64::from(step) / 2.0);
    let spreads: Vec<f64> = inside.chain(below.iter().map(|part| lo * part)).collect();
    let mut points = Vec::new();
    let mut references = vec![smallest, 0.25];
    references.dedup();
    for v in references {
        for &x in &spreads {
            let steps = if x == lo { SWEEP } else { 1 };
            points.extend(outside(&request.rule, x, steps).map(|chi2| Point { v, x, chi2 }));
        }
    }
    points
}

/// Chi-squares from one end of the band down to 0 and from the other up to the largest, in so many steps each by one factor, measured from the
/// middle of the band: the cubics oscillate over the logarithm of their argument, and noise counts most between their extremes.
fn outside(rule: &Rule, x: f64, steps: usize) -> impl Iterator<Item = f64> {
    let (lower, largest) = (rule.lower(), rule.largest);
    let half = (rule.upper() - lower) * (rule.lo / x).max(1.0) / 2.0;
    let sweep = move |sign: f64, reach: f64| {
        let factor = (reach / half).powf(1.0 / steps as f64);
        (0..=steps).map(move |i| lower + half + sign * half * factor.powi(i as i32))
    };
    let below = sweep(-1.0, lower + half).map(move |chi2| chi2.clamp(0.0, lower));
    let above = sweep(1.0, largest - lower - half).map(move |chi2| chi2.min(largest));
    // No variant of a spread of 0 has a chi-square, and those of small ones reach the largest before they leave the band.
    let reachable = half.is_finite() && lower + 2.0 * half <= largest;
    below
        .filter(move |_| half.is_finite())
        .chain([0.0, lower])
        .chain(above.filter(move |_| reachable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ckks::scheme::Clear;

    const REQUEST: HitsRequest = HitsRequest {
        holders: 3,
        rule: Rule { threshold: 29.716_785, band: 0.01, largest: 800.0, lo: 0.19, hi: 1.0 },
        smallest_variance: 0.25,
        values: None,
        level: 40,
        coefficients: 1 << 20,
    };

    fn values(band: f64) -> HitsRequest {
        let rule = Rule { band, ..REQUEST.rule };
        HitsRequest { rule, values: Some(1e-4), ..REQUEST }
    }

    /// What is released of a variant of reference 1/2, in the clear.
    fn run(plan: &HitsPlan, x: f64, chi2: f64) -> Released {
        let (unit, constant) = plan.hits.units();
        let lower = plan.request.rule.lower();
        let effect = vec![(unit * x * chi2).sqrt()];
        let root = vec![(unit * lower * (1.0 - x)).sqrt()];
        let offset = [constant - unit * lower];
        let value = plan.inverse.as_ref().map(|inverse| {
            let [effect, root, offset] = Point { v: 0.25, x, chi2 }.inputs(inverse);
            (vec![effect], vec![root], [offset])
        });
        let value = value.as_ref().map(|(d, e, offset)| ([d, e], &offset[..]));
        plan.read(plan.evaluate(&Clear, ([&effect, &root], &offset), value).unwrap()[0])
    }

    #[test]
    fn what_is_read_is_right_outside_the_band_and_never_a_false_hit() {
        for request in [REQUEST, values(0.1)] {
            let plan = HitsPlan::new(request).unwrap();
            let (lower, upper) = (request.rule.lower(), request.rule.upper());
            for x in [1.0, 0.5, 0.19, 0.1, 0.02, 0.0] {
                for chi2 in [0.0, 1.0, 0.9 * lower, lower] {
                    assert_eq!(run(&plan, x, chi2), Released::Other, "{x} {chi2}");
                }
                if x == 0.0 {
                    continue;
                }
                let widened = lower + (upper - lower) * (0.19 / x).max(1.0);
                for chi2 in [widened, widened + 1.0, 300.0, 800.0] {
                    match run(&plan, x, chi2) {
                        Released::Hit(None) => assert!(request.values.is_none()),
                        Released::Hit(Some(found)) if x >= 0.19 => {
                            let error = (found.sqrt() - chi2.sqrt()).abs();
                            assert!(error <= plan.z_error(chi2), "{x} {chi2}: {found}");
                        }
                        // Rarer than the smallest frequency, the chi-square comes out too small.
                        Released::Hit(Some(found)) => assert!(found <= chi2 * 1.0001),
                        other => {
                            assert!(x < 0.19 && request.values.is_some(), "{x} {chi2}: {other:?}")
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn noise_is_hidden_and_a_hit_exact() {
        for holders in [1, 3, 10] {
            let plan = HitsPlan::new(HitsRequest { holders, ..REQUEST }).unwrap();
            assert!(plan.level() >= 40.0 && plan.largest() == 2.0, "{}", plan.level());
        }
        // (people, band, largest error of |Z|)
        for (people, band, error) in [(400.0, 0.01, 0.002), (3000.0, 0.02, 0.05), (1e4, 0.05, 0.03)]
        {
            for holders in [1, 3] {
                let rule = Rule { largest: 2.0 * people, ..values(band).rule };
                let plan = HitsPlan::new(HitsRequest { holders, rule, ..values(band) }).unwrap();
                assert!(plan.level() >= 40.0 && plan.z_error(30.0) < error, "{plan:?}");
            }
        }
        // What the largest chi-square multiplies does not fit under a readable value any more.
        let rule = Rule { largest: 60_000.0, ..values(0.2).rule };
        let many = HitsPlan::new(HitsRequest { rule, ..values(0.2) });
        assert!(matches!(many, Err(HitsError::Level { .. })), "{many:?}");
        // What is too narrow for the level is told a band that is not.
        let rule = Rule { largest: 20_000.0, ..values(0.02).rule };
        let narrow = HitsRequest { rule, ..values(0.02) };
        let Err(HitsError::Level { band: Some(band), .. }) = HitsPlan::new(narrow) else {
            panic!("too narrow")
        };
        let rule = Rule { band, ..rule };
        assert!(HitsPlan::new(HitsRequest { rule, ..narrow }).is_ok());
    }

    #[test]
    fn a_fold_more_serves_a_larger_study_and_what_is_too_deep_is_told_a_band() {
        let large = |largest, band| {
            let rule = Rule { largest, band, ..REQUEST.rule };
            HitsPlan::new(HitsRequest { rule, ..REQUEST })
        };
        let folds = |plan: HitsPlan| plan.hits.folds.len();
        let small = large(800.0, 0.01).unwrap();
        assert_eq!(small.params(), CkksParams::N65536Q1700);
        assert_eq!(folds(small), 2);
        let deep = large(20_000.0, 0.01).unwrap();
        assert_eq!(deep.params(), CkksParams::N65536Q1746);
        assert!(folds(deep) > 3);
        let Err(HitsError::Depth { band: Some(band), .. }) = large(200_000.0, 0.005) else {
            panic!("too deep")
        };
        assert!(band > 0.01 && band < 0.05, "{band}");
        assert!(large(200_000.0, band).is_ok());
        let said = large(200_000.0, 0.005).unwrap_err().to_string();
        assert!(said.contains("widen the band to 0."), "{said}");
    }

    #[test]
    fn requests_that_mean_nothing_are_refused() {
        let rule = |change: fn(&mut Rule)| {
            let mut rule = REQUEST.rule;
            change(&mut rule);
            HitsPlan::new(HitsRequest { rule, ..REQUEST })
        };
        assert!(matches!(rule(|r| r.largest = 20.0), Err(HitsError::Sign(_))));
        assert!(matches!(rule(|r| r.band = 6.0), Err(HitsError::Sign(_))));
        assert!(matches!(rule(|r| r.lo = 0.0), Err(HitsError::Sign(_))));
        let level = HitsPlan::new(HitsRequest { level: 60, ..REQUEST });
        assert!(matches!(level, Err(HitsError::Level { level: 60, .. })));
    }
}
