//! What a job's inputs say openly: how many people each sums, and which variants it has.

use std::collections::HashMap;
use std::path::PathBuf;

use gwas::presence::Presence;
use gwas::wire::{Bitmap, Dataset, Job, JobInput, Phenotype, Study, Totals};
use he_core::Digest;
use he_core::codec::{HEADER_LEN, Kind, Message};

use super::open::Inputs;
use crate::bundle::{Manifest, read_limited};
use crate::net::{Client, Collection};
use crate::{Error, Result};

/// A job's inputs, and what its phenotype is called.
pub(super) struct Known {
    /// The inputs, in the order of the job.
    pub inputs: Inputs,
    /// Name of the first input's phenotype.
    pub phenotype: String,
}

/// Looks at the inputs of a job of `study`: in `files`, each a signed manifest, or else on the server. A manifest is named by
/// its digest, so it does not matter who gives it.
pub(super) fn known(client: &Client, study: &Study, job: &Job, files: &[PathBuf]) -> Result<Known> {
    let files = read(files)?;
    let mut people = Vec::with_capacity(job.inputs.len());
    let mut absent: Vec<Option<Bitmap>> = Vec::with_capacity(job.inputs.len());
    let mut name = None;
    for input in &job.inputs {
        match *input {
            JobInput::Rows { dataset: id, phenotype, .. } => {
                let dataset = match files.get(&id) {
                    Some(Manifest::Dataset(opened)) => opened.message.clone(),
                    _ => fetch::<Dataset>(client, Collection::Datasets, &id)?,
                };
                let phenotype = match files.get(&phenotype) {
                    Some(Manifest::Phenotype(opened)) => opened.message.clone(),
                    _ => fetch::<Phenotype>(client, Collection::Phenotypes, &phenotype)?,
                };
                if dataset.panel != study.panel || phenotype.dataset != id {
                    return Err(Error::corrupt(format_args!(
                        "the dataset {id} is not one that the study can sum with this phenotype"
                    ))
                    .with_remedy("run the job again, over inputs made for the study"));
                }
                people.push(phenotype.participating.count());
                absent.push(dataset.absent);
                name = name.or(Some(phenotype.name));
            }
            JobInput::Totals { totals } => {
                let totals = match files.get(&totals) {
                    Some(Manifest::Totals(opened)) => opened.message.clone(),
                    _ => fetch::<Totals>(client, Collection::Totals, &totals)?,
                };
                people.push(totals.people);
                absent.push(totals.absent);
                name = name.or(Some(totals.name));
            }
        }
    }
    if absent.iter().flatten().any(|absent| !absent.fits(study.variants)) {
        return Err(Error::corrupt("an input lists absent variants of another panel")
            .with_remedy("run the job again, over inputs made for the study"));
    }
    let absent: Vec<Option<&Bitmap>> = absent.iter().map(Option::as_ref).collect();
    let presence = Presence::new(study.variants, &absent);
    Ok(Known { inputs: Inputs { people, presence }, phenotype: name.unwrap_or_default() })
}

fn read(files: &[PathBuf]) -> Result<HashMap<Digest, Manifest>> {
    let limit = Kind::Envelope.limit() + HEADER_LEN as u64;
    let manifest = |path: &PathBuf| {
        let bytes = read_limited(path, limit)?;
        let manifest = Manifest::parse(&bytes)
            .map_err(|e| Error::corrupt(format_args!("{}: {e}", path.display())))?;
        Ok((manifest.id(), manifest))
    };
    files.iter().map(manifest).collect()
}

fn fetch<T: Message>(client: &Client, collection: Collection, id: &Digest) -> Result<T> {
    match client.get_manifest::<T>(collection, id) {
        Ok(opened) => Ok(opened.message),
        Err(error) if error.is_not_found() => Err(Error::input(format_args!(
            "the server does not show you the {} {id}",
            collection.singular()
        ))
        .with_remedy("get its file manifest.hegwas from its owner and name it with --manifest")),
        Err(error) => Err(error.into()),
    }
}
