//! `hegwas completions`.

use clap::Args;
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  hegwas completions bash > ~/.local/share/bash-completion/completions/hegwas
  hegwas completions zsh > ~/.zfunc/_hegwas
  hegwas completions fish > ~/.config/fish/completions/hegwas.fish";

/// Print a shell completion script
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}
