//! An opened key.

use std::fmt;
use std::path::Path;

use ed25519_dalek::{Signer, SigningKey};
use gwas::wire::Did;
use he_core::codec::{decode, encode};
use he_core_secret::{Entropy, MasterKey};
use zeroize::{Zeroize, Zeroizing};

use super::record::KeyRecord;
use super::seal::{Protection, seal, unseal};
use super::{KeyError, PassphraseSource, SealingIdentity, file};

/// Who one is: a signing key and the master secret from which dataset and study keys are derived.
///
/// Zeroised when dropped; prints its did:key only.
pub struct Identity {
    did: Did,
    created: u64,
    signing: SigningKey,
    master: MasterKey,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({}, ..)", self.did)
    }
}

impl Identity {
    /// A new identity, created at `now` (seconds since 1970-01-01 UTC) from fresh randomness.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(now: u64) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut())
            .map_err(|e| KeyError::Randomness(std::io::Error::other(e)))?;
        let entropy = Entropy::fresh().map_err(KeyError::Randomness)?;
        Self::new(SigningKey::from_bytes(&seed), MasterKey::generate(&entropy), now)
    }

    /// A new identity that is written nowhere.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn ephemeral() -> Result<Self, KeyError> {
        Self::generate(0)
    }

    fn new(signing: SigningKey, master: MasterKey, created: u64) -> Result<Self, KeyError> {
        let did = Did::new(signing.verifying_key().to_bytes())
            .map_err(|e| KeyError::Encrypt(e.to_string()))?;
        Ok(Self { did, created, signing, master })
    }

    /// Opens a key file.
    ///
    /// # Errors
    /// When others can read the file, the passphrase is wrong, or the file is damaged.
    pub fn load(path: &Path, passphrase: &PassphraseSource) -> Result<Self, KeyError> {
        let bytes = file::read_private(path)?;
        Self::parse(&unseal(&bytes, path, || passphrase.obtain(path), None)?, path)
    }

    /// Opens a backup: as [`Identity::load`], but others may read the file, it may be a typed-in sheet, and it may be
    /// encrypted to the age identities in the file `identities`.
    ///
    /// # Errors
    /// As [`Identity::load`].
    pub fn restore(
        path: &Path,
        passphrase: &PassphraseSource,
        identities: Option<&Path>,
    ) -> Result<Self, KeyError> {
        let bytes = file::read_public(path)?;
        let block = super::backup::block_of(&bytes)?;
        Self::parse(&unseal(&block, path, || passphrase.obtain(path), identities)?, path)
    }

    fn parse(message: &[u8], path: &Path) -> Result<Self, KeyError> {
        let record: KeyRecord = decode(message)
            .map_err(|e| KeyError::Format { path: path.to_owned(), reason: e.to_string() })?;
        let signing = SigningKey::from_bytes(&record.signing);
        Self::new(signing, MasterKey::from_bytes(record.master), record.created)
    }

    /// Writes the identity to a new file that only its owner can read.
    ///
    /// # Errors
    /// When the file exists or can't be written; nothing is left behind then.
    pub fn create(&self, path: &Path, protection: &Protection) -> Result<(), KeyError> {
        file::create_private(path, &seal(&self.message()?, protection, false)?)
    }

    /// Replaces the identity's file by one with another protection.
    ///
    /// # Errors
    /// When the file can't be written; it stays as it was then.
    pub fn replace(&self, path: &Path, protection: &Protection) -> Result<(), KeyError> {
        file::replace_private(path, &seal(&self.message()?, protection, false)?)
    }

    /// The identity as an age file in text form.
    pub(super) fn armored(&self, protection: &Protection) -> Result<String, KeyError> {
        String::from_utf8(seal(&self.message()?, protection, true)?)
            .map_err(|_| KeyError::Encrypt("armor is not text".into()))
    }

    fn message(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let mut signing = self.signing.to_bytes();
        let mut master = *self.master.expose_bytes();
        let record = KeyRecord { did: self.did, created: self.created, signing, master };
        signing.zeroize();
        master.zeroize();
        Ok(Zeroizing::new(encode(&record)?))
    }

    /// Who it is.
    pub fn did(&self) -> Did {
        self.did
    }

    /// When it was made, in seconds since 1970-01-01 UTC; 0 if it is ephemeral.
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The Ed25519 signature of `message`.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }

    /// The age key to which shares of results are sealed for this party.
    ///
    /// # Errors
    /// When the derived key is unusable, which does not happen.
    pub fn sealing(&self) -> Result<SealingIdentity, KeyError> {
        SealingIdentity::derive(&self.master)
    }

    /// The secret from which the keys of datasets and studies are derived.
    pub fn master(&self) -> &MasterKey {
        &self.master
    }
}

#[cfg(test)]
mod tests {
    use subtle::ConstantTimeEq;

    use super::super::Passphrase;
    use super::*;

    fn same(a: &Identity, b: &Identity) -> bool {
        a.did == b.did
            && a.created == b.created
            && a.master.expose_bytes().ct_eq(b.master.expose_bytes()).into()
    }

    #[test]
    fn signatures_verify_and_nothing_secret_is_printed() {
        let me = Identity::generate(7).unwrap();
        assert!(me.did().verifies(b"message", &me.sign(b"message")));
        assert_eq!(format!("{me:?}"), format!("Identity({}, ..)", me.did()));
    }

    #[test]
    fn files_round_trip_and_passphrases_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("me.key");
        let given = |text: &str| PassphraseSource::Given(Passphrase::new(text.into()));
        let protection = |text: &str| Protection::Passphrase(Passphrase::new(text.into()));
        let me = Identity::generate(1_700_000_000).unwrap();
        me.create(&path, &protection("first passphrase")).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            !bytes.windows(32).any(|w| w == me.master.expose_bytes() || w == me.signing.to_bytes())
        );
        assert!(same(&Identity::load(&path, &given("first passphrase")).unwrap(), &me));
        assert!(matches!(
            Identity::load(&path, &given("other passphrase")),
            Err(KeyError::WrongPassphrase(_))
        ));
        me.replace(&path, &protection("other passphrase")).unwrap();
        assert!(same(&Identity::load(&path, &given("other passphrase")).unwrap(), &me));
        assert!(matches!(me.create(&path, &Protection::None), Err(KeyError::Exists(_))));
    }

    #[test]
    fn unencrypted_files_need_no_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("me.key");
        let me = Identity::generate(1).unwrap();
        me.create(&path, &Protection::None).unwrap();
        // Asking would fail: tests have no terminal.
        assert!(same(&Identity::load(&path, &PassphraseSource::Terminal).unwrap(), &me));
        std::fs::write(&path, b"something else").unwrap();
        assert!(matches!(
            Identity::load(&path, &PassphraseSource::Terminal),
            Err(KeyError::Format { .. })
        ));
    }
}
