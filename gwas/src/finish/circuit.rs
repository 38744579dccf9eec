//! What the server evaluates on a batch, in which manner it is released, and what a released value says.

use he_core::ckks::circuits::{Excluded, Offset, Scaling, Variant, chi_square};
use he_core::ckks::hits::{HitsPlan, HitsRequest, Released, Rule};
use he_core::ckks::{
    Ciphertext, CkksError, CkksParams, Evaluator, Flood, INPUT_SCALE, StatisticPlan,
    StatisticRequest, Test,
};

use super::FinishError;
use crate::wire::{HitRule, Release, Study, millionths};

/// Statistical bits by which released values hide what depends on the keys, over all values of the study.
const FLOOD_LEVEL: u32 = 40;
/// Relative error of a chi-square at the smallest frequency.
const RELATIVE_ERROR: f64 = 1e-4;
/// Deviations of flooding within which an error is stated.
const DEVIATIONS: f64 = 8.0;
/// Slots of the largest finishing ring: batches are whole ciphertexts.
const MOST_SLOTS: u64 = 1 << 15;

/// What was released of a variant. A chi-square, of one degree of freedom, comes with the largest error of its root.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finding {
    /// Its chi-square.
    Value((f64, f64)),
    /// It is a hit; its chi-square, if these are released.
    Hit(Option<(f64, f64)>),
    /// It is no hit.
    Other,
    /// It lies in the band round the threshold, where either answer may come.
    Undecided,
    /// It has no statistic: nobody has the variant, or only cases or controls have.
    Undefined,
}

/// A circuit with its flooding. One of several *stages* has several pairs of inputs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Circuit {
    /// The chi-square: one stage.
    Statistic(StatisticPlan),
    /// Which variants are hits: one stage; a second one, their chi-squares, if these are released.
    Hits(HitsPlan),
}

impl Circuit {
    /// That of a study.
    pub(super) fn new(study: &Study) -> Result<Self, FinishError> {
        let holders = study.key_holders.len();
        let slots = u64::from(study.variants).next_multiple_of(MOST_SLOTS);
        let coefficients = (2 * slots).saturating_mul(study.limits.max_jobs.into());
        // No chi-square exceeds the number of alleles.
        let largest = 2.0 * f64::from(study.plan.request().people);
        let (rule, values) = match study.release {
            Release::Counts => return Err(FinishError::Counts),
            Release::Statistic { smallest_frequency } => {
                let plan = StatisticPlan::new(StatisticRequest {
                    test: Test::Allelic,
                    holders,
                    lo: smallest_spread(smallest_frequency)?,
                    hi: 1.0,
                    smallest_variance: 0.25,
                    largest,
                    relative_error: RELATIVE_ERROR,
                    level: FLOOD_LEVEL,
                    coefficients,
                })?;
                return Ok(Self::Statistic(plan));
            }
            Release::Hits(rule) => (rule, None),
            Release::HitsWithValues(rule) => (rule, Some(RELATIVE_ERROR)),
        };
        let HitRule { threshold, band, smallest_frequency } = rule;
        let sensible = (1_000_000..=30_000_000).contains(&threshold)
            && (100..=1_000_000).contains(&band)
            && band < threshold;
        if !sensible {
            return Err(FinishError::Rule);
        }
        let z = millionths(threshold);
        let rule = Rule {
            threshold: z * z,
            band: millionths(band),
            largest,
            lo: smallest_spread(smallest_frequency)?,
            hi: 1.0,
        };
        let request = HitsRequest {
            holders,
            rule,
            smallest_variance: 0.25,
            values,
            level: FLOOD_LEVEL,
            coefficients,
        };
        Ok(Self::Hits(HitsPlan::new(request)?))
    }

    pub(super) fn params(&self) -> CkksParams {
        match self {
            Self::Statistic(plan) => plan.params(),
            Self::Hits(plan) => plan.params(),
        }
    }

    /// Scale and primes of the inputs of each stage.
    pub(super) fn inputs(&self) -> Vec<(f64, usize)> {
        match self {
            Self::Statistic(_) => vec![(INPUT_SCALE, self.params().limbs())],
            Self::Hits(plan) => plan.inputs().collect(),
        }
    }

    /// For each stage the offset of a slot that no variant has, or none with a statistic.
    pub(super) fn empty(&self) -> Vec<f64> {
        match self {
            Self::Statistic(_) => vec![0.0],
            Self::Hits(plan) => core::iter::once(plan.hits().empty_slot())
                .chain(plan.inverse().map(|_| 0.0))
                .collect(),
        }
    }

    /// Public factors of a variant for each stage.
    pub(super) fn scalings(&self, rho: f64, variant: Variant) -> Result<Vec<Scaling>, Excluded> {
        let variant = [variant];
        match self {
            Self::Statistic(plan) => Ok(vec![Scaling::allelic(plan.inverse(), rho, &variant)?]),
            Self::Hits(plan) => {
                let indicator = plan.hits().allelic(rho, &variant);
                let value = plan.inverse().map(|inverse| Scaling::allelic(inverse, rho, &variant));
                core::iter::once(indicator).chain(value).collect()
            }
        }
    }

    /// Evaluates a batch from the effect and the spread root of each stage.
    pub(super) fn evaluate(
        &self,
        evaluator: &Evaluator<'_>,
        inputs: &[Ciphertext],
        offsets: &[Vec<f64>],
    ) -> Result<Ciphertext, FinishError> {
        let (pairs, rest) = inputs.as_chunks::<2>();
        let mut stages = pairs.iter().zip(offsets);
        let stages = [stages.next(), stages.next()];
        let [first, second] = stages
            .map(|stage| stage.map(|([effect, root], offset)| ([effect, root], offset.as_slice())));
        let first = first.filter(|_| rest.is_empty()).ok_or(FinishError::Objects)?;
        let evaluated: Result<Ciphertext, CkksError> = match self {
            Self::Statistic(plan) => {
                let ([effect, root], offset) = first;
                chi_square(evaluator, plan.inverse(), effect, root, &Offset::Public(offset))
            }
            Self::Hits(plan) => plan.evaluate(evaluator, first, second),
        };
        Ok(evaluated?)
    }

    pub(super) fn flood(&self) -> Flood {
        match self {
            Self::Statistic(plan) => plan.flood(),
            Self::Hits(plan) => plan.flood(),
        }
    }

    /// What no released value exceeds.
    pub(super) fn largest(&self) -> f64 {
        match self {
            Self::Statistic(plan) => plan.request().largest + 1.0,
            Self::Hits(plan) => plan.largest(),
        }
    }

    pub(super) fn read(&self, value: f64) -> Finding {
        match self {
            Self::Statistic(_) => Finding::Value((value, self.z_error(value))),
            Self::Hits(plan) => match plan.read(value) {
                Released::Hit(chi2) => Finding::Hit(chi2.map(|chi2| (chi2, self.z_error(chi2)))),
                Released::Other => Finding::Other,
                Released::Undecided => Finding::Undecided,
            },
        }
    }

    /// Largest error of `|Z|` at a chi-square.
    pub(super) fn z_error(&self, chi2: f64) -> f64 {
        match self {
            Self::Statistic(plan) => plan.z_error(chi2.max(0.0), DEVIATIONS),
            Self::Hits(plan) => plan.z_error(chi2),
        }
    }
}

/// Spread of a variant of that minor allele frequency in parts per million, relative to a reference frequency of 1/2.
fn smallest_spread(frequency: u32) -> Result<f64, FinishError> {
    if !(100..=500_000).contains(&frequency) {
        return Err(FinishError::Frequency);
    }
    let frequency = millionths(frequency);
    // At 1/2 the interval would be a point.
    Ok((4.0 * frequency * (1.0 - frequency)).min(0.99))
}
