//! `hegwas assoc`.

use std::path::PathBuf;

use clap::Args;

use super::common::{
    ConnectionArgs, FilterArgs, InputArgs, OutputArgs, PalindromicArgs, PassphraseArgs,
    PhenotypeArgs, ReadingArgs, ReleaseArgs, TestArgs, ThreadArgs,
};
use crate::net::ServerUrl;

const EXAMPLES: &str = "\
Examples:
  hegwas assoc --bfile cohort --pheno pheno.tsv --pheno-name CASE --out result
  hegwas assoc --vcf cohort.vcf.gz --pheno pheno.tsv --test allelic,trend --maf 0.01 --out result
  hegwas assoc --bfile cohort --server https://gwas.example.org --key me.key --out result
  hegwas assoc --bfile cohort --plaintext --out check
  hegwas assoc --bfile cohort --release statistic --smallest-frequency 0.05 --out result
  hegwas assoc --bfile cohort --release hits --p-value 5e-8 --out result

Writes PREFIX.assoc.tsv (with --release statistic PREFIX.statistic.tsv, with hits PREFIX.hits.tsv),
PREFIX.excluded.tsv and PREFIX.run.json.";

/// Run a whole encrypted association study: from files to table
///
/// Encrypts genotypes and phenotype, uploads them, has the server compute, decrypts the sums and writes a table. Without
/// --server a server process is started on this machine and removed afterwards; without --key the keys live in memory only
/// and nothing is asked.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct AssocArgs {
    /// Genotype files.
    #[command(flatten)]
    pub input: InputArgs,
    /// How they are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Test the variants of this panel, in its order, whatever order, alleles and strand the files have [default: all
    /// variants that pass the filters]
    #[arg(long, value_name = "FILE", help_heading = "Harmonisation")]
    pub panel: Option<PathBuf>,
    /// Palindromic variants.
    #[command(flatten)]
    pub palindromic: PalindromicArgs,
    /// Phenotype.
    #[command(flatten)]
    pub phenotype: PhenotypeArgs,
    /// Filters.
    #[command(flatten)]
    pub filters: FilterArgs,
    /// Tests.
    #[command(flatten)]
    pub tests: TestArgs,
    /// What is decrypted.
    #[command(flatten)]
    pub release: ReleaseArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Compute without encryption, through the same packing: the same table, for comparison
    #[arg(long, conflicts_with_all = ["server", "key"], help_heading = "Tests")]
    pub plaintext: bool,
    /// Use this server [default: one started on this machine for this run]
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub server: Option<ServerUrl>,
    /// How to reach it.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Folder for the store of a server started for this run [default: the system's temporary folder]
    #[arg(
        long,
        value_name = "FOLDER",
        env = "TMPDIR",
        hide_env_values = true,
        help_heading = "Server"
    )]
    pub temp_dir: Option<PathBuf>,
    /// Your key file [default: keys in memory, gone after the run]
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    pub key: Option<PathBuf>,
    /// Passphrase of the key file.
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
}
