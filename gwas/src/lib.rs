//! What is computed: genotype and phenotype readers, panels, packing, statistics, reports and wire messages.
//!
//! Knows neither HTTP nor a database, and no secret key.
#![forbid(unsafe_code)]

pub mod io;
pub mod packing;
pub mod panel;
pub mod qc;
pub mod report;
pub mod stats;
pub mod wire;
