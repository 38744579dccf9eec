//! Reads our own table back, strictly.

use std::io::BufRead;

use super::super::summary::{Collector, Row, TestSummary};
use super::tsv::HEADER;
use crate::io::LineError;
use crate::lines::Lines;
use crate::panel::{MAX_CHROM_LEN, MAX_TEXT_LEN, Panel, PanelError, ReferenceStatus, Variant};
use crate::stats::{ErrCode, Test, TestResult};

/// Id, REF, ALT, A1 and the chromosome at their longest, with room for the numbers.
const MAX_LINE: usize = 4 * MAX_TEXT_LEN + MAX_CHROM_LEN + 1024;

/// Why a table can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// No text, or no lines.
    #[error(transparent)]
    Line(#[from] LineError),
    /// Not our table.
    #[error(
        "line 1: not the header of an association table; give the PREFIX.assoc.tsv that `hegwas` wrote"
    )]
    Header,
    /// Too few or too many columns.
    #[error("line {line}: {found} columns, 18 are expected; the file was cut short or edited")]
    Columns {
        /// 1-based line.
        line: u64,
        /// Columns found.
        found: usize,
    },
    /// A field that can't stand there.
    #[error("line {line}: column {column} is not {expected}; the file was damaged or edited")]
    Field {
        /// 1-based line.
        line: u64,
        /// Name of the column.
        column: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// A variant that no panel takes.
    #[error("line {line}: {source}")]
    Variant {
        /// 1-based line.
        line: u64,
        /// What is wrong with it.
        source: PanelError,
    },
    /// The last line has no end.
    #[error("line {line}: the last line has no line end; the file was cut short")]
    CutShort {
        /// 1-based line.
        line: u64,
    },
}

/// Reads a table written as [`Format::Tsv`](super::Format::Tsv): its variants, and a summary of each test in it.
///
/// Rows of one variant follow each other in the order of the tests; a repeated test starts another variant. REF is taken
/// as provisional.
///
/// # Errors
/// When the text is no such table.
pub fn read_table(input: impl BufRead) -> Result<(Panel, Vec<TestSummary>), ReadError> {
    let mut lines = Lines::new(input, MAX_LINE);
    if lines.next_str()? != Some(HEADER.trim_end()) {
        return Err(ReadError::Header);
    }
    let mut panel = Panel::new(ReferenceStatus::Provisional);
    let mut collectors: Vec<Collector> = Test::ALL.map(Collector::new).into();
    let mut seen = [false; 5];
    let mut last: Option<Test> = None;
    loop {
        let line = lines.number() + 1;
        let Some(text) = lines.next_str()? else { break };
        let (variant, mut row) = parse(text, line)?;
        let test = row.result.test;
        let same = last.is_some_and(|last| last < test)
            && panel.len().checked_sub(1).and_then(|i| panel.get(i)) == Some(variant);
        if !same {
            panel.push(variant).map_err(|source| ReadError::Variant { line, source })?;
        }
        last = Some(test);
        row.variant = panel.len() - 1;
        for (collector, seen) in collectors.iter_mut().zip(&mut seen) {
            if collector.test() == test {
                *seen = true;
                collector.add(&row);
            }
        }
        if !lines.was_ended() {
            return Err(ReadError::CutShort { line });
        }
    }
    let present = collectors.into_iter().zip(seen).filter(|(_, seen)| *seen);
    Ok((panel, present.map(|(collector, _)| collector.finish()).collect()))
}

fn parse(text: &str, line: u64) -> Result<(Variant<'_>, Row), ReadError> {
    let fields: Vec<&str> = text.split('\t').take(19).collect();
    let &[
        chrom,
        pos,
        id,
        reference,
        alternate,
        a1,
        freq,
        a1_cases,
        a1_controls,
        called,
        test,
        chisq,
        df,
        odds,
        se,
        p,
        strength,
        code,
    ] = fields.as_slice()
    else {
        return Err(ReadError::Columns { line, found: fields.len() });
    };
    let bad = |column, expected| ReadError::Field { line, column, expected };
    let count = |text: &str, column| -> Result<u64, ReadError> {
        digits(text).ok_or_else(|| bad(column, "a count"))
    };
    let float = |text: &str, column, max: f64| -> Result<Option<f64>, ReadError> {
        if text == "NA" {
            return Ok(None);
        }
        let value = text.parse::<f64>().ok().filter(|x| (0.0..=max).contains(x));
        value.map(Some).ok_or_else(|| bad(column, "a number in its range or NA"))
    };
    let pos = digits(pos).and_then(|p| u32::try_from(p).ok());
    let pos = pos.ok_or_else(|| bad("POS", "a position"))?;
    if a1 != alternate {
        return Err(bad("A1", "the same as ALT"));
    }
    let test = Test::ALL.into_iter().find(|t| t.name() == test);
    let errcode = match code {
        "." => None,
        word => {
            let known =
                [ErrCode::NoCalls, ErrCode::Monomorphic, ErrCode::ZeroCell, ErrCode::LowCount];
            let found = known.into_iter().find(|c| c.word() == word);
            Some(found.ok_or_else(|| bad("ERRCODE", "a known word or '.'"))?)
        }
    };
    let result = TestResult {
        test: test.ok_or_else(|| bad("TEST", "ALLELIC, TREND, GENO, DOM or REC"))?,
        chisq: float(chisq, "CHISQ", f64::MAX)?,
        df: match df {
            "NA" => None,
            "1" => Some(1),
            "2" => Some(2),
            _ => return Err(bad("DF", "1, 2 or NA")),
        },
        odds_ratio: float(odds, "OR", f64::MAX)?,
        log_or_se: float(se, "LOG(OR)_SE", f64::MAX)?,
        p: float(p, "P", 1.0)?,
        neg_log10_p: float(strength, "NEG_LOG10_P", f64::MAX)?,
        errcode,
    };
    let defined = [result.chisq.is_some(), result.p.is_some(), result.neg_log10_p.is_some()];
    if defined.iter().any(|d| *d != result.df.is_some()) {
        return Err(bad("CHISQ", "there and P, NEG_LOG10_P and DF too, or all NA"));
    }
    let row = Row {
        variant: 0,
        a1_freq: float(freq, "A1_FREQ", 1.0)?,
        a1_cases: count(a1_cases, "A1_CASE_CT")?,
        a1_controls: count(a1_controls, "A1_CTRL_CT")?,
        called: count(called, "OBS_CT")?,
        result,
    };
    Ok((Variant { chrom, pos, id, reference, alternate }, row))
}

/// A number in digits alone: `parse` would take a plus sign too.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}
