//! The encrypted computation, step by step and as a whole.
//!
//! `encrypt`, `study` and `open` do the work on one side of the network; `remote` speaks to the server; the other
//! modules are the bodies of commands.

mod agent;
mod assoc;
mod audit;
mod ceremony;
mod choose;
mod contribute;
mod costs;
mod demo;
mod draft;
mod encrypt;
mod erase;
mod folder;
mod inputs;
mod job;
mod joined;
mod log;
mod make;
mod open;
mod panel;
mod prepare;
mod publish;
mod remote;
mod result;
mod shares;
mod study;
mod totals;

pub use agent::agent;
pub use assoc::assoc;
pub use audit::audit;
pub use contribute::encrypt;
pub use demo::demo;
pub use erase::erase;
pub use job::run;
pub use log::log;
pub use make::{grant, study};
pub use panel::panel;
pub use result::{result, share};

/// Sets the number of threads of everything parallel. The first call counts.
fn use_threads(threads: usize) {
    // An error says that a pool exists already: then that one serves.
    drop(rayon::ThreadPoolBuilder::new().num_threads(threads).build_global());
}
