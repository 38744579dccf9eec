//! A study's panel from the variant lists of its sites.

mod report;

use super::alleles::{Relation, is_complete, is_palindromic, relation};
use super::frequency::DEFAULT_MAX_MAF;
use super::{CrowdedError, Frequencies, Palindromic, build_name, check_crowd};
use crate::io::{Exclusions, Reason};
use crate::panel::{Panel, PanelError, ReferenceStatus, Variant, places};

pub use report::MergeReport;

/// Which variants a merged panel has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// Those that every list has.
    #[default]
    Intersection,
    /// Those that any list has: at the other sites they are absent.
    Union,
}

/// How lists are merged.
#[derive(Clone, Copy, Debug, Default)]
pub struct MergeOptions<'a> {
    /// Which variants.
    pub mode: Mode,
    /// A list that says which allele is REF, and on which strand; otherwise the first list that has a variant does.
    pub reference: Option<&'a Panel>,
    /// What becomes of variants that read the same on both strands. By frequency: kept where the reference's frequency
    /// tells the alleles apart, so that each site can find its strand when it aligns its files.
    pub palindromic: Palindromic<'a>,
}

/// Why lists can't be merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// Nothing to merge.
    #[error("no variant list; give one for each site")]
    NoList,
    /// Positions of different builds can't be compared.
    #[error(
        "list {list} is for build {found}, the first one for {first}; lift one of them over, or name the build of BIM and VCF files with --build"
    )]
    Build {
        /// 1-based number of the list; the reference comes after the others.
        list: usize,
        /// Its build.
        found: String,
        /// The first list's build.
        first: String,
    },
    /// Too many variants at one place.
    #[error(transparent)]
    Crowded(#[from] CrowdedError),
    /// The panel breaks a limit.
    #[error(transparent)]
    Panel(#[from] PanelError),
    /// Nothing is left.
    #[error(
        "no variant is left: {0}; check that the lists hold the same chromosomes, or take their union"
    )]
    Nothing(String),
}

/// A merged panel.
#[derive(Debug)]
pub struct Merged {
    /// The variants, by place; ids and chromosome names as in the first list that has one.
    pub panel: Panel,
    /// What was left out, once for each variant, with its reason.
    pub exclusions: Exclusions,
    /// How much of each list is in the panel.
    pub report: MergeReport,
}

/// Merges variant lists.
///
/// A variant without a position is left out. Of several variants of a list that are one (exchanged, or on the other strand)
/// the first counts. A list's variant with an allele that nobody carries (`0` or `.`) stands for the variant of another list
/// that has its known allele, if there is exactly one. Variants at one place with other alleles are different variants.
///
/// # Errors
/// When builds differ, a limit is exceeded, or nothing is left.
pub fn merge(lists: &[&Panel], options: &MergeOptions<'_>) -> Result<Merged, MergeError> {
    let first = lists.first().ok_or(MergeError::NoList)?;
    for (list, panel) in (1..).zip(lists.iter().copied().chain(options.reference)) {
        if panel.build() != first.build() {
            let (found, first) = (build_name(panel.build()), build_name(first.build()));
            return Err(MergeError::Build { list, found, first });
        }
    }
    let mut merger = Merger::new(lists, options)?;
    let panels = merger.panels.clone();
    places::walk(&panels, |here| {
        check_crowd(&panels, here)?;
        merger.place(here)
    })?;
    let Merger { panel, exclusions, report, .. } = merger;
    if panel.is_empty() {
        let reasons = exclusions.summary().unwrap_or_else(|| "the lists are empty".to_owned());
        return Err(MergeError::Nothing(reasons));
    }
    Ok(Merged { panel, exclusions, report })
}

struct Merger<'a> {
    /// The lists, then the reference (or an empty panel), then the variants with a known frequency (or an empty one).
    panels: Vec<&'a Panel>,
    lists: usize,
    mode: Mode,
    palindromic: Palindromic<'a>,
    panel: Panel,
    exclusions: Exclusions,
    report: MergeReport,
}

/// A variant of a place, with the lists that have it.
struct Candidate<'a> {
    variant: Variant<'a>,
    /// The list, and its variant; each list once, the first list's variant is `variant`.
    holders: Vec<(usize, Variant<'a>)>,
}

impl<'a> Merger<'a> {
    fn new(lists: &[&'a Panel], options: &MergeOptions<'a>) -> Result<Self, PanelError> {
        // A panel that lives as long as any: nothing is in it.
        static NOTHING: std::sync::LazyLock<Panel> = std::sync::LazyLock::new(Panel::default);
        let mut panels = lists.to_vec();
        panels.push(options.reference.unwrap_or(&NOTHING));
        panels.push(match options.palindromic {
            Palindromic::ByFrequency { reference, .. } => &reference.panel,
            _ => &NOTHING,
        });
        let authorities = options.reference.as_ref().map_or(lists, std::slice::from_ref);
        let given = authorities.iter().all(|p| p.reference_status() == ReferenceStatus::Given);
        let status = if given { ReferenceStatus::Given } else { ReferenceStatus::Provisional };
        let mut panel = Panel::new(status);
        panel.set_build(lists.first().and_then(|p| p.build()))?;
        let mut exclusions = Exclusions::default();
        let mut report = MergeReport::new(lists);
        for (list, panel) in lists.iter().enumerate() {
            for v in panel.iter().filter(|v| v.pos == 0) {
                exclusions.push(v, Reason::NoPosition);
                report.leave_out(list, Reason::NoPosition);
            }
        }
        Ok(Self {
            panels,
            lists: lists.len(),
            mode: options.mode,
            palindromic: options.palindromic,
            panel,
            exclusions,
            report,
        })
    }

    /// Takes the variants of one place.
    fn place(&mut self, here: &[&[u32]]) -> Result<(), MergeError> {
        let candidates = self.candidates(here);
        let before = self.panel.len();
        for candidate in &candidates {
            self.take(candidate, here)?;
        }
        if self.panel.len() > before + 1 {
            self.report.multiallelic += 1;
        }
        Ok(())
    }

    /// The different variants of a place.
    fn candidates(&mut self, here: &[&[u32]]) -> Vec<Candidate<'a>> {
        let variants = |list: usize| {
            let panel = self.panels.get(list).copied();
            let here = here.get(list).copied().unwrap_or_default();
            here.iter().filter_map(move |&v| panel?.get(v))
        };
        let all: Vec<(usize, Variant<'a>)> =
            (0..self.lists).flat_map(|l| variants(l).map(move |v| (l, v))).collect();
        let (complete, partial): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, v)| is_complete(v));
        let mut candidates: Vec<Candidate<'a>> = Vec::new();
        let mut left_out = Vec::new();
        for (list, variant) in complete {
            let known = candidates.iter_mut().find(|c| relation(&c.variant, &variant).is_some());
            match known {
                None => candidates.push(Candidate { variant, holders: vec![(list, variant)] }),
                Some(known) if known.has(list) => left_out.push((list, variant, Reason::Duplicate)),
                Some(known) => known.holders.push((list, variant)),
            }
        }
        for (list, variant) in partial {
            let mut fitting =
                candidates.iter_mut().filter(|c| relation(&c.variant, &variant).is_some());
            match (fitting.next(), fitting.next()) {
                (Some(known), None) if known.has(list) => {
                    left_out.push((list, variant, Reason::Duplicate));
                }
                (Some(known), None) => known.holders.push((list, variant)),
                _ => left_out.push((list, variant, Reason::UnknownAllele)),
            }
        }
        for (list, variant, reason) in left_out {
            self.exclusions.push(variant, reason);
            self.report.leave_out(list, reason);
        }
        candidates
    }

    /// Puts a candidate into the panel, or on the list of what is left out.
    fn take(&mut self, candidate: &Candidate<'a>, here: &[&[u32]]) -> Result<(), MergeError> {
        if let Some(reason) = self.judge(candidate, here) {
            self.exclusions.push(candidate.variant, reason);
            for &(list, _) in &candidate.holders {
                self.report.leave_out(list, reason);
            }
            return Ok(());
        }
        let variant = self.oriented(&candidate.variant, here);
        self.panel.push(variant)?;
        for (list, held) in &candidate.holders {
            // A holder relates to the candidate, and so to the same alleles in another order or on the other strand; what is
            // unknown to a list relates on one strand only, so it is counted by the candidate then.
            let found = relation(&variant, held).or_else(|| relation(&candidate.variant, held));
            self.report.keep(*list, found.unwrap_or(Relation::Same).into());
        }
        Ok(())
    }

    fn judge(&self, candidate: &Candidate<'a>, here: &[&[u32]]) -> Option<Reason> {
        if self.mode == Mode::Intersection && candidate.holders.len() < self.lists {
            return Some(Reason::NotInAllLists);
        }
        if !is_palindromic(&candidate.variant) {
            return None;
        }
        let tells = match self.palindromic {
            Palindromic::Keep => true,
            Palindromic::Drop => false,
            Palindromic::ByFrequency { reference, max_maf } => {
                let here = here.get(self.lists + 1).copied().unwrap_or_default();
                let frequency = reference.find(&candidate.variant, here);
                frequency.is_some_and(|f| f.min(1.0 - f) <= max_maf && f != 0.5)
            }
        };
        (!tells).then_some(Reason::Palindromic)
    }

    /// The variant with REF and ALT as in the reference, if that has it.
    fn oriented(&mut self, variant: &Variant<'a>, here: &[&[u32]]) -> Variant<'a> {
        let here = here.get(self.lists).copied().unwrap_or_default();
        let panel = self.panels.get(self.lists).copied();
        let found = here
            .iter()
            .filter_map(|&v| panel?.get(v))
            .filter(|v| relation(v, variant).is_some())
            .min_by_key(|v| relation(v, variant));
        match found {
            Some(Variant { reference, alternate, .. }) => {
                Variant { reference, alternate, ..*variant }
            }
            None => *variant,
        }
    }
}

impl Candidate<'_> {
    fn has(&self, list: usize) -> bool {
        self.holders.iter().any(|&(l, _)| l == list)
    }
}

impl<'a> Palindromic<'a> {
    /// By frequency, with the default threshold.
    #[must_use]
    pub fn by_frequency(reference: &'a Frequencies) -> Self {
        Self::ByFrequency { reference, max_maf: DEFAULT_MAX_MAF }
    }
}

#[cfg(test)]
mod tests;
