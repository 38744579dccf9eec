//! `hegwas encrypt`: rows for one's own study or somebody else's, further phenotypes, totals.

use std::path::Path;
use std::sync::Arc;

use gwas::io::{CaseControl, Sample, Table};
use gwas::packing::planes_for;
use gwas::panel::Panel;
use gwas::wire::{Dataset, Opened, Participation, Study};
use he_core::arith::Ring;
use he_core::{Digest, Plan, PlanRequest};
use serde::Serialize;

use super::encrypt::{DatasetInput, encrypt_dataset, encrypt_phenotype};
use super::folder::{NewFolder, save_cohort, save_manifest};
use super::make::identity;
use super::panel::Source;
use super::prepare::{Files, Prepared, open, prepare};
use super::study::sign;
use super::{joined, panel, publish, remote, totals, use_threads};
use crate::bundle::{Bundle, CHUNKS, Manifest, read_people};
use crate::cli::common::PhenotypeArgs;
use crate::cli::encrypt::EncryptArgs;
use crate::commands::push_folder;
use crate::console::{Console, Unit};
use crate::keys::Identity;
use crate::net::{Client, Collection, Options};
use crate::sink::{ChunkSink, FolderSink, UploadSink};
use crate::{Error, Result};

/// What `hegwas encrypt` made.
#[derive(Serialize)]
struct Made {
    dataset: Option<Digest>,
    phenotype: Option<Digest>,
    totals: Option<Digest>,
    people: u32,
    variants: u32,
    parameters: &'static str,
}

impl Made {
    fn rows(id: Digest, phenotype: Option<Digest>, dataset: &Dataset) -> Self {
        Self {
            dataset: Some(id),
            phenotype,
            totals: None,
            people: dataset.rows,
            variants: dataset.variants,
            parameters: dataset.plan.params().name(),
        }
    }
}

/// `hegwas encrypt`.
///
/// # Errors
/// When inputs can't be read or encrypted; folders that were begun are removed.
pub fn encrypt(args: &EncryptArgs, console: &Console) -> Result<()> {
    let threads = args.threads.count();
    use_threads(threads);
    let identity = identity(&args.key)?;
    let client = match &args.server {
        Some(url) => {
            let options = Options::from(&args.connection);
            Some(Client::new(url.clone(), Arc::clone(&identity), &options)?)
        }
        None => None,
    };
    let to =
        Target { out: &args.out, client, connections: usize::from(args.connection.connections) };
    let study = match &args.study {
        Some(name) => Some(joined::study(name, to.client.as_ref(), &identity.did())?),
        None => None,
    };
    let made = match (&args.input.dataset, &study) {
        (Some(folder), study) => {
            further_phenotype(args, folder, study.as_ref(), &identity, &to, console)?
        }
        (None, None) => from_files(args, threads, &identity, &to, console)?,
        (None, Some(study)) => {
            let panel = args.panel.as_deref();
            let panel = joined::panel(&study.message, panel, to.client.as_ref())?;
            let site = Site { args, threads, study, panel, identity: &identity, to: &to };
            if args.totals { site.totals(console)? } else { site.rows(console)? }
        }
    };
    console.print_either(&made, |made| {
        let named =
            [("dataset", made.dataset), ("phenotype", made.phenotype), ("totals", made.totals)];
        let lines = named.iter().filter_map(|(n, id)| id.map(|id| format!("{n}\t{id}")));
        lines.collect::<Vec<_>>().join("\n")
    })
}

/// Where encrypted objects go.
struct Target<'a> {
    out: &'a Path,
    client: Option<Client>,
    connections: usize,
}

impl Target<'_> {
    /// Runs `work` with a sink for the object in `folder`: files of the folder, or the server.
    fn with_sink<T>(
        &self,
        folder: &Path,
        work: impl FnOnce(&dyn ChunkSink) -> Result<T>,
    ) -> Result<T> {
        match &self.client {
            None => {
                let sink = FolderSink::create(&folder.join(CHUNKS))?;
                let made = work(&sink)?;
                sink.finish()?;
                Ok(made)
            }
            Some(client) => {
                let quiet = Console::silent().progress("upload", 0, Unit::Bytes);
                let sink = UploadSink::start(client, self.connections, &quiet)?;
                let made = work(&sink)?;
                sink.finish()?;
                Ok(made)
            }
        }
    }
}

fn from_files(
    args: &EncryptArgs,
    threads: usize,
    identity: &Identity,
    to: &Target<'_>,
    console: &Console,
) -> Result<Made> {
    args.palindromic.refuse_without(args.panel.as_ref())?;
    let files = Files::of(args.input.bfile.as_deref(), args.input.vcf.as_deref())?;
    let file = open(&files, &args.reading, threads, console)?;
    let phenotype = args.phenotype.pheno.is_some().then_some(&args.phenotype);
    let panel = args
        .panel
        .as_ref()
        .map(|path| panel::Target { panel: Source::File(path), palindromic: &args.palindromic });
    let prepared = prepare(file, &args.filters, phenotype, panel.as_ref(), console)?;
    let tests = publish::tests(&args.tests.tests());
    let planes = planes_for(tests.iter().any(|t| t.needs_genotypes()), prepared.needs_calls());
    let plan = Plan::new(PlanRequest::sole_holder(prepared.cohort.people()));
    let plan = plan.map_err(Error::input)?;
    let name = args.name.clone();
    let input = DatasetInput { name, cohort: &prepared.cohort, planes, plan, absent: None };
    let (id, dataset) = encrypt_rows(input, &prepared, identity, to, console)?;
    let phenotype = match &prepared.phenotype {
        Some(found) => {
            let weights = (found, Participation::Public);
            Some(encrypt_one(weights, (id, &dataset), identity, to)?)
        }
        None => None,
    };
    Ok(Made::rows(id, phenotype, &dataset))
}

/// Encrypts a cohort into the folder of a dataset.
fn encrypt_rows(
    input: DatasetInput<'_>,
    prepared: &Prepared,
    identity: &Identity,
    to: &Target<'_>,
    console: &Console,
) -> Result<(Digest, Dataset)> {
    let ring = Ring::new(input.plan.params());
    let folder = to.out.join("dataset");
    let begun = NewFolder::create(&folder)?;
    let cohort = input.cohort;
    let genotypes = u64::from(cohort.people()) * u64::from(cohort.variant_count());
    let values = genotypes * input.planes.len() as u64;
    let progress = console.progress("encrypt", values, Unit::Items("genotypes"));
    let dataset = to.with_sink(&folder, |sink| {
        encrypt_dataset(&ring, input, identity.master(), &remote::entropy()?, sink, &progress)
    })?;
    progress.finish();
    save_cohort(&folder, cohort)?;
    if let Some(alignment) = &prepared.alignment {
        alignment.save(&to.out.join("alignment.tsv"))?;
    }
    let envelope = sign(&dataset, identity)?;
    save_manifest(&folder, &envelope)?;
    publish::write_exclusions(&folder, &prepared.exclusions)?;
    if let Some(client) = &to.client {
        remote::send_panel(client, cohort.panel())?;
        client.put_manifest(Collection::Datasets, &envelope)?;
    }
    begun.keep();
    Ok((envelope.id(), dataset))
}

/// What a site contributes to a study of several.
struct Site<'a> {
    args: &'a EncryptArgs,
    threads: usize,
    study: &'a Opened<Study>,
    panel: Panel,
    identity: &'a Identity,
    to: &'a Target<'a>,
}

impl Site<'_> {
    /// Reads the files and aligns them to the study's panel.
    fn prepare(&self, phenotype: Option<&PhenotypeArgs>, console: &Console) -> Result<Prepared> {
        let args = self.args;
        let files = Files::of(args.input.bfile.as_deref(), args.input.vcf.as_deref())?;
        let file = open(&files, &args.reading, self.threads, console)?;
        let target =
            panel::Target { panel: Source::Read(&self.panel), palindromic: &args.palindromic };
        prepare(file, &args.filters, phenotype, Some(&target), console)
    }

    /// Everybody's rows, and the phenotype if there is one.
    fn rows(&self, console: &Console) -> Result<Made> {
        let (study, args) = (&self.study.message, self.args);
        // Later phenotypes may be other people's, so all of them need their calls.
        let prepared = self.prepare(None, console)?;
        let cohort = &prepared.cohort;
        let absent = joined::fits(study, cohort, prepared.any_missing)?;
        let phenotype = match &args.phenotype.pheno {
            Some(_) => {
                let samples: Vec<Sample> = cohort.samples().cloned().collect();
                Some(read_phenotype(&args.phenotype, &samples, true)?)
            }
            None => None,
        };
        let (name, planes, plan) = (args.name.clone(), study.planes.clone(), study.plan);
        let input = DatasetInput { name, cohort, planes, plan, absent };
        let (id, dataset) = encrypt_rows(input, &prepared, self.identity, self.to, console)?;
        let phenotype = match &phenotype {
            Some(found) => {
                let weights = (found, study.participation);
                Some(encrypt_one(weights, (id, &dataset), self.identity, self.to)?)
            }
            None => None,
        };
        Ok(Made::rows(id, phenotype, &dataset))
    }

    /// Sums over the people who have the phenotype.
    fn totals(&self, console: &Console) -> Result<Made> {
        let client = self.to.client.as_ref().ok_or_else(|| {
            Error::usage("totals are encrypted under the study's key", "give --server URL")
        })?;
        let prepared = self.prepare(Some(&self.args.phenotype), console)?;
        let study = &self.study.message;
        let absent = joined::fits(study, &prepared.cohort, prepared.any_missing)?;
        let phenotype = prepared.phenotype.as_ref();
        let phenotype =
            phenotype.ok_or_else(|| Error::usage("no phenotype", "give --pheno FILE"))?;
        let folder = self.to.out.join("totals");
        let begun = NewFolder::create(&folder)?;
        let input = totals::Input { cohort: &prepared.cohort, phenotype, absent };
        // They stay in the folder, which `hegwas push` sends again where this is interrupted: nothing is encrypted twice.
        let sink = FolderSink::create(&folder.join(CHUNKS))?;
        let made = totals::encrypt_totals(client, (self.study.id, study), input, &sink)?;
        sink.finish()?;
        let envelope = sign(&made, self.identity)?;
        save_manifest(&folder, &envelope)?;
        if let Some(alignment) = &prepared.alignment {
            alignment.save(&self.to.out.join("alignment.tsv"))?;
        }
        publish::write_exclusions(&folder, &prepared.exclusions)?;
        begun.keep();
        push_folder(client, &folder, self.to.connections, console).inspect_err(|_| {
            console.note(format_args!("`hegwas push {}` sends what is missing", folder.display()));
        })?;
        console.note(format_args!(
            "your signature attests that the sums are over {} people; nobody can check it",
            made.people
        ));
        Ok(Made {
            dataset: None,
            phenotype: None,
            totals: Some(envelope.id()),
            people: made.people,
            variants: study.variants,
            parameters: study.plan.params().name(),
        })
    }
}

/// Another phenotype for the people of a dataset that was encrypted before.
fn further_phenotype(
    args: &EncryptArgs,
    folder: &Path,
    study: Option<&Opened<Study>>,
    identity: &Identity,
    to: &Target<'_>,
    console: &Console,
) -> Result<Made> {
    let bundle = Bundle::open(folder)?;
    let Manifest::Dataset(opened) = bundle.manifest() else {
        return Err(Error::input(format_args!("{} is not a dataset", folder.display()))
            .with_remedy("name the dataset folder that `hegwas encrypt` wrote"));
    };
    if !opened.signers.contains(&identity.did()) {
        return Err(Error::input("the dataset was encrypted with another key").with_remedy(
            "use the key file that encrypted it; no other can encrypt weights for it",
        ));
    }
    let participation = match study {
        Some(study) => {
            joined::dataset_fits(&study.message, &opened.message)?;
            study.message.participation
        }
        None => Participation::Public,
    };
    let samples = read_people(folder)?;
    let phenotype = read_phenotype(&args.phenotype, &samples, study.is_some())?;
    let weights = (&phenotype, participation);
    let id = encrypt_one(weights, (opened.id, &opened.message), identity, to)?;
    if participation == Participation::Public && phenotype.missing() > 0 {
        console.note("everybody sees which of the dataset's rows have this phenotype");
    }
    Ok(Made::rows(opened.id, Some(id), &opened.message))
}

/// The phenotype of these people; in a study of several sites, one of them may have no cases or no controls.
fn read_phenotype(args: &PhenotypeArgs, samples: &[Sample], of_study: bool) -> Result<CaseControl> {
    args.refuse_covariates()?;
    let path =
        args.pheno.as_deref().ok_or_else(|| Error::usage("no phenotype", "give --pheno FILE"))?;
    let (table, name) = (Table::open(path).map_err(Error::input)?, args.pheno_name.as_deref());
    if of_study {
        table.case_control_part(name, samples, args.one).map_err(Error::input)
    } else {
        table.case_control(name, samples, args.one).map_err(Error::input)
    }
}

fn encrypt_one(
    (phenotype, participation): (&CaseControl, Participation),
    dataset: (Digest, &Dataset),
    identity: &Identity,
    to: &Target<'_>,
) -> Result<Digest> {
    if participation == Participation::Public && phenotype.cases() + phenotype.controls() == 0 {
        return Err(Error::input(format_args!("nobody has the phenotype {}", phenotype.name))
            .with_remedy("leave this dataset out of jobs with that phenotype"));
    }
    let folder = to.out.join("phenotype");
    let begun = NewFolder::create(&folder)?;
    let ring = Ring::new(dataset.1.plan.params());
    let made = to.with_sink(&folder, |sink| {
        let (entropy, name) = (remote::entropy()?, phenotype.name.clone());
        let weights = (phenotype.status.as_slice(), participation);
        encrypt_phenotype(&ring, name, dataset, weights, identity.master(), &entropy, sink)
    })?;
    let envelope = sign(&made, identity)?;
    save_manifest(&folder, &envelope)?;
    if let Some(client) = &to.client {
        client.put_manifest(Collection::Phenotypes, &envelope)?;
    }
    begun.keep();
    Ok(envelope.id())
}
