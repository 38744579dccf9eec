//! `hegwas result`.

use std::path::PathBuf;

use clap::Args;
use he_core::Digest;

use super::common::{KeyFileArgs, OutputArgs, ServerArgs, TestArgs, ThreadArgs, up_to};

const EXAMPLES: &str = "\
Examples:
  hegwas result JOB --out pilot --server https://gwas.example.org --key me.key
  hegwas result JOB --test trend --plot png --out pilot \\
      --server https://gwas.example.org --key me.key
  hegwas result JOB --maf 0.01 --geno 0.05 --out common --server https://gwas.example.org --key me.key";

/// Decrypt a result into a table
///
/// Downloads the encrypted sums of a computed job, checks them, decrypts them, and computes the tests. Of a study with several
/// key holders, the analysts do that when every holder has shared.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct ResultArgs {
    /// The job, computed
    #[arg(value_name = "JOB")]
    pub job: Digest,
    /// A decryption share written by `hegwas share` [default: made here, with your key]
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    pub share: Option<PathBuf>,
    /// Signed manifests of datasets and phenotypes of the job that the server does not show you: their owners give you
    /// the file manifest.hegwas of the folder that they encrypted. They say which variants a site lacks
    #[arg(long, value_name = "FILE")]
    pub manifest: Vec<PathBuf>,
    /// Tests.
    #[command(flatten)]
    pub tests: TestArgs,
    /// Filters.
    #[command(flatten)]
    pub filters: ReleasedFilterArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
}

/// Which variants the table has. Filters act on the decrypted sums, that is on everybody who took part at any site.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Filters")]
pub struct ReleasedFilterArgs {
    /// Least minor allele frequency [0.01 if no value is given]
    #[arg(long, value_name = "FREQ", num_args = 0..=1, default_missing_value = "0.01", value_parser = up_to::<1>)]
    pub maf: Option<f64>,
    /// Largest share of missing calls; people whose site lacks the variant count [0.1 if no value is given]
    #[arg(long, value_name = "SHARE", num_args = 0..=1, default_missing_value = "0.1", value_parser = up_to::<1>)]
    pub geno: Option<f64>,
    /// Least Hardy-Weinberg p-value in controls
    #[arg(long, value_name = "P", value_parser = up_to::<1>)]
    pub hwe: Option<f64>,
}
