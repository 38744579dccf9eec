//! Encryption under a joint finishing key. Finishing section 4.

use he_core::Digest;
use he_core::ckks::{Ciphertext, CkksPublicKey, CkksRing, Plaintext};
use zeroize::Zeroize;

use crate::sampling::{ErrorIndex, Errors, ternary};
use crate::seeds::{Entropy, derive_key};

/// Encrypts an encoded vector under the joint key: `(b u + e0 + m, a u + e1)`.
///
/// The randomness depends on fresh randomness *and* on the plaintext.
pub fn encrypt(
    ring: &CkksRing,
    public: &CkksPublicKey,
    plaintext: &Plaintext,
    entropy: &Entropy,
) -> Ciphertext {
    let mut bytes: Vec<u8> = plaintext.words().iter().flat_map(|w| w.to_le_bytes()).collect();
    let digest = Digest::derive("hegwas v1 ckks plaintext", &bytes);
    bytes.zeroize();
    let mut key = entropy.derive("hegwas v1 ckks encryption", &digest.0);
    let (mut c0, c1) = encrypt_zero(ring, public, &key, plaintext.limbs());
    key.zeroize();
    ring.add(&mut c0, plaintext.words());
    Ciphertext::new(ring.params(), plaintext.scale(), c0, c1)
}

/// An encryption of zero modulo the first `limbs` primes with the randomness of `key`.
pub(super) fn encrypt_zero(
    ring: &CkksRing,
    public: &CkksPublicKey,
    key: &[u8; 32],
    limbs: usize,
) -> (Vec<u64>, Vec<u64>) {
    let mut small = vec![0; ring.params().degree()];
    let mut ternary_key = derive_key("hegwas v1 ckks ternary", key, &[]);
    ternary(&ternary_key, &mut small);
    ternary_key.zeroize();
    let mut u = ring.lift_small(&small, limbs);

    let mut error_key = Digest(derive_key("hegwas v1 ckks errors", key, &[])).short();
    let errors = Errors::new(&error_key);
    error_key.zeroize();
    let mut part = |factor: &[u64], body: u32| {
        errors.sample(ErrorIndex { plane: 0, group: 0, row: 0, body }, &mut small);
        let mut words = ring.lift_small(&small, limbs);
        ring.multiply_add(factor, &u, &mut words);
        words
    };
    let (b, a) = public.parts();
    let (c0, c1) = (part(b, 0), part(a, 1));
    small.zeroize();
    u.zeroize();
    (c0, c1)
}
