//! Signed HTTP to a hegwas server. Protocol section 9.

mod url;

pub use url::{ParseUrlError, ServerUrl};
