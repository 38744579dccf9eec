//! Synthetic counts and the statistics of their tables.

use he_core::ckks::circuits::Variant;

/// Sums of one variant: people, case alleles, all alleles, homozygotes.
pub(crate) struct Counts {
    pub(crate) variant: Variant,
    pub(crate) sums: [i128; 3],
    pub(crate) rho: f64,
}

/// Balanced and 10:90 designs have one rho each; frequencies from 10 copies to one half, effects from none to enormous.
pub(crate) fn counts(people: u32, rho: f64, count: usize) -> Vec<Counts> {
    let mut state = 7u64;
    let mut uniform = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / 2f64.powi(53)
    };
    let n = f64::from(people);
    (0..count)
        .map(|i| {
            let least = 10.0 / (2.0 * n);
            let f = least * (0.5 / least).powf(uniform());
            let t = (2.0 * n * f).round();
            // Case alleles: expectation, plus up to a thousand standard deviations for some.
            let deviation = (rho * (1.0 - rho) * t * (1.0 - f)).sqrt();
            let z = if i % 50 == 0 {
                100.0 * uniform()
            } else {
                3.0 * (uniform() + uniform() + uniform() - 1.5)
            };
            let a = (rho * t + z * deviation).round().clamp(0.0, t.min(2.0 * rho * n));
            let homozygous = (n * f * f).round();
            let reference = (t / (2.0 * n) * (0.85 + 0.3 * uniform())).min(0.5);
            Counts {
                variant: Variant { reference, people: n },
                sums: [a as i128, t as i128, homozygous as i128],
                rho,
            }
        })
        .collect()
}

pub(crate) fn allelic_oracle(c: &Counts) -> f64 {
    let [a, t, _] = c.sums.map(|x| x as f64);
    let total = 2.0 * c.variant.people;
    let d = a - c.rho * t;
    total * d * d / (c.rho * (1.0 - c.rho) * t * (total - t))
}

pub(crate) fn trend_oracle(c: &Counts) -> f64 {
    let [a, g, z] = c.sums.map(|x| x as f64);
    let n = c.variant.people;
    let d = a - c.rho * g;
    n * d * d / (c.rho * (1.0 - c.rho) * (n * (g + 2.0 * z) - g * g))
}
