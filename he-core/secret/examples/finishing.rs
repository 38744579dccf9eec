//! Times a product.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]
use he_core::Digest;
use he_core::ckks::*;
use he_core_secret::ckks::{CkksHolderKey, encrypt};
use he_core_secret::{Entropy, MasterKey};
use std::time::Instant;
fn main() {
    let params = CkksParams::N32768Q750;
    let t = Instant::now();
    let (ring, name) = (CkksRing::new(params), Digest::of(b"study"));
    println!("ring {:?}", t.elapsed());
    let t = Instant::now();
    let key = CkksHolderKey::derive(
        &MasterKey::generate(&Entropy::insecure_deterministic(1)),
        &ring,
        name,
    );
    let public = CkksPublicKey::combine(&ring, name, 1, &[key.public_share(&ring)]).unwrap();
    let relin = RelinKey::combine(&ring, name, 1, [key.relin_share(&ring, &public)]).unwrap();
    println!("keys {:?} {}", t.elapsed(), relin.memory());
    let e = Evaluator::new(&ring, &relin).unwrap();
    let t = Instant::now();
    let plain =
        Plaintext::encode(&ring, &vec![1.5; params.slots()], 2f64.powi(100), params.limbs())
            .unwrap();
    println!("encode {:?}", t.elapsed());
    let a = encrypt(&ring, &public, &plain, &Entropy::insecure_deterministic(2));
    for limbs in [13, 13, 11, 9, 7, 5] {
        let a = a.clone().truncate(limbs).unwrap();
        let t = Instant::now();
        let n = 5;
        for _ in 0..n {
            std::hint::black_box(e.multiply(&a, &a, 2).unwrap());
        }
        println!("multiply {limbs} {:?}", t.elapsed() / n);
    }
}
