//! Association statistics from exact integer counts.
//!
//! Everything here starts from sums that a decryption (or a plaintext run) delivered and ends in numbers for a report.
//! Counts stay integers, determinants are evaluated in `i128`, and only the last division is floating point.

pub mod counts;
pub mod denominators;
pub mod hwe;
pub mod lambda;
pub mod pvalue;
mod tables;

use std::fmt;

use counts::{AlleleTable, GenotypeTable, VariantCounts};
use tables::TwoByTwo;

/// An association test. Order is that of a report's rows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Test {
    /// Alleles against case status, 1 degree of freedom.
    Allelic,
    /// Cochran-Armitage trend, 1 degree of freedom.
    Trend,
    /// Genotypes against case status, 2 degrees of freedom (fewer if a genotype does not occur).
    Genotypic,
    /// Carriers of ALT against the others, 1 degree of freedom.
    Dominant,
    /// Homozygous for ALT against the others, 1 degree of freedom.
    Recessive,
}

impl Test {
    /// Every test, in the order of a report's rows.
    pub const ALL: [Self; 5] =
        [Self::Allelic, Self::Trend, Self::Genotypic, Self::Dominant, Self::Recessive];

    /// The word in the TEST column.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Allelic => "ALLELIC",
            Self::Trend => "TREND",
            Self::Genotypic => "GENO",
            Self::Dominant => "DOM",
            Self::Recessive => "REC",
        }
    }

    /// Whether genotype counts are needed, that is the plane of homozygotes.
    #[must_use]
    pub fn needs_genotypes(self) -> bool {
        self != Self::Allelic
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a statistic is undefined or to be read with care. The first that applies, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ErrCode {
    /// Nobody was called among the cases, or nobody among the controls.
    NoCalls,
    /// The table has a single column: one allele, one genotype, nobody or everybody carries.
    Monomorphic,
    /// A cell of the two-by-two table is zero: no standard error, and no odds ratio if it divides.
    ZeroCell,
    /// The smallest expected count is below 5: the chi-square approximation is poor.
    LowCount,
}

impl ErrCode {
    /// The word in the ERRCODE column.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NoCalls => "NO_CALLS",
            Self::Monomorphic => "MONOMORPHIC",
            Self::ZeroCell => "ZERO_CELL",
            Self::LowCount => "LOW_COUNT",
        }
    }
}

impl fmt::Display for ErrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One row of a report: what a test says of a variant. `None` where it is undefined.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TestResult {
    /// The test.
    pub test: Test,
    /// Chi-square statistic.
    pub chisq: Option<f64>,
    /// Degrees of freedom.
    pub df: Option<u8>,
    /// Odds ratio of ALT (allelic), of carrying it (dominant), of two copies (recessive).
    pub odds_ratio: Option<f64>,
    /// Standard error of the odds ratio's natural logarithm (Woolf).
    pub log_or_se: Option<f64>,
    /// P-value; 0 where it is below the smallest positive `f64`.
    pub p: Option<f64>,
    /// -log10 of the p-value, finite however small that is.
    pub neg_log10_p: Option<f64>,
    /// Why something is missing or doubtful.
    pub errcode: Option<ErrCode>,
}

/// Runs one test. `None` if it needs genotype counts that are not there.
#[must_use]
pub fn run(test: Test, counts: &VariantCounts) -> Option<TestResult> {
    let alleles = &counts.alleles;
    Some(match (test, &counts.genotypes) {
        (Test::Allelic, _) => two_by_two(test, alleles, allelic_table(alleles)),
        (Test::Trend, Some(genotypes)) => trend(alleles, genotypes),
        (Test::Genotypic, Some(genotypes)) => genotypic(alleles, genotypes),
        (Test::Dominant, Some(g)) => two_by_two(test, alleles, carrier_table(g, 1)),
        (Test::Recessive, Some(g)) => two_by_two(test, alleles, carrier_table(g, 2)),
        (_, None) => return None,
    })
}

fn allelic_table(t: &AlleleTable) -> TwoByTwo {
    TwoByTwo::new(t.case_alt, t.case_ref, t.control_alt, t.control_ref)
}

/// People with at least `copies` copies of ALT against the others.
fn carrier_table(t: &GenotypeTable, copies: usize) -> TwoByTwo {
    let split = |g: &[u64; 3]| {
        let with: u64 = g.iter().skip(copies).sum();
        (with, g.iter().sum::<u64>() - with)
    };
    let ((a, b), (c, d)) = (split(&t.cases), split(&t.controls));
    TwoByTwo::new(a, b, c, d)
}

/// The Pearson test of a two-by-two table with its odds ratio.
fn two_by_two(test: Test, alleles: &AlleleTable, table: TwoByTwo) -> TestResult {
    let chisq = table.chisq();
    let errcode =
        first_code(alleles, chisq.is_none(), table.has_zero_cell(), table.smallest_expected());
    TestResult {
        odds_ratio: chisq.and(table.odds_ratio()),
        log_or_se: chisq.and(table.log_odds_ratio_se()),
        ..result(test, chisq, 1, errcode)
    }
}

/// Cochran-Armitage with weights 0, 1, 2 (Armitage 1955; as PLINK's `--model`).
fn trend(alleles: &AlleleTable, t: &GenotypeTable) -> TestResult {
    let ([_, r1, r2], [_, s1, s2]) = (t.cases.map(i128::from), t.controls.map(i128::from));
    let (r, s) = (i128::from(alleles.cases), i128::from(alleles.controls));
    let (n, t1, t2) = (r + s, r1 + s1, r2 + s2);
    let difference = (r1 * s - s1 * r) + 2 * (r2 * s - s2 * r);
    let spread = n * (t1 + 4 * t2) - (t1 + 2 * t2) * (t1 + 2 * t2);
    let chisq = (r * s * spread > 0).then(|| {
        let root = difference as f64;
        n as f64 * root * root / ((r * s) as f64 * spread as f64)
    });
    let expected = allelic_table(alleles).smallest_expected();
    result(Test::Trend, chisq, 1, first_code(alleles, chisq.is_none(), false, expected))
}

/// Pearson's test of the two-by-three table; a genotype that nobody has takes its column and a degree of freedom away.
fn genotypic(alleles: &AlleleTable, t: &GenotypeTable) -> TestResult {
    let (r, s) = (i128::from(alleles.cases), i128::from(alleles.controls));
    let columns: Vec<(i128, i128)> = t
        .cases
        .iter()
        .zip(&t.controls)
        .filter(|(a, b)| **a + **b > 0)
        .map(|(&a, &b)| (i128::from(a), i128::from(b)))
        .collect();
    let defined = r > 0 && s > 0 && columns.len() > 1;
    // sum over columns of (O-E)^2/E, both rows: (r_j S - s_j R)^2 / (t_j R S)
    let chisq = defined.then(|| {
        let term = |&(a, b): &(i128, i128)| {
            let d = (a * s - b * r) as f64;
            d * d / ((a + b) as f64 * (r * s) as f64)
        };
        columns.iter().map(term).sum()
    });
    let smallest = columns.iter().map(|(a, b)| a + b).min().unwrap_or(0) as f64;
    let expected = smallest * r.min(s) as f64 / ((r + s).max(1)) as f64;
    let df = columns.len().saturating_sub(1) as u8;
    result(Test::Genotypic, chisq, df, first_code(alleles, chisq.is_none(), false, expected))
}

fn result(test: Test, chisq: Option<f64>, df: u8, errcode: Option<ErrCode>) -> TestResult {
    let neg_log10_p = chisq.map(|x| pvalue::neg_log10_survival(x, df));
    TestResult {
        test,
        chisq,
        df: chisq.map(|_| df),
        odds_ratio: None,
        log_or_se: None,
        p: chisq.map(|x| pvalue::survival(x, df)),
        neg_log10_p,
        errcode,
    }
}

fn first_code(
    alleles: &AlleleTable,
    undefined: bool,
    zero: bool,
    expected: f64,
) -> Option<ErrCode> {
    if alleles.cases == 0 || alleles.controls == 0 {
        Some(ErrCode::NoCalls)
    } else if undefined {
        Some(ErrCode::Monomorphic)
    } else if zero {
        Some(ErrCode::ZeroCell)
    } else {
        (expected < 5.0).then_some(ErrCode::LowCount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(cases: [u64; 3], controls: [u64; 3]) -> VariantCounts {
        VariantCounts::from_genotypes(GenotypeTable { cases, controls })
    }

    fn close(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a - b).abs() <= 1e-12 * b.abs())
    }

    #[test]
    fn a_table_worked_by_hand() {
        // Values from exact rational arithmetic.
        let c = counts([156, 21, 2], [139, 38, 2]);
        let r = Test::ALL.map(|t| run(t, &c).unwrap());
        assert!(close(r[0].chisq, 4.758_733_298_070_5), "{:?}", r[0]);
        assert!(close(r[0].odds_ratio, 0.564_850_564_850_565));
        assert!(close(r[0].log_or_se, 0.264_531_819_966_052_74));
        assert!(close(r[0].neg_log10_p, 1.535_361_543_592_296));
        assert!(close(r[1].chisq, 4.626_895_040_472_251));
        assert!(close(r[2].chisq, 5.877_966_101_694_916));
        assert_eq!(r[2].df, Some(2));
        assert_eq!(r[2].errcode, Some(ErrCode::LowCount));
        assert!(close(r[3].chisq, 5.566_962_604_250_739));
        assert_eq!(r[4].chisq, Some(0.0));
    }

    #[test]
    fn degenerate_tables_have_reasons() {
        let code = |test, c: &VariantCounts| run(test, c).unwrap().errcode;
        let monomorphic = counts([10, 0, 0], [10, 0, 0]);
        let no_cases = counts([0, 0, 0], [5, 3, 2]);
        for test in Test::ALL {
            assert_eq!(code(test, &monomorphic), Some(ErrCode::Monomorphic));
            assert_eq!(code(test, &no_cases), Some(ErrCode::NoCalls));
            assert_eq!(run(test, &monomorphic).unwrap().p, None);
        }
        // No homozygotes for ALT: REC is undefined, GENO has one degree of freedom.
        let c = counts([50, 50, 0], [60, 40, 0]);
        assert_eq!(code(Test::Recessive, &c), Some(ErrCode::Monomorphic));
        assert_eq!(run(Test::Genotypic, &c).unwrap().df, Some(1));
        // A zero numerator gives 0, a zero denominator nothing.
        let zero = run(Test::Allelic, &counts([50, 0, 0], [40, 10, 0])).unwrap();
        assert_eq!((zero.odds_ratio, zero.log_or_se), (Some(0.0), None));
        assert_eq!(zero.errcode, Some(ErrCode::ZeroCell));
        let infinite = run(Test::Allelic, &counts([40, 10, 0], [50, 0, 0])).unwrap();
        assert_eq!((infinite.odds_ratio, infinite.log_or_se), (None, None));
        assert!(infinite.chisq.is_some());
    }

    #[test]
    fn genotype_tests_need_genotypes() {
        let c = VariantCounts { genotypes: None, ..counts([1, 2, 3], [3, 2, 1]) };
        assert!(run(Test::Allelic, &c).is_some());
        assert!(Test::ALL.iter().skip(1).all(|&t| run(t, &c).is_none()));
    }
}
