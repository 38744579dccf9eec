//! The joint public key and the joint relinearisation key, and the holders' contributions to them. Finishing section 4.

use super::bytes;
use super::params::CkksParams;
use super::ring::CkksRing;
use crate::codec::{CodecError, Kind};
use crate::digest::Digest;

/// Contributions that do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the study needs {expected} finishing key contributions of its holders; {found} fit")]
pub struct ContributionError {
    /// Contributions of all holders together.
    pub expected: usize,
    /// Contributions that fit.
    pub found: usize,
}

/// One holder's contribution to the public key, `p_k = -a S_k + e_k` modulo QP.
#[derive(Clone, PartialEq, Eq)]
pub struct CkksPublicShare {
    params: CkksParams,
    study: Digest,
    words: Vec<u64>,
}

/// The public key of a study, `(sum p_k, a)` modulo QP.
pub struct CkksPublicKey {
    params: CkksParams,
    study: Digest,
    b: Vec<u64>,
    a: Vec<u64>,
}

/// The common mask `a` of a study, modulo QP.
pub fn key_mask(ring: &CkksRing, study: &Digest) -> Vec<u64> {
    ring.mask("hegwas v1 ckks key mask", study, 0, ring.params().all_limbs())
}

impl CkksPublicShare {
    /// A contribution computed by the secret half.
    pub fn new(params: CkksParams, study: Digest, words: Vec<u64>) -> Self {
        assert_eq!(words.len(), params.words(), "one polynomial modulo QP");
        Self { params, study, words }
    }

    /// The object.
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes::to_bytes(Kind::CkksPublicShare, self.params, self.study.short(), [0; 4], &self.words)
    }

    /// Reads a contribution to `study`.
    pub fn from_bytes(bytes: &[u8], params: CkksParams, study: Digest) -> Result<Self, CodecError> {
        let context = (study.short(), "study");
        let kind = Kind::CkksPublicShare;
        let words = bytes::from_bytes(bytes, kind, params, context, [0; 4], params.all_limbs(), 1)?;
        Ok(Self { params, study, words })
    }
}

impl CkksPublicKey {
    /// Adds up the contributions of all `holders` holders.
    pub fn combine(
        ring: &CkksRing,
        study: Digest,
        holders: usize,
        shares: &[CkksPublicShare],
    ) -> Result<Self, ContributionError> {
        let params = ring.params();
        let fits = |s: &CkksPublicShare| s.params == params && s.study == study;
        check_count(holders, shares.len(), shares.iter().filter(|s| fits(s)).count())?;
        let mut b = vec![0; params.words()];
        for share in shares {
            ring.add(&mut b, &share.words);
        }
        Ok(Self { params, study, b, a: key_mask(ring, &study) })
    }

    /// The parameter set.
    pub fn params(&self) -> CkksParams {
        self.params
    }

    /// The study.
    pub fn study(&self) -> Digest {
        self.study
    }

    /// `sum p_k` and `a`, all limbs.
    pub fn parts(&self) -> (&[u64], &[u64]) {
        (&self.b, &self.a)
    }
}

/// One holder's contribution to one digit g of the relinearisation key: `(b u + e0, a u + e1 + P w_g S_k)` under the joint public
/// key, an encryption of `P w_g S_k S`; `w_g` is 1 modulo the primes of the digit and 0 modulo others.
#[derive(Clone, PartialEq, Eq)]
pub struct RelinShare {
    params: CkksParams,
    study: Digest,
    digit: usize,
    /// `[component][limb][coefficient]`.
    words: Vec<u64>,
}

impl RelinShare {
    /// A contribution computed by the secret half.
    pub fn new(params: CkksParams, study: Digest, digit: usize, words: Vec<u64>) -> Self {
        assert_eq!(words.len(), 2 * params.words(), "two polynomials modulo QP");
        Self { params, study, digit, words }
    }

    /// The object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (context, counts) = (self.study.short(), [self.digit as u32, 0, 0, 0]);
        bytes::to_bytes(Kind::CkksRelinShare, self.params, context, counts, &self.words)
    }

    /// Reads a contribution to a digit for `study`.
    pub fn from_bytes(
        bytes: &[u8],
        params: CkksParams,
        study: Digest,
        digit: usize,
    ) -> Result<Self, CodecError> {
        let (kind, context) = (Kind::CkksRelinShare, (study.short(), "study"));
        let (counts, limbs) = ([digit as u32, 0, 0, 0], params.all_limbs());
        let words = bytes::from_bytes(bytes, kind, params, context, counts, limbs, 2)?;
        Ok(Self { params, study, digit, words })
    }
}

/// The relinearisation key of a study: gadget encryptions of `S^2` under S.
pub struct RelinKey {
    params: CkksParams,
    /// `[digit][component][limb][coefficient]`.
    words: Vec<u64>,
}

impl RelinKey {
    /// Adds up the contributions of all `holders` holders to every digit, in any order, one at a time.
    pub fn combine(
        ring: &CkksRing,
        study: Digest,
        holders: usize,
        shares: impl IntoIterator<Item = RelinShare>,
    ) -> Result<Self, ContributionError> {
        let params = ring.params();
        let mut words = vec![0; 2 * params.digits() * params.words()];
        let mut counts = vec![0; params.digits()];
        let mut given = 0;
        for share in shares {
            given += 1;
            let fits = (share.params, share.study) == (params, study);
            if let Some(count) = counts.get_mut(share.digit).filter(|_| fits) {
                *count += 1;
                let digit = words.chunks_exact_mut(params.words()).skip(2 * share.digit);
                for (sum, part) in digit.zip(share.words.chunks_exact(params.words())) {
                    ring.add(sum, part);
                }
            }
        }
        // Too many of one digit do not make up for another.
        let found = counts.iter().map(|&count: &usize| count.min(holders)).sum();
        check_count(holders * params.digits(), given, found)?;
        Ok(Self { params, words })
    }

    /// The parameter set.
    pub fn params(&self) -> CkksParams {
        self.params
    }

    /// Bytes of memory.
    pub fn memory(&self) -> usize {
        self.words.len() * size_of::<u64>()
    }

    /// Both components of a digit modulo prime `limb`.
    pub(crate) fn limb(&self, digit: usize, limb: usize) -> (&[u64], &[u64]) {
        let (degree, words) = (self.params.degree(), self.params.words());
        let part = |component: usize| {
            let start = (2 * digit + component) * words + limb * degree;
            self.words.get(start..start + degree).unwrap_or_default()
        };
        (part(0), part(1))
    }
}

fn check_count(expected: usize, given: usize, found: usize) -> Result<(), ContributionError> {
    if expected > 0 && given == expected && found == expected {
        Ok(())
    } else {
        Err(ContributionError { expected, found })
    }
}

/// The gadget factor of digit `digit` modulo prime `limb`: `P` within the digit, 0 elsewhere. For the secret half.
pub fn gadget_factor(ring: &CkksRing, digit: usize, limb: usize) -> u64 {
    let params = ring.params();
    if limb < params.limbs() && limb / params.digit_limbs() == digit {
        super::evaluator::special_product(ring, limb)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ckks::bytes::tests::refuses_bad_bytes;

    const PARAMS: CkksParams = CkksParams::N32768Q750;

    fn polynomial(polynomials: usize) -> Vec<u64> {
        (0..polynomials * PARAMS.words()).map(|i| i as u64 ^ 0x5a5a_5a5a).collect()
    }

    #[test]
    fn bad_contributions_are_refused() {
        let study = Digest::of(b"study");
        let public = CkksPublicShare::new(PARAMS, study, polynomial(1));
        let read = |b: &[u8]| CkksPublicShare::from_bytes(b, PARAMS, study);
        assert!(read(&public.to_bytes()).unwrap() == public);
        refuses_bad_bytes(&public.to_bytes(), Kind::CkksPublicShare, read);

        let relin = RelinShare::new(PARAMS, study, 4, polynomial(2));
        let read = |b: &[u8]| RelinShare::from_bytes(b, PARAMS, study, 4);
        assert!(read(&relin.to_bytes()).unwrap() == relin);
        assert!(RelinShare::from_bytes(&relin.to_bytes(), PARAMS, study, 3).is_err());
        refuses_bad_bytes(&relin.to_bytes(), Kind::CkksRelinShare, read);
    }

    #[test]
    fn all_holders_of_this_study_are_needed() {
        let ring = CkksRing::new(PARAMS);
        let (ours, other) = (Digest::of(b"study"), Digest::of(b"other"));
        let share = |study| CkksPublicShare::new(PARAMS, study, polynomial(1));
        let combine = |n, shares: &[_]| CkksPublicKey::combine(&ring, ours, n, shares);
        assert!(combine(2, &[share(ours)]).is_err());
        assert!(combine(2, &[share(ours), share(other)]).is_err());
        assert!(combine(1, &[share(ours), share(other)]).is_err());
        assert!(combine(0, &[]).is_err());
        let key = combine(2, &[share(ours), share(ours)]).unwrap();
        assert_eq!(key.parts().0[7], 2 * (7 ^ 0x5a5a_5a5a));

        let shares = |study| {
            (0..PARAMS.digits()).map(move |d| RelinShare::new(PARAMS, study, d, polynomial(2)))
        };
        let combine = |n, shares: &mut dyn Iterator<Item = RelinShare>| {
            RelinKey::combine(&ring, ours, n, shares)
        };
        assert!(combine(2, &mut shares(ours).chain(shares(other))).is_err());
        assert!(combine(1, &mut shares(ours).skip(1)).is_err());
        assert!(
            combine(1, &mut shares(ours).skip(1).chain(shares(ours).skip(4))).is_err(),
            "one digit twice"
        );
        assert!(combine(1, &mut shares(ours).chain(shares(ours).take(1))).is_err());
        assert!(combine(0, &mut core::iter::empty()).is_err());
        let key = combine(2, &mut shares(ours).chain(shares(ours))).unwrap();
        let index = PARAMS.words() + 3 * PARAMS.degree();
        assert_eq!(key.limb(4, 3).1[0], 2 * (index as u64 ^ 0x5a5a_5a5a));
    }
}
