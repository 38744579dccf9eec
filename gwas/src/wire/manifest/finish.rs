//! What travels when the server finishes a statistic on ciphertexts. Finishing section 5, protocol section 12.

use he_core::Digest;
use he_core::codec::{CodecError, Kind, Message};
use serde::{Deserialize, Serialize};

use super::{ChunkRef, require};

/// People and cases of a presence pattern: public where a statistic is computed under encryption, since its factors depend on
/// them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupSize {
    /// People of the inputs that have the pattern's variants, and who take part.
    pub people: u32,
    /// Cases among them.
    pub cases: u32,
}

/// One key holder's refresh of a job: everything that the server needs of it to finish the statistic. Committed to before it is
/// revealed; its objects are named by their digests, so that the commitment binds them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refresh {
    /// The job.
    pub job: Digest,
    /// Digest of the job's result, which the holder has recomputed.
    pub result: Digest,
    /// For each presence pattern what the totals decrypt to. All holders must say the same.
    pub groups: Vec<GroupSize>,
    /// One object of kind `DecryptionShare` (kind of share: refreshes) for each unit of the result, in its order.
    pub shares: Vec<ChunkRef>,
    /// Objects of kind `CkksMaskCiphertext`: two for each batch of variants, effect and spread ([`crate::finish`]).
    pub masks: Vec<ChunkRef>,
    /// Objects of kind `CkksRelinShare`, one for each digit: the same in all jobs of a study.
    pub relinearisation: Vec<ChunkRef>,
}

impl Refresh {
    /// Subject of the round in which the refreshes of the job with this result are committed to and revealed.
    pub fn subject(result: &Digest) -> Digest {
        Digest::derive("hegwas v1 refresh of a result", &result.0)
    }

    /// How many shares, mask ciphertexts and contributions to the relinearisation key it names.
    pub fn lengths(&self) -> [usize; 3] {
        [self.shares.len(), self.masks.len(), self.relinearisation.len()]
    }

    /// Every object that it names.
    pub fn objects(&self) -> impl Iterator<Item = &ChunkRef> {
        self.shares.iter().chain(&self.masks).chain(&self.relinearisation)
    }
}

impl Message for Refresh {
    const KIND: Kind = Kind::Refresh;

    fn check(&self) -> Result<(), CodecError> {
        let lists = [&self.shares, &self.masks, &self.relinearisation];
        require(lists.iter().all(|list| !list.is_empty()), "a refresh lacks objects")?;
        require(!self.groups.is_empty(), "a refresh has the numbers of people and cases")?;
        require(
            self.groups.iter().all(|group| group.cases <= group.people),
            "there are no more cases than people",
        )
    }
}

/// The finished statistic of a job. Written by the server, deterministic: given what the holders revealed, it always has the
/// same bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finished {
    /// The job.
    pub job: Digest,
    /// Digest of the job's result.
    pub result: Digest,
    /// One object of kind `CkksResult` for each batch of variants, in their order.
    pub values: Vec<ChunkRef>,
}

impl Message for Finished {
    const KIND: Kind = Kind::Finished;

    fn check(&self) -> Result<(), CodecError> {
        require(!self.values.is_empty(), "a finished statistic has values")
    }
}
