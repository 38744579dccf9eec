//! PLINK 1.9's `.assoc` and `.model`, in columns, widths and digits.
//!
//! Layouts: <https://www.cog-genomics.org/plink/1.9/formats#assoc> and `#model`, and what the program writes.

use std::io::Write as _;

use super::super::number::FourDigits;
use crate::panel::Variant;
use crate::stats::counts::VariantCounts;
use crate::stats::{self, Test};

/// `.model` has its own order of rows.
const MODEL_ORDER: [Test; 5] =
    [Test::Genotypic, Test::Trend, Test::Allelic, Test::Dominant, Test::Recessive];

/// Width of the SNP column, given the longest id in bytes.
pub(super) fn id_width(longest: usize) -> usize {
    (longest + 2).max(4)
}

pub(super) fn assoc_header(id: usize) -> String {
    format!(
        " CHR {:>id$} {:>10} {:>4} {:>8} {:>8} {:>4} {:>12} {:>12} {:>12} \n",
        "SNP", "BP", "A1", "F_A", "F_U", "A2", "CHISQ", "P", "OR"
    )
}

pub(super) fn model_header(id: usize) -> String {
    format!(
        " CHR {:>id$} {:>4} {:>4} {:>8} {:>14} {:>14} {:>12} {:>4} {:>12}\n",
        "SNP", "A1", "A2", "TEST", "AFF", "UNAFF", "CHISQ", "DF", "P"
    )
}

/// PLINK's number of the chromosome, or its name where it has none.
fn chromosome(v: &Variant<'_>) -> String {
    v.contig().number().map_or_else(|| v.chrom.to_owned(), |n| n.to_string())
}

/// Appends the row of a variant. Writing to memory can't fail, so the result of `write!` is dropped.
pub(super) fn push_assoc(out: &mut Vec<u8>, id: usize, v: &Variant<'_>, counts: &VariantCounts) {
    let a = &counts.alleles;
    let frequency = |alt: u64, people: u64| (people > 0).then(|| alt as f64 / (2 * people) as f64);
    let result = stats::run(Test::Allelic, counts);
    let (mut chisq, mut p) = result.map_or((None, None), |r| (r.chisq, r.p));
    // PLINK calls a polymorphic variant that only cases or only controls have calls for no evidence at all.
    let (alt, other) = (a.case_alt + a.control_alt, a.case_ref + a.control_ref);
    if (a.cases == 0 || a.controls == 0) && alt > 0 && other > 0 {
        (chisq, p) = (Some(0.0), Some(1.0));
    }
    let odds = chisq.and(result.and_then(|r| r.odds_ratio));
    let _ = writeln!(
        out,
        "{:>4} {:>id$} {:>10} {:>4} {:>8} {:>8} {:>4} {:>12} {:>12} {:>12} ",
        chromosome(v),
        v.id,
        v.pos,
        v.alternate,
        number(frequency(a.case_alt, a.cases)),
        number(frequency(a.control_alt, a.controls)),
        v.reference,
        number(chisq),
        number(p),
        number(odds)
    );
}

/// Appends the five rows of a variant.
pub(super) fn push_model(out: &mut Vec<u8>, id: usize, v: &Variant<'_>, counts: &VariantCounts) {
    let Some(genotypes) = counts.genotypes else { return };
    let chromosome = chromosome(v);
    for test in MODEL_ORDER {
        let group = |[g0, g1, g2]: [u64; 3]| match test {
            Test::Genotypic => format!("{g2}/{g1}/{g0}"),
            Test::Trend | Test::Allelic => format!("{}/{}", 2 * g2 + g1, 2 * g0 + g1),
            Test::Dominant => format!("{}/{}", g2 + g1, g0),
            Test::Recessive => format!("{}/{}", g2, g1 + g0),
        };
        let result = stats::run(test, counts);
        let df = result.and_then(|r| r.df).map_or_else(|| "NA".to_owned(), |df| df.to_string());
        let _ = writeln!(
            out,
            "{:>4} {:>id$} {:>4} {:>4} {:>8} {:>14} {:>14} {:>12} {:>4} {:>12}",
            chromosome,
            v.id,
            v.alternate,
            v.reference,
            test.name(),
            group(genotypes.cases),
            group(genotypes.controls),
            number(result.and_then(|r| r.chisq)),
            df,
            number(result.and_then(|r| r.p))
        );
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "NA".to_owned(), |x| FourDigits(x).to_string())
}
