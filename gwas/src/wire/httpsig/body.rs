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

/// Checks a body against its `Content-Digest` while it streams in.
pub struct BodyDigest {
    expected: Vec<u8>,
    hasher: Sha256,
}

impl BodyDigest {
    /// Begins the check against a header value.
    ///
    /// # Errors
    /// When the header is malformed.
    pub fn new(header: &str) -> Result<Self, HttpSigError> {
        Ok(Self { expected: parse_bytes_header(HEADER, KEY, header)?, hasher: Sha256::new() })
    }

    /// Takes the next bytes of the body.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Compares the digests, after the last byte.
    ///
    /// # Errors
    /// When they differ.
    pub fn finish(self) -> Result<(), HttpSigError> {
        let found = self.hasher.finalize().to_vec();
        if found == self.expected { Ok(()) } else { Err(HttpSigError::BodyDigest) }
    }
}

/// Checks that `header` is the digest of `body`. A request without that header must have an empty body.
pub fn check_content_digest(header: Option<&str>, body: &[u8]) -> Result<(), HttpSigError> {
    match header {
        Some(header) => {
            let mut check = BodyDigest::new(header)?;
            check.update(body);
            check.finish()
        }
        None if body.is_empty() => Ok(()),
        None => Err(HttpSigError::BodyDigest),
    }
}
