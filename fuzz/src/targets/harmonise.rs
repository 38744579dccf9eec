//! Variant lists of sites, and tables of allele frequencies.

use gwas::harmonise::{Frequencies, MergeOptions, Mode, Palindromic, merge};
use gwas::io::{SiteListOptions, read_sites};
use gwas::panel::{Panel, ReferenceStatus, Variant};

use super::{Seeds, fixture, head, with_files};

pub(super) const WORDS: &[&[u8]] = &[
    b"##fileformat=VCFv4.2\n",
    b"##hegwas-panel=1\n",
    b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n",
    b"#CHROM\tPOS\tREF\tALT\tALT_FREQ\n",
    b"ALT_FREQ",
    b"\t",
    b"\n",
    b"\r\n",
    b" ",
    b"22",
    b"chr22",
    b"X",
    b"0",
    b"-1",
    b"4294967295",
    b"A",
    b"T",
    b"A,C",
    b"NA",
    b"nan",
    b"0.5",
    b"1e-320",
    b".",
    b"\x1f\x8b\x08",
    b"\0",
    b"\xff",
];

/// A variant list of any kind. Whatever is accepted can be merged with itself: nothing is then on another strand or
/// exchanged, and merging the result again changes nothing.
pub(super) fn sites(data: &[u8]) -> bool {
    let mut accepted = false;
    for skip_multiallelic in [false, true] {
        let options = SiteListOptions { skip_multiallelic, ..SiteListOptions::default() };
        let list =
            with_files(&[("list", data)], |folder| read_sites(&folder.join("list"), &options));
        let panel = match list {
            Ok(list) => list.panel,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                continue;
            }
        };
        accepted = true;
        let options = MergeOptions {
            mode: Mode::Intersection,
            palindromic: Palindromic::Keep,
            reference: None,
        };
        let Ok(merged) = merge(&[&panel, &panel], &options) else { continue };
        assert!(merged.panel.len() <= panel.len());
        let again = merge(&[&merged.panel], &options).expect("a merged panel is merged");
        assert_eq!(again.panel.digest(), merged.panel.digest());
        assert!(again.exclusions.is_empty());
    }
    accepted
}

/// A table of frequencies. Whatever is accepted can be used.
pub(super) fn frequencies(data: &[u8]) -> bool {
    let table = match Frequencies::read(data) {
        Ok(table) => table,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    let mut panel = Panel::new(ReferenceStatus::Given);
    for (pos, reference, alternate) in [(5, "A", "T"), (5, "G", "C"), (6, "C", "T")] {
        let variant = Variant { chrom: "22", pos, id: ".", reference, alternate };
        panel.push(variant).expect("a sound variant");
    }
    let palindromic = Palindromic::by_frequency(&table);
    let options = MergeOptions { palindromic, ..MergeOptions::default() };
    let merged = merge(&[&panel], &options).expect("the last variant is no palindrome");
    assert!((1..=3).contains(&merged.panel.len()));
    true
}

const VCF: &str = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n\
                   22\t5\ta\tA\tC\t.\t.\t.\n22\t6\t.\tA\tT\t.\t.\t.\n";

pub(super) fn site_seeds() -> Seeds {
    let vcf = |from: &str, to: &str| VCF.replace(from, to).into_bytes();
    vec![
        ("good-vcf", VCF.into()),
        ("good-vcf-gz", fixture("small.vcf.gz")),
        ("good-bim", head(&fixture("small.bim"), 12)),
        (
            "good-panel",
            b"##hegwas-panel=1\n##reference=given\n##variants=1\n#CHROM\tPOS\tID\tREF\tALT\n22\t5\t.\tA\tC\n"
                .to_vec(),
        ),
        ("good-multiallelic", vcf("\tC\t", "\tC,G\t")),
        ("bad-position", vcf("\t5\t", "\t-5\t")),
        ("bad-header", vcf("\tREF\tALT", "\tALT\tREF")),
        ("bad-columns", b"22\ta\t0\t5\n".to_vec()),
        ("bad-empty", Vec::new()),
    ]
}

const TABLE: &str = "#CHROM\tPOS\tREF\tALT\tALT_FREQ\n22\t5\tA\tT\t0.25\nchr22\t5\tC\tG\tNA\n";

pub(super) fn frequency_seeds() -> Seeds {
    let bad = |from: &str, to: &str| TABLE.replace(from, to).into_bytes();
    vec![
        ("good", TABLE.into()),
        (
            "good-other-columns",
            bad("ALT_FREQ\n", "ALT_FREQ\tN\n")
                .into_iter()
                .chain(*b"22\t6\tC\tG\t0.1\t9\n")
                .collect(),
        ),
        ("bad-header", bad("ALT_FREQ", "FREQ")),
        ("bad-frequency", bad("0.25", "1.25")),
        ("bad-position", bad("\t5\t", "\tx\t")),
        ("bad-columns", bad("\t0.25", "")),
    ]
}
