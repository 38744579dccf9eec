//! The finishing ring: elementwise approximate arithmetic on encrypted vectors (Cheon, Kim, Kim and Song 2017, in the RNS form
//! of Cheon et al. 2018), and the circuits that turn encrypted sums into statistics.
//!
//! Section numbers refer to `docs/finishing.md`.

mod bytes;
mod ciphertext;
mod convert;
mod embedding;
mod evaluator;
mod fixed;
mod flood;
mod keys;
mod lanes;
pub mod params;
mod refresh;
mod release;
mod ring;

pub use ciphertext::{Ciphertext, CkksError, Plaintext};
pub use embedding::{Embedding, GUARD_BITS};
pub use evaluator::Evaluator;
pub use fixed::{Complex, Fixed};
pub use flood::{Flood, FloodError};
pub use keys::{
    CkksPublicKey, CkksPublicShare, ContributionError, RelinKey, RelinShare, gadget_factor, key_mask,
};
pub use params::CkksParams;
pub use refresh::{LinearMap, MaskCiphertext, RefreshError, refresh_mask, refreshed, round_masked};
pub use release::{EvaluatedResult, ReleaseError, ReleaseShare, combine};
pub use ring::CkksRing;
