//! Studies: signed by their coordinator, then by every key holder.

use gwas::wire::draft::Role;
use gwas::wire::{Did, Opened, Study};
use he_core::Digest;
use he_core::codec::Kind;

use super::{Offered, require};
use crate::app::App;
use crate::error::ApiError;
use crate::index::NewManifest;

/// Checks a study.
pub(super) async fn study(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<Study>().await?;
    let study = &opened.message;
    let owner = study.coordinator;
    if offered.caller.is_some_and(|caller| caller != owner) {
        return Err(ApiError::Forbidden("a study is sent by its coordinator"));
    }
    check_signatures(&opened)?;
    if !opened.signers.contains(&owner) {
        return Err(ApiError::Forbidden("the coordinator has not signed the study"));
    }
    offered.panel(&owner, &study.panel, study.variants).await?;
    if let Some(draft) = &study.draft {
        members(offered.app, draft, study).await?;
    }
    Ok(NewManifest {
        name: study.name.clone(),
        objects: vec![study.panel],
        links: study.draft.into_iter().collect(),
        readers: study.parties().map(|party| (opened.id, party)).collect(),
        ..NewManifest::new(opened.id, Kind::Study, owner, bytes, offered.received)
    })
}

/// Refuses signatures of parties that do not sign the study.
///
/// # Errors
/// When there is one.
pub fn check_signatures(opened: &Opened<Study>) -> Result<(), ApiError> {
    let signatories = opened.message.signatories();
    if opened.signers.iter().all(|signer| signatories.contains(signer)) {
        Ok(())
    } else {
        Err(ApiError::Forbidden("only its coordinator and its key holders sign a study"))
    }
}

/// Who has still to sign a study.
pub fn unsigned_by(opened: &Opened<Study>) -> Vec<Did> {
    let mut signatories = opened.message.signatories();
    signatories.retain(|party| !opened.signers.contains(party));
    signatories
}

/// Every party of the study joined its draft in that role.
async fn members(app: &App, id: &Digest, study: &Study) -> Result<(), ApiError> {
    let draft = app.index.draft(id).await?.filter(|d| d.coordinator == study.coordinator);
    let draft = draft.ok_or(ApiError::Missing { what: "draft", digest: *id })?;
    let roles = [
        (&study.data_owners, Role::DataOwner),
        (&study.key_holders, Role::KeyHolder),
        (&study.analysts, Role::Analyst),
    ];
    for (parties, role) in roles {
        for party in parties {
            require(
                draft.admits(party, role),
                &format!("{party} did not join the draft as {}", role.name()),
            )?;
        }
    }
    for key in &study.sealing_keys {
        require(
            draft.admits_key(key),
            &format!("the sealing key of {} is not the one that it gave when it joined", key.party),
        )?;
    }
    Ok(())
}
