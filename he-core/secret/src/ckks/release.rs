//! A holder's share of an evaluated result. Finishing section 6.

use he_core::Digest;
use he_core::ckks::params::BASE_LIMBS;
use he_core::ckks::{CkksRing, EvaluatedResult, Flood, ReleaseShare};
use zeroize::Zeroize;

use super::flood::flood;
use super::keys::CkksHolderKey;

/// `C1 S_k` under flooding noise bound to C1 and the job: asked twice for the same C1 in the same job, it gives the same bytes.
///
/// One C1 gets one share for ever. The caller stores the share's digest under that of C1 before it sends anything, and refuses
/// any other job with that C1; a sole holder, too, floods what leaves its process.
pub fn release_share(
    ring: &CkksRing,
    key: &CkksHolderKey,
    result: &EvaluatedResult,
    job: &Digest,
    noise: Flood,
) -> ReleaseShare {
    let params = key.params();
    let (_, c1) = result.ciphertext().parts();
    let bytes: Vec<u8> = c1.iter().flat_map(|w| w.to_le_bytes()).collect();
    let input = [job.0, Digest::of(&bytes).0].concat();
    let mut seed =
        key.purpose("hegwas v1 ckks flooding", &[&input[..], &noise.bits().to_le_bytes()].concat());
    let mut coefficients = flood(&seed, noise, params.degree());
    seed.zeroize();
    let mut words = ring.lift_wide(&coefficients, BASE_LIMBS);
    coefficients.iter_mut().for_each(|c| c.zeroize());
    key.multiply_add(ring, c1, &mut words);
    ReleaseShare::new(params, words)
}
