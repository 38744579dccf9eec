//! `report`: tables, plots and the README's figures from the latest records. Nothing in them is typed by hand.

mod bars;
mod blocks;
mod chart;
mod comparison;
mod contrast;
mod facts;
mod finish;
mod page;
mod parties;
mod plots;
mod projection;
mod published;
mod tables;
mod text;

use std::fs;
use std::path::Path;

use blocks::replace;
use facts::Facts;

use crate::record::numbered;
use crate::{Error, Result};

/// The document with all tables.
const PERFORMANCE: &str = "docs/performance.md";
/// The document with the comparison of schemes.
const COMPARISON: &str = "docs/comparison.md";
/// The document with the short ones.
const README: &str = "README.md";
/// The document of finishing under encryption, with what that costs.
const FINISHING: &str = "docs/finishing.md";
/// Makes the content of a block.
type Block = (&'static str, fn(&Facts) -> String);
/// Blocks of [`PERFORMANCE`].
const BLOCKS: [Block; 11] = [
    ("machine", tables::machine),
    ("bars", bars::bars),
    ("kernels", tables::kernels),
    ("encryption", tables::encryption),
    ("jobs", tables::jobs),
    ("runs", tables::runs),
    ("stages", tables::stages),
    ("consortium", parties::consortium),
    ("growth", tables::growth_table),
    ("plink", tables::plink),
    ("projection", projection::projection),
];
/// Blocks of [`COMPARISON`].
const COMPARISON_BLOCKS: [Block; 4] = [
    ("machine", comparison::machine),
    ("costs", comparison::costs),
    ("schemes", comparison::schemes),
    ("records", comparison::trace),
];
/// Blocks of [`README`].
const README_BLOCKS: [Block; 2] = [("cost", tables::readme), ("comparison", comparison::readme)];
/// Blocks of [`FINISHING`].
const FINISHING_BLOCKS: [Block; 1] = [("finish", finish::costs)];
/// Files that are generated as a whole.
const WHOLE: [Block; 7] = [
    ("docs/plots/people.svg", plots::people),
    ("docs/plots/variants.svg", plots::variants),
    ("docs/plots/schemes.svg", contrast::bars),
    ("docs/plots/schemes-bytes.svg", contrast::bytes),
    ("docs/plots/schemes-people.svg", contrast::people),
    ("docs/plots/schemes-variants.svg", contrast::variants),
    ("docs/comparison.html", page::page),
];

/// Makes every generated file below `root` from the records in `records`; writes those that changed and names them. With
/// `check` nothing is written.
///
/// # Errors
/// When a record or document can't be read or lacks a marker; with `check`, when a file is not what the records give.
pub fn make(records: &Path, root: &Path, check: bool) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    for (name, content) in files(&Facts::new(numbered(records)?), root)? {
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
    let documents: [(&'static str, &[Block]); 4] = [
        (PERFORMANCE, &BLOCKS),
        (COMPARISON, &COMPARISON_BLOCKS),
        (README, &README_BLOCKS),
        (FINISHING, &FINISHING_BLOCKS),
    ];
    let mut files = Vec::new();
    for (document, blocks) in documents {
        let mut text = read(document)?;
        for (name, content) in blocks {
            text = replace(document, &text, name, &content(facts))?;
        }
        files.push((document, text));
    }
    files.extend(WHOLE.into_iter().map(|(name, draw)| (name, draw(facts))));
    Ok(files)
}
