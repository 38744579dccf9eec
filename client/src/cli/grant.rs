//! `hegwas grant`.

use std::time::Duration;

use clap::{Args, Subcommand};
use he_core::Digest;

use super::common::{IdArgs, KeyFileArgs, ListArgs, ServerArgs};

const EXAMPLES: &str = "\
Examples:
  hegwas grant new --dataset ID --study ID --for 90d --server https://gwas.example.org --key me.key
  hegwas grant withdraw ID --server https://gwas.example.org --key me.key";

/// Let a study compute on a dataset, or no longer
///
/// A grant is a switching key: with it, and only with it, what the server computes on the dataset can be decrypted under
/// the study's key.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct GrantArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: GrantCommand,
}

/// The subcommands.
#[derive(Subcommand, Debug, Clone)]
pub enum GrantCommand {
    /// Let a study compute on a dataset
    New(NewArgs),
    /// List the grants that you may read
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Withdraw a grant
    ///
    /// Stops jobs that use it and deletes its switching key from the server. What was decrypted before stays known.
    #[command(after_help = WITHDRAW_EXAMPLES, mut_arg("id", |a| a.value_name("GRANT").help("The grant")))]
    Withdraw(IdArgs),
}

const NEW_EXAMPLES: &str = "\
Example:
  hegwas grant new --dataset ID --study ID --for 90d --server https://gwas.example.org --key me.key";

/// Let a study compute on a dataset
#[derive(Args, Debug, Clone)]
#[command(after_help = NEW_EXAMPLES)]
pub struct NewArgs {
    /// The dataset
    #[arg(long, value_name = "ID")]
    pub dataset: Digest,
    /// The study
    #[arg(long, value_name = "ID")]
    pub study: Digest,
    /// How long it holds: a number and s, m, h, d or y
    #[arg(long = "for", value_name = "TIME", default_value = "30d", value_parser = duration)]
    pub lasts: Duration,
    /// Server.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Key.
    #[command(flatten)]
    pub key: KeyFileArgs,
}

const LIST_EXAMPLES: &str = "\
Example:
  hegwas grant list --server https://gwas.example.org --key me.key";

const WITHDRAW_EXAMPLES: &str = "\
Example:
  hegwas grant withdraw ID --server https://gwas.example.org --key me.key";

/// `90d`, `12h`: at least a second, at most a hundred years.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const YEAR: u64 = 365 * 86_400;
    let unit = |c| match c {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        'y' => Some(YEAR),
        _ => None,
    };
    let parsed = text.char_indices().next_back().and_then(|(at, c)| {
        let number: u64 = text.get(..at)?.parse().ok()?;
        number.checked_mul(unit(c)?).filter(|s| (1..=100 * YEAR).contains(s))
    });
    parsed
        .map(Duration::from_secs)
        .ok_or_else(|| "expected a number and s, m, h, d or y, such as 90d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(duration("1s"), Ok(Duration::from_secs(1)));
        for bad in [
            "",
            "d",
            "90",
            "-1d",
            "0d",
            "101y",
            "1w",
            "1é",
            "99999999999999999999d",
            "9999999999999999d",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
