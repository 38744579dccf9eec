//! `hegwas panel`.

use std::path::PathBuf;

use clap::Args;

use super::common::{FilterArgs, InputArgs, PhenotypeArgs, ReadingArgs, ThreadArgs};

const EXAMPLES: &str = "\
Examples:
  hegwas panel --bfile cohort --build GRCh37 --maf 0.01 --geno 0.05 --out cohort.panel
  hegwas encrypt --bfile cohort --panel cohort.panel --key me.key --out encrypted";

/// Write the list of variants that datasets of a study share
///
/// A panel is an ordered list of variants (CHROM POS ID REF ALT) and a genome build, named by its digest. It is public:
/// the server sees it. Filters on variants are applied here.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct PanelArgs {
    /// Genotype files.
    #[command(flatten)]
    pub input: InputArgs,
    /// How they are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// Filters.
    #[command(flatten)]
    pub filters: FilterArgs,
    /// Phenotype, for --hwe in controls.
    #[command(flatten)]
    pub phenotype: PhenotypeArgs,
    /// File to write
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: PathBuf,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
}
