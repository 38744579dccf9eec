//! Public half of the encryption scheme: everything that can be done *without* a secret key.
//!
//! Parameters and the planner that chooses them, the ring and its NTT, the weighted-sum kernel, grants
//! (switching keys) and how they are applied, the key ceremony, the combination of decryption shares, and the byte format
//! of every object. Key generation, encryption and decryption live in the package `he-core-secret`, on
//! which a server never depends.
//!
//! The crate knows no genomics, does no I/O of its own and holds no global state. Section numbers in the
//! documentation refer to `docs/protocol.md`.

pub mod arith;
pub mod ceremony;
pub mod ckks;
pub mod codec;
pub mod commit;
pub mod digest;
pub mod grant;
pub mod kernel;
pub mod layout;
pub mod mask;
pub mod noise;
pub mod params;
pub mod places;
pub mod planner;
pub mod public_key;
pub mod result;
pub mod share;
pub mod sum;
pub mod totals;

pub use digest::Digest;
pub use params::Params;
pub use planner::{Plan, PlanError, PlanRequest};
