//! CKKS with poulpy-ckks, as a program that `hegwas-bench run --external` measures. `docs/comparison.md` says what it is asked.

mod protocol;
mod scheme;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match protocol::answer(&arguments) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
