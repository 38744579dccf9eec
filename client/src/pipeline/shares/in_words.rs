//! A job for people who decide whether to share its result.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::inputs::{Input, Inputs};
use super::policy::Policy;

impl Inputs {
    /// Study, statistics, phenotype, size, and what is left of the budget once `shared` jobs are shared.
    pub(super) fn in_words(&self, policy: &Policy, shared: usize) -> String {
        let study = &self.study.message;
        let names: BTreeSet<&str> = self.list.iter().map(Input::phenotype).collect();
        let asker = self.job.signers.first().map(ToString::to_string).unwrap_or_default();
        let totals = self.list.iter().filter(|input| matches!(input, Input::Totals(_))).count();
        let donors = self.people.iter().zip(&self.list);
        let donors =
            donors.filter(|(n, input)| **n == 1 && matches!(input, Input::Rows(_))).count();
        let statistics: Vec<String> =
            study.statistics.iter().map(|s| format!("{s:?}").to_lowercase()).collect();
        let budget = match policy.budget.jobs {
            u32::MAX => format!("{shared} jobs shared before, as many as you like left"),
            most => format!("{} of {most} jobs left", (most as usize).saturating_sub(shared)),
        };
        let mut text = format!("job {}\n", self.job.id);
        let rows = [
            ("study", format!("{} ({})", study.name, self.study.id)),
            ("purpose", study.purpose.clone()),
            ("publishes", statistics.join(", ")),
            ("releases", format!("{:?}", study.release).to_lowercase()),
            ("phenotype", names.into_iter().collect::<Vec<_>>().join(", ")),
            (
                "inputs",
                format!(
                    "{}: {} datasets ({donors} of a single person), {totals} totals",
                    self.list.len(),
                    self.list.len() - totals
                ),
            ),
            ("people", format!("{} of {} data owners", self.people(), self.owners.len())),
            ("asked for by", asker),
            ("budget", budget),
        ];
        for (name, value) in rows {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {name:<13} {value}");
        }
        text
    }
}
