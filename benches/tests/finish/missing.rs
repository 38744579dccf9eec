//! Missing calls: how many people have one is secret, so the allelic test takes those without to have the mean of the reference
//! frequency, which keeps D and E linear in encrypted sums, and states what that costs.

use gwas::wire::PlaneKind;
use he_core::Digest;
use he_core::ckks::{CkksParams, StatisticPlan, StatisticRequest, Test};
use hegwas_bench::finish::circuit::Circuit;
use hegwas_bench::finish::study::Study;

use crate::data::{Truth, hapmap, panel};
use crate::world::World;

/// Alleles of cases and of all with the missing ones at their mean.
fn imputed(truth: &Truth, cases: f64, people: f64, reference: f64) -> [f64; 2] {
    let [called, alleles] = truth.cases;
    [
        alleles + 2.0 * reference * (cases - called),
        truth.alleles + 2.0 * reference * (people - truth.people),
    ]
}

#[test]
fn missing_calls_cost_what_is_stated() {
    let Some(data) = hapmap() else { return };
    let world = World::new(data, 3, &[PlaneKind::Dosage, PlaneKind::Called], false);
    let masked = world.masked(Digest::of(b"job"));
    let (data, people) = (&world.data, world.data.cases.len() as f64);
    let cases = data.cases.iter().sum::<i64>() as f64;
    let rho = cases / people;
    let plan = StatisticPlan::new(StatisticRequest {
        test: Test::Allelic,
        holders: 3,
        lo: 0.5,
        hi: 1.5,
        smallest_variance: 9e-4,
        largest: 2.0 * people,
        relative_error: 1e-6,
        level: 40,
        coefficients: 1 << 21,
    })
    .unwrap();
    let mut public = data.public(panel);
    public.missing = true;
    let sites = data.truth.iter().zip(&public.variants).map(|(t, v)| {
        let [_, all] = imputed(t, cases, people, v.reference);
        v.check_allelic_site(plan.inverse(), all).is_err()
    });
    public.excluded = sites.collect();
    let finishing = world.holders.finishing(CkksParams::N32768Q750).unwrap();
    let (public, masked, circuit) = (&public, &masked, Circuit::Statistic(plan.clone()));
    let job = Digest::of(b"missing");
    let study = Study { finishing: &finishing, circuit: &circuit, public, masked, job };
    let released = study.run().unwrap();

    let (mut kept, mut lacking, mut worst) = (0, 0, 0.0f64);
    for (i, (t, &value)) in data.truth.iter().zip(&released).enumerate() {
        if public.excluded[i] || t.minor() < 10.0 {
            continue;
        }
        kept += 1;
        let reference = public.variants[i].reference;
        // What is released is, to the flooding, the statistic of the completed table.
        let [a, all] = imputed(t, cases, people, reference);
        let spread = rho * (1.0 - rho) * all * (1.0 - all / (2.0 * people));
        let completed = (a - rho * all).powi(2) / spread;
        let z = value.max(0.0).sqrt();
        assert!((z - completed.sqrt()).abs() <= plan.z_error(completed, 8.0), "{i}");
        // And that differs from the statistic of the people with calls by no more than is stated.
        let missing = 1.0 - t.people / people;
        let oracle = t.allelic.unwrap_or(0.0).sqrt();
        let frequency = t.alleles / (2.0 * t.people);
        let imbalance = (t.cases[0] - rho * t.people).abs();
        let shift = 2.0 * imbalance * (frequency - reference).abs() / spread.sqrt();
        let relative = missing / (1.0 - missing) * (1.0 + (0.5 - rho).abs() / rho.min(1.0 - rho));
        let stated = relative * oracle + shift + plan.z_error(oracle.powi(2), 8.0);
        assert!((z - oracle).abs() <= stated, "{i}: {z} {oracle} {stated}");
        if missing > 0.0 {
            lacking += 1;
            worst = worst.max((z - oracle).abs());
        }
    }
    println!(
        "{kept} variants, {lacking} with missing calls: |Z| within {worst:e} of the people with calls"
    );
    assert!(kept > 13_000 && lacking > 2_000 && worst < 0.1);
}
