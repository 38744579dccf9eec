//! The holder's side of a round: commitments and reveals that are always the same. Protocol section 10.

use he_core::Digest;
use he_core::arith::Ring;
use he_core::ceremony::{key_round, share_round};
use he_core::commit::{Commitment, Commitments, Reveal, Round};
use he_core::share::DecryptionShare;

use crate::keys::HolderKey;

/// Why nothing is revealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the commitments are of another study or result, or the one under your name is not yours: reveal nothing and find out \
     who changed it"
)]
pub struct RevealError;

impl HolderKey {
    /// The commitment of `party`, whose key this is, to its public key contribution.
    ///
    /// Contribution and nonce are derived from the key: there is nothing to store, and no crash makes a second one.
    pub fn commit_public_share(&self, ring: &Ring, party: &str) -> Commitment {
        self.commit(key_round(self.study()), party, &self.public_share(ring).to_bytes())
    }

    /// Reveals the contribution, now that the commitments of *all* parties are here.
    ///
    /// # Errors
    ///
    /// If they are not those of this study's ceremony, or the party's own is not among them.
    pub fn reveal_public_share(
        &self,
        ring: &Ring,
        party: &str,
        commitments: &Commitments,
    ) -> Result<Reveal, RevealError> {
        let object = self.public_share(ring).to_bytes();
        self.reveal(key_round(self.study()), party, commitments, object)
    }

    /// The commitment of `party` to its share of the result unit whose object has the digest `unit`.
    pub fn commit_share(&self, party: &str, unit: Digest, share: &DecryptionShare) -> Commitment {
        self.commit(share_round(unit), party, &share.to_bytes(unit.short()))
    }

    /// Reveals the share, now that the commitments of *all* parties are here. For the result's recipients only.
    ///
    /// # Errors
    ///
    /// If they are not those to shares of this unit, or the party's own is not among them.
    pub fn reveal_share(
        &self,
        party: &str,
        unit: Digest,
        share: &DecryptionShare,
        commitments: &Commitments,
    ) -> Result<Reveal, RevealError> {
        let object = share.to_bytes(unit.short());
        self.reveal(share_round(unit), party, commitments, object)
    }

    /// The commitment of `party` to any object of a round.
    ///
    /// The nonce is derived from the key and all the rest: the same object gives the same commitment.
    pub fn commit(&self, round: Round, party: &str, object: &[u8]) -> Commitment {
        Commitment::new(round, party, &self.nonce(round, party, object), object)
    }

    /// Reveals an object of a round, now that the commitments of *all* parties are here.
    ///
    /// # Errors
    ///
    /// If they are not those of this round, or the party's own is not among them.
    pub fn reveal(
        &self,
        round: Round,
        party: &str,
        commitments: &Commitments,
        object: Vec<u8>,
    ) -> Result<Reveal, RevealError> {
        let own = self.commit(round, party, &object);
        if commitments.round() != round || commitments.of(party) != Some(own) {
            return Err(RevealError);
        }
        Ok(Reveal::new(commitments, self.nonce(round, party, &object), object))
    }

    /// 32 bytes that only the holder can compute, bound to everything that the commitment is about.
    fn nonce(&self, round: Round, party: &str, object: &[u8]) -> [u8; 32] {
        let unblinded = Commitment::new(round, party, &[0; 32], object).to_bytes();
        self.derive_share_key("hegwas v1 commitment nonce", &unblinded)
    }
}
