//! From an evaluated ciphertext and the holders' flooded shares to numbers. Finishing section 6.

use ethnum::U256;

use super::GUARD_BITS;
use super::bytes;
use super::ciphertext::Ciphertext;
use super::fixed::Fixed;
use super::params::{BASE_LIMBS, CkksParams};
use super::ring::CkksRing;
use crate::codec::{CodecError, Header, Kind};
use crate::digest::Digest;

/// A ciphertext at the end of its circuit: [`BASE_LIMBS`] primes are left.
#[derive(Clone, PartialEq, Debug)]
pub struct EvaluatedResult(Ciphertext);

/// Why a value cannot be released.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReleaseError {
    /// Not one share of each holder.
    #[error("{expected} key holders have to give a share of this result; {found} shares fit it")]
    Shares {
        /// Number of holders.
        expected: usize,
        /// Shares that fit.
        found: usize,
    },
    /// The circuit has not ended.
    #[error("a result has {BASE_LIMBS} primes, not {0}")]
    Limbs(usize),
    /// Larger than any value of the statistic.
    #[error(
        "a released value is out of range: a share, key or ciphertext does not belong here, or a variant outside the interval was not left out"
    )]
    OutOfRange,
}

impl EvaluatedResult {
    /// The result of a circuit; surplus primes are dropped, exactly.
    pub fn new(ciphertext: Ciphertext) -> Result<Self, ReleaseError> {
        let limbs = ciphertext.limbs();
        ciphertext.truncate(BASE_LIMBS).map(Self).map_err(|_| ReleaseError::Limbs(limbs))
    }

    /// The ciphertext.
    pub fn ciphertext(&self) -> &Ciphertext {
        &self.0
    }

    fn counts(number: u32, scale: f64) -> [u32; 4] {
        let scale = scale.to_bits();
        [number, BASE_LIMBS as u32, scale as u32, (scale >> 32) as u32]
    }

    /// The object: result `number` of a job.
    pub fn to_bytes(&self, job: &Digest, number: u32) -> Vec<u8> {
        let words = [&self.0.c0[..], &self.0.c1[..]].concat();
        bytes::to_bytes(
            Kind::CkksResult,
            self.0.params,
            job.short(),
            Self::counts(number, self.0.scale),
            &words,
        )
    }

    /// Reads result `number` of a job. The scale, which replaying the circuit gives, must be plausible: from 2^20 to 2^140.
    pub fn from_bytes(
        bytes: &[u8],
        params: CkksParams,
        job: &Digest,
        number: u32,
    ) -> Result<Self, CodecError> {
        let (header, _) = Header::split(bytes, Kind::CkksResult)?;
        let [_, _, low, high] = header.counts;
        let scale = f64::from_bits(u64::from(low) | u64::from(high) << 32);
        if !(2f64.powi(20)..2f64.powi(140)).contains(&scale) {
            return Err(CodecError::Counts("the scale is not that of a result"));
        }
        let (context, counts) = ((job.short(), "job"), Self::counts(number, scale));
        let mut c0 =
            bytes::from_bytes(bytes, Kind::CkksResult, params, context, counts, BASE_LIMBS, 2)?;
        let c1 = c0.split_off(BASE_LIMBS * params.degree());
        Ok(Self(Ciphertext::new(params, scale, c0, c1)))
    }
}

/// One holder's share of a result: `h_k = C1 S_k + flooding`.
#[derive(Clone, PartialEq, Eq)]
pub struct ReleaseShare {
    params: CkksParams,
    words: Vec<u64>,
}

impl ReleaseShare {
    /// A share computed by the secret half.
    pub fn new(params: CkksParams, words: Vec<u64>) -> Self {
        assert_eq!(words.len(), BASE_LIMBS * params.degree(), "one polynomial");
        Self { params, words }
    }

    /// The object, bound to the result's bytes by their digest.
    pub fn to_bytes(&self, result: &Digest) -> Vec<u8> {
        bytes::to_bytes(Kind::CkksReleaseShare, self.params, result.short(), [0; 4], &self.words)
    }

    /// Reads a share of the result with that digest.
    pub fn from_bytes(
        bytes: &[u8],
        params: CkksParams,
        result: &Digest,
    ) -> Result<Self, CodecError> {
        let context = (result.short(), "result");
        let kind = Kind::CkksReleaseShare;
        let words = bytes::from_bytes(bytes, kind, params, context, [0; 4], BASE_LIMBS, 1)?;
        Ok(Self { params, words })
    }
}

/// The values of a result: the real parts of `(C0 + sum h_k) / scale` in slots. None may exceed `largest` in magnitude.
///
/// Values are accurate to the circuit's noise and the flooding; reading them off loses less than 2^-40 of either.
pub fn combine(
    ring: &CkksRing,
    result: &EvaluatedResult,
    holders: usize,
    shares: &[ReleaseShare],
    largest: f64,
) -> Result<Vec<f64>, ReleaseError> {
    let unit = 2f64.powi(-(GUARD_BITS as i32)) / result.0.scale;
    phase_slots(ring, result, holders, shares)?
        .iter()
        .map(|x| {
            Some(x.to_float() * unit).filter(|x| x.abs() <= largest).ok_or(ReleaseError::OutOfRange)
        })
        .collect()
}

/// The slots of `C0 + sum h_k`, real parts, times `2^GUARD_BITS`: the values of [`combine`] before they are divided by the scale, with all
/// their bits. For measuring noise.
pub fn phase_slots(
    ring: &CkksRing,
    result: &EvaluatedResult,
    holders: usize,
    shares: &[ReleaseShare],
) -> Result<Vec<Fixed>, ReleaseError> {
    let params = ring.params();
    let found = shares.iter().filter(|s| s.params == params).count();
    if found != holders || shares.len() != holders || holders == 0 || result.0.params != params {
        return Err(ReleaseError::Shares { expected: holders, found });
    }
    let mut phase = result.0.c0.clone();
    for share in shares {
        ring.add(&mut phase, &share.words);
    }
    Ok(ring.embedding().decode(&coefficients(ring, phase)).iter().map(|z| z.re).collect())
}

/// The centred integer coefficients of a polynomial of [`BASE_LIMBS`] limbs.
fn coefficients(ring: &CkksRing, mut phase: Vec<u64>) -> Vec<Fixed> {
    let degree = ring.params().degree();
    let limbs = ring.limbs().get(..BASE_LIMBS).unwrap_or_default();
    let q = limbs.iter().fold(U256::ONE, |q, limb| q * U256::from(limb.modulus().value()));
    let mut sums = vec![U256::ZERO; degree];
    for (words, limb) in phase.chunks_exact_mut(degree).zip(limbs) {
        limb.ntt.inverse(words);
        let m = limb.modulus();
        // The multiple of all other primes that is 1 modulo this one.
        let others = q / U256::from(m.value());
        let inverse = m.inverse((others % U256::from(m.value())).as_u64());
        for (sum, &word) in sums.iter_mut().zip(words.iter()) {
            *sum += others * U256::from(m.mul(word, inverse));
        }
    }
    sums.iter()
        .map(|&sum| {
            let x = sum % q;
            Fixed::from_wide(if x > q >> 1u32 { x.as_i256() - q.as_i256() } else { x.as_i256() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ckks::bytes::tests::refuses_bad_bytes;

    const PARAMS: CkksParams = CkksParams::N32768Q750;

    #[test]
    fn bad_results_and_shares_are_refused() {
        let words = |seed: u64| {
            (0..BASE_LIMBS * PARAMS.degree()).map(|i| i as u64 * 77 + seed).collect::<Vec<_>>()
        };
        let ciphertext = Ciphertext::new(PARAMS, 2f64.powi(100) * 0.999, words(1), words(2));
        let (job, result) = (Digest::of(b"job"), EvaluatedResult::new(ciphertext.clone()).unwrap());
        let good = result.to_bytes(&job, 5);
        let read = |b: &[u8]| EvaluatedResult::from_bytes(b, PARAMS, &job, 5);
        assert_eq!(read(&good).unwrap(), result);
        let mut scale = good.clone();
        scale[63] = 0x7f;
        assert!(matches!(read(&scale), Err(CodecError::Counts(_))));
        assert!(EvaluatedResult::from_bytes(&good, PARAMS, &job, 6).is_err());
        refuses_bad_bytes(&good, Kind::CkksResult, |b| {
            // One bit of the scale more or less is a scale too, of another circuit: the caller compares it.
            read(b).and_then(|r| {
                if r.0.scale == result.0.scale { Ok(r) } else { Err(CodecError::Counts("scale")) }
            })
        });
        let short = ciphertext.truncate(2).unwrap();
        assert_eq!(EvaluatedResult::new(short), Err(ReleaseError::Limbs(2)));

        let share = ReleaseShare::new(PARAMS, words(3));
        let digest = Digest::of(&good);
        let read = |b: &[u8]| ReleaseShare::from_bytes(b, PARAMS, &digest);
        assert!(read(&share.to_bytes(&digest)).unwrap() == share);
        refuses_bad_bytes(&share.to_bytes(&digest), Kind::CkksReleaseShare, read);
    }

    #[test]
    fn values_are_read_off_and_wrong_shares_refused() {
        let ring = CkksRing::new(PARAMS);
        let values: Vec<f64> = (0..PARAMS.slots()).map(|i| (i as f64 - 8000.0) / 3.0).collect();
        let scale = 2f64.powi(100);
        let plain = crate::ckks::Plaintext::encode(&ring, &values, scale, BASE_LIMBS).unwrap();
        let zero = vec![0; plain.words().len()];
        let result =
            EvaluatedResult::new(Ciphertext::new(PARAMS, scale, plain.words.clone(), zero.clone()))
                .unwrap();
        let share = ReleaseShare::new(PARAMS, zero.clone());
        let read = combine(&ring, &result, 1, core::slice::from_ref(&share), 1e4).unwrap();
        for (x, y) in values.iter().zip(&read) {
            assert!((x - y).abs() < 1e-12, "{x} {y}");
        }
        let noise =
            ReleaseShare::new(PARAMS, zero.iter().enumerate().map(|(i, _)| i as u64).collect());
        assert_eq!(combine(&ring, &result, 1, &[noise], 1e4), Err(ReleaseError::OutOfRange));
        assert!(matches!(
            combine(&ring, &result, 2, &[share], 1e4),
            Err(ReleaseError::Shares { .. })
        ));
        assert!(matches!(combine(&ring, &result, 0, &[], 1e4), Err(ReleaseError::Shares { .. })));
    }
}
