//! Secret half of the finishing ring: holders' keys, encryption, refresh and release shares.
//!
//! Section numbers refer to `docs/finishing.md`.

mod encrypt;
mod flood;
mod keys;
mod refresh;
mod release;

pub use encrypt::encrypt;
pub use keys::CkksHolderKey;
pub use refresh::{MaskKey, refresh_share};
pub use release::release_share;
