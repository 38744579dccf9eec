//! `hegwas share` and `hegwas result`.

use gwas::io::Exclusions;
use gwas::panel::Panel;
use gwas::qc::{Thresholds, filter_pooled};
use gwas::stats::Test;
use gwas::stats::counts::VariantSums;
use gwas::wire::{ChunkRef, Job, JobResult, Opened, SharePhase, Study};
use he_core::Digest;
use he_core::arith::Ring;
use he_core::result::SwitchedUnit;
use he_core::share::DecryptionShare;
use he_core_secret::{HolderKey, decryption_share};

use super::folder::PrivateFile;
use super::inputs::{self, Known};
use super::make::client;
use super::open::{Opener, objects, open};
use super::publish::{self, Findings};
use super::shares::{Received, Subject};
use super::{remote, statistic, use_threads};
use crate::cli::result::{ReleasedFilterArgs, ResultArgs};
use crate::cli::share::ShareArgs;
use crate::console::{Console, Unit};
use crate::net::{Client, Collection};
use crate::shares::ShareFile;
use crate::{Error, Result};

/// A computed job with its study.
struct Computed {
    job: Opened<Job>,
    study: Opened<Study>,
    result: JobResult,
}

fn load(client: &Client, id: &Digest) -> Result<Computed> {
    let job = client.get_manifest::<Job>(Collection::Jobs, id)?;
    let study = client.get_manifest::<Study>(Collection::Studies, &job.message.study)?;
    let result = remote::result(client, &client.job_status(id)?)?;
    Ok(Computed { job, study, result })
}

/// Writes a file with the caller's shares of a job's result.
///
/// # Errors
/// When the job is not computed, the study has another key holder, or the file can't be written.
pub fn share(args: &ShareArgs, console: &Console) -> Result<()> {
    let client = client(&args.server, &args.key)?;
    let Computed { study, result, .. } = load(&client, &args.job)?;
    statistic::refuse_counts(&study.message, &args.job)?;
    let ring = Ring::new(study.message.plan.params());
    let key = holder_key(&client, &ring, &study)?;
    let mut file = PrivateFile::create(&args.out)?;
    let progress = console.progress("share", result.units.len() as u64 + 1, Unit::Items("units"));
    for (chunk, plane, group) in objects(&result) {
        let object = remote::fetch(&client, &chunk)?;
        let unit =
            SwitchedUnit::from_bytes(&object, ring.params(), result.job.short(), plane, group)
                .map_err(Error::corrupt)?;
        let share = decryption_share(&study.message.plan, &key, &unit).map_err(Error::input)?;
        file.write(&share.to_bytes(chunk.digest.short()))?;
        progress.inc(1);
    }
    progress.finish();
    file.publish()?;
    console.warn(
        "a share of a sole key holder carries no noise: with this file and the result the study's key can be computed. Keep it \
         as secret as your key file, and give it to nobody who may not decrypt everything of this study",
    );
    Ok(())
}

/// The caller's key of a study, if it is one of the holders.
fn holder_key(client: &Client, ring: &Ring, study: &Opened<Study>) -> Result<HolderKey> {
    if !study.message.key_holders.contains(&client.did()) {
        return Err(Error::input("your key is not one of the study's key holders'")
            .with_remedy("use the key file that made the study, or give a share made with it"));
    }
    Ok(HolderKey::derive(client.identity().master(), ring, study.id))
}

/// Decrypts a result into a table.
///
/// # Errors
/// When the job is not computed, or key or share do not decrypt it.
pub fn result(args: &ResultArgs, console: &Console) -> Result<()> {
    publish::check_prefix(&args.output.out)?;
    use_threads(args.threads.count());
    let client = client(&args.server, &args.key)?;
    let Computed { job, study, result } = load(&client, &args.job)?;
    let ring = Ring::new(study.message.plan.params());
    let panel = panel(&client, &study.message.panel)?;
    let fetch = |chunk: &ChunkRef| remote::fetch(&client, chunk);
    let Known { inputs, phenotype: name } =
        inputs::known(&client, &study.message, &job.message, &args.manifest)?;
    if study.message.is_finished() {
        return released(
            args,
            (&client, &ring),
            (&study, &result),
            (&inputs, &panel, &name),
            console,
        );
    }
    let progress = console.progress("decrypt", result.units.len() as u64 + 1, Unit::Items("units"));
    let about = (&study.message, &inputs);
    let opened = match &args.share {
        None if study.message.is_shared() => {
            let id = remote::computed(&client.job_status(&args.job)?)?;
            let subject =
                Subject { client: &client, study: &study, result: &result, id, values: &[] };
            let totals = Received::load(subject, SharePhase::Totals)?;
            let sums = Received::load(subject, SharePhase::Sums)?;
            let find = |chunk: &ChunkRef, unit: &SwitchedUnit| {
                let received = if totals.has(chunk) { &totals } else { &sums };
                received.of_unit(chunk, unit)
            };
            open(&ring, about, &result, &fetch, &Opener::Shares(&find), &progress)?
        }
        None => {
            let key = holder_key(&client, &ring, &study)?;
            open(&ring, about, &result, &fetch, &Opener::Key(&key), &progress)?
        }
        Some(path) => {
            let shares = ShareFile::open(path)?;
            let find = |chunk: &ChunkRef, unit: &SwitchedUnit| {
                let bytes = shares.get(&chunk.digest)?;
                let share = DecryptionShare::from_bytes(&bytes, unit, chunk.digest.short());
                Ok(vec![share.map_err(Error::corrupt)?])
            };
            open(&ring, about, &result, &fetch, &Opener::Shares(&find), &progress)?
        }
    };
    progress.finish();
    let thresholds = thresholds(&args.filters);
    let (people, cases) = (opened.people, opened.cases);
    let (panel, sums, exclusions) = match thresholds {
        None => (panel, opened.variants, None),
        Some(thresholds) => {
            let found = filtered(&panel, &opened, &thresholds, console)?;
            (found.panel, found.sums, Some(found.exclusions))
        }
    };
    let findings = Findings { panel: &panel, phenotype: &name, people, cases, sums: &sums };
    let tests = publish::tests(&args.tests.tests());
    let mut files = publish::write(&findings, &tests, &args.output, console)?;
    if let Some(exclusions) = exclusions {
        files.push(publish::write_exclusions(&args.output.out, &exclusions)?);
    }
    let files: Vec<String> = files.iter().map(|p| p.display().to_string()).collect();
    console.print_either(&files, |files| files.join("\n"))
}

/// Decrypts a statistic that was finished under encryption.
fn released(
    args: &ResultArgs,
    (client, ring): (&Client, &Ring),
    (study, result): (&Opened<Study>, &JobResult),
    (inputs, panel, name): (&super::open::Inputs, &Panel, &str),
    console: &Console,
) -> Result<()> {
    statistic::check_output(&args.output)?;
    let tests = publish::tests(&args.tests.tests());
    if args.share.is_some() || thresholds(&args.filters).is_some() || tests != [Test::Allelic] {
        return Err(Error::usage(
            "the study releases a statistic alone: there is no share file for it, and no counts to filter by or to test otherwise",
            "leave out --share, --maf, --geno, --hwe and --test",
        ));
    }
    let status = client.job_status(&args.job)?;
    let job = statistic::Job { client, ring, study, status: &status, result, inputs };
    let opened = job.open(console)?;
    let about = (&study.message, panel, name);
    let files = statistic::write(about, &opened, &args.output, console)?;
    let files: Vec<String> = files.iter().map(|p| p.display().to_string()).collect();
    console.print_either(&files, |files| files.join("\n"))
}

/// The thresholds that the user set, if any.
fn thresholds(filters: &ReleasedFilterArgs) -> Option<Thresholds> {
    let ReleasedFilterArgs { maf, geno, hwe } = *filters;
    let set = maf.is_some() || geno.is_some() || hwe.is_some();
    set.then_some(Thresholds { maf, geno, hwe, nonfounders: true })
}

/// The variants that filters left.
struct Filtered {
    panel: Panel,
    sums: Vec<VariantSums>,
    exclusions: Exclusions,
}

/// Applies filters to decrypted sums.
fn filtered(
    panel: &Panel,
    opened: &super::open::Opened,
    thresholds: &Thresholds,
    console: &Console,
) -> Result<Filtered> {
    let verdict = filter_pooled(&opened.variants, opened.people, opened.cases, thresholds)
        .map_err(Error::input)?;
    for line in verdict.summary() {
        console.note(line);
    }
    if verdict.kept.is_empty() {
        return Err(Error::input("no variant is left after the filters")
            .with_remedy("loosen --maf, --geno or --hwe"));
    }
    let mut exclusions = Exclusions::default();
    for (&variant, &reason) in &verdict.removed {
        if let Some(variant) = panel.get(variant) {
            exclusions.push(variant, reason);
        }
    }
    let sums = verdict.kept.iter().filter_map(|&v| opened.variants.get(v as usize).copied());
    let sums = sums.collect();
    Ok(Filtered { panel: panel.select(&verdict.kept).map_err(Error::input)?, sums, exclusions })
}

/// Downloads a panel and checks its digest.
fn panel(client: &Client, digest: &Digest) -> Result<Panel> {
    let text = client.get_panel(digest)?;
    let panel = Panel::read_text(&text[..]).map_err(Error::corrupt)?;
    if panel.digest() == *digest {
        Ok(panel)
    } else {
        Err(Error::corrupt("the server sent another panel than the study's"))
    }
}
