//! `hegwas key`.

mod rotate;

use std::path::Path;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::Result;
use crate::cli::key::{
    BackupArgs, KeyArgs, KeyCommand, NewArgs, NewPassphraseArgs, PasswdArgs, RestoreArgs, ShowArgs,
};
use crate::console::Console;
use crate::keys::{Identity, KeyError, PassphraseSource, Protection, backup};

/// What is printed about a key.
#[derive(Serialize)]
struct KeyInfo {
    did: String,
    created: String,
    file: String,
}

impl KeyInfo {
    fn new(identity: &Identity, file: &Path) -> Self {
        Self {
            did: identity.did().to_string(),
            created: date(identity.created()),
            file: file.display().to_string(),
        }
    }

    fn print(&self, console: &Console) -> Result<()> {
        console.print_either(self, |info| info.did.clone())
    }
}

/// RFC 3339.
fn date(seconds: u64) -> String {
    let time =
        i64::try_from(seconds).ok().and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
    time.and_then(|t| t.format(&Rfc3339).ok()).unwrap_or_else(|| "unknown".into())
}

/// Makes, shows, protects, backs up and restores keys.
///
/// # Errors
/// When a key file can't be used or written.
pub fn key(args: &KeyArgs, console: &Console) -> Result<()> {
    match &args.command {
        KeyCommand::New(args) => new(args, console),
        KeyCommand::Show(args) => show(args, console),
        KeyCommand::Passwd(args) => passwd(args, console),
        KeyCommand::Backup(args) => back_up(args, console),
        KeyCommand::Restore(args) => restore(args, console),
        KeyCommand::Rotate(args) => rotate::rotate(args, console),
    }
}

/// How a new file is to be protected. Asks, if need be, before anything is made.
fn protection(args: &NewPassphraseArgs, out: &Path) -> Result<Protection, KeyError> {
    if args.no_passphrase {
        return Ok(Protection::None);
    }
    PassphraseSource::from(args.new_passphrase_file.clone())
        .obtain_new(out)
        .map(Protection::Passphrase)
}

/// Refuses early what would be refused after a passphrase has been typed.
fn must_be_free(out: &Path) -> Result<(), KeyError> {
    if out.symlink_metadata().is_ok() { Err(KeyError::Exists(out.to_owned())) } else { Ok(()) }
}

fn warn_unencrypted(protection: &Protection, out: &Path, console: &Console) {
    if matches!(protection, Protection::None) {
        console
            .warn(format_args!("{} is not encrypted: whoever reads it has the key", out.display()));
    }
}

fn new(args: &NewArgs, console: &Console) -> Result<()> {
    must_be_free(&args.out)?;
    // For a new file the passphrase file is the new one.
    let wanted = NewPassphraseArgs {
        new_passphrase_file: args.passphrase.passphrase_file.clone(),
        no_passphrase: args.no_passphrase,
    };
    let protection = protection(&wanted, &args.out)?;
    let identity = Identity::generate(crate::net::now())?;
    identity.create(&args.out, &protection)?;
    warn_unencrypted(&protection, &args.out, console);
    console.note(format_args!(
        "{} holds your key. Back it up (hegwas key backup {0}): what it encrypts is lost with it.",
        args.out.display()
    ));
    KeyInfo::new(&identity, &args.out).print(console)
}

fn show(args: &ShowArgs, console: &Console) -> Result<()> {
    let identity = Identity::load(&args.key, &args.passphrase.passphrase_file.clone().into())?;
    KeyInfo::new(&identity, &args.key).print(console)
}

fn passwd(args: &PasswdArgs, console: &Console) -> Result<()> {
    let identity = Identity::load(&args.key, &args.passphrase.passphrase_file.clone().into())?;
    let protection = protection(&args.new, &args.key)?;
    identity.replace(&args.key, &protection)?;
    warn_unencrypted(&protection, &args.key, console);
    console.note("older copies of the file still open with the old passphrase");
    KeyInfo::new(&identity, &args.key).print(console)
}

fn back_up(args: &BackupArgs, console: &Console) -> Result<()> {
    must_be_free(&args.out)?;
    let identity = Identity::load(&args.key, &args.passphrase.passphrase_file.clone().into())?;
    let protection = if args.recipient.is_empty() {
        PassphraseSource::from(args.new_passphrase_file.clone())
            .obtain_new(&args.out)
            .map(Protection::Passphrase)?
    } else {
        Protection::Recipients(args.recipient.clone())
    };
    backup::write(&identity, &protection, &args.out, args.paper.as_deref())?;
    console.note("keep the backup away from the key file, and what opens it away from both");
    KeyInfo::new(&identity, &args.out).print(console)
}

fn restore(args: &RestoreArgs, console: &Console) -> Result<()> {
    must_be_free(&args.out)?;
    let source = args.passphrase.passphrase_file.clone().into();
    let identity = Identity::restore(&args.backup, &source, args.identity.as_deref())?;
    let protection = protection(&args.new, &args.out)?;
    identity.create(&args.out, &protection)?;
    warn_unencrypted(&protection, &args.out, console);
    KeyInfo::new(&identity, &args.out).print(console)
}
