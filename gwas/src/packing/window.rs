//! Codes of some thousand people at the variants of one group, read once for several slabs.
//!
//! A file stores variant after variant, so a slab of 512 people needs a short piece of every record. Reading each piece by
//! itself costs a system call, and reading through what lies between costs a copy of it; either grows with people x people.
//! A window is as many people wide as fits in [`WINDOW_BYTES`].

use std::ops::Range;

use rayon::prelude::*;

use super::slab::{Codes, fill};
use super::{BODIES, Packing, PackingError};
use crate::io::{Cohort, SourceError, code_bytes};
use crate::wire::PlaneKind;

/// Bytes of codes that are held.
const WINDOW_BYTES: usize = 16 << 20;
/// Variants that one task reads.
const STRIP: usize = 1024;
/// Rows start at a multiple of this, so that pieces start on bytes.
const ALIGNMENT: u32 = 32;

/// Fills one slab after the other, as [`super::fill_slab`] does, reading what several slabs need at once. Fastest where calls
/// go through the rows of one group in order.
pub struct SlabReader<'a> {
    cohort: &'a Cohort,
    window: Window,
}

/// File rows `rows` at `variants`.
#[derive(Default)]
struct Window {
    variants: Range<u32>,
    rows: Range<u32>,
    codes: Vec<u8>,
}

impl<'a> SlabReader<'a> {
    /// A reader of a cohort that has read nothing yet.
    #[must_use]
    pub fn new(cohort: &'a Cohort) -> Self {
        Self { cohort, window: Window::default() }
    }

    /// Fills `out` with the integers of `rows` on a plane, in one group: see [`super::fill_slab`].
    ///
    /// # Errors
    /// Those of [`super::fill_slab`].
    pub fn fill(
        &mut self,
        plane: PlaneKind,
        group: u32,
        rows: Range<u32>,
        ring_degree: usize,
        out: &mut [i8],
    ) -> Result<(), PackingError> {
        let file_rows = self.cohort.file_rows();
        let wanted = file_rows.get(rows.start as usize..rows.end as usize).unwrap_or_default();
        let (Some(&first), Some(&last)) = (wanted.first(), wanted.last()) else {
            return fill(self.cohort, self.cohort, plane, group, rows, ring_degree, out);
        };
        let packing = Packing::new(self.cohort.variant_count(), ring_degree)?;
        let variants = packing.block_variants(group.saturating_mul(BODIES)).start
            ..packing.group_variants(group).end;
        let window = &self.window;
        let held =
            window.variants == variants && window.rows.start <= first && last < window.rows.end;
        if !held && !variants.is_empty() {
            self.window.load(self.cohort, variants, first..last + 1)?;
        }
        fill(self.cohort, &self.window, plane, group, rows, ring_degree, out)
    }
}

impl Window {
    /// Reads at least `rows`, and as many more as there is room for.
    fn load(
        &mut self,
        cohort: &Cohort,
        variants: Range<u32>,
        rows: Range<u32>,
    ) -> Result<(), SourceError> {
        let room = (WINDOW_BYTES / variants.len().max(1) * 4) as u32 / ALIGNMENT * ALIGNMENT;
        let start = rows.start - rows.start % ALIGNMENT;
        let of_file = cohort.file_rows().last().map_or(0, |last| last + 1);
        let end = rows.end.max(start.saturating_add(room).min(of_file));
        // Nothing is held until everything was read.
        self.variants = 0..0;
        let stride = code_bytes(end - start);
        self.codes.resize(variants.len() * stride, 0);
        let strips = self.codes.par_chunks_mut(STRIP * stride).enumerate();
        strips.try_for_each(|(number, codes)| {
            let first = variants.start + (number * STRIP) as u32;
            cohort.read_codes(first..first + (codes.len() / stride) as u32, start..end, codes)
        })?;
        (self.variants, self.rows) = (variants, start..end);
        Ok(())
    }
}

impl Codes for Window {
    fn read(
        &self,
        variants: Range<u32>,
        rows: Range<u32>,
        out: &mut [u8],
    ) -> Result<(), SourceError> {
        let stride = code_bytes(self.rows.end - self.rows.start);
        let piece = code_bytes(rows.end - rows.start).max(1);
        let from = (rows.start - self.rows.start) as usize / 4;
        let records = self.codes.chunks_exact(stride.max(1));
        let skipped = (variants.start - self.variants.start) as usize;
        for (record, out) in records.skip(skipped).zip(out.chunks_exact_mut(piece)) {
            let part = record.get(from..from + piece);
            out.copy_from_slice(part.ok_or(SourceError::Request("rows outside the window"))?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::testing::small_source;
    use crate::packing::fill_slab;

    #[test]
    fn slabs_are_those_of_direct_reads() {
        let cohort = Cohort::whole(small_source(301, 70));
        let rows: Vec<u32> = (0..301).filter(|r| r % 7 != 2).collect();
        let cohort = cohort.with_rows(&rows).unwrap();
        let mut reader = SlabReader::new(&cohort);
        let packing = Packing::new(70, 4).unwrap();
        let people = cohort.people();
        for plane in [PlaneKind::Dosage, PlaneKind::Called] {
            for group in 0..packing.groups() {
                // In order, then back again, then a piece past what was read.
                for range in
                    [0..64, 64..128, 10..20, 128..people, people - 1..people, 0..people, 5..5]
                {
                    let length = range.len() * packing.bodies(group) as usize * 4;
                    let (mut direct, mut held) = (vec![9; length], vec![7; length]);
                    fill_slab(&cohort, plane, group, range.clone(), 4, &mut direct).unwrap();
                    reader.fill(plane, group, range, 4, &mut held).unwrap();
                    assert_eq!(direct, held);
                }
            }
        }
        assert!(reader.fill(PlaneKind::Dosage, 99, 0..1, 4, &mut [0; 4]).is_err());
        assert!(reader.fill(PlaneKind::Dosage, 0, 0..people + 1, 4, &mut [0; 4]).is_err());
    }
}
