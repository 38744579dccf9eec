//! What a manifest must satisfy before it is accepted, and what follows from it: whose it is, what it names, who may read
//! it. The same for a request and for a rebuilt index.
//!
//! | manifest | signed by | owner | readers |
//! |---|---|---|---|
//! | dataset, phenotype | its owner | signer | owner |
//! | study | coordinator, and every key holder if there are several | coordinator | coordinator, key holders, grantors |
//! | grant | owner of the dataset | signer | owner, coordinator, key holders |
//! | job | who asks for it | signer | signer, coordinator, key holders, owner of the dataset |
//!
//! Whoever may read a manifest may read the objects that it names.

mod data;
mod job;
mod study;

use std::sync::Arc;

use axum::body::Bytes;
use gwas::wire::{Did, Envelope, Opened};
use he_core::Digest;
use he_core::codec::{Kind, Message};

use crate::app::{App, blocking};
use crate::error::ApiError;
use crate::index::{ManifestRow, NewManifest};

pub use data::{dataset, phenotype};
pub use job::job;
pub use study::{grant, study};

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
        Kind::Dataset => dataset(offered).await,
        Kind::Phenotype => phenotype(offered).await,
        Kind::Study => study(offered).await,
        Kind::Grant => grant(offered).await,
        Kind::Job => job(offered).await,
        other => Err(ApiError::NotForUpload(other.name())),
    }
}

impl Offered<'_> {
    /// Opens the envelope and verifies its signatures; returns also its length.
    async fn open<T: Message + Send + 'static>(&mut self) -> Result<(Opened<T>, u64), ApiError> {
        let envelope = std::mem::take(&mut self.envelope);
        let length = envelope.len() as u64;
        let opened = blocking(move || Ok(Envelope::open::<T>(&envelope)?)).await?;
        Ok((opened, length))
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

    /// A panel that `party` may read, with that many variants.
    async fn panel(&self, party: &Did, id: &Digest, variants: u32) -> Result<(), ApiError> {
        let found = self.app.index.readable(party, id).await?;
        let panel = found.filter(|o| o.class == crate::store::Class::Panel);
        let panel = panel.ok_or(ApiError::Missing { what: "panel", digest: *id })?;
        require(panel.variants == variants, "the panel has another number of variants")
    }
}

/// Refuses parts that do not fit together.
fn require(fine: bool, otherwise: &str) -> Result<(), ApiError> {
    if fine { Ok(()) } else { Err(ApiError::Refused(otherwise.to_owned())) }
}
