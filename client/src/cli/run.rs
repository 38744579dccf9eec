//! `hegwas run`.

use clap::{Arg, Args, Subcommand};
use he_core::Digest;

use super::common::{IdArgs, KeyFileArgs, ListArgs, ServerArgs};

const EXAMPLES: &str = "\
Examples:
  hegwas run new --study ID --dataset ID --phenotype ID --grant ID --server https://gwas.example.org --key me.key
  hegwas run watch JOB --server https://gwas.example.org --key me.key
  hegwas run list --server https://gwas.example.org --key me.key";

/// Have the server compute, and watch it
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct RunArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: RunCommand,
}

/// The subcommands.
#[derive(Subcommand, Debug, Clone)]
pub enum RunCommand {
    /// Submit a job and wait for it
    New(NewArgs),
    /// List the jobs that you may read
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Show where a job stands
    #[command(after_help = JOB_EXAMPLES, mut_arg("id", job))]
    Status(IdArgs),
    /// Wait for a job
    #[command(after_help = JOB_EXAMPLES, mut_arg("id", job))]
    Watch(IdArgs),
    /// Stop a job
    #[command(after_help = JOB_EXAMPLES, mut_arg("id", job))]
    Cancel(IdArgs),
}

const NEW_EXAMPLES: &str = "\
Examples:
  hegwas run new --study ID --phenotype-name CASE --server https://gwas.example.org --key me.key
  hegwas run new --study ID --dataset ID --phenotype ID --grant ID --server https://gwas.example.org --key me.key";

/// Submit a job and wait for it
///
/// Prints the job's id. The job runs on if this command is interrupted; `hegwas run watch` waits for it again.
#[derive(Args, Debug, Clone)]
#[command(after_help = NEW_EXAMPLES)]
pub struct NewArgs {
    /// The study
    #[arg(long, value_name = "ID")]
    pub study: Digest,
    /// Take part with every dataset granted to the study, of every owner, with its newest phenotype of this name, and with
    /// every owner's newest totals of this name
    #[arg(long, value_name = "NAME", help_heading = "Inputs")]
    pub phenotype_name: Option<String>,
    /// With --phenotype-name: a granted dataset, or totals, that does not take part
    #[arg(long, value_name = "ID", requires = "phenotype_name", help_heading = "Inputs")]
    pub without: Vec<Digest>,
    /// A dataset that takes part; may be given several times, each with --phenotype and --grant
    #[arg(
        long,
        value_name = "ID",
        required_unless_present_any = ["phenotype_name", "totals"],
        help_heading = "Inputs"
    )]
    pub dataset: Vec<Digest>,
    /// Its phenotype, in the order of the datasets
    #[arg(long, value_name = "ID", help_heading = "Inputs")]
    pub phenotype: Vec<Digest>,
    /// Its grant to the study, in the order of the datasets
    #[arg(long, value_name = "ID", help_heading = "Inputs")]
    pub grant: Vec<Digest>,
    /// Totals that take part; may be given several times
    #[arg(long, value_name = "ID", help_heading = "Inputs")]
    pub totals: Vec<Digest>,
    /// Do not wait
    #[arg(long)]
    pub detach: bool,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}

const LIST_EXAMPLES: &str = "\
Example:
  hegwas run list --server https://gwas.example.org --key me.key";

const JOB_EXAMPLES: &str = "\
Example:
  hegwas run watch JOB --server https://gwas.example.org --key me.key";

/// How a job's id is called.
fn job(argument: Arg) -> Arg {
    argument.value_name("JOB").help("The job")
}
