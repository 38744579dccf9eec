//! The table of targets.

mod bulk;
mod client;
mod finishing;
mod harmonise;
mod http;
mod keys;
mod messages;
mod panel;
mod plink;
mod report;
mod tables;
mod vcf;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// One parser under test.
pub struct Target {
    /// Its name, and that of its folder in the corpus.
    pub name: &'static str,
    /// Panics when the parser misbehaves on these bytes; says whether they were accepted.
    pub run: fn(&[u8]) -> bool,
    /// Hand-made inputs with their file names: `good...` are accepted, `bad...` are refused.
    pub seeds: fn() -> Seeds,
    /// What the format is made of, for the mutator.
    pub words: &'static [&'static [u8]],
    /// Sets lengths right after a mutation.
    pub repair: fn(&mut [u8]),
}

/// Inputs with their names.
pub type Seeds = Vec<(&'static str, Vec<u8>)>;

/// Every target: a parser, its seeds, its words, its repair. A new target is one line here; then
/// `cargo run -p hegwas-fuzz -- seeds` writes its corpus.
pub const TARGETS: &[Target] = &[
    target("bed", plink::bed, plink::bed_seeds, plink::BED_WORDS, keep),
    target("bim", plink::bim, plink::bim_seeds, plink::TEXT_WORDS, keep),
    target("fam", plink::fam, plink::fam_seeds, plink::TEXT_WORDS, keep),
    target("pheno", tables::pheno, tables::pheno_seeds, tables::WORDS, keep),
    target("keep", tables::keep, tables::keep_seeds, tables::WORDS, keep),
    target("extract", tables::extract, tables::extract_seeds, tables::RANGE_WORDS, keep),
    target(
        "extract-ranges",
        tables::extract_ranges,
        tables::range_seeds,
        tables::RANGE_WORDS,
        keep,
    ),
    target("vcf", vcf::vcf, vcf::seeds, vcf::WORDS, keep),
    target("bgzf", vcf::bgzf, vcf::bgzf_seeds, vcf::WORDS, keep),
    target("bcf", vcf::bcf, vcf::bcf_seeds, vcf::BCF_WORDS, vcf::repair_bcf),
    target("assoc", report::assoc, report::seeds, report::WORDS, keep),
    target("panel", panel::panel, panel::seeds, panel::WORDS, keep),
    target("sites", harmonise::sites, harmonise::site_seeds, harmonise::WORDS, keep),
    target(
        "frequencies",
        harmonise::frequencies,
        harmonise::frequency_seeds,
        harmonise::WORDS,
        keep,
    ),
    target("message", messages::message, messages::seeds, messages::WORDS, messages::repair),
    target(
        "envelope",
        messages::envelope,
        messages::envelope_seeds,
        messages::WORDS,
        messages::repair,
    ),
    target("name", messages::name, messages::name_seeds, messages::NAME_WORDS, keep),
    target("json", messages::json, messages::json_seeds, messages::JSON_WORDS, keep),
    target("key", keys::key, keys::seeds, keys::WORDS, keys::repair),
    target("http", http::http, http::seeds, http::WORDS, keep),
    target("events", client::events, client::event_seeds, client::EVENT_WORDS, keep),
    target("people", client::people, client::people_seeds, tables::WORDS, keep),
    target("inspect", client::inspect, client::inspect_seeds, client::WORDS, keep),
    target("bulk", bulk::bulk, bulk::seeds, bulk::WORDS, keep),
    target("finishing", finishing::finishing, finishing::seeds, finishing::WORDS, keep),
];

const fn target(
    name: &'static str,
    run: fn(&[u8]) -> bool,
    seeds: fn() -> Seeds,
    words: &'static [&'static [u8]],
    repair: fn(&mut [u8]),
) -> Target {
    Target { name, run, seeds, words, repair }
}

fn keep(_: &mut [u8]) {}

/// A committed file of the fixtures package.
fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(hegwas_fixtures::committed::data_folder().join(name))
        .expect("a committed fixture")
}

/// The first lines of a text.
fn head(text: &[u8], lines: usize) -> Vec<u8> {
    text.split_inclusive(|&byte| byte == b'\n').take(lines).flatten().copied().collect()
}

/// Runs `work` in a folder that holds these files. The folder is the thread's own, in memory where the system has such a
/// place: a disk would be most of the time.
fn with_files<T>(files: &[(&str, &[u8])], work: impl FnOnce(&Path) -> T) -> T {
    thread_local! {
        static FOLDER: TempDir = folder();
    }
    FOLDER.with(|folder| {
        for (name, bytes) in files {
            write_private(&folder.path().join(name), bytes).expect("a temporary file");
        }
        work(folder.path())
    })
}

/// Key files that others may read are refused, so nobody may.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}

fn folder() -> TempDir {
    in_memory()
        .and_then(|place| tempfile::tempdir_in(place).ok())
        .or_else(|| tempfile::tempdir().ok())
        .expect("a temporary folder")
}

/// A place for temporary files that is no disk, where the system has one.
fn in_memory() -> Option<PathBuf> {
    let place = PathBuf::from("/dev/shm");
    place.is_dir().then_some(place)
}
