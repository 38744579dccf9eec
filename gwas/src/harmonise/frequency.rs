//! Allele frequencies of a public reference, which tell the strand of palindromic variants.

use std::io::BufRead;

use super::alleles::{Relation, is_palindromic, relation};
use crate::lines::{LineError, Lines};
use crate::panel::{MAX_TEXT_LEN, Panel, PanelError, ReferenceStatus, Variant};

/// The largest minor allele frequency that still tells the strand, unless the user says otherwise.
pub const DEFAULT_MAX_MAF: f64 = 0.4;

/// Two long texts, and other columns.
const MAX_LINE: usize = 4 * MAX_TEXT_LEN;
const COLUMNS: [&str; 5] = ["#CHROM", "POS", "REF", "ALT", "ALT_FREQ"];

/// Why a table of frequencies can't be used. The caller adds the file's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrequencyError {
    /// A line can't be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// A column is missing from the header.
    #[error(
        "the first line must name the columns #CHROM, POS, REF, ALT and ALT_FREQ, each once, separated by tabs"
    )]
    Header,
    /// A field isn't what it must be.
    #[error("line {line}: expected {expected}")]
    Expected {
        /// 1-based line number.
        line: u64,
        /// What must stand there.
        expected: &'static str,
    },
    /// A field breaks a limit.
    #[error("line {line}: {source}")]
    Content {
        /// 1-based line number.
        line: u64,
        /// What is wrong with it.
        source: PanelError,
    },
}

/// ALT frequencies of palindromic variants, from a public reference.
///
/// ```text
/// #CHROM  POS  REF  ALT  ALT_FREQ      (tab-separated; columns in any order, others are not looked at)
/// 22  16051249  A  T  0.0812
/// ```
///
/// `NA` and `.` are unknown frequencies. Rows whose alleles are no palindrome are checked and not kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frequencies {
    pub(super) panel: Panel,
    /// A value per variant of `panel`.
    alternate: Vec<f64>,
}

impl Frequencies {
    /// Reads a table in the type's format.
    ///
    /// # Errors
    /// When a line isn't acceptable.
    pub fn read(input: impl BufRead) -> Result<Self, FrequencyError> {
        let mut lines = Lines::new(input, MAX_LINE);
        let places = header(lines.next_str()?)?;
        let mut out = Self { panel: Panel::new(ReferenceStatus::Given), alternate: Vec::new() };
        loop {
            let line = lines.number() + 1;
            let Some(text) = lines.next_str()? else { return Ok(out) };
            if text.is_empty() {
                continue;
            }
            let expected = |expected| FrequencyError::Expected { line, expected };
            let fields =
                fields(text, &places).ok_or(expected("a field in each of the five columns"))?;
            let [chrom, pos, reference, alternate, frequency] = fields;
            let pos = pos.parse().map_err(|_| expected("a position in the column POS"))?;
            let frequency = match frequency {
                "NA" | "." => None,
                text => match text.parse::<f64>() {
                    Ok(x) if (0.0..=1.0).contains(&x) => Some(x),
                    _ => return Err(expected("a number from 0 to 1, or NA, in ALT_FREQ")),
                },
            };
            let variant = Variant { chrom, pos, id: ".", reference, alternate };
            crate::panel::check_variant(&variant)
                .map_err(|source| FrequencyError::Content { line, source })?;
            if let Some(frequency) = frequency.filter(|_| is_palindromic(&variant)) {
                let push = out.panel.push(variant);
                push.map_err(|source| FrequencyError::Content { line, source })?;
                out.alternate.push(frequency);
            }
        }
    }

    /// How many variants have a frequency.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.panel.len()
    }

    /// Whether no variant has a frequency.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.panel.is_empty()
    }

    /// The frequency of `variant`'s ALT, given the table's variants at its place; nothing if they don't say, or disagree.
    pub(super) fn find(&self, variant: &Variant<'_>, here: &[u32]) -> Option<f64> {
        let mut found = None;
        for &index in here {
            let alternate = *self.alternate.get(index as usize)?;
            let frequency = match relation(variant, &self.panel.get(index)?) {
                Some(Relation::Same) => alternate,
                Some(Relation::Exchanged) => 1.0 - alternate,
                _ => continue,
            };
            if found.is_some_and(|known| known != frequency) {
                return None;
            }
            found = Some(frequency);
        }
        found
    }
}

/// Where the wanted columns stand.
fn header(line: Option<&str>) -> Result<[usize; 5], FrequencyError> {
    let names: Vec<&str> = line.unwrap_or_default().split('\t').collect();
    let place = |wanted: &str| {
        let mut places = (0..).zip(&names).filter(|(_, name)| **name == wanted).map(|(i, _)| i);
        places.next().filter(|_| places.next().is_none())
    };
    match COLUMNS.map(place) {
        [Some(a), Some(b), Some(c), Some(d), Some(e)] => Ok([a, b, c, d, e]),
        _ => Err(FrequencyError::Header),
    }
}

/// The wanted fields of a line.
fn fields<'a>(line: &'a str, places: &[usize; 5]) -> Option<[&'a str; 5]> {
    let mut found = [None; 5];
    for (column, field) in line.split('\t').enumerate() {
        if let Some(at) = places.iter().position(|&p| p == column)
            && let Some(found) = found.get_mut(at)
        {
            *found = Some(field);
        }
    }
    match found {
        [Some(a), Some(b), Some(c), Some(d), Some(e)] => Some([a, b, c, d, e]),
        _ => None,
    }
}

/// Whether the file's ALT is the reference's ALT (and not its REF), as far as frequencies tell.
pub(super) fn same_strand(reference: f64, file: f64, max_maf: f64) -> Option<bool> {
    let tells = |f: f64| f.min(1.0 - f) <= max_maf && f != 0.5;
    (tells(reference) && tells(file)).then_some((reference < 0.5) == (file < 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::tests::v;

    fn read(text: &str) -> Result<Frequencies, FrequencyError> {
        Frequencies::read(text.as_bytes())
    }

    #[test]
    fn columns_are_found_by_name_and_palindromes_kept() {
        let table = read(
            "POS\tID\t#CHROM\tALT_FREQ\tALT\tREF\r\n5\tx\tchr1\t0.25\tT\tA\n6\ty\t1\t0.1\tC\tT\n\n7\tz\t1\tNA\tC\tG\n5\tw\t1\t0.75\tA\tT\n5\tw\t1\t0.7\tC\tG\n",
        )
        .unwrap();
        assert_eq!(table.len(), 3);
        let find = |reference, alternate, here: &[u32]| {
            table.find(&v("1", 5, ".", reference, alternate), here)
        };
        assert_eq!(find("A", "T", &[0]), Some(0.25));
        assert_eq!(find("T", "A", &[0]), Some(0.75));
        assert_eq!(find("A", "T", &[0, 1, 2]), Some(0.25), "two rows that agree");
        assert_eq!(find("A", "G", &[0, 1, 2]), None);
        assert_eq!(find("A", "T", &[]), None);
    }

    #[test]
    fn rows_that_disagree_say_nothing() {
        let table =
            read("#CHROM\tPOS\tREF\tALT\tALT_FREQ\n1\t5\tA\tT\t0.2\n1\t5\tA\tT\t0.3\n").unwrap();
        assert_eq!(table.find(&v("1", 5, ".", "A", "T"), &[0, 1]), None);
    }

    #[test]
    fn bad_tables_are_refused_with_the_line() {
        let good = "#CHROM\tPOS\tREF\tALT\tALT_FREQ\n1\t5\tA\tT\t0.2\n";
        assert!(read(good).is_ok());
        for (from, to, message) in [
            ("#CHROM", "CHROM", "the first line must name"),
            ("REF", "ALT", "the first line must name"),
            ("\t0.2", "", "line 2: expected a field in each"),
            ("\t5\t", "\t-5\t", "line 2: expected a position"),
            ("0.2", "1.5", "line 2: expected a number from 0 to 1"),
            ("0.2", "NaN", "line 2: expected a number from 0 to 1"),
            ("\tT\t", "\t\t", "line 2: ALT is empty"),
            ("1\t5", "\u{e9}\t5", "line 2: the chromosome holds a byte"),
        ] {
            assert!(good.contains(from));
            let error = read(&good.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(message), "{from:?} -> {to:?}: {error}");
        }
        assert!(read("").is_err());
    }

    #[test]
    fn frequencies_near_one_half_tell_nothing() {
        assert_eq!(same_strand(0.2, 0.3, 0.4), Some(true));
        assert_eq!(same_strand(0.2, 0.7, 0.4), Some(false));
        assert_eq!(same_strand(0.9, 0.6, 0.4), Some(true));
        assert_eq!(same_strand(0.2, 0.59, 0.4), None);
        assert_eq!(same_strand(0.41, 0.1, 0.4), None);
        assert_eq!(same_strand(0.5, 0.1, 0.5), None);
    }
}
