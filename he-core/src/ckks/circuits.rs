//! The statistics as circuits, generic over the scheme. Finishing section 8.
//!
//! A statistic is `numerator / spread`, and the spread of a variant relative to its public reference, x, lies in the interval of
//! a [`ProductInverse`]. What every variant needs of public factors comes from [`Scaling`]; the refresh (section 5)
//! applies them, so that a circuit starts from an *effect* D, a *spread root* E and an *offset* with `sigma_0 = E^2 + offset`.

use super::ciphertext::CkksError;
use super::inverse::ProductInverse;
use super::scheme::{Precision, Scheme};

/// Where `sigma_0 - E^2` comes from.
pub enum Offset<'a, V> {
    /// Public: the allelic test.
    Public(&'a [f64]),
    /// Another refreshed ciphertext, at the scale of `E^2`: the trend test.
    Encrypted(&'a V),
}

/// `chi2 = D^2 prod (s_i + sigma_i)`: depth k + 1, 2k + 1 products for an inverse of k factors.
pub fn chi_square<S: Scheme>(
    scheme: &S,
    inverse: &ProductInverse,
    effect: &S::Value,
    spread_root: &S::Value,
    offset: &Offset<'_, S::Value>,
) -> Result<S::Value, CkksError> {
    let numerator = scheme.square(effect, Precision::Double)?;
    times_inverse(scheme, inverse, numerator, spread_root, offset)
}

/// `D prod (s_i + sigma_i)`: with the factors of [`Scaling::effect_size`] the score estimate of the log odds ratio, whose sign is the
/// direction of the effect.
pub fn effect_size<S: Scheme>(
    scheme: &S,
    inverse: &ProductInverse,
    effect: &S::Value,
    spread_root: &S::Value,
    offset: &Offset<'_, S::Value>,
) -> Result<S::Value, CkksError> {
    times_inverse(scheme, inverse, effect.clone(), spread_root, offset)
}

/// `numerator prod (s_i + sigma_i)`, from the left.
fn times_inverse<S: Scheme>(
    scheme: &S,
    inverse: &ProductInverse,
    numerator: S::Value,
    spread_root: &S::Value,
    offset: &Offset<'_, S::Value>,
) -> Result<S::Value, CkksError> {
    let square = scheme.square(spread_root, Precision::Double)?;
    let mut sigma = match offset {
        Offset::Public(x) => scheme.add_vector(&square, x)?,
        Offset::Encrypted(x) => scheme.add(&square, x)?,
    };
    let mut product = numerator;
    let mut steps = inverse.steps().iter();
    for &s in inverse.offsets() {
        let factor = scheme.add_constant(&sigma, s)?;
        product = scheme.multiply(&product, &factor, Precision::Double)?;
        if let Some(beta) = steps.next() {
            sigma = scheme.add_constant(&scheme.square(&sigma, Precision::Double)?, -beta)?;
        }
    }
    Ok(product)
}

/// What is public of a variant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variant {
    /// Reference frequency of the counted allele, between 0 and 1; 1/2 if none is known.
    pub reference: f64,
    /// People with calls, n.
    pub people: f64,
}

/// Why a variant is not in the circuit: one value outside the interval would destroy its whole ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excluded {
    /// Nobody has a call.
    #[error("nobody has a call")]
    NoCalls,
    /// No usable reference frequency.
    #[error("the reference frequency is not between 0 and 1")]
    Reference,
    /// The site's genotypes lie too far from the reference frequency.
    #[error(
        "the allele is more frequent here, or more spread, than the reference frequency allows"
    )]
    TooSpread,
    /// The site's genotypes vary too little for the reference frequency.
    #[error("the allele is rarer here than the reference frequency allows")]
    TooUniform,
    /// Everybody is a case or everybody a control.
    #[error("a statistic needs cases and controls")]
    OneGroup,
}

impl Variant {
    fn check(&self) -> Result<(), Excluded> {
        if !(self.people.is_finite() && self.people > 0.0) {
            return Err(Excluded::NoCalls);
        }
        if self.reference > 0.0 && self.reference < 1.0 { Ok(()) } else { Err(Excluded::Reference) }
    }

    /// Whether a site's own sums keep the variant inside the interval of the allelic test: `alternate` alleles among its
    /// `people` with calls.
    ///
    /// The condition holds for pooled sites if it holds for each: the mean squared distance from the reference is linear in the
    /// site's mean, and the variance of a mixture is at least the mean of the variances.
    pub fn check_allelic_site(
        &self,
        inverse: &ProductInverse,
        alternate: f64,
    ) -> Result<(), Excluded> {
        self.check()?;
        let frequency = alternate / (2.0 * self.people);
        self.check_site(inverse, 1.0, frequency, frequency)
    }

    /// The same for the trend test, with `homozygous` people for the counted allele.
    pub fn check_trend_site(
        &self,
        inverse: &ProductInverse,
        alternate: f64,
        homozygous: f64,
    ) -> Result<(), Excluded> {
        self.check()?;
        let (mean, square) =
            (alternate / self.people, (alternate + 2.0 * homozygous) / self.people);
        self.check_site(inverse, 2.0, mean, square)
    }

    fn check_site(
        &self,
        inverse: &ProductInverse,
        copies: f64,
        mean: f64,
        square: f64,
    ) -> Result<(), Excluded> {
        let centre = copies * self.reference;
        let unit = centre * (1.0 - self.reference);
        let distance = square - 2.0 * centre * mean + centre * centre;
        if !(distance <= inverse.hi() * unit) {
            Err(Excluded::TooSpread)
        } else if square - mean * mean < inverse.lo() * unit {
            Err(Excluded::TooUniform)
        } else {
            Ok(())
        }
    }
}

/// Public factors of a batch of variants; an excluded variant has zeros, and comes out as 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scaling {
    /// D as a map of: alternate alleles of cases; alternate alleles of all.
    pub effect: [Vec<f64>; 2],
    /// E as a map of alternate alleles of all, and its constant.
    pub spread_root: (Vec<f64>, Vec<f64>),
    /// `sigma_0 - E^2`: as a map of alternate alleles and of homozygotes (trend test; empty for the allelic one), and its constant.
    pub offset: ([Vec<f64>; 2], Vec<f64>),
}

impl Scaling {
    /// The allelic chi-square, from `a` case alleles and `t` alleles of all, `T = 2n` and the fraction `rho` of cases.
    ///
    /// `D = kappa2 (a - rho t)`, `kappa2^2 = c / (rho (1-rho) T v)`; `E = kappa1 (t - T/2)`, `kappa1^2 = 2 s_0 / ((lo+hi) T^2 v)`,
    /// `v = p (1-p)`; offset `s_0 - kappa1^2 T^2/4`.
    pub fn allelic(
        inverse: &ProductInverse,
        rho: f64,
        variants: &[Variant],
    ) -> Result<Self, Excluded> {
        let mut scaling = Self::default();
        for variant in variants {
            let (total, v) = (2.0 * variant.people, variant.reference * (1.0 - variant.reference));
            let kappa1 = (spread_unit(inverse) / v).sqrt() / total;
            let kappa2 = (inverse.constant() / (cases(rho)? * total * v)).sqrt();
            let offset = inverse.first_offset() - (kappa1 * total / 2.0).powi(2);
            scaling.push(
                variant,
                [kappa2, -rho * kappa2],
                [kappa1, -kappa1 * total / 2.0],
                None,
                offset,
            );
        }
        Ok(scaling)
    }

    /// Cochran and Armitage's trend test, from `g` alleles and `z` homozygotes of all and `a` case alleles among n people.
    ///
    /// `V = n (g + 2z) - g^2 = n (g + 2z) - 2 m g + m^2 - (g-m)^2` with `m = 2 n p`, relative to `2 v n^2`; `E = kappa1 (g - m)`; offset
    /// `s_0 - kappa1^2 (n (g + 2z) - 2 m g + m^2)`; `kappa2^2 = c / (rho (1-rho) 2 v n)`.
    pub fn trend(
        inverse: &ProductInverse,
        rho: f64,
        variants: &[Variant],
    ) -> Result<Self, Excluded> {
        let mut scaling = Self::default();
        for variant in variants {
            let (n, v) = (variant.people, 2.0 * variant.reference * (1.0 - variant.reference));
            let kappa1 = (spread_unit(inverse) / v).sqrt() / n;
            let kappa2 = (inverse.constant() / (cases(rho)? * n * v)).sqrt();
            let m = 2.0 * n * variant.reference;
            let square = kappa1 * kappa1;
            let linear = [square * (2.0 * m - n), -2.0 * square * n];
            let offset = inverse.first_offset() - square * m * m;
            scaling.push(
                variant,
                [kappa2, -rho * kappa2],
                [kappa1, -kappa1 * m],
                Some(linear),
                offset,
            );
        }
        Ok(scaling)
    }

    /// The same inputs with an effect whose product with the inverse is the score estimate of the log odds ratio, `U / V` with
    /// `U = D` and `V = rho (1-rho)` times the spread: of this test's kind (per allele or per person).
    pub fn effect_size(
        mut self,
        inverse: &ProductInverse,
        rho: f64,
        variants: &[Variant],
    ) -> Result<Self, Excluded> {
        let trend = self.offset.0.iter().any(|x| !x.is_empty());
        let copies = if trend { 1.0 } else { 2.0 };
        let scale = inverse.constant() / cases(rho)?;
        for (i, variant) in variants.iter().enumerate() {
            let v = variant.reference * (1.0 - variant.reference) * (2.0 / copies);
            let factor = scale / (copies * variant.people * v);
            for (effect, sign) in self.effect.iter_mut().zip([1.0, -rho]) {
                if let Some(x) = effect.get_mut(i).filter(|x| **x != 0.0) {
                    *x = sign * factor;
                }
            }
        }
        Ok(self)
    }

    fn push(
        &mut self,
        variant: &Variant,
        effect: [f64; 2],
        root: [f64; 2],
        linear: Option<[f64; 2]>,
        offset: f64,
    ) {
        let used = if variant.check().is_ok() { 1.0 } else { 0.0 };
        let keep = |x: f64| if used == 0.0 { 0.0 } else { x };
        for (column, x) in self.effect.iter_mut().zip(effect) {
            column.push(keep(x));
        }
        let [factor, constant] = root;
        self.spread_root.0.push(keep(factor));
        self.spread_root.1.push(keep(constant));
        for (column, x) in self.offset.0.iter_mut().zip(linear.into_iter().flatten()) {
            column.push(keep(x));
        }
        self.offset.1.push(keep(offset));
    }

    /// Takes variant `i` out: it comes out as 0.
    pub fn exclude(&mut self, i: usize) {
        let columns =
            self.effect.iter_mut().chain([&mut self.spread_root.0, &mut self.spread_root.1]);
        for column in columns.chain(&mut self.offset.0).chain([&mut self.offset.1]) {
            if let Some(x) = column.get_mut(i) {
                *x = 0.0;
            }
        }
    }
}

/// `2 s_0 / (lo + hi)`.
fn spread_unit(inverse: &ProductInverse) -> f64 {
    2.0 * inverse.first_offset() / (inverse.lo() + inverse.hi())
}

/// `rho (1 - rho)`.
fn cases(rho: f64) -> Result<f64, Excluded> {
    if rho > 0.0 && rho < 1.0 { Ok(rho * (1.0 - rho)) } else { Err(Excluded::OneGroup) }
}

#[cfg(test)]
mod tests {
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
        let mean =
            |f: &dyn Fn(f64, f64) -> f64| people().map(|(y, g, w)| w * f(y, g)).sum::<f64>() / n;
        let (my, mg) = (mean(&|y, _| y), mean(&|_, g| g));
        let covariance = mean(&|y, g| (y - my) * (g - mg));
        n * covariance * covariance
            / (mean(&|y, _| (y - my).powi(2)) * mean(&|_, g| (g - mg).powi(2)))
    }

    fn apply(factors: &[&Vec<f64>], inputs: &[f64], constant: f64) -> Vec<f64> {
        vec![factors.iter().zip(inputs).map(|(f, x)| f[0] * x).sum::<f64>() + constant]
    }

    fn run(
        inverse: &ProductInverse,
        table: &Table,
        reference: f64,
        trend: bool,
        size: bool,
    ) -> f64 {
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
}
