//! The statistics in `f64` from raw genotypes, one person after the other: what every other way of computing is held against.
//!
//! An oracle must not fail together with what it checks, so nothing here comes from [`stats`](crate::stats) or from packing,
//! and each number is computed by another formula than there: Pearson's tests from observed and expected counts, the trend
//! test as N times a squared correlation, p-values from the incomplete gamma function, the Hardy-Weinberg test from
//! logarithms of factorials. Slow and plain on purpose; good to about 1e-12, relative, for cohorts of up to a million people.

mod gamma;
mod hwe;

use std::f64::consts::LN_10;

/// What one test says of one variant. `None` where it is undefined.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Association {
    /// Chi-square statistic.
    pub chisq: Option<f64>,
    /// Degrees of freedom.
    pub df: Option<u8>,
    /// Odds ratio of ALT, of carrying it, or of two copies; none for the trend and genotypic tests.
    pub odds_ratio: Option<f64>,
    /// Standard error of the odds ratio's natural logarithm.
    pub log_or_se: Option<f64>,
    /// P-value.
    pub p: Option<f64>,
    /// -log10 of the p-value.
    pub neg_log10_p: Option<f64>,
    /// The word of the ERRCODE column.
    pub word: Option<&'static str>,
}

/// What the genotypes of one variant say.
#[derive(Clone, PartialEq, Debug)]
pub struct Truth {
    /// People who are called, by copies of ALT: first the controls, then the cases.
    pub people: [[u64; 3]; 2],
    /// Frequency of ALT among them.
    pub alt_frequency: Option<f64>,
    /// The allelic, trend, genotypic, dominant and recessive test, in this order.
    pub tests: [Association; 5],
    /// Exact Hardy-Weinberg p-value of the controls.
    pub hwe_controls: f64,
    /// The same of everybody who takes part.
    pub hwe_all: f64,
}

/// Computes everything from the copies of ALT that each person has (`None` without a call) and whether they are a case
/// (`None` if they take no part). Both have one entry for each person; a longer one's rest is ignored, and so is a person
/// with more than two copies.
#[must_use]
pub fn truth(copies: &[Option<u8>], cases: &[Option<bool>]) -> Truth {
    let called: Vec<(f64, bool)> = copies
        .iter()
        .zip(cases)
        .filter_map(|(&g, &case)| Some((f64::from(g.filter(|&g| g <= 2)?), case?)))
        .collect();
    let count = |case: bool, f: &dyn Fn(f64) -> f64| -> f64 {
        called.iter().filter(|c| c.1 == case).map(|c| f(c.0)).sum()
    };
    // Rows: cases, controls. First column: what the odds ratio is of.
    let table = |with: &dyn Fn(f64) -> f64, without: &dyn Fn(f64) -> f64| {
        [true, false].map(|case| [count(case, with), count(case, without)])
    };
    let alleles = table(&|g| g, &|g| 2.0 - g);
    let carriers = |least: f64| {
        let share = |yes: bool| f64::from(u8::from(yes));
        table(&|g| share(g >= least), &|g| share(g < least))
    };
    let genotypes = [true, false]
        .map(|case| [0.0, 1.0, 2.0].map(|g| count(case, &|h| f64::from(u8::from(g == h)))));
    let whole = |row: [f64; 3]| row.map(|n| n as u64);
    let [in_cases, in_controls] = genotypes.map(whole);
    let missing_side = [true, false].iter().any(|&side| !called.iter().any(|c| c.1 == side));
    let pearson = |t: &[&[f64]]| if missing_side { None } else { pearson(t) };
    let low = |expected: f64| (expected < 5.0).then_some("LOW_COUNT");
    let two_by_two = |t: [[f64; 2]; 2]| match pearson(&[&t[0], &t[1]]) {
        None => undefined(missing_side),
        Some((chisq, df, expected)) => with_odds(t, tested(chisq, df, low(expected))),
    };
    let smallest_allelic = pearson(&[&alleles[0], &alleles[1]]).map_or(0.0, |t| t.2);
    let trend = match correlation(&called).filter(|_| !missing_side) {
        None => undefined(missing_side),
        Some(r) => tested(called.len() as f64 * r * r, 1, low(smallest_allelic)),
    };
    let genotypic = match pearson(&[&genotypes[0], &genotypes[1]]) {
        None => undefined(missing_side),
        Some((chisq, df, expected)) => tested(chisq, df, low(expected)),
    };
    let ([r0, r1, r2], [s0, s1, s2]) = (in_cases, in_controls);
    let mean = called.iter().map(|c| c.0).sum::<f64>() / called.len() as f64;
    Truth {
        people: [in_controls, in_cases],
        alt_frequency: (!called.is_empty()).then_some(mean / 2.0),
        tests: [
            two_by_two(alleles),
            trend,
            genotypic,
            two_by_two(carriers(1.0)),
            two_by_two(carriers(2.0)),
        ],
        hwe_controls: hwe::exact_p(in_controls),
        hwe_all: hwe::exact_p([r0 + s0, r1 + s1, r2 + s2]),
    }
}

fn undefined(missing_side: bool) -> Association {
    let word = if missing_side { "NO_CALLS" } else { "MONOMORPHIC" };
    Association { word: Some(word), ..Association::default() }
}

fn tested(chisq: f64, df: u8, word: Option<&'static str>) -> Association {
    let ln_p = gamma::ln_upper(f64::from(df) / 2.0, chisq / 2.0);
    Association {
        chisq: Some(chisq),
        df: Some(df),
        p: Some(ln_p.exp()),
        neg_log10_p: Some(-ln_p / LN_10),
        word,
        ..Association::default()
    }
}

/// Adds the odds ratio `(a / b) / (c / d)` and its standard error by the delta method on each row's log odds.
fn with_odds([[a, b], [c, d]]: [[f64; 2]; 2], test: Association) -> Association {
    if [a, b, c, d].iter().all(|&n| n > 0.0) {
        let variance = (a + b) / (a * b) + (c + d) / (c * d);
        let log_odds_ratio = a.ln() - b.ln() - c.ln() + d.ln();
        let (odds_ratio, log_or_se) = (Some(log_odds_ratio.exp()), Some(variance.sqrt()));
        return Association { odds_ratio, log_or_se, ..test };
    }
    let odds_ratio = (b > 0.0 && c > 0.0).then_some(0.0);
    Association { odds_ratio, word: Some("ZERO_CELL"), ..test }
}

/// Pearson's test of a contingency table without its empty columns: sum of (O - E)^2 / E, its degrees of freedom and the
/// smallest E. `None` if one column is left.
fn pearson(rows: &[&[f64]]) -> Option<(f64, u8, f64)> {
    let row_sums: Vec<f64> = rows.iter().map(|row| row.iter().sum()).collect();
    let total: f64 = row_sums.iter().sum();
    let width = rows.first().map_or(0, |row| row.len());
    let column = |j: usize| rows.iter().filter_map(move |row| row.get(j).copied());
    let columns: Vec<usize> = (0..width).filter(|&j| column(j).sum::<f64>() > 0.0).collect();
    let (mut chisq, mut smallest) = (0.0, f64::INFINITY);
    for &j in &columns {
        let sum: f64 = column(j).sum();
        for (observed, row_sum) in column(j).zip(&row_sums) {
            let expected = row_sum * sum / total;
            chisq += (observed - expected).powi(2) / expected;
            smallest = f64::min(smallest, expected);
        }
    }
    let df = (rows.len().checked_sub(1)? * columns.len().checked_sub(1)?) as u8;
    (df > 0).then_some((chisq, df, smallest))
}

/// Pearson's correlation of copies and case status, by two passes. `None` if either does not vary.
fn correlation(called: &[(f64, bool)]) -> Option<f64> {
    let n = called.len() as f64;
    let y = |case: bool| f64::from(u8::from(case));
    let mean_g = called.iter().map(|c| c.0).sum::<f64>() / n;
    let mean_y = called.iter().map(|c| y(c.1)).sum::<f64>() / n;
    let (mut gg, mut yy, mut gy) = (0.0, 0.0, 0.0);
    for &(g, case) in called {
        let (g, y) = (g - mean_g, y(case) - mean_y);
        gg += g * g;
        yy += y * y;
        gy += g * y;
    }
    // Copies are whole numbers: a true spread is never this small.
    (gg > 1e-6 && yy > 1e-6).then(|| gy / (gg * yy).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(controls: [usize; 3], cases: [usize; 3]) -> (Vec<Option<u8>>, Vec<Option<bool>>) {
        let mut all = Vec::new();
        for (case, counts) in [(false, controls), (true, cases)] {
            for (g, n) in (0u8..).zip(counts) {
                all.extend(std::iter::repeat_n((Some(g), Some(case)), n));
            }
        }
        all.into_iter().unzip()
    }

    fn close(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a - b).abs() <= 1e-12 * b.abs().max(1e-6))
    }

    /// The first variant of the 1000 Genomes data with a phenotype: all values by exact rational arithmetic.
    #[test]
    fn a_table_worked_by_hand() {
        let (g, y) = people([139, 38, 2], [156, 21, 2]);
        let Truth { people, tests: [allelic, trend, genotypic, dominant, recessive], .. } =
            truth(&g, &y);
        assert_eq!(people, [[139, 38, 2], [156, 21, 2]]);
        assert!(close(allelic.chisq, 4.758_733_298_070_5), "{allelic:?}");
        assert!(close(allelic.odds_ratio, 0.564_850_564_850_565));
        assert!(close(allelic.log_or_se, 0.264_531_819_966_052_74));
        assert!(close(allelic.neg_log10_p, 1.535_361_543_592_296), "{allelic:?}");
        assert!(close(trend.chisq, 4.626_895_040_472_251));
        assert!(close(genotypic.chisq, 5.877_966_101_694_916));
        assert_eq!((genotypic.df, genotypic.word), (Some(2), Some("LOW_COUNT")));
        assert!(close(dominant.chisq, 5.566_962_604_250_739));
        assert!(close(recessive.chisq, 0.0));
    }

    #[test]
    fn who_has_no_call_or_takes_no_part_does_not_count() {
        let (mut g, mut y) = people([5, 6, 7], [8, 3, 2]);
        let without = truth(&g, &y);
        g.extend([None, Some(2), None, Some(3)]);
        y.extend([Some(true), None, None, Some(true)]);
        assert_eq!(truth(&g, &y), without);
    }

    #[test]
    fn nothing_can_be_said_of_one_side_or_one_allele() {
        for (controls, cases, word) in [
            ([0, 0, 0], [1, 2, 3], "NO_CALLS"),
            ([1, 2, 3], [0, 0, 0], "NO_CALLS"),
            ([4, 0, 0], [3, 0, 0], "MONOMORPHIC"),
            ([0, 0, 4], [0, 0, 3], "MONOMORPHIC"),
        ] {
            let (g, y) = people(controls, cases);
            for test in truth(&g, &y).tests {
                assert_eq!((test.chisq, test.word), (None, Some(word)));
            }
        }
        assert_eq!(truth(&[], &[]).alt_frequency, None);
    }
}
