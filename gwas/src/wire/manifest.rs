//! The manifests: what a dataset, phenotype, study, grant, contribution of totals, job, result and share consist of.
//!
//! Times are seconds since 1970-01-01 UTC. Names are free text for people; nothing is decided by them.

mod ceremony;
mod data;
mod finish;
mod grant;
mod job;
mod share;
mod study;
mod totals;

use he_core::Digest;
use he_core::codec::CodecError;
use he_core::layout::Shape;
use serde::{Deserialize, Serialize};

use super::Did;
use crate::bitmap::Bitmap;

pub use ceremony::KeyCommitment;
pub use data::{Dataset, Phenotype};
pub use finish::{Finished, GroupSize, Refresh};
pub use grant::GrantTerms;
pub use job::{Job, JobInput, JobResult, UnitResult};
pub use share::{SealedShares, ShareCommitment, SharePhase, Shares};
pub use study::{
    HitRule, Participation, Release, ReleaseKind, SealingKey, Statistic, Study, StudyLimits,
    millionths,
};
pub use totals::Totals;

/// Longest name or purpose in bytes.
pub const MAX_NAME: usize = 1024;

/// Rows of a dataset.
pub type RowSet = Bitmap;

/// A stored object: its digest and length, header included.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChunkRef {
    /// BLAKE3 of the whole object.
    pub digest: Digest,
    /// Bytes of the whole object.
    pub length: u64,
}

/// What a plane of a genotype matrix holds. See `packing` for the integers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PlaneKind {
    /// `g - 1`, 0 where missing.
    Dosage,
    /// `[g = 2]`.
    HomAlt,
    /// `c - 1`: 0 where called, -1 where missing.
    Called,
}

fn require(fine: bool, otherwise: &str) -> Result<(), CodecError> {
    if fine { Ok(()) } else { Err(CodecError::Conformance(otherwise.to_owned())) }
}

fn check_name(name: &str) -> Result<(), CodecError> {
    let fine = name.len() <= MAX_NAME && !name.chars().any(char::is_control);
    require(fine, "names and purposes are at most 1024 bytes without control characters")
}

fn check_planes(planes: &[PlaneKind]) -> Result<(), CodecError> {
    require(planes.is_sorted_by(|a, b| a < b), "planes are in order, each once")?;
    require(planes.first() == Some(&PlaneKind::Dosage), "the dosage plane is always there")
}

fn check_parties(parties: &[Did], what: &str) -> Result<(), CodecError> {
    require(
        parties.is_sorted_by(|a, b| a < b),
        &format!("the {what} are not in ascending order, each once"),
    )
}

/// An absence that says nothing is left out, so that there is one way to say it; a contribution has a variant.
fn check_absent(absent: Option<&Bitmap>, variants: u32) -> Result<(), CodecError> {
    let Some(absent) = absent else { return Ok(()) };
    require(absent.fits(variants), "the absent variants do not fit the number of variants")?;
    require(absent.count() > 0, "no variant is absent: leave the bitmap out")?;
    require(absent.count() < variants, "every variant is absent")
}

/// The chunk list must be exactly what the shape demands.
fn check_chunks(shape: Shape, chunks: &[ChunkRef]) -> Result<(), CodecError> {
    let shape = shape.check().map_err(|e| CodecError::Conformance(e.to_string()))?;
    let lengths = shape.chunks().map(|spec| (spec.body_len() + he_core::codec::HEADER_LEN) as u64);
    let fine = shape.chunks().take(chunks.len() + 1).count() == chunks.len()
        && lengths.zip(chunks).all(|(length, chunk)| length == chunk.length);
    require(fine, "the chunk list does not fit the shape")
}

#[cfg(test)]
mod tests;
