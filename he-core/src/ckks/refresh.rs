//! From sums under the first scheme to slots of this one: exact rounding, linear maps, mask ciphertexts. Finishing section 5.

use super::GUARD_BITS;
use super::bytes;
use super::ciphertext::{Ciphertext, CkksError, to_fixed};
use super::fixed::{Complex, Fixed};
use super::params::CkksParams;
use super::ring::CkksRing;
use crate::arith::{Crt, Ring, Scale};
use crate::codec::{CodecError, Kind};
use crate::digest::Digest;

/// Why sums cannot be refreshed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RefreshError {
    /// Not one share or mask ciphertext of each holder.
    #[error("{expected} key holders have to refresh this unit; {found} contributions fit it")]
    Shares {
        /// Number of holders.
        expected: usize,
        /// Contributions that fit.
        found: usize,
    },
    /// A masked value that no honest input gives.
    #[error(
        "a masked sum is out of range or its noise too large: a ciphertext, share or key does not belong here, or an input was not honestly encrypted"
    )]
    OutOfRange,
}

/// The masked integers `W = m + sum mu_k` of one ciphertext: `(C0 + sum w_k) / Delta`, rounded exactly.
///
/// `c0` and the refresh shares are polynomials of the first scheme in the NTT domain. A distance of more than
/// `noise_bound` from a multiple of the scale, or an integer above `largest`, refuses the unit: nothing unrounded goes on.
pub fn round_masked(
    ring: &Ring,
    scale: Scale,
    c0: &[u64],
    shares: &[&[u64]],
    largest: i128,
    noise_bound: f64,
) -> Result<Vec<i128>, RefreshError> {
    let params = ring.params();
    let found = shares.iter().filter(|s| s.len() == params.words()).count();
    if found != shares.len() || found == 0 || c0.len() != params.words() {
        return Err(RefreshError::Shares { expected: shares.len().max(1), found });
    }
    let mut phase = c0.to_vec();
    for share in shares {
        let limbs =
            phase.chunks_exact_mut(params.degree()).zip(share.chunks_exact(params.degree()));
        for ((sum, share), m) in limbs.zip(params.moduli()) {
            for (s, &x) in sum.iter_mut().zip(share) {
                *s = m.add(*s, x);
            }
        }
    }
    ring.inverse(&mut phase);
    let crt = Crt::new(params);
    (0..params.degree())
        .map(|i| {
            let residues = phase.iter().skip(i).step_by(params.degree()).copied();
            match crt.decode_wide(residues, scale) {
                Some((w, noise)) if w.abs() <= largest && noise.abs() <= noise_bound => Ok(w),
                _ => Err(RefreshError::OutOfRange),
            }
        })
        .collect()
}

/// A public real linear map from several sums to one slot value, for every slot: `value = sum_j factor_j sum_j + constant`.
///
/// Its factors are integers, `round(factor * scale * 2^GUARD_BITS)`, so that the map is exactly linear: what the holders' masks
/// and the masked sums map to differs by what the sums map to, and by nothing else.
pub struct LinearMap {
    scale: f64,
    /// Primes of the ciphertexts that it gives, or more than there are for all.
    limbs: usize,
    /// `[input][slot]`
    factors: Vec<Vec<i128>>,
    constants: Vec<Fixed>,
}

impl LinearMap {
    /// `factors[input][slot]` and `constants[slot]`; slots that are not given hold 0.
    pub fn new(factors: &[Vec<f64>], constants: &[f64], scale: f64) -> Result<Self, CkksError> {
        let shift = GUARD_BITS as i32;
        let factor = |&x: &f64| {
            let wide = to_fixed(x * scale, shift, scale)?.to_wide();
            i128::try_from(wide).map_err(|_| CkksError::Range(scale.log2()))
        };
        Ok(Self {
            scale,
            limbs: usize::MAX,
            factors: factors
                .iter()
                .map(|f| f.iter().map(factor).collect())
                .collect::<Result<_, _>>()?,
            constants: constants
                .iter()
                .map(|&c| to_fixed(c * scale, shift, scale))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The same for ciphertexts modulo the first `limbs` primes alone: where a circuit is shallow, fewer bytes travel.
    #[must_use]
    pub fn modulo(self, limbs: usize) -> Self {
        Self { limbs, ..self }
    }

    /// Primes of the ciphertexts that it gives.
    pub fn limbs(&self, params: CkksParams) -> usize {
        self.limbs.clamp(1, params.limbs())
    }

    /// The scale of the ciphertexts that it gives.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The values of the homogeneous part for `inputs[input][slot]`: what masks map to. For inputs below 2^100.
    pub fn apply(&self, inputs: &[&[i128]], slots: usize) -> Vec<Complex> {
        let mut values = vec![Complex::default(); slots];
        for (factors, input) in self.factors.iter().zip(inputs) {
            for ((value, &factor), &x) in values.iter_mut().zip(factors).zip(*input) {
                value.re = value.re.plus(Fixed::product(factor, x));
            }
        }
        values
    }

    /// The values, constants included: what masked sums map to.
    fn apply_affine(&self, inputs: &[&[i128]], slots: usize) -> Vec<Complex> {
        let mut values = self.apply(inputs, slots);
        for (value, &c) in values.iter_mut().zip(&self.constants) {
            value.re = value.re.plus(c);
        }
        values
    }
}

/// The common mask `A` of refreshed ciphertext `number` of a job, modulo the first `limbs` primes.
pub fn refresh_mask(ring: &CkksRing, job: &Digest, number: u32, limbs: usize) -> Vec<u64> {
    ring.mask("hegwas v1 ckks refresh mask", job, number, limbs)
}

/// A holder's encryption of what its masks map to, `b_k = -A S'_k + e_k + Enc(l(mu_k))` modulo the primes of the map.
#[derive(Clone, PartialEq, Eq)]
pub struct MaskCiphertext {
    params: CkksParams,
    job: Digest,
    number: u32,
    words: Vec<u64>,
}

impl MaskCiphertext {
    /// One computed by the secret half for refreshed ciphertext `number` of a job.
    pub fn new(params: CkksParams, job: Digest, number: u32, words: Vec<u64>) -> Self {
        let limbs = words.len() / params.degree();
        assert!(
            words.len().is_multiple_of(params.degree()) && (1..=params.limbs()).contains(&limbs),
            "one polynomial modulo some primes"
        );
        Self { params, job, number, words }
    }

    /// The object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let counts = [self.number, 0, 0, 0];
        bytes::to_bytes(
            Kind::CkksMaskCiphertext,
            self.params,
            self.job.short(),
            counts,
            &self.words,
        )
    }

    /// Reads one for refreshed ciphertext `number` of a job, which has so many primes ([`LinearMap::limbs`]).
    pub fn from_bytes(
        bytes: &[u8],
        params: CkksParams,
        job: Digest,
        (number, limbs): (u32, usize),
    ) -> Result<Self, CodecError> {
        let (context, counts) = ((job.short(), "job"), [number, 0, 0, 0]);
        let kind = Kind::CkksMaskCiphertext;
        let words = bytes::from_bytes(bytes, kind, params, context, counts, limbs, 1)?;
        Ok(Self { params, job, number, words })
    }
}

/// The refreshed ciphertext `(Enc(l(W)) - sum b_k, -A)`: it holds `l(m)` in slots, under the joint key.
///
/// `masked[input][slot]` are the masked sums of [`round_masked`].
pub fn refreshed(
    ring: &CkksRing,
    job: &Digest,
    number: u32,
    map: &LinearMap,
    masked: &[&[i128]],
    holders: usize,
    masks: &[MaskCiphertext],
) -> Result<Ciphertext, RefreshError> {
    let params = ring.params();
    let limbs = map.limbs(params);
    let fits = |m: &&MaskCiphertext| {
        (m.params, m.job, m.number) == (params, *job, number)
            && m.words.len() == limbs * params.degree()
    };
    let found = masks.iter().filter(fits).count();
    if found != holders || masks.len() != holders || holders == 0 {
        return Err(RefreshError::Shares { expected: holders, found });
    }
    let mut c0 = ring.encode(&mut map.apply_affine(masked, params.slots()), limbs);
    for mask in masks {
        ring.subtract(&mut c0, &mask.words);
    }
    let mut c1 = vec![0; c0.len()];
    ring.subtract(&mut c1, &refresh_mask(ring, job, number, limbs));
    Ok(Ciphertext::new(params, map.scale, c0, c1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ckks::bytes::tests::refuses_bad_bytes;
    use crate::params::Params;

    #[test]
    fn rounding_is_exact_or_refused() {
        let ring = Ring::new(Params::N8192Q200);
        let params = ring.params();
        let scale = Scale::product(1 << 30, 1 << 31);
        let value = |i: usize| (i as i128 - 4000) << 80;
        let lift = |f: &dyn Fn(usize) -> i128| {
            let mut words: Vec<u64> = (params.moduli())
                .flat_map(|m| {
                    let p = i128::from(m.value());
                    let s = i128::from(scale.residue(m));
                    (0..params.degree())
                        .map(move |i| {
                            (f(i).rem_euclid(p) * s + if i % 2 == 0 { 5 } else { p - 9 }) % p
                        })
                        .map(|x| x as u64)
                        .collect::<Vec<_>>()
                })
                .collect();
            ring.forward(&mut words);
            words
        };
        // C0 and two shares, with noise 5 or -9 each.
        let (a, b, c) = (lift(&|i| value(i) - 7), lift(&|_| 3), lift(&|_| 4));
        let round = |largest, bound| round_masked(&ring, scale, &a, &[&b, &c], largest, bound);
        let expected: Vec<i128> = (0..params.degree()).map(value).collect();
        assert_eq!(round(1 << 93, 27.0).unwrap(), expected);
        assert_eq!(round(1 << 93, 26.0), Err(RefreshError::OutOfRange));
        assert_eq!(round(1 << 92, 27.0), Err(RefreshError::OutOfRange));
        assert!(matches!(
            round_masked(&ring, scale, &a, &[&b, &c[1..]], 1 << 93, 27.0),
            Err(RefreshError::Shares { expected: 2, found: 1 })
        ));
    }

    #[test]
    fn maps_are_exactly_linear() {
        let map =
            LinearMap::new(&[vec![0.1, -3.0], vec![1e-9, 0.0]], &[0.25], 2f64.powi(100)).unwrap();
        let (masks, sums): ([&[i128]; 2], [&[i128]; 2]) =
            ([&[1 << 90, -(1 << 91)], &[77, 5]], [&[12, 13], &[14, 15]]);
        let both: Vec<Vec<i128>> = (masks.iter().zip(sums))
            .map(|(m, s)| m.iter().zip(s).map(|(m, s)| m + s).collect())
            .collect();
        let of_both = map.apply(&[&both[0], &both[1]], 3);
        for ((all, mask), sum) in of_both.iter().zip(map.apply(&masks, 3)).zip(map.apply(&sums, 3))
        {
            assert!(all.re == mask.re.plus(sum.re));
        }
        let unit = 2f64.powi(-124);
        let value = |i: usize| map.apply_affine(&sums, 3)[i].re.to_float() * unit;
        assert!((value(0) - (1.2 + 14e-9 + 0.25)).abs() < 1e-15);
        assert_eq!((value(1), value(2)), (-39.0, 0.0));
        assert!(LinearMap::new(&[vec![f64::NAN]], &[], 1.0).is_err());
        assert!(LinearMap::new(&[vec![16.0]], &[], 2f64.powi(100)).is_err());
    }

    #[test]
    fn bad_mask_ciphertexts_are_refused() {
        let (params, job) = (CkksParams::N32768Q750, Digest::of(b"job"));
        let words = (0..params.limbs() * params.degree()).map(|i| i as u64).collect();
        let mask = MaskCiphertext::new(params, job, 3, words);
        let limbs = params.limbs();
        let read = |b: &[u8]| MaskCiphertext::from_bytes(b, params, job, (3, limbs));
        assert!(read(&mask.to_bytes()).unwrap() == mask);
        let bytes = mask.to_bytes();
        for (number, limbs) in [(2, limbs), (3, limbs - 1), (3, 0)] {
            assert!(MaskCiphertext::from_bytes(&bytes, params, job, (number, limbs)).is_err());
        }
        refuses_bad_bytes(&mask.to_bytes(), Kind::CkksMaskCiphertext, read);
        let ring = CkksRing::new(params);
        let map = LinearMap::new(&[], &[], 1.0).unwrap();
        let form = |number, holders, masks: &[MaskCiphertext]| {
            refreshed(&ring, &job, number, &map, &[], holders, masks).map(|_| ())
        };
        assert!(form(3, 1, core::slice::from_ref(&mask)).is_ok());
        assert!(form(2, 1, core::slice::from_ref(&mask)).is_err());
        assert!(form(3, 2, core::slice::from_ref(&mask)).is_err());
        assert!(form(3, 0, &[]).is_err());
        // Of a map of fewer primes, one of as many.
        let map = LinearMap::new(&[], &[], 1.0).unwrap().modulo(5);
        let short = MaskCiphertext::new(params, job, 3, vec![0; 5 * params.degree()]);
        let form = |mask| refreshed(&ring, &job, 3, &map, &[], 1, core::slice::from_ref(mask));
        assert_eq!(form(&short).unwrap().limbs(), 5);
        assert!(form(&mask).is_err());
    }
}
