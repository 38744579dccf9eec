//! Making a switching key: gadget encryptions of a dataset's secrets under a study's public key. Protocol section 6.

use he_core::arith::Ring;
use he_core::grant::{Component, SwitchingKey};
use he_core::public_key::PublicKey;
use rayon::prelude::*;
use zeroize::Zeroize;

use crate::encrypt::EncryptError;
use crate::keys::{DatasetKey, SecretPolynomial, multiply_add};
use crate::sampling::{ErrorIndex, Errors, ternary};
use crate::seeds::{Entropy, derive_key};

/// The switching key from a dataset to a study. Everything under the dataset's key can then be switched to the study's:
/// hand it out only for as long and as far as the owner consents.
///
/// # Errors
///
/// If ring, dataset and study have different parameter sets.
pub fn make_switching_key(
    ring: &Ring,
    dataset: &DatasetKey,
    study: &PublicKey,
    entropy: &Entropy,
) -> Result<SwitchingKey, EncryptError> {
    let params = ring.params();
    if dataset.params() != params || study.params() != params {
        return Err(EncryptError::Params);
    }
    let mut key =
        entropy.derive("hegwas v1 grant", &[&dataset.nonce()[..], &study.study().0].concat());
    let components: Vec<Component> = Component::all().collect();
    let words: Vec<Vec<u64>> = (0u32..)
        .zip(components)
        .collect::<Vec<_>>()
        .into_par_iter()
        .map(|(number, component)| {
            encrypt_component(ring, &dataset.component(component), study, &key, number)
        })
        .collect();
    key.zeroize();
    Ok(SwitchingKey::new(params, words.concat()))
}

/// `(p u + e0 + g_lj m, a u + e1)` for every limb l and digit j.
fn encrypt_component(
    ring: &Ring,
    secret: &SecretPolynomial,
    study: &PublicKey,
    key: &[u8; 32],
    number: u32,
) -> Vec<u64> {
    let params = ring.params();
    let degree = params.degree();
    let mut out = Vec::with_capacity(params.limbs() * params.gadget_digits() * 2 * params.words());
    let mut small = vec![0; degree];
    for limb in 0..params.limbs() {
        for digit in 0..params.gadget_digits() {
            let place =
                [number.to_le_bytes(), (limb as u32).to_le_bytes(), (digit as u32).to_le_bytes()]
                    .concat();
            let mut ternary_key = derive_key("hegwas v1 grant ternary", key, &place);
            ternary(&ternary_key, &mut small);
            ternary_key.zeroize();
            let u = SecretPolynomial::small(ring, &small);

            let mut error_key =
                he_core::Digest(derive_key("hegwas v1 grant errors", key, &place)).short();
            let errors = Errors::new(&error_key);
            error_key.zeroize();
            for (half, factor) in [(0, study.b()), (1, study.a())] {
                errors.sample(ErrorIndex { plane: 0, group: 0, row: 0, body: half }, &mut small);
                let mut part = vec![0; params.words()];
                ring.lift(&small, &mut part);
                ring.forward(&mut part);
                multiply_add(params, factor, &u.0, &mut part);
                out.extend_from_slice(&part);
            }
            // The message: 2^(w j) m in limb l of the first half.
            let start = out.len() - 2 * params.words() + limb * degree;
            let message = secret.0.get(limb * degree..(limb + 1) * degree).unwrap_or_default();
            if let Some(m) = params.moduli().nth(limb) {
                let power = 1 << (params.gadget_bits() as usize * digit);
                for (o, &s) in out.iter_mut().skip(start).zip(message) {
                    *o = m.add(*o, m.mul(s, power));
                }
            }
        }
    }
    small.zeroize();
    out
}
