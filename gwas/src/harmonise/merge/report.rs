//! How much of each list is in a merged panel.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::harmonise::Status;
use crate::io::Reason;
use crate::panel::Panel;

/// How much of each list is in a merged panel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergeReport {
    lists: Vec<ListReport>,
    pub(super) multiallelic: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct ListReport {
    variants: u32,
    kept: BTreeMap<Status, u32>,
    left_out: BTreeMap<Reason, u32>,
}

impl MergeReport {
    pub(super) fn new(lists: &[&Panel]) -> Self {
        let list = |panel: &&Panel| ListReport { variants: panel.len(), ..ListReport::default() };
        Self { lists: lists.iter().map(list).collect(), multiallelic: 0 }
    }

    pub(super) fn keep(&mut self, list: usize, status: Status) {
        if let Some(list) = self.lists.get_mut(list) {
            *list.kept.entry(status).or_default() += 1;
        }
    }

    pub(super) fn leave_out(&mut self, list: usize, reason: Reason) {
        if let Some(list) = self.lists.get_mut(list) {
            *list.left_out.entry(reason).or_default() += 1;
        }
    }

    /// How many of a list's variants are in the panel, related to it in this way.
    #[must_use]
    pub fn kept(&self, list: usize, status: Status) -> u32 {
        self.lists.get(list).and_then(|l| l.kept.get(&status)).copied().unwrap_or(0)
    }

    /// How many of a list's variants are left out for a reason.
    #[must_use]
    pub fn left_out(&self, list: usize, reason: Reason) -> u32 {
        self.lists.get(list).and_then(|l| l.left_out.get(&reason)).copied().unwrap_or(0)
    }

    /// Places at which the panel has several variants.
    #[must_use]
    pub fn multiallelic(&self) -> u32 {
        self.multiallelic
    }

    /// One line for people for each list.
    pub fn summary<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = String> + 'a {
        names.iter().zip(&self.lists).map(|(name, list)| {
            let kept = list.kept.iter().map(|(status, n)| format!("{n} {}", status.description()));
            let left_out = list.left_out.iter().map(|(reason, n)| format!("{n} {reason}"));
            let parts: Vec<String> = kept.chain(left_out).collect();
            format!("{name}: {} variants: {}", list.variants, parts.join(", "))
        })
    }

    /// Writes the table `#LIST STATUS VARIANTS`: for each list how many of its variants are in the panel, by their relation
    /// to it, and how many are left out, by reason.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_tsv(&self, names: &[String], mut out: impl Write) -> io::Result<()> {
        writeln!(out, "#LIST\tSTATUS\tVARIANTS")?;
        for (name, list) in names.iter().zip(&self.lists) {
            for (status, n) in &list.kept {
                writeln!(out, "{name}\t{}\t{n}", status.word())?;
            }
            for (reason, n) in &list.left_out {
                writeln!(out, "{name}\t{reason}\t{n}")?;
            }
        }
        out.flush()
    }
}
