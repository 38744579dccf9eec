//! What is computed: genotype and phenotype readers, panels, packing, statistics, reports and wire messages.
//!
//! Knows neither HTTP nor a database, and no secret key.
//!
//! Feature `files` (default): readers, packing, filters and reports. The server does without.
#![forbid(unsafe_code)]

mod bitmap;
#[cfg(feature = "files")]
pub mod harmonise;
#[cfg(feature = "files")]
pub mod io;
mod lines;
#[cfg(feature = "files")]
pub mod oracle;
#[cfg(feature = "files")]
pub mod packing;
pub mod panel;
pub mod presence;
#[cfg(feature = "files")]
pub mod qc;
#[cfg(feature = "files")]
pub mod report;
pub mod stats;
pub mod walk;
pub mod wire;

pub use bitmap::Bitmap;
