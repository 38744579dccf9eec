//! Statuses and listings as JSON. Digests and parties are texts, times RFC 3339.

use he_core::Digest;
use serde::{Deserialize, Serialize};

use super::{Did, SharePhase};

/// Where a job stands. `draft -> authorized -> running -> computed -> releasing -> released`, or an end before that;
/// where a statistic is finished under encryption, `releasing -> finishing -> releasing` lies in between.
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
    /// The statistic is being finished on ciphertexts.
    Finishing,
    /// All holders' shares are in.
    Released,
    /// Stopped by an error (`JobStatus::error`).
    Failed,
    /// Stopped by who asked for it.
    Cancelled,
    /// A grant ended before the result was computed.
    Revoked,
}

impl JobState {
    /// Whether the server does nothing more for the job by itself.
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Draft | Self::Authorized | Self::Running | Self::Finishing)
    }

    /// Whether holders may commit to shares and share: there is a result, and it is not released yet.
    pub fn is_open(self) -> bool {
        Self::OPEN.contains(&self)
    }

    /// The states of which [`JobState::is_open`] holds.
    pub const OPEN: [Self; 2] = [Self::Computed, Self::Releasing];
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
    /// Digest of the `Finished` message, once a statistic is finished on ciphertexts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Digest>,
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
    /// The stored object of kind `Reveal`, with an object of kind `PublicShare` inside.
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

/// How far a study has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StudyPhase {
    /// Key holders are to sign the manifest.
    Signing,
    /// Key holders are to commit to their contributions to the key.
    Committing,
    /// Key holders are to reveal them.
    Revealing,
    /// The key is complete: data may be contributed and jobs asked for.
    Ready,
}

/// What a party has to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Read the study and sign it.
    Sign,
    /// Commit to a contribution to the study's key.
    Commit,
    /// Reveal that contribution.
    Reveal,
    /// Grant a dataset, or send totals.
    Contribute,
    /// Check a computed job and commit to shares of its totals.
    CommitTotals,
    /// Share its totals.
    ShareTotals,
    /// Check the totals and commit to shares of its sums.
    CommitSums,
    /// Share its sums.
    ShareSums,
    /// Check the totals and commit to a refresh of the sums.
    CommitRefresh,
    /// Reveal that refresh.
    ShareRefresh,
    /// Check the finished statistic and commit to shares of it.
    CommitValues,
    /// Share the finished statistic.
    ShareValues,
}

/// Something that a party has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Todo {
    /// Who.
    pub party: Did,
    /// What.
    pub action: Action,
    /// The job that it is about, if it is about one.
    pub job: Option<Digest>,
}

/// Where a study stands and who has to do what next: `GET /v1/studies/{digest}/status`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StudyStatus {
    /// The study.
    pub study: Digest,
    /// How far it has come.
    pub phase: StudyPhase,
    /// Who has to do what; nothing of it is the server's. Data owners who have not contributed may still do so.
    pub todo: Vec<Todo>,
    /// Grants in force.
    pub grants: Vec<GrantStatus>,
    /// Contributions of totals.
    pub totals: Vec<Listed>,
    /// Its jobs.
    pub jobs: Vec<JobStatus>,
}

/// A grant in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GrantStatus {
    /// The grant.
    pub grant: Digest,
    /// Who gave it.
    pub party: Did,
    /// The dataset.
    pub dataset: Digest,
    /// When it ends, in seconds since 1970.
    pub expires: u64,
}

/// A holder's commitment to its contribution, in `GET /v1/studies/{digest}/commitments`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Committed {
    /// The key holder.
    pub party: Did,
    /// Name of the signed `KeyCommitment`, at `/v1/key-commitments/{digest}`.
    pub manifest: Digest,
}

/// A holder's part in the release of a job, in `GET /v1/jobs/{digest}/shares`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShareStatus {
    /// The key holder.
    pub party: Did,
    /// What the shares are of.
    pub phase: SharePhase,
    /// Name of the signed `ShareCommitment`, at `/v1/share-commitments/{digest}`, if it is there.
    pub commitment: Option<Digest>,
    /// Name of the signed `Shares`, at `/v1/shares/{digest}`, if they are there.
    pub shares: Option<Digest>,
}
