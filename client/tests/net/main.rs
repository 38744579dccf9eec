//! The client against servers that fail.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod fake;
mod push;
mod requests;
mod sinks;

use std::sync::Arc;
use std::time::Duration;

use hegwas::keys::Identity;
use hegwas::net::{Client, Options, Retry};

/// A client that does not wait long.
fn client(url: &str, attempts: u32) -> Client {
    let retry = Retry { attempts, base: Duration::from_millis(5), ..Retry::default() };
    let identity = Arc::new(Identity::ephemeral().unwrap());
    Client::new(url.parse().unwrap(), identity, &Options { retry, ..Options::default() }).unwrap()
}
