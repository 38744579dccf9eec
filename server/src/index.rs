//! What is stored, whose it is, who may read it, and where jobs stand.
//!
//! The index holds no object. Everything in it but nonces can be rebuilt from the objects
//! (`hegwas-server reindex`). [`SqliteIndex`] is the embedded default; a server database fits behind [`Index`].

mod drafts;
mod jobs;
mod manifests;
mod nonces;
mod objects;
mod once;
mod schema;
mod sqlite;

use async_trait::async_trait;
use gwas::wire::draft::Draft;
use gwas::wire::status::{JobState, JobStatus, KeyContribution, Listed};
use gwas::wire::{ChunkRef, Did, SharePhase};
use he_core::Digest;
use he_core::codec::{Header, Kind};

use crate::store::Class;
pub use sqlite::SqliteIndex;

/// Why the index could not do something.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The owner's quota would be exceeded.
    #[error("over the quota of {quota} bytes")]
    Quota {
        /// The quota.
        quota: u64,
    },
    /// An object or manifest that is named is not there.
    #[error("the {what} {digest} is missing")]
    Missing {
        /// What it is.
        what: &'static str,
        /// Its name.
        digest: Digest,
    },
    /// The party has said something else before that it may say once.
    #[error("said before")]
    Taken,
    /// The disk is full.
    #[error("no space left for the index")]
    Full,
    /// The database failed or holds what it should not.
    #[error("index: {0}")]
    Failed(String),
}

/// Result of an index operation.
pub type Outcome<T> = Result<T, IndexError>;

/// Whether something was added or was there before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Added {
    /// It is new.
    New,
    /// It was there.
    Already,
}

/// An object in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredObject {
    /// Its name.
    pub digest: Digest,
    /// Its class.
    pub class: Class,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its header, for bulk objects.
    pub header: Option<Header>,
    /// Number of its variants, for panels.
    pub variants: u32,
}

/// A manifest to add, with everything that follows from it.
#[derive(Clone, Debug)]
pub struct NewManifest {
    /// Digest of the message.
    pub id: Digest,
    /// Its kind.
    pub kind: Kind,
    /// Who owns it.
    pub owner: Did,
    /// Its name for people.
    pub name: String,
    /// Bytes of the envelope.
    pub bytes: u64,
    /// When the server received it, in seconds since 1970.
    pub received: u64,
    /// Objects that it names and that its readers may read.
    pub objects: Vec<Digest>,
    /// Manifests that it names.
    pub links: Vec<Digest>,
    /// `(manifest, party)`: who may read which manifest from now on.
    pub readers: Vec<(Digest, Did)>,
    /// `(manifest, party, because)`: who may read which manifest as long as a third one is there.
    pub lent: Vec<(Digest, Did, Digest)>,
    /// The same of the manifest alone, not of what it names.
    pub shown: Vec<(Digest, Did, Digest)>,
    /// For jobs: the study and the number of units, totals included.
    pub job: Option<(Digest, u64)>,
    /// For grants: when it ends.
    pub expires: Option<u64>,
    /// For what its owner says once: about which study or job, and what.
    pub once: Option<(Digest, Slot)>,
}

impl NewManifest {
    /// A manifest that names nothing.
    pub fn new(id: Digest, kind: Kind, owner: Did, bytes: u64, received: u64) -> Self {
        Self {
            id,
            kind,
            owner,
            name: String::new(),
            bytes,
            received,
            objects: Vec::new(),
            links: Vec::new(),
            readers: Vec::new(),
            lent: Vec::new(),
            shown: Vec::new(),
            job: None,
            expires: None,
            once: None,
        }
    }
}

/// What a party says once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    /// Its commitment to a contribution to a study's key.
    Key,
    /// Its commitment to shares of a job.
    Commitment(SharePhase),
    /// Its shares of a job.
    Shares(SharePhase),
}

impl Slot {
    /// Its name in the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Commitment(SharePhase::Totals) => "commit totals",
            Self::Commitment(SharePhase::Sums) => "commit sums",
            Self::Commitment(SharePhase::Refresh) => "commit refresh",
            Self::Commitment(SharePhase::Values) => "commit values",
            Self::Shares(SharePhase::Totals) => "share totals",
            Self::Shares(SharePhase::Sums) => "share sums",
            Self::Shares(SharePhase::Refresh) => "share refresh",
            Self::Shares(SharePhase::Values) => "share values",
        }
    }
}

/// A manifest in the index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestRow {
    /// Digest of the message.
    pub id: Digest,
    /// Its kind.
    pub kind: Kind,
    /// Who owns it.
    pub owner: Did,
    /// Its name for people.
    pub name: String,
    /// Bytes of the envelope.
    pub bytes: u64,
    /// When the server received it, in seconds since 1970.
    pub received: u64,
}

/// What an erasure removed from the index; the files are for the caller to delete.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Orphans {
    /// Objects that nothing names any more, the manifest among them.
    pub objects: Vec<(Class, Digest)>,
    /// Their bytes.
    pub bytes: u64,
}

/// A finished unit of a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FinishedUnit {
    /// Index into the study's planes; `JobResult::TOTALS_PLANE` for the totals, `JobResult::VALUES_PLANE` for finished values.
    pub plane: u8,
    /// Group of blocks; batch of variants of finished values.
    pub group: u32,
    /// The result object.
    pub object: ChunkRef,
}

/// The index.
#[async_trait]
pub trait Index: Send + Sync + 'static {
    /// Remembers a nonce until `expires`; `false` if it was used before. Forgets those that expired before `now`.
    async fn use_nonce(&self, party: &Did, nonce: &str, expires: u64, now: u64) -> Outcome<bool>;

    /// Records that `owner` holds an object, and that its bytes are sound.
    async fn hold(&self, owner: &Did, object: &StoredObject, quota: u64) -> Outcome<Added>;
    /// The object, if `owner` holds it and it is not damaged.
    async fn held(&self, owner: &Did, digest: &Digest) -> Outcome<Option<StoredObject>>;
    /// Which of these `owner` does not hold, or holds damaged.
    async fn missing(&self, owner: &Did, digests: &[Digest]) -> Outcome<Vec<Digest>>;
    /// The object, if `party` holds it or may read a manifest that names it.
    async fn readable(&self, party: &Did, digest: &Digest) -> Outcome<Option<StoredObject>>;
    /// Marks a stored object as damaged: its owners will be told that it is missing.
    async fn mark_damaged(&self, digest: &Digest) -> Outcome<()>;
    /// Whether anybody holds or names the object.
    async fn knows(&self, digest: &Digest) -> Outcome<bool>;
    /// Bytes that `owner` holds.
    async fn usage(&self, owner: &Did) -> Outcome<u64>;
    /// Objects in the index, and their bytes.
    async fn totals(&self) -> Outcome<(u64, u64)>;

    /// Adds a manifest. Every object that it names must be held by the owner, or be readable.
    async fn add_manifest(&self, manifest: &NewManifest, quota: u64) -> Outcome<Added>;
    /// A manifest, whoever may read it.
    async fn manifest(&self, id: &Digest) -> Outcome<Option<ManifestRow>>;
    /// Whether `party` may read the manifest; what it names is another question ([`Index::readable`]).
    async fn may_read(&self, party: &Did, id: &Digest) -> Outcome<bool>;
    /// Manifests of a kind that `party` may read, oldest first.
    async fn list(&self, party: &Did, kind: Kind) -> Outcome<Vec<Listed>>;
    /// Every manifest of a kind.
    async fn all(&self, kind: Kind) -> Outcome<Vec<Digest>>;
    /// Manifests of a kind that name `target`.
    async fn linked(&self, target: &Digest, kind: Kind) -> Outcome<Vec<Digest>>;
    /// Removes a manifest and what only it named; the result is also remembered as [`Index::erasing`].
    async fn erase(&self, id: &Digest) -> Outcome<Orphans>;
    /// What was removed from the index and may still be in the store.
    async fn erasing(&self) -> Outcome<Vec<(Class, Digest)>>;
    /// Forgets an entry of [`Index::erasing`], once it is deleted.
    async fn erased(&self, class: Class, digest: &Digest) -> Outcome<()>;

    /// Records a holder's contribution to a study's key. The holder must hold the object. A second one of the same holder is
    /// not recorded.
    async fn add_key(&self, study: &Digest, key: &KeyContribution) -> Outcome<Added>;
    /// The contributions to a study's key, by party.
    async fn keys(&self, study: &Digest) -> Outcome<Vec<KeyContribution>>;

    /// Which manifests the parties said once about a study or job, by party.
    async fn once(&self, subject: &Digest, slot: Slot) -> Outcome<Vec<(Did, Digest)>>;
    /// Grants that ended at `now` or before.
    async fn expired(&self, now: u64) -> Outcome<Vec<Digest>>;
    /// Records that a manifest's envelope has another length: it got signatures.
    async fn resized(&self, id: &Digest, bytes: u64) -> Outcome<()>;

    /// Records a draft, new or changed.
    async fn put_draft(&self, draft: &Draft) -> Outcome<()>;
    /// A draft, whoever may see it.
    async fn draft(&self, id: &Digest) -> Outcome<Option<Draft>>;
    /// Drafts that `party` may see.
    async fn drafts(&self, party: &Did) -> Outcome<Vec<Draft>>;
    /// Whether `party` is a member of any draft.
    async fn is_member(&self, party: &Did) -> Outcome<bool>;

    /// Statuses of a study's jobs, oldest first.
    async fn study_jobs(&self, study: &Digest) -> Outcome<Vec<JobStatus>>;
    /// A job's status.
    async fn job(&self, id: &Digest) -> Outcome<Option<JobStatus>>;
    /// Statuses of the jobs that `party` may read, oldest first.
    async fn jobs(&self, party: &Did) -> Outcome<Vec<JobStatus>>;
    /// The oldest job that is authorized, running or finishing.
    async fn next_job(&self) -> Outcome<Option<Digest>>;
    /// Changes a job's state if it is one of `from`; tells whether it was.
    async fn transition(
        &self,
        id: &Digest,
        from: &[JobState],
        to: JobState,
        error: Option<&str>,
    ) -> Outcome<bool>;
    /// Records a finished unit, whose object the job's owner holds from now on, and the time it took; `false`, and nothing
    /// recorded, if the job is no longer running or finishing.
    async fn finish_unit(
        &self,
        id: &Digest,
        unit: &FinishedUnit,
        header: &Header,
        seconds: f64,
        quota: u64,
    ) -> Outcome<bool>;
    /// The finished units of a job, in order.
    async fn units(&self, id: &Digest) -> Outcome<Vec<FinishedUnit>>;
    /// Records a job's result, whose object its owner holds from now on: the job is computed.
    async fn finish_job(&self, id: &Digest, result: &StoredObject, quota: u64) -> Outcome<bool>;
    /// Records a job's finished statistic, whose object its owner holds from now on; the job goes from finishing to `to`.
    async fn finish_values(
        &self,
        id: &Digest,
        finished: &StoredObject,
        to: JobState,
        quota: u64,
    ) -> Outcome<bool>;
    /// Forgets the units of a job that ended without a result; returns what nothing names any more.
    async fn drop_units(&self, id: &Digest) -> Outcome<Orphans>;
}

/// Name of a state, as JSON has it.
pub(crate) fn state_name(state: JobState) -> &'static str {
    match state {
        JobState::Draft => "draft",
        JobState::Authorized => "authorized",
        JobState::Running => "running",
        JobState::Computed => "computed",
        JobState::Releasing => "releasing",
        JobState::Finishing => "finishing",
        JobState::Released => "released",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
        JobState::Revoked => "revoked",
    }
}
