//! `report`: tables, plots and the README's figures from the latest records. Nothing in them is typed by hand.

mod bars;
mod blocks;
mod chart;
mod facts;
mod finish;
mod plots;
mod projection;
mod published;
mod tables;
mod text;

use std::fs;
use std::path::Path;

use blocks::replace;
use facts::Facts;

use crate::record::latest;
use crate::{Error, Result};

/// The document with all tables.
const PERFORMANCE: &str = "docs/performance.md";
/// The document with the short one.
const README: &str = "README.md";
/// The document of finishing under encryption, with what that costs.
const FINISHING: &str = "docs/finishing.md";
/// Makes the content of a block.
type Block = (&'static str, fn(&Facts) -> String);
/// Blocks of [`PERFORMANCE`].
const BLOCKS: [Block; 10] = [
    ("machine", tables::machine),
    ("bars", bars::bars),
    ("kernels", tables::kernels),
    ("encryption", tables::encryption),
    ("jobs", tables::jobs),
    ("runs", tables::runs),
    ("stages", tables::stages),
    ("growth", tables::growth_table),
    ("plink", tables::plink),
    ("projection", projection::projection),
];
/// Plots.
const PLOTS: [Block; 2] =
    [("docs/plots/people.svg", plots::people), ("docs/plots/variants.svg", plots::variants)];

/// Makes every generated file below `root` from the records in `records`; writes those that changed and names them. With
/// `check` nothing is written.
///
/// # Errors
/// When a record or document can't be read or lacks a marker; with `check`, when a file is not what the records give.
pub fn make(records: &Path, root: &Path, check: bool) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for (name, content) in files(&Facts::new(latest(records)?), root)? {
        let path = root.join(name);
        if fs::read(&path).is_ok_and(|old| old == content.as_bytes()) {
            continue;
        }
        changed.push(name.to_owned());
        if !check {
            let folder = path.parent().unwrap_or(root);
            fs::create_dir_all(folder).map_err(Error::file(folder))?;
            gwas::report::save(&path, content.as_bytes()).map_err(Error::file(&path))?;
        }
    }
    if check && !changed.is_empty() { Err(Error::Stale(changed)) } else { Ok(changed) }
}

/// The generated files: name and content.
fn files(facts: &Facts, root: &Path) -> Result<Vec<(&'static str, String)>> {
    let read = |name: &str| {
        let path = root.join(name);
        fs::read_to_string(&path).map_err(Error::file(&path))
    };
    let mut performance = read(PERFORMANCE)?;
    for (name, content) in BLOCKS {
        performance = replace(PERFORMANCE, &performance, name, &content(facts))?;
    }
    let readme = replace(README, &read(README)?, "cost", &tables::readme(facts))?;
    let finishing = replace(FINISHING, &read(FINISHING)?, "finish", &finish::costs(facts))?;
    let mut files = vec![(PERFORMANCE, performance), (README, readme), (FINISHING, finishing)];
    files.extend(PLOTS.into_iter().map(|(name, draw)| (name, draw(facts))));
    Ok(files)
}
