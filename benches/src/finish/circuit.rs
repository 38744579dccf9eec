//! What the server evaluates on a batch: a statistic, or hits. One face for both.

use he_core::ckks::circuits::{Excluded, Offset, Scaling, Variant, chi_square};
use he_core::ckks::hits::Hits;
use he_core::ckks::{
    Ciphertext, CkksError, CkksParams, Evaluator, Flood, FloodError, INPUT_SCALE, StatisticPlan,
    Test,
};

/// Deviation that flooding leaves of a hit's 1 or -1: the answer is the nearer of both, with sixteen deviations between them.
const HIT_DEVIATION: f64 = 1.0 / 16.0;

/// A circuit with its plan.
pub enum Circuit {
    /// Chi-square of a test.
    Statistic(StatisticPlan),
    /// Which chi-squares of a test exceed a threshold; on that parameter set.
    Hits(Test, Hits, CkksParams),
}

impl Circuit {
    /// Its parameter set.
    #[must_use]
    pub fn params(&self) -> CkksParams {
        match self {
            Self::Statistic(plan) => plan.params(),
            Self::Hits(_, _, params) => *params,
        }
    }

    /// The test.
    #[must_use]
    pub fn test(&self) -> Test {
        match self {
            Self::Statistic(plan) => plan.request().test,
            Self::Hits(test, ..) => *test,
        }
    }

    /// Scales of D and E, and of the encrypted offset.
    #[must_use]
    pub fn scales(&self) -> [f64; 2] {
        match self {
            Self::Statistic(plan) => [INPUT_SCALE, plan.offset_scale()],
            Self::Hits(_, hits, _) => {
                [hits.input_scale(self.params()), hits.offset_scale(self.params())]
            }
        }
    }

    /// Public factors of a batch. Slots behind the last variant must be given as variants without people.
    ///
    /// # Errors
    /// When everybody is a case or nobody is.
    pub fn scaling(&self, rho: f64, variants: &[Variant]) -> Result<Scaling, Excluded> {
        match self {
            Self::Statistic(plan) => match self.test() {
                Test::Allelic => Scaling::allelic(plan.inverse(), rho, variants),
                Test::Trend => Scaling::trend(plan.inverse(), rho, variants),
            },
            Self::Hits(Test::Allelic, hits, _) => hits.allelic(rho, variants),
            Self::Hits(Test::Trend, hits, _) => hits.trend(rho, variants),
        }
    }

    /// Leaves a variant out.
    pub fn exclude(&self, scaling: &mut Scaling, i: usize) {
        match self {
            Self::Statistic(_) => scaling.exclude(i),
            Self::Hits(_, hits, _) => hits.exclude(scaling, i),
        }
    }

    /// The server's part.
    ///
    /// # Errors
    /// Those of the evaluator.
    pub fn evaluate(
        &self,
        evaluator: &Evaluator<'_>,
        [effect, root]: [&Ciphertext; 2],
        offset: &Offset<'_, Ciphertext>,
    ) -> Result<Ciphertext, CkksError> {
        match self {
            Self::Statistic(plan) => chi_square(evaluator, plan.inverse(), effect, root, offset),
            Self::Hits(_, hits, _) => hits.evaluate(evaluator, effect, root, offset),
        }
    }

    /// The flooding of each holder on a result of that scale.
    ///
    /// # Errors
    /// When it has no room.
    pub fn flood(&self, holders: usize, scale: f64) -> Result<Flood, FloodError> {
        match self {
            Self::Statistic(plan) => Ok(plan.flood()),
            Self::Hits(..) => Flood::widest(HIT_DEVIATION, self.params().degree(), holders, scale),
        }
    }

    /// What no released value exceeds, flooding included.
    #[must_use]
    pub fn largest(&self) -> f64 {
        match self {
            Self::Statistic(plan) => {
                let largest = plan.request().largest;
                largest + plan.slot_deviation() * 16.0 + largest * plan.inverse().relative_error()
            }
            Self::Hits(..) => 1.0 + HIT_DEVIATION * 16.0,
        }
    }
}
