//! From 2-bit codes of one variant after the other to small integers of one person after the other.
//!
//! Codes come four people to a byte. Transposing whole bytes (8 by 8 in a machine word each) costs a quarter of
//! transposing genotypes; what is left is one comparison per output lane, which vectorises: no table, no branch.

use crate::wire::PlaneKind;

/// People in one column of the transposition: eight bytes of codes.
pub(super) const COLUMN_PEOPLE: u32 = 32;
const COLUMN_BYTES: usize = 8;

/// One column of a tile, turned: for each of its eight bytes the bytes of all variants side by side.
pub(super) struct Column {
    lines: [Vec<u8>; COLUMN_BYTES],
}

impl Column {
    /// Room for `variants` variants.
    pub(super) fn new(variants: usize) -> Self {
        let padded = variants.next_multiple_of(COLUMN_BYTES);
        Self { lines: std::array::from_fn(|_| vec![0; padded]) }
    }

    /// Turns bytes `8 column ..` of each record of `tile`, records being `stride` bytes long.
    ///
    /// Bytes past a record's end read as zero.
    pub(super) fn load(&mut self, tile: &[u8], stride: usize, column: usize) {
        let start = column * COLUMN_BYTES;
        let width = COLUMN_BYTES.min(stride.saturating_sub(start));
        let mut outputs = self.lines.each_mut().map(|line| line.chunks_exact_mut(COLUMN_BYTES));
        for records in tile.chunks(stride * COLUMN_BYTES) {
            let mut words = [0u64; COLUMN_BYTES];
            for (word, record) in words.iter_mut().zip(records.chunks_exact(stride)) {
                *word = load_word(record, start, width);
            }
            transpose_bytes(&mut words);
            for (output, word) in outputs.iter_mut().zip(words) {
                if let Some(bytes) = output.next() {
                    bytes.copy_from_slice(&word.to_le_bytes());
                }
            }
        }
    }

    /// The codes of one person of the column: a byte per variant, and the shift of the person's code in it.
    pub(super) fn person(&self, person: u32) -> (&[u8], u32) {
        let line = self.lines.get((person / 4) as usize).map_or(&[][..], Vec::as_slice);
        (line, 2 * (person % 4))
    }
}

#[inline(always)]
fn load_word(record: &[u8], start: usize, width: usize) -> u64 {
    let Some(bytes) = record.get(start..start + width) else { return 0 };
    if let Ok(whole) = bytes.try_into() {
        return u64::from_le_bytes(whole);
    }
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// Transposes an 8 by 8 matrix of bytes, a row per word, the first column in the lowest byte.
///
/// Exchanges off-diagonal quarters at distances of one, two and four rows.
#[inline(always)]
fn transpose_bytes(rows: &mut [u64; 8]) {
    let [a, b, c, d, e, f, g, h] = rows;
    for (x, y) in [(&mut *a, &mut *b), (&mut *c, &mut *d), (&mut *e, &mut *f), (&mut *g, &mut *h)] {
        exchange(x, y, 8, 0x00ff_00ff_00ff_00ff);
    }
    for (x, y) in [(&mut *a, &mut *c), (&mut *b, &mut *d), (&mut *e, &mut *g), (&mut *f, &mut *h)] {
        exchange(x, y, 16, 0x0000_ffff_0000_ffff);
    }
    for (x, y) in [(a, e), (b, f), (c, g), (d, h)] {
        exchange(x, y, 32, 0x0000_0000_ffff_ffff);
    }
}

#[inline(always)]
fn exchange(x: &mut u64, y: &mut u64, shift: u32, mask: u64) {
    let moved = (*x >> shift ^ *y) & mask;
    *y ^= moved;
    *x ^= moved << shift;
}

/// Writes one person's integers on a plane: `out[k]` from the code at `shift` in `line[k]`.
#[inline(always)]
pub(super) fn decode(plane: PlaneKind, line: &[u8], shift: u32, out: &mut [i8]) {
    let low = 1u8 << shift;
    let high = 2u8 << shift;
    let lanes = out.iter_mut().zip(line);
    match plane {
        // Codes 00, 01, 10, 11 are 1, 0, 0, -1: one less for each bit.
        PlaneKind::Dosage => lanes.for_each(|(o, &b)| {
            *o = 1i8.wrapping_sub(i8::from(b & low != 0)).wrapping_sub(i8::from(b & high != 0));
        }),
        PlaneKind::HomAlt => {
            lanes.for_each(|(o, &b)| *o = i8::from(b & (low | high) == 0));
        }
        PlaneKind::Called => {
            lanes.for_each(|(o, &b)| *o = -i8::from(b & (low | high) == low));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_is_indexing_the_other_way() {
        let mut rows = [0u64; 8];
        for (i, row) in rows.iter_mut().enumerate() {
            *row = u64::from_le_bytes(std::array::from_fn(|j| (16 * i + j) as u8));
        }
        transpose_bytes(&mut rows);
        for (i, row) in rows.iter().enumerate() {
            assert_eq!(row.to_le_bytes(), std::array::from_fn(|j| (16 * j + i) as u8));
        }
    }

    #[test]
    fn columns_hold_what_the_tile_holds() {
        for stride in [1, 3, 7, 8, 9, 16, 21] {
            for variants in [1, 7, 8, 9, 40] {
                let tile: Vec<u8> = (0..stride * variants).map(|i| (i * 37 + 11) as u8).collect();
                let mut column = Column::new(variants);
                for c in 0..stride.div_ceil(8) {
                    column.load(&tile, stride, c);
                    for byte in 0..8.min(stride - 8 * c) {
                        let (line, shift) = column.person(4 * byte as u32 + 3);
                        let expected: Vec<u8> =
                            (0..variants).map(|v| tile[v * stride + 8 * c + byte]).collect();
                        assert_eq!((&line[..variants], shift), (&expected[..], 6));
                    }
                }
            }
        }
    }

    #[test]
    fn codes_become_the_documented_integers() {
        // Codes 00 (g = 2), 01 (missing), 10 (g = 1), 11 (g = 0), in every position of the byte.
        for shift in [0, 2, 4, 6] {
            let line: Vec<u8> =
                (0..4u8).flat_map(|c| [c << shift, c << shift | !(3 << shift)]).collect();
            for (plane, expected) in [
                (PlaneKind::Dosage, [1, 0, 0, -1]),
                (PlaneKind::HomAlt, [1, 0, 0, 0]),
                (PlaneKind::Called, [0, -1, 0, 0]),
            ] {
                let mut out = [9i8; 8];
                decode(plane, &line, shift, &mut out);
                assert_eq!(
                    out.to_vec(),
                    expected.iter().flat_map(|&x| [x, x]).collect::<Vec<i8>>()
                );
            }
        }
    }
}
