//! The noise of a circuit before it runs. Finishing section 6.
//!
//! Every operation that rounds adds one independent error. To first order, the error of a result is the sum of those errors
//! times the derivative of the result by the place where each came in; the derivatives are carried along
//! (forward differentiation), so squares, shared factors and cancellation are accounted for slot by slot. What is
//! left out, products of errors, is smaller by the relative size of an error.

use super::ciphertext::{CkksError, same_scale};
use super::params::CkksParams;
use super::scheme::{Precision, Scheme};
use crate::params::ERROR_SIGMA;

const S2: f64 = ERROR_SIGMA * ERROR_SIGMA;

/// Variances of the coefficients of single errors.
#[derive(Clone, Copy, Debug)]
pub struct NoiseModel {
    params: CkksParams,
    holders: f64,
}

impl NoiseModel {
    /// For a joint key of so many holders.
    pub fn new(params: CkksParams, holders: usize) -> Self {
        Self { params, holders: holders as f64 }
    }

    /// Variance of a coefficient of the joint secret, times N.
    fn secret(self) -> f64 {
        2.0 / 3.0 * self.holders * self.params.degree() as f64
    }

    /// An encryption under the joint key: `e u + e0 + e1 S`.
    pub fn encryption(self) -> f64 {
        S2 * (1.0 + 2.0 * self.secret())
    }

    /// A refreshed ciphertext: one error and one rounding of each holder, and one rounding.
    pub fn refresh(self) -> f64 {
        self.holders * S2 + (self.holders + 1.0) / 12.0
    }

    /// Rounding of both components of a division.
    pub fn rounding(self) -> f64 {
        (1.0 + self.secret()) / 12.0
    }

    /// Relinearisation at `limbs` primes, before the division by what a product drops and by P.
    ///
    /// A digit is the sum of up to three terms uniform below its modulus D: its mean square is `m D^2/12 + (m D/2)^2`. A key error
    /// is that of an encryption under the joint key for each holder.
    fn relinearisation(self, limbs: usize, log2_divisor: f64) -> f64 {
        let size = self.params.digit_limbs();
        let digits: f64 = (0..limbs)
            .step_by(size)
            .map(|first| {
                let m = (limbs - first).min(size);
                let log2_digit = self.log2_primes(first, m);
                let m = m as f64;
                (m / 12.0 + m * m / 4.0) * 4f64.powf(log2_digit - log2_divisor)
            })
            .sum();
        digits * self.params.degree() as f64 * self.holders * self.encryption()
    }

    /// log2 of the product of `count` primes from `first` on.
    fn log2_primes(self, first: usize, count: usize) -> f64 {
        self.params.moduli().skip(first).take(count).map(|m| (m.value() as f64).log2()).sum()
    }

    /// A relinearised product at `limbs` primes that drops `drop` of them.
    pub fn product(self, limbs: usize, drop: usize) -> f64 {
        let special = self.log2_primes(self.params.limbs(), self.params.special());
        let divisor = special + self.log2_primes(limbs.saturating_sub(drop), drop);
        self.rounding() + self.relinearisation(limbs, divisor)
    }
}

/// A vector of values with the derivatives of each by every error so far.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// One entry per slot.
    slots: Vec<Slot>,
    /// Standard deviation of each error so far, in units of values, over a complex slot; shared by all slots.
    errors: Vec<(usize, f64)>,
    limbs: usize,
    scale: f64,
}

#[derive(Clone, Debug)]
struct Slot {
    value: f64,
    /// In the order of `errors`.
    derivatives: Vec<f64>,
}

impl Predicted {
    /// The values.
    pub fn values(&self) -> Vec<f64> {
        self.slots.iter().map(|s| s.value).collect()
    }

    /// Standard deviation of the complex error of each slot, in units of values.
    pub fn deviations(&self) -> Vec<f64> {
        let deviation = |s: &Slot| {
            let terms = s.derivatives.iter().zip(&self.errors).map(|(d, (_, e))| (d * e).powi(2));
            terms.sum::<f64>().sqrt()
        };
        self.slots.iter().map(deviation).collect()
    }

    /// That of the worst slot.
    pub fn worst_deviation(&self) -> f64 {
        self.deviations().into_iter().fold(0.0, f64::max)
    }

    /// Root mean square of the coefficients of the error if every slot were like the worst one: what flooding has to hide.
    pub fn worst_coefficient(&self, params: CkksParams) -> f64 {
        self.worst_deviation() * self.scale / (params.degree() as f64).sqrt()
    }

    /// The scale.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// The same modulo the first `limbs` primes alone.
    #[must_use]
    pub fn modulo(self, limbs: usize) -> Self {
        Self { limbs: self.limbs.min(limbs), ..self }
    }

    /// Primes left.
    pub fn limbs(&self) -> usize {
        self.limbs
    }
}

/// Runs a circuit on values and predicts the noise of the result.
pub struct Predict {
    model: NoiseModel,
    counter: core::cell::Cell<usize>,
}

impl Predict {
    /// With that noise.
    pub fn new(model: NoiseModel) -> Self {
        Self { model, counter: core::cell::Cell::new(0) }
    }

    /// An input with coefficient errors of that variance, at full depth.
    pub fn input(&self, values: &[f64], scale: f64, variance: f64) -> Predicted {
        let error = self.error(variance, scale);
        let slots = values.iter().map(|&value| Slot { value, derivatives: vec![1.0] }).collect();
        Predicted { slots, errors: vec![error], limbs: self.model.params.limbs(), scale }
    }

    /// A new error source: a coefficient variance as the deviation of a complex slot.
    fn error(&self, variance: f64, scale: f64) -> (usize, f64) {
        let number = self.counter.get();
        self.counter.set(number + 1);
        (number, (variance * self.model.params.degree() as f64).sqrt() / scale)
    }

    /// `f(a, b)` with the derivatives by a and b that `partial` gives for each pair of values.
    fn combine(a: &Predicted, b: &Predicted, f: impl Fn(f64, f64) -> (f64, f64, f64)) -> Predicted {
        let mut errors = a.errors.clone();
        errors.extend(b.errors.iter().filter(|e| !a.errors.contains(e)));
        let places = |of: &Predicted| -> Vec<Option<usize>> {
            errors.iter().map(|e| of.errors.iter().position(|x| x == e)).collect()
        };
        let places: Vec<_> = places(a).into_iter().zip(places(b)).collect();
        let at = |s: &Slot, place: Option<usize>| {
            place.and_then(|i| s.derivatives.get(i)).copied().unwrap_or(0.0)
        };
        let slots = a.slots.iter().zip(&b.slots).map(|(x, y)| {
            let (value, da, db) = f(x.value, y.value);
            let derivative = |&(i, j)| da * at(x, i) + db * at(y, j);
            Slot { value, derivatives: places.iter().map(derivative).collect() }
        });
        Predicted { slots: slots.collect(), errors, limbs: a.limbs.min(b.limbs), scale: a.scale }
    }
}

impl Scheme for Predict {
    type Value = Predicted;

    fn multiply(
        &self,
        a: &Predicted,
        b: &Predicted,
        precision: Precision,
    ) -> Result<Predicted, CkksError> {
        let mut out = Self::combine(a, b, |x, y| (x * y, y, x));
        let (limbs, drop) = (out.limbs, precision.drop(a.scale * b.scale));
        out.limbs = limbs
            .checked_sub(drop)
            .filter(|&left| left > 0)
            .ok_or(CkksError::Depth { needed: drop + 1, left: limbs })?;
        let dropped = self.model.params.moduli().take(limbs).skip(out.limbs);
        out.scale = dropped.fold(a.scale * b.scale, |s, m| s / m.value() as f64);
        out.errors.push(self.error(self.model.product(limbs, drop), out.scale));
        out.slots.iter_mut().for_each(|s| s.derivatives.push(1.0));
        Ok(out)
    }

    fn add(&self, a: &Predicted, b: &Predicted) -> Result<Predicted, CkksError> {
        same_scale(a.scale, b.scale)?;
        Ok(Self::combine(a, b, |x, y| (x + y, 1.0, 1.0)))
    }

    fn add_constant(&self, a: &Predicted, c: f64) -> Result<Predicted, CkksError> {
        let mut out = a.clone();
        out.slots.iter_mut().for_each(|s| s.value += c);
        Ok(out)
    }

    fn add_vector(&self, a: &Predicted, x: &[f64]) -> Result<Predicted, CkksError> {
        let mut out = a.clone();
        out.slots.iter_mut().zip(x).for_each(|(s, x)| s.value += x);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_those_of_the_circuit() {
        let params = CkksParams::N32768Q750;
        let model = NoiseModel::new(params, 2);
        let p = Predict::new(model);
        let scale = 2f64.powi(100);
        let unit = |variance: f64| (variance * params.degree() as f64).sqrt() / scale;
        let (x, y) = (p.input(&[3.0], scale, 1e6), p.input(&[-2.0], scale, 4e6));
        // x^2 y + x^2: derivatives 2 x y + 2 x = -6 by x, x^2 = 9 by y, y + 1 = -1 by the square's own error.
        let square = p.square(&x, Precision::Double).unwrap();
        let product = p.multiply(&square, &y, Precision::Double).unwrap();
        let mut same = square.clone();
        same.scale = product.scale;
        let sum = p.add(&product, &same).unwrap();
        assert_eq!((sum.values()[0], sum.limbs()), (-9.0, 9));
        let (a, b) = (model.product(13, 2), model.product(11, 2));
        let expected: f64 = [(6.0, 1e6), (9.0, 4e6), (1.0, a), (1.0, b)]
            .into_iter()
            .map(|(d, variance): (f64, f64)| (d * unit(variance)).powi(2))
            .sum();
        assert!((sum.deviations()[0] / expected.sqrt() - 1.0).abs() < 1e-6);
        assert!(matches!(p.add(&product, &square), Err(CkksError::Scale(..))));
        let mut deep = x;
        let depth = (0..20).take_while(|_| match p.square(&deep, Precision::Double) {
            Ok(next) => {
                deep = next;
                true
            }
            Err(e) => {
                assert!(matches!(e, CkksError::Depth { needed: 3, left: 1 }));
                false
            }
        });
        assert_eq!(depth.count(), 6);
    }
}
