//! t
pub mod arith;
pub mod codec;
pub mod digest;
pub mod kernel;
pub mod layout;
pub mod mask;
pub mod noise;
pub mod params;
pub mod planner;
pub use digest::Digest;
pub use params::Params;
pub use planner::{Plan, PlanError, PlanRequest};
