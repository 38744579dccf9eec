//! What became of each variant of a panel at one site. Public: it says nothing about any person.

use std::io::{self, Write};

use crate::bitmap::Bitmap;
use crate::panel::{Panel, Variant};

/// How a site's files provide a variant of a panel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Status {
    /// As the panel has it.
    Match,
    /// With REF and ALT exchanged: g became 2 - g.
    Swap,
    /// On the other strand.
    Flip,
    /// On the other strand and exchanged: g became 2 - g.
    FlipSwap,
    /// Left out: the alleles pair with each other and nothing told the strand.
    Palindromic,
    /// Left out: other alleles at this place.
    AllelesDiffer,
    /// Left out: REF and ALT are exchanged, but the files have several variants at this place, and with a third allele
    /// 2 - g does not count REF.
    MultiallelicSwap,
    /// The files have nothing at this place.
    Absent,
}

impl Status {
    /// Every status, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::Match,
        Self::Swap,
        Self::Flip,
        Self::FlipSwap,
        Self::Palindromic,
        Self::AllelesDiffer,
        Self::MultiallelicSwap,
        Self::Absent,
    ];

    /// Whether nobody has a call at the variant.
    #[must_use]
    pub fn is_absent(self) -> bool {
        self >= Self::Palindromic
    }

    /// The word in the STATUS column.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Match => "MATCH",
            Self::Swap => "SWAP",
            Self::Flip => "FLIP",
            Self::FlipSwap => "FLIP_SWAP",
            Self::Palindromic => "PALINDROMIC",
            Self::AllelesDiffer => "ALLELES_DIFFER",
            Self::MultiallelicSwap => "MULTIALLELIC_SWAP",
            Self::Absent => "ABSENT",
        }
    }

    /// What it means, for people.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Match => "as in the panel",
            Self::Swap => "with alleles exchanged (dosages turned)",
            Self::Flip => "on the other strand",
            Self::FlipSwap => "on the other strand with alleles exchanged (dosages turned)",
            Self::Palindromic => "left out: A/T or C/G on an unknown strand",
            Self::AllelesDiffer => "left out: the files have other alleles there",
            Self::MultiallelicSwap => {
                "left out: alleles exchanged where the files have several variants"
            }
            Self::Absent => "not in the files",
        }
    }
}

/// What became of each variant of a panel at one site.
#[derive(Clone, PartialEq, Eq)]
pub struct AlignmentReport {
    pub(super) statuses: Vec<Status>,
    /// For each variant of the panel the one of the files that it was compared with, or [`NONE`].
    pub(super) counterparts: Vec<u32>,
    /// Variants of the files that the panel does not have.
    pub(super) unused: u32,
}

/// No variant of the files.
pub(super) const NONE: u32 = u32::MAX;

impl AlignmentReport {
    /// What became of a variant; nothing past the panel's end.
    #[must_use]
    pub fn status(&self, variant: u32) -> Option<Status> {
        self.statuses.get(variant as usize).copied()
    }

    /// How many variants of the panel have a status.
    #[must_use]
    pub fn count(&self, status: Status) -> u32 {
        self.statuses.iter().map(|&s| u32::from(s == status)).sum()
    }

    /// How many variants of the files the panel does not have.
    #[must_use]
    pub fn unused(&self) -> u32 {
        self.unused
    }

    /// The variants of the panel at which nobody has a call.
    #[must_use]
    pub fn absent(&self) -> Bitmap {
        let len = u32::try_from(self.statuses.len()).unwrap_or(u32::MAX);
        Bitmap::new(len, |v| self.status(v).is_some_and(Status::is_absent))
    }

    /// One line for people for each status that occurs.
    pub fn summary(&self) -> impl Iterator<Item = String> + '_ {
        let line = |n: u32, what: &str| (n > 0).then(|| format!("{n:>9}  {what}"));
        let statuses = Status::ALL.into_iter();
        let lines = statuses.filter_map(move |s| line(self.count(s), s.description()));
        lines.chain(line(self.unused, "variants of the files that the panel does not have"))
    }

    /// Writes the table `#CHROM POS ID REF ALT STATUS FILE_ID FILE_REF FILE_ALT`: a row for each variant of `panel` that is
    /// not a plain match, with its counterpart in `file` (the panel of the cohort that was aligned) or dots.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_tsv(&self, panel: &Panel, file: &Panel, mut out: impl Write) -> io::Result<()> {
        const NOTHING: Variant<'static> =
            Variant { chrom: ".", pos: 0, id: ".", reference: ".", alternate: "." };
        writeln!(out, "#CHROM\tPOS\tID\tREF\tALT\tSTATUS\tFILE_ID\tFILE_REF\tFILE_ALT")?;
        let rows = panel.iter().zip(&self.statuses).zip(&self.counterparts);
        for ((v, status), &counterpart) in rows.filter(|((_, s), _)| **s != Status::Match) {
            let Variant { chrom, pos, id, reference, alternate } = v;
            let f = file.get(counterpart).unwrap_or(NOTHING);
            writeln!(
                out,
                "{chrom}\t{pos}\t{id}\t{reference}\t{alternate}\t{}\t{}\t{}\t{}",
                status.word(),
                f.id,
                f.reference,
                f.alternate
            )?;
        }
        out.flush()
    }
}

/// Counts only: there may be millions of rows.
impl std::fmt::Debug for AlignmentReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = Status::ALL.into_iter().map(|s| (s, self.count(s)));
        f.debug_map().entries(counts.filter(|&(_, n)| n > 0)).finish()
    }
}
