//! Measurement of hegwas: what its benchmarks run on, the recorder, and the report made from its records.
//!
//! A *record* is one line of JSON with everything needed to judge a figure: commit, machine, shape, threads, times, bytes, the
//! memory bandwidth of the same minutes, and a check that what was computed was right ([`record`]). Documents and plots hold no
//! figure that was not generated from a record ([`report`]). How to measure: `docs/performance.md`.
#![forbid(unsafe_code)]

pub mod clock;
pub mod cohort;
pub mod compare;
pub mod consortium;
mod error;
pub mod finish;
pub mod job;
pub mod kernel;
pub mod keys;
pub mod machine;
pub mod matrix;
pub mod path;
pub mod plink;
pub mod process;
pub mod record;
pub mod report;
pub mod rounds;
pub mod run;
pub mod say;
pub mod scheme;
pub mod schemes;
pub mod source;
pub mod stream;
pub mod suite;
pub mod trial;
pub mod workload;

pub use error::{Error, Result};

use rayon::{ThreadPool, ThreadPoolBuilder};

/// A pool of `threads` threads: whatever is measured runs inside one, never on the global pool.
///
/// # Errors
/// When threads can't be started.
pub fn pool(threads: usize) -> Result<ThreadPool> {
    ThreadPoolBuilder::new().num_threads(threads).build().map_err(Error::step("starting threads"))
}
