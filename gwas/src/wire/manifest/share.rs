//! Decryption shares on their way to those who receive a result.
//!
//! Shares of a job are given in two phases: first of its totals, so that every key holder sees the numbers of people, cases
//! and controls, then of its sums. In each phase every holder commits to its shares before anybody reveals one.

use he_core::Digest;
use he_core::codec::{CodecError, Header, Kind, Message};
use serde::{Deserialize, Serialize};

use super::{ChunkRef, Did, require};

/// What the shares are of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SharePhase {
    /// The totals of the weights.
    Totals,
    /// The sums of every variant.
    Sums,
    /// The sums of every variant, masked: what the server needs to finish a statistic on ciphertexts.
    Refresh,
    /// The finished statistic of every variant.
    Values,
}

impl SharePhase {
    /// Its number in headers.
    pub fn number(self) -> u32 {
        match self {
            Self::Totals => 0,
            Self::Sums => 1,
            Self::Refresh => 2,
            Self::Values => 3,
        }
    }
}

/// A key holder's promise of its shares of one phase of a job. Signed by the holder; final.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShareCommitment {
    /// The job.
    pub job: Digest,
    /// Digest of the job's result: what the holder has checked and shares.
    pub result: Digest,
    /// What the shares are of.
    pub phase: SharePhase,
    /// For each object of the phase ([`super::JobResult::objects`], [`super::Finished::values`]), in that order, an object of kind
    /// `Commitment` of its [`share_round`](he_core::ceremony::share_round), made for the holder's did:key text. Of a refresh one,
    /// about [`super::Refresh::subject`].
    pub commitments: Vec<Vec<u8>>,
}

impl Message for ShareCommitment {
    const KIND: Kind = Kind::ShareCommitment;

    fn check(&self) -> Result<(), CodecError> {
        require(!self.commitments.is_empty(), "a holder commits to at least one share")?;
        for commitment in &self.commitments {
            Header::split(commitment, Kind::Commitment)?;
        }
        Ok(())
    }
}

/// Shares sealed to one recipient.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealedShares {
    /// Who can open them.
    pub recipient: Did,
    /// One object of kind `SealedShare` for each object of the phase ([`super::JobResult::objects`]), in that order: a header
    /// with the job's short digest as context and, as counts, the phase (0 totals, 1 sums, 3 values), the number of the recipient and of
    /// the object; then the revealed share (kind `Reveal`) as an age file to the recipient's sealing key.
    pub chunks: Vec<ChunkRef>,
}

/// A key holder's shares of one phase of a job, sealed to each recipient. Signed by the holder; final.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shares {
    /// The job.
    pub job: Digest,
    /// What the shares are of.
    pub phase: SharePhase,
    /// One for each recipient ([`super::Study::recipients`]), ascending; none for a refresh.
    pub sealed: Vec<SealedShares>,
    /// Of a refresh: the revealed [`super::Refresh`] (kind `Reveal`); otherwise empty.
    pub refresh: Vec<u8>,
}

impl Message for Shares {
    const KIND: Kind = Kind::Shares;

    fn check(&self) -> Result<(), CodecError> {
        if self.phase == SharePhase::Refresh {
            require(self.sealed.is_empty(), "refresh shares are masked, and sealed to nobody")?;
            return Header::split(&self.refresh, Kind::Reveal).map(drop);
        }
        require(self.refresh.is_empty(), "only refresh shares are revealed openly")?;
        require(
            self.sealed.is_sorted_by(|a, b| a.recipient < b.recipient) && !self.sealed.is_empty(),
            "recipients are in ascending order, each once, at least one",
        )?;
        let objects = self.sealed.first().map_or(0, |s| s.chunks.len());
        require(
            objects > 0 && self.sealed.iter().all(|s| s.chunks.len() == objects),
            "every recipient gets the same number of shares",
        )
    }
}
