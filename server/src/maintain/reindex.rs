//! `hegwas-server reindex`: the index, built again from the objects.
//!
//! Signed manifests say whose they are and what they name; the server's own records say the rest ([`crate::records`]). Chunks
//! that no manifest names belong to nobody any more: clients are told that they are missing and send them again.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use gwas::wire::status::{JobState, KeyContribution};
use gwas::wire::{
    ChunkRef, Dataset, Did, Envelope, Finished, GrantTerms, Job, JobInput, JobResult,
    KeyCommitment, Phenotype, ShareCommitment, SharePhase, Shares, Study, Totals,
};
use he_core::Digest;
use he_core::codec::{HEADER_LEN, Header, Kind, Message};
use serde::Serialize;

use super::verify::{is_sound, panel};
use crate::accept::{self, Offered};
use crate::app::{App, Parts};
use crate::clock;
use crate::error::ApiError;
use crate::index::{Added, FinishedUnit, NewManifest, Slot, SqliteIndex, StoredObject};
use crate::lock::Lock;
use crate::logs::Logs;
use crate::policy::{Limits, Policy};
use crate::records::Record;
use crate::server::{StartError, make_folder};
use crate::store::{Class, LocalFolder, ObjectStore, read_all};

/// What a rebuilt index holds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct ReindexReport {
    /// Manifests in the index.
    pub manifests: u64,
    /// Manifests that could not be taken over, with the reason.
    pub skipped: Vec<String>,
    /// Objects in the index.
    pub objects: u64,
    /// Objects that nothing names.
    pub unnamed: u64,
    /// Whether those were deleted.
    pub pruned: bool,
}

/// Builds the index of a data folder again. The old one is replaced when the new one is complete.
///
/// # Errors
/// When the folder is in use or can't be read.
pub async fn reindex(path: &Path, prune: bool) -> Result<ReindexReport, StartError> {
    make_folder(path)?;
    let _lock = Lock::take(path)?;
    let data = |source| StartError::Data { path: path.to_owned(), source };
    let store = Arc::new(LocalFolder::open(&path.join("objects"), 0, true).map_err(data)?);
    let fresh = path.join("index.new.sqlite");
    remove(&fresh, &["", "-wal", "-shm"]).map_err(data)?;
    let index = SqliteIndex::open(&fresh, true).await?;
    let limits = Limits { quota: u64::MAX >> 1, ..Limits::default() };
    // Logs are what they are: nothing is derived from them, and nothing could make them again.
    let logs = Logs::open(&path.join("logs"), true).map_err(data)?;
    let app = App::new(Parts {
        store,
        index: Arc::new(index.clone()),
        logs: Arc::new(logs),
        origins: Vec::new(),
        policy: Policy::Open,
        limits,
        clock: clock::system(),
    });
    let mut rebuild = Rebuild { app, report: ReindexReport::default(), jobs: HashMap::new() };
    rebuild.run(prune).await?;
    index.close().await;
    let current = path.join("index.sqlite");
    // The old log must not be taken for the new file's; the old file itself is replaced in one step.
    remove(&current, &["-wal", "-shm"]).map_err(data)?;
    std::fs::rename(&fresh, &current).map_err(data)?;
    std::fs::File::open(path).and_then(|folder| folder.sync_all()).map_err(data)?;
    Ok(rebuild.report)
}

/// Removes what SQLite keeps at and beside an index file.
fn remove(path: &Path, suffixes: &[&str]) -> std::io::Result<()> {
    for suffix in suffixes {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Kind and digest of the message in an envelope whose signatures are good.
pub(super) fn manifest_kind(bytes: &[u8]) -> Option<(Kind, Digest)> {
    fn of<T: Message>(bytes: &[u8]) -> Option<(Kind, Digest)> {
        Envelope::open::<T>(bytes).ok().map(|opened| (T::KIND, opened.id))
    }
    of::<Dataset>(bytes)
        .or_else(|| of::<Phenotype>(bytes))
        .or_else(|| of::<Study>(bytes))
        .or_else(|| of::<GrantTerms>(bytes))
        .or_else(|| of::<Job>(bytes))
        .or_else(|| of::<Totals>(bytes))
        .or_else(|| of::<KeyCommitment>(bytes))
        .or_else(|| of::<ShareCommitment>(bytes))
        .or_else(|| of::<Shares>(bytes))
}

/// Manifests in the order in which they name each other.
const ORDER: [Kind; 9] = [
    Kind::Dataset,
    Kind::Phenotype,
    Kind::Study,
    Kind::KeyCommitment,
    Kind::Grant,
    Kind::Totals,
    Kind::Job,
    Kind::ShareCommitment,
    Kind::Shares,
];

struct Rebuild {
    app: Arc<App>,
    report: ReindexReport,
    /// Jobs by the short digest that their results carry.
    jobs: HashMap<[u8; 16], Digest>,
}

impl Rebuild {
    async fn run(&mut self, prune: bool) -> Result<(), StartError> {
        let mut names: HashMap<Kind, Vec<Digest>> = HashMap::new();
        for name in self.list(Class::Manifest)? {
            match self.app.read_manifest(&name).ok().and_then(|bytes| manifest_kind(&bytes)) {
                Some((kind, id)) if id == name => names.entry(kind).or_default().push(name),
                _ => {
                    self.report.skipped.push(format!("{name}: not a signed manifest of that name"))
                }
            }
        }
        // Studies name their drafts.
        self.drafts().await?;
        for kind in ORDER {
            for name in names.remove(&kind).unwrap_or_default() {
                match self.manifest(kind, &name).await {
                    Ok(_) => self.report.manifests += 1,
                    Err(error) => self.report.skipped.push(format!("{name}: {error}")),
                }
            }
        }
        let cancelled = self.records().await?;
        self.results().await?;
        self.settle(&cancelled).await?;
        self.unnamed(prune).await
    }

    fn list(&self, class: Class) -> Result<Vec<Digest>, StartError> {
        let mut names = Vec::new();
        let listed = self.app.store.list(class, &mut |name| {
            names.push(name);
            Ok(())
        });
        listed.map_err(|e| StartError::Other(e.to_string()))?;
        names.sort();
        Ok(names)
    }

    /// Takes over one manifest and what it names.
    async fn manifest(&mut self, kind: Kind, name: &Digest) -> Result<Added, ApiError> {
        let envelope = self.app.read_manifest(name)?;
        let modified = self.app.store.open(Class::Manifest, name)?.version()?.modified;
        let received = u64::try_from(modified / 1_000_000_000).unwrap_or_default();
        self.hold_named(kind, &envelope).await?;
        let offered = Offered { app: &self.app, envelope: envelope.into(), caller: None, received };
        let mut new = match accept::check(kind, offered).await {
            // The grant of a finished job may have been withdrawn since.
            Err(ApiError::Missing { .. }) if kind == Kind::Job => {
                self.old_job(name, received).await?
            }
            other => other?,
        };
        if kind == Kind::Job {
            self.jobs.insert(name.short(), *name);
        }
        if new.received == 0 {
            new.received = received;
        }
        Ok(self.app.index.add_manifest(&new, self.app.limits.quota).await?)
    }

    /// Records who holds the objects that a manifest names: its owner does.
    async fn hold_named(&self, kind: Kind, envelope: &[u8]) -> Result<(), ApiError> {
        let (owner, chunks, panel) = match kind {
            Kind::Dataset => {
                let opened = Envelope::open::<Dataset>(envelope)?;
                let dataset = opened.message;
                (opened.signers, dataset.chunks, Some(dataset.panel))
            }
            Kind::Phenotype => {
                let opened = Envelope::open::<Phenotype>(envelope)?;
                (opened.signers, opened.message.chunks, None)
            }
            Kind::Study => {
                let study = Envelope::open::<Study>(envelope)?.message;
                (vec![study.coordinator], Vec::new(), Some(study.panel))
            }
            Kind::Grant => {
                let opened = Envelope::open::<GrantTerms>(envelope)?;
                (opened.signers, vec![opened.message.switching_key], None)
            }
            Kind::Totals => {
                let opened = Envelope::open::<Totals>(envelope)?;
                (opened.signers, opened.message.objects().collect(), None)
            }
            Kind::Shares => {
                let opened = Envelope::open::<Shares>(envelope)?;
                let shares = opened.message;
                let chunks = match shares.phase {
                    SharePhase::Refresh => {
                        accept::opened_refresh(&shares.refresh)?.objects().copied().collect()
                    }
                    _ => shares.sealed.into_iter().flat_map(|sealed| sealed.chunks).collect(),
                };
                (opened.signers, chunks, None)
            }
            _ => return Ok(()),
        };
        let Some(owner) = owner.first() else {
            return Ok(());
        };
        for ChunkRef { digest, .. } in chunks {
            self.hold_chunk(owner, &digest).await?;
        }
        if let Some(name) = panel {
            let summary = panel_of(self.app.store.as_ref(), &name);
            let missing = ApiError::Missing { what: "panel", digest: name };
            let (bytes, variants) = summary.ok_or(missing)?;
            let object =
                StoredObject { digest: name, class: Class::Panel, bytes, header: None, variants };
            self.app.index.hold(owner, &object, self.app.limits.quota).await?;
        }
        Ok(())
    }

    async fn hold_chunk(&self, owner: &Did, digest: &Digest) -> Result<(), ApiError> {
        let missing = ApiError::Missing { what: "chunk", digest: *digest };
        let object = chunk_of(self.app.store.as_ref(), digest).ok_or(missing)?;
        self.app.index.hold(owner, &object, self.app.limits.quota).await?;
        Ok(())
    }

    /// A job whose inputs are gone: only its result, if it has one, is of use.
    async fn old_job(&self, name: &Digest, received: u64) -> Result<NewManifest, ApiError> {
        let opened = self.app.load::<Job>(name).await?;
        let study = self.app.load::<Study>(&opened.message.study).await?.message;
        let owner = opened.signers.first().copied();
        let owner = owner.ok_or(ApiError::Forbidden("the job is not signed"))?;
        let readers = study.askers().chain([owner]);
        let bytes = self.app.store.open(Class::Manifest, name)?.version()?.length;
        let input = opened.message.inputs.iter().flat_map(JobInput::manifests);
        Ok(NewManifest {
            links: input.chain([opened.message.study]).collect(),
            readers: readers.map(|party| (*name, party)).collect(),
            shown: accept::show(&study, *name, &opened.message),
            job: Some((opened.message.study, 0)),
            ..NewManifest::new(*name, Kind::Job, owner, bytes, received)
        })
    }

    /// Takes over the drafts.
    async fn drafts(&mut self) -> Result<(), StartError> {
        for name in self.list(Class::Record)? {
            if let Ok(Record::Draft(draft)) = Record::read(self.app.store.as_ref(), &name) {
                self.app.index.put_draft(&draft).await?;
            }
        }
        Ok(())
    }

    /// Takes over the server's own records; returns the cancelled jobs.
    async fn records(&mut self) -> Result<HashSet<Digest>, StartError> {
        let mut cancelled = HashSet::new();
        for name in self.list(Class::Record)? {
            match Record::read(self.app.store.as_ref(), &name) {
                Ok(Record::Cancelled { job }) => {
                    cancelled.insert(job);
                }
                Ok(Record::Key { study, party, chunk }) => {
                    let key = KeyContribution { party, chunk };
                    let known = self.app.index.manifest(&study).await?.is_some();
                    if known && self.hold_chunk(&party, &chunk).await.is_ok() {
                        self.app.index.add_key(&study, &key).await?;
                    }
                }
                Ok(Record::Draft(_)) => {}
                Err(error) => self.report.skipped.push(format!("record {name}: {error}")),
            }
        }
        Ok(cancelled)
    }

    /// Takes over result units and results of the jobs.
    async fn results(&mut self) -> Result<(), StartError> {
        let quota = self.app.limits.quota;
        for job in self.jobs.values() {
            let from = [JobState::Authorized];
            self.app.index.transition(job, &from, JobState::Running, None).await?;
        }
        let (mut results, mut finished) = (Vec::new(), Vec::new());
        for name in self.list(Class::Chunk)? {
            let Some(object) = chunk_of(self.app.store.as_ref(), &name) else { continue };
            let Some(header) = object.header else { continue };
            let [first, second, ..] = header.counts;
            let place = match header.kind {
                Kind::ResultUnit => {
                    Some((u8::try_from(first).unwrap_or(JobResult::TOTALS_PLANE), second))
                }
                Kind::CkksResult => Some((JobResult::VALUES_PLANE, first)),
                _ => None,
            };
            if header.kind == Kind::JobResult {
                results.push(object);
            } else if header.kind == Kind::Finished {
                finished.push(object);
            } else if let Some((plane, group)) = place
                && let Some(job) = self.jobs.get(&header.context)
                && is_sound(self.app.store.as_ref(), Class::Chunk, &name)
            {
                let unit = FinishedUnit {
                    plane,
                    group,
                    object: ChunkRef { digest: name, length: object.bytes },
                };
                self.app.index.finish_unit(job, &unit, &header, 0.0, quota).await?;
            }
        }
        for object in results {
            let limit = Kind::JobResult.limit() + HEADER_LEN as u64;
            let bytes = read_all(self.app.store.as_ref(), Class::Chunk, &object.digest, limit);
            let sound = bytes.ok().filter(|bytes| Digest::of(bytes) == object.digest);
            if let Some(result) = sound.and_then(|b| he_core::codec::decode::<JobResult>(&b).ok())
                && self.jobs.values().any(|job| *job == result.job)
            {
                self.app.index.finish_job(&result.job, &object, quota).await?;
            }
        }
        for object in finished {
            let limit = Kind::Finished.limit() + HEADER_LEN as u64;
            let bytes = read_all(self.app.store.as_ref(), Class::Chunk, &object.digest, limit);
            let sound = bytes.ok().filter(|bytes| Digest::of(bytes) == object.digest);
            let finished = sound.and_then(|b| he_core::codec::decode::<Finished>(&b).ok());
            let Some(Finished { job, .. }) = finished else { continue };
            let (from, to) = (JobState::Computed, JobState::Finishing);
            if self.jobs.values().any(|known| *known == job)
                && self.app.index.transition(&job, &[from], to, None).await?
            {
                self.app.index.finish_values(&job, &object, from, quota).await?;
            }
        }
        Ok(())
    }

    /// Gives unfinished jobs their state.
    async fn settle(&mut self, cancelled: &HashSet<Digest>) -> Result<(), StartError> {
        for job in self.jobs.values() {
            let inputs = self.app.load::<Job>(job).await?.message.inputs;
            let mut complete = true;
            for name in inputs.iter().flat_map(JobInput::manifests) {
                complete &= self.app.index.manifest(&name).await?.is_some();
            }
            let to = match (cancelled.contains(job), complete) {
                (true, _) => JobState::Cancelled,
                (false, true) => JobState::Authorized,
                (false, false) => JobState::Revoked,
            };
            let from = if to == JobState::Cancelled { &JobState::OPEN[..] } else { &[] };
            let from = [&[JobState::Running], from].concat();
            self.app.index.transition(job, &from, to, None).await?;
            self.finish(job).await?;
        }
        Ok(())
    }

    /// Queues a job again whose statistic was being finished.
    async fn finish(&self, job: &Digest) -> Result<(), StartError> {
        let Some(status) = self.app.index.job(job).await? else { return Ok(()) };
        let study = self.app.load::<Study>(&status.study).await?.message;
        let shared = self.app.index.once(job, Slot::Shares(SharePhase::Refresh)).await?.len();
        let due = study.is_finished() && shared == study.key_holders.len();
        if due && status.finished.is_none() {
            let from = [JobState::Computed];
            self.app.index.transition(job, &from, JobState::Finishing, None).await?;
        }
        Ok(())
    }

    /// Counts, and if wished deletes, objects that are not in the new index.
    async fn unnamed(&mut self, prune: bool) -> Result<(), StartError> {
        for class in [Class::Chunk, Class::Panel] {
            for name in self.list(class)? {
                if self.app.index.knows(&name).await? {
                    self.report.objects += 1;
                    continue;
                }
                self.report.unnamed += 1;
                if prune {
                    let deleted = self.app.store.delete(class, &name);
                    deleted.map_err(|e| StartError::Other(e.to_string()))?;
                }
            }
        }
        self.report.pruned = prune;
        Ok(())
    }
}

/// A stored chunk whose length is the one that its header announces.
fn chunk_of(store: &dyn ObjectStore, name: &Digest) -> Option<StoredObject> {
    let object = store.open(Class::Chunk, name).ok()?;
    let bytes = object.version().ok()?.length;
    let mut head = [0; HEADER_LEN];
    object.read_at(0, &mut head).ok()?;
    let header = Header::parse(&head).ok()?;
    let fits = header.length + HEADER_LEN as u64 == bytes;
    let class = Class::Chunk;
    fits.then_some(StoredObject { digest: *name, class, bytes, header: Some(header), variants: 0 })
}

/// Length and number of variants of a stored panel that is what its name says.
fn panel_of(store: &dyn ObjectStore, name: &Digest) -> Option<(u64, u32)> {
    let bytes = store.open(Class::Panel, name).ok()?.version().ok()?.length;
    let summary = panel(store, name).filter(|s| s.digest == *name)?;
    Some((bytes, summary.variants))
}
