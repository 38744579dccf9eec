//! `hegwas completions`.

use clap::Command;

use crate::cli::completions::CompletionsArgs;
use crate::console::Console;
use crate::{Error, Result};

/// Prints the completion script of a shell.
///
/// # Errors
/// When standard output can't be written.
pub fn completions(args: &CompletionsArgs, console: &Console, mut command: Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "hegwas", &mut script);
    let script = String::from_utf8(script)
        .map_err(|e| Error::Internal(format!("completion script: {e}")))?;
    console.print(script.trim_end())
}
