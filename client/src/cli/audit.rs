//! `hegwas audit`.

use clap::Args;
use he_core::Digest;

use super::common::{KeyFileArgs, ServerArgs, ThreadArgs};

const EXAMPLES: &str = "\
Example:
  hegwas audit JOB --server https://gwas.example.org --key holder.key";

/// Recompute a result from its inputs and compare
///
/// Downloads every input of a job, does what the server did, and compares every byte. For who may read the inputs: the study's
/// key holders, and the owner of all of them.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct AuditArgs {
    /// The job, computed
    #[arg(value_name = "JOB")]
    pub job: Digest,
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
