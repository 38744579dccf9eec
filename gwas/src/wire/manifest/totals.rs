//! Totals: sums that a site computed in the clear and encrypted under the study's key.

use he_core::Digest;
use he_core::codec::{CodecError, Kind, Message};
use serde::{Deserialize, Serialize};

use super::{Bitmap, ChunkRef, UnitResult, check_name, require};

/// A site's sums, computed from its own files and encrypted under the study's public key: megabytes instead of gigabytes.
/// Signed by the site. Made anew for each phenotype and study.
///
/// Nothing of it can be checked before it is decrypted: the number of people is what the site attests, and which rows were
/// summed nobody sees.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Totals {
    /// The phenotype: free text for people.
    pub name: String,
    /// The study.
    pub study: Digest,
    /// People whom the sums are over, as the site attests.
    pub people: u32,
    /// Variants of the panel that the site's files do not have; their sums are of nobody. `None` where all are there. Public.
    pub absent: Option<Bitmap>,
    /// The encrypted sums of every unit of the study, planes outermost: objects of kind `EncryptedTotals` with the channels of
    /// the study's results.
    pub units: Vec<UnitResult>,
    /// The encrypted sums of the weights, as constants: an object of kind `EncryptedTotals` with the channels of a result's
    /// totals.
    pub totals: ChunkRef,
}

impl Totals {
    /// Every object: the units', then that of the weights.
    pub fn objects(&self) -> impl Iterator<Item = ChunkRef> + '_ {
        self.units.iter().map(|unit| unit.chunk).chain([self.totals])
    }
}

impl Message for Totals {
    const KIND: Kind = Kind::Totals;

    fn check(&self) -> Result<(), CodecError> {
        check_name(&self.name)?;
        require(self.people > 0, "totals are over at least one person")?;
        require(
            self.absent.as_ref().is_none_or(|a| a.count() > 0),
            "no variant is absent: leave the bitmap out",
        )?;
        require(
            self.units.is_sorted_by(|a, b| (a.plane, a.group) < (b.plane, b.group))
                && !self.units.is_empty(),
            "units are in order, each once, at least one",
        )
    }
}
