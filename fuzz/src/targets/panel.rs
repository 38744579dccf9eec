//! Variant panels as text.

use gwas::panel::Panel;

use super::Seeds;

pub(super) const WORDS: &[&[u8]] = &[
    b"##hegwas-panel=1\n",
    b"##build=GRCh37\n",
    b"##reference=given\n",
    b"##reference=provisional\n",
    b"##variants=",
    b"#CHROM\tPOS\tID\tREF\tALT\n",
    b"\n",
    b"\r\n",
    b"\t",
    b"4294967295",
    b"0",
    b"22\t7\t.\tA\tC\n",
    b"\xff",
    b"\0",
];

/// The text is canonical: what is accepted is what would be written.
pub(super) fn panel(data: &[u8]) -> bool {
    match Panel::read_text(data) {
        Ok(panel) => {
            let mut text = Vec::new();
            panel.write_text(&mut text).expect("memory takes everything");
            assert_eq!(text, data, "accepted what it would not have written");
            for index in panel.exact_duplicates() {
                assert!(panel.get(index).is_some());
            }
            assert!(panel.repeated_id_count() <= panel.len());
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

const GOOD: &str = "##hegwas-panel=1\n##build=GRCh37\n##reference=provisional\n##variants=2\n\
                    #CHROM\tPOS\tID\tREF\tALT\n22\t16051249\t22_16051249\tT\tC\n22\t16052080\t.\tG\t<DEL>\n";

pub(super) fn seeds() -> Seeds {
    let bad = |from: &str, to: &str| GOOD.replace(from, to).into_bytes();
    vec![
        ("good", GOOD.into()),
        ("good-no-build", bad("##build=GRCh37\n", "")),
        (
            "good-empty",
            b"##hegwas-panel=1\n##reference=given\n##variants=0\n#CHROM\tPOS\tID\tREF\tALT\n"
                .to_vec(),
        ),
        ("bad-version", bad("panel=1", "panel=2")),
        ("bad-count", bad("variants=2", "variants=3")),
        ("bad-huge-count", bad("variants=2", "variants=4294967295")),
        ("bad-leading-zero", bad("16051249\t", "016051249\t")),
        ("bad-carriage-return", bad("\n", "\r\n")),
        ("bad-truncated", GOOD.as_bytes()[..GOOD.len() - 1].to_vec()),
        ("bad-not-a-panel", b"##fileformat=VCFv4.3\n".to_vec()),
    ]
}
