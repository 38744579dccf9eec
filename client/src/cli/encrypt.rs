//! `hegwas encrypt`.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use he_core::Digest;

use super::common::{
    ConnectionArgs, FilterArgs, KeyFileArgs, PalindromicArgs, PhenotypeArgs, ReadingArgs, TestArgs,
    ThreadArgs,
};
use crate::net::ServerUrl;

const EXAMPLES: &str = "\
Examples:
  hegwas encrypt --bfile cohort --pheno pheno.tsv --pheno-name CASE --key me.key --out encrypted
  hegwas encrypt --bfile cohort --panel study.panel --build GRCh37 --key me.key --out encrypted
  hegwas encrypt --dataset encrypted/dataset --pheno pheno.tsv --pheno-name OTHER --key me.key --out other
  hegwas encrypt --bfile cohort --build GRCh37 --study ID --pheno pheno.tsv --key me.key \\
      --server https://gwas.example.org --out encrypted
  hegwas encrypt --bfile cohort --build GRCh37 --study ID --totals --pheno pheno.tsv --key me.key \\
      --server https://gwas.example.org --out totals
  hegwas encrypt --vcf cohort.bcf --key me.key --server https://gwas.example.org --out encrypted

Writes FOLDER/dataset and FOLDER/phenotype for `hegwas push`. The list of people in FOLDER/dataset stays here: it is
needed to encrypt further phenotypes and is never uploaded. With --panel, FOLDER/alignment.tsv lists every variant of the
panel that the files provide otherwise than as it stands, or not at all.";

/// Encrypt genotypes and phenotypes on this machine
///
/// A dataset is encrypted once; phenotypes can be encrypted for it later. Every run uses fresh keys and randomness, so
/// after an interrupted upload push the same folder again rather than encrypting anew.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct EncryptArgs {
    /// What to encrypt.
    #[command(flatten)]
    pub input: EncryptInputArgs,
    /// How genotype files are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Encrypt the variants of this panel, in its order, whatever order, alleles and strand the files have [default: all
    /// variants that pass the filters]
    #[arg(long, value_name = "FILE", conflicts_with = "dataset", help_heading = "Harmonisation")]
    pub panel: Option<PathBuf>,
    /// Encrypt for this study: on its panel, with its parameters and planes. Its id, with --server; or the file of its
    /// manifest, with --panel
    #[arg(long, value_name = "STUDY", conflicts_with = "test", help_heading = "Study")]
    pub study: Option<StudyName>,
    /// Sum the files here and encrypt the sums instead of everybody's rows: smaller, and made anew for each phenotype.
    /// Nobody can check them: your signature attests the number of people
    #[arg(
        long,
        requires_all = ["study", "server", "pheno"],
        conflicts_with = "dataset",
        help_heading = "Study"
    )]
    pub totals: bool,
    /// Palindromic variants.
    #[command(flatten)]
    pub palindromic: PalindromicArgs,
    /// Phenotype.
    #[command(flatten)]
    pub phenotype: PhenotypeArgs,
    /// Filters.
    #[command(flatten)]
    pub filters: FilterArgs,
    /// Tests that are to be possible: decides which planes are encrypted.
    #[command(flatten)]
    pub tests: TestArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
    /// Folder to write
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    pub out: PathBuf,
    /// Name by which people recognise the dataset; the server sees it
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true,
        help_heading = "Output"
    )]
    pub name: String,
    /// Upload while encrypting instead of writing chunks to FOLDER
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub server: Option<ServerUrl>,
    /// How to reach it.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
}

/// A study that data are encrypted for.
#[derive(Debug, Clone)]
pub enum StudyName {
    /// Its id on the server.
    Id(Digest),
    /// The file of its manifest.
    File(PathBuf),
}

impl FromStr for StudyName {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.parse().map_or_else(|_| Self::File(text.into()), Self::Id))
    }
}

/// Genotype files to encrypt, or a dataset that is encrypted already.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Genotypes")]
#[group(required = true, multiple = false)]
pub struct EncryptInputArgs {
    /// PLINK files PREFIX.bed, PREFIX.bim and PREFIX.fam
    #[arg(long, value_name = "PREFIX")]
    pub bfile: Option<PathBuf>,
    /// A VCF, VCF.gz or BCF file
    #[arg(long, value_name = "FILE", alias = "bcf")]
    pub vcf: Option<PathBuf>,
    /// A dataset folder of an earlier run, to encrypt another phenotype for its people
    #[arg(long, value_name = "FOLDER", requires = "pheno")]
    pub dataset: Option<PathBuf>,
}
