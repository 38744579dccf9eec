//! Signed HTTP to a hegwas server. Protocol section 9.
//!
//! [`Client`] has one typed method for each route. Every request is signed (RFC 9421); every answer has a size limit, and
//! everything named by a digest is checked against it. Requests are repeated, freshly signed, when the connection fails
//! or the server says that it is busy: all of them are idempotent.

mod client;
mod consortium;
mod error;
mod events;
mod retry;
mod routes;
mod send;
mod tls;
mod traffic;
mod url;

pub(crate) use client::now;
pub use client::{Client, Options};
pub use error::NetError;
pub use events::Events;
pub use retry::Retry;
pub use routes::Collection;
pub use traffic::Traffic;
pub use url::{ParseUrlError, ServerUrl};
