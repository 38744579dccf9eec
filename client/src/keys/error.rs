//! What can be wrong with keys.

use std::io;
use std::path::PathBuf;

use he_core::codec::CodecError;

use crate::Exit;

/// Why a key can't be used, made or stored.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file can't be read.
    #[error("cannot read key file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file can't be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file exists: nothing is overwritten.
    #[error("{} exists already; a key file is never overwritten", .0.display())]
    Exists(PathBuf),
    /// Others can read the file.
    #[error("{} can be read or written by other users (mode {mode:04o})", path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is far too long.
    #[error("{} is not a key file: it is longer than 64 kB", .0.display())]
    TooLong(PathBuf),
    /// The file is neither an age file nor an unencrypted key.
    #[error("{} is not a key file: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The passphrase does not open the file.
    #[error("wrong passphrase for {}", .0.display())]
    WrongPassphrase(PathBuf),
    /// The age identity does not open the file.
    #[error("{} is not encrypted to this identity", .0.display())]
    WrongIdentity(PathBuf),
    /// An age identity file is needed.
    #[error("{} is encrypted to an age identity, not with a passphrase", .0.display())]
    NeedsIdentity(PathBuf),
    /// No passphrase was given, and nobody can be asked.
    #[error("{what} is needed, and there is no terminal to ask for it")]
    NoTerminal {
        /// Which passphrase.
        what: &'static str,
    },
    /// The terminal can't be read.
    #[error("cannot read the passphrase from the terminal: {0}")]
    Terminal(io::Error),
    /// The passphrase file can't be used.
    #[error("cannot use passphrase file {}: {reason}", path.display())]
    PassphraseFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The two passphrases differ.
    #[error("the two passphrases differ")]
    Mismatch,
    /// The passphrase is too short.
    #[error("the passphrase is shorter than {0} characters")]
    TooShort(usize),
    /// A text is not an age recipient or identity.
    #[error("not an age {what}: {reason}")]
    AgeKey {
        /// `recipient` or `identity`.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A typed-in sheet has wrong lines.
    #[error(
        "line {line} of the backup was typed wrongly: its check is {expected}, the line gives {found}"
    )]
    Sheet {
        /// 1-based line of the encoded block.
        line: usize,
        /// What the sheet says.
        expected: String,
        /// What the line gives.
        found: String,
    },
    /// The system has no randomness to give.
    #[error("the system gives no randomness: {0}")]
    Randomness(io::Error),
    /// Encryption failed.
    #[error("cannot encrypt the key: {0}")]
    Encrypt(String),
    /// The key itself has no byte form.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl KeyError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Read { .. } => "check the path and the file's permissions".into(),
            Self::Write { .. } => "check the folder, its permissions and the free space".into(),
            Self::Exists(_) => "choose another name with --out, or move the existing file away".into(),
            Self::Permissions { path, .. } => format!("chmod 600 {}", path.display()),
            Self::TooLong(_) | Self::Format { .. } => {
                "name a file made by `hegwas key new`, or restore it from a backup (hegwas key restore)".into()
            }
            Self::WrongPassphrase(_) => "try again; a lost passphrase can't be recovered, a backup can be restored".into(),
            Self::WrongIdentity(_) => "name the identity file that belongs to the backup's recipient".into(),
            Self::NeedsIdentity(_) => "name the identity file: hegwas key restore BACKUP --identity FILE --out FILE".into(),
            Self::NoTerminal { .. } => {
                "give a file that holds it (--passphrase-file or --new-passphrase-file; HEGWAS_PASSPHRASE_FILE)".into()
            }
            Self::Terminal(_) => "give the passphrase with --passphrase-file".into(),
            Self::PassphraseFile { .. } => "its first line must hold the passphrase, in UTF-8, and nothing else".into(),
            Self::Mismatch => "try again".into(),
            Self::TooShort(_) => "use a longer one: several random words are easy to type and hard to guess".into(),
            Self::AgeKey { what: "recipient", .. } => "recipients begin with age1; age-keygen prints yours".into(),
            Self::AgeKey { .. } => "identity files hold a line that begins with AGE-SECRET-KEY-1".into(),
            Self::Sheet { .. } => "compare that line with the sheet".into(),
            Self::Randomness(_) => "nothing may be encrypted without; check the system".into(),
            Self::Encrypt(_) | Self::Codec(_) => crate::error::INTERNAL.into(),
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Write { .. } => Exit::Disk,
            Self::Encrypt(_) | Self::Codec(_) => Exit::Internal,
            _ => Exit::Key,
        }
    }
}
