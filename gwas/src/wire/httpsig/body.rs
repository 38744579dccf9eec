//! The `Content-Digest` header (RFC 9530): `sha-256=:base64:`.

use sha2::{Digest as _, Sha256};

use super::HttpSigError;
use super::base::{bytes_header, parse_bytes_header};

const HEADER: &str = "Content-Digest";
const KEY: &str = "sha-256";

/// The header value for `body`.
pub fn content_digest(body: &[u8]) -> Result<String, HttpSigError> {
    bytes_header(HEADER, KEY, &Sha256::digest(body))
}

/// Checks that `header` is the digest of `body`. A request without that header must have an empty body.
pub fn check_content_digest(header: Option<&str>, body: &[u8]) -> Result<(), HttpSigError> {
    let matches = match header {
        Some(header) => parse_bytes_header(HEADER, KEY, header)? == Sha256::digest(body).to_vec(),
        None => body.is_empty(),
    };
    if matches { Ok(()) } else { Err(HttpSigError::BodyDigest) }
}
