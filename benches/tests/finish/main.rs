//! Finishing under encryption on real genotypes: every holder, both rings, nothing left out but the transport.
//!
//! Encrypted rows and totals of real cohorts go through the refresh, the circuits and the flooded release; what comes out is held
//! against a float64 oracle that shares no code with us.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs
)]

mod data;
mod hits;
mod missing;
mod statistic;
mod world;
