//! Sets of small numbers, as bitmaps that travel in messages: rows of a dataset, variants of a panel.

use serde::{Deserialize, Serialize};

/// A set of numbers below a length that both sides know, least significant bit first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Bitmap(Vec<u8>);

impl Bitmap {
    /// The set of numbers below `len` for which `contains` holds.
    #[must_use]
    pub fn new(len: u32, contains: impl Fn(u32) -> bool) -> Self {
        let byte = |b: u32| {
            (0..8).filter(|i| 8 * b + i < len && contains(8 * b + i)).fold(0, |acc, i| acc | 1 << i)
        };
        Self((0..len.div_ceil(8)).map(byte).collect())
    }

    /// Whether `number` is in the set.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 8).is_some_and(|b| b >> (number % 8) & 1 == 1)
    }

    /// How many numbers are in the set.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.iter().map(|b| b.count_ones()).sum()
    }

    /// Whether the bitmap has the right length for numbers below `len` and no bit beyond them.
    #[must_use]
    pub fn fits(&self, len: u32) -> bool {
        let spare = (8 - len % 8) as u8 % 8;
        self.0.len() == len.div_ceil(8) as usize
            && self.0.last().is_none_or(|b| b.leading_zeros() as u8 >= spare)
    }

    /// Numbers that are in one of the two sets and not in the other.
    #[must_use]
    pub fn differences(&self, other: &Self) -> u32 {
        let at = |set: &Self, i: usize| set.0.get(i).copied().unwrap_or(0);
        let bytes = self.0.len().max(other.0.len());
        (0..bytes).map(|i| (at(self, i) ^ at(other, i)).count_ones()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_it_was_made_of() {
        for len in [0, 1, 7, 8, 9, 64, 100] {
            let set = Bitmap::new(len, |i| i % 3 == 0);
            assert!(set.fits(len));
            assert_eq!(set.count(), len.div_ceil(3));
            assert!((0..len + 20).all(|i| set.contains(i) == (i < len && i % 3 == 0)));
        }
    }

    #[test]
    fn differences_count_both_ways() {
        let (odd, all) = (Bitmap::new(11, |i| i % 2 == 1), Bitmap::new(11, |_| true));
        assert_eq!((odd.differences(&all), all.differences(&odd)), (6, 6));
        assert_eq!(odd.differences(&Bitmap::default()), 5, "what is missing is empty");
        assert_eq!(odd.differences(&odd), 0);
    }

    #[test]
    fn bad_lengths_and_bits_past_the_end_do_not_fit() {
        let set = Bitmap::new(9, |_| true);
        assert!(set.fits(9) && set.fits(10), "a spare bit may be clear");
        for len in [0, 8, 17] {
            assert!(!set.fits(len), "{len}");
        }
        assert!(!Bitmap(vec![0xff]).fits(7));
        assert!(!set.fits(u32::MAX), "no length overflows");
    }
}
