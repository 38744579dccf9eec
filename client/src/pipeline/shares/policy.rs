//! Which jobs a key holder shares: the study's limits, and stricter ones of its own.

use std::collections::BTreeSet;

use gwas::wire::{Did, GroupSize, Participation, ReleaseKind, Statistic, Study};
use he_core::Digest;
use he_core::share::UnitValues;

use super::budget::Budget;
use super::differences::{Contribution, TooMany, fewest_differing};
use super::inputs::{Inputs, refused};
use super::store::CheckedJob;
use crate::Result;

/// Different totals of an owner that are decrypted beyond the number of jobs of a study: for jobs that fail on minimum numbers and are
/// tried again with other people.
const SPARE_TOTALS: usize = 4;

/// A holder's own limits. What is not stricter than the study's changes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::pipeline) struct Policy {
    /// Fewest people in a job.
    pub min_people: u32,
    /// Fewest cases in a job.
    pub min_cases: u32,
    /// Fewest controls in a job.
    pub min_controls: u32,
    /// Fewest data owners in a job.
    pub min_sites: u32,
    /// Fewest people by which two groups differ of which sums are shared.
    pub min_changed_rows: u32,
    /// What may be shared in all.
    pub budget: Budget,
    /// The statistics that a study may publish; all where there is no list.
    pub statistics: Option<Vec<Statistic>>,
    /// What may leave a study; everything where there is no list.
    pub releases: Option<Vec<ReleaseKind>>,
}

impl Policy {
    /// No limits of the holder's own.
    pub(in crate::pipeline) fn open() -> Self {
        Self {
            min_people: 0,
            min_cases: 0,
            min_controls: 0,
            min_sites: 0,
            min_changed_rows: 0,
            budget: Budget::UNLIMITED,
            statistics: None,
            releases: None,
        }
    }

    /// Together with the study's limits.
    pub(in crate::pipeline) fn with(&self, study: &Study) -> Self {
        let limits = &study.limits;
        let budget = Budget { jobs: self.budget.jobs.min(limits.max_jobs), ..self.budget };
        Self {
            min_people: self.min_people.max(limits.min_people),
            min_cases: self.min_cases.max(limits.min_cases),
            min_controls: self.min_controls.max(limits.min_controls),
            min_sites: self.min_sites.max(limits.min_sites),
            min_changed_rows: self.min_changed_rows.max(limits.min_changed_rows),
            budget,
            ..self.clone()
        }
    }

    /// Checks what everybody can see of a job, `now` by the holder's own clock. `earlier` are the jobs whose totals the holder
    /// shared, `counting` those of them whose sums it shared too.
    ///
    /// # Errors
    /// The first limit that the job does not keep.
    pub(super) fn check(
        &self,
        inputs: &Inputs,
        earlier: &[CheckedJob],
        counting: impl Fn(&Digest) -> bool,
        now: u64,
    ) -> Result<()> {
        let study = &inputs.study.message;
        self.check_purpose(study)?;
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
            let people = inputs.presence.people(pattern, &inputs.people);
            at_least("people who have some variant", people, self.min_people)?;
        }
        at_least("data owners", inputs.owners.len() as u64, self.min_sites)?;
        let others = || earlier.iter().filter(|checked| checked.job != inputs.job.id);
        let spent: Vec<&CheckedJob> = others().filter(|checked| counting(&checked.job)).collect();
        self.budget.check(&spent, &inputs.contributions).map_err(refused)?;
        let most = (study.limits.max_jobs as usize).saturating_add(SPARE_TOTALS);
        check_attempts(most, &inputs.contributions, others())?;
        self.check_groups(inputs, others())
    }

    /// Checks what the study releases.
    fn check_purpose(&self, study: &Study) -> Result<()> {
        let allowed = |statistic: &&Statistic| {
            self.statistics.as_ref().is_none_or(|allowed| allowed.contains(statistic))
        };
        if let Some(statistic) = study.statistics.iter().find(|statistic| !allowed(statistic)) {
            return Err(refused(format_args!(
                "the study publishes the statistic {statistic:?}, which your policy does not allow"
            )));
        }
        if self.releases.as_ref().is_some_and(|allowed| !allowed.contains(&study.release.kind())) {
            return Err(refused(format_args!(
                "the study releases {}, which your policy does not allow",
                study.release.kind().name()
            )));
        }
        Ok(())
    }

    /// Checks that no two groups of which sums are shared differ by few people.
    fn check_groups<'a>(
        &self,
        inputs: &Inputs,
        earlier: impl Iterator<Item = &'a CheckedJob>,
    ) -> Result<()> {
        let fewest = self.min_changed_rows;
        let variants = inputs.study.message.variants;
        let compare = |other: &[_]| {
            fewest_differing(&inputs.contributions, other, variants, fewest).map_err(|TooMany| {
                refused("contributions of few people lack variants in too many ways to be compared")
            })
        };
        if let Some(people) = compare(&inputs.contributions)? {
            return Err(refused(format_args!(
                "{people} people lack a variant that the others have, and their number of cases would follow; at least \
                 {fewest} people must lack the same variants (leave their contribution out, or use a panel of variants that \
                 all have)"
            )));
        }
        for checked in earlier {
            if let Some(people) = compare(&checked.inputs)? {
                return Err(refused(format_args!(
                    "for some variant the rows differ from those of job {} by {people}; they must be the same or at least \
                     {fewest} others",
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
        &self,
        inputs: &Inputs,
        totals: &[UnitValues],
    ) -> Result<Vec<GroupSize>> {
        let mut groups = Vec::new();
        let degree = inputs.study.message.plan.params().degree() as u32;
        let mut all = None;
        for pattern in 0..inputs.presence.patterns() {
            let (polynomial, place) = (pattern / degree, (pattern % degree) as usize);
            let (object, body) = (polynomial / 8, (polynomial % 8) as usize);
            let value = |channel| {
                let values = totals.get(object as usize)?.get(body, channel);
                u64::try_from(*values.get(place)?).ok()
            };
            let seen = inputs.presence.people(pattern, &inputs.people);
            let numbers = match inputs.study.message.participation {
                Participation::Public => value(0).map(|cases| (seen, cases)),
                Participation::Encrypted => value(0).zip(value(1)),
            };
            let sound = numbers.filter(|(people, cases)| cases <= people && *people <= seen);
            let (people, cases) =
                sound.ok_or_else(|| refused("the numbers of people and cases are no counts"))?;
            at_least("people", people, self.min_people)?;
            at_least("cases", cases, self.min_cases)?;
            at_least("controls", people - cases, self.min_controls)?;
            // Both are at most the people of the study's plan.
            let size = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
            groups.push(GroupSize { people: size(people), cases: size(cases) });
            // Who takes part may be fewer than the rows that everybody sees.
            let lacking = all.get_or_insert(people).abs_diff(people);
            if lacking != 0 {
                at_least("people who lack some variant", lacking, self.min_changed_rows)?;
            }
        }
        Ok(groups)
    }
}

/// Checks that at most so many different totals of an owner are decrypted, in jobs that kept the limits or not. Each shows a few numbers of a
/// ciphertext of the owner's choice (decision record 0037), so who has its jobs fail may not go on for ever.
fn check_attempts<'a>(
    most: usize,
    inputs: &[Contribution],
    earlier: impl Iterator<Item = &'a CheckedJob>,
) -> Result<()> {
    let name = |input: &Contribution| match input {
        Contribution::Totals { owner, totals, .. } => Some((*owner, *totals)),
        Contribution::Rows { .. } => None,
    };
    let earlier = earlier.flat_map(|checked| &checked.inputs);
    let all: BTreeSet<(Did, Digest)> = earlier.chain(inputs).filter_map(name).collect();
    for (owner, _) in inputs.iter().filter_map(name) {
        if all.iter().filter(|(of, _)| *of == owner).count() > most {
            return Err(refused(format_args!(
                "{owner} sent other totals for each of several jobs, of which some failed; at most {most} different ones are decrypted in this study"
            )));
        }
    }
    Ok(())
}

fn at_least(what: &str, found: u64, fewest: u32) -> Result<()> {
    if found >= u64::from(fewest) {
        return Ok(());
    }
    // The number found is not said: of cases and controls it is what the limit protects.
    Err(refused(format_args!("fewer than {fewest} {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failing_jobs_do_not_read_other_totals_for_ever() {
        let owner: Did =
            "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp".parse().unwrap();
        let totals = |n: u8| Contribution::Totals {
            owner,
            totals: Digest::of(&[n]),
            people: 9,
            absent: None,
        };
        let job = |n: u8| CheckedJob {
            job: Digest::of(&[n, 1]),
            result: Digest::of(&[n, 2]),
            inputs: vec![totals(n)],
        };
        let earlier: Vec<CheckedJob> = (0..5).map(job).collect();
        let check = |most, n| check_attempts(most, &[totals(n)], earlier.iter());
        assert!(check(6, 5).is_ok());
        assert!(check(5, 4).is_ok(), "the same again");
        let refused = check(5, 5).unwrap_err().to_string();
        assert!(refused.contains("at most 5 different ones"), "{refused}");
    }
}
