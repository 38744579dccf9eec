//! Slabs: the integers of some rows in one group, ready to be encoded and encrypted.

use std::ops::Range;

use rayon::prelude::*;

use super::kernel::{COLUMN_PEOPLE, Column, decode};
use super::{BODIES, Packing, PackingError};
use crate::io::{Cohort, SourceError, code_bytes};
use crate::wire::PlaneKind;

/// Variants that one task turns: their codes of 32 people stay in the first-level cache, input and output.
const STRIP: u32 = 1024;
/// File rows that are read at once per variant (1 KiB of codes).
const SEGMENT: u32 = 4096;

/// Fills `out` with the integers of `rows` on a plane, in one group: layout `[row][body][N]`.
///
/// `rows` are rows of the cohort, `ring_degree` is N, `out` holds `rows.len() * bodies * N` integers with `bodies` from
/// [`Packing::bodies`]. Coefficients past the last variant are 0. Works on all cores.
///
/// A file stores variant after variant, so each call reads a narrow piece of every variant's record: for one slab after the
/// other use a [`super::SlabReader`].
///
/// # Errors
/// When reading fails, or group, rows, degree or the length of `out` are impossible.
pub fn fill_slab(
    cohort: &Cohort,
    plane: PlaneKind,
    group: u32,
    rows: Range<u32>,
    ring_degree: usize,
    out: &mut [i8],
) -> Result<(), PackingError> {
    fill(cohort, cohort, plane, group, rows, ring_degree, out)
}

/// Where 2-bit codes come from: rows of the file at a range of the cohort's variants.
pub(super) trait Codes: Sync {
    /// Reads as [`Cohort::read_codes`] does.
    fn read(
        &self,
        variants: Range<u32>,
        rows: Range<u32>,
        out: &mut [u8],
    ) -> Result<(), SourceError>;
}

impl Codes for Cohort {
    fn read(
        &self,
        variants: Range<u32>,
        rows: Range<u32>,
        out: &mut [u8],
    ) -> Result<(), SourceError> {
        self.read_codes(variants, rows, out)
    }
}

/// [`fill_slab`] from `codes`.
pub(super) fn fill(
    cohort: &Cohort,
    codes: &dyn Codes,
    plane: PlaneKind,
    group: u32,
    rows: Range<u32>,
    ring_degree: usize,
    out: &mut [i8],
) -> Result<(), PackingError> {
    let packing = Packing::new(cohort.variant_count(), ring_degree)?;
    let bodies = packing.bodies(group);
    if bodies == 0 {
        return Err(PackingError::Request("a group past the last one"));
    }
    let file_rows = cohort
        .file_rows()
        .get(rows.start as usize..rows.end as usize)
        .ok_or(PackingError::Request("rows past the last one"))?;
    let row_len = bodies as usize * ring_degree;
    if file_rows.len().checked_mul(row_len) != Some(out.len()) {
        return Err(PackingError::Request(
            "an output of another size than rows, bodies and degree",
        ));
    }
    if out.is_empty() {
        return Ok(());
    }

    let strip = STRIP.min(packing.ring_degree());
    let first = packing.block_variants(group * BODIES).start;
    let end = packing.group_variants(group).end;
    let strips = strips_of(out, row_len, strip as usize);
    strips.into_par_iter().zip(0u32..bodies * (packing.ring_degree() / strip)).try_for_each(
        |(pieces, index)| {
            let start = first + index * strip;
            let variants = start.min(end)..(start + strip).min(end);
            fill_strip(codes, plane, variants, file_rows, pieces)
        },
    )
}

/// Cuts `[row][column]` into strips of columns: for each strip its piece of every row.
fn strips_of(out: &mut [i8], row_len: usize, strip: usize) -> Vec<Vec<&mut [i8]>> {
    let rows = out.len() / row_len;
    let mut strips: Vec<Vec<&mut [i8]>> =
        (0..row_len / strip).map(|_| Vec::with_capacity(rows)).collect();
    for row in out.chunks_exact_mut(row_len) {
        for (pieces, piece) in strips.iter_mut().zip(row.chunks_exact_mut(strip)) {
            pieces.push(piece);
        }
    }
    strips
}

/// Fills the pieces of all rows at some variants; what a piece holds past them becomes 0.
fn fill_strip(
    codes: &dyn Codes,
    plane: PlaneKind,
    variants: Range<u32>,
    mut file_rows: &[u32],
    mut pieces: Vec<&mut [i8]>,
) -> Result<(), PackingError> {
    let count = variants.len();
    for piece in &mut pieces {
        if let Some(unused) = piece.get_mut(count..) {
            unused.fill(0);
        }
    }
    if count == 0 {
        return Ok(());
    }
    let mut column = Column::new(count);
    let mut tile = Vec::new();
    let mut pieces = pieces.as_mut_slice();
    while let Some(&row) = file_rows.first() {
        let start = row - row % COLUMN_PEOPLE;
        let within = file_rows.partition_point(|&r| r - start < SEGMENT);
        let (segment, later_rows) = file_rows.split_at(within);
        let (targets, later_pieces) = pieces.split_at_mut(within);
        let end = segment.last().map_or(start, |&last| last + 1);
        let stride = code_bytes(end - start);
        tile.resize(count * stride, 0);
        codes.read(variants.clone(), start..end, &mut tile)?;
        // One dispatch per segment: everything below is compiled for the machine's widest vectors.
        pulp::Arch::new().dispatch(|| {
            turn(plane, &tile, stride, start, segment, targets, &mut column);
        });
        (file_rows, pieces) = (later_rows, later_pieces);
    }
    Ok(())
}

/// Turns one tile, column by column; columns without a wanted row are skipped.
#[inline(always)]
fn turn(
    plane: PlaneKind,
    tile: &[u8],
    stride: usize,
    start: u32,
    rows: &[u32],
    targets: &mut [&mut [i8]],
    column: &mut Column,
) {
    let mut loaded = None;
    for (row, target) in rows.iter().map(|row| row - start).zip(targets) {
        let wanted = row / COLUMN_PEOPLE;
        if loaded != Some(wanted) {
            column.load(tile, stride, wanted as usize);
            loaded = Some(wanted);
        }
        let (line, shift) = column.person(row % COLUMN_PEOPLE);
        let count = tile.len() / stride;
        if let (Some(line), Some(target)) = (line.get(..count), target.get_mut(..count)) {
            decode(plane, line, shift, target);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::testing::{small_code, small_source};

    /// The plain definition of a coefficient.
    fn integer(plane: PlaneKind, code: u8) -> i8 {
        let (g, called) = match code {
            0b00 => (2, true),
            0b10 => (1, true),
            0b11 => (0, true),
            _ => (0, false),
        };
        match plane {
            PlaneKind::Dosage => {
                if called {
                    g - 1
                } else {
                    0
                }
            }
            PlaneKind::HomAlt => i8::from(called && g == 2),
            PlaneKind::Called => i8::from(called) - 1,
        }
    }

    fn check(people: u32, variants: u32, rows: &[u32], kept: &[u32], degree: usize) {
        let cohort = Cohort::whole(small_source(people, variants));
        let cohort = cohort.with_rows(rows).unwrap().with_variants(kept).unwrap();
        let packing = Packing::new(kept.len() as u32, degree).unwrap();
        let range = rows.len() as u32 / 5..rows.len() as u32;
        for plane in [PlaneKind::Dosage, PlaneKind::HomAlt, PlaneKind::Called] {
            for group in 0..packing.groups() {
                let bodies = packing.bodies(group) as usize;
                let mut out = vec![77i8; range.len() * bodies * degree];
                fill_slab(&cohort, plane, group, range.clone(), degree, &mut out).unwrap();
                let mut at = out.iter();
                for row in range.clone() {
                    for coefficient in 0..bodies * degree {
                        let v = group as usize * 8 * degree + coefficient;
                        let expected = kept
                            .get(v)
                            .map_or(0, |&v| integer(plane, small_code(rows[row as usize], v)));
                        assert_eq!(
                            *at.next().unwrap(),
                            expected,
                            "{plane:?} row {row} variant {v}"
                        );
                    }
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
        #[test]
        fn slabs_are_what_indexing_gives(people in 1u32..150, variants in 1u32..300, log in 1u32..7,
                                         row_step in 1u32..5, variant_step in 1u32..4) {
            let rows: Vec<u32> = (0..people).filter(|r| r * 7 % row_step == 0).collect();
            let kept: Vec<u32> = (0..variants).filter(|v| v * 5 % variant_step == 0).collect();
            check(people, variants, &rows, &kept, 1 << log);
        }
    }

    #[test]
    fn wide_files_and_large_degrees_take_the_same_steps() {
        // More people than one segment, with gaps of more than one; more coefficients than one strip.
        let rows: Vec<u32> = (0..40).chain(4_090..4_100).chain(9_000..9_003).collect();
        check(9_003, 40, &rows, &(0..40).collect::<Vec<_>>(), 16);
        check(9, 3_000, &[0, 4, 8], &(0..3_000).collect::<Vec<_>>(), 2_048);
    }

    #[test]
    fn impossible_requests_are_errors() {
        let cohort = Cohort::whole(small_source(5, 20));
        let mut out = [0; 5 * 5 * 4];
        assert!(fill_slab(&cohort, PlaneKind::Dosage, 0, 0..5, 4, &mut out).is_ok());
        assert!(fill_slab(&cohort, PlaneKind::Dosage, 0, 3..3, 4, &mut []).is_ok());
        assert!(fill_slab(&cohort, PlaneKind::Dosage, 1, 0..5, 4, &mut out).is_err());
        assert!(fill_slab(&cohort, PlaneKind::Dosage, 0, 1..6, 4, &mut out).is_err());
        assert!(fill_slab(&cohort, PlaneKind::Dosage, 0, 0..5, 5, &mut out).is_err());
        assert!(fill_slab(&cohort, PlaneKind::Dosage, 0, 0..5, 4, &mut out[1..]).is_err());
        assert!(fill_slab(&cohort, PlaneKind::Dosage, u32::MAX, 0..5, 4, &mut out).is_err());
    }
}
