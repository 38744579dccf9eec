//! The limits of a study that the server can see: it refuses what key holders would refuse too, only earlier.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gwas::wire::status::JobState;
use gwas::wire::{Did, Job, JobInput, Phenotype, RowSet, Study, Totals};
use he_core::Digest;

use super::{load_result, require};
use crate::app::{App, blocking};
use crate::error::ApiError;

/// What a job takes part with, as everybody can see it.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// Rows of datasets that are summed, with the number of rows that there are.
    pub(super) rows: BTreeMap<Digest, (u32, RowSet)>,
    /// People whom totals attest, by owner.
    pub(super) totals: BTreeMap<Did, u32>,
    /// Owners of the inputs.
    pub(super) owners: BTreeSet<Did>,
    /// Inputs that were erased since.
    erased: u64,
    /// Their people: nobody can tell which rows they were.
    gone: u64,
    /// Datasets whose phenotype was erased: nobody can tell which of their rows took part.
    unclear: BTreeSet<Digest>,
}

impl Seen {
    /// People in all.
    pub(super) fn people(&self) -> u64 {
        let rows = self.rows.values().map(|(_, rows)| u64::from(rows.count()));
        rows.chain(self.totals.values().map(|people| u64::from(*people))).sum()
    }

    /// Rows that one has and an earlier job has not, or the other way round: at least so many. Of totals nobody sees the rows: an
    /// owner's totals count where the other job has none of that owner. Rows that can't be told apart any more count as one.
    fn changed(&self, other: &Self) -> u64 {
        let unclear = other.unclear.iter().filter(|d| self.rows.contains_key(*d)).count() as u64;
        let gone = if unclear == 0 { other.gone } else { other.erased.saturating_sub(unclear) };
        let one_way = |a: &Self, b: &Self| -> u64 {
            let totals = a.totals.iter().filter(|(owner, _)| !b.totals.contains_key(owner));
            totals.map(|(_, people)| u64::from(*people)).sum()
        };
        let datasets: BTreeSet<&Digest> = self.rows.keys().chain(other.rows.keys()).collect();
        let clear = datasets.into_iter().filter(|dataset| !other.unclear.contains(*dataset));
        let rows = clear.map(|dataset| {
            let (a, b) = (self.rows.get(dataset), other.rows.get(dataset));
            let length = a.or(b).map_or(0, |(rows, _)| *rows);
            let has = |set: Option<&(u32, RowSet)>, row| set.is_some_and(|(_, s)| s.contains(row));
            (0..length).filter(|row| has(a, *row) != has(b, *row)).count() as u64
        });
        rows.sum::<u64>() + one_way(self, other) + one_way(other, self) + unclear + gone
    }
}

/// Checks a job against the study's limits.
///
/// # Errors
/// When it is not within them, with the limit.
pub(super) async fn check(
    app: &Arc<App>,
    id: &Digest,
    study: &Study,
    seen: &Seen,
) -> Result<(), ApiError> {
    let (people, limits) = (seen.people(), study.limits);
    require(
        people >= u64::from(limits.min_people),
        &format!("{people} people take part; the study demands {}", limits.min_people),
    )?;
    let planned = study.plan.request().people;
    require(
        people <= u64::from(planned),
        &format!("{people} people take part; the study's plan is made for {planned}"),
    )?;
    let sites = seen.owners.len();
    require(
        sites >= limits.min_sites as usize,
        &format!("{sites} data owners take part; the study demands {}", limits.min_sites),
    )?;
    let (mut counting, mut compared) = (0, Vec::new());
    for job in app.index.study_jobs(id).await? {
        let ended = [JobState::Failed, JobState::Cancelled, JobState::Revoked].contains(&job.state);
        counting += usize::from(!ended);
        // A job that was stopped before its sums were shared may have had its totals shared.
        if !ended || job.result.is_some() {
            compared.push(job.job);
        }
    }
    require(
        counting < limits.max_jobs as usize,
        &format!("the study's budget of {} jobs is used up", limits.max_jobs),
    )?;
    if limits.min_changed_rows > 0 {
        for earlier in compared {
            let (now, then) = (seen.clone(), of_job(app, &earlier).await?);
            let changed = blocking(move || Ok(now.changed(&then))).await?;
            require(
                changed == 0 || changed >= u64::from(limits.min_changed_rows),
                &format!(
                    "the rows differ from those of job {earlier} by {changed}; the study demands the same rows or at \
                     least {} others, so that no difference of two results is of few people",
                    limits.min_changed_rows
                ),
            )?;
        }
    }
    Ok(())
}

/// What an earlier job took part with.
async fn of_job(app: &Arc<App>, id: &Digest) -> Result<Seen, ApiError> {
    let mut seen = Seen::default();
    for input in app.load::<Job>(id).await?.message.inputs {
        match input {
            JobInput::Rows { dataset, phenotype, .. } => {
                match app.index.manifest(&phenotype).await? {
                    Some(_) => {
                        let weights = app.load::<Phenotype>(&phenotype).await?.message;
                        seen.rows.insert(dataset, (weights.rows, weights.participating));
                    }
                    None => {
                        seen.erased += 1;
                        seen.unclear.insert(dataset);
                    }
                }
            }
            JobInput::Totals { totals } => match app.index.manifest(&totals).await? {
                Some(row) => {
                    let totals = app.load::<Totals>(&totals).await?.message;
                    let people = seen.totals.entry(row.owner).or_default();
                    *people = people.saturating_add(totals.people);
                }
                None => seen.erased += 1,
            },
        }
    }
    if seen.erased > 0 {
        // Each had a person at least; a result says how many they were.
        let people = people_of_result(app, id).await?.saturating_sub(seen.people());
        seen.gone = people.max(seen.erased);
    }
    Ok(seen)
}

/// People whom the result of a job is over; 0 where there is none yet.
async fn people_of_result(app: &Arc<App>, id: &Digest) -> Result<u64, ApiError> {
    let result = app.index.job(id).await?.and_then(|status| status.result);
    match result {
        Some(result) => Ok(u64::from(load_result(app, result).await?.people)),
        None => Ok(0),
    }
}
