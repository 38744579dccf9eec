//! `hegwas panel`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::common::{FilterArgs, PalindromicArgs, PhenotypeArgs, ReadingArgs, ThreadArgs};

const EXAMPLES: &str = "\
Examples:
  hegwas panel --bfile cohort --build GRCh37 --maf 0.01 --geno 0.05 --out cohort.panel
  hegwas panel --list a.panel --list b.bim --list c.sites.vcf.gz --build GRCh37 --mode union --out study.panel
  hegwas encrypt --bfile cohort --panel study.panel --key me.key --out encrypted

Writes FILE, FILE.report.tsv (how much of each list is in it) and FILE.excluded.tsv (what was left out, and why).";

/// Write the list of variants that datasets of a study share
///
/// A panel is an ordered list of variants (CHROM POS ID REF ALT) and a genome build, named by its digest. It is public:
/// the server sees it. From the lists of several sites it takes the variants that all of them have, or any; variants are
/// compared by position and alleles, in either order and on either strand. With one genotype file, filters are applied here.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct PanelArgs {
    /// Variant lists.
    #[command(flatten)]
    pub input: PanelInputArgs,
    /// How files are read.
    #[command(flatten)]
    pub reading: ReadingArgs,
    /// How lists are merged.
    #[command(flatten)]
    pub merging: MergeArgs,
    /// Palindromic variants.
    #[command(flatten)]
    pub palindromic: PalindromicArgs,
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

/// Files whose variants a panel is made from.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Genotypes")]
#[group(required = true, multiple = true)]
pub struct PanelInputArgs {
    /// PLINK files PREFIX.bed, PREFIX.bim and PREFIX.fam; may be repeated
    #[arg(long, value_name = "PREFIX")]
    pub bfile: Vec<PathBuf>,
    /// A VCF, VCF.gz or BCF file; may be repeated
    #[arg(long, value_name = "FILE", alias = "bcf")]
    pub vcf: Vec<PathBuf>,
    /// A site's variant list: a panel, a .bim file or a VCF file (genotypes are not looked at); may be repeated
    #[arg(long, value_name = "FILE")]
    pub list: Vec<PathBuf>,
}

/// Which variants of several lists.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModeName {
    /// Variants that every list has
    #[default]
    Intersect,
    /// Variants that any list has; at the other sites they are absent
    Union,
}

/// How lists are merged.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Harmonisation")]
pub struct MergeArgs {
    /// Which variants of several lists
    #[arg(long, value_enum, default_value_t)]
    pub mode: ModeName,
    /// A variant list that says which allele is REF and on which strand [default: the first list that has the variant]
    #[arg(long, value_name = "LIST")]
    pub reference: Option<PathBuf>,
}
