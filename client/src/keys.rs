//! Key files: 32 bytes of master secret and the seed of the signing key, in one age file.
//!
//! ```text
//! key file = age(passphrase; message) | message             (protocol section 2, kind 32)
//! message  = header, did, time of creation, master secret, signing seed
//! ```
//!
//! A key file is created readable by its owner alone, never overwrites anything, and is refused when others can read it.
//! [`Identity::load`] opens one; [`Identity::ephemeral`] makes one that is gone after the run.
//! `docs/keys.md` explains backup, rotation and loss to users.

pub mod backup;
mod error;
mod file;
mod identity;
mod passphrase;
mod record;
mod seal;
mod sealing;

pub use backup::block_of;
pub use error::KeyError;
pub use identity::Identity;
pub use passphrase::{Passphrase, PassphraseSource};
pub use seal::{Protection, Sealed, sealed};
pub use sealing::{SealingIdentity, seal_to};
