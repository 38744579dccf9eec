//! PLINK .fam files: one person a line, `FID IID FATHER MOTHER SEX PHENOTYPE`, separated by white space, no header.
//!
//! As in PLINK 1.9: blank lines are skipped, columns past the sixth are not looked at, a person is a founder when both
//! parents are `0`, and the pair (FID, IID) must be unique.

use std::collections::HashMap;
use std::io::BufRead;

use super::source::{MAX_PEOPLE, Sample, Sex};
use crate::lines::{LineError, Lines};

/// The longest accepted id, in bytes.
pub const MAX_ID_LEN: usize = 1_000;
const MAX_LINE: usize = 1 << 16;

/// Why a .fam file can't be used. The caller adds the file's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FamError {
    /// A line can't be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Fewer than six columns.
    #[error(
        "line {line} has {found} columns, a .fam line has six: FID IID FATHER MOTHER SEX PHENOTYPE"
    )]
    Columns {
        /// 1-based line number.
        line: u64,
        /// Columns found.
        found: usize,
    },
    /// An id is too long.
    #[error("line {line}: an id is longer than {MAX_ID_LEN} bytes")]
    LongId {
        /// 1-based line number.
        line: u64,
    },
    /// The same person twice.
    #[error(
        "lines {first} and {line} have the same FID and IID; make ids unique (`plink --update-ids`)"
    )]
    Repeated {
        /// Line of the first occurrence.
        first: u64,
        /// Line of the second.
        line: u64,
    },
    /// Nobody.
    #[error("the file lists nobody")]
    Empty,
    /// Too many people.
    #[error("more than {MAX_PEOPLE} people")]
    TooMany,
}

/// A .fam file: the people, and the sixth column as it stands.
pub(crate) struct Fam {
    pub(crate) samples: Vec<Sample>,
    /// One phenotype token a person.
    pub(crate) phenotypes: Vec<Box<str>>,
    /// The line of each person.
    pub(crate) lines: Vec<u64>,
}

/// Reads a whole .fam file.
pub(crate) fn read(input: impl BufRead) -> Result<Fam, FamError> {
    let mut lines = Lines::new(input, MAX_LINE);
    let mut fam = Fam { samples: Vec::new(), phenotypes: Vec::new(), lines: Vec::new() };
    let mut seen = HashMap::new();
    loop {
        let line = lines.number() + 1;
        let Some(text) = lines.next_str()? else { break };
        let mut fields = text.split_ascii_whitespace();
        let row = [(); 6].map(|()| fields.next());
        let [Some(fid), Some(iid), Some(father), Some(mother), Some(sex), Some(phenotype)] = row
        else {
            match row.iter().flatten().count() {
                0 => continue,
                found => return Err(FamError::Columns { line, found }),
            }
        };
        if [fid, iid, phenotype].iter().any(|id| id.len() > MAX_ID_LEN) {
            return Err(FamError::LongId { line });
        }
        if fam.samples.len() >= MAX_PEOPLE as usize {
            return Err(FamError::TooMany);
        }
        let (fid, iid): (Box<str>, Box<str>) = (fid.into(), iid.into());
        if let Some(first) = seen.insert((fid.clone(), iid.clone()), line) {
            return Err(FamError::Repeated { first, line });
        }
        let sex = match sex {
            "1" => Sex::Male,
            "2" => Sex::Female,
            _ => Sex::Unknown,
        };
        let founder = father == "0" && mother == "0";
        fam.samples.push(Sample { fid: Some(fid), iid, sex, founder });
        fam.phenotypes.push(phenotype.into());
        fam.lines.push(line);
    }
    if fam.samples.is_empty() { Err(FamError::Empty) } else { Ok(fam) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_plink_s_columns() {
        let fam = read(&b"F1 a 0 0 1 2\r\n\n  F1\tb a 0 2 -9 extra\nF2 a x y 0 0.5"[..]).unwrap();
        let people: Vec<_> = fam
            .samples
            .iter()
            .map(|s| (s.fid.as_deref().unwrap(), &*s.iid, s.sex, s.founder))
            .collect();
        assert_eq!(
            people,
            [
                ("F1", "a", Sex::Male, true),
                ("F1", "b", Sex::Female, false),
                ("F2", "a", Sex::Unknown, false)
            ]
        );
        assert_eq!(fam.phenotypes.iter().map(|p| &**p).collect::<Vec<_>>(), ["2", "-9", "0.5"]);
        assert_eq!(fam.lines, [1, 3, 4]);
    }

    #[test]
    fn refusals_name_lines_and_no_ids() {
        let long = format!("F {} 0 0 1 1\n", "x".repeat(MAX_ID_LEN + 1));
        for (text, message) in [
            ("SECRET b 0 0 1 1\nSECRET c 0 0 1\n", "line 2 has 5 columns"),
            ("F SECRET 0 0 1 1\nF b 0 0 1 1\nF SECRET 0 0 1 1\n", "lines 1 and 3"),
            ("\n \n", "nobody"),
            ("", "nobody"),
            (long.as_str(), "line 1: an id"),
        ] {
            let error = read(text.as_bytes()).err().unwrap().to_string();
            assert!(error.contains(message) && !error.contains("SECRET"), "{error}");
        }
        let shown = format!("{:?}", read(&b"SECRET SECRET 0 0 1 1"[..]).unwrap().samples);
        assert!(!shown.contains("SECRET"), "{shown}");
    }

    proptest! {
        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[ab0 \\t\\n]{0,200}") {
            let _ = read(bytes.as_slice());
            let _ = read(text.as_bytes());
        }
    }
}
