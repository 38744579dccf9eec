//! How many people and cases the sums of each variant are over, when some inputs of a job do not have it.
//!
//! A result gives these numbers for each presence pattern ([`crate::presence`]), not for each input: nobody learns a single
//! input's number of cases from the totals alone. With `(n, r)` people and cases of the whole job and `(n_p, r_p)` those of
//! the inputs that have the variants of pattern p, a variant of that pattern lacks the calls of `n - n_p` people and
//! `r - r_p` cases. Where a plane of calls is summed it holds them already.

use super::counts::{PlaneSums, VariantSums};
use crate::presence::Presence;

/// People and cases among them.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Group {
    /// People.
    pub people: u32,
    /// Cases.
    pub cases: u32,
}

/// Case numbers are phenotype information.
impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("people", &self.people).finish_non_exhaustive()
    }
}

/// Why there are no denominators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DenominatorError {
    /// Not one total for each pattern.
    #[error("the totals are not those of the job's inputs; results of different jobs were mixed")]
    Totals,
    /// More cases than people.
    #[error("the totals give more cases than people; an input was not honestly encrypted")]
    Cases,
}

/// The numbers of people and cases of every variant of a job.
#[derive(Clone, Debug)]
pub struct Denominators {
    presence: Presence,
    of_pattern: Vec<Group>,
    all: Group,
    calls: bool,
}

impl Denominators {
    /// Those of a job with these presence patterns; `of_pattern` are their decrypted totals, the first those of all inputs, and
    /// `calls` says whether a plane of calls was summed.
    ///
    /// # Errors
    /// When the totals can't be those of the patterns.
    pub fn new(
        presence: Presence,
        of_pattern: Vec<Group>,
        calls: bool,
    ) -> Result<Self, DenominatorError> {
        if of_pattern.len() != presence.patterns() as usize {
            return Err(DenominatorError::Totals);
        }
        if of_pattern.iter().any(|group| group.cases > group.people) {
            return Err(DenominatorError::Cases);
        }
        let all = of_pattern.first().copied().ok_or(DenominatorError::Totals)?;
        if of_pattern.iter().any(|g| g.people > all.people || g.cases > all.cases) {
            return Err(DenominatorError::Totals);
        }
        Ok(Self { presence, of_pattern, all, calls })
    }

    /// People and cases of the job, all inputs together.
    #[must_use]
    pub fn all(&self) -> Group {
        self.all
    }

    /// People and cases of each presence pattern.
    #[must_use]
    pub fn of_patterns(&self) -> &[Group] {
        &self.of_pattern
    }

    /// People and cases of the inputs that have a variant.
    #[must_use]
    pub fn at(&self, variant: u32) -> Group {
        let pattern = self.presence.pattern(variant);
        pattern.and_then(|p| self.of_pattern.get(p as usize)).copied().unwrap_or_default()
    }

    /// Makes the decrypted sums of all variants, in the panel's order, sums over [all](Self::all) people and cases, of whom
    /// those whose input lacks the variant are not called.
    pub fn complete(&self, sums: &mut [VariantSums]) {
        let patterns_differ = self.of_pattern.len() > 1
            || (0..sums.len()).any(|v| self.presence.pattern(v as u32).is_none());
        if self.calls || !patterns_differ {
            return;
        }
        for (variant, sums) in (0..).zip(sums) {
            let Group { people, cases } = self.at(variant);
            let lack = |sums: &mut PlaneSums, all: u32, here: u32| {
                sums.not_called = Some(i64::from(here) - i64::from(all));
            };
            lack(&mut sums.all, self.all.people, people);
            lack(&mut sums.cases, self.all.cases, cases);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::counts::{GenotypeTable, VariantCounts};
    use crate::wire::Bitmap;

    /// For each person whether a case, and g or nothing for each variant; the variants that the input lacks.
    #[derive(Clone, Debug)]
    struct Input {
        people: Vec<(bool, Vec<Option<u8>>)>,
        absent: Vec<bool>,
    }

    const VARIANTS: usize = 6;

    fn input() -> impl Strategy<Value = Input> {
        let person =
            (any::<bool>(), prop::collection::vec(prop::option::weighted(0.8, 0u8..3), VARIANTS));
        (
            prop::collection::vec(person, 1..8),
            // The first variant is in every input.
            prop::collection::vec(prop::bool::weighted(0.3), VARIANTS - 1),
        )
            .prop_map(|(people, absent)| Input { people, absent: [vec![false], absent].concat() })
    }

    fn presence(inputs: &[Input]) -> Presence {
        let absent: Vec<Bitmap> =
            inputs.iter().map(|i| Bitmap::new(VARIANTS as u32, |v| i.absent[v as usize])).collect();
        let absent: Vec<Option<&Bitmap>> =
            absent.iter().map(|a| (a.count() > 0).then_some(a)).collect();
        Presence::new(VARIANTS as u32, &absent)
    }

    fn totals(inputs: &[Input], presence: &Presence) -> Vec<Group> {
        let of = |pattern| {
            let mut group = Group::default();
            for (_, input) in
                inputs.iter().enumerate().filter(|(i, _)| presence.contains(pattern, *i))
            {
                group.people += input.people.len() as u32;
                group.cases += input.people.iter().filter(|p| p.0).count() as u32;
            }
            group
        };
        (0..presence.patterns()).map(of).collect()
    }

    /// What a server sums; without a plane of calls everybody is called (here: has 0 copies).
    fn sums(inputs: &[Input], calls: bool) -> (Vec<VariantSums>, Vec<GenotypeTable>) {
        let empty = PlaneSums { x: 0, hom_alt: Some(0), not_called: calls.then_some(0) };
        let mut sums = vec![VariantSums { all: empty, cases: empty }; VARIANTS];
        let mut tables = vec![GenotypeTable { cases: [0; 3], controls: [0; 3] }; VARIANTS];
        for input in inputs {
            for (case, genotypes) in &input.people {
                for (v, g) in genotypes.iter().enumerate() {
                    let call = if calls { *g } else { Some(g.unwrap_or(0)) };
                    let call = call.filter(|_| !input.absent[v]);
                    let VariantSums { all, cases } = &mut sums[v];
                    for sums in [Some(all), case.then_some(cases)].into_iter().flatten() {
                        match call {
                            Some(g) => {
                                sums.x += i64::from(g) - 1;
                                sums.hom_alt = sums.hom_alt.map(|n| n + i64::from(g == 2));
                            }
                            None => sums.not_called = sums.not_called.map(|n| n - 1),
                        }
                    }
                    if let Some(g) = call {
                        let table = &mut tables[v];
                        let group = if *case { &mut table.cases } else { &mut table.controls };
                        group[usize::from(g)] += 1;
                    }
                }
            }
        }
        (sums, tables)
    }

    proptest! {
        #[test]
        fn counts_are_the_merged_cohort_s(inputs in prop::collection::vec(input(), 1..6), calls in any::<bool>()) {
            let presence = presence(&inputs);
            let totals = totals(&inputs, &presence);
            let found = Denominators::new(presence, totals, calls).unwrap();
            let (mut sums, tables) = sums(&inputs, calls);
            found.complete(&mut sums);
            let Group { people, cases } = found.all();
            prop_assert_eq!(people as usize, inputs.iter().map(|i| i.people.len()).sum::<usize>());
            for (v, (sums, table)) in (0..).zip(sums.iter().zip(tables)) {
                let counts = sums.counts(v, people, cases).unwrap();
                prop_assert_eq!(counts, VariantCounts::from_genotypes(table));
                let having: usize =
                    inputs.iter().filter(|i| !i.absent[v as usize]).map(|i| i.people.len()).sum();
                prop_assert_eq!(found.at(v).people as usize, having);
            }
        }
    }

    fn group(people: u32, cases: u32) -> Group {
        Group { people, cases }
    }

    #[test]
    fn without_a_shared_variant_each_variant_still_has_its_own_numbers() {
        let (a, b) = (Bitmap::new(3, |v| v == 0 || v == 2), Bitmap::new(3, |v| v > 0));
        let presence = Presence::new(3, &[Some(&a), Some(&b)]);
        let totals = vec![group(12, 5), group(5, 4), group(7, 1)];
        let found = Denominators::new(presence, totals, false).unwrap();
        assert_eq!(
            (found.all(), found.at(0), found.at(1)),
            (group(12, 5), group(5, 4), group(7, 1))
        );
        assert_eq!(found.at(2), group(0, 0), "nobody has it");
        let mut sums = [VariantSums::default(); 3];
        found.complete(&mut sums);
        let counts = |v: u32| sums[v as usize].counts(v, 12, 5).unwrap().alleles;
        assert_eq!(
            [counts(0), counts(1), counts(2)].map(|a| (a.cases, a.controls)),
            [(4, 1), (1, 6), (0, 0)]
        );
    }

    #[test]
    fn bad_totals_are_refused() {
        let absent = Bitmap::new(3, |v| v == 1);
        let presence = Presence::new(3, &[Some(&absent), None]);
        let new = |totals| Denominators::new(presence.clone(), totals, false).map(|d| d.all());
        assert_eq!(new(vec![group(9, 3), group(4, 2)]), Ok(group(9, 3)));
        assert_eq!(new(vec![]), Err(DenominatorError::Totals));
        assert_eq!(new(vec![group(9, 3)]), Err(DenominatorError::Totals));
        assert_eq!(new(vec![group(9, 3), group(4, 5)]), Err(DenominatorError::Cases));
        // Some of the inputs are never more than all.
        assert_eq!(new(vec![group(9, 3), group(10, 2)]), Err(DenominatorError::Totals));
        assert_eq!(new(vec![group(9, 3), group(6, 4)]), Err(DenominatorError::Totals));
        assert!(!format!("{:?}", group(5, 3)).contains('3'));
    }
}
