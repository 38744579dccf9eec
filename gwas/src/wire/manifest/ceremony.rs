//! Commitments to contributions to a study's public key.

use he_core::Digest;
use he_core::ceremony::key_round;
use he_core::codec::{CodecError, Kind, Message};
use he_core::commit::Commitment;
use serde::{Deserialize, Serialize};

/// A key holder's promise of its contribution to a study's public key. Signed by the holder; final. Contributions are
/// revealed when every holder has promised, so that nobody chooses its own after having seen the others'.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyCommitment {
    /// The study.
    pub study: Digest,
    /// Object of kind `Commitment`, of the study's [`key_round`], made for the holder's did:key text.
    pub commitment: Vec<u8>,
}

impl Message for KeyCommitment {
    const KIND: Kind = Kind::KeyCommitment;

    fn check(&self) -> Result<(), CodecError> {
        Commitment::from_bytes(&self.commitment, key_round(self.study)).map(drop)
    }
}
