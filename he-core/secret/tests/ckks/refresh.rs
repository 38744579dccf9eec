//! The refresh, with the first scheme's ciphertexts and smudged shares made up.

use he_core::Digest;
use he_core::arith::{Ring, Scale};
use he_core::ckks::{Ciphertext, LinearMap, refreshed, round_masked};
use he_core::params::Params;
use he_core_secret::ckks::{MaskKey, refresh_share};

use crate::study::Study;

/// Takes integer sums through refresh shares of the first scheme and mask ciphertexts into refreshed ciphertexts.
pub(crate) struct Refresh<'a> {
    study: &'a Study,
    pub(crate) ring: Ring,
    pub(crate) scale: Scale,
    job: Digest,
    /// `[holder][input][slot]`, and the masked sums `[input][slot]`.
    masks: Vec<Vec<Vec<i128>>>,
    masked: Vec<Vec<i128>>,
}

impl<'a> Refresh<'a> {
    pub(crate) fn new(study: &'a Study, sums: &[Vec<i128>], job: &[u8]) -> Self {
        let ring = Ring::new(Params::N8192Q200);
        let scale = Scale::product(1 << 40, 1 << 40);
        let (params, job) = (ring.params(), Digest::of(job));
        let degree = params.degree();
        let keys: Vec<_> = study.holders.iter().map(|h| MaskKey::derive(h, &job, 59)).collect();
        let mut masks = vec![vec![Vec::new(); sums.len()]; keys.len()];
        let mut masked = vec![Vec::new(); sums.len()];
        for (input, values) in sums.iter().enumerate() {
            for (unit, values) in values.chunks(degree).enumerate() {
                let lift = |x: &dyn Fn(usize) -> i128| {
                    let mut words: Vec<u64> = params
                        .moduli()
                        .flat_map(|m| {
                            let p = i128::from(m.value());
                            (0..degree).map(move |i| x(i).rem_euclid(p) as u64).collect::<Vec<_>>()
                        })
                        .collect();
                    ring.forward(&mut words);
                    words
                };
                // What the servers' C0 and the holders' smudged shares add up to: Delta m + noise, of whichever holder.
                let delta = 1i128 << 80;
                let c0 = lift(&|i| values.get(i).copied().unwrap_or(0) * delta + (1 << 60));
                let shares: Vec<Vec<u64>> = (0..)
                    .zip(&keys)
                    .map(|(k, key)| {
                        let mu = key.masks([unit as u32, input as u32, 0], degree);
                        let mut share = lift(&|i| (i as i128 - k) << 55);
                        refresh_share(&ring, scale, &mut share, &mu);
                        masks[k as usize][input].extend_from_slice(&mu);
                        share
                    })
                    .collect();
                let shares: Vec<&[u64]> = shares.iter().map(Vec::as_slice).collect();
                let round =
                    round_masked(&ring, scale, &c0, &shares, 1 << 61, 2f64.powi(72)).unwrap();
                // Bit for bit what the clear path gives.
                for (i, &w) in round.iter().enumerate() {
                    let mu: i128 = masks.iter().map(|m| m[input][unit * degree + i]).sum();
                    assert_eq!(w - mu, values.get(i).copied().unwrap_or(0));
                }
                masked[input].extend(round);
            }
        }
        Self { study, ring, scale, job, masks, masked }
    }

    pub(crate) fn ciphertext(
        &self,
        number: u32,
        inputs: &[usize],
        factors: &[&[f64]],
        constants: &[f64],
        scale: f64,
    ) -> Ciphertext {
        let factors: Vec<Vec<f64>> = factors.iter().map(|f| f.to_vec()).collect();
        let map = LinearMap::new(&factors, constants, scale).unwrap();
        let (ring, job) = (&self.study.ring, &self.job);
        let masks: Vec<_> = (self.study.holders.iter().zip(&self.masks))
            .map(|(holder, masks)| {
                let masks: Vec<&[i128]> = inputs.iter().map(|&i| &masks[i][..]).collect();
                holder.mask_ciphertext(ring, job, number, &map, &masks)
            })
            .collect();
        let masked: Vec<&[i128]> = inputs.iter().map(|&i| &self.masked[i][..]).collect();
        refreshed(ring, job, number, &map, &masked, masks.len(), &masks).unwrap()
    }
}
