//! The planner: from what a study needs to the smallest parameter set and its scales. Protocol section 8.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arith::Scale;
use crate::digest::Digest;
use crate::noise::{SumNoise, smudging_deviation, tail};
use crate::params::Params;

/// What is asked of the encryption.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlanRequest {
    /// Most people in one sum.
    pub people: u32,
    /// Values released during the study's life; bounds the failure probability of all of them together by 2^-128.
    pub values: u64,
    /// Largest magnitude of a packed value (1 for centred hard calls).
    pub dosage_max: u32,
    /// Largest magnitude of a weight (1 for case-control).
    pub weight_max: u32,
    /// Key holders.
    pub holders: u32,
    /// Statistical bits by which shares hide their noise, over all `values`; 0 for a sole holder, whose share never leaves
    /// its process, at least 40 otherwise.
    pub smudging_bits: u32,
}

impl PlanRequest {
    /// A case-control study with hard calls and a sole key holder.
    pub fn sole_holder(people: u32) -> Self {
        Self { people, values: 1 << 30, dosage_max: 1, weight_max: 1, holders: 1, smudging_bits: 0 }
    }
}

/// Why no parameter set serves a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// A field is zero or beyond what any set could serve.
    #[error(
        "a study needs 1 to 2^24 people, values and magnitudes of at least 1 and at most 2^20, and 1 to 64 key holders"
    )]
    OutOfRange,
    /// Several holders without smudging.
    #[error(
        "several key holders need at least 40 smudging bits; their shares would leak the study key"
    )]
    Smudging,
    /// The sums do not fit beside the noise.
    #[error(
        "no parameter set holds sums over {people} people with these magnitudes, holders and smudging bits; \
         use fewer people per dataset, narrower weights, fewer released values or fewer smudging bits"
    )]
    TooLarge {
        /// People asked for.
        people: u32,
    },
}

/// A parameter set with the scales that make every result exact. Only the planner makes one.
///
/// Serialises as its request: reading one plans again, so that scales cannot be forged.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Plan {
    request: PlanRequest,
    params: Params,
    delta_g: u128,
    delta_y: u128,
    deviation: f64,
}

impl Plan {
    /// The smallest parameter set that serves `request`.
    pub fn new(request: PlanRequest) -> Result<Self, PlanError> {
        let magnitudes = [request.dosage_max, request.weight_max];
        if !(1..=1 << 24).contains(&request.people)
            || magnitudes.iter().any(|m| !(1..=1 << 20).contains(m))
            || !(1..=64).contains(&request.holders)
            || !(1..=1 << 40).contains(&request.values)
            || request.smudging_bits > 128
        {
            return Err(PlanError::OutOfRange);
        }
        if request.holders > 1 && request.smudging_bits < 40 {
            return Err(PlanError::Smudging);
        }
        Params::ALL
            .into_iter()
            .find_map(|params| Self::with_params(request, params))
            .ok_or(PlanError::TooLarge { people: request.people })
    }

    /// The plan on a given set, if the set serves the request.
    fn with_params(request: PlanRequest, params: Params) -> Option<Self> {
        let [people, dosage_max, weight_max] =
            [request.people, request.dosage_max, request.weight_max].map(f64::from);
        // Delta (n G Y + 1/2) < Q / 2, a little below so that rounding in this arithmetic cannot matter.
        let q: f64 = params.moduli().map(|m| m.value() as f64).product();
        let delta = q / (2.0 * people * dosage_max * weight_max + 1.0) * (1.0 - 1e-9);
        // The two large noise terms are equal where Delta_y Y = Delta_g G sqrt(N).
        let ratio = (params.degree() as f64).sqrt() * dosage_max / weight_max;
        let delta_g = (delta / ratio).sqrt().floor();
        let delta_y = (delta / delta_g).floor();
        if delta_g < 1.0 || delta_y < 1.0 {
            return None;
        }
        let holders = f64::from(request.holders);
        let noise = SumNoise { params, people, dosage_max, weight_max, delta_g, delta_y, holders };
        let deviation = noise.output_deviation();
        let plan =
            Self { request, params, delta_g: delta_g as u128, delta_y: delta_y as u128, deviation };
        (plan.margin_bits() > 0.0).then_some(plan)
    }

    /// What was asked for.
    pub fn request(&self) -> PlanRequest {
        self.request
    }

    /// The parameter set.
    pub fn params(&self) -> Params {
        self.params
    }

    /// Scale of packed values.
    pub fn delta_g(&self) -> u128 {
        self.delta_g
    }

    /// Scale of weights.
    pub fn delta_y(&self) -> u128 {
        self.delta_y
    }

    /// Scale of every result, `delta_g * delta_y`.
    pub fn scale(&self) -> Scale {
        Scale::product(self.delta_g, self.delta_y)
    }

    /// Predicted standard deviation of a result's noise before smudging, for the full number of people.
    pub fn deviation(&self) -> f64 {
        self.deviation
    }

    /// Standard deviation of each holder's smudging; zero for a sole holder.
    pub fn smudging(&self) -> f64 {
        match self.request.smudging_bits {
            0 => 0.0,
            bits => smudging_deviation(bits, self.request.values, self.deviation),
        }
    }

    /// What the noise of no result exceeds, but with probability 2^-128 over all released values together.
    pub fn noise_bound(&self) -> f64 {
        let holders = f64::from(self.request.holders);
        tail(self.request.values) * self.deviation.hypot(holders.sqrt() * self.smudging())
    }

    /// log2 of how many times the noise bound fits under half the scale: the unused margin, in bits.
    pub fn margin_bits(&self) -> f64 {
        (self.delta_g as f64 * self.delta_y as f64 / 2.0 / self.noise_bound()).log2()
    }

    /// Largest magnitude of an honest result: `people * dosage_max * weight_max`.
    pub fn largest_result(&self) -> i64 {
        let r = self.request;
        i64::from(r.people)
            .saturating_mul(i64::from(r.dosage_max))
            .saturating_mul(i64::from(r.weight_max))
    }

    /// Digest of parameters and scales.
    pub fn digest(&self) -> Digest {
        let text = format!(
            "{} {:?} {} {}",
            self.params.digest(),
            self.request,
            self.delta_g,
            self.delta_y
        );
        Digest::derive("hegwas v1 plan", text.as_bytes())
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.request.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(PlanRequest::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(
        people: u32,
        holders: u32,
        smudging_bits: u32,
        values: u64,
        weight_max: u32,
    ) -> Option<Params> {
        Plan::new(PlanRequest { people, values, dosage_max: 1, weight_max, holders, smudging_bits })
            .ok()
            .map(|p| p.params())
    }

    #[test]
    fn picks_the_smallest_set() {
        assert_eq!(params(25_000, 1, 0, 1 << 30, 1), Some(Params::N2048Q50));
        assert_eq!(params(35_000, 1, 0, 1 << 30, 1), Some(Params::N4096Q100));
        assert_eq!(params(500_000, 1, 0, 1 << 30, 1023), Some(Params::N4096Q100));
        assert_eq!(params(100_000, 3, 40, 1, 1), Some(Params::N8192Q150));
        assert_eq!(params(10_000, 3, 40, 1 << 21, 1), Some(Params::N8192Q150));
        assert_eq!(params(100_000, 3, 40, 1 << 30, 1), Some(Params::N8192Q200));
    }

    #[test]
    fn refuses_what_cannot_be_served() {
        assert_eq!(params(0, 1, 0, 1, 1), None);
        assert_eq!(params(1 << 25, 1, 0, 1, 1), None);
        assert_eq!(params(100, 65, 40, 1, 1), None);
        let several =
            PlanRequest { holders: 2, smudging_bits: 39, ..PlanRequest::sole_holder(100) };
        assert_eq!(Plan::new(several), Err(PlanError::Smudging));
        let wide =
            PlanRequest { smudging_bits: 128, holders: 3, ..PlanRequest::sole_holder(1_000_000) };
        assert_eq!(Plan::new(wide), Err(PlanError::TooLarge { people: 1_000_000 }));
    }

    #[test]
    fn plans_are_reproducible_and_survive_serialisation() {
        let plan = Plan::new(PlanRequest::sole_holder(358)).unwrap();
        let bytes = bincode::serialize(&plan).unwrap();
        assert_eq!(bincode::deserialize::<Plan>(&bytes).unwrap(), plan);
        assert_eq!((plan.delta_g(), plan.delta_y()), (186_276, 8_429_925));
        assert!(plan.margin_bits() > 0.0);
    }
}
