//! Secret keys. All of an owner's keys are derived from one master key, so one backup keeps them all.

use core::fmt;

use he_core::Digest;
use he_core::arith::Ring;
use he_core::grant::Component;
use he_core::kernel::Engine;
use he_core::layout::BODIES;
use he_core::params::Params;
use he_core::public_key::{PublicShare, study_mask};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::sampling::{ErrorIndex, Errors, ternary};
use crate::seeds::{Entropy, derive_key};

/// An owner's master key: everything else derives from it. Whoever has it can decrypt every dataset of the owner.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

impl MasterKey {
    /// A new one.
    pub fn generate(entropy: &Entropy) -> Self {
        Self(entropy.derive("hegwas v1 master key", &[]))
    }

    /// From stored bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store, encrypted.
    pub fn expose_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn derive(&self, context: &str, input: &[u8]) -> [u8; 32] {
        derive_key(context, &self.0, input)
    }
}

/// A secret ring element in the NTT domain.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct SecretPolynomial(pub(crate) Vec<u64>);

impl SecretPolynomial {
    fn ternary(ring: &Ring, mut key: [u8; 32]) -> Self {
        let mut coefficients = vec![0; ring.params().degree()];
        ternary(&key, &mut coefficients);
        key.zeroize();
        let secret = Self::small(ring, &coefficients);
        coefficients.zeroize();
        secret
    }

    /// Transform of a polynomial with small coefficients.
    pub(crate) fn small(ring: &Ring, coefficients: &[i64]) -> Self {
        let mut words = vec![0; ring.params().words()];
        ring.lift(coefficients, &mut words);
        ring.forward(&mut words);
        Self(words)
    }

    fn negated(&self, params: Params) -> Self {
        let limbs = self.0.chunks_exact(params.degree()).zip(params.moduli());
        Self(limbs.flat_map(|(limb, m)| limb.iter().map(move |&x| m.neg(x))).collect())
    }

    fn product(&self, other: &Self, params: Params) -> Self {
        let mut out = vec![0; params.words()];
        multiply_add(params, &self.0, &other.0, &mut out);
        Self(out)
    }
}

/// `acc += a b`, limb by limb, in the NTT domain.
pub(crate) fn multiply_add(params: Params, a: &[u64], b: &[u64], acc: &mut [u64]) {
    let (engine, n) = (Engine::detect(), params.degree());
    for (((a, b), acc), m) in
        a.chunks_exact(n).zip(b.chunks_exact(n)).zip(acc.chunks_exact_mut(n)).zip(params.moduli())
    {
        engine.multiply_add(m, a, b, acc);
    }
}

/// The keys of one dataset: `t` of the weights and `s_0 .. s_7` of the bodies. Protocol section 4.
pub struct DatasetKey {
    params: Params,
    nonce: [u8; 16],
    weight: SecretPolynomial,
    bodies: Vec<SecretPolynomial>,
    /// `-t` and `-s_k`, what encryption multiplies with.
    negated_weight: SecretPolynomial,
    negated_bodies: Vec<SecretPolynomial>,
}

impl fmt::Debug for DatasetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatasetKey(..)")
    }
}

impl DatasetKey {
    /// The keys of the dataset with that nonce.
    pub fn derive(master: &MasterKey, ring: &Ring, nonce: [u8; 16]) -> Self {
        let params = ring.params();
        let secret = |number: u8| {
            let input = [&nonce[..], params.name().as_bytes(), &[number]].concat();
            SecretPolynomial::ternary(ring, master.derive("hegwas v1 dataset secret", &input))
        };
        let weight = secret(255);
        let bodies: Vec<_> = (0..BODIES as u8).map(secret).collect();
        Self {
            params,
            nonce,
            negated_weight: weight.negated(params),
            negated_bodies: bodies.iter().map(|s| s.negated(params)).collect(),
            weight,
            bodies,
        }
    }

    /// The parameter set.
    pub fn params(&self) -> Params {
        self.params
    }

    /// The dataset's nonce.
    pub fn nonce(&self) -> [u8; 16] {
        self.nonce
    }

    pub(crate) fn negated_weight(&self) -> &[u64] {
        &self.negated_weight.0
    }

    pub(crate) fn negated_body(&self, body: usize) -> &[u64] {
        self.negated_bodies.get(body).map_or(&[], |s| &s.0)
    }

    /// The secret that a component of a switching key encrypts.
    pub(crate) fn component(&self, component: Component) -> SecretPolynomial {
        let body = |k: usize| self.bodies.get(k).map_or(&[][..], |s| &s.0);
        match component {
            Component::Weight => SecretPolynomial(self.weight.0.clone()),
            Component::Body(k) => SecretPolynomial(body(k).to_vec()),
            Component::Product(k) => match self.bodies.get(k) {
                Some(s) => self.weight.product(s, self.params),
                None => SecretPolynomial(Vec::new()),
            },
        }
    }
}

/// A key holder's share of a study's secret key.
pub struct HolderKey {
    study: Digest,
    params: Params,
    pub(crate) secret: SecretPolynomial,
    error_key: [u8; 16],
    /// From which the noise of shares and the nonces of commitments are derived.
    share_key: [u8; 32],
}

impl Drop for HolderKey {
    fn drop(&mut self) {
        self.error_key.zeroize();
        self.share_key.zeroize();
    }
}

impl fmt::Debug for HolderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HolderKey({}, ..)", self.study)
    }
}

impl HolderKey {
    /// The holder's key for `study`, whose digest contains a fresh nonce.
    pub fn derive(master: &MasterKey, ring: &Ring, study: Digest) -> Self {
        let params = ring.params();
        let key = |context| {
            let input = [&study.0[..], params.name().as_bytes()].concat();
            master.derive(context, &input)
        };
        Self {
            study,
            params,
            secret: SecretPolynomial::ternary(ring, key("hegwas v1 study secret")),
            error_key: Digest(key("hegwas v1 study key error")).short(),
            share_key: key("hegwas v1 study share key"),
        }
    }

    /// A key for the named purpose, for shares and commitments.
    pub(crate) fn derive_share_key(&self, context: &str, input: &[u8]) -> [u8; 32] {
        derive_key(context, &self.share_key, input)
    }

    /// The study.
    pub fn study(&self) -> Digest {
        self.study
    }

    /// The parameter set.
    pub fn params(&self) -> Params {
        self.params
    }

    /// The holder's contribution to the public key, `-a S_k + e_k`: the same bytes whenever it is asked for.
    pub fn public_share(&self, ring: &Ring) -> PublicShare {
        let mut error = vec![0; self.params.degree()];
        Errors::new(&self.error_key)
            .sample(ErrorIndex { plane: 0, group: 0, row: 0, body: 0 }, &mut error);
        let mut words = vec![0; self.params.words()];
        ring.lift(&error, &mut words);
        error.zeroize();
        ring.forward(&mut words);
        multiply_add(
            self.params,
            &study_mask(self.params, self.study),
            &self.secret.negated(self.params).0,
            &mut words,
        );
        PublicShare::new(self.params, self.study, words)
    }
}
