//! `hegwas result`.

use std::path::PathBuf;

use clap::Args;
use he_core::Digest;

use super::common::{KeyFileArgs, OutputArgs, ServerArgs, TestArgs, ThreadArgs};

const EXAMPLES: &str = "\
Examples:
  hegwas result JOB --holder-key pilot.holder --out pilot --server https://gwas.example.org --key me.key
  hegwas result JOB --holder-key pilot.holder --test trend --plot png --out pilot \\
      --server https://gwas.example.org --key me.key";

/// Decrypt a result into a table
///
/// Downloads the encrypted sums of a computed job, checks them, decrypts them with the study's key, and computes the tests.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct ResultArgs {
    /// The job, computed
    #[arg(value_name = "JOB")]
    pub job: Digest,
    /// What decrypts.
    #[command(flatten)]
    pub holder: HolderArgs,
    /// Tests.
    #[command(flatten)]
    pub tests: TestArgs,
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

/// The study's key, or shares made with it.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Keys")]
#[group(required = true, multiple = false)]
pub struct HolderArgs {
    /// The study's secret key (see `hegwas study new`)
    #[arg(long, value_name = "FILE")]
    pub holder_key: Option<PathBuf>,
    /// A decryption share (see `hegwas share`), once for each key holder
    #[arg(long, value_name = "FILE")]
    pub share: Vec<PathBuf>,
}
