//! Secret half of the encryption scheme: keys, encryption, the making of grants, decryption shares.
//!
//! A server never depends on this package. Secrets are uniform ternary polynomials derived from an owner's master key,
//! zeroised when dropped, and print as nothing; sampling and arithmetic on them take time independent of their values.
//! Section numbers refer to `docs/protocol.md`.
#![forbid(unsafe_code)]

pub mod ckks;
mod encrypt;
mod grant;
mod keys;
mod sampling;
mod seeds;
mod share;

pub use encrypt::{EncryptError, MatrixEncryptor, WeightEncryptor};
pub use grant::make_switching_key;
pub use keys::{DatasetKey, HolderKey, MasterKey};
pub use seeds::{EncryptionSeeds, Entropy};
pub use share::{ShareError, decryption_share};
