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
    /// The released chi-square with one degree of freedom and the largest error of its root; nothing where it is not defined
    /// (nobody has the variant, or only cases or controls have).
    pub value: Option<(f64, f64)>,
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
        let Some((chisq, error)) = released.value else {
            line.extend_from_slice(b"NA\tNA\tNA\tNA\n");
            file.write(&line)?;
            continue;
        };
        let chisq = chisq.max(0.0);
        let (p, neg_log10_p) = (survival(chisq, 1), neg_log10_survival(chisq, 1));
        let p_value = PValue { p, neg_log10_p };
        write!(line, "{}\t{error:.1e}\t", Shortest(chisq))?;
        writeln!(line, "{p_value}\t{}", Shortest(neg_log10_p))?;
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
