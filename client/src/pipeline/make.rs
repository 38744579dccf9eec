//! `hegwas encrypt`, `study` and `grant`.

use std::path::Path;
use std::sync::Arc;

use gwas::io::{CaseControl, Table};
use gwas::packing::planes_for;
use gwas::wire::{Dataset, Study};
use he_core::arith::Ring;
use he_core::{Digest, Plan, PlanRequest};
use serde::Serialize;

use super::encrypt::{DatasetInput, encrypt_dataset, encrypt_phenotype};
use super::folder::{NewFolder, save_cohort, save_manifest};
use super::prepare::{Files, Prepared, open, prepare};
use super::study::{StudyText, sign};
use super::{ceremony, draft, panel, publish, remote, use_threads};
use crate::bundle::{Bundle, CHUNKS, Manifest, read_people};
use crate::cli::common::{KeyFileArgs, PhenotypeArgs, ServerArgs};
use crate::cli::encrypt::EncryptArgs;
use crate::cli::grant::{GrantArgs, GrantCommand};
use crate::cli::study::{StudyArgs, StudyCommand};
use crate::console::{Console, Unit};
use crate::keys::Identity;
use crate::net::{Client, Collection, Options};
use crate::sink::{ChunkSink, FolderSink, UploadSink};
use crate::{Error, Result};

/// Opens a key file.
pub(super) fn identity(args: &KeyFileArgs) -> Result<Arc<Identity>> {
    Ok(Arc::new(Identity::load(&args.key, &args.passphrase.passphrase_file.clone().into())?))
}

/// A client of the server that the arguments name.
pub(super) fn client(server: &ServerArgs, key: &KeyFileArgs) -> Result<Client> {
    Ok(Client::new(server.server.clone(), identity(key)?, &Options::from(&server.connection))?)
}

/// What `hegwas encrypt` made.
#[derive(Serialize)]
struct Made {
    dataset: Digest,
    phenotype: Option<Digest>,
    people: u32,
    variants: u32,
    parameters: &'static str,
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
    let made = match &args.input.dataset {
        Some(folder) => further_phenotype(args, folder, &identity, &to)?,
        None => from_files(args, threads, &identity, &to, console)?,
    };
    console.print_either(&made, |made| {
        let phenotype = made.phenotype.map(|id| format!("\nphenotype\t{id}")).unwrap_or_default();
        format!("dataset\t{}{phenotype}", made.dataset)
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
    let panel =
        args.panel.as_ref().map(|path| panel::Target { path, palindromic: &args.palindromic });
    let prepared = prepare(file, &args.filters, phenotype, panel.as_ref(), console)?;
    let tests = publish::tests(&args.tests.tests());
    let planes = planes_for(tests.iter().any(|t| t.needs_genotypes()), prepared.needs_calls());
    let Prepared { cohort, exclusions, phenotype, alignment, .. } = prepared;
    let plan = Plan::new(PlanRequest::sole_holder(cohort.people())).map_err(Error::input)?;
    let ring = Ring::new(plan.params());
    let folder = to.out.join("dataset");
    let begun = NewFolder::create(&folder)?;
    let values =
        u64::from(cohort.people()) * u64::from(cohort.variant_count()) * planes.len() as u64;
    let progress = console.progress("encrypt", values, Unit::Items("genotypes"));
    let input = DatasetInput { name: args.name.clone(), cohort: &cohort, planes, plan };
    let dataset = to.with_sink(&folder, |sink| {
        encrypt_dataset(&ring, input, identity.master(), &remote::entropy()?, sink, &progress)
    })?;
    progress.finish();
    save_cohort(&folder, &cohort)?;
    if let Some(alignment) = &alignment {
        alignment.save(&to.out.join("alignment.tsv"))?;
    }
    let envelope = sign(&dataset, identity)?;
    save_manifest(&folder, &envelope)?;
    publish::write_exclusions(&folder, &exclusions)?;
    if let Some(client) = &to.client {
        remote::send_panel(client, cohort.panel())?;
        client.put_manifest(Collection::Datasets, &envelope)?;
    }
    begun.keep();
    let id = envelope.id();
    let phenotype = match phenotype {
        Some(found) => Some(encrypt_one(&ring, &found, (id, &dataset), identity, to, "phenotype")?),
        None => None,
    };
    Ok(Made {
        dataset: id,
        phenotype,
        people: dataset.rows,
        variants: dataset.variants,
        parameters: plan.params().name(),
    })
}

/// Another phenotype for the people of a dataset that was encrypted before.
fn further_phenotype(
    args: &EncryptArgs,
    folder: &Path,
    identity: &Identity,
    to: &Target<'_>,
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
    let samples = read_people(folder)?;
    let phenotype = read_phenotype(&args.phenotype, &samples)?;
    let ring = Ring::new(opened.message.plan.params());
    let id =
        encrypt_one(&ring, &phenotype, (opened.id, &opened.message), identity, to, "phenotype")?;
    Ok(Made {
        dataset: opened.id,
        phenotype: Some(id),
        people: opened.message.rows,
        variants: opened.message.variants,
        parameters: opened.message.plan.params().name(),
    })
}

fn read_phenotype(args: &PhenotypeArgs, samples: &[gwas::io::Sample]) -> Result<CaseControl> {
    args.refuse_covariates()?;
    let path =
        args.pheno.as_deref().ok_or_else(|| Error::usage("no phenotype", "give --pheno FILE"))?;
    let table = Table::open(path).map_err(Error::input)?;
    table.case_control(args.pheno_name.as_deref(), samples, args.one).map_err(Error::input)
}

fn encrypt_one(
    ring: &Ring,
    phenotype: &CaseControl,
    dataset: (Digest, &Dataset),
    identity: &Identity,
    to: &Target<'_>,
    name: &str,
) -> Result<Digest> {
    let folder = to.out.join(name);
    let begun = NewFolder::create(&folder)?;
    let made = to.with_sink(&folder, |sink| {
        let entropy = remote::entropy()?;
        let name = phenotype.name.clone();
        encrypt_phenotype(ring, name, dataset, &phenotype.status, identity.master(), &entropy, sink)
    })?;
    let envelope = sign(&made, identity)?;
    save_manifest(&folder, &envelope)?;
    if let Some(client) = &to.client {
        client.put_manifest(Collection::Phenotypes, &envelope)?;
    }
    begun.keep();
    Ok(envelope.id())
}

/// `hegwas study`.
///
/// # Errors
/// When the server refuses.
pub fn study(args: &StudyArgs, console: &Console) -> Result<()> {
    match &args.command {
        StudyCommand::New(new) => {
            let client = client(&new.server, &new.key)?;
            let dataset = client.get_manifest::<Dataset>(Collection::Datasets, &new.dataset)?;
            let ring = Ring::new(dataset.message.plan.params());
            let text = StudyText {
                name: new.name.clone(),
                purpose: new.purpose.clone(),
                min_people: new.min_people,
            };
            let (id, _) = remote::create_study(&client, &ring, &dataset.message, text)?;
            console.print_either(&id, ToString::to_string)
        }
        StudyCommand::List(list) => {
            let client = client(&list.server, &list.key)?;
            print_list(&client, Collection::Studies, console)
        }
        StudyCommand::Show(show) => {
            let client = client(&show.server, &show.key)?;
            let study = client.get_manifest::<Study>(Collection::Studies, &show.id)?;
            let keys = client.study_keys(&show.id)?.len();
            console.print_either(&study.message, |s| {
                format!(
                    "name\t{}\npurpose\t{}\nvariants\t{}\nparameters\t{}\nkey holders\t{} ({keys} with a key)\nfewest people\t{}",
                    s.name,
                    s.purpose,
                    s.variants,
                    s.plan.params().name(),
                    s.key_holders.len(),
                    s.limits.min_people
                )
            })
        }
        StudyCommand::Draft(args) => draft::draft(args, console),
        StudyCommand::Invite(args) => draft::invite(args, console),
        StudyCommand::Join(args) => draft::join(args, console),
        StudyCommand::Propose(args) => draft::propose(args, console),
        StudyCommand::Sign(args) => ceremony::sign(args, console),
        StudyCommand::Status(args) => ceremony::status(args, console),
        StudyCommand::Advance(args) => ceremony::advance(args, console),
    }
}

/// `hegwas grant`.
///
/// # Errors
/// When the server refuses.
pub fn grant(args: &GrantArgs, console: &Console) -> Result<()> {
    match &args.command {
        GrantCommand::New(new) => {
            let client = client(&new.server, &new.key)?;
            let dataset = client.get_manifest::<Dataset>(Collection::Datasets, &new.dataset)?;
            let study = client.get_manifest::<Study>(Collection::Studies, &new.study)?;
            let ring = Ring::new(dataset.message.plan.params());
            let id = remote::create_grant(
                &client,
                &ring,
                (dataset.id, &dataset.message),
                (study.id, &study.message),
                new.lasts.as_secs(),
            )?;
            console.print_either(&id, ToString::to_string)
        }
        GrantCommand::List(list) => {
            let client = client(&list.server, &list.key)?;
            print_list(&client, Collection::Grants, console)
        }
        GrantCommand::Withdraw(withdraw) => {
            let client = client(&withdraw.server, &withdraw.key)?;
            client.delete(Collection::Grants, &withdraw.id)?;
            console.note("withdrawn; what was decrypted before stays known");
            Ok(())
        }
    }
}

fn print_list(client: &Client, collection: Collection, console: &Console) -> Result<()> {
    let listed = client.list(collection)?;
    console.print_either(&listed, |listed| {
        let line = |l: &gwas::wire::status::Listed| format!("{}\t{}\t{}", l.id, l.created, l.name);
        listed.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}
