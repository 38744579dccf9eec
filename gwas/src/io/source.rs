//! What every genotype file looks like once it is open.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use crate::panel::Panel;

/// The 2-bit genotype codes of this project: PLINK's, with ALT in the place of A1.
///
/// Four people to a byte, the first in the lowest bits.
pub mod code {
    /// Two copies of ALT, `g = 2`.
    pub const HOM_ALT: u8 = 0b00;
    /// No call.
    pub const MISSING: u8 = 0b01;
    /// One copy of ALT, `g = 1`.
    pub const HET: u8 = 0b10;
    /// No copy of ALT, `g = 0`.
    pub const HOM_REF: u8 = 0b11;
}

/// The largest number of people in one file.
pub const MAX_PEOPLE: u32 = 1 << 24;

/// Sex as recorded in a .fam file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sex {
    /// Code 1.
    Male,
    /// Code 2.
    Female,
    /// Anything else, and files that don't say.
    #[default]
    Unknown,
}

/// One person of a genotype file.
#[derive(Clone, PartialEq, Eq)]
pub struct Sample {
    /// Family id as it stands in the file; nothing where the format has none (VCF).
    pub fid: Option<Box<str>>,
    /// Individual id.
    pub iid: Box<str>,
    /// Recorded sex.
    pub sex: Sex,
    /// Whether both parents are given as `0` (PLINK's founder; true where the format knows no parents).
    pub founder: bool,
}

/// Ids are private: only what isn't one is shown.
impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sample")
            .field("sex", &self.sex)
            .field("founder", &self.founder)
            .finish_non_exhaustive()
    }
}

/// Why genotypes can't be read from an open file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Reading failed, or the file became shorter since it was opened.
    #[error("cannot read genotypes from {}: {source}; did the file change while it was in use?", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A call that this source can't answer: a bug of the caller, not of the data.
    #[error("genotypes asked for in an impossible way: {0}")]
    Request(&'static str),
}

/// A genotype matrix, people by variants, that can be read in rectangles from several threads.
///
/// Variants are numbered as in [`panel`](Self::panel), people as in [`samples`](Self::samples).
pub trait GenotypeSource: Send + Sync {
    /// The people, in file order.
    fn samples(&self) -> &[Sample];

    /// The variants that can be read, in file order. What the exclusion rules removed is not among them.
    fn panel(&self) -> &Panel;

    /// Reads the [codes](code) of `rows` at each of `variants`.
    ///
    /// `rows` starts at a multiple of four. `out` receives `ceil(rows.len() / 4)` bytes per variant, in the order of
    /// `variants`; bits past the last row are unspecified. Ascending variants are read in large pieces.
    ///
    /// # Errors
    /// When reading fails, or an index, a range or the length of `out` is wrong.
    fn read_codes(
        &self,
        variants: &[u32],
        rows: Range<u32>,
        out: &mut [u8],
    ) -> Result<(), SourceError>;
}

/// Bytes that hold the codes of so many people.
#[must_use]
pub fn code_bytes(people: u32) -> usize {
    people.div_ceil(4) as usize
}
