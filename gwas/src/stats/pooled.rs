//! Sums over several contributions, of which some do not have every variant.
//!
//! A contribution's planes hold 0 for its people at a variant that it does not have, except that its `Called` plane, if it
//! has one, holds -1 for each of them. So the pooled sums of `Dosage` and `HomAlt` are sums over the people of the
//! contributions that have the variant, and what is left to do is to count the people of the others, who are simply not
//! called. Which variants a contribution lacks is public, its people are known, and its number of cases is the decrypted sum
//! of its phenotype: no plane has to be uploaded for it.
//!
//! Per variant v, over contributions k with n_k people and r_k cases:
//!
//! ```text
//! people not called(v) = - sum over the Called planes + sum of n_k over the k without that plane that lack v
//! cases not called(v)  = - sum over the Called planes, y-weighted + sum of the same r_k
//! ```

use super::counts::{PlaneSums, VariantSums};
use crate::bitmap::Bitmap;
use crate::wire::PlaneKind;

/// One contribution to a pooled job: a site's dataset, a site's totals, or a donor's row.
#[derive(Clone, PartialEq, Eq)]
pub struct Contribution {
    /// Its people who take part in the job.
    pub people: u32,
    /// Cases among them.
    pub cases: u32,
    /// The planes that were summed for it.
    pub planes: Vec<PlaneKind>,
    /// Variants of the panel that it does not have.
    pub absent: Bitmap,
}

/// Case numbers are phenotype information.
impl std::fmt::Debug for Contribution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contribution")
            .field("people", &self.people)
            .field("planes", &self.planes)
            .field("absent", &self.absent.count())
            .finish_non_exhaustive()
    }
}

/// Why contributions can't be pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The bitmap is another panel's.
    #[error(
        "contribution {contribution} lists absent variants of another panel; align its files to the study's panel and encrypt again"
    )]
    Panel {
        /// 1-based number of the contribution.
        contribution: usize,
    },
    /// More cases than people.
    #[error(
        "contribution {contribution} has more cases than people; its phenotype was not honestly encrypted"
    )]
    Cases {
        /// 1-based number of the contribution.
        contribution: usize,
    },
    /// A plane that the study sums is missing.
    #[error(
        "contribution {contribution} lacks the {plane:?} plane that others have; encrypt it again for the study's tests"
    )]
    Plane {
        /// 1-based number of the contribution.
        contribution: usize,
        /// The plane.
        plane: PlaneKind,
    },
    /// More people than any study has.
    #[error("more than 2^32 people in all contributions")]
    People,
    /// Sums of another panel, or of other planes.
    #[error(
        "the sums are not those of the contributions' panel and planes; results of different jobs were mixed"
    )]
    Sums,
}

/// Contributions that were summed together.
#[derive(Clone, Debug)]
pub struct Pool {
    variants: u32,
    people: u32,
    cases: u32,
    calls: bool,
    genotypes: bool,
    contributions: Vec<Contribution>,
}

impl Pool {
    /// The pool of `contributions` to a panel of `variants` variants.
    ///
    /// # Errors
    /// When a contribution doesn't fit the panel or the others.
    pub fn new(variants: u32, contributions: Vec<Contribution>) -> Result<Self, PoolError> {
        let has = |c: &Contribution, plane| c.planes.contains(&plane);
        let calls = contributions.iter().any(|c| has(c, PlaneKind::Called));
        let genotypes = contributions.iter().any(|c| has(c, PlaneKind::HomAlt));
        let (mut people, mut cases) = (0u32, 0u32);
        for (contribution, c) in (1..).zip(&contributions) {
            if !c.absent.fits(variants) {
                return Err(PoolError::Panel { contribution });
            }
            if c.cases > c.people {
                return Err(PoolError::Cases { contribution });
            }
            // Only the plane of calls may be missing: without it, everybody is called.
            for (plane, needed) in [(PlaneKind::Dosage, true), (PlaneKind::HomAlt, genotypes)] {
                if needed && !has(c, plane) {
                    return Err(PoolError::Plane { contribution, plane });
                }
            }
            people = people.checked_add(c.people).ok_or(PoolError::People)?;
            cases = cases.checked_add(c.cases).ok_or(PoolError::People)?;
        }
        Ok(Self { variants, people, cases, calls, genotypes, contributions })
    }

    /// People of all contributions.
    #[must_use]
    pub fn people(&self) -> u32 {
        self.people
    }

    /// Cases of all contributions.
    #[must_use]
    pub fn cases(&self) -> u32 {
        self.cases
    }

    /// People of the contributions that have a variant, called or not: what a rule about the fewest people looks at.
    #[must_use]
    pub fn people_at(&self, variant: u32) -> u32 {
        self.contributions.iter().filter(|c| !c.absent.contains(variant)).map(|c| c.people).sum()
    }

    /// Cases of the contributions that have a variant.
    #[must_use]
    pub fn cases_at(&self, variant: u32) -> u32 {
        self.contributions.iter().filter(|c| !c.absent.contains(variant)).map(|c| c.cases).sum()
    }

    /// Turns the decrypted pooled sums of each plane (with nothing for planes that were not summed) into sums over the
    /// [people](Self::people) and [cases](Self::cases) of all contributions, those whose contribution lacks the variant not
    /// being called. [`VariantSums::counts`] takes it from there.
    ///
    /// # Errors
    /// When the sums are not those of the panel or the planes.
    pub fn complete(&self, sums: &mut [VariantSums]) -> Result<(), PoolError> {
        if u32::try_from(sums.len()) != Ok(self.variants) {
            return Err(PoolError::Sums);
        }
        let fits = |s: &PlaneSums| {
            s.not_called.is_some() == self.calls && s.hom_alt.is_some() == self.genotypes
        };
        if !sums.iter().all(|s| fits(&s.all) && fits(&s.cases)) {
            return Err(PoolError::Sums);
        }
        let lacking: Vec<&Contribution> = self
            .contributions
            .iter()
            .filter(|c| !c.planes.contains(&PlaneKind::Called) && c.absent.count() > 0)
            .collect();
        if lacking.is_empty() {
            return Ok(());
        }
        for (variant, sums) in (0..).zip(sums) {
            let (mut people, mut cases) = (0i64, 0i64);
            for c in lacking.iter().filter(|c| c.absent.contains(variant)) {
                people += i64::from(c.people);
                cases += i64::from(c.cases);
            }
            // Saturating: sums out of foreign ciphertexts may be anything, and `counts` refuses what is no count.
            let add = |sum: &mut Option<i64>, n: i64| {
                *sum = Some(sum.unwrap_or(0).saturating_sub(n));
            };
            add(&mut sums.all.not_called, people);
            add(&mut sums.cases.not_called, cases);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::counts::{GenotypeTable, VariantCounts};

    /// One contribution with its genotypes: for each person whether a case, and per variant g or nothing.
    #[derive(Clone, Debug)]
    struct Site {
        cases: Vec<bool>,
        /// `[variant][person]`.
        genotypes: Vec<Vec<Option<u8>>>,
        absent: Vec<bool>,
    }

    fn site(variants: usize) -> impl Strategy<Value = Site> {
        (0usize..12, any::<bool>()).prop_flat_map(move |(people, complete)| {
            let call = prop::option::weighted(0.8, 0u8..3)
                .prop_map(move |g| if complete { g.or(Some(0)) } else { g });
            (
                prop::collection::vec(any::<bool>(), people),
                prop::collection::vec(prop::collection::vec(call, people), variants),
                prop::collection::vec(prop::bool::weighted(0.2), variants),
            )
                .prop_map(|(cases, genotypes, absent)| Site {
                    cases,
                    genotypes,
                    absent,
                })
        })
    }

    impl Site {
        fn call(&self, variant: usize, person: usize) -> Option<u8> {
            self.genotypes[variant][person].filter(|_| !self.absent[variant])
        }

        /// Whether a call is missing at a variant that the site has.
        fn has_missing(&self) -> bool {
            let rows = self.genotypes.iter().zip(&self.absent).filter(|(_, absent)| !**absent);
            rows.into_iter().any(|(row, _)| row.iter().any(Option::is_none))
        }

        fn contribution(&self, always_calls: bool) -> Contribution {
            let mut planes = vec![PlaneKind::Dosage, PlaneKind::HomAlt];
            planes.extend((always_calls || self.has_missing()).then_some(PlaneKind::Called));
            Contribution {
                people: self.cases.len() as u32,
                cases: self.cases.iter().filter(|&&c| c).count() as u32,
                planes,
                absent: Bitmap::new(self.absent.len() as u32, |v| self.absent[v as usize]),
            }
        }
    }

    /// Adds up planes as a server does: contributions without a plane of calls add nothing to it.
    fn planes(sites: &[Site], contributions: &[Contribution], variant: usize) -> VariantSums {
        let calls = contributions.iter().any(|c| c.planes.contains(&PlaneKind::Called));
        let empty = || PlaneSums { x: 0, hom_alt: Some(0), not_called: calls.then_some(0) };
        let mut sums = VariantSums { all: empty(), cases: empty() };
        for (site, contribution) in sites.iter().zip(contributions) {
            for (person, &case) in site.cases.iter().enumerate() {
                for sums in
                    [Some(&mut sums.all), case.then_some(&mut sums.cases)].into_iter().flatten()
                {
                    match site.call(variant, person) {
                        Some(g) => {
                            sums.x += i64::from(g) - 1;
                            *sums.hom_alt.as_mut().unwrap() += i64::from(g == 2);
                        }
                        None if contribution.planes.contains(&PlaneKind::Called) => {
                            *sums.not_called.as_mut().unwrap() -= 1;
                        }
                        None => assert!(site.absent[variant], "a missing call needs its plane"),
                    }
                }
            }
        }
        sums
    }

    proptest! {
        #[test]
        fn pooled_counts_are_the_merged_cohort_s(sites in prop::collection::vec(site(6), 1..6), always in 0usize..7) {
            let contributions: Vec<Contribution> =
                sites.iter().enumerate().map(|(i, s)| s.contribution(i == always)).collect();
            let pool = Pool::new(6, contributions.clone()).unwrap();
            let mut sums: Vec<VariantSums> =
                (0..6).map(|v| planes(&sites, &contributions, v)).collect();
            pool.complete(&mut sums).unwrap();
            for (v, summed) in sums.iter().enumerate() {
                let mut table = GenotypeTable { cases: [0; 3], controls: [0; 3] };
                for site in &sites {
                    for (person, &case) in site.cases.iter().enumerate() {
                        if let Some(g) = site.call(v, person) {
                            let group = if case { &mut table.cases } else { &mut table.controls };
                            group[usize::from(g)] += 1;
                        }
                    }
                }
                let found = summed.counts(v as u32, pool.people(), pool.cases()).unwrap();
                prop_assert_eq!(found, VariantCounts::from_genotypes(table));
                let having: Vec<&Site> = sites.iter().filter(|s| !s.absent[v]).collect();
                prop_assert_eq!(pool.people_at(v as u32) as usize, having.iter().map(|s| s.cases.len()).sum::<usize>());
                prop_assert_eq!(
                    pool.cases_at(v as u32) as usize,
                    having.iter().map(|s| s.cases.iter().filter(|&&c| c).count()).sum::<usize>()
                );
            }
        }
    }

    #[test]
    fn bad_contributions_are_refused() {
        let good = Contribution {
            people: 5,
            cases: 2,
            planes: vec![PlaneKind::Dosage],
            absent: Bitmap::new(9, |_| false),
        };
        let pool = |second: Contribution| Pool::new(9, vec![good.clone(), second]).map(drop);
        assert_eq!(pool(good.clone()), Ok(()));
        let absent = Bitmap::new(17, |_| false);
        assert_eq!(
            pool(Contribution { absent, ..good.clone() }),
            Err(PoolError::Panel { contribution: 2 })
        );
        assert_eq!(
            pool(Contribution { cases: 6, ..good.clone() }),
            Err(PoolError::Cases { contribution: 2 })
        );
        assert_eq!(pool(Contribution { people: u32::MAX, ..good.clone() }), Err(PoolError::People));
        let more =
            Contribution { planes: vec![PlaneKind::Dosage, PlaneKind::HomAlt], ..good.clone() };
        assert_eq!(pool(more), Err(PoolError::Plane { contribution: 1, plane: PlaneKind::HomAlt }));
        let none = Contribution { planes: vec![], ..good.clone() };
        assert_eq!(pool(none), Err(PoolError::Plane { contribution: 2, plane: PlaneKind::Dosage }));
        assert!(!format!("{good:?}").contains("cases"));
    }

    #[test]
    fn bad_sums_are_refused() {
        let contribution = Contribution {
            people: 5,
            cases: 2,
            planes: vec![PlaneKind::Dosage],
            absent: Bitmap::new(2, |v| v == 1),
        };
        let pool = Pool::new(2, vec![contribution]).unwrap();
        let mut sums = [VariantSums::default(); 2];
        assert_eq!(pool.complete(&mut sums[..1]), Err(PoolError::Sums));
        assert_eq!(pool.complete(&mut sums), Ok(()));
        assert_eq!(sums[1].all.not_called, Some(-5));
        assert_eq!(sums[0].all.not_called, Some(0));
        // Completed before: the plane of calls is there already.
        assert_eq!(pool.complete(&mut sums), Err(PoolError::Sums));
    }
}
