//! Measures the finishing circuits: processor time of one thread per 100 variants, key sizes, bytes.
//!
//! `RAYON_NUM_THREADS=1 cargo run --release --locked -p he-core-secret --example finishing`; add `hits` for the large ring.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, missing_docs)]

use he_core::Digest;
use he_core::ckks::circuits::{Offset, Scaling, Variant, chi_square};
use he_core::ckks::hits::{Hits, Rule};
use he_core::ckks::{
    CkksParams, CkksPublicKey, CkksRing, EvaluatedResult, Evaluator, Flood, LinearMap,
    ProductInverse, RelinKey, RelinShare, refreshed,
};
use he_core_secret::ckks::{CkksHolderKey, MaskKey, release_share};
use he_core_secret::{Entropy, MasterKey};

/// Nanoseconds that all threads of this process have run.
fn cpu() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|t| std::fs::read_to_string(t.unwrap().path().join("schedstat")).ok())
        .filter_map(|s| s.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()))
        .sum()
}

/// Runs a step three times; prints the least processor time, per 100 variants too.
fn measure<T>(what: &str, variants: usize, f: impl Fn() -> T) -> T {
    let mut best = f64::INFINITY;
    let mut out = None;
    for _ in 0..3 {
        let start = cpu();
        out = Some(f());
        best = best.min(cpu() - start);
    }
    println!(
        "{what}: {:.1} ms, {:.3} ms per 100 variants",
        best / 1e6,
        best / 1e4 / variants as f64
    );
    out.unwrap()
}

struct Setup {
    ring: CkksRing,
    holder: CkksHolderKey,
    relin: RelinKey,
    job: Digest,
    masks: MaskKey,
}

fn setup(params: CkksParams) -> Setup {
    let (ring, study) = (CkksRing::new(params), Digest::of(b"study"));
    let master = MasterKey::generate(&Entropy::fresh().unwrap());
    let holder = CkksHolderKey::derive(&master, &ring, study);
    let public = CkksPublicKey::combine(&ring, study, 1, &[holder.public_share(&ring)]).unwrap();
    let relin: Vec<_> = measure("relinearisation contributions", params.slots(), || {
        holder.relin_shares(&ring, &public).collect()
    });
    let bytes: usize = relin.iter().map(|share: &RelinShare| share.to_bytes().len()).sum();
    println!("relinearisation contributions: {bytes} bytes in {} objects", relin.len());
    let relin = RelinKey::combine(&ring, study, 1, relin).unwrap();
    println!("relinearisation key in memory: {} bytes", relin.memory());
    let job = Digest::of(b"job");
    let masks = MaskKey::derive(&holder, &job, 59);
    Setup { ring, holder, relin, job, masks }
}

fn main() {
    if std::env::args().any(|a| a == "hits") {
        hits();
    } else {
        statistic();
    }
}

fn statistic() {
    let params = CkksParams::N32768Q750;
    let slots = params.slots();
    let s = setup(params);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let inverse = ProductInverse::with_error(0.5, 1.5, 1e-8).unwrap();
    let variants = vec![Variant { reference: 0.2, people: 1000.0 }; slots];
    let scaling = Scaling::allelic(&inverse, 0.5, &variants).unwrap();
    let scale = 2f64.powi(100);
    let [e0, e1] = scaling.effect.clone();
    let d_map = LinearMap::new(&[e0, e1], &[], scale).unwrap();
    let e_map =
        LinearMap::new(std::slice::from_ref(&scaling.spread_root.0), &scaling.spread_root.1, scale)
            .unwrap();
    let mu: Vec<_> = (0..2).map(|i| s.masks.masks([0, i, 0], slots)).collect();
    let ciphertexts = measure("holder: two mask ciphertexts", slots, || {
        let d = s.holder.mask_ciphertext(&s.ring, &s.job, 0, &d_map, &[&mu[0], &mu[1]]);
        (d, s.holder.mask_ciphertext(&s.ring, &s.job, 1, &e_map, &[&mu[1]]))
    });
    println!("mask ciphertexts: {} bytes", 2 * ciphertexts.0.to_bytes().len());
    // 205 case alleles, 400 of all.
    let masked: Vec<Vec<i128>> =
        mu.iter().zip([205, 400]).map(|(mu, m)| mu.iter().map(|x| x + m).collect()).collect();
    let (d, e) = measure("server: two refreshed ciphertexts", slots, || {
        let inputs = [&masked[0][..], &masked[1]];
        let d =
            refreshed(&s.ring, &s.job, 0, &d_map, &inputs, 1, std::slice::from_ref(&ciphertexts.0))
                .unwrap();
        let e = refreshed(
            &s.ring,
            &s.job,
            1,
            &e_map,
            &inputs[1..],
            1,
            std::slice::from_ref(&ciphertexts.1),
        )
        .unwrap();
        (d, e)
    });
    let out = measure("server: chi-square", slots, || {
        chi_square(&evaluator, &inverse, &d, &e, &Offset::Public(&scaling.offset.1)).unwrap()
    });
    let result = EvaluatedResult::new(out).unwrap();
    let flood = Flood::new(40, 1 << 21, 1e4).unwrap();
    let share = measure("holder: release share", slots, || {
        release_share(&s.ring, &s.holder, &result, &s.job, flood)
    });
    let shares = [share];
    let values = measure("reading off", slots, || {
        he_core::ckks::combine(&s.ring, &result, 1, &shares, 1e6).unwrap()
    });
    println!(
        "first value {} (1000 people: {})",
        values[0],
        2000.0 * 25.0 / (0.25 * 400.0 * 1600.0)
    );
}

fn hits() {
    let params = CkksParams::N65536Q1700;
    let slots = params.slots();
    let s = setup(params);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let rule = Rule { threshold: 29.716_785, band: 0.01, largest: 1000.0, lo: 0.5, hi: 1.5 };
    let hits = Hits::new(rule).unwrap();
    let scaling =
        hits.allelic(0.5, &vec![Variant { reference: 0.2, people: 1000.0 }; slots]).unwrap();
    let scale = hits.input_scale(params);
    let [e0, e1] = scaling.effect.clone();
    let d_map = LinearMap::new(&[e0, e1], &[], scale).unwrap();
    let e_map =
        LinearMap::new(std::slice::from_ref(&scaling.spread_root.0), &scaling.spread_root.1, scale)
            .unwrap();
    let mu: Vec<_> = (0..2).map(|i| s.masks.masks([0, i, 0], slots)).collect();
    let masks = measure("holder: two mask ciphertexts", slots, || {
        let d = s.holder.mask_ciphertext(&s.ring, &s.job, 0, &d_map, &[&mu[0], &mu[1]]);
        (d, s.holder.mask_ciphertext(&s.ring, &s.job, 1, &e_map, &[&mu[1]]))
    });
    println!("mask ciphertexts: {} bytes", 2 * masks.0.to_bytes().len());
    let masked: Vec<Vec<i128>> =
        mu.iter().zip([255, 400]).map(|(mu, m)| mu.iter().map(|x| x + m).collect()).collect();
    let inputs = [&masked[0][..], &masked[1]];
    let d = refreshed(&s.ring, &s.job, 0, &d_map, &inputs, 1, &[masks.0]).unwrap();
    let e = refreshed(&s.ring, &s.job, 1, &e_map, &inputs[1..], 1, &[masks.1]).unwrap();
    let out = measure("server: hits", slots, || {
        hits.evaluate(&evaluator, &d, &e, &Offset::Public(&scaling.offset.1)).unwrap()
    });
    let result = EvaluatedResult::new(out).unwrap();
    let share =
        release_share(&s.ring, &s.holder, &result, &s.job, Flood::new(40, 1 << 21, 1e4).unwrap());
    let values = he_core::ckks::combine(&s.ring, &result, 1, &[share], 2.0).unwrap();
    println!("first value {} (a hit is {})", values[0], hits.hit());
}
