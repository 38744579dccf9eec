//! Grants.

use gwas::wire::{Dataset, GrantTerms, Phenotype, Study};
use he_core::Digest;
use he_core::codec::{HEADER_LEN, Kind};
use he_core::grant::SwitchingKey;

use super::{Offered, require};
use crate::app::blocking;
use crate::error::ApiError;
use crate::index::NewManifest;
use crate::store::{Class, read_all};

/// Checks a grant: dataset and study fit together, and the switching key is one.
pub(super) async fn grant(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<GrantTerms>().await?;
    let owner = offered.sole_signer(&opened)?;
    let terms = opened.message;
    let app = offered.app;
    // A rebuilt index keeps grants that have ended: their jobs are to be found revoked.
    if offered.is_new() {
        require(app.now() < terms.expires, "the grant has expired")?;
    }
    offered.owned(Kind::Dataset, "dataset", &terms.dataset, &owner).await?;
    let study = offered.study(&terms.study, &owner).await?;
    if !study.data_owners.contains(&owner) {
        return Err(ApiError::Forbidden("only the study's data owners contribute to it"));
    }
    offered.key_is_complete(&terms.study, &study).await?;
    let dataset = app.load::<Dataset>(&terms.dataset).await?.message;
    require(dataset.panel == study.panel, "dataset and study have different panels")?;
    require(
        dataset.plan == study.plan,
        "dataset and study have different plans; encrypt the dataset for the study",
    )?;
    let planes = study.planes.iter().all(|plane| dataset.planes.contains(plane));
    require(planes, "the dataset lacks a plane that the study sums")?;
    if offered.is_new() && dataset.rows == 1 {
        donors(&offered, &terms, &study).await?;
    }

    let key = terms.switching_key;
    let header = offered.chunk(&owner, &key, "switching key").await?;
    header.expect_kind(Kind::SwitchingKey)?;
    let (server, params) = (app.clone(), study.plan.params());
    blocking(move || {
        let limit = Kind::SwitchingKey.limit() + HEADER_LEN as u64;
        let bytes = read_all(server.store.as_ref(), Class::Chunk, &key.digest, limit)?;
        SwitchingKey::from_bytes(&bytes, params, terms.study)?;
        Ok(())
    })
    .await?;

    // Several key holders replay the server's work, for which they need what it works on; a sole holder could decrypt it.
    let lent = if study.is_shared() { study.key_holders.as_slice() } else { &[] };
    let mut names = vec![opened.id, terms.dataset];
    for phenotype in app.index.linked(&terms.dataset, Kind::Phenotype).await? {
        if app.load::<Phenotype>(&phenotype).await?.message.serves(study.participation) {
            names.push(phenotype);
        }
    }
    let show = |name: &Digest| study.askers().map(|p| (*name, p, opened.id)).collect::<Vec<_>>();
    let mut readers = vec![(opened.id, owner)];
    readers.extend(study.organisers().map(|party| (opened.id, party)));
    Ok(NewManifest {
        objects: vec![key.digest],
        links: vec![terms.dataset, terms.study],
        readers,
        lent: lent.iter().map(|holder| (terms.dataset, *holder, opened.id)).collect(),
        shown: names.iter().flat_map(show).collect(),
        expires: Some(terms.expires),
        ..NewManifest::new(opened.id, Kind::Grant, owner, bytes, offered.received)
    })
}

/// Refuses one single donor too many.
async fn donors(offered: &Offered<'_>, terms: &GrantTerms, study: &Study) -> Result<(), ApiError> {
    let (app, most) = (offered.app, study.limits.max_donors);
    let mut donors: Vec<Digest> = Vec::new();
    for grant in app.index.linked(&terms.study, Kind::Grant).await? {
        let dataset = app.load::<GrantTerms>(&grant).await?.message.dataset;
        let known = dataset == terms.dataset || donors.contains(&dataset);
        if !known && app.load::<Dataset>(&dataset).await?.message.rows == 1 {
            donors.push(dataset);
        }
    }
    require(
        donors.len() < most as usize,
        &format!("the study takes at most {most} datasets of a single person"),
    )
}
