//! What can go wrong with a server of one's own.

use std::io;
use std::path::PathBuf;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum LocalServerError {
    /// No program.
    #[error(
        "the program hegwas-server was not found beside hegwas, in $HEGWAS_SERVER or on the PATH"
    )]
    NotFound,
    /// Cargo could not build it.
    #[error("cannot build hegwas-server: {0}")]
    Build(String),
    /// The folder for its store can't be made.
    #[error("cannot make a folder for the server's store in {}: {source}", path.display())]
    Store {
        /// The parent folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The program can't be run.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended, or said nothing, instead of becoming ready.
    #[error("hegwas-server did not become ready: {reason}{}", indented(tail))]
    NotReady {
        /// What happened.
        reason: String,
        /// The end of its standard error.
        tail: String,
    },
}

impl LocalServerError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::NotFound => {
                "install it beside hegwas (cargo install --path server), set HEGWAS_SERVER to it, or use --server URL"
            }
            Self::Build(_) => "run cargo build --package hegwas-server to see why, or use --server URL",
            Self::Store { .. } => "choose another folder with --temp-dir",
            Self::Start { .. } => "check that HEGWAS_SERVER names a program, or unset it",
            Self::NotReady { .. } => "check the message above and the free space of the temporary folder (--temp-dir)",
        }
        .to_owned()
    }
}

fn indented(tail: &str) -> String {
    tail.lines().map(|line| format!("\n  | {line}")).collect()
}
