//! The ordered list of variants that a study is about.
//!
//! A [`Panel`] is public: it travels to the server, every site of a study must hold the same one, and its
//! [digest](Panel::digest) is its name. It says nothing about any person. Which coefficient of which ciphertext
//! belongs to which variant is decided in `packing`, from a variant's index in its panel and nothing else.
//!
//! A panel of ten million variants takes about 400 MB less here than as a vector of owned strings: all text lies in one
//! arena, a variant is 24 bytes beside it, and [`Variant`] is a view.

mod contig;
mod digest;
pub(crate) mod places;
mod text;

use std::collections::HashMap;
use std::fmt;

pub use contig::Contig;
use places::Places;
pub use text::{PanelSummary, PanelTextError};

/// The largest number of variants in one panel.
pub const MAX_VARIANTS: u32 = 1 << 27;
/// The longest id, and the longest allele, in bytes (PLINK 1.9's limit for ids too).
pub const MAX_TEXT_LEN: usize = 16_000;
/// The longest chromosome name, in bytes.
pub const MAX_CHROM_LEN: usize = 255;
/// The longest name of a genome build, in bytes.
pub const MAX_BUILD_LEN: usize = 64;
/// The largest number of different chromosome names in one panel.
pub const MAX_CONTIGS: usize = 1 << 16;

/// One biallelic variant, as a view into a [`Panel`] or into a line of a file.
///
/// The counted (effect) allele is always `alternate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant<'a> {
    /// Chromosome as the file spells it (`22`, `chr22`).
    pub chrom: &'a str,
    /// 1-based position; 0 where the file knows none.
    pub pos: u32,
    /// The file's name for the variant (`rs123`, `.`); need not be unique.
    pub id: &'a str,
    /// REF, or what takes its place (see [`ReferenceStatus`]).
    pub reference: &'a str,
    /// ALT, the counted allele.
    pub alternate: &'a str,
}

impl Variant<'_> {
    /// What kind of chromosome the variant lies on.
    #[must_use]
    pub fn contig(&self) -> Contig {
        Contig::parse(self.chrom)
    }
}

/// How much the REF column can be trusted. Not part of the panel's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReferenceStatus {
    /// REF is a convention (a BIM file's column order); it may not be the reference genome's allele.
    #[default]
    Provisional,
    /// REF comes from a file that states it (VCF, BCF).
    Given,
}

/// What makes a variant, or a panel, unacceptable.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanelError {
    /// A text field is empty.
    #[error("{field} is empty")]
    Empty {
        /// Which field.
        field: &'static str,
    },
    /// A text field is longer than allowed.
    #[error("{field} has {len} bytes, at most {max} are allowed")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// White space, control bytes, or (outside ids) a byte that isn't printable ASCII.
    #[error(
        "{field} holds a byte that is not allowed there (white space, a control byte or, except in ids, non-ASCII)"
    )]
    BadByte {
        /// Which field.
        field: &'static str,
    },
    /// One variant too many.
    #[error("more than {MAX_VARIANTS} variants; split the study by chromosome")]
    TooManyVariants,
    /// One chromosome name too many.
    #[error(
        "more than {MAX_CONTIGS} different chromosome names; is this really a chromosome column?"
    )]
    TooManyContigs,
    /// An index past the last variant was selected.
    #[error("variant index {index} is past the panel's {len} variants")]
    NoSuchVariant {
        /// The index asked for.
        index: u32,
        /// The panel's length.
        len: u32,
    },
}

/// Where one variant's text lies in the arena: id, REF and ALT back to back from `start`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Site {
    start: u64,
    pos: u32,
    contig: u16,
    id_len: u16,
    ref_len: u16,
    alt_len: u16,
}

/// An ordered list of variants, with the genome build if it is known.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Panel {
    build: Option<String>,
    reference: ReferenceStatus,
    contigs: Vec<String>,
    contig_index: HashMap<String, u16>,
    sites: Vec<Site>,
    text: String,
}

impl Panel {
    /// An empty panel without a build.
    #[must_use]
    pub fn new(reference: ReferenceStatus) -> Self {
        Self { reference, ..Self::default() }
    }

    /// Names the genome build (`GRCh37`, `b36`), which is part of the digest.
    ///
    /// # Errors
    /// When the name is empty, longer than [`MAX_BUILD_LEN`] or not printable ASCII without spaces.
    pub fn set_build(&mut self, build: Option<&str>) -> Result<(), PanelError> {
        if let Some(name) = build {
            check_ascii("the genome build", name, MAX_BUILD_LEN)?;
        }
        self.build = build.map(str::to_owned);
        Ok(())
    }

    /// The genome build, if known.
    #[must_use]
    pub fn build(&self) -> Option<&str> {
        self.build.as_deref()
    }

    /// Whether REF is stated by the source or only a convention.
    #[must_use]
    pub fn reference_status(&self) -> ReferenceStatus {
        self.reference
    }

    /// Appends a variant.
    ///
    /// # Errors
    /// When a field breaks a limit, or the panel is full. The panel is unchanged then.
    pub fn push(&mut self, variant: Variant<'_>) -> Result<(), PanelError> {
        check_variant(&variant)?;
        if self.len() >= MAX_VARIANTS {
            return Err(PanelError::TooManyVariants);
        }
        let site = Site {
            start: self.text.len() as u64,
            pos: variant.pos,
            contig: self.intern(variant.chrom)?,
            id_len: text_len(variant.id),
            ref_len: text_len(variant.reference),
            alt_len: text_len(variant.alternate),
        };
        self.text.push_str(variant.id);
        self.text.push_str(variant.reference);
        self.text.push_str(variant.alternate);
        self.sites.push(site);
        Ok(())
    }

    /// Number of variants.
    #[must_use]
    pub fn len(&self) -> u32 {
        // `push` keeps the count at or below MAX_VARIANTS.
        u32::try_from(self.sites.len()).unwrap_or(MAX_VARIANTS)
    }

    /// Whether there is no variant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// The variant at an index.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<Variant<'_>> {
        self.sites.get(usize::try_from(index).ok()?).and_then(|site| self.view(site))
    }

    /// All variants, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Variant<'_>> + '_ {
        const NOWHERE: Variant<'static> =
            Variant { chrom: "", pos: 0, id: "", reference: "", alternate: "" };
        // `view` of a stored site always succeeds; the default keeps the iterator's length exact without a panic.
        self.sites.iter().map(|site| self.view(site).unwrap_or(NOWHERE))
    }

    /// A panel of the variants at `indices`, in that order, with the same build and reference status.
    ///
    /// # Errors
    /// When an index is past the end.
    pub fn select(&self, indices: &[u32]) -> Result<Self, PanelError> {
        let mut out =
            Self { build: self.build.clone(), reference: self.reference, ..Self::default() };
        out.sites.reserve_exact(indices.len());
        for &index in indices {
            let variant =
                self.get(index).ok_or(PanelError::NoSuchVariant { index, len: self.len() })?;
            out.push(variant)?;
        }
        Ok(out)
    }

    /// Indices of variants that repeat an earlier one: same chromosome (in any spelling), position, REF and ALT.
    /// Ascending. The first of equal variants is not listed.
    ///
    /// Exact whatever the order of the variants; costs one sort of the indices when they are not sorted by position.
    #[must_use]
    pub fn exact_duplicates(&self) -> Vec<u32> {
        let places = Places::new(self);
        let same_place = |a: &u32, b: &u32| places.place(*a) == places.place(*b);
        let mut repeated = Vec::new();
        for run in places.order().chunk_by(same_place).filter(|run| run.len() > 1) {
            let mut seen = std::collections::HashSet::new();
            repeated.extend(run.iter().copied().filter(|&i| match self.get(i) {
                Some(v) => !seen.insert((v.reference, v.alternate)),
                None => false,
            }));
        }
        repeated.sort_unstable();
        repeated
    }

    /// How many variants carry an id that an earlier variant carries too. `.` counts as no id.
    #[must_use]
    pub fn repeated_id_count(&self) -> u32 {
        let mut seen = std::collections::HashSet::with_capacity(self.sites.len());
        let repeats = self.iter().filter(|v| v.id != "." && !seen.insert(v.id)).count();
        u32::try_from(repeats).unwrap_or(u32::MAX)
    }

    fn intern(&mut self, chrom: &str) -> Result<u16, PanelError> {
        if let Some(&known) = self.contig_index.get(chrom) {
            return Ok(known);
        }
        let index = u16::try_from(self.contigs.len()).map_err(|_| PanelError::TooManyContigs)?;
        self.contigs.push(chrom.to_owned());
        self.contig_index.insert(chrom.to_owned(), index);
        Ok(index)
    }

    fn view(&self, site: &Site) -> Option<Variant<'_>> {
        let text = self.text.get(usize::try_from(site.start).ok()?..)?;
        let (id, text) = text.split_at_checked(usize::from(site.id_len))?;
        let (reference, text) = text.split_at_checked(usize::from(site.ref_len))?;
        let (alternate, _) = text.split_at_checked(usize::from(site.alt_len))?;
        let chrom = self.contigs.get(usize::from(site.contig))?;
        Some(Variant { chrom, pos: site.pos, id, reference, alternate })
    }
}

/// Sizes only: a panel may have millions of lines.
impl fmt::Debug for Panel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panel")
            .field("variants", &self.len())
            .field("build", &self.build)
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}

/// Applies every limit of this module to one variant.
pub(crate) fn check_variant(v: &Variant<'_>) -> Result<(), PanelError> {
    check_ascii("the chromosome", v.chrom, MAX_CHROM_LEN)?;
    check_text("the variant id", v.id, MAX_TEXT_LEN)?;
    check_ascii("REF", v.reference, MAX_TEXT_LEN)?;
    check_ascii("ALT", v.alternate, MAX_TEXT_LEN)
}

fn check_ascii(field: &'static str, text: &str, max: usize) -> Result<(), PanelError> {
    check_text(field, text, max)?;
    if text.is_ascii() { Ok(()) } else { Err(PanelError::BadByte { field }) }
}

fn check_text(field: &'static str, text: &str, max: usize) -> Result<(), PanelError> {
    if text.is_empty() {
        return Err(PanelError::Empty { field });
    }
    if text.len() > max {
        return Err(PanelError::TooLong { field, len: text.len(), max });
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(PanelError::BadByte { field });
    }
    Ok(())
}

/// `check_variant` has bounded the length.
fn text_len(text: &str) -> u16 {
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    pub(crate) fn v<'a>(
        chrom: &'a str,
        pos: u32,
        id: &'a str,
        reference: &'a str,
        alternate: &'a str,
    ) -> Variant<'a> {
        Variant { chrom, pos, id, reference, alternate }
    }

    pub(crate) fn panel(variants: &[Variant<'_>]) -> Panel {
        let mut p = Panel::new(ReferenceStatus::Given);
        for &x in variants {
            p.push(x).unwrap();
        }
        p
    }

    #[test]
    fn gives_back_what_was_pushed() {
        let all = [
            v("1", 7, "rs1", "A", "C"),
            v("chrX", 0, ".", "0", "<DEL>"),
            v("1", 7, "é", "AT", "A"),
        ];
        let p = panel(&all);
        assert_eq!(p.iter().collect::<Vec<_>>(), all);
        assert_eq!(p.get(3), None);
        assert_eq!(p.select(&[2, 0]).unwrap().iter().collect::<Vec<_>>(), [all[2], all[0]]);
        assert_eq!(p.select(&[3]), Err(PanelError::NoSuchVariant { index: 3, len: 3 }));
    }

    #[test]
    fn refuses_fields_that_could_break_a_table() {
        let mut p = Panel::default();
        let long = "A".repeat(MAX_TEXT_LEN + 1);
        for bad in [
            v("", 1, "x", "A", "C"),
            v("1", 1, "", "A", "C"),
            v("1", 1, "x\ty", "A", "C"),
            v("1", 1, "x", "A\n", "C"),
            v("1", 1, "x", "A", "\u{7f}"),
            v("1", 1, "x", "Ä", "C"),
            v("1", 1, &long, "A", "C"),
            v("1", 1, "x", "A", &long),
        ] {
            assert!(p.push(bad).is_err());
        }
        assert!(p.is_empty());
        assert!(p.set_build(Some("GRCh 37")).is_err());
        assert!(p.set_build(Some("GRCh37")).is_ok());
    }

    #[test]
    fn finds_duplicates_in_any_order_and_spelling() {
        let all = [
            v("2", 5, "a", "A", "C"),
            v("1", 9, "b", "A", "C"),
            v("chr2", 5, "c", "A", "C"),
            v("2", 5, "d", "C", "A"),
            v("odd", 5, "e", "A", "C"),
            v("even", 5, "f", "A", "C"),
            v("odd", 5, "g", "A", "C"),
            v("02", 5, "h", "A", "C"),
        ];
        assert_eq!(panel(&all).exact_duplicates(), [2, 6, 7]);
        assert!(panel(&all[..2]).exact_duplicates().is_empty());
    }

    #[test]
    fn counts_repeated_ids_but_not_dots() {
        let p = panel(&[
            v("1", 1, ".", "A", "C"),
            v("1", 2, ".", "A", "C"),
            v("1", 3, "x", "A", "C"),
            v("1", 4, "x", "A", "C"),
        ]);
        assert_eq!(p.repeated_id_count(), 1);
    }

    #[test]
    fn too_many_contigs_is_an_error() {
        let mut p = Panel::default();
        for i in 0..MAX_CONTIGS {
            p.push(v(&format!("c{i}"), 1, ".", "A", "C")).unwrap();
        }
        assert_eq!(p.push(v("one-more", 1, ".", "A", "C")), Err(PanelError::TooManyContigs));
        assert!(p.push(v("c7", 2, ".", "A", "C")).is_ok());
    }
}
