//! What can go wrong while measuring or reporting.

use std::path::{Path, PathBuf};

/// An error of this crate; says what is wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder can't be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A step of the measured path failed.
    #[error("{what}: {why}")]
    Step {
        /// The step.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// A program failed or can't be started.
    #[error("{program}: {why}")]
    Program {
        /// The program.
        program: String,
        /// Why, with the remedy.
        why: String,
    },
    /// A result differs from the one in the clear.
    #[error(
        "{0} differs from what it has to be: the measurement is void, and this is a bug to report"
    )]
    Inexact(&'static str),
    /// A line of a record file is no record.
    #[error("{}, line {line}: {why}; remove the line or record again", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Why.
        why: String,
    },
    /// A document lacks a marker.
    #[error(
        "{document} has no `<!-- {marker} -->` where one is needed; put both markers of the block back"
    )]
    Marker {
        /// The document.
        document: String,
        /// The marker.
        marker: String,
    },
    /// Generated files are not what the records give.
    #[error("{} differ from what the records give; run `hegwas-bench report` and commit the result", .0.join(", "))]
    Stale(Vec<String>),
}

/// Result with this crate's error.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Names the file in an I/O error.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::File { path: path.to_owned(), source }
    }

    /// Names the step in another crate's error.
    pub(crate) fn step<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |why| Self::Step { what, why: why.to_string() }
    }
}
