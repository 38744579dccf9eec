//! Variants that a file holds and the study leaves out, each with its reason.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use crate::panel::{Contig, Panel, PanelError, ReferenceStatus, Variant};

/// Why a variant is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// On X or Y outside the pseudo-autosomal regions: not diploid in everyone.
    SexChromosome,
    /// Mitochondrial: not diploid.
    Mitochondrial,
    /// The chromosome's name is none that we know (PLINK's 0 included), so its ploidy isn't known either.
    UnknownContig,
    /// An earlier variant has the same chromosome, position, REF and ALT.
    Duplicate,
    /// The position is negative: PLINK's way of switching a variant off.
    NegativePosition,
    /// More than one ALT allele (only with `--skip-multiallelic`).
    Multiallelic,
    /// Fails `--geno`.
    Geno,
    /// Fails `--maf`.
    Maf,
    /// Fails `--hwe`.
    Hwe,
    /// The position is 0: without one, variants of different lists can't be compared.
    NoPosition,
    /// An allele is unknown (`0` or `.`) and no other list tells it.
    UnknownAllele,
    /// Not every list has it.
    NotInAllLists,
    /// The alleles pair with each other (`A`/`T`, `C`/`G`), so that nothing tells which strand a list is on.
    Palindromic,
}

impl Reason {
    /// The word in the REASON column.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::SexChromosome => "SEX_CHROMOSOME",
            Self::Mitochondrial => "MITOCHONDRIAL",
            Self::UnknownContig => "UNKNOWN_CONTIG",
            Self::Duplicate => "DUPLICATE",
            Self::NegativePosition => "NEGATIVE_POSITION",
            Self::Multiallelic => "MULTIALLELIC",
            Self::Geno => "GENO",
            Self::Maf => "MAF",
            Self::Hwe => "HWE",
            Self::NoPosition => "NO_POSITION",
            Self::UnknownAllele => "UNKNOWN_ALLELE",
            Self::NotInAllLists => "NOT_IN_ALL_LISTS",
            Self::Palindromic => "PALINDROMIC",
        }
    }

    /// Whether `--strict` stops a run for it: it may point to a mistake in the file.
    #[must_use]
    pub fn stops_strict(self) -> bool {
        matches!(self, Self::UnknownContig | Self::Duplicate)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A row as a file has it, before it is known to be acceptable.
#[derive(Clone, Copy)]
pub(crate) struct RawSite<'a> {
    pub(crate) chrom: &'a str,
    pub(crate) pos: i64,
    pub(crate) id: &'a str,
    pub(crate) reference: &'a str,
    pub(crate) alternate: &'a str,
}

struct Entry {
    /// Order within the list: the row of the file, or past all rows.
    row: u64,
    reason: Reason,
    /// The first five columns, tab-separated.
    site: Box<str>,
}

/// The list behind `PREFIX.excluded.tsv`. Holds public data only.
#[derive(Default)]
pub struct Exclusions {
    entries: Vec<Entry>,
}

impl Exclusions {
    /// Adds a variant that a filter removed, after those that came with the file.
    pub fn push(&mut self, variant: Variant<'_>, reason: Reason) {
        let Variant { chrom, pos, id, reference, alternate } = variant;
        self.push_row(
            u64::MAX,
            RawSite { chrom, pos: pos.into(), id, reference, alternate },
            reason,
        );
    }

    fn push_row(&mut self, row: u64, s: RawSite<'_>, reason: Reason) {
        let RawSite { chrom, pos, id, reference, alternate } = s;
        let site = format!("{chrom}\t{pos}\t{id}\t{reference}\t{alternate}").into_boxed_str();
        self.entries.push(Entry { row, reason, site });
    }

    /// Appends another list.
    pub fn append(&mut self, mut other: Self) {
        self.entries.append(&mut other.entries);
    }

    /// How many variants are listed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is listed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many variants are listed for each reason that occurs, in a fixed order.
    #[must_use]
    pub fn counts(&self) -> Vec<(Reason, usize)> {
        let mut counts = BTreeMap::new();
        for entry in &self.entries {
            *counts.entry(entry.reason).or_insert(0) += 1;
        }
        counts.into_iter().collect()
    }

    /// One line for people: `84 variants excluded: 70 SEX_CHROMOSOME, 14 MITOCHONDRIAL`; nothing if the list is empty.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let parts: Vec<String> = self.counts().iter().map(|(r, n)| format!("{n} {r}")).collect();
        let s = if self.len() == 1 { "" } else { "s" };
        Some(format!("{} variant{s} excluded: {}", self.len(), parts.join(", ")))
    }

    /// Writes the table `#CHROM POS ID REF ALT REASON`, with its header even if nothing was excluded.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_tsv(&self, mut out: impl Write) -> io::Result<()> {
        writeln!(out, "#CHROM\tPOS\tID\tREF\tALT\tREASON")?;
        for entry in &self.entries {
            writeln!(out, "{}\t{}", entry.site, entry.reason)?;
        }
        out.flush()
    }
}

/// Counts only.
impl fmt::Debug for Exclusions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.counts()).finish()
    }
}

/// With `--strict`: the exclusion that stopped the run.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{chrom}:{pos} would be excluded ({reason}) and --strict was given; repair the file, or leave --strict out to skip such variants"
)]
pub struct StrictError {
    /// Chromosome.
    pub chrom: String,
    /// Position.
    pub pos: i64,
    /// Why it would be excluded.
    pub reason: Reason,
}

/// What can go wrong while rows are sorted into kept and excluded ones.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SiteError {
    /// The row breaks a limit.
    #[error(transparent)]
    Panel(#[from] PanelError),
    /// The position is beyond what any genome needs.
    #[error("the position is above 2^31 - 1, the most that PLINK knows")]
    Position,
    /// `--strict` stops here.
    #[error(transparent)]
    Strict(#[from] StrictError),
}

/// Sorts the rows of a file, in order, into a panel and a list of exclusions.
pub(crate) struct SiteSorter {
    panel: Panel,
    /// Which row of the file each variant of the panel is.
    rows: Vec<u32>,
    next_row: u32,
    exclusions: Exclusions,
    strict: bool,
}

/// The sorted rows.
pub(crate) struct SortedSites {
    pub(crate) panel: Panel,
    /// For each variant of the panel which row of the file it is.
    pub(crate) rows: Vec<u32>,
    /// For each variant of the panel how many rows had been accepted before it; duplicates had been, too.
    pub(crate) accepted: Vec<u32>,
    pub(crate) exclusions: Exclusions,
}

impl SiteSorter {
    pub(crate) fn new(panel: Panel, strict: bool) -> Self {
        Self { panel, rows: Vec::new(), next_row: 0, exclusions: Exclusions::default(), strict }
    }

    /// Whether the genotypes of the next row are wanted; the row is counted either way.
    pub(crate) fn offer(&mut self, site: RawSite<'_>) -> Result<bool, SiteError> {
        let reason = match Contig::parse(site.chrom) {
            Contig::Autosome(_) | Contig::PseudoAutosomal if site.pos < 0 => {
                Reason::NegativePosition
            }
            Contig::Autosome(_) | Contig::PseudoAutosomal => {
                let row = self.next_row;
                self.panel.push(accepted(site)?)?;
                self.rows.push(row);
                self.next_row += 1;
                return Ok(true);
            }
            Contig::X | Contig::Y => Reason::SexChromosome,
            Contig::Mitochondrial => Reason::Mitochondrial,
            Contig::Unknown => Reason::UnknownContig,
        };
        self.exclude(site, reason)?;
        Ok(false)
    }

    /// Excludes the next row of the file.
    pub(crate) fn exclude(&mut self, site: RawSite<'_>, reason: Reason) -> Result<(), SiteError> {
        crate::panel::check_variant(&accepted(RawSite { pos: site.pos.max(0), ..site })?)?;
        if self.strict && reason.stops_strict() {
            return Err(strict(site.chrom, site.pos, reason));
        }
        if self.next_row == u32::MAX {
            return Err(PanelError::TooManyVariants.into());
        }
        self.exclusions.push_row(self.next_row.into(), site, reason);
        self.next_row += 1;
        Ok(())
    }

    /// Rows seen so far.
    pub(crate) fn row_count(&self) -> u32 {
        self.next_row
    }

    /// Takes out exact duplicates and hands over the result.
    pub(crate) fn finish(mut self) -> Result<SortedSites, SiteError> {
        let duplicates = self.panel.exact_duplicates();
        if duplicates.is_empty() {
            let Self { panel, rows, exclusions, .. } = self;
            let accepted = (0..panel.len()).collect();
            return Ok(SortedSites { panel, rows, accepted, exclusions });
        }
        let mut duplicate = duplicates.iter().copied().peekable();
        let mut kept = Vec::with_capacity(self.rows.len());
        let mut rows = Vec::with_capacity(self.rows.len());
        for (index, (v, &row)) in (0u32..).zip(self.panel.iter().zip(&self.rows)) {
            if duplicate.next_if_eq(&index).is_none() {
                kept.push(index);
                rows.push(row);
                continue;
            }
            if self.strict {
                return Err(strict(v.chrom, v.pos.into(), Reason::Duplicate));
            }
            let Variant { chrom, pos, id, reference, alternate } = v;
            let site = RawSite { chrom, pos: pos.into(), id, reference, alternate };
            self.exclusions.push_row(row.into(), site, Reason::Duplicate);
        }
        self.exclusions.entries.sort_by_key(|e| e.row);
        let panel = self.panel.select(&kept)?;
        Ok(SortedSites { panel, rows, accepted: kept, exclusions: self.exclusions })
    }
}

/// A panel whose REF is as trustworthy as the file.
pub(crate) fn empty_panel(
    reference: ReferenceStatus,
    build: Option<&str>,
) -> Result<Panel, PanelError> {
    let mut panel = Panel::new(reference);
    panel.set_build(build)?;
    Ok(panel)
}

fn accepted(site: RawSite<'_>) -> Result<Variant<'_>, SiteError> {
    let RawSite { chrom, pos, id, reference, alternate } = site;
    let pos =
        u32::try_from(pos).ok().filter(|&p| p <= i32::MAX as u32).ok_or(SiteError::Position)?;
    Ok(Variant { chrom, pos, id, reference, alternate })
}

fn strict(chrom: &str, pos: i64, reason: Reason) -> SiteError {
    StrictError { chrom: chrom.to_owned(), pos, reason }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site<'a>(chrom: &'a str, pos: i64, alternate: &'a str) -> RawSite<'a> {
        RawSite { chrom, pos, id: "id", reference: "A", alternate }
    }

    fn sort(strict: bool, rows: &[RawSite<'_>]) -> Result<SortedSites, SiteError> {
        let mut sorter = SiteSorter::new(Panel::default(), strict);
        for &row in rows {
            sorter.offer(row)?;
        }
        sorter.finish()
    }

    #[test]
    fn rows_go_where_the_rules_say() {
        let rows = [
            site("1", 5, "C"),
            site("X", 5, "C"),
            site("1", -5, "C"),
            site("chr1", 5, "C"),
            site("GL1", 5, "C"),
            site("25", 5, "0"),
            site("MT", 5, "C"),
            site("1", 5, "G"),
            site("24", 5, "G"),
        ];
        let sorted = sort(false, &rows).unwrap();
        assert_eq!(sorted.rows, [0, 5, 7]);
        assert_eq!(sorted.panel.iter().map(|v| v.alternate).collect::<String>(), "C0G");
        let mut table = Vec::new();
        sorted.exclusions.write_tsv(&mut table).unwrap();
        assert_eq!(
            String::from_utf8(table).unwrap(),
            "#CHROM\tPOS\tID\tREF\tALT\tREASON\n\
             X\t5\tid\tA\tC\tSEX_CHROMOSOME\n\
             1\t-5\tid\tA\tC\tNEGATIVE_POSITION\n\
             chr1\t5\tid\tA\tC\tDUPLICATE\n\
             GL1\t5\tid\tA\tC\tUNKNOWN_CONTIG\n\
             MT\t5\tid\tA\tC\tMITOCHONDRIAL\n\
             24\t5\tid\tA\tG\tSEX_CHROMOSOME\n"
        );
        assert_eq!(
            sorted.exclusions.summary().unwrap(),
            "6 variants excluded: 2 SEX_CHROMOSOME, 1 MITOCHONDRIAL, 1 UNKNOWN_CONTIG, 1 DUPLICATE, 1 NEGATIVE_POSITION"
        );
    }

    #[test]
    fn strict_stops_at_what_may_be_a_mistake() {
        assert!(sort(true, &[site("X", 5, "C"), site("MT", 1, "C"), site("1", -1, "C")]).is_ok());
        for rows in [&[site("scaffold_9", 5, "C")][..], &[site("1", 5, "C"), site("1", 5, "C")]] {
            let error = sort(true, rows).err().unwrap();
            assert!(error.to_string().contains("--strict"), "{error}");
        }
    }

    #[test]
    fn excluded_rows_are_checked_too() {
        for bad in [
            site("X", 1 << 31, "C"),
            site("1", 1 << 31, "C"),
            site("odd\tname", 1, "C"),
            site("X", 1, ""),
        ] {
            assert!(sort(false, &[bad]).is_err());
        }
    }

    #[test]
    fn an_empty_list_is_an_empty_table() {
        let none = Exclusions::default();
        assert_eq!(none.summary(), None);
        let mut table = Vec::new();
        none.write_tsv(&mut table).unwrap();
        assert_eq!(table, b"#CHROM\tPOS\tID\tREF\tALT\tREASON\n");
    }
}
