//! How much of a dataset is shared in all.

use std::collections::BTreeSet;
use std::fmt;

use gwas::wire::Did;
use he_core::Digest;

use super::differences::Contribution;
use super::store::CheckedJob;

/// Most that a holder shares of one study. Jobs whose totals did not keep the limits do not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::pipeline) struct Budget {
    /// Jobs.
    pub jobs: u32,
    /// Jobs that sum a dataset, or totals of an owner.
    pub jobs_per_dataset: u32,
    /// Phenotypes of a dataset; different totals of an owner.
    pub phenotypes_per_dataset: u32,
}

/// A budget that is used up.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Spent {
    Jobs(u32),
    JobsOf(String, u32),
    PhenotypesOf(String, u32),
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jobs(most) => write!(f, "the budget of {most} jobs is used up"),
            Self::JobsOf(what, most) => {
                write!(f, "the budget of {most} jobs over {what} is used up")
            }
            Self::PhenotypesOf(what, most) => {
                write!(f, "the budget of {most} phenotypes of {what} is used up")
            }
        }
    }
}

impl Budget {
    /// Everything.
    pub(in crate::pipeline) const UNLIMITED: Self =
        Self { jobs: u32::MAX, jobs_per_dataset: u32::MAX, phenotypes_per_dataset: u32::MAX };

    /// Checks that a further job over `inputs` may be shared, after those `spent`.
    pub(super) fn check(
        &self,
        spent: &[&CheckedJob],
        inputs: &[Contribution],
    ) -> Result<(), Spent> {
        if spent.len() >= self.jobs as usize {
            return Err(Spent::Jobs(self.jobs));
        }
        for input in inputs {
            let (subject, phenotype) = subject(input);
            let of_subject =
                |job: &&&CheckedJob| job.inputs.iter().any(|i| self::subject(i).0 == subject);
            if spent.iter().filter(of_subject).count() >= self.jobs_per_dataset as usize {
                return Err(Spent::JobsOf(subject.to_string(), self.jobs_per_dataset));
            }
            let mut phenotypes: BTreeSet<Digest> = spent
                .iter()
                .flat_map(|job| &job.inputs)
                .map(self::subject)
                .filter(|(other, _)| *other == subject)
                .map(|(_, phenotype)| phenotype)
                .collect();
            phenotypes.insert(phenotype);
            if phenotypes.len() > self.phenotypes_per_dataset as usize {
                return Err(Spent::PhenotypesOf(subject.to_string(), self.phenotypes_per_dataset));
            }
        }
        Ok(())
    }
}

/// Whose data are summed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Dataset(Digest),
    TotalsOf(Did),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dataset(dataset) => write!(f, "the dataset {dataset}"),
            Self::TotalsOf(owner) => write!(f, "totals of {owner}"),
        }
    }
}

/// What is summed, and with what.
fn subject(input: &Contribution) -> (Subject, Digest) {
    match input {
        Contribution::Rows { dataset, phenotype, .. } => (Subject::Dataset(*dataset), *phenotype),
        Contribution::Totals { owner, totals, .. } => (Subject::TotalsOf(*owner), *totals),
    }
}

#[cfg(test)]
mod tests {
    use gwas::wire::RowSet;

    use super::*;

    fn rows(dataset: u8, phenotype: u8) -> Contribution {
        let (dataset, phenotype) = (Digest([dataset; 32]), Digest([phenotype; 32]));
        Contribution::Rows { dataset, phenotype, rows: RowSet::new(9, |_| true), absent: None }
    }

    fn job(inputs: Vec<Contribution>) -> CheckedJob {
        CheckedJob { job: Digest::default(), result: Digest::default(), inputs }
    }

    #[test]
    fn jobs_and_phenotypes_are_counted_for_each_dataset() {
        let budget = Budget { jobs: 4, jobs_per_dataset: 3, phenotypes_per_dataset: 2 };
        let jobs = [
            job(vec![rows(1, 10), rows(2, 20)]),
            job(vec![rows(1, 10)]),
            job(vec![rows(2, 21)]),
            job(vec![rows(1, 11)]),
        ];
        let check = |spent: usize, inputs: &[Contribution]| {
            budget.check(&jobs.iter().take(spent).collect::<Vec<_>>(), inputs)
        };
        assert_eq!(check(0, &[rows(1, 10)]), Ok(()));
        assert_eq!(check(2, &[rows(1, 10)]), Ok(()));
        assert_eq!(check(3, &[rows(1, 11)]), Ok(()), "its second phenotype");
        let dataset = |n: u8| Subject::Dataset(Digest([n; 32])).to_string();
        assert_eq!(check(3, &[rows(1, 10), rows(2, 22)]), Err(Spent::PhenotypesOf(dataset(2), 2)));
        assert_eq!(check(3, &[rows(2, 20)]), Ok(()), "a phenotype again");
        assert_eq!(check(4, &[rows(3, 30)]), Err(Spent::Jobs(4)));
        let more = Budget { jobs: 9, ..budget };
        let all: Vec<&CheckedJob> = jobs.iter().collect();
        assert_eq!(more.check(&all, &[rows(1, 10)]), Err(Spent::JobsOf(dataset(1), 3)));
        assert_eq!(more.check(&all, &[rows(3, 10)]), Ok(()));
        let nothing = Budget { jobs: 0, ..Budget::UNLIMITED };
        assert_eq!(nothing.check(&[], &[rows(1, 1)]), Err(Spent::Jobs(0)));
        assert_eq!(Budget::UNLIMITED.check(&all, &[rows(1, 99)]), Ok(()));
    }
}
