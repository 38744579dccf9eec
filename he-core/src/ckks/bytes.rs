//! The bytes of this ring's objects: a header, then packed words of whole polynomials. Finishing section 7.

use crate::arith::pack;
use crate::codec::{CodecError, Header, Kind};

use super::params::CkksParams;

/// Header and packed words.
pub(crate) fn to_bytes(
    kind: Kind,
    params: CkksParams,
    context: [u8; 16],
    counts: [u32; 4],
    words: &[u64],
) -> Vec<u8> {
    Header { kind, length: 0, params: params.digest().short(), context, counts }.packed(words)
}

/// Checks the header against what is expected of the object, and reads the words.
///
/// `limbs` are the primes of each polynomial of the body, numbered as in the ring. `what` names what the context is.
pub(crate) fn from_bytes(
    bytes: &[u8],
    kind: Kind,
    params: CkksParams,
    (context, what): ([u8; 16], &'static str),
    counts: [u32; 4],
    limbs: usize,
    polynomials: usize,
) -> Result<Vec<u64>, CodecError> {
    let (header, body) = Header::split(bytes, kind)?;
    if header.params != params.digest().short() {
        return Err(CodecError::Params(params.name()));
    }
    header.expect_context(context, what)?;
    if header.counts != counts {
        return Err(CodecError::Counts("they are not those of the object that is expected here"));
    }
    let words = polynomials * limbs * params.degree();
    if body.len() != pack::packed_len(words) {
        return Err(CodecError::Counts(
            "the body has another number of polynomials than its kind has",
        ));
    }
    let mut out = vec![0; words];
    pack::unpack(body, &mut out);
    let moduli: Vec<_> = params.moduli().take(limbs).collect();
    let reduced = (out.chunks_exact(params.degree()))
        .zip(moduli.iter().cycle())
        .all(|(limb, m)| limb.iter().all(|&w| w < m.value()));
    if reduced { Ok(out) } else { Err(CodecError::Residue) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::codec::HEADER_LEN;

    /// Every way in which an object's bytes can be wrong. `read` reads them for the right parameters and context.
    pub(crate) fn refuses_bad_bytes<T>(
        good: &[u8],
        kind: Kind,
        read: impl Fn(&[u8]) -> Result<T, CodecError>,
    ) {
        assert!(read(good).is_ok());
        let with = |at: usize, f: &dyn Fn(u8) -> u8| {
            let mut bytes = good.to_vec();
            bytes[at] = f(bytes[at]);
            read(&bytes).err().unwrap()
        };
        let flip = |at| with(at, &|b| b ^ 1);
        assert!(matches!(flip(0), CodecError::Magic));
        assert!(matches!(with(6, &|_| 2), CodecError::Version { found: 2, read: 1 }));
        assert!(matches!(with(7, &|_| Kind::Panel as u8), CodecError::Kind { .. }));
        assert!(matches!(with(15, &|_| 1), CodecError::TooLarge { .. }));
        assert!(matches!(flip(16), CodecError::Params(_)));
        assert!(matches!(flip(32), CodecError::Context(_)));
        assert!(matches!(flip(48), CodecError::Counts(_)));
        assert!(matches!(flip(60), CodecError::Counts(_)));
        let mut residue = good.to_vec();
        residue[HEADER_LEN..HEADER_LEN + 7].fill(255);
        assert!(matches!(read(&residue), Err(CodecError::Residue)));
        assert!(matches!(read(&good[..good.len() - 1]), Err(CodecError::Truncated { .. })));
        assert!(matches!(read(&[good, b"x"].concat()), Err(CodecError::Trailing(1))));
        let mut short = Header::split(good, kind).map(|(h, _)| h).unwrap();
        short.length -= 50;
        let short = [&short.to_bytes()[..], &good[HEADER_LEN..good.len() - 50]].concat();
        assert!(matches!(read(&short), Err(CodecError::Counts(_))));
    }
}
