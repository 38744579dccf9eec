//! Arguments that several commands share.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gwas::stats::pvalue::quantile;
use he_core::Digest;

use crate::net::ServerUrl;

/// Where genotypes come from.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Genotypes")]
#[group(required = true, multiple = false)]
pub struct InputArgs {
    /// PLINK files PREFIX.bed, PREFIX.bim and PREFIX.fam
    #[arg(long, value_name = "PREFIX")]
    pub bfile: Option<PathBuf>,
    /// A VCF, VCF.gz or BCF file
    #[arg(long, value_name = "FILE", alias = "bcf")]
    pub vcf: Option<PathBuf>,
}

/// How genotype files are read.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Genotypes")]
pub struct ReadingArgs {
    /// The first allele column of the .bim file is REF
    #[arg(long, conflicts_with_all = ["ref_last", "vcf"])]
    pub ref_first: bool,
    /// The last allele column of the .bim file is REF (the default; says that it is the reference genome's)
    #[arg(long, conflicts_with = "vcf")]
    pub ref_last: bool,
    /// Genome build to record in the panel, such as GRCh37
    #[arg(long, value_name = "NAME")]
    pub build: Option<String>,
    /// Leave out multi-allelic VCF rows instead of stopping
    #[arg(long)]
    pub skip_multiallelic: bool,
    /// Stop at duplicate variants and unknown contigs instead of leaving them out
    #[arg(long)]
    pub strict: bool,
}

/// Which people and variants take part. Filters are computed here, before encryption.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only people listed in FILE (FID IID, or IID)
    #[arg(long, value_name = "FILE")]
    pub keep: Option<PathBuf>,
    /// Only variants whose ids are listed in FILE
    #[arg(long, value_name = "FILE")]
    pub extract: Option<PathBuf>,
    /// Least minor allele frequency [0.01 if no value is given]
    #[arg(long, value_name = "FREQ", num_args = 0..=1, default_missing_value = "0.01", value_parser = up_to::<1>)]
    pub maf: Option<f64>,
    /// Largest share of missing calls [0.1 if no value is given]
    #[arg(long, value_name = "SHARE", num_args = 0..=1, default_missing_value = "0.1", value_parser = up_to::<1>)]
    pub geno: Option<f64>,
    /// Least Hardy-Weinberg p-value, in controls if the phenotype is known
    #[arg(long, value_name = "P", value_parser = up_to::<1>)]
    pub hwe: Option<f64>,
    /// Count people with parents in the .fam file for --maf and --hwe too
    #[arg(long)]
    pub nonfounders: bool,
}

impl FilterArgs {
    /// Refuses filters that would make one site's variants other than the panel's.
    ///
    /// # Errors
    /// When `--maf`, `--geno` or `--hwe` is given.
    pub fn refuse_for_panel(&self) -> crate::Result<()> {
        if self.maf.is_none() && self.geno.is_none() && self.hwe.is_none() {
            return Ok(());
        }
        Err(crate::Error::usage(
            "--maf, --geno and --hwe can't be combined with --panel: all sites of a study encrypt the same variants, and \
             one site's frequencies say little about the study's",
            "leave them out here and give them to `hegwas result`, where they act on the pooled released statistics",
        ))
    }
}

/// A number from 0 to `MAX`.
pub(super) fn up_to<const MAX: u32>(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(x) if (0.0..=f64::from(MAX)).contains(&x) => Ok(x),
        _ => Err(format!("expected a number from 0 to {MAX}")),
    }
}

/// What becomes of A/T and C/G variants.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PalindromicRule {
    /// Leave them out: nothing tells which strand a file is on
    #[default]
    Drop,
    /// Take them as they stand: right only if all files are known to be on one strand
    Keep,
    /// Find the strand by comparing allele frequencies with those of --freq
    ByFrequency,
}

/// What becomes of variants whose alleles read the same on both strands.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Harmonisation")]
pub struct PalindromicArgs {
    /// What becomes of A/T and C/G variants
    #[arg(long, value_enum, default_value_t)]
    pub palindromic: PalindromicRule,
    /// Public allele frequencies on the panel's strand: a table with the columns #CHROM POS REF ALT ALT_FREQ
    #[arg(long, value_name = "FILE", required_if_eq("palindromic", "by-frequency"))]
    pub freq: Option<PathBuf>,
    /// Largest minor allele frequency at which frequencies still tell the strand
    #[arg(long, value_name = "FREQ", default_value_t = gwas::harmonise::DEFAULT_MAX_MAF, value_parser = up_to_half)]
    pub palindromic_maf: f64,
}

/// A number from 0 to 0.5.
fn up_to_half(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(x) if (0.0..=0.5).contains(&x) => Ok(x),
        _ => Err("expected a number from 0 to 0.5".to_owned()),
    }
}

impl PalindromicArgs {
    /// Refuses rules about a panel's variants where no panel is given.
    ///
    /// # Errors
    /// When there is a rule and no panel.
    pub fn refuse_without(&self, panel: Option<&PathBuf>) -> crate::Result<()> {
        if panel.is_some() || (self.palindromic == PalindromicRule::Drop && self.freq.is_none()) {
            return Ok(());
        }
        Err(crate::Error::usage(
            "--palindromic and --freq say how files are aligned to a panel, and there is none",
            "name the panel with --panel, or leave them out: without a panel no strand is looked at",
        ))
    }
}

/// The phenotype.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Phenotype")]
pub struct PhenotypeArgs {
    /// Phenotypes: a table with #FID and IID (or #IID) and named columns [default: column 6 of the .fam file]
    #[arg(long, value_name = "FILE")]
    pub pheno: Option<PathBuf>,
    /// Column of the phenotype file [default: its only one]
    #[arg(long, value_name = "NAME", requires = "pheno")]
    pub pheno_name: Option<String>,
    /// Cases are 1 and controls 0 (default: 2 and 1)
    #[arg(long = "1")]
    pub one: bool,
    /// Refused with an explanation: no test of this version takes covariates
    #[arg(long, value_name = "FILE", hide = true)]
    pub covar: Option<PathBuf>,
    /// As `covar`
    #[arg(long, value_name = "NAMES", hide = true)]
    pub covar_name: Option<String>,
}

impl PhenotypeArgs {
    /// Refuses covariates, which PLINK users may try.
    ///
    /// # Errors
    /// When a covariate is given.
    pub fn refuse_covariates(&self) -> crate::Result<()> {
        if self.covar.is_none() && self.covar_name.is_none() {
            return Ok(());
        }
        Err(crate::Error::usage(
            "none of the tests of this version takes covariates (allelic, trend, geno, dom, rec)",
            "leave out --covar and --covar-name; the tests compare cases and controls directly",
        ))
    }
}

/// A test.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TestName {
    /// Allele counts in cases and controls (1 df)
    Allelic,
    /// Cochran-Armitage trend (1 df)
    Trend,
    /// Genotype counts (2 df)
    Geno,
    /// Carriers of ALT against the others (1 df)
    Dom,
    /// Homozygous for ALT against the others (1 df)
    Rec,
}

/// Which tests.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Tests")]
pub struct TestArgs {
    /// Tests, comma-separated
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "TESTS",
        default_value = "allelic"
    )]
    pub test: Vec<TestName>,
}

impl TestArgs {
    /// The tests in the order of the table, each once.
    pub fn tests(&self) -> Vec<TestName> {
        let mut tests = self.test.clone();
        tests.sort_unstable();
        tests.dedup();
        tests
    }
}

/// What leaves a study.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReleaseName {
    /// The sums of every variant, from which every test is computed exactly
    #[default]
    Counts,
    /// The allelic chi-square of every variant, computed under encryption: nobody decrypts a count of a variant
    Statistic,
    /// Which variants pass a threshold of the allelic test, told under encryption: nobody decrypts anything else
    Hits,
    /// Which variants pass, and the chi-squares of these
    HitsWithValues,
}

/// What is decrypted.
#[derive(Args, Debug, Clone, Copy)]
#[command(next_help_heading = "Release")]
pub struct ReleaseArgs {
    /// What is decrypted
    #[arg(long, value_enum, default_value_t)]
    pub release: ReleaseName,
    /// With --release statistic and hits: smallest minor allele frequency at which chi-squares are exact to the stated error and
    /// the band of hits is no wider; what is rarer comes out too small [default: 0.01, of hits 0.05]
    #[arg(long, value_name = "FREQ", value_parser = up_to::<1>)]
    pub smallest_frequency: Option<f64>,
    /// With --release hits: a variant is a hit if its p-value is smaller
    #[arg(long, value_name = "P", default_value = "5e-8", value_parser = up_to::<1>)]
    pub p_value: f64,
    /// With --release hits: distance of |Z| from the threshold within which either answer may come [default: 0.01, with values 0.02]
    #[arg(long, value_name = "Z", value_parser = up_to::<1>)]
    pub band: Option<f64>,
}

/// Millionths; the manifest's check says what is allowed.
fn millionths(x: f64) -> u32 {
    (x * 1e6).round() as u32
}

impl ReleaseArgs {
    /// As the manifest has it.
    pub fn release(self) -> gwas::wire::Release {
        match self.release {
            ReleaseName::Counts => gwas::wire::Release::Counts,
            ReleaseName::Statistic => gwas::wire::Release::Statistic {
                smallest_frequency: millionths(self.smallest_frequency.unwrap_or(0.01)),
            },
            ReleaseName::Hits => gwas::wire::Release::Hits(self.rule(0.01)),
            ReleaseName::HitsWithValues => gwas::wire::Release::HitsWithValues(self.rule(0.02)),
        }
    }

    fn rule(self, band: f64) -> gwas::wire::HitRule {
        gwas::wire::HitRule {
            threshold: millionths(quantile(self.p_value, 1).sqrt()),
            band: millionths(self.band.unwrap_or(band)),
            smallest_frequency: millionths(self.smallest_frequency.unwrap_or(0.05)),
        }
    }
}

/// How tables are written.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TableFormat {
    /// PREFIX.assoc.tsv, our own columns
    #[default]
    Native,
    /// PREFIX.assoc or PREFIX.model as PLINK 1.9 writes them
    Plink,
    /// GWAS-SSF 1.0 with its YAML sidecar
    Ssf,
}

/// How plots are written.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlotFormat {
    /// Pixels
    Png,
    /// Vectors
    Svg,
}

/// What is written.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Prefix of the files to write
    #[arg(long, value_name = "PREFIX")]
    pub out: PathBuf,
    /// Format of the table
    #[arg(long, value_enum, default_value_t)]
    pub format: TableFormat,
    /// Draw Manhattan and QQ plots too: png, svg or both
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMATS")]
    pub plot: Vec<PlotFormat>,
}

/// How a server is reached.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Server")]
pub struct ConnectionArgs {
    /// Trust these certificate authorities (PEM) instead of the system's
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// Allow http:// to other machines; what is sent is encrypted and signed, but who sends how much is visible
    #[arg(long)]
    pub insecure_http: bool,
    /// Connections for uploads and downloads
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub connections: u8,
}

/// A server that must be named.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// The server
    #[arg(long, value_name = "URL", env = "HEGWAS_URL", hide_env_values = true)]
    pub server: ServerUrl,
    /// How to reach it.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// How a key file is opened without asking.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Keys")]
pub struct PassphraseArgs {
    /// Read the passphrase from the first line of FILE (- is standard input) instead of asking
    #[arg(long, value_name = "FILE", env = "HEGWAS_PASSPHRASE_FILE", hide_env_values = true)]
    pub passphrase_file: Option<PathBuf>,
}

/// A key file that must be named.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Keys")]
pub struct KeyFileArgs {
    /// Your key file (see `hegwas key new`)
    #[arg(long, value_name = "FILE", env = "HEGWAS_KEY", hide_env_values = true)]
    pub key: PathBuf,
    /// Its passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

/// How much of the machine is used.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Machine")]
pub struct ThreadArgs {
    /// Threads [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

impl ThreadArgs {
    /// The number of threads.
    pub fn count(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.map_or_else(cores, usize::from)
    }
}

/// Whom to ask, as whom, and nothing else: for listings.
#[derive(Args, Debug, Clone)]
pub struct ListArgs {
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}

/// One object on a server. Each command names the argument after what it takes.
#[derive(Args, Debug, Clone)]
pub struct IdArgs {
    /// The object
    pub id: Digest,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}
