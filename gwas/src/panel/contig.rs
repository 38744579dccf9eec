//! Kinds of chromosomes, in PLINK's numbering.

/// What a chromosome name means. PLINK's numbers, the usual letters, and a `chr` prefix in any case are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contig {
    /// Chromosomes 1 to 22.
    Autosome(u8),
    /// X outside the pseudo-autosomal regions (PLINK 23).
    X,
    /// Y (PLINK 24).
    Y,
    /// The pseudo-autosomal regions, diploid in everyone (PLINK 25, `XY`, `PAR1`, `PAR2`).
    PseudoAutosomal,
    /// Mitochondrial (PLINK 26, `MT`, `M`).
    Mitochondrial,
    /// Anything else, PLINK's 0 (unplaced) included.
    Unknown,
}

impl Contig {
    /// Reads a chromosome name. Never fails: what isn't known is [`Contig::Unknown`].
    #[must_use]
    pub fn parse(name: &str) -> Self {
        let bare = match name.split_at_checked(3) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case("chr") => rest,
            _ => name,
        };
        if (1..=2).contains(&bare.len())
            && bare.bytes().all(|b| b.is_ascii_digit())
            && let Ok(number) = bare.parse()
        {
            return match number {
                1..=22 => Self::Autosome(number),
                23 => Self::X,
                24 => Self::Y,
                25 => Self::PseudoAutosomal,
                26 => Self::Mitochondrial,
                _ => Self::Unknown,
            };
        }
        let is = |word: &str| bare.eq_ignore_ascii_case(word);
        match () {
            () if is("X") => Self::X,
            () if is("Y") => Self::Y,
            () if is("XY") || is("PAR1") || is("PAR2") => Self::PseudoAutosomal,
            () if is("M") || is("MT") => Self::Mitochondrial,
            () => Self::Unknown,
        }
    }

    /// Whether everyone carries two copies, so that genotypes 0, 1, 2 mean what the tests assume.
    #[must_use]
    pub fn is_diploid(self) -> bool {
        matches!(self, Self::Autosome(_) | Self::PseudoAutosomal)
    }

    /// PLINK's number, or nothing for an unknown contig.
    #[must_use]
    pub fn number(self) -> Option<u8> {
        match self {
            Self::Autosome(n) => Some(n),
            Self::X => Some(23),
            Self::Y => Some(24),
            Self::PseudoAutosomal => Some(25),
            Self::Mitochondrial => Some(26),
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_usual_spellings() {
        for (name, contig) in [
            ("1", Contig::Autosome(1)),
            ("chr22", Contig::Autosome(22)),
            ("CHR9", Contig::Autosome(9)),
            ("07", Contig::Autosome(7)),
            ("X", Contig::X),
            ("23", Contig::X),
            ("chrY", Contig::Y),
            ("XY", Contig::PseudoAutosomal),
            ("25", Contig::PseudoAutosomal),
            ("chrM", Contig::Mitochondrial),
            ("MT", Contig::Mitochondrial),
            ("0", Contig::Unknown),
            ("27", Contig::Unknown),
            ("001", Contig::Unknown),
            ("+1", Contig::Unknown),
            ("chr", Contig::Unknown),
            ("chrchr1", Contig::Unknown),
            ("GL000192.1", Contig::Unknown),
            ("日本", Contig::Unknown),
        ] {
            assert_eq!(Contig::parse(name), contig, "{name}");
        }
    }

    #[test]
    fn only_autosomes_and_xy_are_diploid() {
        let diploid: Vec<u8> =
            (0..=27).filter(|n| Contig::parse(&n.to_string()).is_diploid()).collect();
        assert_eq!(diploid, (1..=22).chain([25]).collect::<Vec<u8>>());
    }
}
