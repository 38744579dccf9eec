//! `hegwas plot`.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use gwas::report::plot::{Caption, Image, manhattan, qq};
use gwas::report::{read_table, save};
use gwas::stats::Test;
use serde_json::Value;

use crate::cli::common::PlotFormat;
use crate::cli::plot::PlotArgs;
use crate::console::Console;
use crate::{Error, Result};

/// Draws the plots of a table and prints the names of the files.
///
/// # Errors
/// When the table can't be read or a file not written.
pub fn plot(args: &PlotArgs, console: &Console) -> Result<()> {
    let file = File::open(&args.table).map_err(Error::file("open", &args.table))?;
    let wrong = |what: &dyn std::fmt::Display| {
        Error::input(format_args!("{}: {what}", args.table.display()))
            .with_remedy("plot takes tables as `hegwas assoc` writes them without --format")
    };
    let (panel, tests) = read_table(BufReader::new(file)).map_err(|e| wrong(&e))?;
    if tests.is_empty() {
        return Err(wrong(&"the table has no rows"));
    }
    let mut formats = args.format.clone();
    formats.sort_unstable();
    formats.dedup();
    let (title, cases, controls) = people(&args.table);
    let mut written = Vec::new();
    for test in &tests {
        let lambda = test.lambda;
        let caption =
            Caption { title: &title, test: long_name(test.test), cases, controls, lambda };
        for format in &formats {
            let image = match format {
                PlotFormat::Png => Image::Png,
                PlotFormat::Svg => Image::Svg,
            };
            let pictures = [
                ("manhattan", manhattan(&panel, &test.points, &caption, image)),
                ("qq", qq(&test.points, &caption, image)),
            ];
            for (kind, picture) in pictures {
                let picture = picture.map_err(|e| Error::Internal(e.to_string()))?;
                let name = test.test.name().to_ascii_lowercase();
                let path = with_suffix(&args.out, &format!(".{name}.{kind}.{}", image.extension()));
                save(&path, &picture).map_err(Error::file("write", &path))?;
                written.push(path);
            }
        }
    }
    if console.json() {
        return console.print_json(&written);
    }
    written.iter().try_for_each(|path| console.print(path.display()))
}

/// What a plot calls a test.
fn long_name(test: Test) -> &'static str {
    match test {
        Test::Allelic => "Allelic test",
        Test::Trend => "Cochran-Armitage trend test",
        Test::Genotypic => "Genotypic test",
        Test::Dominant => "Dominant model",
        Test::Recessive => "Recessive model",
    }
}

/// `PREFIX` + suffix; a prefix may contain dots.
fn with_suffix(prefix: &Path, suffix: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Title and numbers of cases and controls from the run's record beside the table, as far as there is one.
fn people(table: &Path) -> (String, u32, u32) {
    let name = table.to_string_lossy();
    let prefix = name.strip_suffix(".assoc.tsv").unwrap_or(&name);
    let title =
        Path::new(prefix).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let record =
        crate::bundle::read_limited(Path::new(&format!("{prefix}.run.json")), 1 << 20).ok();
    let record: Option<Value> = record.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let count = |name: &str| {
        let value = record.as_ref()?.get("counts")?.get(name)?.as_u64()?;
        u32::try_from(value).ok()
    };
    (title, count("cases").unwrap_or(0), count("controls").unwrap_or(0))
}
