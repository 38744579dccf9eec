//! The finishing ring: elementwise approximate arithmetic on encrypted vectors (Cheon, Kim, Kim and Song 2017, in the RNS form
//! of Cheon et al. 2018), and the circuits that turn encrypted sums into statistics.
//!
//! Section numbers refer to `docs/finishing.md`.

mod bytes;
mod ciphertext;
pub mod circuits;
mod convert;
mod embedding;
mod evaluator;
mod fixed;
mod flood;
pub mod hits;
mod inverse;
mod keys;
pub mod params;
mod plan;
mod predict;
mod refresh;
mod release;
mod ring;
mod scheme;
mod sign;

pub use ciphertext::{Ciphertext, CkksError, Plaintext};
pub use embedding::{Embedding, GUARD_BITS};
pub use evaluator::Evaluator;
pub use fixed::{Complex, Fixed};
pub use flood::{Flood, FloodError};
pub use inverse::{InverseError, ProductInverse};
pub use keys::{
    CkksPublicKey, CkksPublicShare, ContributionError, RelinKey, RelinShare, gadget_factor,
    key_mask,
};
pub use params::CkksParams;
pub use plan::{INPUT_SCALE, StatisticError, StatisticPlan, StatisticRequest, Test};
pub use predict::{NoiseModel, Predict, Predicted};
pub use refresh::{LinearMap, MaskCiphertext, RefreshError, refresh_mask, refreshed, round_masked};
pub use release::{EvaluatedResult, ReleaseError, ReleaseShare, combine, phase_slots};
pub use ring::CkksRing;
pub use scheme::{Clear, Precision, Scheme};
pub use sign::{CompositeSign, Direction, SignError};
