//! `hegwas erase`.

use clap::{Args, ValueEnum};
use he_core::Digest;

use super::common::{KeyFileArgs, ServerArgs};

const EXAMPLES: &str = "\
Examples:
  hegwas erase dataset ID --server https://gwas.example.org --key me.key
  hegwas erase totals ID --yes --server https://gwas.example.org --key me.key";

/// Erase data of yours from a server
///
/// A dataset goes with its phenotypes and grants; unfinished jobs that use it end. Results that were computed stay, and what
/// was decrypted stays known. The entries of the studies' logs that say so are the receipt: every party of a study sees them.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct EraseArgs {
    /// What it is
    #[arg(value_name = "KIND")]
    pub kind: Erasable,
    /// Its id
    #[arg(value_name = "ID")]
    pub id: Digest,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}

/// What can be erased.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Erasable {
    /// Encrypted genotypes.
    Dataset,
    /// An encrypted phenotype.
    Phenotype,
    /// A site's totals.
    Totals,
}
