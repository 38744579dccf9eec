//! Which jobs a key holder shares: the study's limits, and stricter ones of its own.

use std::collections::{BTreeMap, BTreeSet};

use gwas::wire::{Did, GroupSize, Participation, RowSet, Study};
use he_core::Digest;
use he_core::share::UnitValues;

use super::inputs::{Inputs, refused};
use super::store::CheckedJob;
use crate::Result;

/// A holder's own limits. What is not stricter than the study's changes nothing.
#[derive(Clone, Copy, Debug)]
pub(in crate::pipeline) struct Policy {
    /// Fewest people in a job.
    pub min_people: u32,
    /// Fewest cases in a job.
    pub min_cases: u32,
    /// Fewest controls in a job.
    pub min_controls: u32,
    /// Fewest data owners in a job.
    pub min_sites: u32,
    /// Most jobs.
    pub max_jobs: u32,
}

impl Policy {
    /// No limits of the holder's own.
    pub(in crate::pipeline) fn open() -> Self {
        Self { min_people: 0, min_cases: 0, min_controls: 0, min_sites: 0, max_jobs: u32::MAX }
    }

    /// Together with the study's limits.
    pub(super) fn with(self, study: &Study) -> Self {
        let limits = &study.limits;
        Self {
            min_people: self.min_people.max(limits.min_people),
            min_cases: self.min_cases.max(limits.min_cases),
            min_controls: self.min_controls.max(limits.min_controls),
            min_sites: self.min_sites.max(limits.min_sites),
            max_jobs: self.max_jobs.min(limits.max_jobs),
        }
    }

    /// Checks what everybody can see of a job, `now` by the holder's own clock; `earlier` are the jobs that it checked.
    ///
    /// # Errors
    /// The first limit that the job does not keep.
    pub(super) fn check(self, inputs: &Inputs, earlier: &[CheckedJob], now: u64) -> Result<()> {
        let study = &inputs.study.message;
        if inputs.expires <= now {
            return Err(refused("a grant of the job has expired"));
        }
        let people = inputs.people();
        at_least("people", people, self.min_people)?;
        let planned = study.plan.request().people;
        if people > u64::from(planned) {
            return Err(refused(format_args!(
                "{people} people; the study's plan is made for {planned}"
            )));
        }
        for pattern in 0..inputs.presence.patterns() {
            at_least("people who have some variant", inputs.people_of(pattern), self.min_people)?;
        }
        at_least("data owners", inputs.owners.len() as u64, self.min_sites)?;
        let others = || earlier.iter().filter(|checked| checked.job != inputs.job.id);
        if others().count() >= self.max_jobs as usize {
            return Err(refused(format_args!("the budget of {} jobs is used up", self.max_jobs)));
        }
        let fewest = u64::from(study.limits.min_changed_rows);
        for checked in others() {
            let changed = changed(inputs, checked);
            if changed != 0 && changed < fewest {
                return Err(refused(format_args!(
                    "the rows differ from those of job {} by {changed}; the study demands the same rows or at least {fewest} others",
                    checked.job
                )));
            }
        }
        Ok(())
    }

    /// Checks the decrypted totals, one object of presence patterns after the other; the people and cases of each pattern.
    ///
    /// # Errors
    /// When there are too few cases, controls or people for some variant, or the numbers are none.
    pub(super) fn check_totals(
        self,
        inputs: &Inputs,
        totals: &[UnitValues],
    ) -> Result<Vec<GroupSize>> {
        let mut groups = Vec::new();
        let degree = inputs.study.message.plan.params().degree() as u32;
        for pattern in 0..inputs.presence.patterns() {
            let (polynomial, place) = (pattern / degree, (pattern % degree) as usize);
            let (object, body) = (polynomial / 8, (polynomial % 8) as usize);
            let value = |channel| {
                let values = totals.get(object as usize)?.get(body, channel);
                u64::try_from(*values.get(place)?).ok()
            };
            let numbers = match inputs.study.message.participation {
                Participation::Public => value(0).map(|cases| (inputs.people_of(pattern), cases)),
                Participation::Encrypted => value(0).zip(value(1)),
            };
            let sound = numbers
                .filter(|(people, cases)| cases <= people && *people <= inputs.people_of(pattern));
            let (people, cases) =
                sound.ok_or_else(|| refused("the numbers of people and cases are no counts"))?;
            at_least("people", people, self.min_people)?;
            at_least("cases", cases, self.min_cases)?;
            at_least("controls", people - cases, self.min_controls)?;
            // Both are at most the people of the study's plan.
            let size = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
            groups.push(GroupSize { people: size(people), cases: size(cases) });
        }
        Ok(groups)
    }
}

impl Inputs {
    /// People of the inputs that have a pattern's variants, as far as everybody can see.
    fn people_of(&self, pattern: u32) -> u64 {
        let has = |(number, _): &(usize, _)| self.presence.contains(pattern, *number);
        self.list.iter().enumerate().filter(has).map(|(_, input)| u64::from(input.people())).sum()
    }
}

fn at_least(what: &str, found: u64, fewest: u32) -> Result<()> {
    if found >= u64::from(fewest) {
        return Ok(());
    }
    // The number found is not said: of cases and controls it is what the limit protects.
    Err(refused(format_args!("fewer than {fewest} {what}")))
}

/// Rows that one of two jobs has and the other has not. Of totals nobody sees the rows: an owner's totals count where the other
/// job has none of that owner.
fn changed(inputs: &Inputs, checked: &CheckedJob) -> u64 {
    let rows: BTreeMap<&Digest, &RowSet> = checked.rows.iter().map(|(d, r)| (d, r)).collect();
    let totals: BTreeMap<&Did, u32> = checked.totals.iter().map(|(d, n)| (d, *n)).collect();
    let nothing = RowSet::default();
    let datasets: BTreeSet<&Digest> = inputs.rows.keys().chain(rows.keys().copied()).collect();
    let differing = datasets.into_iter().map(|dataset| {
        let now = inputs.rows.get(dataset).unwrap_or(&nothing);
        u64::from(now.differences(rows.get(dataset).copied().unwrap_or(&nothing)))
    });
    let new = inputs.totals.iter().filter(|(owner, _)| !totals.contains_key(owner));
    let gone = totals.iter().filter(|(owner, _)| !inputs.totals.contains_key(owner));
    differing.sum::<u64>()
        + new.map(|(_, people)| u64::from(*people)).sum::<u64>()
        + gone.map(|(_, people)| u64::from(*people)).sum::<u64>()
}
