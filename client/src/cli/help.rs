//! `hegwas help`.

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  hegwas help assoc
  hegwas help key new
  hegwas help exit-codes";

/// Explain a command or a topic
///
/// Topics: exit-codes, environment.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct HelpArgs {
    /// A command, a subcommand, or a topic
    #[arg(value_name = "COMMAND")]
    pub words: Vec<String>,
}
