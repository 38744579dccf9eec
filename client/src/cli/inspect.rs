//! `hegwas inspect`.

use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  hegwas inspect encrypted/dataset
  hegwas inspect me.key cohort.panel encrypted/phenotype/manifest.hegwas --json";

/// Say what is in a file, without secrets
///
/// Names the kind of each file and what can be known without a key: parameters, security and noise margins, counts, signers,
/// digests. Of a dataset or phenotype folder every chunk is checked against its digest.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct InspectArgs {
    /// Files, and folders written by `hegwas encrypt`
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}
