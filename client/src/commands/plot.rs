//! `hegwas plot`.

mod table;

use std::io::Write;
use std::path::{Path, PathBuf};

use gwas::report::plot::{Caption, Image, manhattan, qq};
use serde_json::Value;

use crate::cli::common::PlotFormat;
use crate::cli::plot::PlotArgs;
use crate::console::Console;
use crate::{Error, Result};

use table::Table;

/// Draws the plots of a table and prints the names of the files.
///
/// # Errors
/// When the table can't be read or a file not written.
pub fn plot(args: &PlotArgs, console: &Console) -> Result<()> {
    let table = Table::read(&args.table)?;
    let mut formats = args.format.clone();
    formats.sort_unstable();
    formats.dedup();
    let (title, cases, controls) = people(&args.table);
    let mut written = Vec::new();
    for test in &table.tests {
        let name = format!("{} test", test.name);
        let caption =
            Caption { title: &title, test: &name, cases, controls, lambda: test.lambda() };
        for format in &formats {
            let image = match format {
                PlotFormat::Png => Image::Png,
                PlotFormat::Svg => Image::Svg,
            };
            let pictures = [
                ("manhattan", manhattan(&table.panel, &test.points, &caption, image)),
                ("qq", qq(&test.points, &caption, image)),
            ];
            for (kind, picture) in pictures {
                let picture = picture.map_err(|e| Error::Internal(e.to_string()))?;
                let suffix =
                    format!(".{}.{kind}.{}", test.name.to_ascii_lowercase(), image.extension());
                written.push(write(&args.out, &suffix, &picture)?);
            }
        }
    }
    if console.json() {
        return console.print_json(&written);
    }
    written.iter().try_for_each(|path| console.print(path.display()))
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

/// Writes PREFIX + suffix, complete or not at all.
fn write(prefix: &Path, suffix: &str, bytes: &[u8]) -> Result<PathBuf> {
    let mut name = prefix.as_os_str().to_owned();
    name.push(suffix);
    let path = PathBuf::from(name);
    let folder =
        path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let save = || {
        use std::os::unix::fs::PermissionsExt;
        let readable = std::fs::Permissions::from_mode(0o666);
        let mut file = tempfile::Builder::new()
            .prefix(".hegwas-")
            .permissions(readable)
            .tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|e| e.error).map(drop)
    };
    save().map_err(Error::file("write", &path))?;
    Ok(path)
}
