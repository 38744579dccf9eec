//! `hegwas study`.

use clap::{Args, Subcommand};
use he_core::Digest;

use super::common::{IdArgs, KeyFileArgs, ListArgs, ServerArgs};

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
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show a study
    #[command(after_help = SHOW_EXAMPLES, mut_arg("id", |a| a.value_name("STUDY").help("The study")))]
    Show(IdArgs),
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

const SHOW_EXAMPLES: &str = "\
Example:
  hegwas study show ID --server https://gwas.example.org --key me.key";
