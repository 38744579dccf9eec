//! Secret half of the encryption scheme: keys, encryption, the making of grants, decryption shares.
//!
//! A server never depends on this package. Secrets are uniform ternary polynomials derived from an owner's master key,
//! zeroised when dropped, and print as nothing; sampling and arithmetic on them take time independent of their values.
//! Section numbers refer to `docs/protocol.md`.
#![forbid(unsafe_code)]

pub mod ckks;
mod commit;
mod encrypt;
mod grant;
mod keys;
mod masks;
mod sampling;
mod seeds;
mod share;
mod smudging;
mod totals;

pub use commit::RevealError;
pub use encrypt::{EncryptError, MatrixEncryptor, WeightEncryptor};
pub use grant::make_switching_key;
pub use keys::{DatasetKey, HolderKey, MasterKey};
pub use masks::Masks;
pub use seeds::{EncryptionSeeds, Entropy};
pub use share::{ShareError, decryption_share, refresh_share, smudged_share, totals_share};
pub use totals::{Totals, encrypt_totals};
