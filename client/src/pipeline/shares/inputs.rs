//! A job with everything that it names, checked against the study: who signed what, and that it belongs together.

use std::collections::BTreeSet;

use gwas::presence::Presence;
use gwas::wire::status::JobStatus;
use gwas::wire::{
    Bitmap, ChunkRef, Dataset, Did, GrantTerms, Job, JobInput, JobResult, Opened, Phenotype, Study,
    Totals,
};
use he_core::Digest;
use he_core::codec::Message;
use he_core::share::Readable;

use super::differences::Contribution;
use crate::net::{Client, Collection};
use crate::pipeline::ceremony::signed;
use crate::pipeline::remote;
use crate::{Error, Result};

/// One contribution.
pub(in crate::pipeline) enum Input {
    /// Rows of a dataset.
    Rows(Box<Rows>),
    /// A site's encrypted sums.
    Totals(Box<Totals>),
}

impl Input {
    /// What the phenotype is called.
    pub(super) fn phenotype(&self) -> &str {
        match self {
            Self::Rows(rows) => &rows.phenotype.name,
            Self::Totals(totals) => &totals.name,
        }
    }
}

/// Rows of a dataset.
pub(in crate::pipeline) struct Rows {
    pub(super) dataset: Dataset,
    pub(super) phenotype: Phenotype,
    /// The grant's switching key.
    pub(super) key: ChunkRef,
    /// Number in the dataset of each of the study's planes.
    pub(super) planes: Vec<u8>,
}

/// A job and its inputs.
pub(in crate::pipeline) struct Inputs {
    pub(super) job: Opened<Job>,
    pub(super) study: Opened<Study>,
    pub(super) list: Vec<Input>,
    pub(super) presence: Presence,
    /// When the first of the grants ends, in seconds since 1970.
    pub(super) expires: u64,
    /// What everybody can see of the inputs, in the order of the job.
    pub(super) contributions: Vec<Contribution>,
    /// People who take part of each, as far as everybody can see.
    pub(super) people: Vec<u32>,
    /// Owners of the inputs.
    pub(super) owners: BTreeSet<Did>,
}

/// The result of a computed job, with its digest.
pub(in crate::pipeline) fn result_of(
    client: &Client,
    status: &JobStatus,
) -> Result<(Digest, JobResult)> {
    let id = remote::computed(status)?;
    Ok((id, client.job_result(&status.job, &id)?))
}

impl Inputs {
    /// Downloads and checks them.
    ///
    /// # Errors
    /// When something is missing, such as a grant that was withdrawn, is signed by others than it should be, or does not
    /// belong to the study.
    pub(in crate::pipeline) fn load(client: &Client, id: &Digest) -> Result<Self> {
        let job = client.get_manifest::<Job>(Collection::Jobs, id)?;
        let study = signed(client, &job.message.study)?;
        let mut inputs = Self {
            list: Vec::with_capacity(job.message.inputs.len()),
            presence: Presence::new(study.message.variants, &[None]),
            expires: u64::MAX,
            contributions: Vec::new(),
            people: Vec::new(),
            owners: BTreeSet::new(),
            job,
            study,
        };
        let most = inputs.study.message.plan.request().datasets as usize;
        if inputs.job.message.inputs.len() > most {
            return Err(refused("the job has more inputs than the study's plan is made for"));
        }
        for input in inputs.job.message.inputs.clone() {
            inputs.take(client, &input)?;
        }
        inputs.people = inputs.contributions.iter().map(Contribution::people).collect();
        let absent: Vec<Option<&Bitmap>> =
            inputs.contributions.iter().map(Contribution::absent).collect();
        inputs.presence = Presence::new(inputs.study.message.variants, &absent);
        inputs.check_asker()?;
        Ok(inputs)
    }

    /// The study's parameter set.
    pub(in crate::pipeline) fn params(&self) -> he_core::Params {
        self.study.message.plan.params()
    }

    /// People who take part, as far as everybody can see.
    pub(in crate::pipeline) fn people(&self) -> u64 {
        self.people.iter().map(|people| u64::from(*people)).sum()
    }

    /// The coefficients of the job's totals object `group` that are meant to be read: one for each presence pattern.
    pub(super) fn readable(&self, group: u32) -> Readable {
        Readable::of_patterns(self.params(), self.presence.patterns(), group)
    }

    /// Adds one input.
    fn take(&mut self, client: &Client, input: &JobInput) -> Result<()> {
        match *input {
            JobInput::Rows { dataset, phenotype, grant } => {
                let terms = client.get_manifest::<GrantTerms>(Collection::Grants, &grant)?;
                let owner = self.owner(&terms, "grant")?;
                let data = client.get_manifest::<Dataset>(Collection::Datasets, &dataset)?;
                let weights =
                    client.get_manifest::<Phenotype>(Collection::Phenotypes, &phenotype)?;
                if data.signers != [owner] || weights.signers != [owner] {
                    return Err(refused(format_args!(
                        "dataset, phenotype and grant {grant} are not of one owner"
                    )));
                }
                let (terms, data, weights) = (terms.message, data.message, weights.message);
                if terms.dataset != dataset || terms.study != self.study.id {
                    return Err(refused(format_args!("grant {grant} is for something else")));
                }
                let planes = self.fits(&data, &weights, dataset)?;
                self.expires = self.expires.min(terms.expires);
                self.contributions.push(Contribution::Rows {
                    dataset,
                    phenotype,
                    rows: weights.participating.clone(),
                    absent: data.absent.clone(),
                });
                let rows =
                    Rows { dataset: data, phenotype: weights, key: terms.switching_key, planes };
                self.list.push(Input::Rows(Box::new(rows)));
                Ok(())
            }
            JobInput::Totals { totals } => {
                let opened = client.get_manifest::<Totals>(Collection::Totals, &totals)?;
                let owner = self.owner(&opened, "totals")?;
                let totals = opened.message;
                if totals.study != self.study.id {
                    return Err(refused(format_args!(
                        "totals {} are for another study",
                        opened.id
                    )));
                }
                self.contributions.push(Contribution::Totals {
                    owner,
                    totals: opened.id,
                    people: totals.people,
                    absent: totals.absent.clone(),
                });
                self.list.push(Input::Totals(Box::new(totals)));
                Ok(())
            }
        }
    }

    /// The one data owner who signed it.
    fn owner<T: Message>(&mut self, opened: &Opened<T>, what: &str) -> Result<Did> {
        match opened.signers.as_slice() {
            [owner] if self.study.message.data_owners.contains(owner) => {
                self.owners.insert(*owner);
                Ok(*owner)
            }
            _ => Err(refused(format_args!(
                "{what} {} is not signed by one of the study's data owners alone",
                opened.id
            ))),
        }
    }

    /// That rows are of the study's shape; the number in the dataset of each of its planes.
    fn fits(&self, data: &Dataset, weights: &Phenotype, id: Digest) -> Result<Vec<u8>> {
        let study = &self.study.message;
        let plane =
            |kind| data.planes.iter().position(|p| p == kind).and_then(|p| u8::try_from(p).ok());
        let planes: Option<Vec<u8>> = study.planes.iter().map(plane).collect();
        let same = data.plan == study.plan
            && (data.panel, data.variants) == (study.panel, study.variants)
            && (weights.dataset, weights.plan, weights.rows) == (id, data.plan, data.rows)
            && weights.nonce == data.nonce
            && weights.serves(study.participation);
        planes.filter(|_| same).ok_or_else(|| {
            refused(format_args!(
                "dataset {id} and its phenotype are not of the study's panel, parameters and participation"
            ))
        })
    }

    /// A job is asked for by who runs the study or receives its results, or by the one owner of all its inputs.
    fn check_asker(&self) -> Result<()> {
        let study = &self.study.message;
        let may =
            |asker: &Did| study.askers().any(|p| p == *asker) || self.owners.iter().eq([asker]);
        match self.job.signers.as_slice() {
            [asker] if may(asker) => Ok(()),
            _ => Err(refused("the job is not signed by somebody who may ask for it")),
        }
    }
}

/// A job that is not shared.
pub(super) fn refused(what: impl std::fmt::Display) -> Error {
    Error::input(format_args!("no share is given: {what}"))
        .with_remedy("ask who submitted the job for one that the study allows")
}
