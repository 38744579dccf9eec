//! Sets of rows or variants, one bit each.

use serde::{Deserialize, Serialize};

/// A set of the numbers below a known length (rows of a dataset, variants of a panel), one bit each, least significant bit
/// first. The length is not stored: what the set belongs to knows it ([`Bitmap::fits`]).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Bitmap(Vec<u8>);

/// A set of row numbers.
pub type RowSet = Bitmap;

impl Bitmap {
    /// The set of numbers below `length` for which `contains` holds.
    pub fn new(length: u32, contains: impl Fn(u32) -> bool) -> Self {
        let byte = |b: u32| {
            (0..8)
                .filter(|i| 8 * b + i < length && contains(8 * b + i))
                .fold(0, |acc, i| acc | 1 << i)
        };
        Self((0..length.div_ceil(8)).map(byte).collect())
    }

    /// Whether `number` is in the set.
    pub fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 8).is_some_and(|b| b >> (number % 8) & 1 == 1)
    }

    /// How many numbers are in the set.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|b| b.count_ones()).sum()
    }

    /// Whether the bitmap has the right length for numbers below `length`, and no bit beyond them.
    pub fn fits(&self, length: u32) -> bool {
        let spare = (length.div_ceil(8) * 8 - length) as u8;
        self.0.len() == length.div_ceil(8) as usize
            && self.0.last().is_none_or(|b| b.leading_zeros() as u8 >= spare)
    }

    /// Numbers that are in one of the two sets and not in the other.
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
    fn a_bitmap_knows_what_it_holds_and_whose_length_it_has() {
        let odd = Bitmap::new(11, |i| i % 2 == 1);
        assert_eq!((odd.count(), odd.contains(9), odd.contains(10)), (5, true, false));
        assert!(odd.fits(11) && odd.fits(10) && !odd.fits(9) && !odd.fits(17));
        assert!(!odd.contains(4000));
        let all = Bitmap::new(11, |_| true);
        assert_eq!(odd.differences(&all), 6);
        assert_eq!(all.differences(&odd), 6);
        assert_eq!(odd.differences(&Bitmap::default()), 5, "what is missing is empty");
        assert_eq!(odd.differences(&odd), 0);
    }
}
