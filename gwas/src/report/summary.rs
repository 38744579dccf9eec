//! What remains of a table after it has been written or read: enough for plots, hits and a paragraph.

use crate::stats::lambda::genomic_control;
use crate::stats::{Test, TestResult};

use super::plot::{GENOME_WIDE, Point};

/// Hits kept for each test.
pub const TOP_HITS: usize = 20;

/// One row of a table: a variant under one test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Index of the variant in the panel.
    pub variant: u32,
    /// Frequency of A1 (ALT) among the called; nothing if nobody is.
    pub a1_freq: Option<f64>,
    /// A1 alleles in cases.
    pub a1_cases: u64,
    /// A1 alleles in controls.
    pub a1_controls: u64,
    /// People called.
    pub called: u64,
    /// The test's numbers.
    pub result: TestResult,
}

/// One test over all variants.
#[derive(Clone, Debug, PartialEq)]
pub struct TestSummary {
    /// The test.
    pub test: Test,
    /// Variants with a defined statistic.
    pub defined: u32,
    /// Genomic-control lambda; nothing without a defined statistic.
    pub lambda: Option<f64>,
    /// Variants with p at or below 5 × 10⁻⁸.
    pub genome_wide: u32,
    /// The strongest rows, strongest first, at most [`TOP_HITS`]; ties in panel order.
    pub top: Vec<Row>,
    /// -log10 p of every variant with a defined statistic, in panel order.
    pub points: Vec<Point>,
}

/// Collects the rows of one test; parts of a panel are collected apart and joined in order.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    test: Test,
    statistics: Vec<(f64, u8)>,
    genome_wide: u32,
    top: Vec<Row>,
    points: Vec<Point>,
}

impl Collector {
    pub(super) fn new(test: Test) -> Self {
        Self { test, statistics: vec![], genome_wide: 0, top: vec![], points: vec![] }
    }

    pub(super) fn test(&self) -> Test {
        self.test
    }

    pub(super) fn add(&mut self, row: &Row) {
        let TestResult { chisq, df, neg_log10_p, .. } = row.result;
        self.statistics.extend(chisq.zip(df));
        let Some(strength) = neg_log10_p else { return };
        self.points.push(Point { variant: row.variant, neg_log10_p: strength as f32 });
        self.genome_wide += u32::from(strength >= GENOME_WIDE);
        self.offer(row);
    }

    /// Takes over what was collected from the variants that follow.
    pub(super) fn join(&mut self, later: Self) {
        self.statistics.extend(later.statistics);
        self.points.extend(later.points);
        self.genome_wide += later.genome_wide;
        later.top.iter().for_each(|row| self.offer(row));
    }

    fn offer(&mut self, row: &Row) {
        let strength = |r: &Row| r.result.neg_log10_p.unwrap_or(0.0);
        if self.top.len() >= TOP_HITS
            && self.top.last().is_some_and(|l| strength(l) >= strength(row))
        {
            return;
        }
        let place = self.top.partition_point(|r| strength(r) >= strength(row));
        self.top.insert(place, *row);
        self.top.truncate(TOP_HITS);
    }

    pub(super) fn finish(self) -> TestSummary {
        TestSummary {
            test: self.test,
            defined: u32::try_from(self.statistics.len()).unwrap_or(u32::MAX),
            lambda: genomic_control(self.test, self.statistics.into_iter()),
            genome_wide: self.genome_wide,
            top: self.top,
            points: self.points,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    pub(in crate::report) fn row(variant: u32, strength: Option<f64>) -> Row {
        let result = TestResult {
            test: Test::Allelic,
            chisq: strength,
            df: strength.map(|_| 1),
            odds_ratio: None,
            log_or_se: None,
            p: strength.map(|s| 10_f64.powf(-s)),
            neg_log10_p: strength,
            errcode: None,
        };
        Row { variant, a1_freq: None, a1_cases: 0, a1_controls: 0, called: 0, result }
    }

    #[test]
    fn parts_joined_in_order_equal_the_whole() {
        let rows: Vec<Row> =
            (0..100).map(|i| row(i, (i % 7 != 0).then(|| f64::from(i * 37 % 23)))).collect();
        let collect = |rows: &[Row]| {
            let mut c = Collector::new(Test::Allelic);
            rows.iter().for_each(|r| c.add(r));
            c
        };
        let whole = collect(&rows).finish();
        let mut parts = collect(&rows[..33]);
        parts.join(collect(&rows[33..34]));
        parts.join(collect(&rows[34..]));
        assert_eq!(parts.finish(), whole);
        assert_eq!((whole.defined, whole.points.len(), whole.top.len()), (85, 85, TOP_HITS));
        let mut order: Vec<&Row> = rows.iter().filter(|r| r.result.chisq.is_some()).collect();
        order.sort_by(|a, b| {
            b.result.neg_log10_p.unwrap().total_cmp(&a.result.neg_log10_p.unwrap())
        });
        assert!(whole.top.iter().zip(order).all(|(a, b)| a == b));
    }

    #[test]
    fn nothing_defined_has_no_lambda() {
        let mut collector = Collector::new(Test::Allelic);
        collector.add(&row(0, None));
        let summary = collector.finish();
        assert_eq!((summary.defined, summary.lambda, summary.genome_wide), (0, None, 0));
        assert!(summary.top.is_empty() && summary.points.is_empty());
    }
}
