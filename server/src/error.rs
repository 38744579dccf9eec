//! Every way in which a request fails, and the problem document (RFC 9457) that says so.

use std::io;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gwas::panel::PanelTextError;
use gwas::wire::httpsig::HttpSigError;
use gwas::wire::status::Problem;
use gwas::wire::{Did, EnvelopeError};
use he_core::Digest;
use he_core::codec::CodecError;

use crate::index::IndexError;
use crate::store::{Damaged, is_full};

/// Why a request was not answered as it wished.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No signature headers, or more than one of a kind.
    #[error("the request carries no signature, or more than one")]
    Unsigned,
    /// The signature was refused.
    #[error("{0}")]
    Signature(#[from] HttpSigError),
    /// The nonce was used before.
    #[error("this signature was used before")]
    Replay,
    /// The request is addressed to another server.
    #[error("the request is addressed to {host}, but this server is {known}")]
    Misdirected {
        /// What the request says.
        host: String,
        /// What this server is called.
        known: String,
    },
    /// The party is unknown here.
    #[error("{0} is not registered with this server")]
    NotRegistered(Did),
    /// There is no such thing, or the caller may not know of it.
    #[error("no {0} of this name that you may read")]
    NotFound(&'static str),
    /// No such path.
    #[error("there is nothing at this path")]
    NoRoute,
    /// The path exists, the method doesn't.
    #[error("this path does not have this method")]
    NoMethod,
    /// A digest in the path is malformed.
    #[error("the path does not hold a digest of 64 lower-case hexadecimal digits")]
    Path,
    /// A body is over its limit.
    #[error("a body of {length} bytes; the limit here is {limit}")]
    TooLarge {
        /// Announced or received.
        length: u64,
        /// Allowed.
        limit: u64,
    },
    /// `Content-Length` is missing or unreadable.
    #[error("the request does not declare the length of its body")]
    NoLength,
    /// Another number of bytes than declared.
    #[error("{declared} bytes were declared, {received} arrived")]
    Length {
        /// Declared.
        declared: u64,
        /// Received so far.
        received: u64,
    },
    /// The body stalled.
    #[error("the body arrives too slowly")]
    Slow,
    /// The connection broke while the body was on its way.
    #[error("the body broke off")]
    Broken,
    /// The body has another digest than the path names.
    #[error("the bytes have the digest {found}, not {expected}")]
    Digest {
        /// From the path.
        expected: Digest,
        /// Of the bytes.
        found: Digest,
    },
    /// The bytes are not what they should be.
    #[error("{0}")]
    Codec(#[from] CodecError),
    /// An envelope is not acceptable.
    #[error("{0}")]
    Envelope(#[from] EnvelopeError),
    /// A panel is not acceptable.
    #[error("{0}")]
    Panel(#[from] PanelTextError),
    /// JSON that is not what it should be.
    #[error("the body is not the JSON that this path takes: {0}")]
    Json(String),
    /// A query that is not what it should be.
    #[error("the query is not what this path takes: {0}")]
    Query(String),
    /// A kind of object that only the server makes, or that has a path of its own.
    #[error("{0} can't be uploaded here")]
    NotForUpload(&'static str),
    /// The caller is known but may not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Something that the request names is not there yet.
    #[error("the {what} {digest} that this names is not here, or not yours")]
    Missing {
        /// What it is.
        what: &'static str,
        /// Its name.
        digest: Digest,
    },
    /// What the request says does not agree with what it names.
    #[error("{0}")]
    Refused(String),
    /// The state of things does not allow it.
    #[error("{0}")]
    Conflict(&'static str),
    /// It is somebody else's turn first.
    #[error("{what}; still missing: {}", list(parties))]
    Waiting {
        /// What can't be done yet.
        what: &'static str,
        /// Who has to act before.
        parties: Vec<Did>,
    },
    /// The caller's quota is used up.
    #[error("this would exceed your quota of {quota} bytes")]
    Quota {
        /// Bytes.
        quota: u64,
    },
    /// The disk is full.
    #[error("the server has no space left to store this")]
    Full,
    /// Too many requests at once.
    #[error("too many requests at once")]
    Busy,
    /// A byte range that can't be served.
    #[error("the range does not lie inside the object")]
    Range,
    /// A stored object is damaged.
    #[error("{0}")]
    Damaged(#[from] Damaged),
    /// Anything else; details go to the log, not to the caller.
    #[error("the server failed to answer this request")]
    Internal(String),
}

fn list(parties: &[Did]) -> String {
    let texts: Vec<String> = parties.iter().map(Did::to_string).collect();
    texts.join(", ")
}

impl From<io::Error> for ApiError {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Damaged>()) {
            Some(damaged) => Self::Damaged(*damaged),
            None if is_full(&error) => Self::Full,
            None => Self::Internal(error.to_string()),
        }
    }
}

impl From<IndexError> for ApiError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Quota { quota } => Self::Quota { quota },
            IndexError::Missing { what, digest } => Self::Missing { what, digest },
            IndexError::Full => Self::Full,
            IndexError::Taken => Self::Conflict(FINAL),
            other => Self::Internal(other.to_string()),
        }
    }
}

/// Of what a party says once.
pub(crate) const FINAL: &str = "you have sent another one before; what was sent is final";
const DIGEST_REMEDY: &str = "send the bytes that the name in the path was computed from";

impl ApiError {
    /// Status, code (the last part of the problem's type), title and remedy.
    #[rustfmt::skip]
    fn describe(&self) -> (StatusCode, &'static str, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::Unsigned => (S::UNAUTHORIZED, "unsigned", "Signature required", "sign the request as section 9 of the protocol says (RFC 9421, label hegwas)"),
            Self::Signature(HttpSigError::Expired { .. } | HttpSigError::NotYetValid { .. }) => (S::UNAUTHORIZED, "signature-time", "Signature out of its time", "compare your clock with the Date of this answer, correct it and sign again"),
            Self::Signature(HttpSigError::BodyDigest) => (S::BAD_REQUEST, "content-digest", "Wrong body digest", "compute Content-Digest from the body that is sent"),
            Self::Signature(_) => (S::UNAUTHORIZED, "signature", "Signature refused", "sign the request as section 9 of the protocol says, with the key that keyid names"),
            Self::Replay => (S::UNAUTHORIZED, "replay", "Signature used before", "sign every request anew with a fresh nonce"),
            Self::Misdirected { .. } => (S::MISDIRECTED_REQUEST, "misdirected", "Another server is addressed", "use the address under which the server knows itself, or have its operator set --public-url"),
            Self::NotRegistered(_) => (S::FORBIDDEN, "not-registered", "Not registered", "ask the operator to add your did:key to --allow, or accept an invitation to a study"),
            Self::NotFound(_) => (S::NOT_FOUND, "not-found", "Not found", "check the name; who owns the object decides who may read it"),
            Self::NoRoute => (S::NOT_FOUND, "no-route", "No such path", "see /openapi.json for the paths"),
            Self::NoMethod => (S::METHOD_NOT_ALLOWED, "no-method", "No such method", "see /openapi.json for the methods of this path"),
            Self::Path => (S::BAD_REQUEST, "path", "Malformed name", "names are BLAKE3 digests: 64 lower-case hexadecimal digits"),
            Self::TooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "too-large", "Body too large", "send less at once"),
            Self::NoLength => (S::LENGTH_REQUIRED, "length-required", "Length required", "send Content-Length"),
            Self::Length { .. } => (S::BAD_REQUEST, "length", "Length differs", "declare the length that is sent"),
            Self::Slow => (S::REQUEST_TIMEOUT, "slow", "Body too slow", "send it again; what was stored before stays"),
            Self::Broken => (S::BAD_REQUEST, "broken", "Body broke off", "send it again; what was stored before stays"),
            Self::Digest { .. } => (S::BAD_REQUEST, "digest", "Digest differs", DIGEST_REMEDY),
            Self::Codec(CodecError::TooLarge { .. }) => (S::PAYLOAD_TOO_LARGE, "too-large", "Object too large", "cut it as section 4 of the protocol says"),
            Self::Codec(_) => (S::BAD_REQUEST, "malformed", "Malformed object", "make the object again with a program of this protocol version"),
            Self::Envelope(_) => (S::BAD_REQUEST, "envelope", "Malformed or forged envelope", "sign the message again, unaltered"),
            Self::Panel(_) => (S::BAD_REQUEST, "panel", "Malformed panel", "write the panel with `hegwas panel`"),
            Self::Json(_) => (S::BAD_REQUEST, "json", "Malformed JSON", "see /openapi.json for what this path takes"),
            Self::Query(_) => (S::BAD_REQUEST, "query", "Malformed query", "see /openapi.json for what this path takes"),
            Self::NotForUpload(_) => (S::BAD_REQUEST, "kind", "Not for upload", "upload genotype and weight chunks, switching keys, encrypted totals and sealed shares here; manifests and key contributions have paths of their own"),
            Self::Forbidden(_) => (S::FORBIDDEN, "forbidden", "Not allowed", "ask the party that may do this"),
            Self::Missing { .. } => (S::CONFLICT, "missing", "Something named is missing", "send what is named first, as the party that owns it"),
            Self::Refused(_) => (S::UNPROCESSABLE_ENTITY, "inconsistent", "Parts do not fit together", "make the object again from the parts that it names"),
            Self::Conflict(_) => (S::CONFLICT, "conflict", "Not possible in this state", "look at the present state first"),
            Self::Waiting { .. } => (S::CONFLICT, "waiting", "Somebody else's turn", "see the study's status for who has to do what; try again when they have"),
            Self::Quota { .. } => (S::INSUFFICIENT_STORAGE, "quota", "Quota exceeded", "delete datasets that are no longer needed, or ask the operator for a larger --quota"),
            Self::Full => (S::INSUFFICIENT_STORAGE, "full", "Disk full", "nothing was stored; the operator has to free or add disk space, then send it again"),
            Self::Busy => (S::SERVICE_UNAVAILABLE, "busy", "Busy", "try again in some seconds"),
            Self::Range => (S::RANGE_NOT_SATISFIABLE, "range", "Range not satisfiable", "ask for bytes inside the object"),
            Self::Damaged(_) => (S::INTERNAL_SERVER_ERROR, "damaged", "Stored object damaged", "its owner pushes it again: the server replaces it"),
            Self::Internal(_) => (S::INTERNAL_SERVER_ERROR, "internal", "Server error", "try again; if it stays, tell the operator the request id of this answer"),
        }
    }

    /// The problem document.
    pub fn problem(&self) -> Problem {
        let (status, code, title, remedy) = self.describe();
        Problem {
            kind: format!("/problems/{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.to_string(),
            remedy: remedy.to_owned(),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Internal(detail) = &self {
            tracing::error!(detail, "request failed");
        }
        let (status, ..) = self.describe();
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if matches!(self, Self::Busy) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        if status == StatusCode::UNAUTHORIZED {
            let wanted = HeaderValue::from_static("Signature label=\"hegwas\", alg=\"ed25519\"");
            headers.insert(header::WWW_AUTHENTICATE, wanted);
        }
        response
    }
}
