//! `hegwas agent`.

use std::time::Duration;

use clap::Args;
use he_core::Digest;

use super::common::{KeyFileArgs, ServerArgs, ThreadArgs};
use super::grant::duration;

const EXAMPLES: &str = "\
Examples:
  hegwas agent --study ID --once --server https://gwas.example.org --key holder.key
  hegwas agent --study ID --min-cases 100 --every 10m --server https://gwas.example.org \\
      --key holder.key

What is shared is written down in the folder HOLDER.KEY.state before it is sent. Back that folder
up with the key: without it the agent does not know what it may no longer share.";

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
    /// Ask before a job is shared
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
    /// Fewest people in a job
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_people: u32,
    /// Fewest cases in a job
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_cases: u32,
    /// Fewest controls in a job
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_controls: u32,
    /// Fewest data owners in a job
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_sites: u32,
    /// Most jobs [default: as many as the study allows]
    #[arg(long, value_name = "N")]
    pub max_jobs: Option<u32>,
}
