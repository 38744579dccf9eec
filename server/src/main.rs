//! `hegwas-server`: see `hegwas-server --help` and docs/operations.md.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    hegwas_server::cli::main()
}
