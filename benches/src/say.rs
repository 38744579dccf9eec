//! What the programs of this crate print.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program's answer and its progress

use std::fmt::Display;

/// A line of progress, to standard error.
pub fn progress(line: impl Display) {
    eprintln!("{line}");
}

/// A line of the answer, to standard output.
pub fn answer(line: impl Display) {
    println!("{line}");
}
