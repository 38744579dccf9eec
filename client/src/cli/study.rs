//! `hegwas study`.

use clap::{Args, Subcommand};
use he_core::Digest;

use super::common::{KeyFileArgs, ServerArgs};

const EXAMPLES: &str = "\
Examples:
  hegwas study new --dataset ID --name 'Height, pilot' --purpose 'Replication of known loci' \\
      --server https://gwas.example.org --key me.key
  hegwas study list --server https://gwas.example.org --key me.key";

/// Make and list studies
///
/// A study says what is computed on which panel, and has its own key: results are encrypted under it.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct StudyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: StudyCommand,
}

/// The subcommands.
#[derive(Subcommand, Debug, Clone)]
pub enum StudyCommand {
    /// Make a study
    New(NewArgs),
    /// List the studies that you may read
    List(ListArgs),
    /// Show a study
    Show(ShowArgs),
}

const NEW_EXAMPLES: &str = "\
Example:
  hegwas study new --dataset ID --name Pilot --purpose 'Replication' \\
      --server https://gwas.example.org --key me.key";

/// Make a study
///
/// You are its key holder: its secret key is derived from your key file.
#[derive(Args, Debug, Clone)]
#[command(after_help = NEW_EXAMPLES)]
pub struct NewArgs {
    /// A dataset whose panel, parameters and planes the study takes over
    #[arg(long, value_name = "ID")]
    pub dataset: Digest,
    /// Name by which people recognise it; the server sees it
    #[arg(long, value_name = "TEXT")]
    pub name: String,
    /// What it is for: what data owners agree to
    #[arg(long, value_name = "TEXT")]
    pub purpose: String,
    /// Fewest people in a job
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub min_people: u32,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}

const LIST_EXAMPLES: &str = "\
Example:
  hegwas study list --server https://gwas.example.org --key me.key";

/// List the studies that you may read
#[derive(Args, Debug, Clone)]
#[command(after_help = LIST_EXAMPLES)]
pub struct ListArgs {
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}

const SHOW_EXAMPLES: &str = "\
Example:
  hegwas study show ID --server https://gwas.example.org --key me.key";

/// Show a study
#[derive(Args, Debug, Clone)]
#[command(after_help = SHOW_EXAMPLES)]
pub struct ShowArgs {
    /// The study
    #[arg(value_name = "STUDY")]
    pub study: Digest,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}
