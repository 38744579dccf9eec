//! `hegwas share`.

use std::path::PathBuf;

use clap::Args;
use he_core::Digest;

use super::common::{KeyFileArgs, ServerArgs};

const EXAMPLES: &str = "\
Examples:
  hegwas share JOB --out pilot.share --server https://gwas.example.org --key me.key
  hegwas result JOB --share pilot.share --out pilot --server https://gwas.example.org --key me.key";

/// Make a key holder's decryption share of a result
///
/// A sole holder's share is as secret as the key: it is written to a file that only you can read, and never sent. `hegwas
/// result` without --share does this step itself.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct ShareArgs {
    /// The job, computed
    #[arg(value_name = "JOB")]
    pub job: Digest,
    /// File to write
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: PathBuf,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}
