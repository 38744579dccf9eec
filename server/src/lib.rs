//! The compute service: stores ciphertexts, checks who may do what, drives jobs. It cannot decrypt: the crate that can is no
//! dependency of it, in any build.
//!
//! From outside in: [`listen`] (sockets, TLS), [`http`] (routes), [`auth`] and [`accept`] (who, and what is acceptable),
//! [`index`] (what is known) and [`store`] (bytes), [`jobs`] (computing).
#![forbid(unsafe_code)]

pub mod accept;
pub mod app;
pub mod auth;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod http;
pub mod index;
pub mod jobs;
pub mod listen;
pub mod lock;
pub mod logs;
pub mod maintain;
pub mod metrics;
pub mod policy;
pub mod records;
pub mod release;
pub mod resume;
pub mod server;
pub mod store;

pub use config::Config;
pub use server::Server;
