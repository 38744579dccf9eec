//! Result units: sums under the study key, as the server stores them. Protocol sections 2 and 6.

use crate::codec::{CodecError, Header, Kind};
use crate::params::Params;
use crate::public_key::{bulk_bytes, unpack_polynomials};

/// One unit's sums under the study key: for each body and channel a ciphertext `(C0, C1)`.
///
/// Channel 0 of a genotype unit is the plain sum, the following ones the weight vectors' sums; the totals of the weights
/// are a unit of one body with a channel for each vector. Every ciphertext has the plan's scale.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchedUnit {
    params: Params,
    bodies: usize,
    channels: usize,
    /// `[body][channel][C0, C1][words]`, NTT domain.
    words: Vec<u64>,
}

/// Most channels of a unit.
pub const MAX_CHANNELS: u32 = 17;
const MAX_BODIES: u32 = crate::layout::BODIES as u32;

impl SwitchedUnit {
    pub(crate) fn new(params: Params, bodies: usize, channels: usize, words: Vec<u64>) -> Self {
        debug_assert_eq!(words.len(), bodies * channels * 2 * params.words());
        Self { params, bodies, channels, words }
    }

    /// The object, bound to its job.
    pub fn to_bytes(&self, job: [u8; 16], plane: u8, group: u32) -> Vec<u8> {
        let counts = [u32::from(plane), group, self.bodies as u32, self.channels as u32];
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
        if (p, g) != (u32::from(plane), group) {
            return Err(CodecError::Counts("another plane or group than asked for"));
        }
        if !(1..=MAX_BODIES).contains(&bodies) || !(1..=MAX_CHANNELS).contains(&channels) {
            return Err(CodecError::Counts("a result unit has 1 to 8 bodies and 1 to 17 channels"));
        }
        let (bodies, channels) = (bodies as usize, channels as usize);
        Ok(Self {
            params,
            bodies,
            channels,
            words: unpack_polynomials(body, params, bodies * channels * 2)?,
        })
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

    /// Every ciphertext `(C0, C1)`, bodies outermost.
    pub fn ciphertexts(&self) -> impl ExactSizeIterator<Item = (&[u64], &[u64])> {
        let words = self.params.words();
        self.words.chunks_exact(2 * words).map(move |pair| pair.split_at(words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for (at, value) in [(56, 0), (56, 9), (60, 0), (60, 18), (56, 3)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert!(matches!(read(&bad), Err(CodecError::Counts(_))), "{at} {value}");
        }
        assert!(matches!(read(&good[..good.len() - 50]), Err(CodecError::Truncated { .. })));
    }
}
