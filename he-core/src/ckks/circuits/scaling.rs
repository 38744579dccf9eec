//! From public numbers to the factors that the refresh applies.

use super::variant::{Excluded, Variant};
use crate::ckks::inverse::ProductInverse;

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

    /// Adds a variant; an unusable one gets zeros.
    pub(crate) fn push(
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
pub(crate) fn spread_unit(inverse: &ProductInverse) -> f64 {
    2.0 * inverse.first_offset() / (inverse.lo() + inverse.hi())
}

/// `rho (1 - rho)`.
pub(crate) fn cases(rho: f64) -> Result<f64, Excluded> {
    if rho > 0.0 && rho < 1.0 { Ok(rho * (1.0 - rho)) } else { Err(Excluded::OneGroup) }
}
