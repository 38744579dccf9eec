//! Commitments to key contributions.

use gwas::wire::{KeyCommitment, Study};
use he_core::codec::Kind;

use super::{Offered, unsigned_by};
use crate::error::ApiError;
use crate::index::{NewManifest, Slot};

/// Checks a commitment: of a key holder of a study that everybody has signed.
pub(super) async fn commitment(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<KeyCommitment>().await?;
    let holder = offered.sole_signer(&opened)?;
    let id = opened.message.study;
    offered.study(&id, &holder).await?;
    let study = offered.app.load::<Study>(&id).await?;
    if !study.message.key_holders.contains(&holder) {
        return Err(ApiError::Forbidden("only the study's key holders contribute to its key"));
    }
    let parties = unsigned_by(&study);
    if offered.is_new() && !parties.is_empty() {
        return Err(ApiError::Waiting { what: "not everybody has signed the study", parties });
    }
    Ok(NewManifest {
        links: vec![id],
        readers: study.message.parties().map(|party| (opened.id, party)).collect(),
        once: Some((id, Slot::Key)),
        ..NewManifest::new(opened.id, Kind::KeyCommitment, holder, bytes, offered.received)
    })
}
