//! What parties and server say to each other: identities, signed manifests, statuses. Protocol sections 7 and 9.
//!
//! Manifests are immutable *messages* ([`he_core::codec::Message`]) named by the digest of their bytes and signed by their
//! author ([`Envelope`]); drafts ([`draft`]), logs ([`log`]), listings and statuses
//! ([`status`]) are JSON. Nothing here knows HTTP.

mod did;
pub mod draft;
mod envelope;
pub mod httpsig;
pub mod log;
mod manifest;
pub mod status;

pub use crate::bitmap::Bitmap;
pub use did::{Did, ParseDidError};
pub use envelope::{Envelope, EnvelopeError, Opened};
pub use manifest::{
    ChunkRef, Dataset, Finished, GrantTerms, GroupSize, HitRule, Job, JobInput, JobResult,
    KeyCommitment, MAX_NAME, Participation, Phenotype, PlaneKind, Refresh, Release, ReleaseKind,
    RowSet, SealedShares, SealingKey, ShareCommitment, SharePhase, Shares, Statistic, Study,
    StudyLimits, Totals, UnitResult, millionths,
};
