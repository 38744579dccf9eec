//! People and variants on one side, rows and coefficients on the other: the only place that maps them (protocol section 4).
//!
//! A person is a row. Variant `v` of a panel is coefficient `v mod N` of block `v / N`, N being the ring degree, and eight
//! consecutive blocks make a *group*, whose blocks are the *bodies* of one ciphertext row. Nothing else in the project
//! computes these numbers.
//!
//! Genotypes become small integers on *planes*, so that sums of planes give every count that the tests need:
//!
//! | plane | g = 0 | g = 1 | g = 2 | missing |
//! |---|---|---|---|---|
//! | `Dosage` (g - 1) | -1 | 0 | 1 | 0 |
//! | `HomAlt` ([g = 2]) | 0 | 0 | 1 | 0 |
//! | `Called` (c - 1) | 0 | 0 | 0 | -1 |
//!
//! Dosage is centred because that doubles the number of people per parameter set. `Called` is too, so that a cohort
//! without missing calls has a plane of zeros and doesn't need it.

mod kernel;
mod slab;
mod sums;
mod window;

use std::ops::Range;

pub use slab::fill_slab;
pub use sums::{MAX_WEIGHT, PlainSums, plain_sums};
pub use window::SlabReader;

use crate::io::SourceError;
use crate::wire::PlaneKind;

/// Blocks in a group: the bodies that share one mask.
pub const BODIES: u32 = he_core::layout::BODIES as u32;

/// Why packing can't be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackingError {
    /// Genotypes can't be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The ring degree is no power of two between 2 and 2^20.
    #[error("{0} is not a ring degree")]
    RingDegree(usize),
    /// A group, a row range or an output that doesn't exist: a bug of the caller.
    #[error("packing asked for in an impossible way: {0}")]
    Request(&'static str),
    /// A weight is too large for exact sums.
    #[error("weights must lie between -{MAX_WEIGHT} and {MAX_WEIGHT}")]
    Weight,
}

/// Where the variants of a panel lie, for one ring degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    variants: u32,
    degree: u32,
}

impl Packing {
    /// The packing of `variants` variants into polynomials of `ring_degree` coefficients.
    ///
    /// # Errors
    /// When the ring degree is no power of two between 2 and 2^20.
    pub fn new(variants: u32, ring_degree: usize) -> Result<Self, PackingError> {
        match u32::try_from(ring_degree) {
            Ok(degree @ 2..=0x10_0000) if degree.is_power_of_two() => Ok(Self { variants, degree }),
            _ => Err(PackingError::RingDegree(ring_degree)),
        }
    }

    /// Coefficients per block.
    #[must_use]
    pub fn ring_degree(&self) -> u32 {
        self.degree
    }

    /// Number of blocks.
    #[must_use]
    pub fn blocks(&self) -> u32 {
        self.variants.div_ceil(self.degree)
    }

    /// Number of groups.
    #[must_use]
    pub fn groups(&self) -> u32 {
        self.blocks().div_ceil(BODIES)
    }

    /// Number of blocks in a group: eight, fewer in the last one, none past the end.
    #[must_use]
    pub fn bodies(&self, group: u32) -> u32 {
        self.blocks().saturating_sub(group.saturating_mul(BODIES)).min(BODIES)
    }

    /// The variants of a block, at most as many as the ring degree; coefficient `k` is the k-th of them.
    #[must_use]
    pub fn block_variants(&self, block: u32) -> Range<u32> {
        let start = block.saturating_mul(self.degree).min(self.variants);
        start..start.saturating_add(self.degree).min(self.variants)
    }

    /// The variants of a group, block after block.
    #[must_use]
    pub fn group_variants(&self, group: u32) -> Range<u32> {
        let blocks = group.saturating_mul(BODIES);
        let last = blocks.saturating_add(self.bodies(group).saturating_sub(1));
        self.block_variants(blocks).start..self.block_variants(last).end
    }

    /// Block and coefficient of a variant.
    #[must_use]
    pub fn place(&self, variant: u32) -> (u32, u32) {
        (variant / self.degree, variant % self.degree)
    }

    /// The way back: which variant each decrypted coefficient of a block belongs to. Unused coefficients are left out.
    pub fn unpack_block<'a>(
        &self,
        block: u32,
        values: &'a [i64],
    ) -> impl Iterator<Item = (u32, i64)> + use<'a> {
        self.block_variants(block).zip(values.iter().copied())
    }
}

/// The planes whose sums a run needs: `genotypes` when a test beyond the allelic one, or Hardy-Weinberg, is wanted;
/// `any_missing` when a call is missing somewhere. In the order in which datasets store them.
#[must_use]
pub fn planes_for(genotypes: bool, any_missing: bool) -> Vec<PlaneKind> {
    let mut planes = vec![PlaneKind::Dosage];
    planes.extend(genotypes.then_some(PlaneKind::HomAlt));
    planes.extend(any_missing.then_some(PlaneKind::Called));
    planes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_has_one_place_and_comes_back_from_it() {
        for (variants, degree) in
            [(0, 8), (1, 8), (8, 8), (9, 8), (63, 8), (64, 8), (65, 8), (200, 8), (85_485, 2048)]
        {
            let packing = Packing::new(variants, degree).unwrap();
            let mut found = Vec::new();
            for group in 0..packing.groups() {
                assert!((1..=8).contains(&packing.bodies(group)));
                let mut of_group = Vec::new();
                for body in 0..packing.bodies(group) {
                    let block = group * BODIES + body;
                    // Values that name their place.
                    let values: Vec<i64> =
                        (0..degree as i64).map(|k| i64::from(block) << 32 | k).collect();
                    for (variant, value) in packing.unpack_block(block, &values) {
                        let (b, k) = packing.place(variant);
                        assert_eq!(value, i64::from(b) << 32 | i64::from(k));
                        of_group.push(variant);
                    }
                }
                assert_eq!(packing.group_variants(group).collect::<Vec<_>>(), of_group);
                found.extend(of_group);
            }
            assert_eq!(found, (0..variants).collect::<Vec<_>>());
            assert_eq!(packing.bodies(packing.groups()), 0);
            assert!(packing.group_variants(packing.groups()).is_empty());
        }
    }

    #[test]
    fn odd_degrees_are_refused() {
        for degree in [0, 1, 3, 2047, 1 << 21, usize::MAX] {
            assert!(
                matches!(Packing::new(10, degree), Err(PackingError::RingDegree(d)) if d == degree)
            );
        }
    }

    #[test]
    fn planes_follow_from_tests_and_missing_calls() {
        use PlaneKind::{Called, Dosage, HomAlt};
        assert_eq!(planes_for(false, false), [Dosage]);
        assert_eq!(planes_for(true, false), [Dosage, HomAlt]);
        assert_eq!(planes_for(false, true), [Dosage, Called]);
        assert_eq!(planes_for(true, true), [Dosage, HomAlt, Called]);
    }
}
