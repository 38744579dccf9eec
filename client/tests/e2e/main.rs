//! The programs as they are used: `hegwas` against real `hegwas-server` processes, on the committed synthetic cohorts.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr
)]

mod bad_files;
mod bad_objects;
mod cheats;
#[path = "../common/mod.rs"]
mod common;
mod consortium;
mod crashes;
mod examples;
mod filesets;
mod kills;
mod liar;
mod no_plaintext;
mod party;
mod pooled;
mod proxy;
mod scan;
mod site;
mod steps;
mod tutorial;
