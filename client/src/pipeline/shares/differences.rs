//! By how many people the groups differ over which sums are released: in one job, and between jobs.
//!
//! The numbers that are released for a variant are over the people of the inputs that have it, so a job releases sums over one
//! group for each presence pattern. Two sums tell by difference about those who are in one of their groups and not in the
//! other: no two groups of a study's jobs may differ by fewer than the study's (or the holder's) fewest changed rows, but by
//! none. What follows from three and more sums together is not looked at.
//!
//! Rows are told apart by dataset and number. Of totals nobody sees the rows: those of one owner are taken for the same people.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gwas::presence::Presence;
use gwas::wire::{Bitmap, Did, RowSet};
use he_core::Digest;
use serde::{Deserialize, Serialize};

/// Most pairs of groups that are compared; only contributions of fewer people than the limit make pairs.
const MAX_PAIRS: u64 = 1 << 24;

/// What a contribution to a job was, as far as everybody can see.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(in crate::pipeline) enum Contribution {
    /// Rows of a dataset.
    Rows {
        dataset: Digest,
        phenotype: Digest,
        /// Rows that took part.
        rows: RowSet,
        /// Variants that it does not have.
        absent: Option<Bitmap>,
    },
    /// Totals of an owner.
    Totals {
        owner: Did,
        totals: Digest,
        /// People whom they attest.
        people: u32,
        /// Variants that they do not have.
        absent: Option<Bitmap>,
    },
}

/// Whose people a contribution is of: contributions of one of these are never of different people.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Dataset(Digest),
    Owner(Did),
}

impl Contribution {
    fn source(&self) -> Source {
        match self {
            Self::Rows { dataset, .. } => Source::Dataset(*dataset),
            Self::Totals { owner, .. } => Source::Owner(*owner),
        }
    }

    /// People who take part.
    pub(super) fn people(&self) -> u32 {
        match self {
            Self::Rows { rows, .. } => rows.count(),
            Self::Totals { people, .. } => *people,
        }
    }

    pub(super) fn absent(&self) -> Option<&Bitmap> {
        match self {
            Self::Rows { absent, .. } | Self::Totals { absent, .. } => absent.as_ref(),
        }
    }

    /// People who are in one of two contributions of the same source and not in the other.
    fn differences(&self, other: &Self) -> u64 {
        match (self, other) {
            (Self::Rows { rows, .. }, Self::Rows { rows: others, .. }) => {
                rows.differences(others).into()
            }
            _ => 0,
        }
    }
}

/// Groups that can't be compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// The fewest people, but at least one, by which a group of one job differs from a group of the other, if these are fewer than
/// `fewest`. The panel has `variants` variants.
///
/// # Errors
/// When contributions of few people lack variants in so many ways that their groups can't all be compared.
pub(super) fn fewest_differing(
    one: &[Contribution],
    other: &[Contribution],
    variants: u32,
    fewest: u32,
) -> Result<Option<u64>, TooMany> {
    if fewest < 2 {
        return Ok(None);
    }
    let fewest = u64::from(fewest);
    let sources = Sources::new(one, other);
    // Groups that differ in a source of many people differ by enough: only those that agree in these are compared.
    let groups = sources.by_large(one, variants, &sources.of_other, fewest);
    let others = sources.by_large(other, variants, &sources.of_one, fewest);
    let (mut found, mut pairs) = (None, 0);
    for (large, groups) in &groups {
        let Some(others) = others.get(large) else { continue };
        pairs += (groups.len() as u64).saturating_mul(others.len() as u64);
        if pairs > MAX_PAIRS {
            return Err(TooMany);
        }
        let common = sources.differing(large, large);
        for (a, b) in groups.iter().flat_map(|a| others.iter().map(move |b| (a, b))) {
            let people = common.saturating_add(sources.differing(a, b));
            if (1..fewest).contains(&people) {
                found = Some(found.map_or(people, |known: u64| known.min(people)));
            }
        }
    }
    Ok(found)
}

/// A set of sources by their numbers, 64 to a word.
type Group = Vec<u64>;

/// The sources of two jobs, numbered.
struct Sources {
    number: BTreeMap<Source, usize>,
    /// People in the one job, by number; of several contributions of a source those of the smallest.
    of_one: Vec<u64>,
    /// The same in the other job.
    of_other: Vec<u64>,
    /// People who are in one of the jobs only, of sources that are in both.
    changed: Vec<u64>,
}

impl Sources {
    fn new(one: &[Contribution], other: &[Contribution]) -> Self {
        let sources: BTreeSet<Source> = one.iter().chain(other).map(Contribution::source).collect();
        let smallest = |job: &[Contribution], source| {
            let people = job.iter().filter(|c| c.source() == source).map(Contribution::people);
            u64::from(people.min().unwrap_or(0))
        };
        let changed = |source| {
            let of = |job: &[Contribution]| job.iter().find(|c| c.source() == source).cloned();
            of(one).zip(of(other)).map_or(0, |(a, b)| a.differences(&b))
        };
        Self {
            of_one: sources.iter().map(|source| smallest(one, *source)).collect(),
            of_other: sources.iter().map(|source| smallest(other, *source)).collect(),
            changed: sources.iter().map(|source| changed(*source)).collect(),
            number: sources.into_iter().zip(0..).collect(),
        }
    }

    /// The groups of a job by the sources of at least `fewest` people in both jobs that are in them, each without these. Groups
    /// with so many people of a source that the job `beside` it does not have are like no group there, and are left out.
    fn by_large(
        &self,
        job: &[Contribution],
        variants: u32,
        beside: &[u64],
        fewest: u64,
    ) -> HashMap<Group, BTreeSet<Group>> {
        let is_many = |people: &[u64], n: usize| people.get(n).is_some_and(|p| *p >= fewest);
        let numbers = || self.number.values().copied();
        let large = self
            .set(numbers().filter(|n| is_many(&self.of_one, *n) && is_many(&self.of_other, *n)));
        let alone = self.set(numbers().filter(|n| {
            let people = self.of_one.get(*n).max(self.of_other.get(*n));
            beside.get(*n) == Some(&0) && people.is_some_and(|p| *p >= fewest)
        }));
        let absent: Vec<Option<&Bitmap>> = job.iter().map(Contribution::absent).collect();
        let presence = Presence::new(variants, &absent);
        let mut found: HashMap<Group, BTreeSet<Group>> = HashMap::new();
        for pattern in 0..presence.patterns() {
            let members = job.iter().enumerate().filter(|(i, _)| presence.contains(pattern, *i));
            let group =
                self.set(members.filter_map(|(_, c)| self.number.get(&c.source()).copied()));
            let and = |with: &Group| group.iter().zip(with).map(|(a, b)| a & b).collect::<Group>();
            if and(&alone).iter().all(|word| *word == 0) {
                let small = group.iter().zip(&large).map(|(a, b)| a & !b).collect();
                found.entry(and(&large)).or_default().insert(small);
            }
        }
        found
    }

    fn set(&self, numbers: impl Iterator<Item = usize>) -> Group {
        let mut group = vec![0; self.number.len().div_ceil(64)];
        for number in numbers {
            if let Some(word) = group.get_mut(number / 64) {
                *word |= 1 << (number % 64);
            }
        }
        group
    }

    /// People by whom a group of the one job differs from one of the other.
    fn differing(&self, one: &Group, other: &Group) -> u64 {
        let mut people = 0u64;
        for (word, (a, b)) in one.iter().zip(other).enumerate() {
            let mut left = a | b;
            while left != 0 {
                let bit = left.trailing_zeros();
                left &= left - 1;
                let of = match (a >> bit & 1, b >> bit & 1) {
                    (1, 1) => &self.changed,
                    (1, _) => &self.of_one,
                    _ => &self.of_other,
                };
                let of = of.get(64 * word + bit as usize).copied();
                people = people.saturating_add(of.unwrap_or(0));
            }
        }
        people
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VARIANTS: u32 = 12;

    fn rows(dataset: u8, people: std::ops::Range<u32>, absent: &[u32]) -> Contribution {
        Contribution::Rows {
            dataset: Digest([dataset; 32]),
            phenotype: Digest([dataset; 32]),
            rows: RowSet::new(400, |row| people.contains(&row)),
            absent: lacking(absent),
        }
    }

    fn totals(owner: u8, people: u32, absent: &[u32]) -> Contribution {
        Contribution::Totals {
            owner: did(owner),
            totals: Digest([owner; 32]),
            people,
            absent: lacking(absent),
        }
    }

    fn did(seed: u8) -> Did {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        Did::new(key.verifying_key().to_bytes()).unwrap()
    }

    fn lacking(absent: &[u32]) -> Option<Bitmap> {
        (!absent.is_empty()).then(|| Bitmap::new(VARIANTS, |v| absent.contains(&v)))
    }

    fn fewest(one: &[Contribution], other: &[Contribution], fewest: u32) -> Option<u64> {
        let found = fewest_differing(one, other, VARIANTS, fewest).unwrap();
        assert_eq!(found, fewest_differing(other, one, VARIANTS, fewest).unwrap());
        assert_eq!(
            found,
            by_hand(one, other).into_iter().filter(|n| (1..fewest.into()).contains(n)).min()
        );
        found
    }

    /// Every group as the set of its people, each pair compared.
    fn by_hand(one: &[Contribution], other: &[Contribution]) -> BTreeSet<u64> {
        let groups = |job: &[Contribution]| -> Vec<BTreeSet<(String, u32)>> {
            let of = |variant: Option<u32>| {
                let has = |c: &&Contribution| {
                    variant.is_none_or(|v| c.absent().is_none_or(|absent| !absent.contains(v)))
                };
                let people = |c: &Contribution| match c {
                    Contribution::Rows { dataset, rows, .. } => (0..400)
                        .filter(|row| rows.contains(*row))
                        .map(|row| (dataset.to_string(), row))
                        .collect::<Vec<_>>(),
                    Contribution::Totals { owner, people, .. } => {
                        (0..*people).map(|n| (owner.to_string(), n)).collect()
                    }
                };
                job.iter().filter(has).flat_map(people).collect()
            };
            let mut groups: Vec<BTreeSet<(String, u32)>> =
                (0..VARIANTS).map(|v| of(Some(v))).collect();
            groups.push(of(None));
            groups.retain(|group| !group.is_empty());
            groups
        };
        let (ones, others) = (groups(one), groups(other));
        let pairs = ones.iter().flat_map(|a| others.iter().map(move |b| (a, b)));
        pairs.map(|(a, b)| a.symmetric_difference(b).count() as u64).collect()
    }

    #[test]
    fn groups_of_one_job_tell_apart_no_few_people() {
        let job = [rows(1, 0..200, &[]), rows(2, 0..300, &[3, 4]), rows(3, 0..1, &[])];
        assert_eq!(fewest(&job, &job, 10), None);
        let donor = [rows(1, 0..200, &[]), rows(2, 0..300, &[3, 4]), rows(3, 0..1, &[7])];
        assert_eq!(fewest(&donor, &donor, 10), Some(1), "a donor lacks a variant");
        let site = [rows(1, 0..200, &[]), rows(2, 0..9, &[3, 4]), totals(3, 40, &[])];
        assert_eq!(fewest(&site, &site, 10), Some(9));
        assert_eq!(fewest(&site, &site, 9), None);
        // Two donors who lack the same are told apart together.
        let pair = [rows(1, 0..200, &[]), rows(2, 0..1, &[3]), rows(3, 0..1, &[3])];
        assert_eq!(fewest(&pair, &pair, 3), Some(2));
        assert_eq!(fewest(&pair, &pair, 2), None);
        // Two who lack different variants are, by two variants.
        let others = [rows(1, 0..200, &[]), rows(2, 0..40, &[3]), rows(3, 0..1, &[3, 5])];
        assert_eq!(fewest(&others, &others, 10), Some(1));
    }

    #[test]
    fn groups_of_two_jobs_are_compared_not_only_the_jobs() {
        let first = [rows(1, 0..200, &[]), rows(2, 0..100, &[3])];
        assert_eq!(fewest(&first, &[rows(1, 1..200, &[]), rows(2, 0..100, &[3])], 10), Some(1));
        // Many rows differ in all, but where the second input lacks a variant only one.
        let other = [rows(1, 1..200, &[]), rows(3, 0..100, &[5])];
        assert_eq!(fewest(&first, &other, 10), Some(1));
        let other = [rows(1, 20..200, &[]), rows(3, 0..100, &[5])];
        assert_eq!(fewest(&first, &other, 10), None);
        assert_eq!(fewest(&first, &other, 21), Some(20));
        let same = [rows(1, 0..200, &[]), rows(3, 0..100, &[5])];
        assert_eq!(fewest(&first, &same, 10), None, "the same people tell nothing");
        // An input that has become small.
        let small = [rows(1, 0..200, &[]), rows(2, 0..4, &[3])];
        assert_eq!(fewest(&first, &small, 10), Some(4));
        // Totals of one owner are taken for the same people.
        let totals_before = [rows(1, 0..200, &[]), totals(2, 50, &[3])];
        assert_eq!(
            fewest_differing(
                &totals_before,
                &[rows(1, 0..200, &[]), totals(2, 48, &[])],
                VARIANTS,
                10
            ),
            Ok(None)
        );
        assert_eq!(fewest(&totals_before, &[rows(1, 0..200, &[]), totals(4, 5, &[])], 10), Some(5));
    }

    #[test]
    fn no_limit_compares_nothing_and_too_many_groups_are_refused() {
        let donors: Vec<Contribution> =
            (0..64).map(|n| rows(n, 0..1, &[u32::from(n) % 12])).collect();
        assert_eq!(fewest_differing(&donors, &donors, VARIANTS, 1), Ok(None));
        // Thirteen thousand groups of single persons.
        let donors: Vec<Contribution> = (0..20u8)
            .map(|n| Contribution::Rows {
                dataset: Digest([n; 32]),
                phenotype: Digest([n; 32]),
                rows: RowSet::new(1, |_| true),
                absent: Some(Bitmap::new(13_000, |v| (v.wrapping_mul(0x9e37_79b9) >> n) & 1 == 1)),
            })
            .collect();
        assert_eq!(fewest_differing(&donors, &donors, 13_000, 10), Err(TooMany));
    }
}
