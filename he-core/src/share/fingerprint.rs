//! What a holder remembers of the `C1` it gave a share on. Protocol section 6.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::arith::Modulus;
use crate::digest::Digest;
use crate::params::Params;

/// Marks of a `C1`: exactly which one it is, and what it has in common with those that would buy a second look at it.
///
/// Two shares on related `C1` carry two independent smudging noises around the same secret. So a second share is refused on
/// whatever agrees in *one* limb up to a constant factor and a power of X: the same `C1` beside another `C0`, rotated
/// (`X^i C1`, any i), negated, multiplied by an integer, or with its other limbs dropped or changed.
///
/// Word j of a limb is `f(psi^(2 brv(j) + 1))`: multiplying by `X^i` multiplies it by a power of psi, whose 2N-th power
/// is 1; multiplying by a constant leaves ratios of words alone. So the limb's mark is the digest of all
/// `(w_j / w_first)^(2N)`, `w_first` being the first word that is not zero.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct C1Fingerprint {
    c1: Digest,
    limbs: Vec<Digest>,
}

impl C1Fingerprint {
    /// The fingerprint of `params.words()` words; `None` if a limb is zero throughout, which no honest result is.
    pub fn of(params: Params, c1: &[u64]) -> Option<Self> {
        let limbs: Vec<(Modulus, &[u64])> =
            params.moduli().zip(c1.chunks_exact(params.degree())).collect();
        let limbs =
            limbs.into_par_iter().map(|(m, words)| mark(m, words)).collect::<Option<_>>()?;
        Some(Self { c1: exact(params, c1), limbs })
    }

    /// Digest of the very words.
    pub fn c1(&self) -> Digest {
        self.c1
    }

    /// One mark for each limb; marks of different limbs never agree.
    pub fn limbs(&self) -> &[Digest] {
        &self.limbs
    }

    /// Whether a share on one of the two would tell more about the other.
    pub fn related(&self, other: &Self) -> bool {
        self.limbs.iter().zip(&other.limbs).any(|(a, b)| a == b)
    }
}

/// Digest of the words of a `C1`.
pub(super) fn exact(params: Params, c1: &[u64]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("hegwas v1 share C1");
    hasher.update(&params.digest().0);
    update(&mut hasher, c1.iter().copied());
    Digest(*hasher.finalize().as_bytes())
}

fn mark(m: Modulus, words: &[u64]) -> Option<Digest> {
    let first = words.iter().copied().find(|&w| w != 0)?;
    let unit = m.inverse(first);
    let squarings = (2 * words.len()).ilog2();
    let invariants = words.iter().map(|&w| (0..squarings).fold(m.mul(w, unit), |x, _| m.mul(x, x)));
    let mut hasher = blake3::Hasher::new_derive_key("hegwas v1 share C1 limb");
    update(&mut hasher, core::iter::once(m.value()).chain(invariants));
    Some(Digest(*hasher.finalize().as_bytes()))
}

fn update(hasher: &mut blake3::Hasher, words: impl Iterator<Item = u64>) {
    let mut buffer = [[0u8; 8]; 512];
    let mut words = words.peekable();
    while words.peek().is_some() {
        let mut filled = 0;
        for (place, word) in buffer.iter_mut().zip(&mut words) {
            *place = word.to_le_bytes();
            filled += 1;
        }
        hasher.update(buffer.get(..filled).unwrap_or_default().as_flattened());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::Ring;
    use crate::public_key::study_mask;

    fn scaled(params: Params, words: &[u64], factor: i64) -> Vec<u64> {
        let limbs = words.chunks_exact(params.degree()).zip(params.moduli());
        limbs
            .flat_map(|(limb, m)| limb.iter().map(move |&w| m.mul(w, m.from_signed(factor))))
            .collect()
    }

    /// `X^i f`, the slow and certain way: over coefficients.
    fn rotated(ring: &Ring, words: &[u64], i: i64) -> Vec<u64> {
        let n = ring.params().degree();
        let mut coefficients = words.to_vec();
        ring.inverse(&mut coefficients);
        let mut out = vec![0; coefficients.len()];
        let limbs = coefficients.chunks_exact(n).zip(out.chunks_exact_mut(n));
        for ((from, to), m) in limbs.zip(ring.params().moduli()) {
            for (j, &c) in from.iter().enumerate() {
                let place = (j as i64 + i).rem_euclid(2 * n as i64) as usize;
                to[place % n] = if place < n { c } else { m.neg(c) };
            }
        }
        ring.forward(&mut out);
        out
    }

    #[test]
    fn second_looks_are_recognised() {
        for params in [Params::N2048Q50, Params::N8192Q150] {
            let ring = Ring::new(params);
            let (n, words) = (params.degree() as i64, study_mask(params, Digest::of(b"c1")));
            let of = |words: &[u64]| C1Fingerprint::of(params, words).unwrap();
            let first = of(&words);
            assert_eq!(first, of(&words.clone()));
            let mut looks = Vec::new();
            looks.extend(
                [1, 2, 17, n - 1, n, n + 1, 2 * n - 1, -1, -5].map(|i| rotated(&ring, &words, i)),
            );
            looks.extend([-1, 2, -3, 1000, -(1 << 40)].map(|c| scaled(params, &words, c)));
            looks.push(scaled(params, &rotated(&ring, &words, 77), -9));
            for look in looks {
                let second = of(&look);
                assert_ne!(second.c1(), first.c1());
                assert_eq!(second.limbs(), first.limbs());
                assert!(first.related(&second));
            }
        }
    }

    #[test]
    fn one_limb_in_common_is_enough() {
        let (small, large) = (Params::N8192Q150, Params::N8192Q200);
        let words = study_mask(large, Digest::of(b"c1"));
        let first = C1Fingerprint::of(large, &words).unwrap();
        // The last limb dropped.
        let reduced = C1Fingerprint::of(small, &words[..small.words()]).unwrap();
        assert!(first.related(&reduced) && reduced.related(&first));
        assert_eq!(first.limbs()[..3], *reduced.limbs());
        // All but the last one replaced, and that one negated and scaled.
        let mut mixed = study_mask(large, Digest::of(b"other"));
        let last = small.words();
        mixed[last..].copy_from_slice(&scaled(large, &words, -6)[last..]);
        assert!(first.related(&C1Fingerprint::of(large, &mixed).unwrap()));
    }

    #[test]
    fn others_are_others() {
        let params = Params::N8192Q150;
        let words = study_mask(params, Digest::of(b"c1"));
        let first = C1Fingerprint::of(params, &words).unwrap();
        let other = study_mask(params, Digest::of(b"another"));
        assert!(!first.related(&C1Fingerprint::of(params, &other).unwrap()));
        // A word changed in each limb.
        let mut changed = words.clone();
        for limb in changed.chunks_exact_mut(params.degree()) {
            limb[5] ^= 1;
        }
        assert!(!first.related(&C1Fingerprint::of(params, &changed).unwrap()));
        // Limbs do not stand in for each other.
        assert!(
            first.limbs().iter().all(|a| first.limbs().iter().filter(|b| a == *b).count() == 1)
        );
        // Zeros: in a word they are part of the mark, in a whole limb there is nothing to share.
        changed.copy_from_slice(&words);
        changed[0] = 0;
        assert!(C1Fingerprint::of(params, &changed).is_some());
        changed[..params.degree()].fill(0);
        assert_eq!(C1Fingerprint::of(params, &changed), None);
    }
}
