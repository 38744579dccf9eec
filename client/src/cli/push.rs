//! `hegwas push`.

use std::path::PathBuf;

use clap::Args;

use super::common::{KeyFileArgs, ServerArgs};

const EXAMPLES: &str = "\
Examples:
  hegwas push encrypted/dataset encrypted/phenotype --server https://gwas.example.org --key me.key";

/// Upload an encrypted dataset, a phenotype or totals
///
/// Sends the chunks that the server does not hold yet, then the signed manifest, and prints the id of each object. After
/// an interruption the same command continues where it stopped.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct PushArgs {
    /// Folders written by `hegwas encrypt`: a dataset before its phenotypes, totals
    #[arg(required = true, value_name = "FOLDER")]
    pub folders: Vec<PathBuf>,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}
