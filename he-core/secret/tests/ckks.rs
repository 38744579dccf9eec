//! The finishing ring end to end: keys of several holders, arithmetic, refresh and release; measured against predicted noise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use he_core::Digest;
use he_core::ckks::{
    Ciphertext, CkksParams, CkksPublicKey, CkksRing, EvaluatedResult, Evaluator, Flood, Plaintext,
    RelinKey, combine,
};
use he_core_secret::ckks::{CkksHolderKey, encrypt, release_share};
use he_core_secret::{Entropy, MasterKey};

const PARAMS: CkksParams = CkksParams::N32768Q750;

struct Study {
    ring: CkksRing,
    holders: Vec<CkksHolderKey>,
    public: CkksPublicKey,
    relin: RelinKey,
}

fn study(params: CkksParams, holders: u64) -> Study {
    let (ring, name) = (CkksRing::new(params), Digest::of(b"study"));
    let holders: Vec<_> = (0..holders)
        .map(|k| {
            let master = MasterKey::generate(&Entropy::insecure_deterministic(k));
            CkksHolderKey::derive(&master, &ring, name)
        })
        .collect();
    let shares: Vec<_> = holders.iter().map(|h| h.public_share(&ring)).collect();
    let public = CkksPublicKey::combine(&ring, name, shares.len(), &shares).unwrap();
    let relin = holders.iter().map(|h| h.relin_share(&ring, &public));
    let relin = RelinKey::combine(&ring, name, holders.len(), relin).unwrap();
    Study { ring, holders, public, relin }
}

impl Study {
    fn encrypt(&self, values: &[f64], scale: f64, seed: u64) -> Ciphertext {
        let limbs = self.ring.params().limbs();
        let plain = Plaintext::encode(&self.ring, values, scale, limbs).unwrap();
        encrypt(&self.ring, &self.public, &plain, &Entropy::insecure_deterministic(seed))
    }

    /// Decrypts with next to no flooding.
    fn decrypt(&self, ciphertext: Ciphertext) -> Vec<f64> {
        let result = EvaluatedResult::new(ciphertext).unwrap();
        let none = Flood::new(0, 1, 0.0).unwrap();
        let job = Digest::of(b"job");
        let shares: Vec<_> = self
            .holders
            .iter()
            .map(|h| release_share(&self.ring, h, &result, &job, none))
            .collect();
        combine(&self.ring, &result, shares.len(), &shares, 1e12).unwrap()
    }
}

fn rms(a: &[f64], b: impl IntoIterator<Item = f64>) -> f64 {
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

#[test]
fn arithmetic() {
    let s = study(PARAMS, 3);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let scale = 2f64.powi(100);
    let x: Vec<f64> = (0..PARAMS.slots()).map(|i| (i as f64 * 0.37).sin() * 3.0).collect();
    let y: Vec<f64> = (0..PARAMS.slots()).map(|i| (i as f64 * 0.11).cos() * 5.0).collect();
    let (a, b) = (s.encrypt(&x, scale, 1), s.encrypt(&y, scale, 2));
    println!("fresh {:e}", rms(&s.decrypt(a.clone()), x.clone()) * 2f64.powi(100));
    let start = std::time::Instant::now();
    let product = evaluator.multiply(&a, &b, 2).unwrap();
    println!("product in {:?}", start.elapsed());
    println!(
        "product {:e}",
        rms(&s.decrypt(product), x.iter().zip(&y).map(|(x, y)| x * y)) * 2f64.powi(100)
    );
}
