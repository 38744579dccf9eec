//! The server from outside, one program for all tests: linking takes longer than running.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(unreachable_pub)] // modules of one program

mod access;
mod auth;
mod common;
mod consortium;
mod flow;
mod openapi;
mod process;
mod storage;
mod transport;
mod uploads;
