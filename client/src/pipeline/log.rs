//! `hegwas log`: the study's log, verified from where it was seen last.

use std::io::{ErrorKind, Write};
use std::path::Path;

use gwas::wire::Study;
use gwas::wire::log::{Head, PAGE, verify};
use he_core::Digest;

use super::make::client;
use super::shares::{state_folder, sync_folder};
use crate::cli::log::{LogArgs, LogCommand};
use crate::console::Console;
use crate::net::{Client, Collection};
use crate::{Error, Result};

/// Verifies a study's log.
///
/// # Errors
/// When the log is broken or not the one that was seen before.
pub fn log(args: &LogArgs, console: &Console) -> Result<()> {
    let LogCommand::Verify(args) = &args.command;
    let client = client(&args.server, &args.key)?;
    let head = verify_log(&client, &args.id, &args.key.key)?;
    console.print_either(&head, |head| format!("{}\t{}", head.seq, head.hash))
}

/// Verifies a study's log from the head kept beside the file `key` on, and keeps the new one.
pub(super) fn verify_log(client: &Client, study: &Digest, key: &Path) -> Result<Head> {
    let name = client.get_manifest::<Study>(Collection::Studies, study)?.message.log(*study);
    let folder = state_folder(key, "heads")?;
    let path = folder.join(name.to_string());
    let mut known = kept(&path)?;
    loop {
        let after = known.map_or(0, |head| head.seq.saturating_sub(1));
        let entries = client.study_log(study, after)?;
        let head = verify(&name, known, &entries).map_err(Error::corrupt)?;
        if entries.len() < PAGE {
            if known != Some(head) {
                keep(&folder, &path, &head)?;
            }
            return Ok(head);
        }
        known = Some(head);
    }
}

/// The head that was seen last.
fn kept(path: &Path) -> Result<Option<Head>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    let head = serde_json::from_slice(&bytes);
    head.map(Some).map_err(|_| {
        Error::corrupt(format_args!("{} is damaged", path.display())).with_remedy(
            "ask the other parties for the head of the log that they saw, compare, then remove the file",
        )
    })
}

fn keep(folder: &Path, path: &Path, head: &Head) -> Result<()> {
    let bytes = serde_json::to_vec(head).map_err(|e| Error::Internal(e.to_string()))?;
    let write = || {
        // Temporary files are created readable by their owner alone.
        let mut file = tempfile::NamedTempFile::with_prefix_in(".head-", folder)?;
        file.write_all(&bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|e| e.error)
    };
    write().map_err(Error::file("write", path))?;
    sync_folder(folder)?;
    gwas::walk::durable(|| format!("head {}", head.seq));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_kept_and_damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("head");
        assert_eq!(kept(&path).unwrap(), None);
        for seq in [1, 2] {
            let head = Head { seq, hash: Digest::of(&[7]) };
            keep(folder.path(), &path, &head).unwrap();
            assert_eq!(kept(&path).unwrap(), Some(head));
        }
        std::fs::write(&path, b"{}").unwrap();
        assert!(matches!(kept(&path), Err(Error::Corrupt { .. })));
    }
}
