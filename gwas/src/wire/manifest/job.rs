//! Jobs and their results.

use he_core::Digest;
use he_core::codec::{CodecError, Kind, Message};
use serde::{Deserialize, Serialize};

use super::{ChunkRef, SharePhase, require};

/// Most inputs of a job.
const MAX_INPUTS: usize = 8192;

/// One contribution to a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum JobInput {
    /// Rows of a dataset: a site's people, or a single donor.
    Rows {
        /// The dataset.
        dataset: Digest,
        /// The weights.
        phenotype: Digest,
        /// The grant.
        grant: Digest,
    },
    /// Sums that a site computed in the clear and encrypted under the study's key.
    Totals {
        /// The contribution.
        totals: Digest,
    },
}

impl JobInput {
    /// What a job has once and is in order of: the dataset or the totals.
    pub fn subject(&self) -> Digest {
        match *self {
            Self::Rows { dataset, .. } => dataset,
            Self::Totals { totals } => totals,
        }
    }

    /// Every manifest that the input names.
    pub fn manifests(&self) -> impl Iterator<Item = Digest> + use<> {
        let (first, others) = match *self {
            Self::Rows { dataset, phenotype, grant } => (dataset, Some([phenotype, grant])),
            Self::Totals { totals } => (totals, None),
        };
        core::iter::once(first).chain(others.into_iter().flatten())
    }

    /// The grant on which the input depends, if any.
    pub fn grant(&self) -> Option<Digest> {
        match *self {
            Self::Rows { grant, .. } => Some(grant),
            Self::Totals { .. } => None,
        }
    }
}

/// A job: which inputs a study sums. Signed by who asks for it; its digest names it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The study.
    pub study: Digest,
    /// The inputs, ascending by [`JobInput::subject`], each once; at most as many as the study's plan allows.
    pub inputs: Vec<JobInput>,
    /// When it was asked for.
    pub created: u64,
}

impl Message for Job {
    const KIND: Kind = Kind::Job;

    fn check(&self) -> Result<(), CodecError> {
        require(!self.inputs.is_empty(), "a job has an input: a dataset or totals")?;
        require(self.inputs.len() <= MAX_INPUTS, "a job has at most 8192 inputs")?;
        require(
            self.inputs.is_sorted_by(|a, b| a.subject() < b.subject()),
            "inputs are in ascending order of dataset or totals, each once",
        )
    }
}

/// The result of one unit: which sums, and the stored object (kind `ResultUnit`) that holds them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UnitResult {
    /// Index into the study's planes; the object's header repeats it.
    pub plane: u8,
    /// Group of blocks.
    pub group: u32,
    /// The object.
    pub chunk: ChunkRef,
}

/// What a job computed: every unit's object, and the objects with the totals of the weights. Written by the server,
/// deterministic: a job always has the same result bytes.
///
/// Channels of a unit: people who take part, then cases. With public participation the first is the plain sum over the rows
/// that take part; with encrypted participation it is the sum weighted by m, and no plain sum exists.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobResult {
    /// The job.
    pub job: Digest,
    /// Rows that were summed, and people whom totals attest.
    pub people: u32,
    /// One for each unit, planes outermost.
    pub units: Vec<UnitResult>,
    /// Sums of the weights themselves (numbers of cases), by presence pattern ([`crate::presence`]): pattern p is coefficient
    /// `p mod N` of body `p / N mod 8` of object `p / 8N`. Objects of plane [`JobResult::TOTALS_PLANE`], groups from 0 on.
    /// Channels: cases; with encrypted participation people who take part, then cases.
    pub totals: Vec<ChunkRef>,
}

impl JobResult {
    /// The plane number in the header of the totals' objects, which no plane has.
    pub const TOTALS_PLANE: u8 = u8::MAX;

    /// The plane number of the units of the index that hold finished statistics.
    pub const VALUES_PLANE: u8 = u8::MAX - 1;

    /// The objects that the shares of a phase are of, in their order, with plane and group. Those of the values are in
    /// [`super::Finished`].
    pub fn objects(
        &self,
        phase: SharePhase,
    ) -> impl Iterator<Item = (ChunkRef, u8, u32)> + use<'_> {
        let (totals, units): (&[ChunkRef], &[UnitResult]) = match phase {
            SharePhase::Totals => (&self.totals, &[]),
            SharePhase::Sums => (&[], &self.units),
            SharePhase::Refresh | SharePhase::Values => (&[], &[]),
        };
        let totals = (0..).zip(totals).map(|(group, chunk)| (*chunk, Self::TOTALS_PLANE, group));
        totals.chain(units.iter().map(|u| (u.chunk, u.plane, u.group)))
    }
}

impl Message for JobResult {
    const KIND: Kind = Kind::JobResult;

    fn check(&self) -> Result<(), CodecError> {
        require(
            self.units.is_sorted_by(|a, b| (a.plane, a.group) < (b.plane, b.group)),
            "units are in order, each once",
        )?;
        require(!self.totals.is_empty(), "a result has totals")
    }
}
