//! The finishing ring end to end: joint keys, arithmetic, refresh, circuits, flooded release; measured against predicted noise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, missing_docs)]

mod cohort;
mod decisions;
mod extremes;
mod hits;
mod operations;
mod refresh;
mod stages;
mod statistic;
mod study;
