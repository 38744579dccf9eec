//! The ends of what may come: two people to a hundred thousand, one case in ten, chi-squares of zero and of ten thousand.
//! Right within the stated error, or refused with a reason.

use he_core::Digest;
use he_core::ckks::circuits::{Excluded, Offset, Scaling, Variant, chi_square};
use he_core::ckks::hits::{Hits, HitsError, HitsPlan, HitsRequest, Rule};
use he_core::ckks::{
    CkksError, CkksParams, EvaluatedResult, Evaluator, LinearMap, NoiseModel, Predict,
    ReleaseError, StatisticPlan, StatisticRequest, Test, combine,
};
use he_core_secret::ckks::release_share;

use crate::refresh::Refresh;
use crate::study::{COEFFICIENTS, HOLDERS, LEVEL, PARAMS, Study, study};

const LARGEST: f64 = 10_000.0;

/// One variant: what is public, its sums, its chi-square in exact arithmetic where that is an integer.
struct Case {
    variant: Variant,
    alleles: [i128; 2],
    chi2: f64,
}

/// Case alleles `a` among `t` of `n` people; the reference is the frequency itself.
fn case(n: u32, rho: f64, a: f64, t: f64) -> Case {
    let (total, people) = (2.0 * f64::from(n), f64::from(n));
    let (a, t) = (a.round(), t.round());
    let d = a - rho * t;
    let chi2 = total * d * d / (rho * (1.0 - rho) * t * (total - t));
    let variant = Variant { reference: t / total, people };
    Case { variant, alleles: [a as i128, t as i128], chi2 }
}

fn cases(rho: f64) -> Vec<Case> {
    let mut all = Vec::new();
    for n in [10, 100, 1_000, 5_000, 20_000, 100_000] {
        let people = f64::from(n);
        // No effect at all: exactly zero.
        for f in [0.1, 0.5, 0.9] {
            let t = 2.0 * people * f;
            all.push(case(n, rho, rho * t, t));
        }
        // The allele separates cases from controls as far as `LARGEST` allows: chi-square 2 n if completely.
        let t = 2.0 * people * rho;
        let reach = (LARGEST / (2.0 * people)).sqrt().min(1.0);
        let a = (rho * t + (t - rho * t) * reach).floor();
        all.push(case(n, rho, a, t));
        // Ten copies, all of them in cases, or none.
        if n >= 1_000 {
            all.push(case(n, rho, 10.0, 10.0));
            all.push(case(n, rho, 0.0, 10.0));
        }
    }
    all
}

fn run(
    s: &Study,
    plan: &StatisticPlan,
    rho: f64,
    all: &[Case],
    job: &[u8],
) -> Result<Vec<f64>, ReleaseError> {
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let variants: Vec<Variant> = all.iter().map(|c| c.variant).collect();
    let scaling = Scaling::allelic(plan.inverse(), rho, &variants).unwrap();
    let sums: Vec<Vec<i128>> = (0..2).map(|j| all.iter().map(|c| c.alleles[j]).collect()).collect();
    let refresh = Refresh::new(s, &sums, job);
    let scale = 2f64.powi(100);
    let ([d0, d1], (root, constants)) = (&scaling.effect, &scaling.spread_root);
    let d = refresh.ciphertext(0, &[0, 1], &[d0, d1], &[], scale);
    let e = refresh.ciphertext(1, &[1], &[root], constants, scale);
    let out = chi_square(&evaluator, plan.inverse(), &d, &e, &Offset::Public(&scaling.offset.1));
    let result = EvaluatedResult::new(out.unwrap()).unwrap();
    let job = Digest::of(job);
    let shares: Vec<_> = (s.holders.iter())
        .map(|h| release_share(&s.ring, h, &result, &job, plan.flood()))
        .collect();
    combine(&s.ring, &result, shares.len(), &shares, LARGEST * 1.001)
}

fn plan() -> StatisticPlan {
    StatisticPlan::new(StatisticRequest {
        test: Test::Allelic,
        holders: HOLDERS,
        lo: 0.5,
        hi: 1.5,
        smallest_variance: 4.9e-5,
        largest: LARGEST,
        relative_error: 1e-8,
        level: LEVEL,
        coefficients: COEFFICIENTS,
    })
    .unwrap()
}

#[test]
fn chi_squares_of_zero_and_of_ten_thousand() {
    let (s, plan) = (study(PARAMS, HOLDERS), plan());
    for rho in [0.1, 0.5] {
        let mut all = cases(rho);
        // Nobody has the allele, everybody has it: the reference is somebody else's, and the statistic is 0.
        for t in [0.0, 2000.0] {
            let variant = Variant { reference: 0.3, people: 1000.0 };
            all.push(Case { variant, alleles: [(rho * t) as i128, t as i128], chi2: 0.0 });
        }
        let released = run(&s, &plan, rho, &all, b"extremes").unwrap();
        let (mut zeros, mut largest) = (0, 0.0f64);
        for (c, value) in all.iter().zip(&released) {
            let error = (value.max(0.0).sqrt() - c.chi2.sqrt()).abs();
            assert!(error <= plan.z_error(c.chi2, 8.0) && error < 0.01, "{value} {}", c.chi2);
            // What the sums say exactly is exactly zero: only flooding is left of it.
            if c.chi2 < 1e-20 {
                zeros += 1;
                assert!(value.abs() < 8.0 * plan.slot_deviation());
            }
            largest = largest.max(c.chi2);
        }
        assert!(zeros >= 18 && largest > LARGEST * 0.999, "{zeros} {largest}");
    }
    // A larger one than was planned for is not released.
    let beyond = [case(100_000, 0.1, 20_000.0, 20_000.0)];
    assert_eq!(beyond[0].chi2.round(), 200_000.0);
    assert_eq!(run(&s, &plan, 0.1, &beyond, b"beyond"), Err(ReleaseError::OutOfRange));
}

#[test]
fn studies_without_a_statistic_are_refused() {
    let plan = plan();
    // One person is a case or a control; all cases; nobody.
    let one = [Variant { reference: 0.3, people: 1.0 }];
    for rho in [0.0, 1.0] {
        assert_eq!(Scaling::allelic(plan.inverse(), rho, &one), Err(Excluded::OneGroup));
        assert_eq!(Scaling::trend(plan.inverse(), rho, &one), Err(Excluded::OneGroup));
    }
    let nobody = Variant { reference: 0.3, people: 0.0 };
    assert_eq!(nobody.check_allelic_site(plan.inverse(), 0.0), Err(Excluded::NoCalls));
    // A single copy expected a thousandth of a time: no site keeps it, and its factor would not fit.
    let rare = Variant { reference: 1e-5, people: 50.0 };
    assert_eq!(rare.check_allelic_site(plan.inverse(), 1.0), Err(Excluded::TooSpread));
    let [factor, _] = Scaling::allelic(plan.inverse(), 0.1, &[rare]).unwrap().effect;
    assert!(matches!(LinearMap::new(&[factor], &[], 2f64.powi(100)), Err(CkksError::Range(_))));
}

/// A fold more serves hits of larger chi-squares, until the circuit is too deep and says so.
#[test]
fn hits_beyond_a_thousand_are_refused_or_have_a_wider_band() {
    let params = CkksParams::N65536Q1700;
    let depth = |largest, band| {
        let hits =
            Hits::new(Rule { threshold: 29.716_785, band, largest, lo: 0.5, hi: 1.5 }).unwrap();
        let model = NoiseModel::new(params, HOLDERS);
        let predict = Predict::new(model);
        let input = |x: f64| predict.input(&[x], hits.input_scale(params), model.refresh());
        let empty = [hits.empty_slot()];
        let out = hits.evaluate(&predict, &input(0.0), &input(0.0), &Offset::Public(&empty));
        out.map(|out| out.limbs())
    };
    assert_eq!(depth(1_000.0, 0.01), Ok(3));
    // Two folds more, and a cubic less.
    assert_eq!(depth(10_000.0, 0.01), Ok(3));
    // No result has fewer than three primes: the plan takes another set, and beyond that refuses.
    assert_eq!(depth(100_000.0, 0.01), Ok(1));
    let plan = |largest, band| {
        let rule = Rule { threshold: 29.716_785, band, largest, lo: 0.5, hi: 1.5 };
        HitsPlan::new(HitsRequest {
            holders: HOLDERS,
            rule,
            smallest_variance: 5e-5,
            values: None,
            level: 40,
            coefficients: 1 << 21,
        })
    };
    assert_eq!(plan(1e5, 0.01).unwrap().params(), CkksParams::N65536Q1746);
    assert!(matches!(plan(1e5, 0.001), Err(HitsError::Depth { left: 31, .. })));
    assert_eq!(depth(100_000.0, 0.1), Ok(5));
    // In a study of fourteen people no chi-square reaches the threshold.
    let small = Rule { threshold: 29.716_785, band: 0.01, largest: 28.0, lo: 0.5, hi: 1.5 };
    assert!(Hits::new(small).is_err());
}
