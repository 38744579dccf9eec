//! `hegwas result`.

use std::path::PathBuf;

use clap::Args;
use he_core::Digest;

use super::common::{KeyFileArgs, OutputArgs, ServerArgs, TestArgs, ThreadArgs};

const EXAMPLES: &str = "\
Examples:
  hegwas result JOB --out pilot --server https://gwas.example.org --key me.key
  hegwas result JOB --test trend --plot png --out pilot \\
      --server https://gwas.example.org --key me.key";

/// Decrypt a result into a table
///
/// Downloads the encrypted sums of a computed job, checks them, decrypts them, and computes the tests.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct ResultArgs {
    /// The job, computed
    #[arg(value_name = "JOB")]
    pub job: Digest,
    /// A decryption share written by `hegwas share` [default: made here, with your key]
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    pub share: Option<PathBuf>,
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
