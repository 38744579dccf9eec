//! The 64-byte header.

use super::CodecError;
use crate::arith::pack;
use crate::params::Params;

/// Bytes of a header.
pub const HEADER_LEN: usize = 64;
const MAGIC: [u8; 6] = *b"hegwas";

macro_rules! kinds {
    ($($name:ident = $code:literal, $text:literal, $limit:expr;)*) => {
        /// What an object is. The text is how errors call it; the limit is the largest body in bytes.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Kind { $(#[doc = $text] $name = $code,)* }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// Name in messages: `a genotype chunk`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Version of its format.
            pub const fn version(self) -> u8 {
                match self {
                    // 2: words of four bodies side by side.
                    Self::GenotypeChunk => 2,
                    // 2: those of keys are signed.
                    Self::Reveal => 2,
                    _ => 1,
                }
            }

            /// Largest body in bytes.
            pub const fn limit(self) -> u64 {
                match self { $(Self::$name => $limit,)* }
            }
        }
    };
}

const MIB: u64 = 1 << 20;

kinds! {
    GenotypeChunk = 1, "a genotype chunk", 8 * MIB;
    WeightChunk = 2, "a weight chunk", 8 * MIB;
    ResultUnit = 3, "a result unit", 64 * MIB;
    SwitchingKey = 4, "a switching key", 64 * MIB;
    PublicShare = 5, "a public key contribution", 4 * MIB;
    DecryptionShare = 6, "a decryption share", 64 * MIB;
    Commitment = 7, "a commitment", 32;
    Reveal = 8, "a revealed object", 65 * MIB;
    EncryptedTotals = 9, "a site's encrypted totals", 64 * MIB;
    SealedShare = 10, "a sealed share", 65 * MIB;
    Panel = 16, "a variant panel", 4096 * MIB;
    Dataset = 17, "a dataset manifest", 64 * MIB;
    Phenotype = 18, "a phenotype manifest", 16 * MIB;
    Study = 19, "a study manifest", MIB;
    Grant = 20, "a grant", MIB;
    Job = 21, "a job", MIB;
    JobResult = 22, "a result manifest", 16 * MIB;
    Envelope = 23, "a signed object", 65 * MIB;
    Totals = 24, "a contribution of totals", 16 * MIB;
    KeyCommitment = 25, "a commitment to a key contribution", 4096;
    ShareCommitment = 26, "a commitment to shares", 16 * MIB;
    Shares = 27, "a manifest of shares", 16 * MIB;
    Refresh = 28, "a refresh", 4 * MIB;
    Finished = 29, "a finished statistic", 4 * MIB;
    MasterKey = 32, "a master key", 4096;
    ShareRecord = 34, "a record of a share", MIB;
    CkksPublicShare = 64, "a finishing key contribution", 16 * MIB;
    CkksRelinShare = 65, "a relinearisation key contribution", 32 * MIB;
    CkksMaskCiphertext = 66, "a mask ciphertext", 16 * MIB;
    CkksResult = 67, "an evaluated result", 4 * MIB;
    CkksReleaseShare = 68, "a release share", 2 * MIB;
}

/// What precedes every body.
///
/// Layout, little-endian: magic `hegwas` (6), version (1), kind (1), body length (8), parameter digest (16), context
/// (16), four counts (4 each). Messages that are not bound to parameters or a context leave these fields zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Kind of object.
    pub kind: Kind,
    /// Bytes of the body.
    pub length: u64,
    /// First 16 bytes of [`Params::digest`], or zero.
    pub params: [u8; 16],
    /// What the object belongs to: the nonce of a dataset, the short digest of a study or job; or zero.
    pub context: [u8; 16],
    /// Meaning depends on the kind.
    pub counts: [u32; 4],
}

impl Header {
    /// Header of a message.
    pub fn message(kind: Kind, length: usize) -> Self {
        Self { kind, length: length as u64, params: [0; 16], context: [0; 16], counts: [0; 4] }
    }

    /// The bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let fields: [&[u8]; 6] = [
            &MAGIC,
            &[self.kind.version(), self.kind as u8],
            &self.length.to_le_bytes(),
            &self.params,
            &self.context,
            &self.counts.map(u32::to_le_bytes).concat(),
        ];
        for (o, b) in out.iter_mut().zip(fields.into_iter().flatten()) {
            *o = *b;
        }
        out
    }

    /// The object of this header with a body of packed words, whose length the header takes.
    pub(crate) fn packed(self, words: &[u64]) -> Vec<u8> {
        let length = pack::packed_len(words.len());
        let mut bytes = Self { length: length as u64, ..self }.to_bytes().to_vec();
        bytes.resize(HEADER_LEN + length, 0);
        if let Some(body) = bytes.get_mut(HEADER_LEN..) {
            pack::pack(words, body);
        }
        bytes
    }

    /// Reads a header and checks magic, version, kind and the size limit of the kind.
    pub fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let (header, _) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(CodecError::Truncated {
            expected: HEADER_LEN as u64,
            found: bytes.len() as u64,
        })?;
        let mut at = header.as_slice();
        let magic: [u8; 6] = take(&mut at);
        let [version, kind] = take(&mut at);
        if magic != MAGIC {
            return Err(CodecError::Magic);
        }
        let kind = Kind::from_code(kind).ok_or_else(|| CodecError::Kind {
            expected: "a known object",
            found: format!("kind {kind} of format version {version}"),
        })?;
        if version != kind.version() {
            return Err(CodecError::Version { found: version, read: kind.version() });
        }
        let length = u64::from_le_bytes(take(&mut at));
        if length > kind.limit() {
            return Err(CodecError::TooLarge { what: kind.name(), length, limit: kind.limit() });
        }
        let (params, context) = (take(&mut at), take(&mut at));
        let counts = core::array::from_fn(|_| u32::from_le_bytes(take(&mut at)));
        Ok(Self { kind, length, params, context, counts })
    }

    /// Reads the header of a whole object of the given kind and returns it with the body; lengths must agree exactly.
    pub fn split(bytes: &[u8], kind: Kind) -> Result<(Self, &[u8]), CodecError> {
        let header = Self::parse(bytes)?;
        header.expect_kind(kind)?;
        let body = bytes.get(HEADER_LEN..).unwrap_or_default();
        let (found, expected) = (body.len() as u64, header.length);
        match found.checked_sub(expected) {
            Some(0) => Ok((header, body)),
            Some(extra) => Err(CodecError::Trailing(extra)),
            None => Err(CodecError::Truncated { expected, found }),
        }
    }

    /// Refuses another kind.
    pub fn expect_kind(&self, kind: Kind) -> Result<(), CodecError> {
        if self.kind == kind {
            Ok(())
        } else {
            Err(CodecError::Kind { expected: kind.name(), found: self.kind.name().to_owned() })
        }
    }

    /// Refuses another parameter set.
    pub fn expect_params(&self, params: Params) -> Result<(), CodecError> {
        if self.params == params.digest().short() {
            Ok(())
        } else {
            Err(CodecError::Params(params.name()))
        }
    }

    /// Refuses another owner object; `what` names it in the error.
    pub fn expect_context(&self, context: [u8; 16], what: &'static str) -> Result<(), CodecError> {
        if self.context == context { Ok(()) } else { Err(CodecError::Context(what)) }
    }

    /// The parameter set that the header names.
    pub fn known_params(&self) -> Result<Params, CodecError> {
        Params::ALL
            .into_iter()
            .find(|p| p.digest().short() == self.params)
            .ok_or(CodecError::Params("any known one"))
    }
}

/// The next `K` bytes of a header, which is long enough by its type.
fn take<const K: usize>(at: &mut &[u8]) -> [u8; K] {
    let (first, rest) = at.split_first_chunk::<K>().unwrap_or((&[0; K], &[]));
    *at = rest;
    *first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Header {
        Header {
            kind: Kind::ResultUnit,
            length: 3,
            params: Params::N2048Q50.digest().short(),
            context: [9; 16],
            counts: [1, 2, 3, 4],
        }
    }

    #[test]
    fn round_trips_every_kind() {
        for &kind in Kind::ALL {
            let h = Header { kind, ..sample() };
            assert_eq!(Header::parse(&h.to_bytes()), Ok(h));
        }
        assert_eq!(sample().known_params(), Ok(Params::N2048Q50));
    }

    #[test]
    fn bad_headers_are_refused() {
        let good = [&sample().to_bytes()[..], b"abc"].concat();
        assert!(Header::split(&good, Kind::ResultUnit).is_ok());
        let with = |i: usize, v: u8| {
            let mut b = good.clone();
            b[i] = v;
            b
        };
        let kind = Kind::ResultUnit;
        assert!(matches!(Header::split(&good[..63], kind), Err(CodecError::Truncated { .. })));
        assert!(matches!(Header::split(&good[..66], kind), Err(CodecError::Truncated { .. })));
        assert!(matches!(
            Header::split(&[&good[..], b"d"].concat(), kind),
            Err(CodecError::Trailing(1))
        ));
        assert!(matches!(Header::split(&with(0, b'x'), kind), Err(CodecError::Magic)));
        assert_eq!(
            Header::split(&with(6, 2), kind),
            Err(CodecError::Version { found: 2, read: 1 })
        );
        assert!(matches!(Header::split(&with(7, 0), kind), Err(CodecError::Kind { .. })));
        assert!(matches!(Header::split(&good, Kind::Panel), Err(CodecError::Kind { .. })));
        assert!(matches!(Header::split(&with(15, 1), kind), Err(CodecError::TooLarge { .. })));
        assert!(sample().expect_params(Params::N4096Q100).is_err());
        assert!(sample().expect_context([8; 16], "job").is_err());
    }

    #[test]
    fn chunks_of_the_first_order_of_words_are_refused() {
        let mut chunk = Header { kind: Kind::GenotypeChunk, ..sample() }.to_bytes();
        assert_eq!(chunk[6], 2);
        chunk[6] = 1;
        let error = Header::parse(&chunk).unwrap_err();
        assert_eq!(error, CodecError::Version { found: 1, read: 2 });
        assert!(error.to_string().contains("version 1 is not supported"));
    }
}
