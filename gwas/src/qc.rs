//! Filters on variants, as PLINK 1.9 applies them: `--geno`, `--maf`, `--hwe`.
//!
//! * `--geno` looks at everybody;
//! * `--maf` at founders, `--hwe` at founders who are controls (all founders without a case-control phenotype);
//!   `nonfounders` adds the others.
//! * A variant goes for the first reason that applies, in the order geno, hwe, maf (PLINK's).

mod pooled;

use std::collections::BTreeMap;

use rayon::prelude::*;

pub use pooled::{PooledError, filter_pooled};

use crate::io::{Cohort, Reason, SourceError, code_bytes};
use crate::stats::hwe;

/// What a variant must satisfy; `None` lets everything pass.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// Least minor allele frequency.
    pub maf: Option<f64>,
    /// Largest share of missing calls.
    pub geno: Option<f64>,
    /// Least p-value of the exact Hardy-Weinberg test.
    pub hwe: Option<f64>,
    /// Whether people with parents in the file count for `maf` and `hwe`.
    pub nonfounders: bool,
}

/// What the filters decided.
#[derive(Debug)]
pub struct Verdict {
    /// Variants that stay, ascending.
    pub kept: Vec<u32>,
    /// Why the others go.
    pub removed: BTreeMap<u32, Reason>,
    /// Whether a call is missing at a kept variant among the people who take part: those with a phenotype, or everybody.
    /// Variants that the files do not have at all don't count: see [`Cohort::is_absent`].
    pub any_missing: bool,
}

impl Verdict {
    /// For each reason that occurs, one line for people.
    pub fn summary(&self) -> impl Iterator<Item = String> + '_ {
        let flags = [(Reason::Geno, "--geno"), (Reason::Hwe, "--hwe"), (Reason::Maf, "--maf")];
        flags.into_iter().filter_map(|(reason, flag)| {
            let n = self.removed.values().filter(|&&r| r == reason).count();
            (n > 0).then(|| format!("{flag}: {n} variant{} removed", if n == 1 { "" } else { "s" }))
        })
    }
}

/// Genotype counts of one variant among some people.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GenotypeCounts {
    /// Two copies of ALT.
    pub hom_alt: u32,
    /// One copy.
    pub het: u32,
    /// No copy.
    pub hom_ref: u32,
    /// No call.
    pub missing: u32,
}

impl GenotypeCounts {
    fn called(&self) -> u32 {
        self.hom_alt + self.het + self.hom_ref
    }

    /// Frequency of the rarer allele; 0 if nobody is called.
    #[must_use]
    pub fn minor_allele_frequency(&self) -> f64 {
        let alleles = 2 * u64::from(self.called());
        let alt = 2 * u64::from(self.hom_alt) + u64::from(self.het);
        if alleles == 0 { 0.0 } else { alt.min(alleles - alt) as f64 / alleles as f64 }
    }
}

/// PLINK's tolerance for thresholds that decimal fractions only approximate, 2^-44.
const EPSILON: f64 = 5.684_341_886_080_802e-14;

/// Decides which variants of a cohort stay. `status` is the case status of each person, if there is a phenotype.
///
/// Reads every genotype once, in parallel; memory is a few mebibytes for each thread.
///
/// # Errors
/// When reading fails.
pub fn filter(
    cohort: &Cohort,
    thresholds: &Thresholds,
    status: Option<&[Option<bool>]>,
) -> Result<Verdict, SourceError> {
    let founders: Vec<bool> =
        cohort.samples().map(|s| s.founder || thresholds.nonfounders).collect();
    let status_of = |i: usize| status.map(|s| s.get(i).copied().flatten());
    let founder = |i: usize| founders.get(i).copied().unwrap_or(false);
    let groups = [
        Group::new(cohort, |_| true),
        Group::new(cohort, founder),
        Group::new(cohort, |i| founder(i) && status_of(i).is_none_or(|s| s == Some(false))),
        Group::new(cohort, |i| status_of(i).is_none_or(|s| s.is_some())),
    ];
    let judged = count_all(cohort, &groups, |[everybody, founders, controls, participants]| {
        (judge(thresholds, &everybody, &founders, &controls), participants.missing > 0)
    })?;
    let mut verdict = Verdict { kept: Vec::new(), removed: BTreeMap::new(), any_missing: false };
    for (variant, (reason, missing)) in (0..).zip(judged) {
        match reason {
            Some(reason) => drop(verdict.removed.insert(variant, reason)),
            None => {
                verdict.kept.push(variant);
                verdict.any_missing |= missing && !cohort.is_absent(variant);
            }
        }
    }
    Ok(verdict)
}

fn judge(
    thresholds: &Thresholds,
    everybody: &GenotypeCounts,
    founders: &GenotypeCounts,
    controls: &GenotypeCounts,
) -> Option<Reason> {
    thresholds.judge(&Evidence {
        people: (everybody.called() + everybody.missing).into(),
        missing: everybody.missing.into(),
        minor_allele_frequency: founders.minor_allele_frequency(),
        controls: Some([controls.hom_ref, controls.het, controls.hom_alt].map(u64::from)),
    })
}

/// What the filters look at.
struct Evidence {
    people: u64,
    missing: u64,
    minor_allele_frequency: f64,
    /// Controls with 0, 1, 2 copies of ALT, where known.
    controls: Option<[u64; 3]>,
}

impl Thresholds {
    /// The first reason for which a variant goes.
    fn judge(&self, evidence: &Evidence) -> Option<Reason> {
        let too_many_missing = |share: f64| {
            evidence.missing as f64 > (share * (1.0 + EPSILON) * evidence.people as f64).floor()
        };
        let too_rare = |least: f64| evidence.minor_allele_frequency < least * (1.0 - EPSILON);
        let out_of_equilibrium = |least: f64| {
            let p = |[b, h, a]: [u64; 3]| hwe::exact_p(a, h, b);
            evidence.controls.is_some_and(|controls| p(controls) < least * (1.0 - EPSILON))
        };
        if self.geno.is_some_and(too_many_missing) {
            Some(Reason::Geno)
        } else if self.hwe.is_some_and(out_of_equilibrium) {
            Some(Reason::Hwe)
        } else if self.maf.is_some_and(too_rare) {
            Some(Reason::Maf)
        } else {
            None
        }
    }
}

/// Some people of a cohort, as a mask over the codes of the file: bit 2i is set for file row i.
struct Group {
    mask: Vec<u64>,
    people: u32,
}

const LOW_BITS_PER_WORD: u32 = 32;

impl Group {
    fn new(cohort: &Cohort, belongs: impl Fn(usize) -> bool) -> Self {
        let end = cohort.file_rows().last().map_or(0, |r| r + 1);
        let mut mask = vec![0; end.div_ceil(LOW_BITS_PER_WORD) as usize];
        let mut people = 0;
        for (i, &row) in cohort.file_rows().iter().enumerate() {
            if belongs(i)
                && let Some(word) = mask.get_mut((row / LOW_BITS_PER_WORD) as usize)
            {
                *word |= 1 << (2 * (row % LOW_BITS_PER_WORD));
                people += 1;
            }
        }
        Self { mask, people }
    }

    fn count(&self, codes: &[u64]) -> GenotypeCounts {
        let (mut missing, mut het, mut hom_ref) = (0, 0, 0);
        for (&word, &mask) in codes.iter().zip(&self.mask) {
            let (low, high) = (word & mask, (word >> 1) & mask);
            missing += (low & !high).count_ones();
            het += (high & !low).count_ones();
            hom_ref += (low & high).count_ones();
        }
        GenotypeCounts { hom_alt: self.people - missing - het - hom_ref, het, hom_ref, missing }
    }
}

/// Counts of every variant among all people of a cohort.
///
/// # Errors
/// When reading fails.
pub fn genotype_counts(cohort: &Cohort) -> Result<Vec<GenotypeCounts>, SourceError> {
    count_all(cohort, &[Group::new(cohort, |_| true)], |[counts]| counts)
}

/// Calls `each` with the counts in every group, for every variant in order.
fn count_all<const G: usize, T: Send>(
    cohort: &Cohort,
    groups: &[Group; G],
    each: impl Fn([GenotypeCounts; G]) -> T + Sync,
) -> Result<Vec<T>, SourceError> {
    const PIECE: usize = 4 << 20;
    let end = cohort.file_rows().last().map_or(0, |r| r + 1);
    let stride = code_bytes(end);
    let step = u32::try_from((PIECE / stride.max(1)).clamp(1, 4096)).unwrap_or(1);
    let pieces: Vec<Vec<T>> = (0..cohort.variant_count().div_ceil(step))
        .into_par_iter()
        .map(|piece| {
            let variants = piece * step..((piece + 1) * step).min(cohort.variant_count());
            let mut bytes = vec![0; variants.len() * stride];
            cohort.read_codes(variants, 0..end, &mut bytes)?;
            let mut words = vec![0u64; stride.div_ceil(8)];
            let counted = bytes.chunks_exact(stride.max(1)).map(|codes| {
                for (word, part) in words.iter_mut().zip(codes.chunks(8)) {
                    let mut padded = [0; 8];
                    padded.iter_mut().zip(part).for_each(|(p, b)| *p = *b);
                    *word = u64::from_le_bytes(padded);
                }
                each(std::array::from_fn(|g| {
                    groups.get(g).map_or_else(GenotypeCounts::default, |group| group.count(&words))
                }))
            });
            Ok(counted.collect())
        })
        .collect::<Result<_, SourceError>>()?;
    Ok(pieces.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::testing::{small_code, small_source};

    #[test]
    fn counts_are_what_looking_at_each_person_gives() {
        for (people, step) in [(1u32, 1), (31, 2), (32, 1), (33, 3), (200, 7)] {
            let rows: Vec<u32> = (0..people).step_by(step).collect();
            let cohort = Cohort::whole(small_source(people, 50)).with_rows(&rows).unwrap();
            for (v, counts) in (0..).zip(genotype_counts(&cohort).unwrap()) {
                let number =
                    |code| rows.iter().filter(|&&r| small_code(r, v) == code).count() as u32;
                let expected = GenotypeCounts {
                    hom_alt: number(0b00),
                    missing: number(0b01),
                    het: number(0b10),
                    hom_ref: number(0b11),
                };
                assert_eq!(counts, expected, "{people} people, variant {v}");
            }
        }
    }

    #[test]
    fn the_first_reason_counts() {
        let counts =
            |hom_alt, het, hom_ref, missing| GenotypeCounts { hom_alt, het, hom_ref, missing };
        let all =
            Thresholds { maf: Some(0.05), geno: Some(0.1), hwe: Some(1e-4), nonfounders: false };
        let judge = |c: GenotypeCounts| super::judge(&all, &c, &c, &c);
        assert_eq!(judge(counts(25, 50, 25, 0)), None);
        assert_eq!(judge(counts(0, 0, 90, 11)), Some(Reason::Geno));
        assert_eq!(judge(counts(50, 0, 50, 0)), Some(Reason::Hwe));
        assert_eq!(judge(counts(0, 1, 99, 0)), Some(Reason::Maf));
        // Exactly at a threshold stays.
        assert_eq!(judge(counts(0, 10, 90, 0)), None, "maf 0.05");
        assert_eq!(judge(counts(20, 45, 25, 10)), None, "geno 0.1");
    }

    #[test]
    fn people_without_a_phenotype_do_not_make_calls_missing() {
        let cohort = Cohort::whole(small_source(40, 20));
        let filter = |status: Option<&[Option<bool>]>| {
            super::filter(&cohort, &Thresholds::default(), status).unwrap()
        };
        assert!(filter(None).any_missing);
        assert_eq!(filter(None).kept.len(), 20);
        let called = |r: u32| (0..20).all(|v| small_code(r, v) != 0b01);
        let status: Vec<Option<bool>> = (0..40).map(|r| called(r).then_some(r % 2 == 0)).collect();
        assert!(!filter(Some(&status)).any_missing);
    }
}
