//! Noise at every step of a circuit, held against its prediction, and not only that of the result.

use std::cell::RefCell;

use he_core::ckks::circuits::{Offset, Scaling, Variant, chi_square};
use he_core::ckks::hits::{Hits, Rule};
use he_core::ckks::params::BASE_LIMBS;
use he_core::ckks::{
    Ciphertext, CkksError, CkksParams, Evaluator, NoiseModel, Precision, Predict, Predicted,
    ProductInverse, Scheme,
};

use crate::cohort::{Counts, allelic_oracle, counts};
use crate::refresh::Refresh;
use crate::study::{HOLDERS, PARAMS, Study, rms, study};

/// A scheme that keeps what comes out of every product.
struct Traced<'a, S: Scheme> {
    inner: &'a S,
    products: RefCell<Vec<S::Value>>,
    keep: fn(&S::Value) -> S::Value,
}

impl<'a, S: Scheme> Traced<'a, S> {
    fn new(inner: &'a S, keep: fn(&S::Value) -> S::Value) -> Self {
        Self { inner, products: RefCell::default(), keep }
    }
}

impl<S: Scheme> Scheme for Traced<'_, S> {
    type Value = S::Value;

    fn multiply(
        &self,
        a: &S::Value,
        b: &S::Value,
        precision: Precision,
    ) -> Result<S::Value, CkksError> {
        let product = self.inner.multiply(a, b, precision)?;
        self.products.borrow_mut().push((self.keep)(&product));
        Ok(product)
    }

    fn add(&self, a: &S::Value, b: &S::Value) -> Result<S::Value, CkksError> {
        self.inner.add(a, b)
    }

    fn add_constant(&self, a: &S::Value, c: f64) -> Result<S::Value, CkksError> {
        self.inner.add_constant(a, c)
    }

    fn add_vector(&self, a: &S::Value, x: &[f64]) -> Result<S::Value, CkksError> {
        self.inner.add_vector(a, x)
    }
}

/// What is needed to read a ciphertext: dropping primes is exact.
fn last_limbs(ciphertext: &Ciphertext) -> Ciphertext {
    ciphertext.clone().truncate(BASE_LIMBS).unwrap()
}

/// The circuit under test.
enum Circuit {
    ChiSquare(ProductInverse),
    Hits(Hits),
}

impl Circuit {
    fn scaling(&self, rho: f64, variants: &[Variant]) -> Scaling {
        match self {
            Self::ChiSquare(inverse) => Scaling::allelic(inverse, rho, variants).unwrap(),
            Self::Hits(hits) => hits.allelic(rho, variants).unwrap(),
        }
    }

    fn exclude(&self, scaling: &mut Scaling, i: usize) {
        match self {
            Self::ChiSquare(_) => scaling.exclude(i),
            Self::Hits(hits) => hits.exclude(scaling, i),
        }
    }

    fn run<S: Scheme>(&self, scheme: &S, d: &S::Value, e: &S::Value, offset: &[f64]) -> S::Value {
        let offset = Offset::Public(offset);
        match self {
            Self::ChiSquare(inverse) => chi_square(scheme, inverse, d, e, &offset).unwrap(),
            Self::Hits(hits) => hits.evaluate(scheme, d, e, &offset).unwrap(),
        }
    }
}

/// Measured and predicted noise of both refreshed inputs and of every product.
fn stages(
    s: &Study,
    circuit: &Circuit,
    scale: f64,
    rho: f64,
    all: &[Counts],
    kept: &[bool],
) -> Vec<(f64, f64)> {
    let params = s.ring.params();
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let variants: Vec<Variant> = all.iter().map(|c| c.variant).collect();
    let mut scaling = circuit.scaling(rho, &variants);
    (0..all.len()).filter(|&i| !kept[i]).for_each(|i| circuit.exclude(&mut scaling, i));
    let ([case, total], (root, constants)) = (&scaling.effect, &scaling.spread_root);
    let sums: Vec<Vec<i128>> = (0..2).map(|j| all.iter().map(|c| c.sums[j]).collect()).collect();
    let mut runs = [b"one", b"two"].into_iter().map(|job| {
        let refresh = Refresh::new(s, &sums, job);
        let d = refresh.ciphertext(0, &[0, 1], &[case, total], &[], scale);
        let e = refresh.ciphertext(1, &[1], &[root], constants, scale);
        let traced = Traced::new(&evaluator, last_limbs);
        circuit.run(&traced, &d, &e, &scaling.offset.1);
        let mut steps = vec![last_limbs(&d), last_limbs(&e)];
        steps.append(&mut traced.products.into_inner());
        steps
    });
    let (one, two) = (runs.next().unwrap(), runs.next().unwrap());

    let model = NoiseModel::new(params, s.holders.len());
    let predict = Predict::new(model);
    let input = |f: &dyn Fn(usize) -> f64| {
        let values: Vec<f64> = (0..all.len()).map(f).collect();
        predict.input(&values, scale, model.refresh())
    };
    let d = input(&|i| case[i] * all[i].sums[0] as f64 + total[i] * all[i].sums[1] as f64);
    let e = input(&|i| root[i] * all[i].sums[1] as f64 + constants[i]);
    let traced = Traced::new(&predict, Predicted::clone);
    circuit.run(&traced, &d, &e, &scaling.offset.1);
    let mut steps = vec![d, e];
    steps.append(&mut traced.products.into_inner());
    assert_eq!((one.len(), two.len()), (steps.len(), steps.len()));
    let pairs = one.iter().zip(&two).zip(&steps);
    pairs.map(|((a, b), predicted)| (s.noise([a, b]), rms(predicted))).collect()
}

#[test]
fn every_step_of_a_chi_square_is_as_noisy_as_predicted() {
    let s = study(PARAMS, HOLDERS);
    let inverse = ProductInverse::with_error(0.5, 1.5, 1e-8).unwrap();
    let (people, rho) = (10_000, 0.3);
    let all = counts(people, rho, PARAMS.slots());
    let kept: Vec<bool> = (all.iter())
        .map(|c| c.variant.check_allelic_site(&inverse, c.sums[1] as f64).is_ok())
        .collect();
    let circuit = Circuit::ChiSquare(inverse);
    let steps = stages(&s, &circuit, 2f64.powi(100), rho, &all, &kept);
    // Two inputs, two squares, four products and three squares of an inverse of four factors.
    assert_eq!(steps.len(), 2 + 2 + 4 + 3);
    for (i, (measured, predicted)) in steps.into_iter().enumerate() {
        println!("step {i}: measured {measured:e}, predicted {predicted:e}");
        assert!(measured < 1.1 * predicted && measured > predicted / 1.25, "step {i}");
    }
}

/// Up to the last cubic. That one contracts what came before to its square, which no first-order prediction sees: its result is
/// held against `CompositeSign::residue` in the test of hits.
#[test]
fn every_step_of_hits_is_as_noisy_as_predicted() {
    for params in [CkksParams::N65536Q1700, CkksParams::N65536Q1746] {
        every_step_of_hits(params);
    }
}

fn every_step_of_hits(params: CkksParams) {
    let s = study(params, 1);
    let rule = Rule { threshold: 29.716_785, band: 0.01, largest: 1000.0, lo: 0.5, hi: 1.5 };
    let hits = Hits::new(rule).unwrap();
    let inverse = ProductInverse::with_error(rule.lo, rule.hi, 1e-2).unwrap();
    let (people, rho) = (20_000, 0.3);
    let all = counts(people, rho, params.slots());
    let z = rule.threshold.sqrt();
    let outside = |c: &Counts| {
        let chi2 = allelic_oracle(c);
        chi2 <= rule.largest && (chi2.sqrt() - z).abs() > rule.band
    };
    let kept: Vec<bool> = (all.iter())
        .map(|c| c.variant.check_allelic_site(&inverse, c.sums[1] as f64).is_ok() && outside(c))
        .collect();
    let scale = hits.input_scale(params);
    let stages_of_sign = hits.stages();
    let steps = stages(&s, &Circuit::Hits(hits), scale, rho, &all, &kept);
    assert_eq!(steps.len(), 2 + 2 + 2 + 2 * stages_of_sign);
    let last = steps.len() - 2;
    for (i, (measured, predicted)) in steps.into_iter().enumerate() {
        println!("step {i}: measured {measured:e}, predicted {predicted:e}");
        assert!(i >= last || measured < 1.1 * predicted && measured > predicted / 1.25, "step {i}");
    }
}
