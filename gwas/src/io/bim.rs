//! PLINK .bim files: one variant a line, `CHROM ID CM POS ALLELE1 ALLELE2`, separated by white space, no header.
//!
//! By convention the fifth column is A1 = ALT and the sixth REF, which a .bim file can't prove: the panel is marked
//! provisional. [`RefAllele::First`] reads the columns the other way round.

use std::io::BufRead;

use super::exclusions::{RawSite, SiteError, SiteSorter};
use crate::lines::{LineError, Lines};
use crate::panel::MAX_TEXT_LEN;

/// Which allele column of a .bim file is REF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RefAllele {
    /// The sixth, as PLINK writes it (`--ref-last`).
    #[default]
    Last,
    /// The fifth (`--ref-first`).
    First,
}

/// Three long texts, a chromosome and two numbers.
const MAX_LINE: usize = 3 * MAX_TEXT_LEN + 1024;

/// Why a .bim file can't be used. The caller adds the file's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BimError {
    /// A line can't be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Not six columns.
    #[error(
        "line {line} has {found} columns, a .bim line has six: CHROM ID CM POS ALLELE1 ALLELE2"
    )]
    Columns {
        /// 1-based line number.
        line: u64,
        /// Columns found, at most seven counted.
        found: usize,
    },
    /// The fourth column is no position.
    #[error("line {line}: the fourth column must be a position in base pairs, a whole number")]
    Position {
        /// 1-based line number.
        line: u64,
    },
    /// The row isn't acceptable.
    #[error("line {line}: {source}")]
    Site {
        /// 1-based line number.
        line: u64,
        /// What is wrong with it.
        source: SiteError,
    },
    /// No variant at all.
    #[error("the file lists no variant")]
    Empty,
}

/// Reads a whole .bim file into `sorter`. Blank lines are skipped, as PLINK does.
pub(crate) fn read(
    input: impl BufRead,
    ref_allele: RefAllele,
    sorter: &mut SiteSorter,
) -> Result<(), BimError> {
    let mut lines = Lines::new(input, MAX_LINE);
    loop {
        let line = lines.number() + 1;
        let Some(text) = lines.next_str()? else { break };
        let mut fields = text.split_ascii_whitespace();
        let row = [(); 7].map(|()| fields.next());
        let [Some(chrom), Some(id), Some(_cm), Some(pos), Some(first), Some(second), None] = row
        else {
            match row.iter().flatten().count() {
                0 => continue,
                found => return Err(BimError::Columns { line, found }),
            }
        };
        let pos = pos.parse().map_err(|_| BimError::Position { line })?;
        let (alternate, reference) = match ref_allele {
            RefAllele::Last => (first, second),
            RefAllele::First => (second, first),
        };
        sorter
            .offer(RawSite { chrom, pos, id, reference, alternate })
            .map_err(|source| BimError::Site { line, source })?;
    }
    if sorter.row_count() == 0 { Err(BimError::Empty) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::panel::Panel;

    fn sorter(text: &[u8], ref_allele: RefAllele) -> Result<SiteSorter, BimError> {
        let mut sorter = SiteSorter::new(Panel::default(), false);
        read(text, ref_allele, &mut sorter).map(|()| sorter)
    }

    #[test]
    fn column_five_is_alt_unless_told_otherwise() {
        let text = b"22 rs1 0 5 C T\r\n\nX rs2 0.1 6 A G\nchr7\t.\tNA\t0\t0\tAT";
        for (ref_allele, alleles) in [
            (RefAllele::Last, [("T", "C"), ("AT", "0")]),
            (RefAllele::First, [("C", "T"), ("0", "AT")]),
        ] {
            let sorter = sorter(text, ref_allele).unwrap();
            assert_eq!(sorter.row_count(), 3);
            let sorted = sorter.finish().unwrap();
            assert_eq!(sorted.rows, [0, 2]);
            let found: Vec<_> = sorted.panel.iter().map(|v| (v.reference, v.alternate)).collect();
            assert_eq!(found, alleles);
            assert_eq!(sorted.panel.get(1).map(|v| (v.chrom, v.pos, v.id)), Some(("chr7", 0, ".")));
        }
    }

    #[test]
    fn refusals_name_the_line() {
        let long = format!("1 {} 0 5 C T\n", "x".repeat(MAX_TEXT_LEN + 1));
        for (text, message) in [
            ("1 rs1 0 5 C T\n1 rs1 0 5 C\n", "line 2 has 5 columns"),
            ("1 rs1 0 5 C T G", "line 1 has 7 columns"),
            ("1 rs1 0 5.5 C T", "line 1: the fourth column"),
            ("1 rs1 0 99999999999999999999 C T", "line 1: the fourth column"),
            ("1 rs1 0 2147483648 C T", "line 1: the position is above"),
            ("1 rs1 0 5 C Ä", "line 1: REF holds"),
            (long.as_str(), "line 1: the variant id has 16001 bytes"),
            ("\n", "no variant"),
        ] {
            let error = sorter(text.as_bytes(), RefAllele::Last).err().unwrap().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[12X. ACa\\n-]{0,300}") {
            for input in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(sorter) = sorter(input, RefAllele::First) {
                    let _ = sorter.finish();
                }
            }
        }
    }
}
