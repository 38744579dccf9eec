//! `hegwas key`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::common::{ConnectionArgs, PassphraseArgs};
use crate::net::ServerUrl;

const EXAMPLES: &str = "\
Examples:
  hegwas key new --out me.key
  hegwas key show me.key
  hegwas key backup me.key --out me.backup.age --paper me.backup.txt";

/// Make, show, back up and rotate keys
///
/// A key file holds the secret from which the keys of your datasets and studies are derived, and the key you sign with. Without it,
/// what you encrypted is lost; with it (and its passphrase), everything can be read.
#[derive(Args, Debug, Clone)]
#[command(after_help = EXAMPLES)]
pub struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// The subcommands.
#[derive(Subcommand, Debug, Clone)]
pub enum KeyCommand {
    /// Make a key file
    New(NewArgs),
    /// Print who you are to a server (did:key), and no secret
    Show(ShowArgs),
    /// Change the passphrase of a key file
    Passwd(PasswdArgs),
    /// Write a second, independently protected copy
    Backup(BackupArgs),
    /// Make a key file from a backup
    Restore(RestoreArgs),
    /// Make a successor and say what has to be done with it
    Rotate(RotateArgs),
}

/// The passphrase of a file to be written.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Passphrase of the new file")]
pub struct NewPassphraseArgs {
    /// Take it from the first line of FILE instead of asking
    #[arg(long, value_name = "FILE")]
    pub new_passphrase_file: Option<PathBuf>,
    /// Write the file unencrypted: whoever reads it has the key
    #[arg(long, conflicts_with = "new_passphrase_file")]
    pub no_passphrase: bool,
}

const NEW_EXAMPLES: &str = "\
Examples:
  hegwas key new --out me.key
  hegwas key new --out me.key --passphrase-file secret.txt";

/// Make a key file
///
/// Readable by you alone, encrypted with a passphrase as an age file. Never overwrites a file.
#[derive(Args, Debug, Clone)]
#[command(after_help = NEW_EXAMPLES)]
pub struct NewArgs {
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write it unencrypted: whoever reads it has the key
    #[arg(long, help_heading = "Keys")]
    pub no_passphrase: bool,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  hegwas key show me.key
  hegwas key show me.key --json";

/// Print who you are to a server (did:key), and no secret
#[derive(Args, Debug, Clone)]
#[command(after_help = SHOW_EXAMPLES)]
pub struct ShowArgs {
    /// The key file
    #[arg(value_name = "FILE", env = "HEGWAS_KEY", hide_env_values = true)]
    pub key: PathBuf,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
}

const PASSWD_EXAMPLES: &str = "\
Examples:
  hegwas key passwd me.key
  hegwas key passwd me.key --passphrase-file old.txt --new-passphrase-file new.txt";

/// Change the passphrase of a key file
///
/// The key stays the same, so older copies of the file still open with the old passphrase: destroy them.
#[derive(Args, Debug, Clone)]
#[command(after_help = PASSWD_EXAMPLES)]
pub struct PasswdArgs {
    /// The key file
    #[arg(value_name = "FILE", env = "HEGWAS_KEY", hide_env_values = true)]
    pub key: PathBuf,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// New passphrase.
    #[command(flatten)]
    pub new: NewPassphraseArgs,
}

const BACKUP_EXAMPLES: &str = "\
Examples:
  hegwas key backup me.key --out me.backup.age
  hegwas key backup me.key --recipient age1... --out me.backup.age
  hegwas key backup me.key --out me.backup.age --paper me.backup.txt";

/// Write a second, independently protected copy
///
/// The backup is a text file in the age format, encrypted with another passphrase or to age recipients. The paper form adds
/// instructions and a check for each line, so that it can be typed in again.
#[derive(Args, Debug, Clone)]
#[command(after_help = BACKUP_EXAMPLES)]
pub struct BackupArgs {
    /// The key file
    #[arg(value_name = "FILE", env = "HEGWAS_KEY", hide_env_values = true)]
    pub key: PathBuf,
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Write a sheet for printing too
    #[arg(long, value_name = "FILE")]
    pub paper: Option<PathBuf>,
    /// Passphrase.
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// Encrypt to this age recipient (age1...) instead of a passphrase; may be repeated
    #[arg(
        long,
        value_name = "RECIPIENT",
        conflicts_with = "new_passphrase_file",
        help_heading = "Protection of the backup"
    )]
    pub recipient: Vec<String>,
    /// Take the backup's passphrase from the first line of FILE instead of asking
    #[arg(long, value_name = "FILE", help_heading = "Protection of the backup")]
    pub new_passphrase_file: Option<PathBuf>,
}

const RESTORE_EXAMPLES: &str = "\
Examples:
  hegwas key restore me.backup.age --out me.key
  hegwas key restore me.backup.age --identity age-identity.txt --out me.key";

/// Make a key file from a backup
///
/// Reads a backup file or a typed-in paper sheet.
#[derive(Args, Debug, Clone)]
#[command(after_help = RESTORE_EXAMPLES)]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "BACKUP")]
    pub backup: PathBuf,
    /// File to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The age identity file (AGE-SECRET-KEY-1...) that the backup was encrypted to
    #[arg(long, value_name = "FILE", help_heading = "Keys")]
    pub identity: Option<PathBuf>,
    /// Passphrase of the backup.
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// New passphrase.
    #[command(flatten)]
    pub new: NewPassphraseArgs,
}

const ROTATE_EXAMPLES: &str = "\
Examples:
  hegwas key rotate me.key --out me2.key
  hegwas key rotate me.key --out me2.key --server https://gwas.example.org";

/// Make a successor and say what has to be done with it
///
/// Ciphertexts can't be moved to another key: datasets are encrypted anew. With --server, lists what is still there under
/// the old key. The old key file is not touched: keep it until nothing needs it.
#[derive(Args, Debug, Clone)]
#[command(after_help = ROTATE_EXAMPLES)]
pub struct RotateArgs {
    /// The old key file
    #[arg(value_name = "FILE", env = "HEGWAS_KEY", hide_env_values = true)]
    pub key: PathBuf,
    /// File to write the new key to
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Passphrase of the old key file.
    #[command(flatten)]
    pub passphrase: PassphraseArgs,
    /// New passphrase.
    #[command(flatten)]
    pub new: NewPassphraseArgs,
    /// List what the old key has on this server
    #[arg(long, value_name = "URL", help_heading = "Server")]
    pub server: Option<ServerUrl>,
    /// How to reach it.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}
