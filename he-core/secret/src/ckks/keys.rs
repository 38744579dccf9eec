//! A holder's share of the finishing key, and what it contributes to the joint keys. Finishing section 4.

use core::fmt;

use he_core::Digest;
use he_core::ckks::{
    CkksParams, CkksPublicKey, CkksPublicShare, CkksRing, RelinShare, gadget_factor, key_mask,
};
use rayon::prelude::*;
use zeroize::Zeroize;

use super::encrypt::encrypt_zero;
use crate::keys::{MasterKey, SecretPolynomial};
use crate::sampling::{ErrorIndex, Errors, ternary};
use crate::seeds::derive_key;

/// A key holder's share of a study's finishing key: a ternary secret modulo QP.
pub struct CkksHolderKey {
    study: Digest,
    params: CkksParams,
    secret: SecretPolynomial,
    /// What the holder's noise and masks derive from.
    root: [u8; 32],
}

impl Drop for CkksHolderKey {
    fn drop(&mut self) {
        self.root.zeroize();
    }
}

impl fmt::Debug for CkksHolderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CkksHolderKey({}, ..)", self.study)
    }
}

impl CkksHolderKey {
    /// The holder's key for `study`, whose digest contains a fresh nonce.
    pub fn derive(master: &MasterKey, ring: &CkksRing, study: Digest) -> Self {
        let params = ring.params();
        let input = [&study.0[..], params.name().as_bytes()].concat();
        let mut key = master.derive("hegwas v1 ckks secret", &input);
        let mut coefficients = vec![0; params.degree()];
        ternary(&key, &mut coefficients);
        key.zeroize();
        let secret = SecretPolynomial(ring.lift_small(&coefficients, params.all_limbs()));
        coefficients.zeroize();
        Self { study, params, secret, root: master.derive("hegwas v1 ckks root", &input) }
    }

    /// The study.
    pub fn study(&self) -> Digest {
        self.study
    }

    /// The parameter set.
    pub fn params(&self) -> CkksParams {
        self.params
    }

    /// A key for one purpose and input.
    pub(crate) fn purpose(&self, context: &str, input: &[u8]) -> [u8; 32] {
        derive_key(context, &self.root, input)
    }

    /// `acc += x S_k` modulo as many primes as `acc` has.
    pub(crate) fn multiply_add(&self, ring: &CkksRing, x: &[u64], acc: &mut [u64]) {
        ring.multiply_add(x, &self.secret.0, acc);
    }

    /// The contribution to the public key, `-a S_k + e_k`: the same bytes whenever it is asked for.
    pub fn public_share(&self, ring: &CkksRing) -> CkksPublicShare {
        let mask = key_mask(ring, &self.study);
        let mut words = vec![0; mask.len()];
        let error =
            self.small_error(ring, "hegwas v1 ckks key error", &[], self.params.all_limbs());
        self.multiply_add(ring, &mask, &mut words);
        let mut share = error;
        ring.subtract(&mut share, &words);
        words.zeroize();
        CkksPublicShare::new(self.params, self.study, share)
    }

    /// A centred binomial error bound to a purpose and an input, lifted.
    pub(crate) fn small_error(
        &self,
        ring: &CkksRing,
        context: &str,
        input: &[u8],
        limbs: usize,
    ) -> Vec<u64> {
        let mut key = Digest(self.purpose(context, input)).short();
        let errors = Errors::new(&key);
        key.zeroize();
        let mut coefficients = vec![0; self.params.degree()];
        errors.sample(ErrorIndex { plane: 0, group: 0, row: 0, body: 0 }, &mut coefficients);
        let words = ring.lift_small(&coefficients, limbs);
        coefficients.zeroize();
        words
    }

    /// The contributions to the relinearisation key under the joint public key, digit by digit as they are asked for. Their
    /// randomness is bound to that key: the same key gives the same bytes, and no two keys see the same randomness.
    pub fn relin_shares<'a>(
        &'a self,
        ring: &'a CkksRing,
        public: &'a CkksPublicKey,
    ) -> impl Iterator<Item = RelinShare> + 'a {
        let (b, _) = public.parts();
        let bytes: Vec<u8> = b.iter().flat_map(|w| w.to_le_bytes()).collect();
        let digest = Digest::derive("hegwas v1 ckks public key", &bytes);
        (0..self.params.digits()).map(move |digit| self.relin_share(ring, public, &digest, digit))
    }

    fn relin_share(
        &self,
        ring: &CkksRing,
        public: &CkksPublicKey,
        digest: &Digest,
        digit: usize,
    ) -> RelinShare {
        let input = [&digest.0[..], &(digit as u32).to_le_bytes()].concat();
        let mut key = self.purpose("hegwas v1 ckks relinearisation", &input);
        let (mut words, mut c1) = encrypt_zero(ring, public, &key, self.params.all_limbs());
        key.zeroize();
        // P w_g S_k goes to the mask: there it decrypts to P w_g S_k S.
        let degree = self.params.degree();
        (c1.par_chunks_exact_mut(degree))
            .zip(self.secret.0.par_chunks_exact(degree))
            .zip(self.params.moduli().collect::<Vec<_>>())
            .enumerate()
            .for_each(|(limb, ((out, secret), m))| {
                let factor = gadget_factor(ring, digit, limb);
                for (o, &s) in out.iter_mut().zip(secret) {
                    *o = m.add(*o, m.mul(s, factor));
                }
            });
        words.append(&mut c1);
        RelinShare::new(self.params, self.study, digit, words)
    }
}
