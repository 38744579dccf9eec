//! The index as a SQLite file: write-ahead log, foreign keys, one writer.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use gwas::wire::Did;
use gwas::wire::draft::Draft;
use gwas::wire::status::{JobState, JobStatus, KeyContribution, Listed};
use he_core::Digest;
use he_core::codec::{Header, Kind};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use super::{
    Added, FinishedUnit, Index, IndexError, ManifestRow, NewManifest, Orphans, Outcome, Slot,
    StoredObject,
};
use crate::store::Class;

/// The index in a file.
#[derive(Clone, Debug)]
pub struct SqliteIndex {
    /// One connection: writers queue here instead of failing on a locked database.
    pub(super) writer: SqlitePool,
    pub(super) reader: SqlitePool,
}

impl SqliteIndex {
    /// Opens or makes the file and brings its tables up to date. `durable`: a committed change survives a power failure.
    ///
    /// # Errors
    /// When the file can't be opened, is damaged or was written by a newer version.
    pub async fn open(path: &Path, durable: bool) -> Outcome<Self> {
        // Made before SQLite does, so that nobody else can read it; the log beside it takes over the mode.
        let mut file = std::fs::OpenOptions::new();
        let made = file.create(true).append(true).mode(0o600).open(path);
        made.map_err(|e| IndexError::Failed(format!("{}: {e}", path.display())))?;
        let synchronous = if durable { SqliteSynchronous::Full } else { SqliteSynchronous::Off };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .busy_timeout(Duration::from_secs(30));
        let pool = |most| SqlitePoolOptions::new().max_connections(most);
        let writer = pool(1).connect_with(options.clone()).await?;
        super::schema::migrator()
            .run(&writer)
            .await
            .map_err(|e| IndexError::Failed(e.to_string()))?;
        let reader = pool(4).connect_with(options.read_only(true)).await?;
        Ok(Self { writer, reader })
    }

    /// Writes the log back and closes the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// Asks SQLite to check the file.
    ///
    /// # Errors
    /// When it finds damage.
    pub async fn check(&self) -> Outcome<()> {
        let answer: String =
            sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&self.reader).await?;
        if answer == "ok" { Ok(()) } else { Err(IndexError::Failed(answer)) }
    }

    /// A transaction that may write from its beginning.
    pub(super) async fn write(&self) -> Outcome<Transaction<'static, Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

impl From<sqlx::Error> for IndexError {
    fn from(error: sqlx::Error) -> Self {
        // SQLITE_FULL, and SQLITE_IOERR_WRITE where a limit on file sizes was hit.
        let full = error
            .as_database_error()
            .and_then(|e| e.code())
            .is_some_and(|code| code == "13" || code == "778");
        if full { Self::Full } else { Self::Failed(error.to_string()) }
    }
}

/// A digest in a row.
pub(super) fn digest(bytes: &[u8]) -> Outcome<Digest> {
    let bytes = bytes.try_into().map_err(|_| IndexError::Failed("a digest has 32 bytes".into()))?;
    Ok(Digest(bytes))
}

/// A party in a row.
pub(super) fn party(text: &str) -> Outcome<Did> {
    text.parse().map_err(|_| IndexError::Failed("a stored party is malformed".into()))
}

/// A kind in a row.
pub(super) fn kind(code: i64) -> Outcome<Kind> {
    let found = Kind::ALL.iter().find(|&&k| k as i64 == code);
    found.copied().ok_or_else(|| IndexError::Failed("a stored kind is unknown".into()))
}

/// A number in a row that is never negative.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A number for a row; SQLite's integers are signed.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[async_trait]
impl Index for SqliteIndex {
    async fn use_nonce(&self, party: &Did, nonce: &str, expires: u64, now: u64) -> Outcome<bool> {
        self.use_nonce_(party, nonce, expires, now).await
    }
    async fn hold(&self, owner: &Did, object: &StoredObject, quota: u64) -> Outcome<Added> {
        let mut tx = self.write().await?;
        let added = super::objects::hold(&mut tx, owner, object, quota).await?;
        tx.commit().await?;
        gwas::walk::durable(|| format!("held {}", object.digest));
        Ok(added)
    }
    async fn held(&self, owner: &Did, digest: &Digest) -> Outcome<Option<StoredObject>> {
        self.held_(owner, digest).await
    }
    async fn missing(&self, owner: &Did, digests: &[Digest]) -> Outcome<Vec<Digest>> {
        self.missing_(owner, digests).await
    }
    async fn readable(&self, party: &Did, digest: &Digest) -> Outcome<Option<StoredObject>> {
        self.readable_(party, digest).await
    }
    async fn mark_damaged(&self, digest: &Digest) -> Outcome<()> {
        self.mark_damaged_(digest).await
    }
    async fn knows(&self, digest: &Digest) -> Outcome<bool> {
        self.knows_(digest).await
    }
    async fn usage(&self, owner: &Did) -> Outcome<u64> {
        self.usage_(owner).await
    }
    async fn totals(&self) -> Outcome<(u64, u64)> {
        self.totals_().await
    }
    async fn add_manifest(&self, manifest: &NewManifest, quota: u64) -> Outcome<Added> {
        self.add_manifest_(manifest, quota).await
    }
    async fn manifest(&self, id: &Digest) -> Outcome<Option<ManifestRow>> {
        self.manifest_(id).await
    }
    async fn may_read(&self, party: &Did, id: &Digest) -> Outcome<bool> {
        self.may_read_(party, id).await
    }
    async fn list(&self, party: &Did, kind: Kind) -> Outcome<Vec<Listed>> {
        self.list_(party, kind).await
    }
    async fn all(&self, kind: Kind) -> Outcome<Vec<Digest>> {
        self.all_(kind).await
    }
    async fn linked(&self, target: &Digest, kind: Kind) -> Outcome<Vec<Digest>> {
        self.linked_(target, kind).await
    }
    async fn erase(&self, id: &Digest) -> Outcome<Orphans> {
        self.erase_(id).await
    }
    async fn erasing(&self) -> Outcome<Vec<(Class, Digest)>> {
        self.erasing_().await
    }
    async fn erased(&self, class: Class, digest: &Digest) -> Outcome<()> {
        self.erased_(class, digest).await
    }
    async fn add_key(&self, study: &Digest, key: &KeyContribution) -> Outcome<Added> {
        self.add_key_(study, key).await
    }
    async fn keys(&self, study: &Digest) -> Outcome<Vec<KeyContribution>> {
        self.keys_(study).await
    }
    async fn once(&self, subject: &Digest, slot: Slot) -> Outcome<Vec<(Did, Digest)>> {
        self.once_(subject, slot).await
    }
    async fn expired(&self, now: u64) -> Outcome<Vec<Digest>> {
        self.expired_(now).await
    }
    async fn resized(&self, id: &Digest, bytes: u64) -> Outcome<()> {
        self.resized_(id, bytes).await
    }
    async fn put_draft(&self, draft: &Draft) -> Outcome<()> {
        self.put_draft_(draft).await
    }
    async fn draft(&self, id: &Digest) -> Outcome<Option<Draft>> {
        self.draft_(id).await
    }
    async fn drafts(&self, party: &Did) -> Outcome<Vec<Draft>> {
        self.drafts_(party).await
    }
    async fn is_member(&self, party: &Did) -> Outcome<bool> {
        self.is_member_(party).await
    }
    async fn study_jobs(&self, study: &Digest) -> Outcome<Vec<JobStatus>> {
        self.study_jobs_(study).await
    }
    async fn job(&self, id: &Digest) -> Outcome<Option<JobStatus>> {
        self.job_(id).await
    }
    async fn jobs(&self, party: &Did) -> Outcome<Vec<JobStatus>> {
        self.jobs_(party).await
    }
    async fn next_job(&self) -> Outcome<Option<Digest>> {
        self.next_job_().await
    }
    async fn transition(
        &self,
        id: &Digest,
        from: &[JobState],
        to: JobState,
        error: Option<&str>,
    ) -> Outcome<bool> {
        self.transition_(id, from, to, error).await
    }
    async fn finish_unit(
        &self,
        id: &Digest,
        unit: &FinishedUnit,
        header: &Header,
        seconds: f64,
        quota: u64,
    ) -> Outcome<bool> {
        self.finish_unit_(id, unit, header, seconds, quota).await
    }
    async fn units(&self, id: &Digest) -> Outcome<Vec<FinishedUnit>> {
        self.units_(id).await
    }
    async fn finish_job(&self, id: &Digest, result: &StoredObject, quota: u64) -> Outcome<bool> {
        self.finish_job_(id, result, quota).await
    }
    async fn drop_units(&self, id: &Digest) -> Outcome<Orphans> {
        self.drop_units_(id).await
    }
}
