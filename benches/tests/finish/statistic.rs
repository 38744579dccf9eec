//! Chi-squares of all variants, from encrypted rows and from encrypted totals, of three holders and of one.

use gwas::wire::PlaneKind;
use he_core::Digest;
use he_core::ckks::{CkksParams, StatisticPlan, StatisticRequest, Test};
use hegwas_bench::finish::circuit::Circuit;
use hegwas_bench::finish::holders::Masked;
use hegwas_bench::finish::study::{Public, Study};

use crate::data::{Data, geuvadis, geuvadis_sample, panel};
use crate::world::World;

/// Copies of the rarer allele from which the promise holds.
const LEAST_COPIES: f64 = 10.0;
/// Largest error of `|Z|`.
const PROMISE: f64 = 0.01;

/// Chi-square up to the number of alleles: nothing larger exists.
fn plan(
    data: &Data,
    test: Test,
    holders: usize,
    public: &Public,
    interval: [f64; 2],
) -> StatisticPlan {
    let variances = public.variants.iter().map(|v| v.reference * (1.0 - v.reference));
    StatisticPlan::new(StatisticRequest {
        test,
        holders,
        lo: interval[0],
        hi: interval[1],
        smallest_variance: variances.fold(0.25, f64::min),
        largest: 2.0 * data.cases.len() as f64,
        relative_error: 1e-6,
        level: 40,
        coefficients: 1 << 21,
    })
    .unwrap()
}

/// Runs it and compares every variant; returns how many are held to the promise.
fn check(world: &World, masked: &Masked, plan: StatisticPlan, public: &Public, params: CkksParams) {
    assert_eq!(plan.params(), params);
    let finishing = world.holders.finishing(params).unwrap();
    let (lo, test) = (plan.inverse().lo(), plan.request().test);
    let circuit = Circuit::Statistic(plan.clone());
    let job = Digest::of(params.name().as_bytes());
    let study = Study { finishing: &finishing, circuit: &circuit, public, masked, job };
    let released = study.run().unwrap();
    assert_eq!(released.len(), world.data.truth.len());
    let (mut promised, mut worst, mut largest) = (0, 0.0f64, 0.0f64);
    let left = 8.0 * plan.slot_deviation();
    for (i, (truth, &value)) in world.data.truth.iter().zip(&released).enumerate() {
        let v = public.variants[i].reference * (1.0 - public.variants[i].reference);
        let (n, f) = (truth.people, truth.alleles / (2.0 * truth.people));
        let (oracle, spread) = match test {
            Test::Allelic => (truth.allelic, f * (1.0 - f) / v),
            Test::Trend => {
                let variance =
                    n * (truth.alleles + 2.0 * truth.homozygotes) - truth.alleles.powi(2);
                (truth.trend, variance / (2.0 * v * n * n))
            }
        };
        // No test where nothing varies: 0.
        let oracle = oracle.unwrap_or(0.0);
        if public.excluded[i] {
            assert!(value.abs() < left, "{i}: left out");
            continue;
        }
        if spread < lo {
            // Too rare for the reference: never more than the truth, and never a false signal.
            assert!(value > -left && value < oracle * (1.0 + 1e-6) + left, "{i}: {value} {oracle}");
            continue;
        }
        let error = (value.max(0.0).sqrt() - oracle.sqrt()).abs();
        assert!(error <= plan.z_error(oracle, 8.0), "{i}: {value} {oracle}");
        if truth.minor() >= LEAST_COPIES {
            promised += 1;
            worst = worst.max(error);
            largest = largest.max(oracle);
        }
    }
    println!(
        "{} holders, {test:?}, {}: |Z| within {worst:e} over {promised} variants with {LEAST_COPIES} copies, largest chi-square {largest}",
        world.holders.plan.request().holders,
        params.name()
    );
    let due = world.data.truth.iter().filter(|t| t.minor() >= LEAST_COPIES).count();
    // The trend test's spread differs from that of its reference by the inbreeding too.
    let kept = if test == Test::Allelic { due } else { due * 99 / 100 };
    assert!(worst < PROMISE && promised >= kept, "{worst} {promised} {due}");
    assert!(largest > 100.0, "a strong hit is among them");
}

/// Individual rows under a dataset's key, a grant, three holders; references of 1/2, so that nothing has to be known of a variant,
/// nothing left out, and nothing can leave the interval.
fn three_holders(data: Data) {
    let world = World::new(data, 3, &[PlaneKind::Dosage], true);
    let masked = world.masked(Digest::of(b"job"));
    world.check_refreshed(&masked);
    let public = world.data.public(|_, _| 0.5);
    // Ten copies of 716 alleles: 4 f (1 - f) = 0.0551.
    let plan = plan(&world.data, Test::Allelic, 3, &public, [0.05, 1.0]);
    check(&world, &masked, plan, &public, CkksParams::N32768Q850);
}

#[test]
fn three_holders_release_chi_squares_of_encrypted_rows() {
    geuvadis_sample().into_iter().for_each(three_holders);
}

#[test]
#[ignore = "all 85,485 variants: two minutes of both cores"]
fn three_holders_release_all_chi_squares_of_encrypted_rows() {
    geuvadis().into_iter().for_each(three_holders);
}

/// A site's totals, one holder, references of a panel: the smaller set.
#[test]
fn one_holder_releases_chi_squares_of_encrypted_totals() {
    let Some(data) = geuvadis() else { return };
    let planes = [PlaneKind::Dosage, PlaneKind::HomAlt];
    let world = World::new(data, 1, &planes, false);
    let masked = world.masked(Digest::of(b"job"));
    world.check_refreshed(&masked);
    for test in [Test::Allelic, Test::Trend] {
        let mut public = world.data.public(panel);
        let plan = plan(&world.data, test, 1, &public, [0.5, 1.5]);
        let sites = world.data.truth.iter().zip(&public.variants).map(|(t, variant)| {
            match test {
                Test::Allelic => variant.check_allelic_site(plan.inverse(), t.alleles),
                Test::Trend => variant.check_trend_site(plan.inverse(), t.alleles, t.homozygotes),
            }
            .is_err()
        });
        public.excluded = sites.collect();
        check(&world, &masked, plan, &public, CkksParams::N32768Q750);
    }
}
