//! `hegwas agent`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgMatches, Args, FromArgMatches};
use he_core::Digest;

use super::common::{KeyFileArgs, ServerArgs, ThreadArgs};
use super::grant::duration;

const EXAMPLES: &str = "\
Examples:
  hegwas agent policy --example > policy.toml
  hegwas agent --study ID --policy policy.toml --once --server https://gwas.example.org \\
      --key holder.key
  hegwas agent --study ID --min-cases 100 --every 10m --server https://gwas.example.org \\
      --key holder.key

What is shared is written down in the folder HOLDER.KEY.state before it is sent. Back that folder
up with the key: without it the agent does not know what it may no longer share.";

/// `hegwas agent` itself, or `hegwas agent policy`.
#[derive(Debug, Clone)]
pub enum AgentCommand {
    /// Shares.
    Run(Box<AgentArgs>),
    /// Deals with a policy file.
    Policy(PolicyFileArgs),
}

const POLICY: &str = "policy";

impl Args for AgentCommand {
    fn augment_args(command: clap::Command) -> clap::Command {
        let policy = PolicyFileArgs::augment_args(clap::Command::new(POLICY));
        AgentArgs::augment_args(command)
            .subcommand(policy)
            .subcommand_negates_reqs(true)
            .args_conflicts_with_subcommands(true)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for AgentCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        match matches.subcommand() {
            Some((POLICY, matches)) => PolicyFileArgs::from_arg_matches(matches).map(Self::Policy),
            _ => AgentArgs::from_arg_matches(matches).map(|args| Self::Run(Box::new(args))),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

const POLICY_EXAMPLES: &str = "\
Examples:
  hegwas agent policy --example > policy.toml
  hegwas agent policy --check policy.toml";

/// Print an example of a policy file, or check one
#[derive(Args, Debug, Clone)]
#[command(after_help = POLICY_EXAMPLES)]
#[group(required = true, multiple = false)]
pub struct PolicyFileArgs {
    /// Print a file with every setting, explained
    #[arg(long)]
    pub example: bool,
    /// Check that a file is a policy
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
}

/// Check jobs and share their results, for a key holder
///
/// Makes the study's key with the other holders, then for every computed job: checks that it keeps the study's limits and your
/// own, downloads its inputs, recomputes the result, and shares it with those who receive it; first the totals, whose numbers
/// of cases and controls are checked, then the rest. May be stopped at any time.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct AgentArgs {
    /// The study
    #[arg(long, value_name = "STUDY")]
    pub study: Digest,
    /// Do what can be done now, then end
    #[arg(long)]
    pub once: bool,
    /// Show each job and ask before it is shared
    #[arg(long)]
    pub ask: bool,
    /// How often to look: a number and s, m, h, d or y
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, conflicts_with = "once")]
    pub every: Duration,
    /// Your own limits.
    #[command(flatten)]
    pub policy: PolicyArgs,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
}

/// Limits of a key holder's own; the study's hold anyway.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Your own limits")]
pub struct PolicyArgs {
    /// A file with your limits (see `hegwas agent policy --example`); what is given here besides goes before it
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Fewest people in a job
    #[arg(long, value_name = "N")]
    pub min_people: Option<u32>,
    /// Fewest cases in a job
    #[arg(long, value_name = "N")]
    pub min_cases: Option<u32>,
    /// Fewest controls in a job
    #[arg(long, value_name = "N")]
    pub min_controls: Option<u32>,
    /// Fewest data owners in a job
    #[arg(long, value_name = "N")]
    pub min_sites: Option<u32>,
    /// Fewest people by which two groups differ of which sums are shared
    #[arg(long, value_name = "N")]
    pub min_changed_rows: Option<u32>,
    /// Most jobs
    #[arg(long, value_name = "N")]
    pub max_jobs: Option<u32>,
    /// Most jobs over a dataset, or over totals of an owner
    #[arg(long, value_name = "N")]
    pub max_jobs_per_dataset: Option<u32>,
    /// Most phenotypes of a dataset, or different totals of an owner
    #[arg(long, value_name = "N")]
    pub max_phenotypes_per_dataset: Option<u32>,
}
