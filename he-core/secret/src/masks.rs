//! Masks of refresh shares: uniform integers that hide a result from the server. Protocol section 6.

use core::fmt;

use aes::Aes128;
use aes::cipher::{Array, KeyInit};
use he_core::Plan;
use he_core::params::Params;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::smudging::{Base, add_uniform};

/// One holder's masks of a result unit, `[body][channel][coefficient]`: as secret as the result. `Debug` shows none.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Masks(Vec<i128>);

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masks(..)")
    }
}

impl Masks {
    /// `count` integers in `[-2^bits, 2^bits)` from a key that is used for nothing else.
    pub(crate) fn expand(bits: u32, key: &[u8; 32], count: usize) -> Self {
        let mut cipher_key = [0; 16];
        blake3::Hasher::new_keyed(key).finalize_xof().fill(&mut cipher_key);
        let mut words = vec![[0; 4]; count];
        add_uniform(&Aes128::new(&Array(cipher_key)), bits + 1, &mut words);
        cipher_key.zeroize();
        let unsigned = |[low, high, ..]: &[u64; 4]| i128::from(*low) | i128::from(*high) << 64;
        let masks = words.iter().map(|w| unsigned(w) - (1 << bits)).collect();
        words.zeroize();
        Self(masks)
    }

    /// The masks.
    pub fn values(&self) -> &[i128] {
        &self.0
    }

    pub(crate) fn concat(parts: Vec<Self>) -> Self {
        let mut all = Vec::with_capacity(parts.iter().map(|part| part.0.len()).sum());
        parts.iter().for_each(|part| all.extend_from_slice(&part.0));
        Self(all)
    }

    /// Residues of `Delta mu`, limb by limb, not transformed.
    pub(crate) fn scaled(&self, params: Params, plan: &Plan) -> Vec<u64> {
        let mut out = Vec::with_capacity(params.words());
        for m in params.moduli() {
            let delta = m.mul(m.from_u128(plan.delta_g()), m.from_u128(plan.delta_y()));
            // Two's complement: residues of the unsigned words, less 2^128 where negative.
            let (base, wrap) = (Base::new(m), m.pow(2, 128));
            out.extend(self.0.iter().map(|&mask| {
                let words = mask as u128;
                let residue = base.residue(&[words as u64, (words >> 64) as u64, 0, 0]);
                let negative = (words >> 127) as u64;
                m.mul(m.sub(residue, m.mul(wrap, negative)), delta)
            }));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_uniform_in_their_range() {
        for bits in [41, 63, 64, 90, 120] {
            let masks = Masks::expand(bits, &[3; 32], 1 << 14);
            let largest = 1i128 << bits;
            assert!(masks.values().iter().all(|&m| (-largest..largest).contains(&m)));
            // Sixteen parts of the range, 1024 each.
            let mut counts = [0f64; 16];
            for &m in masks.values() {
                counts[((m + largest) >> (bits - 3)) as usize] += 1.0;
            }
            let chi: f64 = counts.iter().map(|c| (c - 1024.0).powi(2) / 1024.0).sum();
            assert!(chi < 45.0, "15 degrees of freedom: {chi}");
            let odd = masks.values().iter().filter(|&&m| m & 1 == 1).count();
            assert!((7_800..8_600).contains(&odd));
        }
        assert_eq!(format!("{:?}", Masks::expand(41, &[3; 32], 4)), "Masks(..)");
    }
}
