//! `hegwas demo`.

use std::path::PathBuf;

use clap::Args;

use super::common::ThreadArgs;

const EXAMPLES: &str = "\
Examples:
  hegwas demo
  hegwas demo --people 5000 --variants 50000 --out big-demo";

/// Run a synthetic study and check it against plaintext
///
/// Makes a seeded cohort with planted hits, starts a server as its own process, encrypts, uploads, computes and decrypts,
/// prints the top hits beside the same statistics from plaintext, and says where the time and the bytes went.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// People
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(20..=100_000))]
    pub people: u32,
    /// Variants
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(10..=2_000_000))]
    pub variants: u32,
    /// Names the cohort among all of its shape
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Folder for the cohort, the table and the plots
    #[arg(long, value_name = "FOLDER", default_value = "hegwas-demo")]
    pub out: PathBuf,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
}
