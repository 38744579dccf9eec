//! The same filters on what a study released: in a study of several sites no site can apply them to its own files, or the
//! sites' panels would differ. People and controls are then everybody and all controls: who is a founder isn't released.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{Evidence, Thresholds, Verdict};
use crate::io::Reason;
use crate::stats::counts::{CountError, VariantSums};

/// Why released sums can't be filtered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PooledError {
    /// Sums that are no counts.
    #[error(transparent)]
    Counts(#[from] CountError),
    /// Hardy-Weinberg needs genotype counts.
    #[error(
        "--hwe needs genotype counts, which were not computed; leave it out, or run the job with a test that needs them (trend, geno, dom, rec)"
    )]
    NoGenotypes,
}

/// Decides which variants stay, from the sums of each over `people` people of whom `cases` are cases.
///
/// `--geno` counts people whose site does not have the variant as missing, as PLINK does after a merge.
///
/// # Errors
/// When sums are no counts, or `hwe` is asked for without genotype counts.
pub fn filter_pooled(
    sums: &[VariantSums],
    people: u32,
    cases: u32,
    thresholds: &Thresholds,
) -> Result<Verdict, PooledError> {
    let judge = |(variant, sums): (usize, &VariantSums)| -> Result<_, PooledError> {
        let variant = u32::try_from(variant).unwrap_or(u32::MAX);
        let counts = sums.counts(variant, people, cases)?;
        if thresholds.hwe.is_some() && counts.genotypes.is_none() {
            return Err(PooledError::NoGenotypes);
        }
        let frequency = counts.alleles.alt_frequency().unwrap_or(0.0);
        let missing =
            u64::from(people).saturating_sub(counts.alleles.cases + counts.alleles.controls);
        let reason = thresholds.judge(&Evidence {
            people: people.into(),
            missing,
            minor_allele_frequency: frequency.min(1.0 - frequency),
            controls: counts.genotypes.map(|g| g.controls),
        });
        Ok((reason, missing > 0))
    };
    let judged: Vec<(Option<Reason>, bool)> =
        sums.par_iter().enumerate().map(judge).collect::<Result<_, _>>()?;
    let mut verdict = Verdict { kept: Vec::new(), removed: BTreeMap::new(), any_missing: false };
    for (variant, (reason, missing)) in (0..).zip(judged) {
        match reason {
            Some(reason) => drop(verdict.removed.insert(variant, reason)),
            None => {
                verdict.kept.push(variant);
                verdict.any_missing |= missing;
            }
        }
    }
    Ok(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Cohort;
    use crate::io::testing::small_source;
    use crate::packing::plain_sums;
    use crate::qc::filter;
    use crate::stats::counts::PlaneSums;
    use crate::wire::PlaneKind;

    /// Sums of [`small_source`] with every third person a case.
    fn sums(people: u32, variants: u32, genotypes: bool) -> (Vec<VariantSums>, Vec<Option<bool>>) {
        let status: Vec<Option<bool>> = (0..people).map(|i| Some(i % 3 == 0)).collect();
        let weights: Vec<i64> = status.iter().map(|s| i64::from(*s == Some(true))).collect();
        let planes = [PlaneKind::Dosage, PlaneKind::HomAlt, PlaneKind::Called];
        let cohort = Cohort::whole(small_source(people, variants));
        let found = plain_sums(&cohort, &[&weights], &planes, 16).unwrap();
        let plane = |of: &dyn Fn(usize) -> i64| PlaneSums {
            x: of(0),
            hom_alt: genotypes.then(|| of(1)),
            not_called: Some(of(2)),
        };
        let sums = (0..variants as usize)
            .map(|v| VariantSums {
                all: plane(&|p| found[p].plain[v]),
                cases: plane(&|p| found[p].weighted[0][v]),
            })
            .collect();
        (sums, status)
    }

    #[test]
    fn released_sums_are_filtered_as_the_files_would_be() {
        let (people, variants) = (60, 400);
        let (sums, status) = sums(people, variants, true);
        let cohort = Cohort::whole(small_source(people, variants));
        let thresholds = |maf, geno, hwe| Thresholds { maf, geno, hwe, nonfounders: false };
        for thresholds in [
            thresholds(None, None, None),
            thresholds(Some(0.45), None, None),
            thresholds(None, Some(0.25), None),
            thresholds(None, None, Some(0.01)),
            thresholds(Some(0.4), Some(0.3), Some(0.001)),
        ] {
            let pooled = filter_pooled(&sums, people, 20, &thresholds).unwrap();
            let direct = filter(&cohort, &thresholds, Some(&status)).unwrap();
            assert_eq!(pooled.kept, direct.kept, "{thresholds:?}");
            assert_eq!(pooled.removed, direct.removed);
            assert_eq!(pooled.any_missing, direct.any_missing);
            let filters = thresholds != Thresholds::default();
            assert_eq!(pooled.removed.is_empty(), !filters, "{thresholds:?} filters nothing");
        }
    }

    #[test]
    fn bad_sums_are_refused() {
        let hwe = Thresholds { hwe: Some(0.1), ..Thresholds::default() };
        let (without, _) = sums(9, 3, false);
        assert_eq!(filter_pooled(&without, 9, 3, &hwe).unwrap_err(), PooledError::NoGenotypes);
        assert!(filter_pooled(&without, 9, 3, &Thresholds::default()).is_ok());
        let (sums, _) = sums(9, 3, true);
        assert!(matches!(
            filter_pooled(&sums, 2, 3, &Thresholds::default()),
            Err(PooledError::Counts(_))
        ));
    }
}
