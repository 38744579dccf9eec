//! Encrypted totals: sums that a site computed itself, encrypted under the study's public key. Protocol section 6.

use crate::codec::{CodecError, Header, Kind};
use crate::digest::Digest;
use crate::params::Params;
use crate::public_key::{bulk_bytes, unpack_polynomials};
use crate::result::{SwitchedUnit, check_shape};

/// A site's contribution to one result unit: `(b u + e0 + Delta m, a u + e1)` for each body and channel.
///
/// It has the shape and the scale of a switched unit and is added to those of other sites. Nobody can check what the
/// site summed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EncryptedTotals(SwitchedUnit);

impl EncryptedTotals {
    /// Totals computed by the secret half: `[body][channel][C0, C1]`, NTT domain, reduced.
    pub fn new(params: Params, bodies: usize, channels: usize, words: Vec<u64>) -> Self {
        assert_eq!(words.len(), bodies * channels * 2 * params.words(), "all ciphertexts");
        Self(SwitchedUnit::new(params, bodies, channels, words))
    }

    /// The object, bound to its study.
    pub fn to_bytes(&self, study: Digest, plane: u8, group: u32) -> Vec<u8> {
        let counts = [u32::from(plane), group, self.0.bodies() as u32, self.0.channels() as u32];
        let Self(unit) = self;
        bulk_bytes(Kind::EncryptedTotals, unit.params(), study.short(), counts, unit.words())
    }

    /// Reads the totals for `study` of that plane and group.
    pub fn from_bytes(
        bytes: &[u8],
        params: Params,
        study: Digest,
        plane: u8,
        group: u32,
    ) -> Result<Self, CodecError> {
        let (header, body) = Header::split(bytes, Kind::EncryptedTotals)?;
        header.expect_params(params)?;
        header.expect_context(study.short(), "study")?;
        let [p, g, bodies, channels] = header.counts;
        if (p, g) != (u32::from(plane), group) {
            return Err(CodecError::Counts("another plane or group than asked for"));
        }
        let (bodies, channels) = check_shape(bodies, channels)?;
        Ok(Self::new(
            params,
            bodies,
            channels,
            unpack_polynomials(body, params, bodies * channels * 2)?,
        ))
    }

    /// What is added to the result: one contribution.
    pub fn into_unit(self) -> SwitchedUnit {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_bad_totals_are_refused() {
        let (params, study) = (Params::N2048Q50, Digest::of(b"study"));
        let totals = EncryptedTotals::new(params, 1, 2, (0..4 * 2048).collect());
        let good = totals.to_bytes(study, 255, 0);
        let read = |bytes: &[u8]| EncryptedTotals::from_bytes(bytes, params, study, 255, 0);
        assert_eq!(read(&good).unwrap(), totals);
        assert_eq!(totals.clone().into_unit().contributions(), 1);
        // A result unit is not a contribution and the other way round.
        let unit = totals.clone().into_unit().to_bytes(study.short(), 255, 0);
        assert!(matches!(read(&unit), Err(CodecError::Kind { .. })));
        assert!(SwitchedUnit::from_bytes(&good, params, study.short(), 255, 0).is_err());
        let other = EncryptedTotals::from_bytes(&good, params, Digest::of(b"other"), 255, 0);
        assert!(matches!(other, Err(CodecError::Context(_))));
        let other = EncryptedTotals::from_bytes(&good, Params::N4096Q100, study, 255, 0);
        assert!(matches!(other, Err(CodecError::Params(_))));
        for (plane, group) in [(0, 0), (255, 1)] {
            let other = EncryptedTotals::from_bytes(&good, params, study, plane, group);
            assert!(matches!(other, Err(CodecError::Counts(_))));
        }
        for (at, value) in [(56, 0), (56, 9), (60, 0), (60, 18), (62, 1), (60, 1)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert!(matches!(read(&bad), Err(CodecError::Counts(_))), "{at} {value}");
        }
        let mut residue = good.clone();
        residue[64..71].fill(255);
        assert!(matches!(read(&residue), Err(CodecError::Residue)));
        for length in [0, 63, 64, good.len() - 1] {
            assert!(matches!(read(&good[..length]), Err(CodecError::Truncated { .. })));
        }
    }
}
