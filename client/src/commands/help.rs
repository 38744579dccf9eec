//! `hegwas help`.

use clap::Command;

use crate::cli::help::HelpArgs;
use crate::console::Console;
use crate::{Error, Exit, Result};

const ENVIRONMENT: &str = "\
HEGWAS_KEY              key file, where --key is not given (not used by assoc)
HEGWAS_PASSPHRASE_FILE  file whose first line is the key file's passphrase
HEGWAS_URL              server, where --server is not given (not used by assoc)
HEGWAS_SERVER           the hegwas-server program that assoc, demo and serve start
TMPDIR                  folder for the store of a server started for one run
HTTPS_PROXY, NO_PROXY   proxy for https:// servers";

/// Prints the help of a command, or a topic.
///
/// # Errors
/// When there is no such command or topic.
pub fn help(args: &HelpArgs, console: &Console, mut command: Command) -> Result<()> {
    let words: Vec<&str> = args.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["exit-codes"] => console.print(Exit::table().trim_end()),
        ["environment"] => console.print(ENVIRONMENT),
        words => {
            command.build();
            let mut at = &mut command;
            for word in words {
                at = at.find_subcommand_mut(word).ok_or_else(|| {
                    Error::usage(
                        format!("there is no command or topic '{}'", words.join(" ")),
                        "hegwas --help lists the commands",
                    )
                })?;
            }
            console.print(at.render_long_help().to_string().trim_end())
        }
    }
}
