//! Encrypting a key's bytes as an age file, and opening one.
//!
//! scrypt with N = 2^17, r = 8, p = 1: 128 MiB and about half a second, the least that OWASP recommends. Files from elsewhere
//! may ask for up to 2^20 (1 GiB).

use std::io::{Read, Write};
use std::path::Path;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{DecryptError, Decryptor, Encryptor};
use zeroize::Zeroizing;

use super::{KeyError, Passphrase};

/// scrypt work factor of files that we write.
const LOG_N: u8 = 17;
/// Largest work factor that we accept.
const MAX_LOG_N: u8 = 20;
/// Largest opened key in bytes: a header and 4096 bytes.
const MAX_OPENED: u64 = 8192;

/// How the bytes of a key file are protected.
pub enum Protection {
    /// Encrypted with a passphrase.
    Passphrase(Passphrase),
    /// Encrypted to age recipients (`age1...`).
    Recipients(Vec<String>),
    /// Not at all.
    None,
}

/// How the bytes of a file are sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sealed {
    /// An age file that a passphrase opens.
    Passphrase,
    /// An age file that an age identity opens.
    Recipients,
    /// No age file.
    No,
}

/// How `bytes` are sealed.
pub fn sealed(bytes: &[u8]) -> Sealed {
    let binary = bytes.starts_with(b"age-encryption.org/");
    let armored = bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----");
    if !binary && !armored {
        return Sealed::No;
    }
    match Decryptor::new(ArmoredReader::new(bytes)) {
        Ok(decryptor) if !decryptor.is_scrypt() => Sealed::Recipients,
        _ => Sealed::Passphrase,
    }
}

/// The bytes of a key file; `armored` as text.
pub(super) fn seal(
    plain: &[u8],
    protection: &Protection,
    armored: bool,
) -> Result<Vec<u8>, KeyError> {
    let failed = |e: &dyn std::fmt::Display| KeyError::Encrypt(e.to_string());
    let encryptor = match protection {
        Protection::None => return Ok(plain.to_vec()),
        Protection::Passphrase(passphrase) => {
            let mut recipient = age::scrypt::Recipient::new(passphrase.secret());
            recipient.set_work_factor(LOG_N);
            Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient))
        }
        Protection::Recipients(texts) => {
            let parse = |text: &String| {
                text.parse::<age::x25519::Recipient>().map_err(|reason| KeyError::AgeKey {
                    what: "recipient",
                    reason: format!("{text}: {reason}"),
                })
            };
            let recipients = texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
            Encryptor::with_recipients(recipients.iter().map(|r| r as &dyn age::Recipient))
        }
    }
    .map_err(|e| failed(&e))?;
    let format = if armored { Format::AsciiArmor } else { Format::Binary };
    let write = || -> std::io::Result<Vec<u8>> {
        let mut writer = encryptor.wrap_output(ArmoredWriter::wrap_output(Vec::new(), format)?)?;
        writer.write_all(plain)?;
        writer.finish()?.finish()
    };
    write().map_err(|e| failed(&e))
}

/// Opens an age file with a passphrase or with age identities; bytes that are no age file are returned as they are.
pub(super) fn unseal(
    bytes: &[u8],
    path: &Path,
    passphrase: impl FnOnce() -> Result<Passphrase, KeyError>,
    identities: Option<&Path>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    match (sealed(bytes), identities) {
        (Sealed::No, _) => Ok(Zeroizing::new(bytes.to_vec())),
        (Sealed::Recipients, None) => Err(KeyError::NeedsIdentity(path.to_owned())),
        (Sealed::Recipients, Some(file)) => {
            let identities = read_identities(file)?;
            decrypt(bytes, path, identities.iter().map(|i| i as &dyn age::Identity))
        }
        (Sealed::Passphrase, _) => {
            // Before asking for anything: is it an age file at all?
            Decryptor::new(ArmoredReader::new(bytes)).map_err(|e| refused(&e, path))?;
            let mut identity = age::scrypt::Identity::new(passphrase()?.secret());
            identity.set_max_work_factor(MAX_LOG_N);
            decrypt(bytes, path, std::iter::once(&identity as &dyn age::Identity))
        }
    }
}

fn decrypt<'a>(
    bytes: &[u8],
    path: &Path,
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let decryptor = Decryptor::new(ArmoredReader::new(bytes)).map_err(|e| refused(&e, path))?;
    let reader = decryptor.decrypt(identities).map_err(|e| refused(&e, path))?;
    // Enough room from the start: a growing vector would leave copies behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(MAX_OPENED as usize + 1));
    let damaged = |reason: String| KeyError::Format { path: path.to_owned(), reason };
    reader
        .take(MAX_OPENED + 1)
        .read_to_end(&mut plain)
        .map_err(|_| damaged("it is damaged".into()))?;
    if plain.len() as u64 > MAX_OPENED {
        Err(damaged("what it holds is too long".into()))
    } else {
        Ok(plain)
    }
}

fn refused(error: &DecryptError, path: &Path) -> KeyError {
    let path = path.to_owned();
    match error {
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed => {
            KeyError::WrongPassphrase(path)
        }
        DecryptError::NoMatchingKeys => KeyError::WrongIdentity(path),
        DecryptError::ExcessiveWork { required, .. } => KeyError::Format {
            path,
            reason: format!("opening it would take a scrypt work factor of 2^{required}"),
        },
        DecryptError::UnknownFormat => {
            KeyError::Format { path, reason: "it is an age file of another version".into() }
        }
        _ => KeyError::Format { path, reason: "it is damaged".into() },
    }
}

/// The X25519 identities of an age identity file.
fn read_identities(path: &Path) -> Result<Vec<age::x25519::Identity>, KeyError> {
    let bytes = super::file::read_private(path)?;
    let wrong = |reason: &str| KeyError::AgeKey {
        what: "identity",
        reason: format!("{}: {reason}", path.display()),
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("not a text file"))?;
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let identities = lines
        .map(|line| line.parse().map_err(|_| wrong("a line is no identity")))
        .collect::<Result<Vec<_>, _>>()?;
    if identities.is_empty() { Err(wrong("no identity in it")) } else { Ok(identities) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(text: &str) -> Passphrase {
        Passphrase::new(text.into())
    }

    fn open(bytes: &[u8], text: &str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        unseal(bytes, Path::new("k"), || Ok(phrase(text)), None)
    }

    #[test]
    fn a_passphrase_opens_what_it_sealed() {
        let bytes =
            seal(b"secret", &Protection::Passphrase(phrase("correct horse")), false).unwrap();
        assert_eq!(sealed(&bytes), Sealed::Passphrase);
        assert_eq!(*open(&bytes, "correct horse").unwrap(), b"secret");
        assert!(matches!(open(&bytes, "wrong horse"), Err(KeyError::WrongPassphrase(_))));
        let mut last = bytes.clone();
        *last.last_mut().unwrap() ^= 1;
        assert!(
            matches!(open(&last, "correct horse"), Err(KeyError::Format { .. })),
            "damaged payload"
        );
        assert!(matches!(
            open(&bytes[..bytes.len() / 2], "correct horse"),
            Err(KeyError::Format { .. })
        ));
    }

    #[test]
    fn a_header_that_asks_for_hours_of_work_is_refused() {
        let bytes =
            seal(b"secret", &Protection::Passphrase(phrase("correct horse")), false).unwrap();
        let at = bytes.windows(4).position(|w| w == b" 17\n").unwrap();
        let mut forged = bytes;
        forged.splice(at..at + 3, *b" 40");
        assert!(
            matches!(open(&forged, "correct horse"), Err(KeyError::Format { reason, .. }) if reason.contains("2^40"))
        );
    }

    #[test]
    fn recipients_need_their_identity() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, identity: &age::x25519::Identity| {
            let path = folder.path().join(name);
            let text = identity.to_string();
            super::super::file::create_private(
                &path,
                age::secrecy::ExposeSecret::expose_secret(&text).as_bytes(),
            )
            .unwrap();
            path
        };
        let (mine, other) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
        let protection = Protection::Recipients(vec![mine.to_public().to_string()]);
        let bytes = seal(b"secret", &protection, true).unwrap();
        assert_eq!(sealed(&bytes), Sealed::Recipients);
        let open =
            |path: Option<&Path>| unseal(&bytes, Path::new("k"), || Err(KeyError::Mismatch), path);
        assert_eq!(*open(Some(&file("mine", &mine))).unwrap(), b"secret");
        assert!(matches!(open(Some(&file("other", &other))), Err(KeyError::WrongIdentity(_))));
        assert!(matches!(open(None), Err(KeyError::NeedsIdentity(_))));
        let bad = Protection::Recipients(vec!["age1nonsense".into()]);
        assert!(matches!(seal(b"x", &bad, false), Err(KeyError::AgeKey { .. })));
    }
}
