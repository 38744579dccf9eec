//! Encrypting sums that a site computed in the clear under a study's public key. Protocol section 6.

use he_core::arith::Ring;
use he_core::layout::BODIES;
use he_core::params::Params;
use he_core::public_key::PublicKey;
use he_core::result::MAX_CHANNELS;
use he_core::totals::EncryptedTotals;
use he_core::{Digest, Plan};
use rayon::prelude::*;
use zeroize::Zeroize;

use crate::encrypt::EncryptError;
use crate::keys::{SecretPolynomial, multiply_add};
use crate::sampling::{ErrorIndex, Errors, ternary};
use crate::seeds::{Entropy, derive_key};

/// The sums of one result unit over a site's people.
#[derive(Clone, Copy)]
pub struct Totals<'a> {
    /// People summed: bounds every sum by `people * dosage_max * weight_max`.
    pub people: u32,
    /// Plane of the unit.
    pub plane: u8,
    /// Group of the unit.
    pub group: u32,
    /// Ciphertexts per body.
    pub channels: usize,
    /// `[body][channel][N]`.
    pub values: &'a [i64],
}

/// Encrypts a site's sums at the scale of results: a contribution to a result unit, to be added by the server.
///
/// Randomness depends on `entropy`, the study, the unit and the sums themselves, so that neither a second unit nor other
/// sums under the same entropy meet the same encryption of zero.
///
/// # Errors
///
/// If parameter sets differ, the values have no unit's size, or a sum or the number of people is above what is planned.
pub fn encrypt_totals(
    ring: &Ring,
    plan: &Plan,
    study: &PublicKey,
    entropy: &Entropy,
    totals: &Totals<'_>,
) -> Result<EncryptedTotals, EncryptError> {
    let params = ring.params();
    if plan.params() != params || study.params() != params {
        return Err(EncryptError::Params);
    }
    let (planned, rows) = (plan.request().people, totals.people);
    if rows > planned {
        return Err(EncryptError::People { planned, rows });
    }
    let bodies = totals.values.len() / (totals.channels * params.degree()).max(1);
    if !(1..=BODIES).contains(&bodies)
        || !(1..=MAX_CHANNELS as usize).contains(&totals.channels)
        || totals.values.len() != bodies * totals.channels * params.degree()
    {
        return Err(EncryptError::Length);
    }
    let largest = u64::from(rows)
        .saturating_mul(u64::from(plan.request().dosage_max))
        .saturating_mul(u64::from(plan.request().weight_max));
    if totals.values.iter().fold(0, |max, v| max.max(v.unsigned_abs())) > largest {
        return Err(EncryptError::Magnitude);
    }
    let mut key = totals_key(entropy, study.study(), totals);
    let words: Vec<Vec<u64>> = totals
        .values
        .par_chunks_exact(params.degree())
        .enumerate()
        .map(|(number, values)| encrypt(ring, plan, study, &key, number as u32, values))
        .collect();
    key.zeroize();
    Ok(EncryptedTotals::new(params, bodies, totals.channels, words.concat()))
}

fn totals_key(entropy: &Entropy, study: Digest, totals: &Totals<'_>) -> [u8; 32] {
    let mut input = [&study.0[..], &[totals.plane], &totals.group.to_le_bytes()].concat();
    input.extend((totals.channels as u64).to_le_bytes());
    input.reserve(8 * totals.values.len()); // no copies of secret sums left behind by growing
    totals.values.iter().for_each(|v| input.extend(v.to_le_bytes()));
    let key = entropy.derive("hegwas v1 totals", &input);
    input.zeroize();
    key
}

/// `(b u + e0 + Delta m, a u + e1)`, NTT domain.
fn encrypt(
    ring: &Ring,
    plan: &Plan,
    study: &PublicKey,
    key: &[u8; 32],
    number: u32,
    values: &[i64],
) -> Vec<u64> {
    let params = ring.params();
    let mut small = vec![0; params.degree()];
    let mut ternary_key = derive_key("hegwas v1 totals ternary", key, &number.to_le_bytes());
    ternary(&ternary_key, &mut small);
    ternary_key.zeroize();
    let u = SecretPolynomial::small(ring, &small);

    let mut error_key = derive_key("hegwas v1 totals errors", key, &number.to_le_bytes());
    let errors = Errors::new(&Digest(error_key).short());
    error_key.zeroize();
    let mut out = Vec::with_capacity(2 * params.words());
    for (half, factor) in [(0, study.b()), (1, study.a())] {
        errors.sample(ErrorIndex { plane: 0, group: 0, row: 0, body: half }, &mut small);
        let mut part = vec![0; params.words()];
        ring.lift(&small, &mut part);
        if half == 0 {
            add_scaled(params, plan, values, &mut part);
        }
        ring.forward(&mut part);
        multiply_add(params, factor, &u.0, &mut part);
        out.extend_from_slice(&part);
        part.zeroize();
    }
    small.zeroize();
    out
}

fn add_scaled(params: Params, plan: &Plan, values: &[i64], words: &mut [u64]) {
    for (limb, m) in words.chunks_exact_mut(params.degree()).zip(params.moduli()) {
        let delta = m.mul(m.from_u128(plan.delta_g()), m.from_u128(plan.delta_y()));
        for (word, &value) in limb.iter_mut().zip(values) {
            *word = m.add(*word, m.mul(delta, m.from_signed(value)));
        }
    }
}
