//! `hegwas log`.

use clap::{Args, Subcommand};

use super::common::IdArgs;

const EXAMPLES: &str = "\
Example:
  hegwas log verify ID --server https://gwas.example.org --key me.key";

/// Verify the log of a study
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct LogArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: LogCommand,
}

/// The subcommands.
#[derive(Subcommand, Debug, Clone)]
pub enum LogCommand {
    /// Verify the log of a study and remember how far it was seen
    ///
    /// Prints the number and hash of the last entry, for comparing with the other parties, and keeps them beside your key: a
    /// server that later shows another past is found out.
    #[command(after_help = EXAMPLES, mut_arg("id", |a| a.value_name("STUDY").help("The study")))]
    Verify(IdArgs),
}
