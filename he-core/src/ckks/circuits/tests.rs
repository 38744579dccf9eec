//! The circuits in the clear against oracles that share no code with them.

use super::*;
use crate::ckks::scheme::Clear;

/// Genotype counts 0, 1, 2 of cases and of controls.
type Table = [[f64; 3]; 2];

fn sums(table: &Table) -> (f64, f64, f64, f64) {
    let [case, control] = table;
    let alleles = |x: &[f64; 3]| x[1] + 2.0 * x[2];
    let n: f64 = case.iter().chain(control).sum();
    (n, alleles(case), alleles(case) + alleles(control), case[2] + control[2])
}

/// Pearson's chi-square of the table of alleles, from its cells.
fn allelic_oracle(table: &Table) -> f64 {
    let row = |x: &[f64; 3]| [2.0 * x[0] + x[1], x[1] + 2.0 * x[2]];
    let cells = table.map(|x| row(&x));
    let total: f64 = cells.iter().flatten().sum();
    let mut chi2 = 0.0;
    for r in &cells {
        for j in 0..2 {
            let expected = (r[0] + r[1]) * (cells[0][j] + cells[1][j]) / total;
            chi2 += (r[j] - expected).powi(2) / expected;
        }
    }
    chi2
}

/// `n` times the squared correlation of group and genotype, person by person.
fn trend_oracle(table: &Table) -> f64 {
    let people = || {
        table
            .iter()
            .zip([1.0, 0.0])
            .flat_map(|(row, y)| (0..3).map(move |g| (y, f64::from(g), row[g as usize])))
    };
    let n: f64 = people().map(|(.., w)| w).sum();
    let mean = |f: &dyn Fn(f64, f64) -> f64| people().map(|(y, g, w)| w * f(y, g)).sum::<f64>() / n;
    let (my, mg) = (mean(&|y, _| y), mean(&|_, g| g));
    let covariance = mean(&|y, g| (y - my) * (g - mg));
    n * covariance * covariance / (mean(&|y, _| (y - my).powi(2)) * mean(&|_, g| (g - mg).powi(2)))
}

fn apply(factors: &[&Vec<f64>], inputs: &[f64], constant: f64) -> Vec<f64> {
    vec![factors.iter().zip(inputs).map(|(f, x)| f[0] * x).sum::<f64>() + constant]
}

fn run(inverse: &ProductInverse, table: &Table, reference: f64, trend: bool, size: bool) -> f64 {
    let (n, a, t, z) = sums(table);
    let rho = table[0].iter().sum::<f64>() / n;
    let variants = [Variant { reference, people: n }];
    let mut scaling = if trend {
        Scaling::trend(inverse, rho, &variants)
    } else {
        Scaling::allelic(inverse, rho, &variants)
    }
    .unwrap();
    if size {
        scaling = scaling.effect_size(inverse, rho, &variants).unwrap();
    }
    let d = apply(&[&scaling.effect[0], &scaling.effect[1]], &[a, t], 0.0);
    let e = apply(&[&scaling.spread_root.0], &[t], scaling.spread_root.1[0]);
    let public = [scaling.offset.1[0]];
    let encrypted =
        trend.then(|| apply(&[&scaling.offset.0[0], &scaling.offset.0[1]], &[t, z], public[0]));
    let offset = encrypted.as_ref().map_or(Offset::Public(&public), Offset::Encrypted);
    let circuit = if size { effect_size::<Clear> } else { chi_square::<Clear> };
    circuit(&Clear, inverse, &d, &e, &offset).unwrap()[0]
}

/// Tables from n = 100 to 100,000, balanced and 10:90, common and rare, without and with an effect.
fn tables() -> impl Iterator<Item = Table> {
    let sizes = [100.0, 1_000.0, 20_000.0, 100_000.0];
    sizes.into_iter().flat_map(|n: f64| {
        [0.1, 0.5].into_iter().flat_map(move |rho: f64| {
            [0.5, 0.2, 0.05, 10.0 / (2.0 * n)].into_iter().flat_map(move |p: f64| {
                [0.0, 0.05, 0.3].into_iter().map(move |shift: f64| {
                    let q = (p * (1.0 + 3.0 * shift)).min(0.9);
                    let row = |m: f64, f: f64| {
                        let two = (m * f * f).round();
                        let one = (m * 2.0 * f * (1.0 - f)).round();
                        [m - one - two, one, two]
                    };
                    [row((n * rho).round(), q), row(n - (n * rho).round(), p)]
                })
            })
        })
    })
}

#[test]
fn circuits_agree_with_the_oracles() {
    let inverse = ProductInverse::with_error(0.5, 1.5, 1e-8).unwrap();
    let (mut largest, mut used) = (0.0f64, 0);
    for table in tables() {
        let (n, a, t, z) = sums(&table);
        for reference in [t / (2.0 * n), t / (2.0 * n) * 0.8, 0.01 + t / (2.0 * n)] {
            let variant = Variant { reference, people: n };
            if variant.check_allelic_site(&inverse, t).is_ok() {
                used += 1;
                let (ours, oracle) =
                    (run(&inverse, &table, reference, false, false), allelic_oracle(&table));
                largest = largest.max(oracle);
                assert!(
                    (ours - oracle).abs() <= 1.1e-8 * oracle + 1e-9,
                    "{table:?} {ours} {oracle}"
                );
                // U/V: the direction and size of the effect.
                let rho = table[0].iter().sum::<f64>() / n;
                let score = (a - rho * t) / (rho * (1.0 - rho) * t * (1.0 - t / (2.0 * n)));
                let size = run(&inverse, &table, reference, false, true);
                assert!((size - score).abs() <= 1.1e-8 * score.abs() + 1e-9, "{size} {score}");
            }
            if variant.check_trend_site(&inverse, t, z).is_ok() {
                used += 1;
                let (ours, oracle) =
                    (run(&inverse, &table, reference, true, false), trend_oracle(&table));
                assert!(
                    (ours - oracle).abs() <= 1.1e-8 * oracle + 1e-9,
                    "{table:?} {ours} {oracle}"
                );
                let size = run(&inverse, &table, reference, true, true);
                assert_eq!(size > 0.0, run(&inverse, &table, reference, false, true) > 0.0);
            }
        }
    }
    assert!(used > 250 && largest > 10_000.0, "{used} {largest}");
}

#[test]
fn monomorphic_and_excluded_variants_come_out_as_zero() {
    let inverse = ProductInverse::with_error(0.5, 1.5, 1e-6).unwrap();
    let none = [[50.0, 0.0, 0.0], [70.0, 0.0, 0.0]];
    assert!(run(&inverse, &none, 0.3, false, false).abs() < 1e-12);
    assert!(run(&inverse, &none, 0.3, true, false).abs() < 1e-12);
    let variants = [Variant { reference: 0.3, people: 120.0 }; 2];
    let mut scaling = Scaling::trend(&inverse, 0.4, &variants).unwrap();
    scaling.exclude(1);
    let second = |x: &Vec<f64>| x[1] == 0.0 && x[0] != 0.0;
    assert!(
        scaling.effect.iter().chain(&scaling.offset.0).all(second) && second(&scaling.offset.1)
    );
    let unusable =
        [Variant { reference: 0.0, people: 120.0 }, Variant { reference: 0.5, people: 0.0 }];
    let scaling = Scaling::allelic(&inverse, 0.4, &unusable).unwrap();
    assert_eq!(scaling.effect[0], [0.0, 0.0]);
    assert_eq!(scaling.offset.1, [0.0, 0.0]);
}

#[test]
fn bad_variants_are_excluded_with_a_reason() {
    let inverse = ProductInverse::with_error(0.5, 1.5, 1e-6).unwrap();
    let variant = Variant { reference: 0.1, people: 1000.0 };
    let allelic = |t| variant.check_allelic_site(&inverse, t);
    assert_eq!((allelic(200.0), allelic(140.0), allelic(290.0)), (Ok(()), Ok(()), Ok(())));
    assert_eq!(allelic(330.0), Err(Excluded::TooSpread));
    assert_eq!(allelic(80.0), Err(Excluded::TooUniform));
    assert_eq!(allelic(f64::NAN), Err(Excluded::TooSpread));
    assert_eq!(variant.check_trend_site(&inverse, 200.0, 100.0), Err(Excluded::TooSpread));
    assert_eq!(variant.check_trend_site(&inverse, 200.0, 10.0), Ok(()));
    assert_eq!(
        Variant { people: 0.0, ..variant }.check_allelic_site(&inverse, 0.0),
        Err(Excluded::NoCalls)
    );
    assert_eq!(
        Variant { reference: 1.0, ..variant }.check_allelic_site(&inverse, 0.0),
        Err(Excluded::Reference)
    );
    for rho in [0.0, 1.0, f64::NAN] {
        assert_eq!(Scaling::allelic(&inverse, rho, &[variant]), Err(Excluded::OneGroup));
    }
}

#[test]
fn pooling_sites_keeps_a_variant_inside() {
    let inverse = ProductInverse::with_error(0.5, 1.5, 1e-6).unwrap();
    for p in [0.02, 0.1, 0.3, 0.5, 0.7] {
        let site = |t: f64| {
            Variant { reference: p, people: 100.0 }.check_allelic_site(&inverse, t).is_ok()
        };
        let fine: Vec<f64> = (0..=200).map(f64::from).filter(|&t| site(t)).collect();
        assert!(!fine.is_empty());
        for &a in &fine {
            for &b in &fine {
                let x = (a + b) / 400.0;
                let ratio = x * (1.0 - x) / (p * (1.0 - p));
                assert!((0.5 - 1e-12..=1.5 + 1e-12).contains(&ratio), "{p} {a} {b}");
            }
        }
    }
}
