//! t
pub mod arith;
pub mod codec;
pub mod digest;
pub mod kernel;
pub mod layout;
pub mod mask;
pub mod params;
pub use digest::Digest;
pub use params::Params;
