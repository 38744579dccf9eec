//! How the alleles of a variant in one file relate to those in another.

use crate::panel::Variant;

/// What has to be done to a file's alleles of a variant to get a panel's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Relation {
    /// Nothing.
    Same,
    /// REF and ALT trade places.
    Exchanged,
    /// Each is complemented.
    OtherStrand,
    /// Both.
    OtherStrandExchanged,
}

impl Relation {
    pub(super) const ALL: [Self; 4] =
        [Self::Same, Self::Exchanged, Self::OtherStrand, Self::OtherStrandExchanged];

    /// Whether g becomes 2 - g.
    pub(super) fn exchanges(self) -> bool {
        matches!(self, Self::Exchanged | Self::OtherStrandExchanged)
    }

    /// The relation if the file's strand is the other one than it seems.
    pub(super) fn on_other_strand(self) -> Self {
        match self {
            // A palindromic SNP's complement is its exchange.
            Self::Same => Self::OtherStrandExchanged,
            Self::Exchanged => Self::OtherStrand,
            Self::OtherStrand => Self::Exchanged,
            Self::OtherStrandExchanged => Self::Same,
        }
    }
}

/// The relation of two variants at one place, if they are the same variant.
///
/// Strands are looked at for single-base variants only: on the other strand an insertion or deletion is written at another
/// position, too. A palindromic SNP (A/T, C/G) has both strands' relations at once; the one that takes strands as they stand
/// is given. In `file`, an allele that nobody carries may be unknown (`0` or `.`): then the other one decides, on this strand
/// only.
pub(super) fn relation(panel: &Variant<'_>, file: &Variant<'_>) -> Option<Relation> {
    let ((r, a), (x, y)) = ((panel.reference, panel.alternate), (file.reference, file.alternate));
    let fits = |x: &str, r: &str, y: &str, a: &str| match (is_unknown(x), is_unknown(y)) {
        (false, true) if !is_unknown(a) => same(x, r),
        (true, false) if !is_unknown(r) => same(y, a),
        _ => same(x, r) && same(y, a),
    };
    match () {
        () if fits(x, r, y, a) => Some(Relation::Same),
        () if fits(x, a, y, r) => Some(Relation::Exchanged),
        () if complementary(x, r) && complementary(y, a) => Some(Relation::OtherStrand),
        () if complementary(x, a) && complementary(y, r) => Some(Relation::OtherStrandExchanged),
        () => None,
    }
}

/// Whether a variant reads the same on both strands, so that its alleles don't tell which strand they are on.
pub(super) fn is_palindromic(v: &Variant<'_>) -> bool {
    complementary(v.reference, v.alternate)
}

/// Whether both alleles are known.
pub(super) fn is_complete(v: &Variant<'_>) -> bool {
    !is_unknown(v.reference) && !is_unknown(v.alternate)
}

fn is_unknown(allele: &str) -> bool {
    matches!(allele, "0" | ".")
}

fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// Whether two single bases pair.
fn complementary(a: &str, b: &str) -> bool {
    let pair = match (a.as_bytes(), b.as_bytes()) {
        ([a], [b]) => (a.to_ascii_uppercase(), b.to_ascii_uppercase()),
        _ => return false,
    };
    matches!(pair, (b'A', b'T') | (b'T', b'A') | (b'C', b'G') | (b'G', b'C'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panel::tests::v;

    fn relate(panel: &str, file: &str) -> Option<Relation> {
        let variant = |text: &'static str| {
            let (reference, alternate) = text.split_once('/').unwrap();
            v("1", 1, ".", reference, alternate)
        };
        let leak = |text: &str| -> &'static str { text.to_owned().leak() };
        relation(&variant(leak(panel)), &variant(leak(file)))
    }

    #[test]
    fn every_case_of_the_table() {
        use Relation::{Exchanged, OtherStrand, OtherStrandExchanged, Same};
        for (panel, file, expected) in [
            ("A/G", "A/G", Some(Same)),
            ("A/G", "a/g", Some(Same)),
            ("A/G", "G/A", Some(Exchanged)),
            ("A/G", "T/C", Some(OtherStrand)),
            ("A/G", "C/T", Some(OtherStrandExchanged)),
            ("A/G", "A/C", None),
            ("A/G", "A/T", None),
            // Palindromes are taken as they stand.
            ("A/T", "A/T", Some(Same)),
            ("A/T", "T/A", Some(Exchanged)),
            ("C/G", "g/c", Some(Exchanged)),
            ("A/T", "C/G", None),
            // No strands for anything longer.
            ("AT/A", "AT/A", Some(Same)),
            ("AT/A", "A/AT", Some(Exchanged)),
            ("AT/A", "TA/T", None),
            ("AC/GT", "TG/CA", None),
            // Unknown alleles of the file, on this strand.
            ("C/T", "C/0", Some(Same)),
            ("C/T", "0/T", Some(Same)),
            ("C/T", "T/.", Some(Exchanged)),
            ("C/T", "0/C", Some(Exchanged)),
            ("C/T", "G/0", None),
            ("C/T", "0/0", None),
            ("C/0", "C/0", Some(Same)),
            ("C/0", "C/T", None),
            ("C/.", "T/.", None),
            ("N/<DEL>", "N/<DEL>", Some(Same)),
        ] {
            assert_eq!(relate(panel, file), expected, "{panel} {file}");
        }
    }

    #[test]
    fn a_palindromes_other_strand_is_its_exchange() {
        for relation in Relation::ALL {
            assert_ne!(relation.exchanges(), relation.on_other_strand().exchanges());
            assert_eq!(relation.on_other_strand().on_other_strand(), relation);
        }
        assert!(is_palindromic(&v("1", 1, ".", "c", "G")));
        assert!(!is_palindromic(&v("1", 1, ".", "C", "T")));
        assert!(!is_palindromic(&v("1", 1, ".", "AT", "TA")));
    }
}
