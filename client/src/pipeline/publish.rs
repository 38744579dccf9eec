//! Writing what a run found: table, plots, exclusions, record.

use std::path::{Path, PathBuf};

use gwas::io::Exclusions;
use gwas::panel::Panel;
use gwas::report::{self, Format, Study, Summary, TestSummary, plot, table};
use gwas::stats::Test;
use gwas::stats::counts::VariantSums;

use crate::cli::common::{OutputArgs, PlotFormat, TableFormat, TestName};
use crate::console::Console;
use crate::record::RunRecord;
use crate::{Error, Result};

/// The tests in the order of a table's rows.
pub(super) fn tests(names: &[TestName]) -> Vec<Test> {
    names
        .iter()
        .map(|name| match name {
            TestName::Allelic => Test::Allelic,
            TestName::Trend => Test::Trend,
            TestName::Geno => Test::Genotypic,
            TestName::Dom => Test::Dominant,
            TestName::Rec => Test::Recessive,
        })
        .collect()
}

/// What the files are about.
pub(super) struct Findings<'a> {
    /// The variants.
    pub panel: &'a Panel,
    /// Name of the phenotype.
    pub phenotype: &'a str,
    /// People whose rows were summed.
    pub people: u32,
    /// Cases among them.
    pub cases: u32,
    /// Sums of every variant.
    pub sums: &'a [VariantSums],
}

/// Writes tables and plots, and prints what was found.
pub(super) fn write(
    findings: &Findings<'_>,
    tests: &[Test],
    output: &OutputArgs,
    console: &Console,
) -> Result<Vec<PathBuf>> {
    let format = match output.format {
        TableFormat::Native => Format::Tsv,
        TableFormat::Plink => Format::Plink,
        TableFormat::Ssf => Format::Ssf,
    };
    let Findings { panel, phenotype, people, cases, sums } = *findings;
    let date = today()?;
    let study = Study { phenotype, people, cases, date: &date };
    let summary: Summary = table::write(&output.out, panel, &study, sums, tests, format)
        .map_err(|e| table_error(e, &output.out))?;
    let mut files = summary.files.clone();
    if summary.left_out > 0 {
        console.warn(format_args!(
            "{} variants cannot be expressed in this format and are left out",
            summary.left_out
        ));
    }
    for found in &summary.tests {
        files.extend(draw(panel, found, (phenotype, people, cases), output)?);
        if !console.json() {
            console.note(report::paragraph(panel, found));
        }
    }
    Ok(files)
}

/// Draws the plots of a test that were asked for.
pub(super) fn draw(
    panel: &Panel,
    found: &TestSummary,
    (phenotype, people, cases): (&str, u32, u32),
    output: &OutputArgs,
) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for format in &output.plot {
        let image = match format {
            PlotFormat::Png => plot::Image::Png,
            PlotFormat::Svg => plot::Image::Svg,
        };
        let caption = plot::Caption {
            title: phenotype,
            test: found.test.name(),
            cases,
            controls: people - cases,
            lambda: found.lambda,
        };
        let word = found.test.name().to_lowercase();
        let drawn = [
            ("manhattan", plot::manhattan(panel, &found.points, &caption, image)),
            ("qq", plot::qq(&found.points, &caption, image)),
        ];
        for (kind, bytes) in drawn {
            let path = with_suffix(&output.out, &format!(".{word}.{kind}.{}", image.extension()));
            let bytes = bytes.map_err(Error::input)?;
            report::save(&path, &bytes).map_err(Error::file("write", &path))?;
            files.push(path);
        }
    }
    Ok(files)
}

fn table_error(error: table::TableError, prefix: &Path) -> Error {
    match error {
        table::TableError::Io { path, source } => Error::file("write", &path)(source),
        other => Error::corrupt(format_args!("{}: {other}", prefix.display())),
    }
}

/// Writes PREFIX.excluded.tsv.
pub(super) fn write_exclusions(prefix: &Path, exclusions: &Exclusions) -> Result<PathBuf> {
    let path = with_suffix(prefix, ".excluded.tsv");
    let mut text = Vec::new();
    exclusions.write_tsv(&mut text).map_err(Error::file("write", &path))?;
    report::save(&path, &text).map_err(Error::file("write", &path))?;
    Ok(path)
}

/// Writes PREFIX.run.json.
pub(super) fn write_record(prefix: &Path, record: &RunRecord) -> Result<PathBuf> {
    let path = with_suffix(prefix, ".run.json");
    let mut text = serde_json::to_vec_pretty(record).map_err(|e| Error::Internal(e.to_string()))?;
    text.push(b'\n');
    report::save(&path, &text).map_err(Error::file("write", &path))?;
    Ok(path)
}

/// `prefix` with `suffix` after it, dots in the prefix left alone.
pub(super) fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Fails early if the folder of `prefix` does not exist, before hours are spent.
pub(super) fn check_prefix(prefix: &Path) -> Result<()> {
    let folder = match prefix.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    std::fs::read_dir(folder).map(drop).map_err(Error::file("write", folder))
}

fn today() -> Result<String> {
    let date = time::OffsetDateTime::now_utc().date();
    Ok(format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day()))
}
