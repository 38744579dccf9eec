//! The data holder's and key holder's side of hegwas: library and command.
//!
//! | module | what it does |
//! |---|---|
//! | [`cli`] | the arguments of every subcommand |
//! | [`error`] | one error type with remedies and exit codes |
//! | [`console`] | standard output for results, standard error for everything else, progress |
//! | [`keys`] | key files and the [`keys::Identity`] that they open to |
//! | [`net`] | signed HTTP requests to a server, one typed method for each route |
//! | [`sink`] | where encrypted chunks go: a folder or a server |
//! | [`local_server`] | a `hegwas-server` process that is started and removed |
//! | [`record`] | what a run writes about itself |
//! | [`usage`] | memory and processor time of a process |
//!
//! Invariant: the command never links the server's code; it talks to a process.
#![forbid(unsafe_code)]

pub mod bundle;
pub mod cleanup;
pub mod cli;
pub mod commands;
pub mod console;
pub mod error;
pub mod inspect;
pub mod keys;
pub mod local_server;
pub mod net;
pub mod pipeline;
pub mod record;
mod shares;
pub mod sink;
pub mod usage;

pub use error::{Error, Exit};

/// What every fallible function of the command returns.
pub type Result<T, E = Error> = core::result::Result<T, E>;
