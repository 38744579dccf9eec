//! From masked sums to slots: the linear maps of a batch of variants, the holders' mask ciphertexts, the refreshed ciphertexts.

use std::ops::Range;

use he_core::Digest;
use he_core::ckks::{Ciphertext, LinearMap, MaskCiphertext, refreshed};

use super::holders::{Finishing, Masked};
use crate::{Error, Result};

/// One refreshed ciphertext of a batch: which channels go into it, and how.
pub struct Input {
    /// Its number in the job.
    pub number: u32,
    /// Channels of the masked sums.
    pub channels: Vec<usize>,
    /// What becomes of them.
    pub map: LinearMap,
}

/// The values of `channels` at the batch's variants.
fn part<'a>(values: &'a [Vec<i128>], input: &Input, batch: &Range<usize>) -> Vec<&'a [i128]> {
    let of = |&channel: &usize| values.get(channel)?.get(batch.clone());
    input.channels.iter().filter_map(of).collect()
}

impl Finishing {
    /// A holder's mask ciphertext.
    #[must_use]
    pub fn mask(
        &self,
        holder: usize,
        job: &Digest,
        input: &Input,
        masked: &Masked,
        batch: &Range<usize>,
    ) -> Option<MaskCiphertext> {
        let masks = part(masked.masks.get(holder)?, input, batch);
        let key = self.keys.get(holder)?;
        Some(key.mask_ciphertext(&self.ring, job, input.number, &input.map, &masks))
    }

    /// The server's refreshed ciphertext.
    ///
    /// # Errors
    /// When a mask ciphertext is missing.
    pub fn lift(
        &self,
        job: &Digest,
        input: &Input,
        masked: &Masked,
        batch: &Range<usize>,
        masks: &[MaskCiphertext],
    ) -> Result<Ciphertext> {
        let sums = part(&masked.sums, input, batch);
        let holders = self.keys.len();
        let out = refreshed(&self.ring, job, input.number, &input.map, &sums, holders, masks);
        out.map_err(Error::step("refreshing"))
    }
}
