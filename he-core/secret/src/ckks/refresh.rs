//! A holder's side of the refresh: integer masks, masked shares, mask ciphertexts. Finishing section 5.

use he_core::Digest;
use he_core::arith::{Ring, Scale};
use he_core::ckks::{CkksRing, LinearMap, MaskCiphertext, refresh_mask};
use rayon::prelude::*;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::keys::CkksHolderKey;

/// Where a holder's integer masks for one job come from.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MaskKey {
    key: [u8; 32],
    #[zeroize(skip)]
    bits: u32,
}

impl MaskKey {
    /// The masks of `job`: uniform integers of `bits` bits (at most 100), centred.
    ///
    /// A mask of `L + 1 + log2 R` bits hides integers up to R at statistical distance `2^-L` each: it is `2^-L` times what a
    /// shift by R moves out of the range.
    pub fn derive(key: &CkksHolderKey, job: &Digest, bits: u32) -> Self {
        let bits = bits.clamp(1, 100);
        let input = [&job.0[..], &bits.to_le_bytes()].concat();
        Self { key: key.purpose("hegwas v1 ckks refresh masks", &input), bits }
    }

    /// The masks of the first-scheme ciphertext with that index (unit, body, channel: what the caller numbers by).
    pub fn masks(&self, index: [u32; 3], count: usize) -> Zeroizing<Vec<i128>> {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in index {
            hasher.update(&part.to_le_bytes());
        }
        let mut stream = hasher.finalize_xof();
        hasher.zeroize();
        let mut bytes = [0; 16];
        let half = 1i128 << (self.bits - 1);
        let mask = (1u128 << self.bits) - 1;
        let masks = (0..count)
            .map(|_| {
                stream.fill(&mut bytes);
                (u128::from_le_bytes(bytes) & mask).cast_signed() - half
            })
            .collect();
        bytes.zeroize();
        stream.zeroize();
        Zeroizing::new(masks)
    }
}

/// `w_k = h_k + Delta mu_k`: turns a holder's (smudged) decryption share of one ciphertext of the first scheme, a polynomial in the
/// NTT domain, into its refresh share.
///
/// One C1 gets one share of one kind for ever: a share of each kind would reveal the mask.
pub fn refresh_share(ring: &Ring, scale: Scale, share: &mut [u64], masks: &[i128]) {
    let params = ring.params();
    assert!(share.len() == params.words() && masks.len() == params.degree(), "one ciphertext");
    let mut lifted: Zeroizing<Vec<u64>> = Zeroizing::new(Vec::with_capacity(params.words()));
    for m in params.moduli() {
        let factor = scale.residue(m);
        // 2^127 is added to make the mask non-negative, and taken off again.
        let offset = m.mul(m.from_u128(1 << 127), factor);
        lifted.extend(masks.iter().map(|&mu| {
            let x = mu.cast_unsigned() ^ 1 << 127;
            let residue = m.reduce_wide(
                u128::from(m.reduce((x >> 64) as u64)) * two_64(m) + u128::from(m.reduce(x as u64)),
            );
            m.sub(m.mul(residue, factor), offset)
        }));
    }
    ring.forward(&mut lifted);
    let limbs = share.chunks_exact_mut(params.degree()).zip(lifted.chunks_exact(params.degree()));
    for ((share, lifted), m) in limbs.zip(params.moduli()) {
        for (s, &x) in share.iter_mut().zip(lifted) {
            *s = m.add(*s, x);
        }
    }
}

fn two_64(m: he_core::arith::Modulus) -> u128 {
    u128::from(m.from_u128(1 << 64))
}

impl CkksHolderKey {
    /// The mask ciphertext of refreshed ciphertext `number` of a job: what the masks (`masks[input][slot]`) map to, under the
    /// holder's own key and the job's common mask.
    ///
    /// The error is bound to job, number and plaintext. A job's number has one plaintext for ever: the caller stores the digest
    /// of these bytes before it sends them, and refuses others.
    pub fn mask_ciphertext(
        &self,
        ring: &CkksRing,
        job: &Digest,
        number: u32,
        map: &LinearMap,
        masks: &[&[i128]],
    ) -> MaskCiphertext {
        let params = self.params();
        let mut values = map.apply(masks, params.slots());
        let limbs = map.limbs(params);
        let mut words = ring.encode(&mut values, limbs);
        values.par_iter_mut().for_each(|z| z.zeroize());
        let mut bytes: Vec<u8> =
            words.iter().take(params.degree()).flat_map(|w| w.to_le_bytes()).collect();
        let input = [&job.0[..], &number.to_le_bytes(), &Digest::of(&bytes).0].concat();
        bytes.zeroize();
        let mut error = self.small_error(ring, "hegwas v1 ckks mask error", &input, limbs);
        ring.add(&mut words, &error);
        error.zeroize();
        let mut product = vec![0; words.len()];
        self.multiply_add(ring, &refresh_mask(ring, job, number, limbs), &mut product);
        ring.subtract(&mut words, &product);
        product.zeroize();
        MaskCiphertext::new(params, *job, number, words)
    }
}
