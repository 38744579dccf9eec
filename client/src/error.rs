//! What can go wrong, what to do about it, and the exit code that says so to scripts.
//!
//! The command prints an error as two paragraphs on standard error,
//!
//! ```text
//! error: cannot open study.key: it can be read by other users
//! help: chmod 600 study.key
//! ```
//!
//! and exits with [`Error::exit`]. Errors of other crates that carry their remedy in the message come in through
//! [`Error::input`].

mod exit;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use exit::Exit;

use crate::keys::KeyError;
use crate::local_server::LocalServerError;
use crate::net::NetError;

/// Any error of the command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments do not make sense together.
    #[error("{message}")]
    Usage {
        /// What does not fit.
        message: String,
        /// What to write instead.
        remedy: String,
    },
    /// A file of the user can't be used: the message names it, with line or field.
    #[error("{message}")]
    Input {
        /// What is wrong, and where.
        message: String,
        /// What to do, unless the message says so.
        remedy: Option<String>,
    },
    /// Bytes that are not what they should be: a wrong digest, signature, parameter set or length.
    #[error("{message}")]
    Corrupt {
        /// What does not verify.
        message: String,
        /// What to do, unless the message says so.
        remedy: Option<String>,
    },
    /// A key can't be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The server can't be reached, refuses, or sends what does not verify.
    #[error(transparent)]
    Net(#[from] NetError),
    /// There is no server of one's own.
    #[error(transparent)]
    LocalServer(#[from] LocalServerError),
    /// The system refused a file operation.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried: `read`, `write`, `create`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Standard output can't be written.
    #[error("cannot write to standard output: {0}")]
    Stdout(io::Error),
    /// A state that should not be possible.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// Arguments that do not make sense together.
    pub fn usage(message: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self::Usage { message: message.to_string(), remedy: remedy.to_string() }
    }

    /// A file that can't be used; `what` names the file, the place and the remedy.
    pub fn input(what: impl fmt::Display) -> Self {
        Self::Input { message: what.to_string(), remedy: None }
    }

    /// Bytes that do not verify; `what` names them and says what to do.
    pub fn corrupt(what: impl fmt::Display) -> Self {
        Self::Corrupt { message: what.to_string(), remedy: None }
    }

    /// The same error with a remedy, where it can carry one.
    #[must_use]
    pub fn with_remedy(mut self, text: impl fmt::Display) -> Self {
        if let Self::Input { remedy, .. } | Self::Corrupt { remedy, .. } = &mut self {
            *remedy = Some(text.to_string());
        }
        self
    }

    /// For `map_err`: a refused file operation. `action` completes "cannot ... PATH".
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Usage { remedy, .. } => Some(remedy.clone()),
            Self::Input { remedy, .. } | Self::Corrupt { remedy, .. } => remedy.clone(),
            Self::Key(error) => Some(error.remedy()),
            Self::Net(error) => Some(error.remedy()),
            Self::LocalServer(error) => Some(error.remedy()),
            Self::File { action, source, .. } => Some(file_remedy(action, source).to_owned()),
            Self::Stdout(_) => Some("check where standard output goes".to_owned()),
            Self::Internal(_) => Some(INTERNAL.to_owned()),
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Input { .. } => Exit::Input,
            Self::Corrupt { .. } => Exit::Corrupt,
            Self::Key(error) => error.exit(),
            Self::Net(error) => error.exit(),
            Self::LocalServer(LocalServerError::Store { .. }) => Exit::Disk,
            Self::LocalServer(_) => Exit::Network,
            Self::File { action: "read" | "open", source, .. }
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Exit::Input
            }
            Self::File { .. } | Self::Stdout(_) => Exit::Disk,
            Self::Internal(_) => Exit::Internal,
        }
    }
}

/// What to do about a bug.
pub const INTERNAL: &str =
    "this is a bug; please report it with the command line and the version (hegwas --version)";

fn file_remedy(action: &str, source: &io::Error) -> &'static str {
    use io::ErrorKind as K;
    match source.kind() {
        K::NotFound if action == "read" || action == "open" => "check the path",
        K::NotFound => "create the folder first, or choose another path",
        K::PermissionDenied => "check the permissions of the file and its folder",
        K::AlreadyExists => "choose another name, or move the existing file away",
        K::StorageFull | K::QuotaExceeded | K::FileTooLarge => {
            "free some space or write to another disk, then run it again"
        }
        K::ReadOnlyFilesystem => "write to another disk",
        K::IsADirectory | K::NotADirectory => {
            "check the path: one is a folder where a file is needed, or the reverse"
        }
        _ => "check the disk and try again",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(action: &'static str, kind: io::ErrorKind) -> Error {
        Error::file(action, Path::new("a/b"))(kind.into())
    }

    #[test]
    fn every_error_has_its_code_and_remedy() {
        let cases = [
            (Error::usage("a", "b"), 2),
            (Error::input("a").with_remedy("b"), 3),
            (Error::corrupt("a").with_remedy("b"), 7),
            (file("read", io::ErrorKind::NotFound), 3),
            (file("write", io::ErrorKind::NotFound), 8),
            (file("write", io::ErrorKind::StorageFull), 8),
            (Error::Internal("a".into()), 70),
        ];
        for (error, code) in cases {
            assert_eq!(error.exit().code(), code, "{error}");
            assert!(error.remedy().is_some_and(|r| !r.is_empty()), "{error}");
        }
    }

    #[test]
    fn file_errors_name_the_file() {
        assert!(
            file("write", io::ErrorKind::StorageFull).to_string().starts_with("cannot write a/b: ")
        );
    }
}
