//! Chi-squares and effects, released.

use he_core::arith::Scale;
use he_core::ckks::circuits::{Offset, Scaling, Variant, chi_square, effect_size};
use he_core::ckks::{
    Ciphertext, Evaluator, Flood, NoiseModel, Predict, StatisticPlan, StatisticRequest, Test,
};
use he_core::params::Params;

use crate::cohort::{allelic_oracle, counts, trend_oracle};
use crate::refresh::Refresh;
use crate::study::{COEFFICIENTS, HOLDERS, LEVEL, PARAMS, assert_predicted, rms, study};

/// Chi-square and effect of a batch: refreshed, evaluated, flooded, released, against the oracle and the predicted noise.
fn statistic(people: u32, rho: f64, trend: bool) {
    let s = study(PARAMS, HOLDERS);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let all = counts(people, rho, PARAMS.slots());
    let plan = StatisticPlan::new(StatisticRequest {
        test: if trend { Test::Trend } else { Test::Allelic },
        holders: HOLDERS,
        lo: 0.5,
        hi: 1.5,
        smallest_variance: all
            .iter()
            .map(|c| c.variant.reference * (1.0 - c.variant.reference))
            .fold(0.25, f64::min),
        largest: f64::from(people).min(10_000.0) * 2.0,
        relative_error: 1e-8,
        level: LEVEL,
        coefficients: COEFFICIENTS,
    })
    .unwrap();
    assert_eq!((plan.params(), plan.inverse().offsets().len()), (PARAMS, 4));
    let inverse = plan.inverse().clone();
    let variants: Vec<Variant> = all.iter().map(|c| c.variant).collect();
    let mut scaling = if trend {
        Scaling::trend(&inverse, rho, &variants)
    } else {
        Scaling::allelic(&inverse, rho, &variants)
    }
    .unwrap();
    let kept: Vec<bool> = (all.iter())
        .map(|c| {
            let [_, t, z] = c.sums.map(|x| x as f64);
            let check = if trend {
                c.variant.check_trend_site(&inverse, t, z)
            } else {
                c.variant.check_allelic_site(&inverse, t)
            };
            check.is_ok()
        })
        .collect();
    (0..all.len()).filter(|&i| !kept[i]).for_each(|i| scaling.exclude(i));
    assert!(kept.iter().filter(|k| **k).count() > all.len() * 8 / 10);

    let scale = 2f64.powi(100);
    let offset_scale = plan.offset_scale();
    let sums: Vec<Vec<i128>> = (0..3).map(|j| all.iter().map(|c| c.sums[j]).collect()).collect();
    let runs: Vec<[Ciphertext; 2]> = [&b"first"[..], b"second"]
        .into_iter()
        .map(|job| {
            let refresh = Refresh::new(&s, &sums, job);
            assert_eq!(refresh.ring.params(), Params::N8192Q200);
            assert!(refresh.scale == Scale::product(1 << 40, 1 << 40));
            let [d0, d1] = &scaling.effect;
            let d = refresh.ciphertext(0, &[0, 1], &[d0, d1], &[], scale);
            let e = refresh.ciphertext(
                1,
                &[1],
                &[&scaling.spread_root.0],
                &scaling.spread_root.1,
                scale,
            );
            let [l0, l1] = &scaling.offset.0;
            let linear = trend.then(|| {
                refresh.ciphertext(2, &[1, 2], &[l0, l1], &scaling.offset.1, offset_scale)
            });
            let offset =
                linear.as_ref().map_or(Offset::Public(&scaling.offset.1), Offset::Encrypted);
            [
                chi_square(&evaluator, &inverse, &d, &e, &offset).unwrap(),
                effect_size(&evaluator, &inverse, &d, &e, &offset).unwrap(),
            ]
        })
        .collect();

    // The same circuits, predicted from the clear inputs.
    let model = NoiseModel::new(PARAMS, HOLDERS);
    let predict = Predict::new(model);
    let value = |factors: &[&Vec<f64>], inputs: &[usize], constants: &[f64]| -> Vec<f64> {
        (0..all.len())
            .map(|i| {
                factors.iter().zip(inputs).map(|(f, &j)| f[i] * all[i].sums[j] as f64).sum::<f64>()
                    + constants.get(i).unwrap_or(&0.0)
            })
            .collect()
    };
    let d = predict.input(
        &value(&[&scaling.effect[0], &scaling.effect[1]], &[0, 1], &[]),
        scale,
        model.refresh(),
    );
    let e = predict.input(
        &value(&[&scaling.spread_root.0], &[1], &scaling.spread_root.1),
        scale,
        model.refresh(),
    );
    let linear = trend.then(|| {
        let [l0, l1] = &scaling.offset.0;
        predict.input(&value(&[l0, l1], &[1, 2], &scaling.offset.1), offset_scale, model.refresh())
    });
    let offset = linear.as_ref().map_or(Offset::Public(&scaling.offset.1), Offset::Encrypted);
    let predicted = chi_square(&predict, &inverse, &d, &e, &offset).unwrap();
    assert_predicted("chi-square", s.noise([&runs[0][0], &runs[1][0]]), rms(&predicted));
    let effect = effect_size(&predict, &inverse, &d, &e, &offset).unwrap();
    assert_predicted("effect", s.noise([&runs[0][1], &runs[1][1]]), rms(&effect));

    // Flooded for the worst slot that the plan allows, as if all were like it: at least what this batch needs.
    let (flood, left) = (plan.flood(), plan.slot_deviation());
    assert!(
        flood.bits()
            >= Flood::new(LEVEL, COEFFICIENTS, predicted.worst_coefficient(PARAMS)).unwrap().bits()
    );
    println!("flooding: {} bits, deviation {left:e} of chi-square", flood.bits());
    let released = s.release(&runs[0][0], flood);
    let effects = s.release(&runs[0][1], Flood::new(0, 1, 0.0).unwrap());
    let (mut squares, mut largest, mut worst) = (0.0, 0.0f64, 0.0f64);
    for (i, c) in all.iter().enumerate() {
        if !kept[i] {
            assert!(released[i].abs() < 8.0 * left, "excluded");
            continue;
        }
        let oracle = if trend { trend_oracle(c) } else { allelic_oracle(c) };
        let error = released[i].max(0.0).sqrt() - oracle.sqrt();
        assert!(
            error.abs() < plan.z_error(oracle, 8.0) + 1e-12 && error.abs() < 0.01,
            "{oracle} {} {:?}",
            released[i],
            c.sums
        );
        squares += (released[i] - oracle).powi(2);
        largest = largest.max(oracle);
        worst = worst.max(error.abs());
        let d = c.sums[0] as f64 - rho * c.sums[1] as f64;
        if d.abs() > 1e-6 {
            assert_eq!(effects[i] > 0.0, d > 0.0, "direction");
        }
    }
    println!("n {people}, rho {rho}: largest chi-square {largest}, |Z| within {worst:e}");
    let total = (squares / all.len() as f64).sqrt();
    assert!(total < 1.5 * left + 1e-8 * largest, "{total:e} {left:e}");
}

#[test]
fn allelic_chi_square_of_a_large_study() {
    statistic(100_000, 0.1, false);
}

#[test]
fn allelic_chi_square_of_a_small_study() {
    statistic(100, 0.5, false);
}

#[test]
fn trend_chi_square() {
    statistic(10_000, 0.3, true);
}
