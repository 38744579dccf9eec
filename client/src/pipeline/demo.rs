//! `hegwas demo`: a synthetic study, encrypted and checked against plaintext.

mod consortium;
mod party;

use std::path::Path;

use clap::Parser;
use gwas::panel::Panel;
use gwas::report::{Row, TestSummary};
use gwas::stats::Test;
use hegwas_fixtures::{Cohort, Spec};
use serde::Serialize;

use crate::cli::demo::{DemoArgs, Who};
use crate::cli::{Cli, Command};
use crate::console::{Console, Unit};
use crate::{Error, Result};

/// Hits planted in the synthetic cohort.
const HITS: usize = 6;
/// Strongest variants shown.
const TOP: usize = 10;

/// Runs the demo.
///
/// # Errors
/// When a step fails, or the encrypted table differs from the plaintext one.
pub fn demo(args: &DemoArgs, console: &Console) -> Result<()> {
    if args.who == Who::Consortium {
        return consortium::consortium(args, console);
    }
    let out = args.out.clone().unwrap_or_else(|| "hegwas-demo".into());
    std::fs::create_dir_all(&out).map_err(Error::file("create", &out))?;
    let (cohort, pheno) = (out.join("cohort"), out.join("cohort.pheno.tsv"));
    let (people, variants) = args.shape();
    console.note(format_args!(
        "1. a synthetic cohort: {people} people, {variants} variants, {HITS} of them associated (seed {})",
        args.seed
    ));
    let synthetic = generate(args, &out, console)?;

    console.note("2. encrypted: keys and plaintext stay in this process, a server process computes on ciphertexts");
    let threads = args.threads.count().to_string();
    let result = out.join("result");
    let silent = Console::silent();
    // As JSON there is one document, at the end.
    let said = if console.json() { &silent } else { console };
    assoc(&cohort, &pheno, &result, &["--plot", "png,svg", "--threads", &threads], said)?;

    console.note("3. the same without encryption, to compare");
    let plain = out.join("plaintext");
    assoc(&cohort, &pheno, &plain, &["--plaintext", "--threads", &threads], &silent)?;
    let compared = Compared::read(&result, &plain)?;
    let planted = planted(&synthetic);
    if console.json() {
        let record = read(&super::publish::with_suffix(&result, ".run.json"))?;
        return console.print_json(&Demo {
            identical: true,
            table_bytes: compared.bytes,
            top: compared.top(),
            planted,
            out: out.display().to_string(),
            run: serde_json::from_slice(&record).map_err(|e| Error::Internal(e.to_string()))?,
        });
    }
    compared.print(&planted, console)?;
    console.print(format_args!(
        "encrypted and plaintext tables are identical, byte for byte ({} bytes)\n\
         table and plots: {}",
        compared.bytes,
        out.display()
    ))
}

/// A table that is the same encrypted and in the clear.
struct Compared {
    /// Its length.
    bytes: usize,
    panel: Panel,
    allelic: TestSummary,
}

impl Compared {
    /// Reads the tables with these prefixes.
    ///
    /// # Errors
    /// When they differ.
    fn read(encrypted: &Path, clear: &Path) -> Result<Self> {
        let bytes = table(encrypted)?;
        if bytes != table(clear)? {
            return Err(Error::Internal(
                "the encrypted table differs from the plaintext one".into(),
            ));
        }
        let read = gwas::report::read_table(bytes.as_slice());
        let (panel, tests) = read.map_err(|e| Error::Internal(e.to_string()))?;
        let allelic = tests.into_iter().find(|t| t.test == Test::Allelic);
        let allelic =
            allelic.ok_or_else(|| Error::Internal("no allelic test in the table".into()))?;
        Ok(Self { bytes: bytes.len(), panel, allelic })
    }

    /// The variants with the strongest allelic association, strongest first.
    fn top(&self) -> Vec<&str> {
        let id = |row: &Row| Some(self.panel.get(row.variant)?.id);
        self.allelic.top.iter().take(TOP).filter_map(id).collect()
    }

    /// Prints these, and how many of the planted ones are among them.
    fn print(&self, planted: &[&str], console: &Console) -> Result<()> {
        let top = self.top();
        let found = planted.iter().filter(|id| top.contains(id)).count();
        console.print(gwas::report::top_hits(&self.panel, &self.allelic, TOP))?;
        console
            .print(format_args!("{found} of the {HITS} planted associations are among these {TOP}"))
    }
}

/// Makes the cohort and writes `cohort` and `cohort.pheno.tsv` into a folder.
fn generate(args: &DemoArgs, folder: &Path, console: &Console) -> Result<Cohort> {
    let progress = console.progress("generate", 1, Unit::Items("cohort"));
    let (people, variants) = args.shape();
    let spec = Spec::new(args.seed, people as usize, variants as usize).with_hits(HITS);
    let cohort = Cohort::generate(spec).map_err(Error::input)?;
    cohort.write_plink(&folder.join("cohort")).map_err(Error::input)?;
    cohort.write_phenotype(&folder.join("cohort.pheno.tsv")).map_err(Error::input)?;
    progress.inc(1);
    progress.finish();
    Ok(cohort)
}

/// Ids of the variants that were made to be associated.
fn planted(cohort: &Cohort) -> Vec<&str> {
    cohort
        .variants()
        .enumerate()
        .filter(|(index, _)| cohort.spec().planted.iter().any(|p| p.variant == *index))
        .map(|(_, variant)| variant.id.as_str())
        .collect()
}

/// What the demo says as JSON.
#[derive(Serialize)]
struct Demo<'a> {
    /// Encrypted and plaintext tables are the same bytes; otherwise the demo fails.
    identical: bool,
    /// Their length.
    table_bytes: usize,
    /// Variants with the strongest allelic association, strongest first.
    top: Vec<&'a str>,
    /// Variants that were made to be associated.
    planted: Vec<&'a str>,
    /// Folder of the files.
    out: String,
    /// The record of the encrypted run.
    run: serde_json::Value,
}

fn assoc(cohort: &Path, pheno: &Path, out: &Path, more: &[&str], console: &Console) -> Result<()> {
    let paths = [cohort, pheno, out].map(|p| p.as_os_str().to_owned());
    let [cohort, pheno, out] = paths;
    let mut words: Vec<std::ffi::OsString> =
        ["hegwas", "assoc", "--test", "allelic,trend"].map(Into::into).into();
    for (flag, value) in [("--bfile", cohort), ("--pheno", pheno), ("--out", out)] {
        words.extend([flag.into(), value]);
    }
    words.extend(more.iter().map(Into::into));
    let cli = Cli::try_parse_from(words).map_err(|e| Error::Internal(e.to_string()))?;
    match cli.command {
        Command::Assoc(args) => super::assoc(&args, console),
        _ => Err(Error::Internal("not assoc".into())),
    }
}

fn table(prefix: &Path) -> Result<Vec<u8>> {
    read(&super::publish::with_suffix(prefix, ".assoc.tsv"))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(Error::file("read", path))
}
