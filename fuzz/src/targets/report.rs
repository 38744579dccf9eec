//! Result tables that are read back, and the pictures drawn from them.

use gwas::report::plot::{Caption, Image, manhattan, qq};
use gwas::report::{paragraph, read_table, top_hits};

use super::Seeds;

pub(super) const WORDS: &[&[u8]] = &[
    b"\t",
    b"\n",
    b"NA",
    b"ALLELIC",
    b"TREND",
    b"GENO",
    b"DOM",
    b"REC",
    b".",
    b"MONOMORPHIC",
    b"ZERO_CELL",
    b"LOW_COUNT",
    b"NO_CALLS",
    b"0",
    b"1",
    b"2",
    b"1e308",
    b"1.7976931348623157e308",
    b"5e-324",
    b"nan",
    b"inf",
    b"-0",
    b"4294967295",
    b"+1",
];

/// A table; what is accepted is summed up and drawn, whatever numbers stand in it.
pub(super) fn assoc(data: &[u8]) -> bool {
    let (panel, summaries) = match read_table(data) {
        Ok(read) => read,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return false;
        }
    };
    for summary in &summaries {
        assert!(summary.defined <= panel.len());
        assert!(summary.top.iter().all(|row| row.variant < panel.len()));
        assert!(!paragraph(&panel, summary).is_empty() && !top_hits(&panel, summary, 5).is_empty());
        // Pictures take milliseconds: small tables only.
        if panel.len() <= 8 {
            let caption = Caption {
                title: "t & <t>",
                test: "Allelic test",
                cases: 3,
                controls: 4,
                lambda: summary.lambda,
            };
            let drawn = manhattan(&panel, &summary.points, &caption, Image::Svg);
            assert!(drawn.is_ok_and(|picture| picture.len() > 100));
            assert!(
                qq(&summary.points, &caption, Image::Svg).is_ok_and(|picture| picture.len() > 100)
            );
        }
    }
    true
}

const GOOD: &str = "#CHROM\tPOS\tID\tREF\tALT\tA1\tA1_FREQ\tA1_CASE_CT\tA1_CTRL_CT\tOBS_CT\tTEST\tCHISQ\tDF\tOR\tLOG(OR)_SE\tP\tNEG_LOG10_P\tERRCODE\n\
    1\t100\trs1\tA\tC\tC\t0.25\t30\t20\t100\tALLELIC\t2.6666666666666665\t1\t1.7142857142857142\t0.33\t0.1024704348597501\t0.9894\t.\n\
    1\t100\trs1\tA\tC\tC\t0.25\t30\t20\t100\tTREND\t2.5\t1\tNA\tNA\t0.11384629800665813\t0.9437\t.\n\
    22\t7\t.\tG\t<DEL>\t<DEL>\t0\t0\t0\t100\tALLELIC\tNA\tNA\tNA\tNA\tNA\tNA\tMONOMORPHIC\n\
    X\t4000000000\trs3\tT\tG\tG\t0.5\t50\t50\t100\tALLELIC\t174.1\t1\t9.5\t0.2\t9e-40\t39.04\tLOW_COUNT\n";

pub(super) fn seeds() -> Seeds {
    let bad = |from: &str, to: &str| GOOD.replacen(from, to, 1).into_bytes();
    vec![
        ("good", GOOD.into()),
        (
            "good-header-alone",
            GOOD.lines().next().map(|line| format!("{line}\n")).unwrap_or_default().into(),
        ),
        ("good-huge", bad("39.04", "1e308")),
        ("good-zero", bad("\t9e-40\t", "\t0\t")),
        ("bad-header", bad("#CHROM", "CHROM")),
        ("bad-columns", bad("\tMONOMORPHIC", "")),
        ("bad-allele", bad("\tC\tC\t0.25", "\tC\tA\t0.25")),
        ("bad-test", bad("\tTREND\t", "\tTREN\t")),
        ("bad-negative", bad("\t174.1\t", "\t-174.1\t")),
        ("bad-not-finite", bad("\t174.1\t", "\tinf\t")),
        ("bad-cut-short", GOOD.as_bytes()[..GOOD.len() - 1].to_vec()),
        ("bad-empty", Vec::new()),
    ]
}
