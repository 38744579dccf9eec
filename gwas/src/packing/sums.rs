//! The weighted sums of planes in the clear: the scheme that encrypts nothing.
//!
//! Goes through the same packing as the encrypted path, so that a mistake in it shows in both or in neither, and comparing
//! the two isolates the cryptography. The independent check of the packing itself is the f64 oracle.

use rayon::prelude::*;

use super::{Packing, PackingError, fill_slab};
use crate::io::Cohort;
use crate::wire::PlaneKind;

/// The largest absolute value of a weight.
pub const MAX_WEIGHT: i64 = 1 << 22;

/// Rows summed in 32 bits before they are added to the 64-bit sums: 2^22 * 256 < 2^31.
const ROWS: u32 = 256;

/// The sums of one plane over all people of a cohort, a value per variant of its panel.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainSums {
    /// Which plane.
    pub plane: PlaneKind,
    /// `sum_i plane_iv`.
    pub plain: Vec<i64>,
    /// For each weight vector `sum_i weight_i plane_iv`.
    pub weighted: Vec<Vec<i64>>,
}

/// Sums are as private as a result is.
impl std::fmt::Debug for PlainSums {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainSums")
            .field("plane", &self.plane)
            .field("variants", &self.plain.len())
            .field("weight_vectors", &self.weighted.len())
            .finish_non_exhaustive()
    }
}

/// Sums each plane over the cohort, without weights and with each weight vector (one weight per person, in row order).
///
/// Memory: one slab of 256 rows beside the results.
///
/// # Errors
/// When reading fails, a weight vector has another length than the cohort, or a weight exceeds [`MAX_WEIGHT`].
pub fn plain_sums(
    cohort: &Cohort,
    weights: &[&[i64]],
    planes: &[PlaneKind],
    ring_degree: usize,
) -> Result<Vec<PlainSums>, PackingError> {
    let people = cohort.people();
    // The first vector of weights is 1 for everyone: a plain sum is a weighted sum too.
    let mut vectors = vec![vec![1i32; people as usize]];
    for weights in weights {
        if weights.len() != people as usize {
            return Err(PackingError::Request("weights for another number of people"));
        }
        let small: Option<Vec<i32>> = weights
            .iter()
            .map(|&w| i32::try_from(w).ok().filter(|_| w.abs() <= MAX_WEIGHT))
            .collect();
        vectors.push(small.ok_or(PackingError::Weight)?);
    }
    planes.iter().map(|&plane| sum_plane(cohort, &vectors, plane, ring_degree)).collect()
}

fn sum_plane(
    cohort: &Cohort,
    vectors: &[Vec<i32>],
    plane: PlaneKind,
    ring_degree: usize,
) -> Result<PlainSums, PackingError> {
    let packing = Packing::new(cohort.variant_count(), ring_degree)?;
    let mut sums = vec![vec![0i64; cohort.variant_count() as usize]; vectors.len()];
    let mut slab = Vec::new();
    for group in 0..packing.groups() {
        let width = packing.bodies(group) as usize * ring_degree;
        let mut start = 0;
        while start < cohort.people() {
            let rows = start..(start + ROWS).min(cohort.people());
            slab.resize(rows.len() * width, 0);
            fill_slab(cohort, plane, group, rows.clone(), ring_degree, &mut slab)?;
            for (vector, sums) in vectors.iter().zip(&mut sums) {
                let weights =
                    vector.get(rows.start as usize..rows.end as usize).unwrap_or_default();
                let part = add_rows(&slab, width, weights);
                let base = (group * super::BODIES) as usize;
                for (block, values) in part.chunks_exact(ring_degree).enumerate() {
                    for (variant, value) in packing.unpack_block((base + block) as u32, values) {
                        if let Some(sum) = sums.get_mut(variant as usize) {
                            *sum += value;
                        }
                    }
                }
            }
            start = rows.end;
        }
    }
    let mut sums = sums.into_iter();
    Ok(PlainSums { plane, plain: sums.next().unwrap_or_default(), weighted: sums.collect() })
}

/// The weighted sum of the rows of `slab`, each `width` long; at most [`ROWS`] rows.
fn add_rows(slab: &[i8], width: usize, weights: &[i32]) -> Vec<i64> {
    const STRIP: usize = 1024;
    let mut sums = vec![0i64; width];
    sums.par_chunks_mut(STRIP).enumerate().for_each(|(index, sums)| {
        let columns = index * STRIP..index * STRIP + sums.len();
        pulp::Arch::new().dispatch(|| {
            let mut narrow = [0i32; STRIP];
            for (row, &weight) in slab.chunks_exact(width).zip(weights) {
                if weight == 0 {
                    continue;
                }
                let values = row.get(columns.clone()).unwrap_or_default();
                for (sum, &value) in narrow.iter_mut().zip(values) {
                    // Bounded by MAX_WEIGHT and ROWS: nothing wraps, and nothing needs to be checked.
                    *sum = sum.wrapping_add(weight.wrapping_mul(value.into()));
                }
            }
            for (sum, narrow) in sums.iter_mut().zip(narrow) {
                *sum = narrow.into();
            }
        });
    });
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::testing::{small_code, small_source};

    #[test]
    fn sums_are_what_adding_up_gives() {
        let (people, variants) = (700u32, 150u32);
        let rows: Vec<u32> = (0..people).filter(|r| r % 7 != 3).collect();
        let cohort = Cohort::whole(small_source(people, variants)).with_rows(&rows).unwrap();
        let weights: Vec<i64> = rows.iter().map(|&r| i64::from(r * 37 % 11) - 5).collect();
        let extreme = vec![MAX_WEIGHT; rows.len()];
        let planes = [PlaneKind::Dosage, PlaneKind::HomAlt, PlaneKind::Called];
        let sums = plain_sums(&cohort, &[&weights, &extreme], &planes, 16).unwrap();
        for (sums, values) in sums.iter().zip([[1, 0, 0, -1i64], [1, 0, 0, 0], [0, -1, 0, 0]]) {
            for v in 0..variants {
                let column = |w: &dyn Fn(usize) -> i64| -> i64 {
                    rows.iter()
                        .enumerate()
                        .map(|(i, &r)| w(i) * values[usize::from(small_code(r, v))])
                        .sum()
                };
                assert_eq!(sums.plain[v as usize], column(&|_| 1));
                assert_eq!(sums.weighted[0][v as usize], column(&|i| weights[i]));
                assert_eq!(sums.weighted[1][v as usize], column(&|_| MAX_WEIGHT));
            }
        }
    }

    #[test]
    fn bad_weights_are_refused() {
        let cohort = Cohort::whole(small_source(3, 3));
        let planes = [PlaneKind::Dosage];
        assert!(plain_sums(&cohort, &[&[1, 2]], &planes, 4).is_err());
        for weight in [MAX_WEIGHT + 1, -MAX_WEIGHT - 1, i64::MIN] {
            assert!(matches!(
                plain_sums(&cohort, &[&[1, 1, weight]], &planes, 4),
                Err(PackingError::Weight)
            ));
        }
        assert!(matches!(plain_sums(&cohort, &[], &planes, 3), Err(PackingError::RingDegree(3))));
    }
}
