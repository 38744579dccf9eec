//! Finishing under encryption, whole and in one process: key holders, encrypted sums, the refresh, circuits, flooded release.
//!
//! What `record finish` measures ([`costs`]) is what the tests run on real genotypes. Everything that a holder or a server does
//! is a call of theirs into `he-core-secret` or `he-core`; only the transport is left out.

pub mod circuit;
pub mod costs;
pub mod holders;
pub mod lift;
pub mod study;
pub mod sums;
