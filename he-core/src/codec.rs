//! The byte format of every object: a fixed 64-byte header, then a body. Protocol section 2.
//!
//! Two sorts of body: raw packed words (chunks, results, keys), whose length the header's counts determine, and
//! *messages*, small structures in bincode (fixed-width little-endian integers). Everything from outside passes through
//! [`Header::parse`] or [`decode`], which check size, magic, version, kind and length before anything else is looked at,
//! and then through the object's own conformance check.

mod header;
mod message;

pub use header::{HEADER_LEN, Header, Kind};
pub use message::{Message, decode, encode};

/// Why bytes are not the object they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Fewer bytes than a header, or than the header announces.
    #[error("truncated: {found} bytes where {expected} were announced; transfer it again")]
    Truncated {
        /// Bytes announced.
        expected: u64,
        /// Bytes present.
        found: u64,
    },
    /// More bytes than announced.
    #[error("{0} bytes follow the end of the object; it is damaged or not what its name says")]
    Trailing(u64),
    /// The magic bytes are missing.
    #[error("not a hegwas object (magic bytes missing)")]
    Magic,
    /// Written by another version of the format.
    #[error(
        "format version {found} is not supported by this program (it reads version {read}); use a matching release"
    )]
    Version {
        /// What the header says.
        found: u8,
        /// The version of this kind of object.
        read: u8,
    },
    /// Another kind of object.
    #[error("this is {found}, not {expected}")]
    Kind {
        /// What was wanted.
        expected: &'static str,
        /// What the header says.
        found: String,
    },
    /// Larger than the limit of its kind.
    #[error("{what} of {length} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// Kind of object.
        what: &'static str,
        /// Announced or found length.
        length: u64,
        /// Limit.
        limit: u64,
    },
    /// Made for another parameter set.
    #[error("made for another parameter set than {0}; objects of one study share one set")]
    Params(&'static str),
    /// Belongs to another dataset, study or job.
    #[error("belongs to another {0}")]
    Context(&'static str),
    /// The counts in the header disagree with what is expected or with the length.
    #[error("the header's counts do not fit: {0}")]
    Counts(&'static str),
    /// A message that does not decode or is not in canonical form.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// A residue is not below its prime.
    #[error("a residue is not below its prime: the ciphertext is damaged or forged")]
    Residue,
    /// A field holds a value that the format does not allow.
    #[error("{0}")]
    Conformance(String),
}
