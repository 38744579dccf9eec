//! A holder's decryption share. Protocol section 6.

use he_core::Plan;
use he_core::result::SwitchedUnit;
use he_core::share::DecryptionShare;
use rayon::prelude::*;

use crate::keys::{HolderKey, multiply_add};

/// Why no share is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Another parameter set than the key's.
    #[error("the result has another parameter set than the study key")]
    Params,
    /// Several holders need smudged, write-once shares, which this version does not make.
    #[error(
        "this version gives shares only to studies with one key holder; use a release that supports consortia"
    )]
    SeveralHolders,
}

/// The share of a sole holder, `C1 S`: it carries no smudging and must never leave the process that combines it.
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
    DecryptionShare::new(unit, words.concat())
}
