//! Hits, released.

use he_core::ckks::circuits::{Offset, Variant};
use he_core::ckks::hits::{HitsPlan, HitsRequest, Rule};
use he_core::ckks::{CkksParams, Evaluator, Fixed, GUARD_BITS, ProductInverse};

use crate::cohort::{allelic_oracle, counts};
use crate::refresh::Refresh;
use crate::study::{COEFFICIENTS, LEVEL, study};

/// p = 5e-8.
const THRESHOLD: f64 = 29.716_785;

#[test]
fn hits_are_right_outside_the_band_and_say_nothing_else() {
    right_outside_the_band(CkksParams::N65536Q1700, 28, 0.01);
}

#[test]
fn smaller_primes_serve_a_narrower_band() {
    right_outside_the_band(CkksParams::N65536Q1746, 30, 0.003);
}

fn right_outside_the_band(params: CkksParams, depth: usize, band: f64) {
    let s = study(params, 2);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let rule = Rule { threshold: THRESHOLD, band, largest: 1000.0, lo: 0.5, hi: 1.5 };
    let request = HitsRequest {
        holders: 2,
        rule,
        smallest_variance: 1e-4,
        values: None,
        level: LEVEL,
        coefficients: COEFFICIENTS,
    };
    let plan = HitsPlan::new(request).unwrap();
    let hits = plan.hits();
    assert_eq!((plan.params(), hits.depth()), (params, depth));
    let (people, rho) = (20_000, 0.3);
    let all = counts(people, rho, params.slots());
    let variants: Vec<Variant> = all.iter().map(|c| c.variant).collect();
    let mut scaling = hits.allelic(rho, &variants).unwrap();
    let inverse = ProductInverse::with_error(rule.lo, rule.hi, 1e-2).unwrap();
    let kept: Vec<bool> = (all.iter())
        .map(|c| {
            c.variant.check_allelic_site(&inverse, c.sums[1] as f64).is_ok()
                && allelic_oracle(c) <= rule.largest
        })
        .collect();
    (0..all.len()).filter(|&i| !kept[i]).for_each(|i| hits.exclude(&mut scaling, i));

    let scale = hits.input_scale(params);
    let sums: Vec<Vec<i128>> = (0..2).map(|j| all.iter().map(|c| c.sums[j]).collect()).collect();
    let refresh = Refresh::new(&s, &sums, b"hits");
    let [d0, d1] = &scaling.effect;
    let d = refresh.ciphertext(0, &[0, 1], &[d0, d1], &[], scale);
    let e = refresh.ciphertext(1, &[1], &[&scaling.spread_root.0], &scaling.spread_root.1, scale);
    let out = hits.evaluate(&evaluator, &d, &e, &Offset::Public(&scaling.offset.1)).unwrap();
    assert_eq!(out.limbs(), params.limbs() - depth);
    let out = out.truncate(3).unwrap();

    let unit = 2f64.powi(-(GUARD_BITS as i32)) / out.scale();
    let exact = s.slots(&out);
    let (residue, flood) = (plan.residue(), plan.flood());
    println!("hits: residue {residue:e}, hidden at {} bits", plan.level());
    assert!(plan.level() > f64::from(LEVEL));
    let released = s.release(&out, flood);
    let (mut found, mut undefined) = (0, 0);
    let one = Fixed::from_float(out.scale(), GUARD_BITS as i32).unwrap();
    let (mut worst, mut squares) = (0.0f64, 0.0);
    for (i, c) in all.iter().enumerate() {
        let z = if kept[i] { allelic_oracle(c).sqrt() } else { 0.0 };
        if (z - rule.threshold.sqrt()).abs() < rule.band {
            undefined += 1;
            continue;
        }
        let hit = z > rule.threshold.sqrt();
        found += u32::from(hit);
        assert!(
            (released[i] * hits.hit() - if hit { 1.0 } else { -1.0 }).abs() < 0.5,
            "{i}: {z} {}",
            released[i]
        );
        // Before flooding, all slots of one answer agree: nothing else of the chi-square is left.
        let magnitude =
            if exact[i].to_float() < 0.0 { Fixed::default().minus(exact[i]) } else { exact[i] };
        let deviation = magnitude.minus(one).to_float() * unit - plan.excess();
        worst = worst.max(deviation.abs());
        squares += deviation * deviation;
    }
    let rms = (squares / all.len() as f64).sqrt();
    println!(
        "hits: {found} found, {undefined} in the band, slots agree within {worst:e}, rms {rms:e}"
    );
    assert!(found > 100);
    // Digits of the gadget have a mean, whose product with the noise of the keys gathers in a few slots, the first above all: up to
    // 154 times the root mean square over all slots, which is what counts for flooding.
    assert!(worst < 200.0 * residue && rms < 1.1 * residue, "{worst:e} {rms:e} {residue:e}");
}
