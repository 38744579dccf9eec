//! Jobs.

use std::collections::BTreeSet;

use gwas::presence::Presence;
use gwas::wire::{
    Bitmap, Dataset, Did, GrantTerms, Job, JobInput, Participation, Phenotype, Study, Totals,
};
use he_core::Digest;
use he_core::codec::Kind;

use super::limits::{self, Seen};
use super::{Offered, require};
use crate::app::blocking;
use crate::error::ApiError;
use crate::index::NewManifest;
use crate::jobs::totals_groups;

/// What the inputs of a job amount to.
#[derive(Default)]
struct Inputs {
    seen: Seen,
    absent: Vec<Option<Bitmap>>,
    /// `(phenotype, grant)` of the inputs that are rows.
    rows: Vec<(Digest, Digest)>,
}

/// Checks a job: the inputs belong together, are granted to the study, and stay within its limits.
pub(super) async fn job(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<Job>().await?;
    let asker = offered.sole_signer(&opened)?;
    let job = opened.message;
    let study = offered.study(&job.study, &asker).await?;
    let most = study.plan.request().datasets;
    require(
        job.inputs.len() <= most as usize,
        &format!("the study's plan is made for {most} contributions in a result"),
    )?;
    let runs_study = study.askers().any(|p| p == asker);
    let mut inputs = Inputs::default();
    for input in &job.inputs {
        let (owner, what, name) = match *input {
            JobInput::Rows { grant, .. } => {
                (offered.named(Kind::Grant, "grant", &grant).await?.owner, "grant", grant)
            }
            JobInput::Totals { totals } => {
                (offered.named(Kind::Totals, "totals", &totals).await?.owner, "totals", totals)
            }
        };
        // Whoever does not run the study asks for jobs over its own data alone, and does not learn of others'.
        if asker != owner && !runs_study {
            return Err(ApiError::Missing { what, digest: name });
        }
        take(&offered, (job.study, &study), input, owner, &mut inputs).await?;
    }
    if offered.is_new() {
        limits::check(offered.app, &job.study, &study, &inputs.seen).await?;
    }

    let (variants, absent) = (study.variants, inputs.absent);
    let patterns = blocking(move || {
        let absent: Vec<Option<&Bitmap>> = absent.iter().map(Option::as_ref).collect();
        Ok(Presence::new(variants, &absent).patterns())
    })
    .await?;
    let units = u64::from(study.shape().groups()) * study.planes.len() as u64;
    let total = units + u64::from(totals_groups(study.plan.params(), patterns));
    let lent = if study.is_shared() { study.key_holders.as_slice() } else { &[] };
    let lend = |(phenotype, grant): &(Digest, Digest)| {
        lent.iter().map(|holder| (*phenotype, *holder, *grant)).collect::<Vec<_>>()
    };
    let parties: BTreeSet<Did> =
        study.askers().chain(inputs.seen.owners.iter().copied()).chain([asker]).collect();
    let shown = show(&study, opened.id, &job);
    let named = job.inputs.iter().flat_map(JobInput::manifests);
    Ok(NewManifest {
        links: named.chain([job.study]).collect(),
        readers: parties.into_iter().map(|party| (opened.id, party)).collect(),
        lent: inputs.rows.iter().flat_map(lend).collect(),
        shown,
        job: Some((job.study, total)),
        ..NewManifest::new(opened.id, Kind::Job, asker, bytes, offered.received)
    })
}

/// A result can't be read without its inputs' manifests: they are shown as long as the job is there, whatever becomes of grants.
pub fn show(study: &Study, id: Digest, job: &Job) -> Vec<(Digest, Did, Digest)> {
    let parties: BTreeSet<Did> = study.askers().collect();
    let inputs = job.inputs.iter().flat_map(JobInput::manifests);
    inputs.flat_map(|name| parties.iter().map(move |party| (name, *party, id))).collect()
}

/// Checks one input and adds it to what the job amounts to.
async fn take(
    offered: &Offered<'_>,
    (id, study): (Digest, &Study),
    input: &JobInput,
    owner: Did,
    inputs: &mut Inputs,
) -> Result<(), ApiError> {
    let app = offered.app;
    match *input {
        JobInput::Rows { dataset, phenotype, grant } => {
            let terms = app.load::<GrantTerms>(&grant).await?.message;
            require(terms.study == id, "the grant is to another study")?;
            require(terms.dataset == dataset, "the grant is of another dataset")?;
            if offered.is_new() {
                require(app.now() < terms.expires, "the grant has expired")?;
            }
            offered.owned(Kind::Dataset, "dataset", &dataset, &owner).await?;
            offered.owned(Kind::Phenotype, "phenotype", &phenotype, &owner).await?;
            let weights = app.load::<Phenotype>(&phenotype).await?.message;
            require(weights.dataset == dataset, "the phenotype belongs to another dataset")?;
            require(
                weights.serves(study.participation),
                match study.participation {
                    Participation::Public => {
                        "the study has public participation: a phenotype has one weight vector"
                    }
                    Participation::Encrypted => {
                        "the study has encrypted participation: a phenotype has two weight vectors, and every row takes part"
                    }
                },
            )?;
            inputs.absent.push(app.load::<Dataset>(&dataset).await?.message.absent);
            inputs.seen.rows.insert(dataset, (weights.rows, weights.participating));
            inputs.rows.push((phenotype, grant));
        }
        JobInput::Totals { totals } => {
            let totals = app.load::<Totals>(&totals).await?.message;
            require(totals.study == id, "the totals are for another study")?;
            let people = inputs.seen.totals.entry(owner).or_default();
            *people = people.saturating_add(totals.people);
            inputs.absent.push(totals.absent);
        }
    }
    inputs.seen.owners.insert(owner);
    Ok(())
}
