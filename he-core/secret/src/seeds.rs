//! Where randomness comes from, and the seeds of one encryption.

use he_core::Digest;
use he_core::mask::MaskSeed;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Thirty-two bytes of fresh randomness, an argument of everything that needs some.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Entropy([u8; 32]);

impl Entropy {
    /// From the operating system.
    ///
    /// # Errors
    ///
    /// If the operating system has no randomness to give; then nothing may be encrypted.
    pub fn fresh() -> std::io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(Self(bytes))
    }

    /// Not random at all: for tests and known-answer vectors only.
    pub fn insecure_deterministic(seed: u64) -> Self {
        Self(Digest::derive("hegwas insecure test entropy", &seed.to_le_bytes()).0)
    }

    /// A key for the named purpose.
    pub(crate) fn derive(&self, context: &str, input: &[u8]) -> [u8; 32] {
        derive_key(context, &self.0, input)
    }
}

/// 32 bytes bound to a secret, a purpose and an input.
pub(crate) fn derive_key(context: &str, secret: &[u8; 32], input: &[u8]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(secret);
    hasher.update(input);
    let key = *hasher.finalize().as_bytes();
    hasher.zeroize();
    key
}

/// The seeds of one encryption of one plaintext: a public nonce and mask seed, a secret noise seed.
///
/// All three depend on fresh randomness *and* on the plaintext, so that neither a repeated run nor a broken source of
/// randomness with different data reuses a mask. Protocol section 3.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct EncryptionSeeds {
    nonce: [u8; 16],
    mask: [u8; 16],
    pub(crate) noise: [u8; 16],
}

impl EncryptionSeeds {
    /// Seeds for encrypting the plaintext with that digest.
    pub fn new(entropy: &Entropy, plaintext: &Digest) -> Self {
        let short = |context: &str| Digest(entropy.derive(context, &plaintext.0)).short();
        Self {
            nonce: short("hegwas v1 dataset nonce"),
            mask: short("hegwas v1 mask seed"),
            noise: short("hegwas v1 noise seed"),
        }
    }

    /// Name of the keys that encrypt: public.
    pub fn nonce(&self) -> [u8; 16] {
        self.nonce
    }

    /// Seed of the masks: public.
    pub fn mask_seed(&self) -> MaskSeed {
        MaskSeed(self.mask)
    }
}
