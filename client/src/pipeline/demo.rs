//! `hegwas demo`: a synthetic study, encrypted and checked against plaintext.

use std::path::Path;

use clap::Parser;
use hegwas_fixtures::{Cohort, Spec};

use crate::cli::demo::DemoArgs;
use crate::cli::{Cli, Command};
use crate::console::{Console, Unit};
use crate::{Error, Result};

/// Hits planted in the synthetic cohort.
const HITS: usize = 6;

/// Runs the demo.
///
/// # Errors
/// When a step fails, or the encrypted table differs from the plaintext one.
pub fn demo(args: &DemoArgs, console: &Console) -> Result<()> {
    std::fs::create_dir_all(&args.out).map_err(Error::file("create", &args.out))?;
    let cohort = args.out.join("cohort");
    let pheno = args.out.join("cohort.pheno.tsv");
    console.note(format_args!(
        "1. a synthetic cohort: {} people, {} variants, {HITS} of them associated (seed {})",
        args.people, args.variants, args.seed
    ));
    let progress = console.progress("generate", 1, Unit::Items("cohort"));
    let spec = Spec::new(args.seed, args.people as usize, args.variants as usize).with_hits(HITS);
    let synthetic = Cohort::generate(spec).map_err(Error::input)?;
    synthetic.write_plink(&cohort).map_err(Error::input)?;
    synthetic.write_phenotype(&pheno).map_err(Error::input)?;
    progress.inc(1);
    progress.finish();

    console.note("2. encrypted: keys and plaintext stay in this process, a server process computes on ciphertexts");
    let threads = args.threads.count().to_string();
    let result = args.out.join("result");
    assoc(&cohort, &pheno, &result, &["--plot", "png,svg", "--threads", &threads], console)?;

    console.note("3. the same without encryption, to compare");
    let plain = args.out.join("plaintext");
    assoc(&cohort, &pheno, &plain, &["--plaintext", "--threads", &threads], &Console::silent())?;
    let (encrypted, clear) = (table(&result)?, table(&plain)?);
    if encrypted != clear {
        return Err(Error::Internal("the encrypted table differs from the plaintext one".into()));
    }
    let (panel, tests) = gwas::report::read_table(encrypted.as_slice())
        .map_err(|e| Error::Internal(e.to_string()))?;
    for test in tests.iter().filter(|t| t.test == gwas::stats::Test::Allelic) {
        console.print(gwas::report::top_hits(&panel, test, 10))?;
    }
    console.print(format_args!(
        "encrypted and plaintext tables are identical, byte for byte ({} bytes)\n\
         table and plots: {}",
        encrypted.len(),
        args.out.display()
    ))
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
    let path = super::publish::with_suffix(prefix, ".assoc.tsv");
    std::fs::read(&path).map_err(Error::file("read", &path))
}
