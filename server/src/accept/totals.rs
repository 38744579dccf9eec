//! Contributions of totals.

use gwas::wire::{ChunkRef, JobResult, SharePhase, Study, Totals};
use he_core::codec::Kind;

use super::{Offered, require};
use crate::error::ApiError;
use crate::index::NewManifest;

/// Checks a contribution: every unit of the study is there, with its channels, encrypted for its parameters.
pub(super) async fn totals(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<Totals>().await?;
    let owner = offered.sole_signer(&opened)?;
    let totals = opened.message;
    let study = offered.study(&totals.study, &owner).await?;
    if !study.data_owners.contains(&owner) {
        return Err(ApiError::Forbidden("only the study's data owners contribute to it"));
    }
    offered.key_is_complete(&totals.study, &study).await?;
    let planned = study.plan.request().people;
    require(totals.people <= planned, "the study's plan is made for fewer people")?;
    require(
        totals.absent.as_ref().is_none_or(|a| a.fits(study.variants) && a.count() < study.variants),
        "the absent variants do not fit the study's panel, or all are absent",
    )?;
    let shape = study.shape();
    let places = (0..shape.planes).flat_map(|p| (0..shape.groups()).map(move |g| (p, g)));
    require(
        totals.units.iter().map(|u| (u.plane, u.group)).eq(places),
        "totals hold every unit of the study, planes outermost",
    )?;
    let channels = study.channels(SharePhase::Sums);
    for unit in &totals.units {
        let bodies = shape.bodies(unit.group);
        let counts = [u32::from(unit.plane), unit.group, bodies, channels];
        object(&offered, &totals, &study, &unit.chunk, counts).await?;
    }
    let channels = study.channels(SharePhase::Totals);
    let counts = [u32::from(JobResult::TOTALS_PLANE), 0, 1, channels];
    object(&offered, &totals, &study, &totals.totals, counts).await?;

    let mut readers = vec![(opened.id, owner)];
    readers.extend(study.organisers().map(|party| (opened.id, party)));
    Ok(NewManifest {
        objects: totals.objects().map(|c| c.digest).collect(),
        name: totals.name,
        links: vec![totals.study],
        readers,
        shown: study.askers().map(|party| (opened.id, party, opened.id)).collect(),
        ..NewManifest::new(opened.id, Kind::Totals, owner, bytes, offered.received)
    })
}

/// Checks that the owner holds an object of that place.
async fn object(
    offered: &Offered<'_>,
    totals: &Totals,
    study: &Study,
    chunk: &ChunkRef,
    counts: [u32; 4],
) -> Result<(), ApiError> {
    let owner = offered.caller;
    let owner = match owner {
        Some(owner) => owner,
        None => return Ok(()), // rebuilding: it was checked before
    };
    let header = offered.chunk(&owner, chunk, "encrypted totals").await?;
    header.expect_kind(Kind::EncryptedTotals)?;
    header.expect_params(study.plan.params())?;
    header.expect_context(totals.study.short(), "study")?;
    require(
        header.counts == counts,
        &format!("the encrypted totals {} belong to another place", chunk.digest),
    )
}
