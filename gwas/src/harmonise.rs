//! From what each site's files hold to what a study's panel asks for, before anything is encrypted.
//!
//! [`merge()`] makes a study's panel from the variant lists of its sites; [`align()`] arranges a site's genotypes by a panel. Both
//! know a variant by its place (build, chromosome in any spelling, position) and its two alleles in either order and, if both
//! are single bases, on either strand. Ids are never looked at.
//!
//! | the file has, where the panel has REF `A` and ALT `G` | |
//! |---|---|
//! | `A`, `G` | taken as it is |
//! | `G`, `A` | g becomes 2 - g |
//! | `T`, `C` | other strand: taken as it is |
//! | `C`, `T` | other strand: g becomes 2 - g |
//! | other alleles, or nothing at this place | absent: nobody has a call |
//!
//! `A`/`T` and `C`/`G` read the same on both strands: see [`Palindromic`]. The result is a view; nothing is rewritten.

mod align;
mod alleles;
mod frequency;
mod merge;
mod report;

pub use align::{AlignError, Aligned, align};
pub use frequency::{DEFAULT_MAX_MAF, Frequencies, FrequencyError};
pub use merge::{MergeError, MergeOptions, MergeReport, Merged, Mode, merge};
pub use report::{AlignmentReport, Status};

/// What becomes of single-base variants whose alleles pair with each other (`A`/`T`, `C`/`G`).
#[derive(Clone, Copy, Debug, Default)]
pub enum Palindromic<'a> {
    /// They are left out: nothing tells which strand a file is on.
    #[default]
    Drop,
    /// They are taken as they stand: right if all files are known to be on one strand.
    Keep,
    /// The strand is the one on which the file's rarer allele is the reference's rarer allele.
    ByFrequency {
        /// Frequencies of ALT on the panel's strand, from a public source.
        reference: &'a Frequencies,
        /// Variants whose minor allele frequency, in the reference or in the file, is above this are left out: there,
        /// frequencies don't tell the alleles apart.
        max_maf: f64,
    },
}

/// The most variants that one list may have at one place.
pub const MAX_AT_PLACE: usize = 1024;

/// More than [`MAX_AT_PLACE`] variants at one place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_AT_PLACE} variants at {chrom}:{pos}; is this really a position column?")]
pub struct CrowdedError {
    /// Chromosome.
    pub chrom: String,
    /// Position.
    pub pos: u32,
}

/// Refuses a place at which comparing every variant with every other would take too long.
fn check_crowd(panels: &[&crate::panel::Panel], here: &[&[u32]]) -> Result<(), CrowdedError> {
    for (panel, here) in panels.iter().zip(here) {
        if here.len() > MAX_AT_PLACE
            && let Some(v) = here.first().and_then(|&v| panel.get(v))
        {
            return Err(CrowdedError { chrom: v.chrom.to_owned(), pos: v.pos });
        }
    }
    Ok(())
}

/// The build's name for messages.
fn build_name(build: Option<&str>) -> String {
    build.unwrap_or("(unnamed)").to_owned()
}
