//! Opening a statistic that was finished on ciphertexts: from holders' shares, or by a sole holder, to a table.

use std::path::PathBuf;

use gwas::finish::Finding;
use gwas::panel::Panel;
use gwas::report::{self, HitCounts, Released};
use gwas::stats::denominators::{Denominators, Group};
use gwas::stats::pvalue::survival;
use gwas::wire::status::JobStatus;
use gwas::wire::{
    ChunkRef, GroupSize, HitRule, JobResult, Opened, Release, SharePhase, Study, millionths,
};
use he_core::Digest;
use he_core::arith::Ring;
use he_core::ckks::{EvaluatedResult, ReleaseShare, combine};
use he_core::result::SwitchedUnit;
use he_core_secret::HolderKey;

use super::open::{Inputs, Opener, open_totals};
use super::publish;
use super::remote;
use super::shares::{Finisher, Received, Replay, Subject, finished_of};
use crate::cli::common::OutputArgs;
use crate::console::{Console, Unit};
use crate::net::Client;
use crate::{Error, Result};

/// A released statistic.
pub(super) struct Statistic {
    /// People who take part.
    pub people: u32,
    /// Cases among them.
    pub cases: u32,
    /// One for each variant of the panel.
    pub released: Vec<Released>,
}

/// A job whose statistic is finished.
pub(super) struct Job<'a> {
    pub client: &'a Client,
    pub ring: &'a Ring,
    pub study: &'a Opened<Study>,
    pub status: &'a JobStatus,
    pub result: &'a JobResult,
    pub inputs: &'a Inputs,
}

impl Job<'_> {
    /// Opens the statistic: from what the holders shared, or with the sole holder's key, which computes all of it again first.
    ///
    /// # Errors
    /// When it is not finished, shares are missing, or something is not what it should be.
    pub(super) fn open(&self, console: &Console) -> Result<Statistic> {
        let Self { client, study, status, result, inputs, .. } = *self;
        let master = client.identity().master();
        let finisher = Finisher::new(study, master)
            .ok_or_else(|| Error::Internal("the study releases counts".into()))?;
        let finished = finished_of(client, status)?;
        let id = remote::computed(status)?;
        let subject = Subject { client, study, result, id, values: &finished.values };
        let denominators = self.totals(subject, console)?;
        let mut values = Vec::new();
        let holders = study.message.key_holders.len();
        let largest = finisher.plan.largest();
        let mut take = |value: &EvaluatedResult, shares: &[ReleaseShare]| {
            let opened = combine(&finisher.ring, value, holders, shares, largest);
            values.extend(opened.map_err(Error::corrupt)?);
            Ok::<_, Error>(())
        };
        if study.message.is_shared() {
            let received = Received::load(subject, SharePhase::Values)?;
            let batches = finished.values.len() as u64;
            let progress = console.progress("decrypt", batches, Unit::Items("batches"));
            for (batch, chunk) in (0..).zip(&finished.values) {
                let value = finisher.value(client, &result.job, chunk, batch)?;
                let read = |bytes: Vec<u8>| {
                    let params = finisher.plan.params();
                    ReleaseShare::from_bytes(&bytes, params, &chunk.digest).map_err(Error::corrupt)
                };
                let shares = received.shares(chunk)?.into_iter().map(read);
                take(&value, &shares.collect::<Result<Vec<_>>>()?)?;
                progress.inc(1);
            }
            progress.finish();
        } else {
            let size = |group: &Group| GroupSize { people: group.people, cases: group.cases };
            let groups: Vec<GroupSize> = denominators.of_patterns().iter().map(size).collect();
            let replay = Replay { subject, presence: &inputs.presence, groups: &groups };
            replay.run(console, |_, value| take(value, &[finisher.share(&result.job, value)]))?;
        }
        let defined = |group: &Group| group.cases > 0 && group.cases < group.people;
        let released = (0..study.message.variants).zip(values).map(|(variant, value)| {
            let group = denominators.at(variant);
            let found =
                if defined(&group) { finisher.plan.read(value) } else { Finding::Undefined };
            Released { people: group.people, found }
        });
        let Group { people, cases } = denominators.all();
        Ok(Statistic { people, cases, released: released.collect() })
    }

    /// The numbers of people and cases.
    fn totals(&self, subject: Subject<'_>, console: &Console) -> Result<Denominators> {
        let Self { client, ring, study, result, inputs, .. } = *self;
        let about = (&study.message, inputs);
        let fetch = |chunk: &ChunkRef| remote::fetch(client, chunk);
        let progress =
            console.progress("decrypt", result.totals.len() as u64, Unit::Items("units"));
        let opened = if study.message.is_shared() {
            let received = Received::load(subject, SharePhase::Totals)?;
            let find = |chunk: &ChunkRef, unit: &SwitchedUnit| received.of_unit(chunk, unit);
            open_totals(ring, about, result, &fetch, &Opener::Shares(&find), &progress)?
        } else {
            let key = HolderKey::derive(client.identity().master(), ring, study.id);
            open_totals(ring, about, result, &fetch, &Opener::Key(&key), &progress)?
        };
        progress.finish();
        Ok(opened)
    }
}

/// Writes table and plots, and prints what was found.
pub(super) fn write(
    (study, panel, phenotype): (&Study, &Panel, &str),
    statistic: &Statistic,
    output: &OutputArgs,
    console: &Console,
) -> Result<Vec<PathBuf>> {
    let Statistic { people, cases, ref released } = *statistic;
    let (files, text) = match study.release {
        Release::Hits(rule) | Release::HitsWithValues(rule) => {
            let written = report::write_hits(&output.out, panel, released.iter().copied());
            let (path, hits) = written.map_err(Error::file("write", &output.out))?;
            (vec![path], hits_in_words(&hits, &rule, released.len()))
        }
        _ => {
            let written = report::write_released(&output.out, panel, released.iter().copied());
            let (path, summary) = written.map_err(Error::file("write", &output.out))?;
            let mut files = vec![path];
            files.extend(publish::draw(panel, &summary, (phenotype, people, cases), output)?);
            (files, report::paragraph(panel, &summary))
        }
    };
    if !console.json() {
        console.note(text);
        console.note(note(study));
    }
    Ok(files)
}

/// How many hits there are.
fn hits_in_words(hits: &HitCounts, rule: &HitRule, variants: usize) -> String {
    let HitCounts { hits, undecided, undefined } = hits;
    let [z, band] = [rule.threshold, rule.band].map(millionths);
    format!(
        "{hits} of {variants} variants are hits (|Z| above {z}, p below {:.3e}); {undecided} lie in the band of {band} to either side, where either answer may come; {undefined} have no statistic",
        survival(z * z, 1)
    )
}

/// What the numbers are.
fn note(study: &Study) -> String {
    match study.release {
        Release::Counts => String::new(),
        Release::Statistic { smallest_frequency } => format!(
            "chi-squares were computed under encryption; Z_ERROR bounds the error of their roots for minor allele frequencies from {} on, rarer variants come out too small",
            millionths(smallest_frequency)
        ),
        Release::Hits(rule) | Release::HitsWithValues(rule) => format!(
            "hits were told from the rest under encryption, and nothing else was decrypted; variants rarer than {} are hits only from a larger |Z| on, none is one below the band",
            millionths(rule.smallest_frequency)
        ),
    }
}

/// Refuses outputs that a study cannot have which releases a statistic alone.
pub(super) fn check_output(output: &OutputArgs) -> Result<()> {
    use crate::cli::common::TableFormat;
    if output.format == TableFormat::Native {
        return Ok(());
    }
    Err(Error::usage(
        "a statistic that is computed under encryption has no counts, which this format needs",
        "leave out --format",
    ))
}

/// Refuses a share of the sums where a statistic is released.
pub(super) fn refuse_counts(study: &Study, job: &Digest) -> Result<()> {
    if study.is_finished() {
        return Err(Error::input(format_args!(
            "the study of job {job} releases {}: its sums are not decrypted",
            released(study.release)
        ))
        .with_remedy("write the statistic's table with `hegwas result`"));
    }
    Ok(())
}

/// What a study releases that releases no counts.
fn released(release: Release) -> &'static str {
    match release {
        Release::Hits(_) | Release::HitsWithValues(_) => "hits",
        _ => "a statistic",
    }
}
