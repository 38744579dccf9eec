//! Which contributions have which variants: presence patterns, and where the totals of each stand. Protocol section 5.
//!
//! A variant that a contribution does not have is missing for all its people, so the denominators of its statistics (people,
//! cases) are sums over the contributions that have it. Variants of the same *pattern*, the set of contributions that have
//! them, share their denominators. All of it is public.
//!
//! Pattern 0 is that of all contributions, whether a variant has it or not: its totals are those of the job, on which minimum
//! numbers are checked, and from which the sums of a `Called` plane are subtracted (it counts the people of contributions that
//! lack a variant as not called).

use std::collections::HashMap;

use crate::wire::Bitmap;

/// A variant that no input has is in no pattern.
const NOBODY: u32 = u32::MAX;

/// The presence patterns of a job: all inputs, then the others by their first variant. Every pattern has an input.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Presence {
    inputs: usize,
    /// Pattern of each variant; empty where there is one pattern.
    of_variant: Vec<u32>,
    /// For each pattern the inputs that have its variants, 64 to a word.
    members: Vec<u64>,
}

impl Presence {
    /// The patterns over `variants` variants of the inputs with these absent variants, in the order of the job.
    ///
    /// Memory: 4 bytes for each variant, and a bit for each pattern and input.
    pub fn new(variants: u32, absent: &[Option<&Bitmap>]) -> Self {
        let words = absent.len().div_ceil(64).max(1);
        let mut all = vec![0; words];
        for input in 0..absent.len() {
            set(&mut all, input);
        }
        let some: Vec<(usize, &Bitmap)> =
            absent.iter().enumerate().filter_map(|(i, a)| a.map(|a| (i, a))).collect();
        if some.is_empty() {
            return Self { inputs: absent.len(), of_variant: Vec::new(), members: all };
        }
        let mut known: HashMap<Vec<u64>, u32> = HashMap::from([(all.clone(), 0)]);
        let mut members = all.clone();
        let mut of_variant = Vec::with_capacity(variants as usize);
        for variant in 0..variants {
            let mut pattern = all.clone();
            for (input, absent) in &some {
                if absent.contains(variant) {
                    clear(&mut pattern, *input);
                }
            }
            if pattern.iter().all(|word| *word == 0) {
                of_variant.push(NOBODY);
                continue;
            }
            let next = known.len() as u32;
            let number = *known.entry(pattern).or_insert_with_key(|pattern| {
                members.extend_from_slice(pattern);
                next
            });
            of_variant.push(number);
        }
        Self { inputs: absent.len(), of_variant, members }
    }

    /// Number of patterns, at least 1.
    pub fn patterns(&self) -> u32 {
        (self.members.len() / self.words()) as u32
    }

    /// The pattern of a variant; `None` if no input has it, so that its statistics are over nobody.
    pub fn pattern(&self, variant: u32) -> Option<u32> {
        let pattern = self.of_variant.get(variant as usize).copied().unwrap_or(0);
        (pattern != NOBODY).then_some(pattern)
    }

    /// Whether input number `input` of the job has the variants of a pattern.
    pub fn contains(&self, pattern: u32, input: usize) -> bool {
        let word = self.members.get(pattern as usize * self.words() + input / 64);
        input < self.inputs && word.is_some_and(|w| w >> (input % 64) & 1 == 1)
    }

    /// People of the inputs that have a pattern's variants; `people` are those of each input, in the order of the job.
    pub fn people(&self, pattern: u32, people: &[u32]) -> u64 {
        let has = |(number, _): &(usize, &u32)| self.contains(pattern, *number);
        people.iter().enumerate().filter(has).map(|(_, people)| u64::from(*people)).sum()
    }

    fn words(&self) -> usize {
        self.inputs.div_ceil(64).max(1)
    }
}

fn set(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word |= 1 << (bit % 64);
    }
}

fn clear(words: &mut [u64], bit: usize) {
    if let Some(word) = words.get_mut(bit / 64) {
        *word &= !(1 << (bit % 64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_absent_variants_there_is_one_pattern_of_all() {
        let presence = Presence::new(5, &[None, None]);
        assert_eq!(presence.patterns(), 1);
        assert!((0..5).all(|v| presence.pattern(v) == Some(0)));
        assert!(presence.contains(0, 0) && presence.contains(0, 1));
        assert!(!presence.contains(0, 2) && !presence.contains(1, 0));
    }

    #[test]
    fn all_inputs_come_first_then_patterns_by_their_first_variant() {
        let a = Bitmap::new(6, |v| v == 0 || v == 4);
        let b = Bitmap::new(6, |v| v == 2 || v == 4 || v == 5);
        let presence = Presence::new(6, &[Some(&a), None, Some(&b)]);
        let patterns: Vec<u32> = (0..6).map(|v| presence.pattern(v).unwrap()).collect();
        assert_eq!(patterns, [1, 0, 2, 0, 3, 2]);
        assert_eq!(presence.patterns(), 4);
        let members = |p| (0..3).map(|i| presence.contains(p, i)).collect::<Vec<_>>();
        assert_eq!(members(0), [true, true, true]);
        assert_eq!(members(1), [false, true, true]);
        assert_eq!(members(2), [true, true, false]);
        assert_eq!(members(3), [false, true, false]);
        let people: Vec<u64> = (0..4).map(|p| presence.people(p, &[1, 20, u32::MAX])).collect();
        assert_eq!(people, [21 + u64::from(u32::MAX), 20 + u64::from(u32::MAX), 21, 20]);
    }

    #[test]
    fn what_nobody_has_is_in_no_pattern() {
        let (a, b) = (Bitmap::new(4, |v| v < 3), Bitmap::new(4, |v| v == 1 || v == 2));
        let presence = Presence::new(4, &[Some(&a), Some(&b)]);
        let patterns: Vec<Option<u32>> = (0..4).map(|v| presence.pattern(v)).collect();
        assert_eq!(patterns, [Some(1), None, None, Some(0)]);
        assert_eq!(presence.patterns(), 2);
        assert!((0..2).all(|p| (0..2).any(|input| presence.contains(p, input))));
    }

    #[test]
    fn more_inputs_than_bits_in_a_word_are_told_apart() {
        let only = Bitmap::new(3, |v| v == 1);
        let mut absent = vec![None; 130];
        absent[129] = Some(&only);
        absent[63] = Some(&only);
        let presence = Presence::new(3, &absent);
        assert_eq!(presence.patterns(), 2);
        assert!(presence.contains(0, 129) && presence.contains(1, 128));
        assert!(
            !presence.contains(1, 129) && !presence.contains(1, 63) && presence.contains(1, 64)
        );
    }
}
