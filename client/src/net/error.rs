//! What can go wrong between client and server.

use gwas::wire::EnvelopeError;
use gwas::wire::httpsig::HttpSigError;
use gwas::wire::status::Problem;
use he_core::Digest;
use he_core::codec::CodecError;

use crate::Exit;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// Plain HTTP to another machine.
    #[error("{0} is not encrypted: others on the way could see and delay what is sent")]
    Insecure(String),
    /// The certificate authorities can't be used.
    #[error("cannot use the certificate authorities in {path}: {reason}")]
    Authorities {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What failed last.
        reason: String,
    },
    /// The server's certificate is not accepted.
    #[error("no trusted connection to {url}: {reason}")]
    Untrusted {
        /// What was asked for.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The server explains why not.
    #[error("the server refused {what}: {} ({})", .problem.detail, .problem.title)]
    Refused {
        /// Method and path.
        what: String,
        /// Its explanation.
        problem: Box<Problem>,
    },
    /// The server answers with a status and no explanation.
    #[error("{what} was answered with HTTP status {status}")]
    Status {
        /// Method and path.
        what: String,
        /// The status.
        status: u16,
    },
    /// An answer is longer than it may be.
    #[error("the answer to {what} is longer than {limit} bytes")]
    TooLong {
        /// Method and path.
        what: String,
        /// The limit.
        limit: u64,
    },
    /// An object is named as longer than its kind may be.
    #[error("{digest} is named as {what} of {length} bytes; none is longer than {limit} bytes")]
    TooLarge {
        /// What it should be.
        what: &'static str,
        /// Its name.
        digest: Digest,
        /// The length that was named, in bytes.
        length: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// An answer is not what it should be.
    #[error("the answer to {what} is not what the protocol says: {reason}")]
    Malformed {
        /// Method and path.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// Downloaded bytes are not the object that was asked for.
    #[error("the server sent other bytes than {what} {digest}")]
    WrongDigest {
        /// What was asked for.
        what: &'static str,
        /// Its name.
        digest: Digest,
    },
    /// A downloaded object does not conform, or its signature does not verify.
    #[error("the server sent a bad object as {digest}: {source}")]
    BadObject {
        /// Its name.
        digest: Digest,
        /// What is wrong.
        source: EnvelopeError,
    },
    /// An object of ours has no byte form.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The request can't be signed.
    #[error("cannot sign the request: {0}")]
    Sign(#[from] HttpSigError),
    /// The system has no randomness, time or threads to give.
    #[error("the system failed: {0}")]
    System(String),
}

impl NetError {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Insecure(_) => "use https://, or allow it with --insecure-http in a network that you trust".into(),
            Self::Authorities { .. } => "--ca-cert takes a file of certificates in PEM form".into(),
            Self::Unreachable { .. } => {
                "check the address and that the server runs; the same command continues where this one stopped".into()
            }
            Self::Untrusted { .. } => "if the server has a certificate of a private authority, name it with --ca-cert".into(),
            Self::Refused { problem, .. } if !problem.remedy.is_empty() => problem.remedy.clone(),
            Self::Refused { .. } => "ask the server's operator".into(),
            Self::Status { .. } => "check that the address is that of a hegwas server, and ask its operator".into(),
            Self::TooLong { .. } | Self::Malformed { .. } => {
                "check that the address is that of a hegwas server of this version".into()
            }
            Self::TooLarge { .. } => "tell who made the manifest that names it; nothing was downloaded".into(),
            Self::WrongDigest { .. } | Self::BadObject { .. } => {
                "do not trust this server's store; ask its operator to check it".into()
            }
            Self::Codec(_) | Self::Sign(_) => crate::error::INTERNAL.into(),
            Self::System(_) => "check the system and try again".into(),
        }
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Insecure(_) => Exit::Usage,
            Self::Authorities { .. } => Exit::Input,
            Self::Unreachable { .. } | Self::Untrusted { .. } => Exit::Network,
            Self::Refused { problem, .. } if problem.status < 500 => Exit::Refused,
            Self::Status { status, .. } if (400..500).contains(status) => Exit::Refused,
            Self::Refused { .. } | Self::Status { .. } => Exit::Network,
            Self::TooLong { .. }
            | Self::TooLarge { .. }
            | Self::Malformed { .. }
            | Self::WrongDigest { .. }
            | Self::BadObject { .. } => Exit::Corrupt,
            Self::Codec(_) | Self::Sign(_) | Self::System(_) => Exit::Internal,
        }
    }

    /// Whether the server says that there is no such thing, or none that the caller may see.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Refused { problem, .. } => problem.status == 404,
            Self::Status { status, .. } => *status == 404,
            _ => false,
        }
    }
}
