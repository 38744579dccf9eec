//! The age key to which shares of results are sealed. Protocol section 11.
//!
//! Derived from the master secret: a backup of the key file is a backup of it too, and nothing more has to be kept.

use std::io::{Read, Write};
use std::iter::once;

use age::{Decryptor, Encryptor};
use bech32::{Bech32, Hrp};
use he_core_secret::MasterKey;
use zeroize::{Zeroize, Zeroizing};

use super::KeyError;

const CONTEXT: &str = "hegwas v1 sealing key";
const SECRET_PREFIX: Hrp = Hrp::parse_unchecked("age-secret-key-");

/// A party's sealing key: opens what others sealed to its recipient. Prints its public half only.
pub struct SealingIdentity(age::x25519::Identity);

impl std::fmt::Debug for SealingIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingIdentity({}, ..)", self.recipient())
    }
}

impl SealingIdentity {
    /// The sealing key of a master secret, always the same.
    ///
    /// # Errors
    /// When age refuses the derived secret, which does not happen.
    pub(super) fn derive(master: &MasterKey) -> Result<Self, KeyError> {
        let mut secret = blake3::derive_key(CONTEXT, master.expose_bytes());
        let text = bech32::encode_upper::<Bech32>(SECRET_PREFIX, &secret).map(Zeroizing::new);
        secret.zeroize();
        let text = text.map_err(|e| KeyError::Encrypt(e.to_string()))?;
        text.parse().map(Self).map_err(|e: &str| KeyError::Encrypt(e.to_owned()))
    }

    /// The public half, as a study's manifest names it: `age1...`.
    pub fn recipient(&self) -> String {
        self.0.to_public().to_string()
    }

    /// Opens an age file of at most `limit` bytes of content that was sealed to this key. `None` if it is none, is damaged,
    /// sealed to somebody else, or longer.
    pub fn open(&self, sealed: &[u8], limit: u64) -> Option<Zeroizing<Vec<u8>>> {
        let decryptor = Decryptor::new_buffered(sealed).ok()?;
        let reader = decryptor.decrypt(once(&self.0 as &dyn age::Identity)).ok()?;
        // The plain text is shorter than the file: no growing vector leaves copies behind.
        let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
        reader.take(limit + 1).read_to_end(&mut plain).ok()?;
        (plain.len() as u64 <= limit).then_some(plain)
    }
}

/// Seals bytes to a recipient (`age1...`) of a study's manifest.
///
/// # Errors
/// When the recipient is none that this version seals to.
pub fn seal_to(recipient: &str, plain: &[u8]) -> Result<Vec<u8>, KeyError> {
    let recipient: age::x25519::Recipient = recipient.parse().map_err(|reason| {
        KeyError::AgeKey { what: "recipient", reason: format!("{recipient}: {reason}") }
    })?;
    let failed = |e: &dyn std::fmt::Display| KeyError::Encrypt(e.to_string());
    let encryptor = Encryptor::with_recipients(once(&recipient as &dyn age::Recipient))
        .map_err(|e| failed(&e))?;
    let write = || {
        let mut writer = encryptor.wrap_output(Vec::with_capacity(plain.len() + 1024))?;
        writer.write_all(plain)?;
        writer.finish()
    };
    write().map_err(|e: std::io::Error| failed(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(seed: u8) -> SealingIdentity {
        SealingIdentity::derive(&MasterKey::from_bytes([seed; 32])).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_for_its_recipient_alone() {
        let (mine, other) = (identity(1), identity(2));
        assert_eq!(mine.recipient(), identity(1).recipient(), "the same key every time");
        assert!(mine.recipient().starts_with("age1"));
        let sealed = seal_to(&mine.recipient(), b"a share").unwrap();
        assert_eq!(**mine.open(&sealed, 7).unwrap(), *b"a share");
        assert!(mine.open(&sealed, 6).is_none(), "longer than allowed");
        assert!(other.open(&sealed, 7).is_none());
        let shown = format!("{mine:?}");
        assert!(!shown.to_uppercase().contains("SECRET"), "{shown}");
    }

    #[test]
    fn bad_files_and_recipients_are_refused() {
        let mine = identity(1);
        let mut sealed = seal_to(&mine.recipient(), b"a share").unwrap();
        *sealed.last_mut().unwrap() ^= 1;
        assert!(mine.open(&sealed, 100).is_none());
        assert!(mine.open(b"age-encryption.org/v1\n", 100).is_none());
        for bad in ["", "age1nonsense", "AGE-SECRET-KEY-1QQQ"] {
            assert!(matches!(seal_to(bad, b"x"), Err(KeyError::AgeKey { .. })), "{bad}");
        }
    }
}
