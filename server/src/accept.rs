//! What a manifest must satisfy before it is accepted, and what follows from it: whose it is, what it names, who may read
//! it. The same for a request and for a rebuilt index.
//!
//! | manifest | signed by | readers |
//! |---|---|---|
//! | dataset, phenotype | its owner | owner; in a study of several key holders these, while the grant is in force |
//! | study | coordinator, then every key holder | everybody who has a role |
//! | commitment to a key contribution | the key holder | everybody who has a role |
//! | grant | owner of the dataset | owner, coordinator, key holders |
//! | totals | the data owner | owner, coordinator, key holders |
//! | job | who asks for it | signer, coordinator, key holders, analysts, owners of its inputs |
//! | commitment to shares, shares | the key holder | signer, coordinator, key holders, analysts |
//!
//! Whoever is a manifest's reader may read the objects that it names. The signer owns what it signs; a study's coordinator owns
//! the study.
//!
//! Besides, coordinator, key holders and analysts of a study are *shown* manifests without what these name: grants to the study,
//! datasets that are granted to it with the phenotypes that it can sum, totals for it, and the inputs of its jobs.

mod ceremony;
mod data;
mod grant;
mod job;
mod limits;
mod shares;
mod study;
mod totals;

use std::sync::Arc;

use axum::body::Bytes;
use gwas::wire::{Did, Envelope, GrantTerms, Job, JobResult, Opened, Study};
use he_core::Digest;
use he_core::codec::{HEADER_LEN, Header, Kind, Message, decode};

use crate::app::{App, blocking};
use crate::error::ApiError;
use crate::index::{ManifestRow, NewManifest};
use crate::store::{Class, read_all};

pub use job::show;
pub use study::{check_signatures, unsigned_by};

/// A manifest to be checked.
pub struct Offered<'a> {
    /// The server.
    pub app: &'a Arc<App>,
    /// Bytes of the envelope.
    pub envelope: Bytes,
    /// Who sends it; `None` when the index is rebuilt from what was accepted before: then who signed it is as good.
    pub caller: Option<Did>,
    /// When it was received.
    pub received: u64,
}

/// Checks a manifest of `kind`.
///
/// # Errors
/// When it may not be accepted.
pub async fn check(kind: Kind, offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    match kind {
        Kind::Dataset => data::dataset(offered).await,
        Kind::Phenotype => data::phenotype(offered).await,
        Kind::Study => study::study(offered).await,
        Kind::KeyCommitment => ceremony::commitment(offered).await,
        Kind::Grant => grant::grant(offered).await,
        Kind::Totals => totals::totals(offered).await,
        Kind::Job => job::job(offered).await,
        Kind::ShareCommitment => shares::commitment(offered).await,
        Kind::Shares => shares::shares(offered).await,
        other => Err(ApiError::NotForUpload(other.name())),
    }
}

/// The grants on which a job depends, as long as they are in force.
///
/// # Errors
/// When one was withdrawn or has expired.
pub async fn grants_in_force(app: &Arc<App>, job: &Job) -> Result<Vec<GrantTerms>, ApiError> {
    let mut grants = Vec::new();
    for id in job.inputs.iter().filter_map(gwas::wire::JobInput::grant) {
        let ended = || ApiError::Refused(format!("the grant {id} was withdrawn or has expired"));
        let row = app.index.manifest(&id).await?.filter(|row| row.kind == Kind::Grant);
        row.ok_or_else(ended)?;
        let terms = app.load::<GrantTerms>(&id).await?.message;
        if app.now() >= terms.expires {
            return Err(ended());
        }
        grants.push(terms);
    }
    Ok(grants)
}

/// A job's stored result.
///
/// # Errors
/// When it is not there or damaged.
pub async fn load_result(app: &Arc<App>, digest: Digest) -> Result<JobResult, ApiError> {
    let app = Arc::clone(app);
    blocking(move || {
        let limit = Kind::JobResult.limit() + HEADER_LEN as u64;
        let bytes = read_all(app.store.as_ref(), Class::Chunk, &digest, limit)?;
        if Digest::of(&bytes) == digest {
            Ok(decode(&bytes)?)
        } else {
            Err(crate::store::Damaged { digest, missing: false }.into())
        }
    })
    .await
}

impl Offered<'_> {
    /// Opens the envelope and verifies its signatures; returns also its length.
    async fn open<T: Message + Send + 'static>(&mut self) -> Result<(Opened<T>, u64), ApiError> {
        let envelope = std::mem::take(&mut self.envelope);
        let length = envelope.len() as u64;
        let opened = blocking(move || Ok(Envelope::open::<T>(&envelope)?)).await?;
        Ok((opened, length))
    }

    /// Whether this is a request, not a rebuilding: the state of things counts.
    fn is_new(&self) -> bool {
        self.caller.is_some()
    }

    /// The only signer, who must be the caller.
    fn sole_signer<T>(&self, opened: &Opened<T>) -> Result<Did, ApiError> {
        match (opened.signers.as_slice(), self.caller) {
            (&[signer], None) => Ok(signer),
            (&[signer], Some(caller)) if signer == caller => Ok(signer),
            _ => Err(ApiError::Forbidden("this is signed by its owner alone, who also sends it")),
        }
    }

    /// A manifest of that kind, which need not be the caller's.
    async fn named(
        &self,
        kind: Kind,
        what: &'static str,
        id: &Digest,
    ) -> Result<ManifestRow, ApiError> {
        let row = self.app.index.manifest(id).await?.filter(|row| row.kind == kind);
        row.ok_or(ApiError::Missing { what, digest: *id })
    }

    /// A manifest of that kind of which `owner` is the owner.
    async fn owned(
        &self,
        kind: Kind,
        what: &'static str,
        id: &Digest,
        owner: &Did,
    ) -> Result<(), ApiError> {
        let row = self.named(kind, what, id).await?;
        if row.owner == *owner { Ok(()) } else { Err(ApiError::Missing { what, digest: *id }) }
    }

    /// A study that `party` may know of; to everybody else it is not there.
    async fn study(&self, id: &Digest, party: &Did) -> Result<Study, ApiError> {
        self.named(Kind::Study, "study", id).await?;
        if self.app.index.may_read(party, id).await? {
            Ok(self.app.load::<Study>(id).await?.message)
        } else {
            Err(ApiError::Missing { what: "study", digest: *id })
        }
    }

    /// Refuses what needs the study's key before it is complete.
    async fn key_is_complete(&self, id: &Digest, study: &Study) -> Result<(), ApiError> {
        if !self.is_new() {
            return Ok(());
        }
        let revealed = self.app.index.keys(id).await?;
        let missing = |holder: &&Did| revealed.iter().all(|k| k.party != **holder);
        let parties: Vec<Did> = study.key_holders.iter().filter(missing).copied().collect();
        if parties.is_empty() {
            Ok(())
        } else {
            Err(ApiError::Waiting { what: "the study's key is not complete", parties })
        }
    }

    /// A panel that `party` may read, with that many variants.
    async fn panel(&self, party: &Did, id: &Digest, variants: u32) -> Result<(), ApiError> {
        let found = self.app.index.readable(party, id).await?;
        let panel = found.filter(|o| o.class == Class::Panel);
        let panel = panel.ok_or(ApiError::Missing { what: "panel", digest: *id })?;
        require(panel.variants == variants, "the panel has another number of variants")
    }

    /// The header of a chunk that `owner` holds, of that length.
    async fn chunk(
        &self,
        owner: &Did,
        chunk: &gwas::wire::ChunkRef,
        what: &'static str,
    ) -> Result<Header, ApiError> {
        let held = self.app.index.held(owner, &chunk.digest).await?;
        let missing = ApiError::Missing { what, digest: chunk.digest };
        let object = held.ok_or(ApiError::Missing { what, digest: chunk.digest })?;
        require(object.bytes == chunk.length, &format!("the {what} has another length"))?;
        object.header.ok_or(missing)
    }
}

/// Refuses parts that do not fit together.
fn require(fine: bool, otherwise: &str) -> Result<(), ApiError> {
    if fine { Ok(()) } else { Err(ApiError::Refused(otherwise.to_owned())) }
}
