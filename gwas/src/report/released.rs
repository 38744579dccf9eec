//! The table of a statistic that was computed under encryption: nothing but the chi-squares is known.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::atomic::{Pending, with_suffix};
use super::number::{PValue, Shortest};
use super::summary::{Collector, Row, TestSummary};
use crate::panel::Panel;
use crate::stats::pvalue::{neg_log10_survival, survival};
use crate::stats::{Test, TestResult};

/// First line of the table.
const HEADER: &str = "#CHROM\tPOS\tID\tREF\tALT\tOBS_CT\tTEST\tCHISQ\tZ_ERROR\tP\tNEG_LOG10_P\n";

/// What is known of a variant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Released {
    /// People whose contribution has the variant.
    pub people: u32,
    /// What was released.
    pub found: Found,
}

/// What was released of a variant: a chi-square with one degree of freedom comes with the largest error of its root.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found {
    /// Its chi-square.
    Value((f64, f64)),
    /// It is a hit; its chi-square, if these are released.
    Hit(Option<(f64, f64)>),
    /// It is no hit.
    Other,
    /// It lies in the band round the threshold.
    Undecided,
    /// It has no statistic: nobody has the variant, or only cases or controls have.
    Undefined,
}

/// How many variants are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HitCounts {
    /// Hits.
    pub hits: usize,
    /// Variants in the band.
    pub undecided: usize,
    /// Variants without a statistic.
    pub undefined: usize,
}

/// Writes `PREFIX.statistic.tsv`, one row for each variant of `panel`, in its order.
///
/// Columns `#CHROM POS ID REF ALT OBS_CT TEST CHISQ Z_ERROR P NEG_LOG10_P`, separated by tabs: OBS_CT people, CHISQ the released
/// allelic chi-square (0 where the noise that hides the keys makes it negative), Z_ERROR the largest error of its root, for
/// variants that are not rarer than the study's smallest frequency. `NA` is undefined.
///
/// # Errors
/// When the file can't be written.
pub fn write_released(
    prefix: &Path,
    panel: &Panel,
    values: impl IntoIterator<Item = Released>,
) -> io::Result<(PathBuf, TestSummary)> {
    let path = with_suffix(prefix, ".statistic.tsv");
    let mut file = Pending::new(path.clone())?;
    file.write(HEADER.as_bytes())?;
    let mut collector = Collector::new(Test::Allelic);
    let mut line = Vec::new();
    for (variant, released) in (0..).zip(values) {
        let Some(v) = panel.get(variant) else { break };
        line.clear();
        write!(line, "{}\t{}\t{}\t{}\t{}\t", v.chrom, v.pos, v.id, v.reference, v.alternate)?;
        write!(line, "{}\t{}\t", released.people, Test::Allelic.name())?;
        let Found::Value((chisq, error)) = released.found else {
            line.extend_from_slice(b"NA\tNA\tNA\tNA\n");
            file.write(&line)?;
            continue;
        };
        let chisq = chisq.max(0.0);
        let PValue { p, neg_log10_p } = write_value(&mut line, (chisq, error))?;
        file.write(&line)?;
        let result = TestResult {
            test: Test::Allelic,
            chisq: Some(chisq),
            df: Some(1),
            odds_ratio: None,
            log_or_se: None,
            p: Some(p),
            neg_log10_p: Some(neg_log10_p),
            errcode: None,
        };
        let called = u64::from(released.people);
        let a1_freq = None;
        collector.add(&Row { variant, a1_freq, a1_cases: 0, a1_controls: 0, called, result });
    }
    file.sync()?.publish()?;
    Ok((path, collector.finish()))
}

/// Columns CHISQ, Z_ERROR, P and NEG_LOG10_P of a line, and its end.
fn write_value(line: &mut Vec<u8>, (chisq, error): (f64, f64)) -> io::Result<PValue> {
    let (p, neg_log10_p) = (survival(chisq, 1), neg_log10_survival(chisq, 1));
    let value = PValue { p, neg_log10_p };
    write!(line, "{}\t{error:.1e}\t", Shortest(chisq))?;
    writeln!(line, "{value}\t{}", Shortest(neg_log10_p))?;
    Ok(value)
}

/// Writes `PREFIX.hits.tsv`: one row for each hit and each variant in the band, in the order of `panel`. All others are no hits.
///
/// Columns `#CHROM POS ID REF ALT OBS_CT TEST HIT CHISQ Z_ERROR P NEG_LOG10_P`, separated by tabs: HIT is `yes`, or `band` where
/// either answer may come. The last four are those of [`write_released`], `NA` where chi-squares are not released.
///
/// # Errors
/// When the file can't be written.
pub fn write_hits(
    prefix: &Path,
    panel: &Panel,
    values: impl IntoIterator<Item = Released>,
) -> io::Result<(PathBuf, HitCounts)> {
    let path = with_suffix(prefix, ".hits.tsv");
    let mut file = Pending::new(path.clone())?;
    file.write(HEADER.replace("TEST\t", "TEST\tHIT\t").as_bytes())?;
    let (mut counts, mut line) = (HitCounts::default(), Vec::new());
    for (variant, Released { people, found }) in (0..).zip(values) {
        let Some(v) = panel.get(variant) else { break };
        let (word, value) = match found {
            Found::Hit(value) => ("yes", value),
            Found::Undecided => ("band", None),
            Found::Undefined => {
                counts.undefined += 1;
                continue;
            }
            Found::Value(_) | Found::Other => continue,
        };
        let counted = if word == "yes" { &mut counts.hits } else { &mut counts.undecided };
        *counted += 1;
        line.clear();
        write!(line, "{}\t{}\t{}\t{}\t{}\t", v.chrom, v.pos, v.id, v.reference, v.alternate)?;
        write!(line, "{people}\t{}\t{word}\t", Test::Allelic.name())?;
        match value {
            Some(value) => drop(write_value(&mut line, value)?),
            None => line.extend_from_slice(b"NA\tNA\tNA\tNA\n"),
        }
        file.write(&line)?;
    }
    file.sync()?.publish()?;
    Ok((path, counts))
}
