//! A holder's decryption share. Protocol section 6.

use he_core::arith::Ring;
use he_core::mask::{MaskExpander, MaskIndex, MaskSeed};
use he_core::noise::Smudging;
use he_core::params::Params;
use he_core::result::SwitchedUnit;
use he_core::share::{Admitted, C1Fingerprint, DecryptionShare, Readable, ShareKind};
use he_core::{Digest, Plan};
use rayon::prelude::*;
use zeroize::Zeroize;

use crate::keys::{HolderKey, multiply_add};
use crate::masks::Masks;
use crate::smudging::Noise;

/// Why no share is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Another parameter set than the key's.
    #[error("the result has another parameter set than the study key")]
    Params,
    /// A share of one of several holders leaves its process: it has to be admitted and smudged.
    #[error("the study has several key holders: a share has to be written down and smudged first")]
    SeveralHolders,
    /// Something else was admitted.
    #[error("the ledger admitted another study, result or kind of share than this one")]
    NotAdmitted,
}

/// The share of a sole holder, `C1 S`: it carries no smudging and must never leave the process that combines it, for
/// whoever has it and `C1` can divide the one by the other and has the key.
///
/// # Errors
///
/// If the unit is not of the key's parameter set, or the plan has several holders.
pub fn decryption_share(
    plan: &Plan,
    key: &HolderKey,
    unit: &SwitchedUnit,
) -> Result<DecryptionShare, ShareError> {
    if plan.request().holders != 1 {
        return Err(ShareError::SeveralHolders);
    }
    if unit.params() != key.params() || plan.params() != key.params() {
        return Err(ShareError::Params);
    }
    Ok(unsmudged(key, unit))
}

/// A share that opens an admitted result unit, `C1 S_k + e'_k` with wide noise `e'_k`.
///
/// A function of key and admitted record: the same bytes whenever it is asked for, so a crash between writing the record
/// and sending the share does no harm. The noise comes from a key derived from the holder's secret, the very words of
/// `C1`, the job for which it was shared first, and the kind; nothing else ever derives that key.
///
/// # Errors
///
/// If `unit` or the key is not what was admitted.
pub fn smudged_share(
    ring: &Ring,
    key: &HolderKey,
    admitted: &Admitted,
    unit: &SwitchedUnit,
) -> Result<DecryptionShare, ShareError> {
    let smudging = check(ring, key, admitted, unit, ShareKind::Open)?;
    let words: Vec<Vec<u64>> = each(admitted, unit)
        .into_par_iter()
        .map(|one| smudged(ring, key, admitted, smudging, &one))
        .collect();
    Ok(DecryptionShare::new(unit, ShareKind::Open, words.concat()))
}

/// A share that opens the readable coefficients of an admitted unit of totals and no others: [`smudged_share`] plus, on every
/// other coefficient, a word uniform modulo Q.
///
/// The mask of one honest holder hides these coefficients whatever the ciphertext is: nobody can check what a site encrypted
/// as its totals (decision record 0037). Masks are functions of the same inputs as the noise, from keys of their own.
///
/// # Errors
///
/// If `unit` or the key is not what was admitted.
pub fn totals_share(
    ring: &Ring,
    key: &HolderKey,
    admitted: &Admitted,
    unit: &SwitchedUnit,
    readable: Readable,
) -> Result<DecryptionShare, ShareError> {
    let smudging = check(ring, key, admitted, unit, ShareKind::Open)?;
    let (params, channels) = (ring.params(), unit.channels());
    let words: Vec<Vec<u64>> = each(admitted, unit)
        .into_par_iter()
        .enumerate()
        .map(|(number, one)| {
            let mut share = smudged(ring, key, admitted, smudging, &one);
            let mut mask = uniform(key, params, &one, readable.in_body(params, number / channels));
            ring.forward(&mut mask);
            add(params, &mask, &mut share);
            mask.zeroize();
            share
        })
        .collect();
    Ok(DecryptionShare::new(unit, ShareKind::Open, words.concat()))
}

/// A share that refreshes an admitted result unit, `C1 S_k + Delta mu_k + e'_k`, and its masks `mu_k`: uniform integers
/// in `[-2^t, 2^t)` with `t = plan.mask_bits()`, for each body, channel and coefficient.
///
/// Masks and noise are functions of the same inputs as in [`smudged_share`], from keys of their own.
///
/// # Errors
///
/// If `unit` or the key is not what was admitted.
pub fn refresh_share(
    ring: &Ring,
    key: &HolderKey,
    admitted: &Admitted,
    unit: &SwitchedUnit,
) -> Result<(DecryptionShare, Masks), ShareError> {
    let smudging = check(ring, key, admitted, unit, ShareKind::Refresh)?;
    let plan = admitted.plan();
    let bits = plan.mask_bits().ok_or(ShareError::NotAdmitted)?;
    let (words, masks): (Vec<Vec<u64>>, Vec<Masks>) = each(admitted, unit)
        .into_par_iter()
        .map(|one| {
            let mut share = smudged(ring, key, admitted, smudging, &one);
            let mut mask_key = derive(key, "hegwas v1 refresh mask", &one);
            let masks = Masks::expand(bits, &mask_key, ring.params().degree());
            mask_key.zeroize();
            let mut scaled = masks.scaled(ring.params(), plan);
            ring.forward(&mut scaled);
            add(ring.params(), &scaled, &mut share);
            scaled.zeroize();
            (share, masks)
        })
        .unzip();
    Ok((DecryptionShare::new(unit, ShareKind::Refresh, words.concat()), Masks::concat(masks)))
}

/// That everything belongs to what was admitted; the smudging to use.
fn check(
    ring: &Ring,
    key: &HolderKey,
    admitted: &Admitted,
    unit: &SwitchedUnit,
    kind: ShareKind,
) -> Result<Smudging, ShareError> {
    let (plan, record) = (admitted.plan(), admitted.record());
    if [unit.params(), plan.params(), ring.params()].iter().any(|&p| p != key.params()) {
        return Err(ShareError::Params);
    }
    if record.study() != key.study() || record.kind() != kind || !admitted.covers(unit) {
        return Err(ShareError::NotAdmitted);
    }
    plan.smudging_noise().ok_or(ShareError::NotAdmitted)
}

/// An admitted ciphertext.
struct One<'a> {
    c1: &'a [u64],
    fingerprint: &'a C1Fingerprint,
    /// The job for which it was shared first.
    job: Digest,
}

fn each<'a>(admitted: &'a Admitted, unit: &'a SwitchedUnit) -> Vec<One<'a>> {
    let known = admitted.record().ciphertexts().iter().zip(admitted.first_jobs());
    let ciphertexts = unit.ciphertexts().map(|(_, c1)| c1).zip(known);
    ciphertexts.map(|(c1, (fingerprint, job))| One { c1, fingerprint, job: *job }).collect()
}

/// `C1 S_k + e'_k`, NTT domain.
fn smudged(
    ring: &Ring,
    key: &HolderKey,
    admitted: &Admitted,
    smudging: Smudging,
    one: &One<'_>,
) -> Vec<u64> {
    let context = match admitted.record().kind() {
        ShareKind::Open => "hegwas v1 smudging of an opening share",
        ShareKind::Refresh => "hegwas v1 smudging of a refresh share",
    };
    let params = ring.params();
    let mut noise_key = derive(key, context, one);
    let mut share = Noise::expand(smudging, &noise_key, params.degree()).residues(params);
    noise_key.zeroize();
    ring.forward(&mut share);
    multiply_add(params, one.c1, &key.secret.0, &mut share);
    share
}

/// Words uniform below each prime, for every coefficient but the first `zeros`; not transformed.
fn uniform(key: &HolderKey, params: Params, one: &One<'_>, zeros: usize) -> Vec<u64> {
    let mut mask_key = derive(key, "hegwas v1 mask of an opening share of totals", one);
    let expander = MaskExpander::new(MaskSeed(Digest(mask_key).short()));
    mask_key.zeroize();
    let mut mask = vec![0; params.words()];
    let limbs = mask.chunks_exact_mut(params.degree());
    for ((limb, modulus), words) in (0..).zip(params.moduli()).zip(limbs) {
        expander.expand(modulus, MaskIndex { plane: 0, limb, group: 0, row: 0 }, 0, words);
        words.iter_mut().take(zeros).for_each(|word| *word = 0);
    }
    mask
}

/// A key bound to the holder's secret, the purpose, the exact `C1` and the job for which it was shared first.
fn derive(key: &HolderKey, context: &str, one: &One<'_>) -> [u8; 32] {
    key.derive_share_key(context, &[one.fingerprint.c1().0, one.job.0].concat())
}

fn add(params: Params, terms: &[u64], sums: &mut [u64]) {
    let limbs = sums.chunks_exact_mut(params.degree()).zip(terms.chunks_exact(params.degree()));
    for ((sums, terms), m) in limbs.zip(params.moduli()) {
        for (sum, &term) in sums.iter_mut().zip(terms) {
            *sum = m.add(*sum, term);
        }
    }
}

fn unsmudged(key: &HolderKey, unit: &SwitchedUnit) -> DecryptionShare {
    let params = unit.params();
    let c1: Vec<&[u64]> = unit.ciphertexts().map(|(_, c1)| c1).collect();
    let words: Vec<Vec<u64>> = c1
        .into_par_iter()
        .map(|c1| {
            let mut h = vec![0; params.words()];
            multiply_add(params, c1, &key.secret.0, &mut h);
            h
        })
        .collect();
    DecryptionShare::new(unit, ShareKind::Open, words.concat())
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;

    use he_core::PlanRequest;
    use he_core::arith::{Crt, Scale};
    use he_core::share::ShareLedger;
    use he_core::totals::EncryptedTotals;

    use super::*;
    use crate::keys::MasterKey;

    /// What is left of a share without the product is noise of the planned deviation.
    #[test]
    fn a_share_is_the_product_and_planned_noise() {
        let request = PlanRequest {
            holders: 3,
            smudging_bits: 40,
            values: 1 << 21,
            ..PlanRequest::sole_holder(100)
        };
        let plan = Plan::new(request).unwrap();
        let (params, study) = (plan.params(), Digest::of(b"study"));
        let ring = Ring::new(params);
        let key = HolderKey::derive(&MasterKey::from_bytes([7; 32]), &ring, study);
        let words = he_core::public_key::study_mask(params, Digest::of(b"ciphertext"));
        let unit = EncryptedTotals::new(params, 1, 1, [words.clone(), words].concat()).into_unit();
        let mut ledger = ShareLedger::restore(study, plan, []).unwrap();
        let admitted = ledger
            .admit(Digest::of(b"job"), ShareKind::Open, &unit, |_| Ok::<(), Infallible>(()))
            .unwrap();
        let mut rest = smudged_share(&ring, &key, &admitted, &unit).unwrap().words().to_vec();
        let product = unsmudged(&key, &unit);
        let limbs = rest
            .chunks_exact_mut(params.degree())
            .zip(product.words().chunks_exact(params.degree()));
        for ((rest, product), m) in limbs.zip(params.moduli()) {
            rest.iter_mut().zip(product).for_each(|(r, &p)| *r = m.sub(*r, p));
        }
        ring.inverse(&mut rest);
        let (crt, scale) = (Crt::new(params), Scale::product(1 << 100, 1 << 48));
        let squares: f64 = (0..params.degree())
            .map(|i| rest.iter().copied().skip(i).step_by(params.degree()))
            .map(|residues| crt.decode(residues, scale).unwrap().1.powi(2))
            .sum();
        let ratio = (squares / params.degree() as f64).sqrt() / plan.smudging();
        // Five deviations of the estimate from 8192 values.
        assert!((ratio - 1.0).abs() < 5.0 / (2.0 * params.degree() as f64).sqrt(), "{ratio}");
    }
}
