//! `hegwas demo`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::common::ThreadArgs;

const EXAMPLES: &str = "\
Examples:
  hegwas demo
  hegwas demo --people 5000 --variants 50000 --out big-demo
  hegwas demo consortium";

/// Run a synthetic study and check it against plaintext
///
/// Makes a seeded cohort with planted hits, starts a server as its own process, encrypts, uploads, computes and decrypts,
/// prints the top hits beside the same statistics from plaintext, and says where the time and the bytes went.
///
/// As a consortium, three sites, three key holders, a coordinator and an analyst run as processes of their own, each with a
/// folder of its own, and every command that they type is shown.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct DemoArgs {
    /// Who takes part
    #[arg(value_enum, value_name = "WHO", default_value_t)]
    pub who: Who,
    /// People [default: 2000; of a consortium 600]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(20..=100_000))]
    pub people: Option<u32>,
    /// Variants [default: 20000; of a consortium 8000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=2_000_000))]
    pub variants: Option<u32>,
    /// Names the cohort among all of its shape
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Folder for the cohort, the table and the plots [default: hegwas-demo; of a consortium hegwas-consortium, or the first
    /// of hegwas-consortium-2, -3 and so on that is not there]
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
    /// Threads.
    #[command(flatten)]
    pub threads: ThreadArgs,
}

/// Who takes part in a demo.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Who {
    /// One party that holds its own key
    #[default]
    Alone,
    /// Three sites and three key holders, none of whom can decrypt alone
    Consortium,
}

impl DemoArgs {
    /// People and variants.
    pub fn shape(&self) -> (u32, u32) {
        let (people, variants) = match self.who {
            Who::Alone => (2_000, 20_000),
            Who::Consortium => (600, 8_000),
        };
        (self.people.unwrap_or(people), self.variants.unwrap_or(variants))
    }
}
