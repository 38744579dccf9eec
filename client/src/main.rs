//! The `hegwas` command.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    hegwas::cli::main()
}
