//! Hits, released.

use he_core::ckks::circuits::{Offset, Variant};
use he_core::ckks::hits::{Hits, Rule};
use he_core::ckks::{
    CkksParams, Evaluator, Flood, GUARD_BITS, NoiseModel, Predict, ProductInverse,
};

use crate::cohort::{allelic_oracle, counts};
use crate::refresh::Refresh;
use crate::study::{COEFFICIENTS, LEVEL, study};

#[test]
fn hits_are_right_outside_the_band_and_say_nothing_else() {
    let params = CkksParams::N65536Q1700;
    let s = study(params, 2);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    // p = 5e-8, |Z| to within 0.01.
    let rule = Rule { threshold: 29.716_785, band: 0.01, largest: 1000.0, lo: 0.5, hi: 1.5 };
    let hits = Hits::new(rule).unwrap();
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
    assert_eq!(out.limbs(), 3);

    // What flooding has to hide: predicted for slots at the edges of the band and of the range.
    let model = NoiseModel::new(params, 2);
    let predict = Predict::new(model);
    let input = |x: f64| predict.input(&[x], scale, model.refresh());
    let predicted = hits
        .evaluate(&predict, &input(0.0), &input(0.0), &Offset::Public(&[hits.empty_slot()]))
        .unwrap();
    let residue = hits.sign().residue(&predicted);

    let unit = 2f64.powi(-(GUARD_BITS as i32)) / out.scale();
    let exact = s.slots(&out);
    let flood = Flood::widest(1.0 / 16.0, params.degree(), 2, out.scale()).unwrap();
    let left = flood.slot_deviation(params.degree(), 2, out.scale());
    let level = flood.level(COEFFICIENTS, residue * out.scale() / (params.degree() as f64).sqrt());
    println!("hits: residue {residue:e}, flooding leaves {left:e} and hides at {level} bits");
    assert!(level > f64::from(LEVEL));
    let released = s.release(&out, flood);
    let (mut found, mut undefined) = (0, 0);
    let mut reference = [None; 2];
    let mut worst = 0.0f64;
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
        let first = *reference[usize::from(hit)].get_or_insert(exact[i]);
        worst = worst.max((exact[i].minus(first).to_float() * unit).abs());
    }
    println!("hits: {found} found, {undefined} in the band, slots agree within {worst:e}");
    assert!(found > 100);
    assert!(worst < 16.0 * residue, "{worst:e} {residue:e}");
}
