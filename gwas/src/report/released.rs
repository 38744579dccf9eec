//! The tables of what was computed under encryption: nothing but chi-squares, or hits, is known.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::atomic::{Pending, with_suffix};
use super::number::{PValue, Shortest};
use super::summary::{Collector, Row, TestSummary};
use crate::finish::Finding;
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
    pub found: Finding,
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
        let value = match released.found {
            Finding::Value((chisq, error)) => Some((chisq.max(0.0), error)),
            _ => None,
        };
        let p_value = write_value(&mut line, value)?;
        file.write(&line)?;
        let Some(((chisq, _), PValue { p, neg_log10_p })) = value.zip(p_value) else { continue };
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
fn write_value(line: &mut Vec<u8>, value: Option<(f64, f64)>) -> io::Result<Option<PValue>> {
    let Some((chisq, error)) = value else {
        line.extend_from_slice(b"NA\tNA\tNA\tNA\n");
        return Ok(None);
    };
    let (p, neg_log10_p) = (survival(chisq, 1), neg_log10_survival(chisq, 1));
    let value = PValue { p, neg_log10_p };
    write!(line, "{}\t{error:.1e}\t", Shortest(chisq))?;
    writeln!(line, "{value}\t{}", Shortest(neg_log10_p))?;
    Ok(Some(value))
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
        let (counted, word, value) = match found {
            Finding::Hit(value) => (&mut counts.hits, "yes", value),
            Finding::Undecided => (&mut counts.undecided, "band", None),
            Finding::Undefined => {
                counts.undefined += 1;
                continue;
            }
            Finding::Value(_) | Finding::Other => continue,
        };
        *counted += 1;
        line.clear();
        write!(line, "{}\t{}\t{}\t{}\t{}\t", v.chrom, v.pos, v.id, v.reference, v.alternate)?;
        write!(line, "{people}\t{}\t{word}\t", Test::Allelic.name())?;
        write_value(&mut line, value)?;
        file.write(&line)?;
    }
    file.sync()?.publish()?;
    Ok((path, counts))
}
