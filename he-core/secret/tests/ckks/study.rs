//! Keys of a study whose holders are all here, and what only such a test can measure.

use he_core::Digest;
use he_core::ckks::{
    Ciphertext, CkksParams, CkksPublicKey, CkksRing, EvaluatedResult, Fixed, Flood, GUARD_BITS,
    Plaintext, Predicted, RelinKey, combine, phase_slots,
};
use he_core_secret::ckks::{CkksHolderKey, encrypt, release_share};
use he_core_secret::{Entropy, MasterKey};

pub(crate) const PARAMS: CkksParams = CkksParams::N32768Q750;
pub(crate) const HOLDERS: usize = 3;

pub(crate) struct Study {
    pub(crate) ring: CkksRing,
    pub(crate) holders: Vec<CkksHolderKey>,
    pub(crate) public: CkksPublicKey,
    pub(crate) relin: RelinKey,
}

pub(crate) fn study(params: CkksParams, holders: usize) -> Study {
    let (ring, name) = (CkksRing::new(params), Digest::of(b"study"));
    let holders: Vec<_> = (0..holders as u64)
        .map(|k| {
            let master = MasterKey::generate(&Entropy::insecure_deterministic(k));
            CkksHolderKey::derive(&master, &ring, name)
        })
        .collect();
    let shares: Vec<_> = holders.iter().map(|h| h.public_share(&ring)).collect();
    let public = CkksPublicKey::combine(&ring, name, shares.len(), &shares).unwrap();
    let relin = holders.iter().flat_map(|h| h.relin_shares(&ring, &public));
    let relin = RelinKey::combine(&ring, name, holders.len(), relin).unwrap();
    Study { ring, holders, public, relin }
}

impl Study {
    pub(crate) fn encrypt(&self, values: &[f64], scale: f64, seed: u64) -> Ciphertext {
        let limbs = self.ring.params().limbs();
        let plain = Plaintext::encode(&self.ring, values, scale, limbs).unwrap();
        encrypt(&self.ring, &self.public, &plain, &Entropy::insecure_deterministic(seed))
    }

    pub(crate) fn release(&self, ciphertext: &Ciphertext, flood: Flood) -> Vec<f64> {
        let result = EvaluatedResult::new(ciphertext.clone()).unwrap();
        let job = Digest::of(b"job");
        let shares: Vec<_> = self
            .holders
            .iter()
            .map(|h| release_share(&self.ring, h, &result, &job, flood))
            .collect();
        combine(&self.ring, &result, shares.len(), &shares, 1e6).unwrap()
    }

    /// All bits of the slots, without flooding: only a test holds all keys.
    pub(crate) fn slots(&self, ciphertext: &Ciphertext) -> Vec<Fixed> {
        let result = EvaluatedResult::new(ciphertext.clone()).unwrap();
        let job = Digest::of(b"job");
        let none = Flood::new(0, 1, 0.0).unwrap();
        let shares: Vec<_> = self
            .holders
            .iter()
            .map(|h| release_share(&self.ring, h, &result, &job, none))
            .collect();
        phase_slots(&self.ring, &result, shares.len(), &shares).unwrap()
    }

    /// Root mean square of the noise in real parts, in units of values: two runs that differ in their randomness only differ by
    /// the noise of both, whatever doubles cannot hold.
    pub(crate) fn noise(&self, runs: [&Ciphertext; 2]) -> f64 {
        let [a, b] = runs.map(|c| self.slots(c));
        let unit = 2f64.powi(-(GUARD_BITS as i32)) / runs[0].scale();
        let squares = a.iter().zip(&b).map(|(a, b)| (a.minus(*b).to_float() * unit).powi(2));
        (squares.sum::<f64>() / a.len() as f64 / 2.0).sqrt()
    }
}

/// Root mean square of the real parts of predicted errors.
pub(crate) fn rms(predicted: &Predicted) -> f64 {
    let deviations = predicted.deviations();
    (deviations.iter().map(|d| d * d / 2.0).sum::<f64>() / deviations.len() as f64).sqrt()
}

/// Measured noise is at most what is predicted (and the 1.1 that flooding adds to it), and within two bits of it.
pub(crate) fn assert_predicted(what: &str, measured: f64, predicted: f64) {
    println!("{what}: measured {measured:e}, predicted {predicted:e}");
    assert!(
        measured <= 1.1 * predicted && measured >= predicted / 4.0,
        "{what}: {measured:e} {predicted:e}"
    );
}

pub(crate) fn wave(frequency: f64, size: f64) -> Vec<f64> {
    (0..PARAMS.slots()).map(|i| (i as f64 * frequency).sin() * size).collect()
}

/// What a study of 2^20 variants with both coefficients of every slot released has to hide, at 40 bits.
pub(crate) const LEVEL: u32 = 40;
pub(crate) const COEFFICIENTS: u64 = 1 << 21;
