//! From sums of planes to tables of counts.
//!
//! Sums come out of a decryption of foreign ciphertexts: whatever cannot be a count is an error, never a plausible table.

use super::hwe;

/// Sums of a variant's planes over some people (see `packing` for the planes).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct PlaneSums {
    /// `sum (g - 1)` over the people who are called.
    pub x: i64,
    /// Number of people with `g = 2`, where the plane exists.
    pub hom_alt: Option<i64>,
    /// Minus the number of people without a call, where the plane exists; otherwise everybody is called.
    pub not_called: Option<i64>,
}

/// A variant's sums over everybody and over the cases.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct VariantSums {
    /// Over all people who take part.
    pub all: PlaneSums,
    /// Over the cases.
    pub cases: PlaneSums,
}

/// Sums are as private as the genotypes of a small group.
impl std::fmt::Debug for VariantSums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VariantSums(..)")
    }
}

/// Allele counts of one variant among those called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlleleTable {
    /// ALT alleles in cases.
    pub case_alt: u64,
    /// REF alleles in cases.
    pub case_ref: u64,
    /// ALT alleles in controls.
    pub control_alt: u64,
    /// REF alleles in controls.
    pub control_ref: u64,
    /// Cases called.
    pub cases: u64,
    /// Controls called.
    pub controls: u64,
}

impl AlleleTable {
    /// Frequency of ALT among all who are called; nothing if nobody is.
    #[must_use]
    pub fn alt_frequency(&self) -> Option<f64> {
        let alleles = 2 * (self.cases + self.controls);
        (alleles > 0).then(|| (self.case_alt + self.control_alt) as f64 / alleles as f64)
    }

    /// Share of the `people` who take part that is called; nothing if nobody takes part.
    #[must_use]
    pub fn call_rate(&self, people: u32) -> Option<f64> {
        (people > 0).then(|| (self.cases + self.controls) as f64 / f64::from(people))
    }
}

/// Genotype counts of one variant: people with 0, 1, 2 copies of ALT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GenotypeTable {
    /// Cases.
    pub cases: [u64; 3],
    /// Controls.
    pub controls: [u64; 3],
}

impl GenotypeTable {
    /// Exact Hardy-Weinberg p-value of the controls (see [`hwe`]).
    #[must_use]
    pub fn hwe_controls(&self) -> f64 {
        let [hom_ref, het, hom_alt] = self.controls;
        hwe::exact_p(hom_ref, het, hom_alt)
    }

    /// Exact Hardy-Weinberg p-value of cases and controls together.
    #[must_use]
    pub fn hwe_all(&self) -> f64 {
        let ([r0, r1, r2], [s0, s1, s2]) = (self.cases, self.controls);
        hwe::exact_p(r0 + s0, r1 + s1, r2 + s2)
    }
}

/// All counts of one variant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VariantCounts {
    /// Alleles.
    pub alleles: AlleleTable,
    /// Genotypes, where the plane of homozygotes was summed.
    pub genotypes: Option<GenotypeTable>,
}

/// Sums that no genotypes give.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "the sums of variant {variant} are not counts of genotypes; an input was not honestly encrypted, or results of \
     different jobs were mixed"
)]
pub struct CountError {
    /// Index of the variant in the panel.
    pub variant: u32,
}

impl VariantSums {
    /// The counts of the variant at `variant`, given the people who take part and the cases among them.
    ///
    /// # Errors
    /// When the sums are no counts.
    pub fn counts(
        &self,
        variant: u32,
        people: u32,
        cases: u32,
    ) -> Result<VariantCounts, CountError> {
        let both = genotypes(&self.all, people).zip(genotypes(&self.cases, cases));
        let counts = both.and_then(|(all, cases)| {
            let controls = all.minus(&cases)?;
            let alleles = AlleleTable {
                case_alt: cases.alt,
                case_ref: 2 * cases.called - cases.alt,
                control_alt: controls.alt,
                control_ref: (2 * controls.called).checked_sub(controls.alt)?,
                cases: cases.called,
                controls: controls.called,
            };
            let genotypes = cases.genotypes.zip(controls.genotypes);
            let genotypes = genotypes.map(|(cases, controls)| GenotypeTable { cases, controls });
            Some(VariantCounts { alleles, genotypes })
        });
        counts.ok_or(CountError { variant })
    }
}

impl VariantCounts {
    /// The counts that follow from a genotype table.
    #[must_use]
    pub fn from_genotypes(table: GenotypeTable) -> Self {
        let [r0, r1, r2] = table.cases;
        let [s0, s1, s2] = table.controls;
        let alleles = AlleleTable {
            case_alt: r1 + 2 * r2,
            case_ref: r1 + 2 * r0,
            control_alt: s1 + 2 * s2,
            control_ref: s1 + 2 * s0,
            cases: r0 + r1 + r2,
            controls: s0 + s1 + s2,
        };
        Self { alleles, genotypes: Some(table) }
    }
}

/// Counts of one group of people.
struct Group {
    called: u64,
    alt: u64,
    genotypes: Option<[u64; 3]>,
}

impl Group {
    /// What is left when `part` is taken away, if it can be a part.
    fn minus(&self, part: &Self) -> Option<Self> {
        let genotypes = match (self.genotypes, part.genotypes) {
            (Some([a, b, c]), Some([x, y, z])) => {
                Some([a.checked_sub(x)?, b.checked_sub(y)?, c.checked_sub(z)?])
            }
            (None, None) => None,
            _ => return None,
        };
        let (called, alt) =
            (self.called.checked_sub(part.called)?, self.alt.checked_sub(part.alt)?);
        Some(Self { called, alt, genotypes })
    }
}

fn genotypes(sums: &PlaneSums, people: u32) -> Option<Group> {
    let missing = sums.not_called.unwrap_or(0).checked_neg()?;
    let called = i64::from(people).checked_sub(missing)?;
    let alt = sums.x.checked_add(called)?;
    let fine = missing >= 0 && called >= 0 && (0..=2 * called).contains(&alt);
    let genotypes = match sums.hom_alt {
        None => None,
        Some(hom_alt) => {
            let het = alt.checked_sub(hom_alt.checked_mul(2)?)?;
            let hom_ref = called.checked_sub(het)?.checked_sub(hom_alt)?;
            let count = |x: i64| u64::try_from(x).ok();
            Some([count(hom_ref)?, count(het)?, count(hom_alt)?])
        }
    };
    fine.then_some(Group { called: called.unsigned_abs(), alt: alt.unsigned_abs(), genotypes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_become_counts() {
        // Cases: genotypes 0, 1, 2, missing; controls: 0, 0, 1.
        let all = PlaneSums { x: -1 + 1 - 1 - 1, hom_alt: Some(1), not_called: Some(-1) };
        let cases = PlaneSums { x: 0, hom_alt: Some(1), not_called: Some(-1) };
        let c = VariantSums { all, cases }.counts(0, 7, 4).unwrap();
        assert_eq!(c.genotypes, Some(GenotypeTable { cases: [1, 1, 1], controls: [2, 1, 0] }));
        assert_eq!(c, VariantCounts::from_genotypes(c.genotypes.unwrap()));
        assert_eq!(c.alleles.alt_frequency(), Some(4.0 / 12.0));
        assert_eq!(c.alleles.call_rate(7), Some(6.0 / 7.0));
        assert_eq!(c.alleles.call_rate(0), None);
    }

    #[test]
    fn impossible_sums_are_refused() {
        let sums = |x, hom_alt, not_called| PlaneSums { x, hom_alt, not_called };
        let zero = sums(-5, Some(0), Some(0));
        let no_cases = sums(0, Some(0), Some(0));
        let check = |all, cases, r| VariantSums { all, cases }.counts(3, 5, r);
        assert!(check(zero, no_cases, 0).is_ok());
        for bad in [
            sums(6, Some(0), Some(0)),  // more ALT alleles than alleles
            sums(-6, Some(0), Some(0)), // fewer than none
            sums(-5, Some(1), Some(0)), // homozygotes without alleles
            sums(5, Some(4), Some(0)),  // six heterozygotes among five people
            sums(0, Some(0), Some(1)),  // more called than people
            sums(0, Some(0), Some(-6)), // fewer than none called
            sums(i64::MIN, Some(i64::MIN), Some(i64::MIN)),
            sums(i64::MAX, Some(i64::MAX), Some(i64::MAX)),
        ] {
            assert_eq!(check(bad, no_cases, 0), Err(CountError { variant: 3 }));
        }
        // A part larger than the whole.
        assert!(check(zero, sums(-1, Some(0), Some(0)), 2).is_err());
        assert!(check(zero, sums(-6, Some(0), Some(0)), 6).is_err());
        // Planes that do not match.
        assert!(check(zero, sums(0, None, None), 0).is_err());
    }
}
