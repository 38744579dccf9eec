//! Statuses and listings as JSON. Digests and parties are texts, times RFC 3339.

use he_core::Digest;
use serde::{Deserialize, Serialize};

use super::Did;

/// Where a job stands. `draft -> authorized -> running -> computed -> releasing -> released`, or an end before that.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Received, inputs not yet all present.
    Draft,
    /// Checked and queued.
    Authorized,
    /// Units are being computed.
    Running,
    /// All results are stored, encrypted under the study key.
    Computed,
    /// Some holders' shares are in.
    Releasing,
    /// All holders' shares are in.
    Released,
    /// Stopped by an error (`JobStatus::error`).
    Failed,
    /// Stopped by who asked for it.
    Cancelled,
    /// A grant ended before the result was computed.
    Revoked,
}

/// Status of a job.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobStatus {
    /// The job.
    pub job: Digest,
    /// The study.
    pub study: Digest,
    /// State.
    pub state: JobState,
    /// Units stored.
    pub done: u64,
    /// Units in all (totals included).
    pub total: u64,
    /// Seconds of computing so far.
    pub seconds: f64,
    /// Digest of the `JobResult` message, once computed.
    pub result: Option<Digest>,
    /// What went wrong, when failed.
    pub error: Option<String>,
}

/// An RFC 9457 problem document.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// URI reference naming the kind of problem, `/problems/<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Short text, the same for every occurrence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
}

/// The body of `POST /v1/chunks/missing`: which of these does the server not hold for the caller?
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ChunkQuery {
    /// Digests, at most 10,000.
    pub digests: Vec<Digest>,
}

/// Something that the caller owns or may read.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Listed {
    /// Its digest.
    pub id: Digest,
    /// Its owner.
    pub owner: Did,
    /// Its name, if it has one.
    pub name: String,
    /// When the server received it, RFC 3339.
    pub created: String,
    /// Bytes, chunks included.
    pub bytes: u64,
}

/// A holder's part of a study's public key, in `GET /v1/studies/{digest}/keys`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyContribution {
    /// The key holder.
    pub party: Did,
    /// The stored object of kind `PublicShare`.
    pub chunk: Digest,
}

/// What `DELETE` erased.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Erased {
    /// Names of the manifests: the one asked for and those that were useless without it.
    pub manifests: Vec<Digest>,
    /// Objects that nothing names any more.
    pub objects: u64,
    /// Bytes freed.
    pub bytes: u64,
}
