//! Fuzz targets for every parser of foreign bytes.
//!
//! A [`Target`] is a function of bytes that says whether they were accepted, and panics when a parser misbehaves: when it panics itself, when it accepts what
//! its writer would not have written, or when what it accepted does not come back from its own bytes. [`TARGETS`] is the
//! one table; everything else goes by it:
//!
//! * `cargo test -p hegwas-fuzz` replays the corpus in `corpus/TARGET/` and then mutates it for a second or two per target
//!   with the [`mutator`], on the stable compiler; CI does this through `cargo test --workspace`.
//! * `HEGWAS_FUZZ=TARGET cargo +nightly fuzz run any corpus/TARGET` searches with coverage, for as long as it is let.
//! * `cargo run -p hegwas-fuzz -- seeds` writes the corpus's hand-made part, `-- run TARGET FILE` replays a crash.
#![forbid(unsafe_code)]
// A target panics to say that it has found something.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub mod mutator;
mod targets;

use std::path::{Path, PathBuf};

pub use targets::{Seeds, TARGETS, Target};

/// The target of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// The names of all targets.
#[must_use]
pub fn names() -> Vec<&'static str> {
    TARGETS.iter().map(|target| target.name).collect()
}

/// Where the inputs of a target are, in the checkout that this was compiled in.
#[must_use]
pub fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

/// The inputs of a target, sorted by file name.
///
/// # Errors
/// When the folder or a file can't be read.
pub fn inputs(target: &Target) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut inputs = Vec::new();
    for item in std::fs::read_dir(corpus(target))? {
        let path = item?.path();
        let bytes = std::fs::read(&path)?;
        inputs.push((path, bytes));
    }
    inputs.sort();
    Ok(inputs)
}
