//! `--keep` and `--extract` files.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::fam::MAX_ID_LEN;
use super::people::{MatchError, PersonId, match_people};
use super::source::{MAX_PEOPLE, Sample};
use crate::lines::{LineError, Lines};
use crate::panel::{Contig, MAX_TEXT_LEN, MAX_VARIANTS, Panel};

const MAX_LINE: usize = 1 << 20;

/// Why a list can't be used. The ids of people are never shown.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct ListError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    pub kind: ListErrorKind,
}

/// What is wrong with a list.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListErrorKind {
    /// The file can't be opened.
    #[error("cannot be opened: {0}")]
    Open(#[from] io::Error),
    /// A line can't be read.
    #[error(transparent)]
    Line(#[from] LineError),
    /// An id is too long.
    #[error("line {line}: an id is too long")]
    LongId {
        /// 1-based line number.
        line: u64,
    },
    /// Some lines have a FID, some don't.
    #[error("line {line} has one field, earlier lines have FID and IID")]
    Mixed {
        /// 1-based line number.
        line: u64,
    },
    /// A range isn't one.
    #[error("line {line} must be CHROM FIRST LAST NAME, with whole positions")]
    Range {
        /// 1-based line number.
        line: u64,
    },
    /// Nothing in the file.
    #[error("the list is empty")]
    Empty,
    /// More entries than people or variants can be.
    #[error("the list is too long")]
    TooLong,
    /// The people can't be matched.
    #[error(transparent)]
    Match(#[from] MatchError),
    /// None of the listed variants is there.
    #[error(
        "none of its {listed} entries fits any of the {variants} variants of the genotype file; compare the ids of the two files"
    )]
    NoVariant {
        /// Entries in the list.
        listed: usize,
        /// Variants in the panel.
        variants: u32,
    },
}

/// What a list chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Ascending indices of the chosen people or variants.
    pub indices: Vec<u32>,
    /// Entries of the list that fit nothing; for ranges, ranges without a variant.
    pub unused: usize,
}

/// Reads a `--keep` file and chooses its people: `FID IID` a line, or `IID` alone; a header `#FID IID` or `#IID` may
/// stand above, further columns aren't looked at, and a person may be listed twice.
///
/// # Errors
/// When the file can't be read, or none of its people is among `samples`.
pub fn read_keep(path: &Path, samples: &[Sample]) -> Result<Chosen, ListError> {
    let chosen = open(path).and_then(|file| keep(file, samples));
    chosen.map_err(|kind| ListError { path: path.to_owned(), kind })
}

/// Reads an `--extract` file, variant ids separated by white space, and chooses all variants that carry one of them.
///
/// # Errors
/// When the file can't be read, or no variant has one of the ids.
pub fn read_extract(path: &Path, panel: &Panel) -> Result<Chosen, ListError> {
    let chosen = open(path).and_then(|file| extract(file, panel));
    chosen.map_err(|kind| ListError { path: path.to_owned(), kind })
}

/// Reads an `--extract range` file, `CHROM FIRST LAST NAME` a line, positions inclusive, and chooses the variants in it.
///
/// # Errors
/// When the file can't be read, or no variant lies in any range.
pub fn read_extract_ranges(path: &Path, panel: &Panel) -> Result<Chosen, ListError> {
    let chosen = open(path).and_then(|file| extract_ranges(file, panel));
    chosen.map_err(|kind| ListError { path: path.to_owned(), kind })
}

fn open(path: &Path) -> Result<BufReader<File>, ListErrorKind> {
    Ok(BufReader::new(File::open(path)?))
}

fn keep(input: impl BufRead, samples: &[Sample]) -> Result<Chosen, ListErrorKind> {
    let mut lines = Lines::new(input, MAX_LINE);
    let (mut ids, mut numbers, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let mut with_fid = None;
    loop {
        let line = lines.number() + 1;
        let Some(text) = lines.next_str()? else { break };
        let mut fields = text.split_ascii_whitespace();
        let (Some(first), second) = (fields.next(), fields.next()) else { continue };
        if ids.is_empty() && with_fid.is_none() && (first == "#FID" || first == "#IID") {
            with_fid = Some(first == "#FID");
            continue;
        }
        let with_fid = *with_fid.get_or_insert(second.is_some());
        let (fid, iid) = match (with_fid, second) {
            (true, Some(iid)) => (Some(first), iid),
            (true, None) => return Err(ListErrorKind::Mixed { line }),
            (false, _) => (None, first),
        };
        if [fid, Some(iid)].iter().flatten().any(|id| id.len() > MAX_ID_LEN) {
            return Err(ListErrorKind::LongId { line });
        }
        let id = PersonId { fid: fid.map(Into::into), iid: iid.into() };
        if seen.insert(id.clone()) {
            ids.push(id);
            numbers.push(line);
        }
        if ids.len() > MAX_PEOPLE as usize {
            return Err(ListErrorKind::TooLong);
        }
    }
    if ids.is_empty() {
        return Err(ListErrorKind::Empty);
    }
    let found = match_people(samples, &ids, &numbers)?;
    let indices: Vec<u32> = (0u32..).zip(&found).filter_map(|(i, row)| row.map(|_| i)).collect();
    Ok(Chosen { unused: ids.len() - indices.len(), indices })
}

fn extract(input: impl BufRead, panel: &Panel) -> Result<Chosen, ListErrorKind> {
    let mut lines = Lines::new(input, MAX_LINE);
    let mut ids: HashSet<Box<str>> = HashSet::new();
    loop {
        let line = lines.number() + 1;
        let Some(text) = lines.next_str()? else { break };
        for id in text.split_ascii_whitespace() {
            if id.len() > MAX_TEXT_LEN {
                return Err(ListErrorKind::LongId { line });
            }
            if !ids.contains(id) {
                ids.insert(id.into());
            }
            if ids.len() > MAX_VARIANTS as usize {
                return Err(ListErrorKind::TooLong);
            }
        }
    }
    let mut used = HashSet::new();
    let mut indices = Vec::new();
    for (index, variant) in (0u32..).zip(panel.iter()) {
        if ids.contains(variant.id) {
            used.insert(variant.id);
            indices.push(index);
        }
    }
    chosen(indices, ids.len(), used.len(), panel)
}

fn chosen(
    indices: Vec<u32>,
    listed: usize,
    used: usize,
    panel: &Panel,
) -> Result<Chosen, ListErrorKind> {
    match (listed, indices.is_empty()) {
        (0, _) => Err(ListErrorKind::Empty),
        (_, true) => Err(ListErrorKind::NoVariant { listed, variants: panel.len() }),
        (_, false) => Ok(Chosen { indices, unused: listed - used }),
    }
}

/// A chromosome for comparing: known ones by what they are, others by name.
fn contig_key(chrom: &str) -> (Contig, &str) {
    match Contig::parse(chrom) {
        Contig::Unknown => (Contig::Unknown, chrom),
        known => (known, ""),
    }
}

fn extract_ranges(input: impl BufRead, panel: &Panel) -> Result<Chosen, ListErrorKind> {
    let mut lines = Lines::new(input, MAX_LINE);
    let mut ranges: Vec<(Box<str>, u32, u32)> = Vec::new();
    loop {
        let line = lines.number() + 1;
        let Some(text) = lines.next_str()? else { break };
        let mut fields = text.split_ascii_whitespace();
        let Some(chrom) = fields.next() else { continue };
        let mut number = || fields.next().and_then(|f| f.parse::<u32>().ok());
        let (first, last) = (number(), number());
        let (Some(first), Some(last), Some(_)) = (first, last, fields.next()) else {
            return Err(ListErrorKind::Range { line });
        };
        if first > last {
            return Err(ListErrorKind::Range { line });
        }
        if ranges.len() >= MAX_VARIANTS as usize {
            return Err(ListErrorKind::TooLong);
        }
        ranges.push((chrom.into(), first, last));
    }
    // Sorted by chromosome and start; `reach` is the furthest end so far, so that a binary search finds a cover.
    let mut sorted: Vec<((Contig, &str), u32, u32)> =
        ranges.iter().map(|(c, a, b)| (contig_key(c), *a, *b)).collect();
    sorted.sort_unstable();
    let mut reach = 0;
    let mut furthest = Vec::with_capacity(sorted.len());
    let mut before = None;
    for &(contig, _, last) in &sorted {
        reach = if before == Some(contig) { last.max(reach) } else { last };
        before = Some(contig);
        furthest.push(reach);
    }
    let mut indices = Vec::new();
    let mut positions: Vec<((Contig, &str), u32)> = Vec::new();
    for (index, v) in (0u32..).zip(panel.iter()) {
        let contig = contig_key(v.chrom);
        let up_to = sorted.partition_point(|&(c, first, _)| (c, first) <= (contig, v.pos));
        let covered = up_to.checked_sub(1).is_some_and(|i| {
            sorted.get(i).is_some_and(|r| r.0 == contig)
                && furthest.get(i).is_some_and(|&end| end >= v.pos)
        });
        if covered {
            indices.push(index);
            positions.push((contig, v.pos));
        }
    }
    positions.sort_unstable();
    let used = sorted.iter().filter(|&&(contig, first, last)| {
        let at = positions.partition_point(|&p| p < (contig, first));
        positions.get(at).is_some_and(|&p| p <= (contig, last))
    });
    let used = used.count();
    chosen(indices, ranges.len(), used, panel)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::testing::small_source;
    use crate::panel::{ReferenceStatus, Variant};

    fn people(n: u32) -> Vec<Sample> {
        small_source(n, 1).samples().to_vec()
    }

    fn panel() -> Panel {
        let mut panel = Panel::new(ReferenceStatus::Given);
        for (chrom, pos, id) in
            [("1", 5, "a"), ("chr1", 9, "b"), ("2", 5, "a"), ("22", 5, "."), ("odd", 7, "d")]
        {
            panel.push(Variant { chrom, pos, id, reference: "A", alternate: "C" }).unwrap();
        }
        panel
    }

    #[test]
    fn keep_takes_plink_s_forms() {
        for text in [
            "0 p3\n0 p1 extra\n\n0 p9\n0 p3\n",
            "#FID IID\n0\tp3\n0\tp1\n0\tx\n",
            "p1\np3\np7\n",
            "#IID\np1\np3\np77",
        ] {
            let chosen = keep(text.as_bytes(), &people(5)).unwrap();
            assert_eq!(chosen, Chosen { indices: vec![1, 3], unused: 1 });
        }
    }

    #[test]
    fn keep_refuses_what_it_cannot_match_without_naming_it() {
        let long = format!("0 {}", "x".repeat(MAX_ID_LEN + 1));
        for (text, message) in [
            ("", "empty"),
            ("#FID IID\n", "empty"),
            ("0 SECRET\n", "none of its 1 people"),
            ("0 p1\nSECRET\n", "line 2 has one field"),
            (long.as_str(), "line 1"),
        ] {
            let error = keep(text.as_bytes(), &people(3)).unwrap_err().to_string();
            assert!(error.contains(message) && !error.contains("SECRET"), "{error}");
        }
        let error = read_keep(Path::new("/no/such/file"), &people(3)).unwrap_err().to_string();
        assert!(error.starts_with("/no/such/file: cannot be opened"), "{error}");
    }

    #[test]
    fn extract_takes_every_variant_with_a_listed_id() {
        let chosen = extract(&b"a zz\n\n d a"[..], &panel()).unwrap();
        assert_eq!(chosen, Chosen { indices: vec![0, 2, 4], unused: 1 });
        assert!(matches!(extract(&b" \n"[..], &panel()), Err(ListErrorKind::Empty)));
        assert!(matches!(
            extract(&b"x y"[..], &panel()),
            Err(ListErrorKind::NoVariant { listed: 2, variants: 5 })
        ));
    }

    #[test]
    fn ranges_are_inclusive_and_know_chromosomes() {
        let chosen =
            extract_ranges(&b"chr1 5 8 x\n1 2 3 y\n1 9 9 z\nodd 0 7 w\n"[..], &panel()).unwrap();
        assert_eq!(chosen, Chosen { indices: vec![0, 1, 4], unused: 1 });
        for bad in ["1 5 4 x", "1 5 x y", "1 5 6", "1 -5 6 x"] {
            assert!(matches!(
                extract_ranges(bad.as_bytes(), &panel()),
                Err(ListErrorKind::Range { line: 1 })
            ));
        }
        assert!(matches!(
            extract_ranges(&b"3 1 9 x"[..], &panel()),
            Err(ListErrorKind::NoVariant { .. })
        ));
    }

    proptest! {
        #[test]
        fn ranges_choose_what_trying_each_chooses(ranges in prop::collection::vec((1u32..4, 0u32..60, 0u32..15), 1..12),
                                                  sites in prop::collection::vec((1u32..4, 0u32..80), 1..40)) {
            let mut panel = Panel::default();
            for &(c, pos) in &sites {
                panel.push(Variant { chrom: &c.to_string(), pos, id: ".", reference: "A", alternate: "C" }).unwrap();
            }
            let text: String = ranges.iter().map(|(c, a, n)| format!("{c} {a} {} r\n", a + n)).collect();
            let inside = |&(c, pos): &(u32, u32), &(rc, a, n): &(u32, u32, u32)| c == rc && (a..=a + n).contains(&pos);
            let expected: Vec<u32> = (0u32..).zip(&sites).filter(|(_, s)| ranges.iter().any(|r| inside(s, r))).map(|(i, _)| i).collect();
            let unused = ranges.iter().filter(|r| !sites.iter().any(|s| inside(s, r))).count();
            match extract_ranges(text.as_bytes(), &panel) {
                Ok(chosen) => prop_assert_eq!(chosen, Chosen { indices: expected, unused }),
                Err(_) => prop_assert!(expected.is_empty()),
            }
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[01p# \\tFID\\n]{0,200}") {
            for input in [bytes.as_slice(), text.as_bytes()] {
                let _ = keep(input, &people(3));
                let _ = extract(input, &panel());
                let _ = extract_ranges(input, &panel());
            }
        }
    }
}
