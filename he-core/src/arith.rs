//! Arithmetic modulo primes just below 2^50 (and 2^46): scalars, NTT, CRT composition, bit packing.

mod crt;
#[cfg(target_arch = "x86_64")]
mod float_ntt;
pub(crate) mod lanes;
mod modulus;
mod ntt;
pub mod pack;

pub use crt::{Crt, Scale};
pub use modulus::Modulus;
pub use ntt::{Ntt, PortableNtt, Ring};
