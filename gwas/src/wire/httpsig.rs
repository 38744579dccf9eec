//! HTTP message signatures (RFC 9421, Ed25519) with body digests (RFC 9530). Protocol section 9.
//!
//! One profile of the RFC, the same for client and server: one signature with the label `hegwas`, which covers
//! `"@method" "@authority" "@target-uri"` and, when the request carries that header, `"content-digest"`, with the
//! parameters `created`, `expires`, `nonce`, `keyid` (the signer's did:key) and `alg`. A verifier accepts nothing else, in
//! no other form: header values must be the canonical serialisation of what they parse to.
//!
//! Time and randomness are arguments. That a nonce is used once is for the caller to ensure: it remembers
//! `(did, nonce)` until `expires`.

mod base;
mod body;
mod origin;
#[cfg(test)]
mod tests;

use super::Did;
pub use base::{Parameter, signature_base, signature_params};
pub use body::{BodyDigest, check_content_digest, content_digest};
pub use origin::{Origin, OriginError};

/// Label of the signature in both headers.
pub const LABEL: &str = "hegwas";
/// Value of the `alg` parameter.
pub const ALGORITHM: &str = "ed25519";
/// Longest `Signature-Input`, `Signature` or `Content-Digest` value in bytes.
pub const MAX_HEADER: usize = 1024;
/// Longest method, authority and target URI together in bytes.
pub const MAX_TARGET: usize = 16 << 10;

const COVERED: [&str; 4] = ["@method", "@authority", "@target-uri", "content-digest"];

/// The parts of a request that a signature covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestParts<'a> {
    /// `GET`, `PUT`, ...
    pub method: &'a str,
    /// Normalised host and port ([`Origin::authority`]).
    pub authority: &'a str,
    /// The absolute URI ([`Origin::target_uri`]).
    pub target_uri: &'a str,
    /// Value of the `Content-Digest` header, if the request has one.
    pub content_digest: Option<&'a str>,
}

impl<'a> RequestParts<'a> {
    /// The covered components with their values, in the order of the profile.
    fn components(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let values =
            [Some(self.method), Some(self.authority), Some(self.target_uri), self.content_digest];
        COVERED.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)))
    }

    /// Refuses what could not stand in a header line: the base is lines, so a line break would forge one.
    fn check(&self) -> Result<(), HttpSigError> {
        let long = self.method.len() + self.authority.len() + self.target_uri.len() > MAX_TARGET;
        let visible =
            self.components().all(|(_, value)| value.bytes().all(|b| (0x20..0x7f).contains(&b)));
        if long || !visible { Err(HttpSigError::Target) } else { Ok(()) }
    }
}

/// When a signature is valid, in seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// First second.
    pub created: u64,
    /// First second after.
    pub expires: u64,
}

/// Values of the two signature headers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignatureHeaders {
    /// `Signature-Input`.
    pub signature_input: String,
    /// `Signature`.
    pub signature: String,
}

/// What a verifier tolerates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Longest time from `created` to `expires`, in seconds.
    pub window: u64,
    /// How far in the future `created` may lie, in seconds, because clocks differ.
    pub skew: u64,
}

impl Default for Limits {
    /// Five minutes, and one minute of skew.
    fn default() -> Self {
        Self { window: 300, skew: 60 }
    }
}

/// A verified signature.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Who signed.
    pub did: Did,
    /// The nonce, 16 to 64 characters; to be accepted once.
    pub nonce: String,
    /// Until when the nonce must be remembered.
    pub expires: u64,
}

/// Why a request's signature was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HttpSigError {
    /// A header is longer than [`MAX_HEADER`].
    #[error("the {0} header is longer than {MAX_HEADER} bytes")]
    TooLong(&'static str),
    /// A header does not parse, or is not what this profile writes.
    #[error("the {header} header is malformed: {detail}")]
    Malformed {
        /// Which header.
        header: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// Method, authority or URI hold characters that can't be signed, or are too long.
    #[error(
        "method, authority and target URI must be printable ASCII of at most {MAX_TARGET} bytes together"
    )]
    Target,
    /// The set of covered components is not the profile's.
    #[error("the signature must cover {0}, in this order and nothing else")]
    Components(String),
    /// The key is no did:key of an Ed25519 key.
    #[error("keyid is not the did:key of an Ed25519 public key")]
    KeyId,
    /// Another algorithm.
    #[error("alg must be \"ed25519\"")]
    Algorithm,
    /// The window is empty or too long.
    #[error("expires must be 1 to {limit} seconds after created")]
    Window {
        /// Longest window in seconds.
        limit: u64,
    },
    /// The window has ended.
    #[error("the signature expired {seconds} s ago by the verifier's clock")]
    Expired {
        /// How long ago.
        seconds: u64,
    },
    /// The window has not begun.
    #[error("the signature was created {seconds} s in the future by the verifier's clock")]
    NotYetValid {
        /// How far ahead.
        seconds: u64,
    },
    /// The signature does not fit the request.
    #[error(
        "the signature does not verify: the request was altered on its way, meant for another address, or signed with another key"
    )]
    Signature,
    /// The body is not the one that was signed.
    #[error("the body does not have the digest that was signed")]
    BodyDigest,
}

/// Signs a request as `did`: `sign` receives the signature base and returns its Ed25519 signature. `nonce` is fresh
/// randomness.
pub fn sign(
    request: &RequestParts<'_>,
    did: &Did,
    window: Window,
    nonce: [u8; 16],
    sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> Result<SignatureHeaders, HttpSigError> {
    request.check()?;
    let names: Vec<&str> = request.components().map(|(name, _)| name).collect();
    let nonce: String = nonce.iter().map(|b| format!("{b:02x}")).collect();
    let keyid = did.to_string();
    let params = signature_params(
        &names,
        &[
            ("created", Parameter::Integer(window.created)),
            ("expires", Parameter::Integer(window.expires)),
            ("nonce", Parameter::Text(&nonce)),
            ("keyid", Parameter::Text(&keyid)),
            ("alg", Parameter::Text(ALGORITHM)),
        ],
    )?;
    let signature = sign(signature_base(request.components(), &params).as_bytes());
    Ok(SignatureHeaders {
        signature_input: format!("{LABEL}={params}"),
        signature: base::signature_header(&signature)?,
    })
}

/// Verifies a request's two signature headers at the time `now`. The body is checked apart from it
/// ([`check_content_digest`]): it need not have arrived.
pub fn verify(
    request: &RequestParts<'_>,
    signature_input: &str,
    signature: &str,
    now: u64,
    limits: Limits,
) -> Result<Verified, HttpSigError> {
    request.check()?;
    let input = base::parse_signature_input(signature_input)?;
    let signature = base::parse_signature(signature)?;
    let names: Vec<&str> = request.components().map(|(name, _)| name).collect();
    if input.covered != names {
        return Err(HttpSigError::Components(names.join(" ")));
    }
    if input.alg != ALGORITHM {
        return Err(HttpSigError::Algorithm);
    }
    let did: Did = input.keyid.parse().map_err(|_| HttpSigError::KeyId)?;
    let Window { created, expires } = input.window;
    if !expires.checked_sub(created).is_some_and(|length| (1..=limits.window).contains(&length)) {
        return Err(HttpSigError::Window { limit: limits.window });
    }
    if let Some(ahead) = created.checked_sub(now).filter(|&ahead| ahead > limits.skew) {
        return Err(HttpSigError::NotYetValid { seconds: ahead });
    }
    if let Some(ago) = now.checked_sub(expires) {
        return Err(HttpSigError::Expired { seconds: ago });
    }
    if !did.verifies(signature_base(request.components(), &input.params).as_bytes(), &signature) {
        return Err(HttpSigError::Signature);
    }
    Ok(Verified { did, nonce: input.nonce, expires })
}
