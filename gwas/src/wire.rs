//! What parties and server say to each other: identities, signed manifests, statuses. Protocol sections 7 and 9.
//!
//! Manifests are immutable *messages* ([`he_core::codec::Message`]) named by the digest of their bytes and signed by their
//! author ([`Envelope`]); listings and statuses are JSON ([`status`]). Nothing here knows HTTP.

mod did;
mod envelope;
pub mod httpsig;
mod manifest;
pub mod status;

pub use did::{Did, ParseDidError};
pub use envelope::{Envelope, EnvelopeError, Opened};
pub use manifest::{
    ChunkRef, Dataset, GrantTerms, Job, JobInput, JobResult, MAX_NAME, Phenotype, PlaneKind,
    RowSet, Study, UnitResult,
};
