//! Hits of the trend test, and the direction of effects, encrypted.

use he_core::Digest;
use he_core::ckks::circuits::{Offset, Variant};
use he_core::ckks::hits::{Hits, Rule};
use he_core::ckks::{CkksParams, Direction, Evaluator, Flood, ProductInverse, combine};
use he_core::ckks::{EvaluatedResult, INPUT_SCALE};
use he_core_secret::ckks::release_share;

use crate::cohort::{Counts, counts, trend_oracle};
use crate::refresh::Refresh;
use crate::study::{Study, study};

const RULE: Rule = Rule { threshold: 29.716_785, band: 0.01, largest: 1000.0, lo: 0.5, hi: 1.5 };
const RHO: f64 = 0.3;

#[test]
fn trend_hits_and_directions_are_right_outside_their_bands() {
    let s = study(CkksParams::N65536Q1700, 1);
    let all = counts(20_000, RHO, s.ring.params().slots());
    let sums: Vec<Vec<i128>> = (0..3).map(|j| all.iter().map(|c| c.sums[j]).collect()).collect();
    let refresh = Refresh::new(&s, &sums, b"decisions");
    trend_hits(&s, &refresh, &all);
    directions(&s, &refresh, &all);
}

fn trend_hits(s: &Study, refresh: &Refresh<'_>, all: &[Counts]) {
    let params = s.ring.params();
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let hits = Hits::new(RULE).unwrap();
    let inverse = ProductInverse::with_error(RULE.lo, RULE.hi, 1e-2).unwrap();
    let variants: Vec<Variant> = all.iter().map(|c| c.variant).collect();
    let mut scaling = hits.trend(RHO, &variants).unwrap();
    let kept: Vec<bool> = (all.iter())
        .map(|c| {
            let [_, g, z] = c.sums.map(|x| x as f64);
            c.variant.check_trend_site(&inverse, g, z).is_ok() && trend_oracle(c) <= RULE.largest
        })
        .collect();
    (0..all.len()).filter(|&i| !kept[i]).for_each(|i| hits.exclude(&mut scaling, i));
    let scale = hits.input_scale(params);
    let ([d0, d1], (root, root_constants)) = (&scaling.effect, &scaling.spread_root);
    let ([l0, l1], constants) = &scaling.offset;
    let d = refresh.ciphertext(0, &[0, 1], &[d0, d1], &[], scale);
    let e = refresh.ciphertext(1, &[1], &[root], root_constants, scale);
    let offset = refresh.ciphertext(2, &[1, 2], &[l0, l1], constants, hits.offset_scale(params));
    let out = hits.evaluate(&evaluator, &d, &e, &Offset::Encrypted(&offset)).unwrap();
    let released = release(s, EvaluatedResult::new(out).unwrap(), b"trend hits");
    let (mut found, mut others) = (0, 0);
    for (i, c) in all.iter().enumerate() {
        let z = if kept[i] { trend_oracle(c).sqrt() } else { 0.0 };
        if (z - RULE.threshold.sqrt()).abs() < RULE.band {
            continue;
        }
        let hit = z > RULE.threshold.sqrt();
        *(if hit { &mut found } else { &mut others }) += 1;
        let expected = if hit { 1.0 } else { -1.0 };
        assert!((released[i] * hits.hit() - expected).abs() < 0.5, "{i}: {z} {}", released[i]);
    }
    println!("trend: {found} hits, {others} others");
    assert!(found > 100 && others > 10_000);
}

fn directions(s: &Study, refresh: &Refresh<'_>, all: &[Counts]) {
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let band = 0.05;
    let direction = Direction::new(band, RULE.largest, RULE.lo, RULE.hi).unwrap();
    let inverse = ProductInverse::with_error(RULE.lo, RULE.hi, 1e-2).unwrap();
    let (mut case, mut total) = (Vec::new(), Vec::new());
    let z = |c: &Counts| {
        let [a, t, _] = c.sums.map(|x| x as f64);
        let alleles = 2.0 * c.variant.people;
        (a - RHO * t) / (RHO * (1.0 - RHO) * t * (1.0 - t / alleles)).sqrt()
    };
    let kept: Vec<bool> = (all.iter())
        .map(|c| {
            let inside = c.variant.check_allelic_site(&inverse, c.sums[1] as f64).is_ok();
            inside && z(c).powi(2) <= RULE.largest
        })
        .collect();
    for (c, kept) in all.iter().zip(&kept) {
        let [a, t] = if *kept { direction.effect(RHO, &c.variant).unwrap() } else { [0.0; 2] };
        case.push(a);
        total.push(t);
    }
    let scale = direction.input_scale(s.ring.params());
    assert!(scale < INPUT_SCALE);
    let effect = refresh.ciphertext(3, &[0, 1], &[&case, &total], &[], scale);
    let out = direction.evaluate(&evaluator, effect).unwrap();
    assert!((out.scale().log2() - 100.0).abs() < 1e-5, "{}", out.scale().log2());
    let released = release(s, EvaluatedResult::new(out).unwrap(), b"directions");
    let mut counted = [0; 2];
    for (i, c) in all.iter().enumerate() {
        let z = z(c);
        if !kept[i] || z.abs() < band {
            assert!(released[i].abs() < 2.0, "undefined, but in range");
            continue;
        }
        counted[usize::from(z > 0.0)] += 1;
        let value = released[i] * direction.positive();
        assert!((value - z.signum()).abs() < 0.5, "{i}: {z} {value}");
    }
    println!("directions: {counted:?}");
    assert!(counted.iter().all(|&n| n > 1000));
}

/// Released under flooding that leaves a sixteenth.
fn release(s: &Study, result: EvaluatedResult, job: &[u8]) -> Vec<f64> {
    let (degree, scale) = (s.ring.params().degree(), result.ciphertext().scale());
    let flood = Flood::widest(1.0 / 16.0, degree, s.holders.len(), scale).unwrap();
    let job = Digest::of(job);
    let shares: Vec<_> =
        s.holders.iter().map(|h| release_share(&s.ring, h, &result, &job, flood)).collect();
    combine(&s.ring, &result, shares.len(), &shares, 2.0).unwrap()
}
