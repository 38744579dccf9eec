//! A site's genotypes, arranged by a study's panel.

use super::alleles::{Relation, is_palindromic, relation};
use super::frequency::same_strand;
use super::report::{AlignmentReport, NONE, Status};
use super::{CrowdedError, Palindromic, build_name, check_crowd};
use crate::io::{Cohort, SelectionError, SourceError};
use crate::panel::{Panel, places};
use crate::qc;

/// Why genotypes can't be aligned to a panel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlignError {
    /// Positions of one build say nothing about another.
    #[error(
        "the panel is for build {panel}, the genotypes for {file}; name the genotypes' build with --build, and lift them over (`bcftools +liftover`, UCSC liftOver) if it is another one"
    )]
    Build {
        /// The panel's build.
        panel: String,
        /// The files' build.
        file: String,
    },
    /// Nothing in common.
    #[error(
        "the files provide none of the panel's {variants} variants; check that both are of the same genome build and hold the same chromosomes"
    )]
    Nothing {
        /// Variants in the panel.
        variants: u32,
    },
    /// Too many variants at one place.
    #[error(transparent)]
    Crowded(#[from] CrowdedError),
    /// Genotypes can't be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The arrangement breaks a rule: a bug of this module.
    #[error(transparent)]
    Selection(#[from] SelectionError),
}

/// Genotypes in a panel's order, and how they got there.
#[derive(Debug)]
pub struct Aligned {
    /// The same people at the panel's variants: the same codes as if the file had been rewritten, missing where it lacks one.
    pub cohort: Cohort,
    /// What became of each variant.
    pub report: AlignmentReport,
}

/// Arranges a cohort by `panel`. A variant of the files serves one variant of the panel at most.
///
/// Costs a sort of the indices of what isn't sorted by place, and with [`Palindromic::ByFrequency`] reads the genotypes of
/// palindromic variants; memory is a few numbers per variant.
///
/// # Errors
/// When the builds differ, nothing fits, or reading fails.
pub fn align(cohort: &Cohort, panel: Panel, rule: &Palindromic<'_>) -> Result<Aligned, AlignError> {
    if panel.build() != cohort.panel().build() {
        return Err(AlignError::Build {
            panel: build_name(panel.build()),
            file: build_name(cohort.panel().build()),
        });
    }
    let Matched { mut statuses, counterparts, palindromic } =
        matches(&panel, cohort.panel(), rule)?;
    for (p, relation) in decide(cohort, &palindromic, rule)? {
        if let Some(status) = statuses.get_mut(p as usize) {
            *status = relation.map_or(Status::Palindromic, Status::from);
        }
    }
    let from = statuses.iter().zip(&counterparts).map(|(status, &file)| {
        (!status.is_absent()).then_some((file, matches!(status, Status::Swap | Status::FlipSwap)))
    });
    let used = from.clone().flatten().count();
    if used == 0 && !panel.is_empty() {
        return Err(AlignError::Nothing { variants: panel.len() });
    }
    let compared = counterparts.iter().filter(|&&f| f != NONE).count();
    let differing = statuses.iter().filter(|&&s| s == Status::AllelesDiffer).count();
    // Every other counterpart is one variant's only: matching is one to one.
    let known = u32::try_from(compared - differing).unwrap_or(u32::MAX);
    let unused = cohort.variant_count().saturating_sub(known);
    let cohort = cohort.rearranged(panel, from)?;
    Ok(Aligned { cohort, report: AlignmentReport { statuses, counterparts, unused } })
}

/// A palindromic variant of the panel whose alleles a file has.
struct Palindrome {
    panel: u32,
    file: u32,
    /// If both were on one strand.
    relation: Relation,
    /// ALT's frequency in the reference.
    frequency: Option<f64>,
}

struct Matched {
    statuses: Vec<Status>,
    counterparts: Vec<u32>,
    palindromic: Vec<Palindrome>,
}

/// Finds each variant's counterpart by place and alleles; palindromic ones are still to be decided.
fn matches(panel: &Panel, file: &Panel, rule: &Palindromic<'_>) -> Result<Matched, CrowdedError> {
    let len = panel.len() as usize;
    let mut out = Matched {
        statuses: vec![Status::Absent; len],
        counterparts: vec![NONE; len],
        palindromic: Vec::new(),
    };
    let nothing = Panel::default();
    let (reference, frequencies) = match rule {
        Palindromic::ByFrequency { reference, .. } => (&reference.panel, Some(*reference)),
        _ => (&nothing, None),
    };
    let panels = [panel, file, reference];
    places::walk(&panels, |here| {
        let [wanted, offered, known] = *here else { return Ok(()) };
        if wanted.is_empty() || offered.is_empty() {
            return Ok(());
        }
        check_crowd(&panels, here)?;
        for (p, found) in pair_up(panel, file, wanted, offered) {
            let at = p as usize;
            let (Some(variant), Some(status), Some(counterpart)) =
                (panel.get(p), out.statuses.get_mut(at), out.counterparts.get_mut(at))
            else {
                continue;
            };
            let Some((f, relation)) = found else {
                *status = Status::AllelesDiffer;
                *counterpart = offered.first().copied().unwrap_or(NONE);
                continue;
            };
            *counterpart = f;
            *status = if relation.exchanges() && offered.len() > 1 {
                Status::MultiallelicSwap
            } else {
                relation.into()
            };
            if is_palindromic(&variant) && !status.is_absent() {
                let frequency = frequencies.and_then(|table| table.find(&variant, known));
                out.palindromic.push(Palindrome { panel: p, file: f, relation, frequency });
            }
        }
        Ok(())
    })?;
    Ok(out)
}

/// Pairs the variants of one place one to one, the simplest relation first.
fn pair_up(
    panel: &Panel,
    file: &Panel,
    wanted: &[u32],
    offered: &[u32],
) -> Vec<(u32, Option<(u32, Relation)>)> {
    let mut pairs: Vec<(u32, Option<(u32, Relation)>)> =
        wanted.iter().map(|&p| (p, None)).collect();
    let mut free = offered.to_vec();
    for wanted in Relation::ALL {
        for (p, found) in pairs.iter_mut().filter(|(_, found)| found.is_none()) {
            let Some(variant) = panel.get(*p) else { continue };
            let fits = |&f: &u32| {
                file.get(f).is_some_and(|other| relation(&variant, &other) == Some(wanted))
            };
            if let Some(at) = free.iter().position(fits) {
                *found = Some((free.remove(at), wanted));
            }
        }
    }
    pairs
}

/// What each palindromic variant's relation is, or nothing where the strand is unknown.
fn decide(
    cohort: &Cohort,
    palindromic: &[Palindrome],
    rule: &Palindromic<'_>,
) -> Result<Vec<(u32, Option<Relation>)>, AlignError> {
    let max_maf = match rule {
        Palindromic::Drop => return Ok(palindromic.iter().map(|p| (p.panel, None)).collect()),
        Palindromic::Keep => {
            return Ok(palindromic.iter().map(|p| (p.panel, Some(p.relation))).collect());
        }
        Palindromic::ByFrequency { max_maf, .. } => *max_maf,
    };
    let mut files: Vec<u32> = palindromic.iter().map(|p| p.file).collect();
    files.sort_unstable();
    let counts = qc::genotype_counts(&cohort.with_variants(&files)?)?;
    let in_file = |file: u32| -> Option<f64> {
        let counts = counts.get(files.binary_search(&file).ok()?)?;
        let alleles =
            2 * (u64::from(counts.hom_alt) + u64::from(counts.het) + u64::from(counts.hom_ref));
        let alt = 2 * u64::from(counts.hom_alt) + u64::from(counts.het);
        (alleles > 0).then(|| alt as f64 / alleles as f64)
    };
    let relation = |p: &Palindrome| {
        let file = in_file(p.file)?;
        // The frequency of the panel's ALT if both were on one strand.
        let file = if p.relation.exchanges() { 1.0 - file } else { file };
        let same = same_strand(p.frequency?, file, max_maf)?;
        Some(if same { p.relation } else { p.relation.on_other_strand() })
    };
    Ok(palindromic.iter().map(|p| (p.panel, relation(p))).collect())
}

impl From<Relation> for Status {
    fn from(relation: Relation) -> Self {
        match relation {
            Relation::Same => Self::Match,
            Relation::Exchanged => Self::Swap,
            Relation::OtherStrand => Self::Flip,
            Relation::OtherStrandExchanged => Self::FlipSwap,
        }
    }
}

#[cfg(test)]
mod tests;
