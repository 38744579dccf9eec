//! The best hits and a paragraph, for a terminal.

use std::fmt::Write as _;

use super::number::PowerOfTen;
use super::plot::thousands;
use super::summary::{Row, TestSummary};
use crate::panel::Panel;

/// Longest id or allele shown, in characters; longer ones end in an ellipsis.
const LONGEST: usize = 24;

/// An aligned table of the strongest `count` rows of a test, each line ended; only the header where nothing is defined.
#[must_use]
pub fn top_hits(panel: &Panel, summary: &TestSummary, count: usize) -> String {
    let header = ["CHROM", "POS", "ID", "A1", "FREQ", "CHISQ", "OR", "P"].map(str::to_owned);
    let rows = summary.top.iter().take(count).filter_map(|row| cells(panel, row));
    let lines: Vec<[String; 8]> = std::iter::once(header).chain(rows).collect();
    let mut widths = [0; 8];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for line in &lines {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            // Names to the left, numbers to the right.
            let _ = match column {
                0 | 2 | 3 => write!(text, "{cell:<width$}  "),
                _ => write!(text, "{cell:>width$}  "),
            };
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
    out
}

fn cells(panel: &Panel, row: &Row) -> Option<[String; 8]> {
    let v = panel.get(row.variant)?;
    let r = &row.result;
    let fixed = |x: Option<f64>, decimals: usize| match x {
        Some(x) if x < 1e9 => format!("{x:.decimals$}"),
        Some(x) => format!("{x:.decimals$e}"),
        None => "NA".to_owned(),
    };
    let p = r.neg_log10_p.map(|neg_log10| PowerOfTen { neg_log10, decimals: 2 }.to_string());
    Some([
        short(v.chrom),
        v.pos.to_string(),
        short(v.id),
        short(v.alternate),
        fixed(row.a1_freq, 3),
        fixed(r.chisq, 1),
        fixed(r.odds_ratio, 3),
        p.unwrap_or_else(|| "NA".to_owned()),
    ])
}

fn short(text: &str) -> String {
    match text.chars().count() > LONGEST {
        true => text.chars().take(LONGEST - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// One sentence or two: variants tested, lambda, significant ones, the strongest.
#[must_use]
pub fn paragraph(panel: &Panel, summary: &TestSummary) -> String {
    let variants = thousands(u64::from(panel.len()));
    let mut out = format!(
        "{}: {} of {variants} variants tested",
        summary.test.name(),
        thousands(u64::from(summary.defined))
    );
    if let Some(lambda) = summary.lambda {
        let _ = write!(out, ", genomic-control lambda {lambda:.3}");
    }
    let _ = write!(out, ", {} genome-wide significant", thousands(u64::from(summary.genome_wide)));
    out.push_str(" (p at or below 5e-8).");
    let strongest = summary.top.first().and_then(|row| Some((panel.get(row.variant)?, row)));
    if let Some((v, row)) = strongest {
        let neg_log10 = row.result.neg_log10_p.unwrap_or(0.0);
        let p = PowerOfTen { neg_log10, decimals: 2 };
        let _ = write!(out, " Strongest: {} ({}:{}), p = {p}.", short(v.id), v.chrom, v.pos);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::panel::Variant;
    use crate::report::summary::Collector;
    use crate::stats::Test;
    use crate::stats::counts::{GenotypeTable, VariantCounts};

    fn example() -> (Panel, TestSummary) {
        let mut panel = Panel::default();
        let mut collector = Collector::new(Test::Allelic);
        let tables =
            [([156, 21, 2], [139, 38, 2]), ([9, 0, 0], [9, 0, 0]), ([0, 1, 178], [170, 9, 0])];
        let long = "x".repeat(100);
        for (i, (cases, controls)) in (0..).zip(tables) {
            let id = if i == 2 { long.as_str() } else { "rs1" };
            let v = Variant { chrom: "22", pos: 100 + i, id, reference: "A", alternate: "C" };
            panel.push(v).unwrap();
            let counts = VariantCounts::from_genotypes(GenotypeTable { cases, controls });
            let result = crate::stats::run(Test::Allelic, &counts).unwrap();
            let a = counts.alleles;
            collector.add(&Row {
                variant: i,
                a1_freq: a.alt_frequency(),
                a1_cases: a.case_alt,
                a1_controls: a.control_alt,
                called: a.cases + a.controls,
                result,
            });
        }
        (panel, collector.finish())
    }

    #[test]
    fn hits_are_aligned_strongest_first() {
        let (panel, summary) = example();
        let text = top_hits(&panel, &summary, 10);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].contains("xxx…") && lines[2].contains("rs1"), "{text}");
        assert!(lines[2].ends_with("2.91e-02") && lines[2].contains("0.565"), "{text}");
        let ends: Vec<usize> = lines.iter().map(|l| l.chars().count()).collect();
        assert!(ends.windows(2).all(|w| w[0] == w[1]), "{text}");
        assert_eq!(top_hits(&panel, &summary, 0).lines().count(), 1);
    }

    #[test]
    fn the_paragraph_counts() {
        let (panel, summary) = example();
        let text = paragraph(&panel, &summary);
        assert!(
            text.starts_with("ALLELIC: 2 of 3 variants tested, genomic-control lambda "),
            "{text}"
        );
        assert!(text.contains("1 genome-wide significant") && text.contains("(22:102)"), "{text}");
        let empty = Collector::new(Test::Recessive).finish();
        assert_eq!(
            paragraph(&Panel::default(), &empty),
            "REC: 0 of 0 variants tested, 0 genome-wide significant (p at or below 5e-8)."
        );
    }
}
