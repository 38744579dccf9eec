//! Our own table; the columns are described at [`Format::Tsv`](super::Format::Tsv).

use std::io::Write as _;

use super::super::number::{PValue, Shortest};
use super::super::summary::Row;
use crate::panel::Variant;

/// First line of the table.
pub(super) const HEADER: &str = "#CHROM\tPOS\tID\tREF\tALT\tA1\tA1_FREQ\tA1_CASE_CT\tA1_CTRL_CT\tOBS_CT\tTEST\tCHISQ\tDF\tOR\tLOG(OR)_SE\tP\tNEG_LOG10_P\tERRCODE\n";

/// Appends a row. Writing to memory can't fail, so the results of `write!` are dropped.
pub(super) fn push(out: &mut Vec<u8>, v: &Variant<'_>, row: &Row) {
    let _ = write!(
        out,
        "{}\t{}\t{}\t{}\t{}\t{}\t",
        v.chrom, v.pos, v.id, v.reference, v.alternate, v.alternate
    );
    float(out, row.a1_freq);
    let result = &row.result;
    let _ = write!(
        out,
        "{}\t{}\t{}\t{}\t",
        row.a1_cases,
        row.a1_controls,
        row.called,
        result.test.name()
    );
    float(out, result.chisq);
    match result.df {
        Some(df) => {
            let _ = write!(out, "{df}\t");
        }
        None => out.extend_from_slice(b"NA\t"),
    }
    float(out, result.odds_ratio);
    float(out, result.log_or_se);
    match result.p.zip(result.neg_log10_p) {
        Some((p, neg_log10_p)) => {
            let _ = write!(out, "{}\t", PValue { p, neg_log10_p });
        }
        None => out.extend_from_slice(b"NA\t"),
    }
    float(out, result.neg_log10_p);
    out.extend_from_slice(result.errcode.map_or(".", |code| code.word()).as_bytes());
    out.push(b'\n');
}

fn float(out: &mut Vec<u8>, value: Option<f64>) {
    match value {
        Some(value) => {
            let _ = write!(out, "{}\t", Shortest(value));
        }
        None => out.extend_from_slice(b"NA\t"),
    }
}
