//! Result units: sums under the study key, as the server stores them. Protocol sections 2 and 6.

use crate::codec::{CodecError, Header, Kind};
use crate::params::Params;
use crate::planner::{MAX_DATASETS, Plan};
use crate::public_key::{bulk_bytes, unpack_polynomials};

/// One unit's sums under the study key: for each body and channel a ciphertext `(C0, C1)`.
///
/// Channel 0 of a genotype unit is the plain sum, the following ones the weight vectors' sums; the totals of the weights
/// are a unit of one body with a channel for each vector. Every ciphertext has the plan's scale. Contributions of several
/// datasets are switched one by one and added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchedUnit {
    params: Params,
    bodies: usize,
    channels: usize,
    contributions: u32,
    /// `[body][channel][C0, C1][words]`, NTT domain.
    words: Vec<u64>,
}

/// Most channels of a unit.
pub const MAX_CHANNELS: u32 = 17;
pub(crate) const MAX_BODIES: u32 = crate::layout::BODIES as u32;

/// Why two units are not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// Of another parameter set or size.
    #[error("contributions to a result need the same parameter set, blocks and weight vectors")]
    Shape,
    /// More than the plan's noise prediction covers.
    #[error("the plan is made for {planned} datasets in a result; plan again for more")]
    Datasets {
        /// Datasets of the plan.
        planned: u32,
    },
}

impl SwitchedUnit {
    pub(crate) fn new(params: Params, bodies: usize, channels: usize, words: Vec<u64>) -> Self {
        debug_assert_eq!(words.len(), bodies * channels * 2 * params.words());
        Self { params, bodies, channels, contributions: 1, words }
    }

    /// Adds the same unit of other data, switched to the same study key.
    ///
    /// # Errors
    ///
    /// If the shapes differ, or more contributions come together than `plan` is made for.
    pub fn add(&mut self, plan: &Plan, other: &Self) -> Result<(), AddError> {
        if (self.params, self.bodies, self.channels) != (other.params, other.bodies, other.channels)
            || plan.params() != self.params
        {
            return Err(AddError::Shape);
        }
        let planned = plan.request().datasets;
        let contributions = self.contributions.saturating_add(other.contributions);
        if contributions > planned {
            return Err(AddError::Datasets { planned });
        }
        self.contributions = contributions;
        let degree = self.params.degree();
        let limbs = self.words.chunks_exact_mut(degree).zip(other.words.chunks_exact(degree));
        for ((sum, words), m) in limbs.zip(self.params.moduli().cycle()) {
            for (s, &w) in sum.iter_mut().zip(words) {
                *s = m.add(*s, w);
            }
        }
        Ok(())
    }

    /// The object, bound to its job.
    pub fn to_bytes(&self, job: [u8; 16], plane: u8, group: u32) -> Vec<u8> {
        let further = (self.contributions - 1) << 16;
        let counts = [u32::from(plane), group, self.bodies as u32, self.channels as u32 | further];
        bulk_bytes(Kind::ResultUnit, self.params, job, counts, &self.words)
    }

    /// Reads the unit of `job` for that plane and group.
    pub fn from_bytes(
        bytes: &[u8],
        params: Params,
        job: [u8; 16],
        plane: u8,
        group: u32,
    ) -> Result<Self, CodecError> {
        let (header, body) = Header::split(bytes, Kind::ResultUnit)?;
        header.expect_params(params)?;
        header.expect_context(job, "job")?;
        let [p, g, bodies, channels] = header.counts;
        let (channels, contributions) = (channels & 0xffff, (channels >> 16) + 1);
        if (p, g) != (u32::from(plane), group) {
            return Err(CodecError::Counts("another plane or group than asked for"));
        }
        if contributions > MAX_DATASETS {
            return Err(CodecError::Counts("a result unit has at most 65535 contributions"));
        }
        let (bodies, channels) = check_shape(bodies, channels)?;
        let words = unpack_polynomials(body, params, bodies * channels * 2)?;
        Ok(Self { params, bodies, channels, contributions, words })
    }

    /// The parameter set.
    pub fn params(&self) -> Params {
        self.params
    }

    /// Bodies: blocks of the unit.
    pub fn bodies(&self) -> usize {
        self.bodies
    }

    /// Ciphertexts per body.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Datasets and encrypted totals that are added up in it.
    pub fn contributions(&self) -> u32 {
        self.contributions
    }

    /// The same unit as a sum of that many contributions.
    pub(crate) fn counting(self, contributions: u32) -> Self {
        Self { contributions, ..self }
    }

    /// All words, `[body][channel][C0, C1][words]`.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Every ciphertext `(C0, C1)`, bodies outermost.
    pub fn ciphertexts(&self) -> impl ExactSizeIterator<Item = (&[u64], &[u64])> {
        let words = self.params.words();
        self.words.chunks_exact(2 * words).map(move |pair| pair.split_at(words))
    }
}

/// Bodies and channels of a unit, if it may have so many.
pub(crate) fn check_shape(bodies: u32, channels: u32) -> Result<(usize, usize), CodecError> {
    if (1..=MAX_BODIES).contains(&bodies) && (1..=MAX_CHANNELS).contains(&channels) {
        Ok((bodies as usize, channels as usize))
    } else {
        Err(CodecError::Counts("a result unit has 1 to 8 bodies and 1 to 17 channels"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlanRequest;

    #[test]
    fn round_trips_and_bad_units_are_refused() {
        let params = Params::N2048Q50;
        let unit = SwitchedUnit::new(params, 2, 3, (0..12 * 2048).collect());
        let job = [5; 16];
        let good = unit.to_bytes(job, 1, 9);
        let read = |b: &[u8]| SwitchedUnit::from_bytes(b, params, job, 1, 9);
        assert_eq!(read(&good).unwrap(), unit);
        assert_eq!(unit.ciphertexts().len(), 6);
        assert!(matches!(
            SwitchedUnit::from_bytes(&good, params, [6; 16], 1, 9),
            Err(CodecError::Context(_))
        ));
        assert!(matches!(
            SwitchedUnit::from_bytes(&good, params, job, 0, 9),
            Err(CodecError::Counts(_))
        ));
        assert!(matches!(
            SwitchedUnit::from_bytes(&good, params, job, 1, 8),
            Err(CodecError::Counts(_))
        ));
        assert!(matches!(
            SwitchedUnit::from_bytes(&good, Params::N4096Q100, job, 1, 9),
            Err(CodecError::Params(_))
        ));
        for (at, value) in [(56, 0), (56, 9), (60, 0), (60, 18), (61, 1), (56, 3)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert!(matches!(read(&bad), Err(CodecError::Counts(_))), "{at} {value}");
        }
        let mut many = good.clone();
        many[62..64].fill(255);
        assert!(matches!(read(&many), Err(CodecError::Counts(_))));
        assert!(matches!(read(&good[..good.len() - 50]), Err(CodecError::Truncated { .. })));
    }

    #[test]
    fn units_add_up_to_the_planned_number() {
        let params = Params::N2048Q50;
        let request = PlanRequest { datasets: 3, ..PlanRequest::sole_holder(100) };
        let plan = Plan::new(request).unwrap();
        let unit = |first| SwitchedUnit::new(params, 1, 1, (first..first + 2 * 2048).collect());
        let largest = params.moduli().next().unwrap().value() - 5000;
        let mut sum = unit(1);
        sum.add(&plan, &unit(10)).unwrap();
        sum.add(&plan, &unit(largest)).unwrap();
        assert_eq!(sum.contributions(), 3);
        let modulus = params.moduli().next().unwrap();
        let expected: Vec<u64> = (0..4096).map(|i| modulus.reduce(11 + largest + 3 * i)).collect();
        assert_eq!(sum.words(), expected);
        let bytes = sum.to_bytes([1; 16], 0, 0);
        assert_eq!(SwitchedUnit::from_bytes(&bytes, params, [1; 16], 0, 0).unwrap(), sum);
        let before = sum.clone();
        assert_eq!(sum.add(&plan, &unit(1)), Err(AddError::Datasets { planned: 3 }));
        for other in [
            SwitchedUnit::new(params, 2, 1, vec![0; 4 * 2048]),
            SwitchedUnit::new(params, 1, 2, vec![0; 4 * 2048]),
            SwitchedUnit::new(Params::N4096Q100, 1, 1, vec![0; 4 * 4096]),
        ] {
            assert_eq!(sum.add(&plan, &other), Err(AddError::Shape));
        }
        assert_eq!(sum, before, "a refused contribution changes nothing");
    }
}
