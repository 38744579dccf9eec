//! Hits: which chi-squares exceed a threshold, and nothing else. Finishing section 9.
//!
//! With x the spread relative to the reference (see [`super::circuits`]), `h = x (chi2 - tau)` is a sum of two squares and a public number:
//! no division. All hits lie in one interval of h; a Chebyshev polynomial folds that interval into `[-1, 1]` and lifts
//! everything outside, by two bits a level, and a composition of cubics makes signs of the two sides.
//!
//! tau is the lower end of the band: what has a smaller chi-square has h below 0 whatever its spread, and is never a hit. A variant
//! whose spread is below the interval has its band widened upwards alone, by what the spread lacks.

mod plan;

use super::ciphertext::CkksError;
use super::circuits::{Excluded, Offset, Scaling, Variant, cases};
use super::params::CkksParams;
use super::predict::{Predict, Predicted};
use super::scheme::{Precision, Scheme};
use super::sign::{CompositeSign, SignError};

pub use plan::{HitsError, HitsPlan, HitsRequest, Released};

/// A decision rule: the threshold, the band round it in which either answer may come, and the largest chi-square that is safe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// Chi-square at the threshold, tau.
    pub threshold: f64,
    /// Half width of the undefined band, in units of `|Z|`.
    pub band: f64,
    /// Largest chi-square; a larger one destroys its ciphertext. It is at most the number of alleles (allelic test) or people.
    pub largest: f64,
    /// Spread relative to the reference: lower end.
    pub lo: f64,
    /// Spread relative to the reference: upper end.
    pub hi: f64,
}

/// The circuit of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Hits {
    rule: Rule,
    /// `mu`: what `y` is multiplied by so that the fold stays monic.
    scale: f64,
    /// Offset after each squaring of the fold.
    folds: Vec<f64>,
    sign: CompositeSign,
}

/// What is predicted of an indicator outside the band.
#[derive(Clone, Debug)]
pub struct Prediction {
    /// The indicator with its first-order noise.
    pub indicator: Predicted,
    /// How far it deviates from `1 + excess` and its negative ([`CompositeSign::residue`]).
    pub residue: f64,
    /// By how much its magnitude exceeds 1 ([`CompositeSign::excess`]).
    pub excess: f64,
    /// Eight deviations of the noise before the sign, relative to the room that each slot has up to the band and up to the largest magnitude that
    /// the sign takes: at most 1 where no noise takes a variant from outside the band into it.
    pub blur: f64,
}

/// Most squarings of a fold: hits span up to 2^18 times the threshold.
const MOST_FOLDS: usize = 9;
/// Part of the band that is given away at either end, so that a chi-square exactly at an end lies outside, noise included.
const EDGE: f64 = 1.0 / 64.0;
/// Deviations of noise that the ends of the band leave room for.
const DEVIATIONS: f64 = 8.0;
/// Largest distance of an indicator from 1 or -1, before noise: small enough to be hidden by flooding at 40 bits.
const INDICATOR_ERROR: f64 = 2.168_404_344_971_009e-19; // 2^-62
/// The same where a large chi-square multiplies it.
const FACTOR_ERROR: f64 = 8.271_806_125_530_277e-25; // 2^-80

impl Hits {
    /// The shallowest circuit for a rule: a fold gains two bits a prime as long as hits span more than the rest.
    ///
    /// # Errors
    /// When the rule means nothing, or no composition closes its gap.
    pub fn new(rule: Rule) -> Result<Self, SignError> {
        Self::within(rule, INDICATOR_ERROR)
    }

    /// The same with indicators within `error` of 1 and -1, before noise.
    fn within(rule: Rule, error: f64) -> Result<Self, SignError> {
        let fold = |folds| Self::with_folds(rule, folds, error);
        let found = (1..=MOST_FOLDS).filter_map(|folds| fold(folds).ok());
        found.min_by_key(Self::depth).map_or_else(|| fold(2), Ok)
    }

    fn with_folds(rule: Rule, folds: usize, error: f64) -> Result<Self, SignError> {
        let Rule { band, largest, lo, hi, .. } = rule;
        let (lower, width, range) = (rule.lower(), rule.inner(), rule.range());
        // y = 2 (h - lo inner) / range - 1: hits in [-1, 1]; others below, from -edge to -outer.
        let edge = 1.0 + 2.0 * lo * width * (1.0 - EDGE) / range;
        let outer = 1.0 + 2.0 * (hi * lower + lo * width) / range;
        let fold = |y: f64| (0..folds).fold(y, |t, _| 2.0 * t * t - 1.0); // T_(2^folds)
        let middle = (1.0 + fold(edge)) / 2.0;
        // Hits fold to 1 at many places: room there, and at the far end, where it counts half.
        let whole = (fold(edge) - 1.0) / 2.0;
        let half_gap = whole * (1.0 - EDGE);
        let reach = (1.0 + middle).max(fold(outer) - middle) + 4.0 * EDGE * whole;
        let sensible = 0.0 < lo
            && lo < hi
            && band > 0.0
            && rule.threshold.sqrt() > band
            && largest > rule.upper();
        let gap = if sensible { half_gap / reach } else { f64::NAN };
        let sign = CompositeSign::new(gap, error)?;
        // T_(2m) = 2 T_m^2 - 1. With Y_i = k_i T_(2^i): Y_i^2 - k_(i+1) = Y_(i+1) if k_(i+1) = k_i^2 / 2; the last k makes the reach b_0.
        let unit = sign.start() / reach;
        let mut offsets = vec![-unit * (1.0 + middle)];
        let mut scale = (2.0 * unit).sqrt();
        for _ in 1..folds {
            offsets.push(-scale);
            scale = (2.0 * scale).sqrt();
        }
        offsets.reverse();
        Ok(Self { rule, scale, folds: offsets, sign })
    }

    /// The rule.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The indicator: near [`Hits::hit`] for hits and its negative for others, of one magnitude to within `2^-62` (before noise); outside the
    /// band it is never wrong. From D and E of [`Hits::allelic`] or [`Hits::trend`] and their
    /// offset.
    ///
    /// Scales are those of single primes until the last cubic ([`CompositeSign::settle`]). Depth: a prime for the first squares and each of the fold, 2
    /// for a cubic, 1 for the last.
    pub fn evaluate<S: Scheme>(
        &self,
        scheme: &S,
        effect: &S::Value,
        spread_root: &S::Value,
        offset: &Offset<'_, S::Value>,
    ) -> Result<S::Value, CkksError> {
        self.sign.evaluate(scheme, self.fold(scheme, effect, spread_root, offset)?)
    }

    /// What the sign is taken of: positive for what is no hit.
    fn fold<S: Scheme>(
        &self,
        scheme: &S,
        effect: &S::Value,
        spread_root: &S::Value,
        offset: &Offset<'_, S::Value>,
    ) -> Result<S::Value, CkksError> {
        use Precision::Single;
        let squares =
            scheme.add(&scheme.square(effect, Single)?, &scheme.square(spread_root, Single)?)?;
        let mut x = match offset {
            Offset::Public(x) => scheme.add_vector(&squares, x)?,
            Offset::Encrypted(x) => scheme.add(&squares, x)?,
        };
        for &fold in &self.folds {
            x = scheme.add_constant(&scheme.square(&x, Single)?, fold)?;
        }
        Ok(x)
    }

    /// Predicts the noise of [`Hits::evaluate`] for slots outside the band.
    ///
    /// # Errors
    /// Those of the scheme.
    pub fn predict(
        &self,
        predict: &Predict,
        effect: &Predicted,
        spread_root: &Predicted,
        offset: &Offset<'_, Predicted>,
    ) -> Result<Prediction, CkksError> {
        let folded = self.fold(predict, effect, spread_root, offset)?;
        let (nearest, start) = (self.sign.nearest(), self.sign.start());
        let room = |(x, deviation): (f64, f64)| {
            DEVIATIONS * deviation / (x.abs() - nearest).min((start - x.abs()) / 2.0)
        };
        let blur = folded.values().into_iter().zip(folded.deviations()).map(room);
        let blur = blur.fold(0.0f64, |a, b| if b >= 0.0 { a.max(b) } else { f64::INFINITY });
        let before = self.sign.approach(predict, folded)?;
        let indicator = self.sign.settle(predict, before.clone())?;
        let residue = self.sign.residue(&before, &indicator);
        let excess = self.sign.excess(before.scale(), indicator.scale());
        Ok(Prediction { indicator, residue, excess, blur })
    }

    /// The indicator of a hit: 1 or -1.
    pub fn hit(&self) -> f64 {
        // Hits fold below the middle.
        -self.sign.orientation()
    }

    /// The scale, near that of the primes that are dropped first, of inputs at full depth for which the indicator has the scale 2^100.
    pub fn input_scale(&self, params: CkksParams) -> f64 {
        let mut dropped = params.dropped(self.depth());
        let sign = self.sign.input_scale(&mut dropped);
        // The first squares, and those of the fold, come before the sign.
        (0..=self.folds.len()).fold(sign, |scale, _| (scale * dropped(1)).sqrt())
    }

    /// Primes that the circuit drops.
    pub fn depth(&self) -> usize {
        1 + self.folds.len() + CompositeSign::depth(self.stages())
    }

    /// Stages of the sign.
    pub fn stages(&self) -> usize {
        self.sign.constants().len()
    }

    /// The composition that ends the circuit.
    pub fn sign(&self) -> &CompositeSign {
        &self.sign
    }
}

impl Rule {
    /// Chi-square at the lower end of the band, tau.
    pub fn lower(&self) -> f64 {
        let z = self.threshold.sqrt() - self.band;
        z * z
    }

    /// Chi-square at the upper end of the band.
    pub fn upper(&self) -> f64 {
        self.lower() + self.width()
    }

    /// The band in units of chi-square.
    fn width(&self) -> f64 {
        4.0 * self.threshold.sqrt() * self.band
    }

    /// The same without what is given away at its upper end.
    fn inner(&self) -> f64 {
        (1.0 - EDGE) * self.width()
    }

    /// What hits span in h: `hi (largest - tau) - lo inner`, and at the end as much room as at those of the band.
    fn range(&self) -> f64 {
        let room = self.lo * (self.width() - self.inner());
        self.hi * (self.largest - self.lower()) + room - self.lo * self.inner()
    }
}

/// Public factors. An excluded variant comes out as no hit; slots that no variant has must be excluded too.
impl Hits {
    /// For the allelic test: `Y = mu (2 (h - lo inner)/range - 1)` with
    /// `h = (a - rho t)^2 / (rho (1-rho) T v) + tau (t - T/2)^2 / (T^2 v) - tau / (4 v)`.
    pub fn allelic(&self, rho: f64, variants: &[Variant]) -> Result<Scaling, Excluded> {
        let (unit, constant) = self.units();
        let mut scaling = Scaling::default();
        for variant in variants {
            let (total, v) = (2.0 * variant.people, reference_variance(variant));
            let kappa2 = (unit / (cases(rho)? * total * v)).sqrt();
            let kappa1 = (unit * self.rule.lower() / v).sqrt() / total;
            let offset = constant - (kappa1 * total / 2.0).powi(2);
            let root = [kappa1, -kappa1 * total / 2.0];
            self.push(&mut scaling, variant, [kappa2, -rho * kappa2], root, None, offset);
        }
        Ok(scaling)
    }

    /// For the trend test: `h = (a - rho g)^2 / (rho (1-rho) 2 v n) - tau V / (2 v n^2)`, V as at [`Scaling::trend`].
    pub fn trend(&self, rho: f64, variants: &[Variant]) -> Result<Scaling, Excluded> {
        let (unit, constant) = self.units();
        let mut scaling = Scaling::default();
        for variant in variants {
            let (n, v) = (variant.people, 2.0 * reference_variance(variant));
            let m = 2.0 * n * variant.reference;
            let kappa2 = (unit / (cases(rho)? * n * v)).sqrt();
            let kappa1 = (unit * self.rule.lower() / v).sqrt() / n;
            let square = kappa1 * kappa1;
            let linear = [square * (2.0 * m - n), -2.0 * square * n];
            let root = [kappa1, -kappa1 * m];
            let offset = constant - square * m * m;
            self.push(&mut scaling, variant, [kappa2, -rho * kappa2], root, Some(linear), offset);
        }
        Ok(scaling)
    }

    /// `2 mu / range` and `-2 mu lo inner / range - mu`.
    fn units(&self) -> (f64, f64) {
        let unit = 2.0 * self.scale / self.rule.range();
        (unit, -unit * self.rule.lo * self.rule.inner() - self.scale)
    }

    fn push(
        &self,
        scaling: &mut Scaling,
        variant: &Variant,
        effect: [f64; 2],
        root: [f64; 2],
        linear: Option<[f64; 2]>,
        offset: f64,
    ) {
        scaling.push(variant, effect, root, linear, offset);
        if variant.check().is_err() {
            self.exclude(scaling, scaling.offset.1.len() - 1);
        }
    }

    /// Takes variant `i` out: it comes out as no hit.
    pub fn exclude(&self, scaling: &mut Scaling, i: usize) {
        scaling.exclude(i);
        if let Some(x) = scaling.offset.1.get_mut(i) {
            *x = self.empty_slot();
        }
    }

    /// What a slot without a variant must hold: Y of a chi-square of zero at x = 1, or at hi if that is smaller.
    pub fn empty_slot(&self) -> f64 {
        let (unit, constant) = self.units();
        constant - unit * self.rule.lower() * self.rule.hi.min(1.0)
    }

    /// The scale at which the encrypted offset of the trend test must be refreshed: that of a square of inputs.
    pub fn offset_scale(&self, params: CkksParams) -> f64 {
        let scale = self.input_scale(params);
        let last = params.moduli().take(params.limbs()).last();
        last.map_or(scale, |m| scale * scale / m.value() as f64)
    }
}

fn reference_variance(variant: &Variant) -> f64 {
    variant.reference * (1.0 - variant.reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ckks::predict::{NoiseModel, Predict};
    use crate::ckks::scheme::Clear;
    use crate::ckks::{Flood, params::BASE_LIMBS};

    /// p = 5e-8: chi-square 29.716785, |Z| 5.4513.
    const RULE: Rule =
        Rule { threshold: 29.716_785, band: 0.01, largest: 1000.0, lo: 0.5, hi: 1.5 };

    /// D and E of a variant of reference p with that chi-square and x.
    fn inputs(hits: &Hits, p: f64, x: f64, chi2: f64) -> ([f64; 2], f64) {
        let variant = Variant { reference: p, people: 5000.0 };
        let scaling = hits.allelic(0.3, &[variant]).unwrap();
        let (total, v) = (10_000.0, p * (1.0 - p));
        // x = t (T - t) / (T^2 v), and D^2 = chi2 rho (1-rho) t (T-t) / T.
        let t = total / 2.0 * (1.0 - (1.0 - 4.0 * x * v).sqrt());
        let d = (chi2 * 0.21 * x * total * v).sqrt();
        let effect = scaling.effect[0][0] * (d + 0.3 * t) + scaling.effect[1][0] * t;
        ([effect, scaling.spread_root.0[0] * t + scaling.spread_root.1[0]], scaling.offset.1[0])
    }

    fn grid() -> Vec<(f64, f64, f64, bool)> {
        let z = RULE.threshold.sqrt();
        let chi2 = [
            0.0,
            1e-3,
            1.0,
            20.0,
            29.0,
            (z - 0.01).powi(2),
            (z + 0.01).powi(2) + 1e-9,
            30.5,
            100.0,
            500.0,
            999.0,
            1000.0,
        ];
        let x = [0.5, 0.7, 1.0, 1.3, 1.5];
        let mut grid = Vec::new();
        for c in chi2 {
            for x in x {
                for p in [0.001, 0.05, 0.16] {
                    grid.push((p, x, c, c > RULE.threshold));
                }
            }
        }
        grid
    }

    #[test]
    fn nothing_outside_the_band_is_wrong() {
        let hits = Hits::new(RULE).unwrap();
        for (p, x, chi2, hit) in grid() {
            let ([d, e], offset) = inputs(&hits, p, x, chi2);
            let out =
                hits.evaluate(&Clear, &vec![d], &vec![e], &Offset::Public(&[offset])).unwrap()[0];
            let expected = if hit { hits.hit() } else { -hits.hit() };
            // Doubles lose a little at the edges of the band; 2^-58 is below what they hold.
            assert!((out - expected).abs() < 1e-9, "{p} {x} {chi2}: {out}");
        }
        let empty = hits.empty_slot();
        let out =
            hits.evaluate(&Clear, &vec![0.0], &vec![0.0], &Offset::Public(&[empty])).unwrap()[0];
        assert!((out + hits.hit()).abs() < 1e-12);
        let variants =
            [Variant { reference: 0.0, people: 5.0 }, Variant { reference: 0.4, people: 5.0 }];
        for mut scaling in
            [hits.allelic(0.5, &variants).unwrap(), hits.trend(0.5, &variants).unwrap()]
        {
            assert!(scaling.offset.1[0] == empty && scaling.offset.1[1] != empty);
            hits.exclude(&mut scaling, 1);
            assert!(scaling.offset.1[1] == empty && scaling.effect[0][1] == 0.0);
        }
    }

    #[test]
    fn trend_hits_are_those_of_the_trend_test() {
        let hits = Hits::new(RULE).unwrap();
        let (n, rho, g, z) = (4000.0, 0.3, 1500.0, 200.0);
        let v: f64 = (n * (g + 2.0 * z) - g * g) / n;
        let variant = Variant { reference: 0.17, people: n };
        let scaling = hits.trend(rho, &[variant]).unwrap();
        let [linear, homozygous] = &scaling.offset.0;
        let offset = vec![linear[0] * g + homozygous[0] * z + scaling.offset.1[0]];
        let root = vec![scaling.spread_root.0[0] * g + scaling.spread_root.1[0]];
        for (chi2, hit) in [(0.0, false), (29.5, false), (29.95, true), (900.0, true)] {
            // chi2 = D^2 / (rho (1-rho) V/n).
            let d = f64::sqrt(chi2 * rho * (1.0 - rho) * v);
            let effect = vec![scaling.effect[0][0] * (d + rho * g) + scaling.effect[1][0] * g];
            let out =
                hits.evaluate(&Clear, &effect, &root, &Offset::Encrypted(&offset)).unwrap()[0];
            assert!(
                (out - if hit { hits.hit() } else { -hits.hit() }).abs() < 1e-9,
                "{chi2} {out}"
            );
        }
        // Encrypted, the offset has the scale of the squares.
        let params = CkksParams::N65536Q1700;
        let model = NoiseModel::new(params, 3);
        let predict = Predict::new(model);
        let input = |x: &[f64], scale| predict.input(x, scale, model.refresh());
        let scale = hits.input_scale(params);
        let offset = input(&offset, hits.offset_scale(params));
        let (effect, root) = (input(&[0.0], scale), input(&root, scale));
        let out = hits.predict(&predict, &effect, &root, &Offset::Encrypted(&offset)).unwrap();
        assert!((out.indicator.values()[0] + hits.hit()).abs() < 1e-9);
        assert!(out.residue < 2f64.powi(-58) && out.blur < 0.1, "{out:?}");
    }

    #[test]
    fn the_circuit_fits_its_sets_and_its_noise_vanishes() {
        for (params, bits) in [(CkksParams::N65536Q1700, 50.0), (CkksParams::N65536Q1746, 46.0)] {
            let hits = Hits::new(RULE).unwrap();
            assert!(params.limbs() - hits.depth() >= BASE_LIMBS, "{}", hits.stages());
            let model = NoiseModel::new(params, 3);
            let predict = Predict::new(model);
            let grid: Vec<_> =
                grid().into_iter().map(|(p, x, chi2, _)| inputs(&hits, p, x, chi2)).collect();
            let column =
                |f: fn(&([f64; 2], f64)) -> f64| -> Vec<f64> { grid.iter().map(f).collect() };
            let scale = hits.input_scale(params);
            assert!((scale.log2() - bits).abs() < 1e-2, "{}", scale.log2());
            let d = predict.input(&column(|g| g.0[0]), scale, model.refresh());
            let e = predict.input(&column(|g| g.0[1]), scale, model.refresh());
            let out = hits.predict(&predict, &d, &e, &Offset::Public(&column(|g| g.1))).unwrap();
            let Prediction { indicator, residue, blur, .. } = out;
            assert_eq!(indicator.limbs(), params.limbs() - hits.depth());
            assert!((indicator.scale().log2() - 100.0).abs() < 1e-5);
            assert!(residue < 2f64.powi(-58) && blur < 0.1, "{residue:e} {blur}");
            // As much flooding as leaves signs readable hides two million coefficients at more than 40 bits.
            let scale = indicator.scale();
            let flood = Flood::widest(1.0 / 16.0, params.degree(), 3, scale).unwrap();
            let coefficient = residue * scale / (params.degree() as f64).sqrt();
            assert!(flood.level(1 << 21, coefficient) > 44.0);
        }
    }

    /// Inside the band noise is amplified, not contracted: what finishing section 9 says about it.
    #[test]
    fn noise_in_the_band_is_bounded() {
        let large = Rule { largest: 20_000.0, lo: 0.19, hi: 1.0, ..RULE };
        let (first, second) = (CkksParams::N65536Q1700, CkksParams::N65536Q1746);
        for (params, rule, p, log2) in [(first, RULE, 0.05, -18), (second, large, 0.5, -10)] {
            let hits = Hits::new(rule).unwrap();
            let model = NoiseModel::new(params, 3);
            let predict = Predict::new(model);
            let scale = hits.input_scale(params);
            let z = rule.threshold.sqrt();
            let deviations = (-99..100).map(|shift: i32| {
                let chi2 = (z + rule.band * f64::from(shift) / 100.0).powi(2);
                let ([d, e], offset) = inputs(&hits, p, rule.lo, chi2);
                let [d, e] = [d, e].map(|x| predict.input(&[x], scale, model.refresh()));
                let out = hits.evaluate(&predict, &d, &e, &Offset::Public(&[offset])).unwrap();
                out.worst_deviation()
            });
            let worst = deviations.fold(0.0, f64::max);
            assert!(worst < 2f64.powi(log2) && worst > 2f64.powi(log2 - 2), "{}", worst.log2());
        }
    }

    #[test]
    fn bad_rules_are_refused() {
        for rule in [
            Rule { band: 0.0, ..RULE },
            Rule { band: 1e-9, ..RULE },
            Rule { largest: 20.0, ..RULE },
            Rule { lo: 0.0, ..RULE },
            Rule { lo: 2.0, ..RULE },
            Rule { threshold: f64::NAN, ..RULE },
        ] {
            assert!(Hits::new(rule).is_err(), "{rule:?}");
        }
        let hits = Hits::new(RULE).unwrap();
        let variant = Variant { reference: 0.5, people: 5.0 };
        assert_eq!(hits.allelic(1.0, &[variant]), Err(Excluded::OneGroup));
        assert_eq!(hits.trend(0.0, &[variant]), Err(Excluded::OneGroup));
    }
}
