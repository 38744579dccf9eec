//! A study's public key and the holders' contributions to it. Protocol section 6.

use crate::arith::pack;
use crate::codec::{CodecError, Header, Kind};
use crate::digest::Digest;
use crate::mask::{MaskExpander, MaskIndex, MaskSeed};
use crate::params::Params;

/// One holder's contribution `p_k = -a S_k + e_k`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicShare {
    params: Params,
    study: Digest,
    words: Vec<u64>,
}

/// The public key `(sum p_k, a)` of a study.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    params: Params,
    study: Digest,
    b: Vec<u64>,
    a: Vec<u64>,
}

/// Contributions that make no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContributionError {
    /// They do not belong together.
    #[error("the study needs {expected} key contributions of its own holders; {found} fit")]
    Count {
        /// Holders.
        expected: usize,
        /// Contributions that fit.
        found: usize,
    },
    /// Contributions of several holders that were not committed to.
    #[error(
        "a study of several key holders makes its key in a ceremony: all commitments first, then what they open; the last \
         contribution could otherwise choose the key"
    )]
    SeveralHolders,
}

/// The mask `a` of a study: `words()` uniform words, expanded from the study's digest.
pub fn study_mask(params: Params, study: Digest) -> Vec<u64> {
    let expander =
        MaskExpander::new(MaskSeed(Digest::derive("hegwas v1 study mask", &study.0).short()));
    let mut a = vec![0; params.words()];
    for ((limb, modulus), words) in
        (0..).zip(params.moduli()).zip(a.chunks_exact_mut(params.degree()))
    {
        expander.expand(modulus, MaskIndex { plane: 0, limb, group: 0, row: 0 }, 0, words);
    }
    a
}

impl PublicShare {
    /// A contribution computed by the secret half: `words()` reduced words.
    pub fn new(params: Params, study: Digest, words: Vec<u64>) -> Self {
        assert_eq!(words.len(), params.words(), "one polynomial");
        Self { params, study, words }
    }

    /// The object.
    pub fn to_bytes(&self) -> Vec<u8> {
        bulk_bytes(Kind::PublicShare, self.params, self.study.short(), [0; 4], &self.words)
    }

    /// Reads a contribution to `study`.
    pub fn from_bytes(bytes: &[u8], params: Params, study: Digest) -> Result<Self, CodecError> {
        let (header, body) = Header::split(bytes, Kind::PublicShare)?;
        header.expect_params(params)?;
        header.expect_context(study.short(), "study")?;
        if header.counts != [0; 4] {
            return Err(CodecError::Counts("a public key contribution has none"));
        }
        Ok(Self { params, study, words: unpack_polynomials(body, params, 1)? })
    }
}

impl PublicKey {
    /// The key of a sole holder from its contribution. With several holders see [`crate::ceremony::public_key`].
    pub fn combine(
        params: Params,
        study: Digest,
        holders: usize,
        shares: &[PublicShare],
    ) -> Result<Self, ContributionError> {
        let fitting = shares.iter().filter(|s| s.params == params && s.study == study).count();
        if fitting != holders || shares.len() != holders || holders == 0 {
            return Err(ContributionError::Count { expected: holders, found: fitting });
        }
        if holders > 1 {
            return Err(ContributionError::SeveralHolders);
        }
        Ok(Self::sum(params, study, shares))
    }

    /// Adds up contributions that belong together.
    pub(crate) fn sum(params: Params, study: Digest, shares: &[PublicShare]) -> Self {
        let mut b = vec![0; params.words()];
        for share in shares {
            for ((sum, words), m) in b
                .chunks_exact_mut(params.degree())
                .zip(share.words.chunks_exact(params.degree()))
                .zip(params.moduli())
            {
                for (s, &w) in sum.iter_mut().zip(words) {
                    *s = m.add(*s, w);
                }
            }
        }
        Self { params, study, b, a: study_mask(params, study) }
    }

    /// `sum p_k`.
    pub fn b(&self) -> &[u64] {
        &self.b
    }

    /// The common mask.
    pub fn a(&self) -> &[u64] {
        &self.a
    }

    /// The parameter set.
    pub fn params(&self) -> Params {
        self.params
    }

    /// The study.
    pub fn study(&self) -> Digest {
        self.study
    }
}

/// Header and packed words of a bulk object.
pub(crate) fn bulk_bytes(
    kind: Kind,
    params: Params,
    context: [u8; 16],
    counts: [u32; 4],
    words: &[u64],
) -> Vec<u8> {
    Header { kind, length: 0, params: params.digest().short(), context, counts }.packed(words)
}

/// Unpacks exactly `count` polynomials and checks that every word is below its limb's prime.
pub(crate) fn unpack_polynomials(
    body: &[u8],
    params: Params,
    count: usize,
) -> Result<Vec<u64>, CodecError> {
    if Some(body.len()) != count.checked_mul(pack::packed_len(params.words())) {
        return Err(CodecError::Counts(
            "the body has another number of polynomials than the header announces",
        ));
    }
    let mut words = vec![0; count * params.words()];
    pack::unpack(body, &mut words);
    let reduced = words
        .chunks_exact(params.degree())
        .zip(params.moduli().cycle())
        .all(|(limb, m)| limb.iter().all(|&w| w < m.value()));
    if reduced { Ok(words) } else { Err(CodecError::Residue) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contributions_round_trip_and_bad_ones_are_refused() {
        let (params, study) = (Params::N4096Q100, Digest::of(b"study"));
        let share = PublicShare::new(params, study, study_mask(params, Digest::of(b"words")));
        let good = share.to_bytes();
        assert_eq!(PublicShare::from_bytes(&good, params, study).unwrap(), share);
        let read = |bytes: &[u8]| PublicShare::from_bytes(bytes, params, study);
        assert!(matches!(
            PublicShare::from_bytes(&good, Params::N2048Q50, study),
            Err(CodecError::Params(_))
        ));
        assert!(matches!(
            PublicShare::from_bytes(&good, params, Digest::of(b"other")),
            Err(CodecError::Context(_))
        ));
        assert!(matches!(read(&good[..good.len() - 1]), Err(CodecError::Truncated { .. })));
        let mut counts = good.clone();
        counts[48] = 1;
        assert!(matches!(read(&counts), Err(CodecError::Counts(_))));
        let mut residue = good.clone();
        residue[64..71].fill(255);
        assert!(matches!(read(&residue), Err(CodecError::Residue)));
        let mut short = Header::split(&good, Kind::PublicShare).unwrap().0;
        short.length = 50;
        assert!(matches!(
            read(&[&short.to_bytes()[..], &[0; 50]].concat()),
            Err(CodecError::Counts(_))
        ));
    }

    #[test]
    fn a_key_without_ceremony_has_one_holder_of_this_study() {
        let (params, study) = (Params::N2048Q50, Digest::of(b"study"));
        let share =
            |name: &[u8]| PublicShare::new(params, Digest::of(name), vec![1; params.words()]);
        let (ours, other) = (share(b"study"), share(b"other"));
        let combine = |holders, shares: &[PublicShare]| {
            PublicKey::combine(params, study, holders, shares).map(|key| key.b().to_vec())
        };
        let count = |expected, found| Err(ContributionError::Count { expected, found });
        assert_eq!(combine(1, core::slice::from_ref(&ours)), Ok(vec![1; params.words()]));
        assert_eq!(combine(1, &[]), count(1, 0));
        assert_eq!(combine(1, core::slice::from_ref(&other)), count(1, 0));
        assert_eq!(combine(2, core::slice::from_ref(&ours)), count(2, 1));
        assert_eq!(combine(2, &[ours.clone(), other]), count(2, 1));
        assert_eq!(combine(0, &[]), count(0, 0));
        let several = Err(ContributionError::SeveralHolders);
        assert_eq!(combine(2, &[ours.clone(), ours.clone()]), several);
        assert!(PublicKey::sum(params, study, &[ours.clone(), ours]).b().iter().all(|&w| w == 2));
    }
}
