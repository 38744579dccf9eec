//! The finishing ring: elementwise approximate arithmetic on encrypted vectors (Cheon, Kim, Kim and Song 2017, in the RNS form
//! of Cheon et al. 2018), and the circuits that turn encrypted sums into statistics.
//!
//! Section numbers refer to `docs/finishing.md`.

mod embedding;
mod fixed;
mod lanes;
pub mod params;

pub use embedding::{Embedding, GUARD_BITS};
pub use fixed::{Complex, Fixed};
pub use params::CkksParams;
