//! Grants: the right of a study to sum a dataset.

use he_core::Digest;
use he_core::codec::{CodecError, Kind, Message};
use serde::{Deserialize, Serialize};

use super::{ChunkRef, require};

/// What a dataset's owner grants to a study, and until when. Signed by the owner.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GrantTerms {
    /// The dataset.
    pub dataset: Digest,
    /// The study.
    pub study: Digest,
    /// The switching key, a stored object of kind `SwitchingKey`.
    pub switching_key: ChunkRef,
    /// When it was given.
    pub issued: u64,
    /// When it ends.
    pub expires: u64,
}

impl Message for GrantTerms {
    const KIND: Kind = Kind::Grant;

    fn check(&self) -> Result<(), CodecError> {
        require(self.issued < self.expires, "a grant ends after it begins")
    }
}
