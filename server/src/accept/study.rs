//! Studies and grants.

use gwas::wire::{Dataset, Did, GrantTerms, Study};
use he_core::codec::{HEADER_LEN, Kind};
use he_core::grant::SwitchingKey;

use super::{Offered, require};
use crate::app::blocking;
use crate::error::ApiError;
use crate::index::NewManifest;
use crate::store::{Class, read_all};

/// Checks a study.
///
/// # Errors
/// When it may not be accepted.
pub async fn study(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<Study>().await?;
    let study = opened.message;
    let owner = study.coordinator;
    if offered.caller.is_some_and(|caller| caller != owner) {
        return Err(ApiError::Forbidden("a study is sent by its coordinator"));
    }
    let signed = |party: &Did| opened.signers.contains(party);
    if !signed(&owner) {
        return Err(ApiError::Forbidden("the coordinator has not signed the study"));
    }
    if study.key_holders.len() > 1 && !study.key_holders.iter().all(signed) {
        return Err(ApiError::Forbidden("every one of several key holders signs the study"));
    }
    offered.panel(&owner, &study.panel, study.variants).await?;
    Ok(NewManifest {
        id: opened.id,
        kind: Kind::Study,
        owner,
        name: study.name.clone(),
        bytes,
        received: offered.received,
        objects: vec![study.panel],
        links: Vec::new(),
        readers: organisers(&study).map(|party| (opened.id, party)).collect(),
        job: None,
    })
}

/// Coordinator and key holders of a study.
pub(super) fn organisers(study: &Study) -> impl Iterator<Item = Did> {
    std::iter::once(study.coordinator).chain(study.key_holders.iter().copied())
}

/// Checks a grant.
///
/// # Errors
/// When it may not be accepted.
pub async fn grant(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<GrantTerms>().await?;
    let owner = offered.sole_signer(&opened)?;
    let terms = opened.message;
    let app = offered.app;
    // A rebuilt index keeps grants that have ended: their jobs are to be found revoked.
    if offered.caller.is_some() {
        require(app.now() < terms.expires, "the grant has expired")?;
    }
    offered.owned(Kind::Dataset, "dataset", &terms.dataset, &owner).await?;
    offered.named(Kind::Study, "study", &terms.study).await?;
    let dataset = app.load::<Dataset>(&terms.dataset).await?.message;
    let study = app.load::<Study>(&terms.study).await?.message;
    require(dataset.panel == study.panel, "dataset and study have different panels")?;
    require(dataset.plan == study.plan, "dataset and study have different plans")?;
    let planes = study.planes.iter().all(|plane| dataset.planes.contains(plane));
    require(planes, "the dataset lacks a plane that the study sums")?;

    let key = terms.switching_key;
    let held = app.index.held(&owner, &key.digest).await?;
    let missing = ApiError::Missing { what: "switching key", digest: key.digest };
    let header = held.and_then(|object| object.header).ok_or(missing)?;
    header.expect_kind(Kind::SwitchingKey)?;
    require(
        header.length + HEADER_LEN as u64 == key.length,
        "the switching key has another length",
    )?;
    let (server, params) = (app.clone(), study.plan.params());
    blocking(move || {
        let limit = Kind::SwitchingKey.limit() + HEADER_LEN as u64;
        let bytes = read_all(server.store.as_ref(), Class::Chunk, &key.digest, limit)?;
        SwitchingKey::from_bytes(&bytes, params, terms.study)?;
        Ok(())
    })
    .await?;

    let mut readers = vec![(opened.id, owner), (terms.study, owner)];
    readers.extend(organisers(&study).map(|party| (opened.id, party)));
    Ok(NewManifest {
        id: opened.id,
        kind: Kind::Grant,
        owner,
        name: String::new(),
        bytes,
        received: offered.received,
        objects: vec![key.digest],
        links: vec![terms.dataset, terms.study],
        readers,
        job: None,
    })
}
