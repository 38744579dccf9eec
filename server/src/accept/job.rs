//! Jobs.

use gwas::wire::{Dataset, GrantTerms, Job, JobInput, Phenotype, Study};
use he_core::codec::Kind;

use super::study::organisers;
use super::{Offered, require};
use crate::error::ApiError;
use crate::index::NewManifest;

/// Checks a job: the inputs belong together, are granted to the study, and are enough people.
///
/// # Errors
/// When it may not be accepted.
pub async fn job(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<Job>().await?;
    let asker = offered.sole_signer(&opened)?;
    let job = opened.message;
    let app = offered.app;
    let &[JobInput { dataset, phenotype, grant }] = job.inputs.as_slice() else {
        return Err(ApiError::Refused("a job has one input".to_owned()));
    };
    // Whoever may not know of the study is told that it is not there.
    if !app.index.may_read(&asker, &job.study).await? {
        return Err(ApiError::Missing { what: "study", digest: job.study });
    }
    let owner = offered.named(Kind::Grant, "grant", &grant).await?.owner;
    let terms = app.load::<GrantTerms>(&grant).await?.message;
    let study = app.load::<Study>(&job.study).await?.message;
    if asker != owner && !organisers(&study).any(|party| party == asker) {
        return Err(ApiError::Missing { what: "grant", digest: grant });
    }
    require(terms.study == job.study, "the grant is to another study")?;
    require(terms.dataset == dataset, "the grant is of another dataset")?;
    if offered.caller.is_some() {
        require(app.now() < terms.expires, "the grant has expired")?;
    }
    offered.owned(Kind::Dataset, "dataset", &dataset, &owner).await?;
    offered.owned(Kind::Phenotype, "phenotype", &phenotype, &owner).await?;
    let weights = app.load::<Phenotype>(&phenotype).await?.message;
    require(weights.dataset == dataset, "the phenotype belongs to another dataset")?;
    let shape = app.load::<Dataset>(&dataset).await?.message.shape();
    let people = weights.participating.count();
    require(people >= study.min_people, "fewer people take part than the study demands")?;

    let mut readers = vec![(opened.id, asker), (opened.id, owner)];
    readers.extend(organisers(&study).map(|party| (opened.id, party)));
    let units = study.planes.len() as u64 * u64::from(shape.groups());
    Ok(NewManifest {
        id: opened.id,
        kind: Kind::Job,
        owner: asker,
        name: String::new(),
        bytes,
        received: offered.received,
        objects: Vec::new(),
        links: vec![job.study, dataset, phenotype, grant],
        readers,
        job: Some((job.study, units + 1)),
    })
}
