//! Messages: bincode behind size limits, a version byte and a canonical-form check.

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::header::HEADER_LEN;
use super::{CodecError, Header, Kind};

/// A structure with a byte form.
pub trait Message: Serialize + DeserializeOwned {
    /// Its kind, which also bounds its size.
    const KIND: Kind;

    /// Checks everything that the types do not: limits, orders, sums. Called after decoding and before encoding.
    fn check(&self) -> Result<(), CodecError>;
}

fn options(limit: u64) -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_little_endian()
        .reject_trailing_bytes()
        .with_limit(limit)
}

/// Header and body of a message.
pub fn encode<T: Message>(message: &T) -> Result<Vec<u8>, CodecError> {
    message.check()?;
    let malformed = |e: bincode::Error| CodecError::Malformed(format!("{}: {e}", T::KIND.name()));
    let options = || options(T::KIND.limit());
    let length = options().serialized_size(message).map_err(malformed)? as usize;
    // One buffer of the right size: a caller with a secret message has one copy to erase.
    let mut out = Vec::with_capacity(HEADER_LEN + length);
    out.extend_from_slice(&Header::message(T::KIND, length).to_bytes());
    options().serialize_into(&mut out, message).map_err(malformed)?;
    Ok(out)
}

/// A writer that only compares what is written with what should be: no copy of a secret message is made.
struct Expect<'a> {
    rest: &'a [u8],
}

impl std::io::Write for Expect<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.rest = self.rest.strip_prefix(bytes).ok_or(std::io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reads a message from exactly `bytes`; refuses what [`encode`] would not have written.
pub fn decode<T: Message>(bytes: &[u8]) -> Result<T, CodecError> {
    let (header, body) = Header::split(bytes, T::KIND)?;
    if header != Header::message(T::KIND, body.len()) {
        return Err(CodecError::Counts("a message has no parameters, context or counts"));
    }
    let message: T = options(body.len() as u64)
        .deserialize(body)
        .map_err(|e| CodecError::Malformed(format!("{}: {e}", T::KIND.name())))?;
    message.check()?;
    let mut expect = Expect { rest: body };
    let written = options(T::KIND.limit()).serialize_into(&mut expect, &message);
    if written.is_err() || !expect.rest.is_empty() {
        return Err(CodecError::Malformed(format!("{} is not in canonical form", T::KIND.name())));
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, Debug, PartialEq)]
    struct Sample {
        name: String,
        flags: Vec<bool>,
    }

    impl Message for Sample {
        const KIND: Kind = Kind::Job;
        fn check(&self) -> Result<(), CodecError> {
            if self.name.len() > 8 {
                Err(CodecError::Conformance("name too long".into()))
            } else {
                Ok(())
            }
        }
    }

    #[test]
    fn bad_messages_are_refused() {
        let good = encode(&Sample { name: "abc".into(), flags: vec![true, false] }).unwrap();
        assert_eq!(decode::<Sample>(&good).unwrap().name, "abc");
        assert!(encode(&Sample { name: "too long a name".into(), flags: vec![] }).is_err());
        let with = |i: usize, v: u8| {
            let mut b = good.clone();
            b[i] = v;
            b
        };
        assert!(matches!(decode::<Sample>(&with(20, 1)), Err(CodecError::Counts(_)))); // parameter digest set
        assert!(matches!(decode::<Sample>(&with(60, 1)), Err(CodecError::Counts(_)))); // count set
        assert!(matches!(decode::<Sample>(&with(64, 255)), Err(CodecError::Malformed(_)))); // string longer than the body
        assert!(matches!(decode::<Sample>(&with(71, 255)), Err(CodecError::Malformed(_)))); // absurd length
        assert!(matches!(
            decode::<Sample>(&with(good.len() - 1, 7)),
            Err(CodecError::Malformed(_))
        )); // not a bool
        for cut in 0..good.len() {
            assert!(decode::<Sample>(&good[..cut]).is_err());
        }
    }
}
