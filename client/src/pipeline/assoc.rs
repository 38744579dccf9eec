//! `hegwas assoc`: the whole job.

use std::path::Path;
use std::sync::Arc;

use gwas::io::Cohort;
use gwas::packing::{plain_sums, planes_for};
use gwas::presence::Presence;
use gwas::stats::Test;
use gwas::stats::counts::VariantSums;
use gwas::wire::status::JobStatus;
use gwas::wire::{JobInput, Participation, PlaneKind, Release, Study};
use he_core::arith::Ring;
use he_core::{Digest, Plan, PlanRequest};
use he_core_secret::HolderKey;

use super::costs::say_costs;
use super::draft::needs_complete;
use super::encrypt::{DatasetInput, encrypt_dataset, encrypt_phenotype};
use super::open::{Inputs, Opener, open as open_result, set_plane};
use super::prepare::{Files, Prepared, open, prepare};
use super::publish::{self, Findings, tests};
use super::shares::{Finisher, Holder, Policy, Store};
use super::statistic::{self, Statistic};
use super::study::{StudyText, finishing_plan, job, sign, values};
use super::{panel, remote};
use crate::cli::assoc::AssocArgs;
use crate::console::{Console, Unit};
use crate::keys::Identity;
use crate::local_server::LocalServer;
use crate::net::{Client, Collection, Options, now};
use crate::record::{RunRecord, ServerRecord, Stages};
use crate::sink::{ChunkSink, UploadSink};
use crate::usage::Watch;
use crate::{Error, Result};

/// Ring degree of the packing that `--plaintext` uses: any gives the same sums.
const PLAINTEXT_DEGREE: usize = 2048;

/// What either way of computing gives.
pub(super) struct Outcome {
    /// Sums of every variant.
    pub sums: Vec<VariantSums>,
    /// People.
    pub people: u32,
    /// Cases, decrypted or counted.
    pub cases: u32,
}

/// What a run opened.
enum Opened {
    Sums(Outcome),
    Statistic(Box<Study>, Statistic),
}

/// Runs the whole job.
///
/// # Errors
/// Whatever stops it; no output is written then.
pub fn assoc(args: &AssocArgs, console: &Console) -> Result<()> {
    args.phenotype.refuse_covariates()?;
    args.palindromic.refuse_without(args.panel.as_ref())?;
    publish::check_prefix(&args.output.out)?;
    let threads = args.threads.count();
    super::use_threads(threads);
    let stages = Stages::new(console);
    let watch = Watch::start(std::process::id());
    let mut record = RunRecord::new("assoc");
    record.threads = threads;

    let files = Files::of(args.input.bfile.as_deref(), args.input.vcf.as_deref())?;
    let file = stages.time("read", || open(&files, &args.reading, threads, console))?;
    let panel = args.panel.as_ref().map(|path| panel::Target {
        panel: panel::Source::File(path),
        palindromic: &args.palindromic,
    });
    let prepared = stages.time("filter", || {
        prepare(file, &args.filters, Some(&args.phenotype), panel.as_ref(), console)
    })?;
    let needs_calls = prepared.needs_calls();
    let Prepared { cohort, exclusions, phenotype, alignment, .. } = prepared;
    let phenotype = phenotype.ok_or_else(|| Error::Internal("no phenotype".into()))?;
    let (cohort, cases) = participants(&cohort, &phenotype.status)?;
    console.note(format_args!(
        "{}: {} people ({} without a phenotype left out), {} variants",
        phenotype.name,
        cohort.people(),
        phenotype.missing(),
        cohort.variant_count()
    ));
    let tests = tests(&args.tests.tests());
    let planes = planes_for(tests.iter().any(|t| t.needs_genotypes()), needs_calls);
    record.argument("phenotype", phenotype.name.clone());
    record.argument("tests", tests.iter().map(|t| t.name()).collect::<Vec<_>>().join(","));
    record.argument("plaintext", args.plaintext);

    let job = Input { name: &phenotype.name, cohort: &cohort, cases: &cases, planes: &planes };
    let release = args.release.release();
    if release != Release::Counts && !args.plaintext {
        statistic::check_output(&args.output)?;
        if planes != [PlaneKind::Dosage] || tests != [Test::Allelic] {
            return Err(needs_complete());
        }
    }
    let outcome = if args.plaintext {
        Opened::Sums(stages.time("compute", || in_the_clear(&job))?)
    } else {
        encrypted(args, &job, threads, &stages, &mut record, console)?
    };

    let mut outputs = stages.time("report", || match &outcome {
        Opened::Sums(outcome) => {
            let findings = Findings {
                panel: cohort.panel(),
                phenotype: &phenotype.name,
                people: outcome.people,
                cases: outcome.cases,
                sums: &outcome.sums,
            };
            publish::write(&findings, &tests, &args.output, console)
        }
        Opened::Statistic(study, statistic) => {
            let about = (study.as_ref(), cohort.panel(), phenotype.name.as_str());
            statistic::write(about, statistic, &args.output, console)
        }
    })?;
    outputs.push(publish::write_exclusions(&args.output.out, &exclusions)?);
    if let Some(alignment) = &alignment {
        let path = publish::with_suffix(&args.output.out, ".alignment.tsv");
        alignment.save(&path)?;
        outputs.push(path);
    }
    record.count("people", cohort.people());
    record.count("variants", cohort.variant_count());
    record.count("planes", planes.len());
    record.count("excluded", exclusions.len());
    record.outputs = outputs.iter().map(|p| p.display().to_string()).collect();
    record.close(&stages, &watch);
    outputs.push(publish::write_record(&args.output.out, &record)?);
    say_costs(&record, console);
    console.print_either(&record, |_| {
        outputs.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join("\n")
    })
}

/// What is computed on.
pub(super) struct Input<'a> {
    /// Name of the phenotype.
    pub name: &'a str,
    /// People with a phenotype, and the variants.
    pub cohort: &'a Cohort,
    /// Whether each of them is a case.
    pub cases: &'a [bool],
    /// Planes to sum.
    pub planes: &'a [PlaneKind],
}

/// The people who have a phenotype, and who of them is a case.
fn participants(cohort: &Cohort, status: &[Option<bool>]) -> Result<(Cohort, Vec<bool>)> {
    let rows: Vec<u32> =
        (0..).zip(status).filter(|(_, s)| s.is_some()).map(|(row, _)| row).collect();
    let cohort = cohort.with_rows(&rows).map_err(Error::input)?;
    Ok((cohort, status.iter().copied().flatten().collect()))
}

/// Sums without encryption, through the same packing.
pub(super) fn in_the_clear(input: &Input<'_>) -> Result<Outcome> {
    let weights: Vec<i64> = input.cases.iter().map(|&c| i64::from(c)).collect();
    let planes = plain_sums(input.cohort, &[&weights], input.planes, PLAINTEXT_DEGREE)
        .map_err(Error::input)?;
    let mut sums = vec![VariantSums::default(); input.cohort.variant_count() as usize];
    for plane in &planes {
        let weighted = plane.weighted.first().map_or(&[][..], Vec::as_slice);
        for ((sums, &all), &cases) in sums.iter_mut().zip(&plane.plain).zip(weighted) {
            set_plane(&mut sums.all, plane.plane, all);
            set_plane(&mut sums.cases, plane.plane, cases);
        }
    }
    let cases = input.cases.iter().filter(|&&c| c).count() as u32;
    Ok(Outcome { sums, people: input.cohort.people(), cases })
}

/// Encrypts, uploads, has the server compute, decrypts.
fn encrypted(
    args: &AssocArgs,
    input: &Input<'_>,
    threads: usize,
    stages: &Stages,
    record: &mut RunRecord,
    console: &Console,
) -> Result<Opened> {
    let identity = match &args.key {
        Some(path) => Identity::load(path, &args.passphrase.passphrase_file.clone().into())?,
        None => Identity::ephemeral()?,
    };
    let identity = Arc::new(identity);
    let local = match &args.server {
        Some(_) => None,
        None => Some(stages.time("start server", || {
            LocalServer::start(identity.did(), threads, args.temp_dir.as_deref(), console)
        })?),
    };
    if let Some(local) = &local {
        stages.watch_server(local.pid());
    }
    let url = match (&args.server, &local) {
        (Some(url), _) => url.clone(),
        (None, Some(local)) => local.url().clone(),
        (None, None) => return Err(Error::Internal("no server".into())),
    };
    let client = Client::new(url.clone(), identity, &Options::from(&args.connection))?;
    let connections = usize::from(args.connection.connections);
    let how = How { release: args.release.release(), key: args.key.as_deref(), connections };
    let (outcome, ids) = round_trip(&client, &how, input, stages, record, console)?;
    if args.key.is_none() && local.is_none() {
        // Nobody will ever have the keys again: leave nothing behind.
        client.delete(Collection::Grants, &ids.grant)?;
        client.delete(Collection::Phenotypes, &ids.phenotype)?;
        client.delete(Collection::Datasets, &ids.dataset)?;
    }
    record.traffic(client.traffic());
    record.server = Some(ServerRecord {
        url: url.to_string(),
        pid: local.as_ref().map(LocalServer::pid),
        usage: local.as_ref().map(LocalServer::usage).unwrap_or_default(),
    });
    Ok(outcome)
}

/// How a run is done.
struct How<'a> {
    release: Release,
    key: Option<&'a Path>,
    connections: usize,
}

/// The names of what a run left on the server.
struct Ids {
    dataset: Digest,
    phenotype: Digest,
    grant: Digest,
}

fn round_trip(
    client: &Client,
    how: &How<'_>,
    input: &Input<'_>,
    stages: &Stages,
    record: &mut RunRecord,
    console: &Console,
) -> Result<(Opened, Ids)> {
    let Input { name, cohort, cases, planes } = *input;
    let How { release, connections, .. } = *how;
    let identity = Arc::clone(client.identity());
    let request = PlanRequest::sole_holder(cohort.people());
    let plan = match release {
        Release::Counts => Plan::new(request).map_err(Error::input)?,
        _ => finishing_plan(request, values(cohort.variant_count(), planes.len(), 1))?,
    };
    let ring = Ring::new(plan.params());
    record.encryption = Some(plan.params().into());

    let dataset = stages.time("encrypt and upload", || {
        remote::send_panel(client, cohort.panel())?;
        let values =
            u64::from(cohort.people()) * u64::from(cohort.variant_count()) * planes.len() as u64;
        let progress = console.progress("encrypt", values, Unit::Items("genotypes"));
        let quiet = Console::silent().progress("upload", 0, Unit::Bytes);
        let sink = UploadSink::start(client, connections, &quiet)?;
        let input = DatasetInput {
            name: String::new(),
            cohort,
            planes: planes.to_vec(),
            plan,
            absent: None,
        };
        let dataset = encrypt_dataset(
            &ring,
            input,
            identity.master(),
            &remote::entropy()?,
            &sink,
            &progress,
        )?;
        sink.finish()?;
        progress.finish();
        Ok::<_, Error>(dataset)
    })?;
    let envelope = sign(&dataset, &identity)?;
    client.put_manifest(Collection::Datasets, &envelope)?;
    let dataset_id = envelope.id();
    record.count("chunks", dataset.chunks.len());

    let (phenotype_id, study_id, study, grant_id) = stages.time("phenotype and grant", || {
        let quiet = Console::silent().progress("upload", 0, Unit::Bytes);
        let sink = UploadSink::start(client, connections, &quiet)?;
        let status: Vec<Option<bool>> = cases.iter().copied().map(Some).collect();
        let phenotype = encrypt_phenotype(
            &ring,
            name.to_owned(),
            (dataset_id, &dataset),
            (&status, Participation::Public),
            identity.master(),
            &remote::entropy()?,
            &sink,
        )?;
        sink.finish()?;
        let envelope = sign(&phenotype, &identity)?;
        client.put_manifest(Collection::Phenotypes, &envelope)?;
        let text = StudyText {
            name: name.to_owned(),
            purpose: "a single run of hegwas assoc".to_owned(),
            min_people: 1,
            release,
        };
        let (study_id, study) = remote::create_study(client, &ring, &dataset, text)?;
        let (grant, _) = remote::create_grant(
            client,
            &ring,
            (dataset_id, &dataset),
            (study_id, &study),
            86_400,
        )?;
        Ok::<_, Error>((envelope.id(), study_id, study, grant))
    })?;

    let status = stages.time("compute", || {
        let input =
            JobInput::Rows { dataset: dataset_id, phenotype: phenotype_id, grant: grant_id };
        let job = job(study_id, vec![input], now());
        let id = remote::submit(client, &job)?;
        remote::wait(client, &id, console)
    })?;
    let ids = Ids { dataset: dataset_id, phenotype: phenotype_id, grant: grant_id };
    if release != Release::Counts {
        let opened = finish(client, &ring, (&study_id, how.key), &status, input, stages, console)?;
        return Ok((Opened::Statistic(Box::new(study), opened), ids));
    }
    let outcome = stages.time("decrypt", || {
        let result = remote::result(client, &status)?;
        let key = HolderKey::derive(identity.master(), &ring, study_id);
        let progress =
            console.progress("decrypt", result.units.len() as u64 + 1, Unit::Items("units"));
        let inputs = Inputs {
            people: vec![cohort.people()],
            presence: Presence::new(study.variants, &[None]),
        };
        let opened = open_result(
            &ring,
            (&study, &inputs),
            &result,
            &|chunk| remote::fetch(client, chunk),
            &Opener::Key(&key),
            &progress,
        )?;
        progress.finish();
        Ok::<_, Error>(Outcome {
            sums: opened.variants,
            people: opened.people,
            cases: opened.cases,
        })
    })?;
    Ok((Opened::Sums(outcome), ids))
}

/// Refreshes the sums, has the server finish the statistic, opens it.
fn finish(
    client: &Client,
    ring: &Ring,
    (study, key): (&Digest, Option<&Path>),
    status: &JobStatus,
    input: &Input<'_>,
    stages: &Stages,
    console: &Console,
) -> Result<Statistic> {
    // Keys in memory are gone after the run, and so is what is remembered of them.
    let folder = tempfile::tempdir().map_err(|e| Error::Internal(e.to_string()))?;
    let key = key.map_or_else(|| folder.path().join("key"), Path::to_owned);
    let study = super::ceremony::signed(client, study)?;
    stages.time("refresh", || {
        let master = client.identity().master();
        let mut holder = Holder {
            client,
            ring: Ring::new(ring.params()),
            key: HolderKey::derive(master, ring, study.id),
            finisher: Finisher::new(&study, master),
            store: Store::open(&key, study.id, study.message.plan)?,
            policy: Policy::open(),
            console,
            study: study.clone(),
        };
        while let Some(done) = holder.step(status, &|_, _| Ok(()))? {
            console.note(done);
        }
        Ok::<_, Error>(())
    })?;
    let status = stages.time("finish", || remote::wait(client, &status.job, console))?;
    stages.time("decrypt", || {
        let result = remote::result(client, &status)?;
        let inputs = Inputs {
            people: vec![input.cohort.people()],
            presence: Presence::new(study.message.variants, &[None]),
        };
        let (study, status, inputs) = (&study, &status, &inputs);
        statistic::Job { client, ring, study, status, result: &result, inputs }.open(console)
    })
}
