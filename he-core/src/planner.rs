//! The planner: from what a study needs to the smallest parameter set and its scales. Protocol section 8.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::arith::Scale;
use crate::digest::Digest;
use crate::noise::{Smudging, SumNoise, smudging_deviation, tail};
use crate::params::Params;

/// What is asked of the encryption.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlanRequest {
    /// Most people in one sum, all datasets together.
    pub people: u32,
    /// Values released during the study's life; bounds the failure probability of all of them together by 2^-128. Every
    /// coefficient of a shared ciphertext counts, unused ones too.
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
    /// Most contributions added up in one result: each is a dataset, switched to the study key with noise of its own, or
    /// one site's encrypted totals, which add less.
    pub datasets: u32,
    /// Statistical bits by which refresh masks hide a value, or 0 where nothing is ever refreshed. See
    /// [`Plan::mask_bits`].
    pub mask_bits: u32,
}

impl PlanRequest {
    /// A case-control study of one dataset with hard calls and a sole key holder.
    pub fn sole_holder(people: u32) -> Self {
        Self {
            people,
            values: 1 << 30,
            dosage_max: 1,
            weight_max: 1,
            holders: 1,
            smudging_bits: 0,
            datasets: 1,
            mask_bits: 0,
        }
    }
}

/// Why no parameter set serves a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlanError {
    /// A field is zero or beyond what any set could serve.
    #[error(
        "a study needs 1 to 2^24 people, 1 to 2^40 values, magnitudes of 1 to 2^20, 1 to 64 key holders, 1 to 65535 \
         datasets, and at most 128 smudging and 100 mask bits"
    )]
    OutOfRange,
    /// Shares that leave their holder without smudging.
    #[error(
        "several key holders, and refresh masks, need at least 40 smudging bits; the shares would leak the study key"
    )]
    Smudging,
    /// Masks that do not hide.
    #[error("refresh masks need at least 40 bits; with fewer they would not hide the values")]
    Masks,
    /// The sums do not fit beside the noise.
    #[error(
        "no parameter set holds sums over {people} people with these magnitudes, holders, datasets, smudging and mask \
         bits; use fewer people or datasets, narrower weights, fewer released values or fewer smudging or mask bits"
    )]
    TooLarge {
        /// People asked for.
        people: u32,
    },
}

/// A parameter set with the scales that make every result exact. Only the planner makes one.
///
/// Serialises as its request: reading one plans again, so that scales cannot be forged.
///
/// What is worst case and what is not: magnitudes of values and weights count as if everybody had the largest, so no data
/// break a plan. Errors count by their standard deviation times a tail factor ([`tail`]) that holds for
/// sub-Gaussian errors with probability 2^-128 over all values, which needs honestly drawn keys and encryptions.
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
            || !(1..=MAX_DATASETS).contains(&request.datasets)
            || request.smudging_bits > 128
            || request.mask_bits > 100
        {
            return Err(PlanError::OutOfRange);
        }
        if (1..LEAST_HIDING_BITS).contains(&request.mask_bits) {
            return Err(PlanError::Masks);
        }
        let shares_travel = request.holders > 1 || request.mask_bits > 0;
        if shares_travel && request.smudging_bits < LEAST_HIDING_BITS {
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
        // Delta (n G Y + K 2^t + 1/2) < Q / 2, a little below so that rounding in this arithmetic cannot matter.
        let q: f64 = params.moduli().map(|m| m.value() as f64).product();
        let holders = f64::from(request.holders);
        let masks = mask_bits(&request).map_or(0.0, |bits| holders * 2f64.powi(bits as i32));
        let largest = people * dosage_max * weight_max + masks;
        let delta = q / (2.0 * largest + 1.0) * (1.0 - 1e-9);
        // The two large noise terms are equal where Delta_y Y = Delta_g G sqrt(N).
        let ratio = (params.degree() as f64).sqrt() * dosage_max / weight_max;
        let delta_g = (delta / ratio).sqrt().floor();
        let delta_y = (delta / delta_g).floor();
        if delta_g < 1.0 || delta_y < 1.0 {
            return None;
        }
        let datasets = f64::from(request.datasets);
        let noise = SumNoise {
            params,
            people,
            dosage_max,
            weight_max,
            delta_g,
            delta_y,
            holders,
            datasets,
        };
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
        self.smudging_noise().map_or(0.0, Smudging::deviation)
    }

    /// Distribution of each holder's smudging; `None` for a sole holder whose shares never leave it.
    pub fn smudging_noise(&self) -> Option<Smudging> {
        match self.request.smudging_bits {
            0 => None,
            bits => Some(Smudging::hiding(smudging_deviation(
                bits,
                self.request.values,
                self.deviation,
            ))),
        }
    }

    /// Refresh masks are uniform in `[-2^t, 2^t)`: this is t, or `None` where the plan has no room for masks.
    ///
    /// `2^t >= 2^mask_bits n G Y`, so two values that a result may have differ by at most `2^-mask_bits` of the mask's
    /// range: that bounds the statistical distance of their masked versions.
    pub fn mask_bits(&self) -> Option<u32> {
        mask_bits(&self.request)
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

    /// Digest of parameters, request, scales and smudging: of everything that a share depends on.
    pub fn digest(&self) -> Digest {
        let text = format!(
            "{} {:?} {} {} {:?}",
            self.params.digest(),
            self.request,
            self.delta_g,
            self.delta_y,
            self.smudging_noise()
        );
        Digest::derive("hegwas v1 plan", text.as_bytes())
    }
}

/// Least statistical bits of smudging and of masks.
pub const LEAST_HIDING_BITS: u32 = 40;
/// Most contributions to one result.
pub const MAX_DATASETS: u32 = u16::MAX as u32;

fn mask_bits(request: &PlanRequest) -> Option<u32> {
    let range = u128::from(request.people)
        * u128::from(request.dosage_max)
        * u128::from(request.weight_max);
    let range_bits = range.next_power_of_two().trailing_zeros();
    // Beside at least 40 bits of smudging a modulus of 200 bits leaves at most 124 for the masks of all holders together.
    (request.mask_bits > 0).then_some(request.mask_bits + range_bits)
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
        let sole = PlanRequest::sole_holder(people);
        set(PlanRequest { values, weight_max, holders, smudging_bits, ..sole })
    }

    fn set(request: PlanRequest) -> Option<Params> {
        Plan::new(request).ok().map(|plan| plan.params())
    }

    /// Most people that a parameter set serves, to about one part in a thousand.
    fn capacity(request: PlanRequest, params: Params) -> u32 {
        let serves =
            |people| Plan::with_params(PlanRequest { people, ..request }, params).is_some();
        let (mut low, mut high) = (1, 1 << 24);
        while low + low / 1000 + 1 < high {
            let middle = low + (high - low) / 2;
            if serves(middle) { low = middle } else { high = middle }
        }
        if serves(low) { low } else { 0 }
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
        let sole = PlanRequest::sole_holder(100);
        for datasets in [0, 1 << 16] {
            let bad = PlanRequest { datasets, ..sole };
            assert_eq!(Plan::new(bad), Err(PlanError::OutOfRange));
        }
        let masked = |mask_bits| PlanRequest { mask_bits, smudging_bits: 40, values: 1, ..sole };
        assert_eq!(Plan::new(masked(39)), Err(PlanError::Masks));
        assert_eq!(Plan::new(masked(101)), Err(PlanError::OutOfRange));
        assert!(Plan::new(masked(40)).is_ok());
        let unsmudged = PlanRequest { smudging_bits: 0, ..masked(40) };
        assert_eq!(Plan::new(unsmudged), Err(PlanError::Smudging));
    }

    #[test]
    fn what_several_holders_can_do() {
        let study = |holders, values, mask_bits| PlanRequest {
            holders,
            values,
            mask_bits,
            smudging_bits: 40,
            ..PlanRequest::sole_holder(1)
        };
        let about = |request, params, people: u32| {
            let found = capacity(request, params);
            assert!(found.abs_diff(people) <= people / 100 + 1, "{found}, not {people}");
        };
        // 40 bits over the whole study of 2^21 values, then per value alone.
        about(study(3, 1 << 21, 0), Params::N8192Q150, 13_736);
        about(study(10, 1 << 21, 0), Params::N8192Q150, 7_520);
        about(study(3, 1, 0), Params::N8192Q150, 1 << 24);
        about(PlanRequest { weight_max: 1023, ..study(3, 1, 0) }, Params::N8192Q150, 20_976);
        about(study(10, 1 << 30, 0), Params::N8192Q200, 1 << 24);
        // Switching noise of many datasets is far below that of the sums.
        let many = PlanRequest { datasets: 1000, ..study(3, 1 << 21, 0) };
        about(many, Params::N8192Q150, 13_736);
        // Masks of 40 bits need the largest set.
        about(study(3, 1, 40), Params::N8192Q150, 8);
    }

    #[test]
    fn masks_cover_the_range_and_fit_the_modulus() {
        let request = PlanRequest {
            holders: 3,
            smudging_bits: 40,
            mask_bits: 40,
            values: 1 << 21,
            ..PlanRequest::sole_holder(20_000)
        };
        let plan = Plan::new(request).unwrap();
        assert_eq!((plan.params(), plan.mask_bits()), (Params::N8192Q200, Some(55)));
        let (delta, masks) = (plan.delta_g() as f64 * plan.delta_y() as f64, 3.0 * 2f64.powi(55));
        assert!((delta * (20_000.0 + masks + 0.5)).log2() < plan.params().log2_q() - 1.0);
        let without = Plan::new(PlanRequest { mask_bits: 0, ..request }).unwrap();
        assert_eq!(without.mask_bits(), None);
    }

    #[test]
    fn plans_are_reproducible_and_survive_serialisation() {
        let plan = Plan::new(PlanRequest::sole_holder(358)).unwrap();
        let bytes = bincode::serialize(&plan).unwrap();
        assert_eq!(bincode::deserialize::<Plan>(&bytes).unwrap(), plan);
        assert_eq!((plan.delta_g(), plan.delta_y()), (186_276, 8_429_925));
        assert!(plan.margin_bits() > 0.0);
    }

    /// How far refresh masks of three holders can hide: per value everywhere, all values of a study together in small ones.
    #[test]
    fn room_for_refresh_masks() {
        let most = |people, values| {
            let fits = |&mask_bits: &u32| {
                let sole = PlanRequest::sole_holder(people);
                let request =
                    PlanRequest { holders: 3, smudging_bits: 40, values, mask_bits, ..sole };
                Plan::new(request).is_ok()
            };
            (LEAST_HIDING_BITS..100).take_while(fits).last()
        };
        assert_eq!(most(358, 1 << 18), Some(61));
        assert_eq!(most(358, 1 << 21), Some(58));
        assert_eq!(most(10_000, 1 << 21), Some(48));
        assert_eq!(most(100_000, 1 << 21), Some(42));
    }
}
