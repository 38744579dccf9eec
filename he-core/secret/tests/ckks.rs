//! The finishing ring end to end: joint keys, arithmetic, refresh, circuits, flooded release; measured against predicted noise.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use he_core::Digest;
use he_core::arith::{Ring, Scale};
use he_core::ckks::circuits::{Offset, Scaling, Variant, chi_square, effect_size};
use he_core::ckks::hits::{Hits, HitsScaling, Rule, empty_slot};
use he_core::ckks::{
    Ciphertext, CkksError, CkksParams, CkksPublicKey, CkksRing, EvaluatedResult, Evaluator, Fixed,
    Flood, GUARD_BITS, LinearMap, NoiseModel, Plaintext, Precision, Predict, Predicted,
    ProductInverse, RelinKey, Scheme, combine, phase_slots, refreshed, round_masked,
};
use he_core::params::Params;
use he_core_secret::ckks::{CkksHolderKey, MaskKey, encrypt, refresh_share, release_share};
use he_core_secret::{Entropy, MasterKey};

const PARAMS: CkksParams = CkksParams::N32768Q750;
const HOLDERS: usize = 3;

struct Study {
    ring: CkksRing,
    holders: Vec<CkksHolderKey>,
    public: CkksPublicKey,
    relin: RelinKey,
}

fn study(params: CkksParams) -> Study {
    let (ring, name) = (CkksRing::new(params), Digest::of(b"study"));
    let holders: Vec<_> = (0..HOLDERS as u64)
        .map(|k| {
            let master = MasterKey::generate(&Entropy::insecure_deterministic(k));
            CkksHolderKey::derive(&master, &ring, name)
        })
        .collect();
    let shares: Vec<_> = holders.iter().map(|h| h.public_share(&ring)).collect();
    let public = CkksPublicKey::combine(&ring, name, HOLDERS, &shares).unwrap();
    let relin = holders.iter().map(|h| h.relin_share(&ring, &public));
    let relin = RelinKey::combine(&ring, name, HOLDERS, relin).unwrap();
    Study { ring, holders, public, relin }
}

impl Study {
    fn encrypt(&self, values: &[f64], scale: f64, seed: u64) -> Ciphertext {
        let limbs = self.ring.params().limbs();
        let plain = Plaintext::encode(&self.ring, values, scale, limbs).unwrap();
        encrypt(&self.ring, &self.public, &plain, &Entropy::insecure_deterministic(seed))
    }

    fn release(&self, ciphertext: &Ciphertext, flood: Flood) -> Vec<f64> {
        let result = EvaluatedResult::new(ciphertext.clone()).unwrap();
        let job = Digest::of(b"job");
        let shares: Vec<_> = self
            .holders
            .iter()
            .map(|h| release_share(&self.ring, h, &result, &job, flood))
            .collect();
        combine(&self.ring, &result, HOLDERS, &shares, 1e6).unwrap()
    }

    /// All bits of the slots, without flooding: only a test holds all keys.
    fn slots(&self, ciphertext: &Ciphertext) -> Vec<Fixed> {
        let result = EvaluatedResult::new(ciphertext.clone()).unwrap();
        let job = Digest::of(b"job");
        let none = Flood::new(0, 1, 0.0).unwrap();
        let shares: Vec<_> = self
            .holders
            .iter()
            .map(|h| release_share(&self.ring, h, &result, &job, none))
            .collect();
        phase_slots(&self.ring, &result, HOLDERS, &shares).unwrap()
    }

    /// Root mean square of the noise in real parts, in units of values: two runs that differ in their randomness only differ by
    /// the noise of both, whatever doubles cannot hold.
    fn noise(&self, runs: [&Ciphertext; 2]) -> f64 {
        let [a, b] = runs.map(|c| self.slots(c));
        let unit = 2f64.powi(-(GUARD_BITS as i32)) / runs[0].scale();
        let squares = a.iter().zip(&b).map(|(a, b)| (a.minus(*b).to_float() * unit).powi(2));
        (squares.sum::<f64>() / a.len() as f64 / 2.0).sqrt()
    }
}

/// Root mean square of the real parts of predicted errors.
fn rms(predicted: &Predicted) -> f64 {
    let deviations = predicted.deviations();
    (deviations.iter().map(|d| d * d / 2.0).sum::<f64>() / deviations.len() as f64).sqrt()
}

/// Measured noise is at most what is predicted (and the 1.1 that flooding adds to it), and within two bits of it.
fn assert_predicted(what: &str, measured: f64, predicted: f64) {
    println!("{what}: measured {measured:e}, predicted {predicted:e}");
    assert!(
        measured <= 1.1 * predicted && measured >= predicted / 4.0,
        "{what}: {measured:e} {predicted:e}"
    );
}

fn wave(frequency: f64, size: f64) -> Vec<f64> {
    (0..PARAMS.slots()).map(|i| (i as f64 * frequency).sin() * size).collect()
}

#[test]
fn operations_are_right_and_as_noisy_as_predicted() {
    let s = study(PARAMS);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let scale = 2f64.powi(100);
    let (x, y) = (wave(0.37, 3.0), wave(0.11, 5.0));
    let model = NoiseModel::new(PARAMS, HOLDERS);
    let predict = Predict::new(model);
    let [px, py] = [&x, &y].map(|v| predict.input(v, scale, model.encryption()));
    let inputs = [[1, 2], [3, 4]].map(|[i, j]| (s.encrypt(&x, scale, i), s.encrypt(&y, scale, j)));

    fn circuit<S: Scheme>(
        s: &S,
        number: usize,
        x: &S::Value,
        y: &S::Value,
        public: &[f64],
    ) -> Result<S::Value, CkksError> {
        let product = |precision| s.multiply(x, y, precision);
        match number {
            0 => s.add(x, y),
            1 => product(Precision::Double),
            2 => s.square(x, Precision::Double),
            3 => s.add_vector(&s.add_constant(&product(Precision::Double)?, 0.25)?, public),
            // x^2 (x^2 y): three levels, errors that come twice.
            _ => {
                let square = s.square(x, Precision::Double)?;
                s.multiply(&square, &s.multiply(&square, y, Precision::Double)?, Precision::Double)
            }
        }
    }
    for number in 0..5 {
        let runs =
            [0, 1].map(|i| circuit(&evaluator, number, &inputs[i].0, &inputs[i].1, &y).unwrap());
        let predicted = circuit(&predict, number, &px, &py, &y).unwrap();
        assert_eq!(runs[0].limbs(), predicted.limbs().min(runs[0].limbs()));
        assert!((runs[0].scale() / predicted.scale() - 1.0).abs() < 1e-12);
        let clear = circuit(&he_core::ckks::Clear, number, &x, &y, &y).unwrap();
        let values = s.release(&runs[0], Flood::new(0, 1, 0.0).unwrap());
        for (a, b) in values.iter().zip(&clear) {
            assert!((a - b).abs() < 1e-12, "{number}: {a} {b}");
        }
        assert_predicted(
            &format!("circuit {number}"),
            s.noise([&runs[0], &runs[1]]),
            rms(&predicted),
        );
    }

    // Public factors, and rescaling by one prime at a time.
    let a = &inputs[0].0;
    let plain = Plaintext::encode(&s.ring, &y, 2f64.powi(50), PARAMS.limbs()).unwrap();
    let by_plain = evaluator.rescale(&evaluator.multiply_plain(a, &plain).unwrap(), 1).unwrap();
    let by_constant = evaluator
        .rescale(&evaluator.multiply_constant(a, -0.3, 2f64.powi(50)).unwrap(), 1)
        .unwrap();
    let sum = evaluator.subtract(&by_plain, &by_constant).unwrap();
    assert_eq!(sum.limbs(), 12);
    for (i, value) in s.release(&sum, Flood::new(0, 1, 0.0).unwrap()).iter().enumerate() {
        assert!((value - x[i] * y[i] - 0.3 * x[i]).abs() < 1e-12);
    }
}

#[test]
fn bad_operations_are_refused() {
    let s = study(PARAMS);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let scale = 2f64.powi(100);
    let a = s.encrypt(&[1.0], scale, 1);
    let other = s.encrypt(&[1.0], scale * 1.001, 2);
    assert!(matches!(evaluator.add(&a, &other), Err(CkksError::Scale(..))));
    let short = a.clone().truncate(2).unwrap();
    assert!(matches!(
        evaluator.multiply(&a, &short, 2),
        Err(CkksError::Depth { needed: 3, left: 2 })
    ));
    assert!(matches!(evaluator.rescale(&short, 2), Err(CkksError::Depth { .. })));
    assert!(short.clone().truncate(3).is_err());
    let plain = Plaintext::encode(&s.ring, &[1.0], scale, 2).unwrap();
    assert!(matches!(
        evaluator.add_plain(&a, &plain),
        Err(CkksError::Depth { needed: 13, left: 2 })
    ));
    assert!(evaluator.add_plain(&short, &plain).is_ok());
    assert!(matches!(evaluator.add_constant(&a, f64::NAN), Err(CkksError::Range(_))));
    assert!(matches!(evaluator.add_constant(&a, 1e50), Err(CkksError::Range(_))));
    let too_many = vec![0.0; PARAMS.slots() + 1];
    assert!(matches!(
        Plaintext::encode(&s.ring, &too_many, scale, 1),
        Err(CkksError::Slots { .. })
    ));
    let foreign =
        Ciphertext::new(CkksParams::N32768Q850, scale, a.parts().0.to_vec(), a.parts().1.to_vec());
    assert!(matches!(evaluator.add(&a, &foreign), Err(CkksError::Params { .. })));
    let wrong = CkksRing::new(CkksParams::N32768Q850);
    assert!(matches!(Evaluator::new(&wrong, &s.relin).err(), Some(CkksError::Params { .. })));
}

/// Sums of one variant: people, case alleles, all alleles, homozygotes.
struct Counts {
    variant: Variant,
    sums: [i128; 3],
    rho: f64,
}

/// Balanced and 10:90 designs have one rho each; frequencies from 10 copies to one half, effects from none to enormous.
fn counts(people: u32, rho: f64, count: usize) -> Vec<Counts> {
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

/// Takes integer sums through refresh shares of the first scheme and mask ciphertexts into refreshed ciphertexts.
struct Refresh<'a> {
    study: &'a Study,
    ring: Ring,
    scale: Scale,
    job: Digest,
    /// `[holder][input][slot]`, and the masked sums `[input][slot]`.
    masks: Vec<Vec<Vec<i128>>>,
    masked: Vec<Vec<i128>>,
}

impl<'a> Refresh<'a> {
    fn new(study: &'a Study, sums: &[Vec<i128>], job: &[u8]) -> Self {
        let ring = Ring::new(Params::N8192Q200);
        let scale = Scale::product(1 << 40, 1 << 40);
        let (params, job) = (ring.params(), Digest::of(job));
        let degree = params.degree();
        let keys: Vec<_> = study.holders.iter().map(|h| MaskKey::derive(h, &job, 59)).collect();
        let mut masks = vec![vec![Vec::new(); sums.len()]; keys.len()];
        let mut masked = vec![Vec::new(); sums.len()];
        for (input, values) in sums.iter().enumerate() {
            for (unit, values) in values.chunks(degree).enumerate() {
                let lift = |x: &dyn Fn(usize) -> i128| {
                    let mut words: Vec<u64> = params
                        .moduli()
                        .flat_map(|m| {
                            let p = i128::from(m.value());
                            (0..degree).map(move |i| x(i).rem_euclid(p) as u64).collect::<Vec<_>>()
                        })
                        .collect();
                    ring.forward(&mut words);
                    words
                };
                // What the servers' C0 and the holders' smudged shares add up to: Delta m + noise, of whichever holder.
                let delta = 1i128 << 80;
                let c0 = lift(&|i| values.get(i).copied().unwrap_or(0) * delta + (1 << 60));
                let shares: Vec<Vec<u64>> = (0..)
                    .zip(&keys)
                    .map(|(k, key)| {
                        let mu = key.masks([unit as u32, input as u32, 0], degree);
                        let mut share = lift(&|i| (i as i128 - k) << 55);
                        refresh_share(&ring, scale, &mut share, &mu);
                        masks[k as usize][input].extend_from_slice(&mu);
                        share
                    })
                    .collect();
                let shares: Vec<&[u64]> = shares.iter().map(Vec::as_slice).collect();
                let round =
                    round_masked(&ring, scale, &c0, &shares, 1 << 61, 2f64.powi(72)).unwrap();
                // Bit for bit what the clear path gives.
                for (i, &w) in round.iter().enumerate() {
                    let mu: i128 = masks.iter().map(|m| m[input][unit * degree + i]).sum();
                    assert_eq!(w - mu, values.get(i).copied().unwrap_or(0));
                }
                masked[input].extend(round);
            }
        }
        Self { study, ring, scale, job, masks, masked }
    }

    fn ciphertext(
        &self,
        number: u32,
        inputs: &[usize],
        factors: &[&[f64]],
        constants: &[f64],
        scale: f64,
    ) -> Ciphertext {
        let factors: Vec<Vec<f64>> = factors.iter().map(|f| f.to_vec()).collect();
        let map = LinearMap::new(&factors, constants, scale).unwrap();
        let (ring, job) = (&self.study.ring, &self.job);
        let masks: Vec<_> = (self.study.holders.iter().zip(&self.masks))
            .map(|(holder, masks)| {
                let masks: Vec<&[i128]> = inputs.iter().map(|&i| &masks[i][..]).collect();
                holder.mask_ciphertext(ring, job, number, &map, &masks)
            })
            .collect();
        let masked: Vec<&[i128]> = inputs.iter().map(|&i| &self.masked[i][..]).collect();
        refreshed(ring, job, number, &map, &masked, HOLDERS, &masks).unwrap()
    }
}

fn allelic_oracle(c: &Counts) -> f64 {
    let [a, t, _] = c.sums.map(|x| x as f64);
    let total = 2.0 * c.variant.people;
    let d = a - c.rho * t;
    total * d * d / (c.rho * (1.0 - c.rho) * t * (total - t))
}

fn trend_oracle(c: &Counts) -> f64 {
    let [a, g, z] = c.sums.map(|x| x as f64);
    let n = c.variant.people;
    let d = a - c.rho * g;
    n * d * d / (c.rho * (1.0 - c.rho) * (n * (g + 2.0 * z) - g * g))
}

/// What a study of 2^20 variants with both coefficients of every slot released has to hide, at 40 bits.
const LEVEL: u32 = 40;
const COEFFICIENTS: u64 = 1 << 21;

/// Chi-square and effect of a batch: refreshed, evaluated, flooded, released, against the oracle and the predicted noise.
fn statistic(people: u32, rho: f64, trend: bool) {
    let s = study(PARAMS);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    let inverse = ProductInverse::with_error(0.5, 1.5, 1e-8).unwrap();
    assert_eq!(inverse.offsets().len(), 4);
    let all = counts(people, rho, PARAMS.slots());
    let variants: Vec<Variant> = all.iter().map(|c| c.variant).collect();
    let mut scaling = if trend {
        Scaling::trend(&inverse, rho, &variants)
    } else {
        Scaling::allelic(&inverse, rho, &variants)
    }
    .unwrap();
    let kept: Vec<bool> = (all.iter())
        .map(|c| {
            let [_, t, z] = c.sums.map(|x| x as f64);
            let check = if trend {
                c.variant.check_trend_site(&inverse, t, z)
            } else {
                c.variant.check_allelic_site(&inverse, t)
            };
            check.is_ok()
        })
        .collect();
    (0..all.len()).filter(|&i| !kept[i]).for_each(|i| scaling.exclude(i));
    assert!(kept.iter().filter(|k| **k).count() > all.len() * 8 / 10);

    let scale = 2f64.powi(100);
    let [p12, p11] = [12, 11].map(|i| PARAMS.moduli().nth(i).unwrap().value() as f64);
    let offset_scale = scale * scale / p11 / p12;
    let sums: Vec<Vec<i128>> = (0..3).map(|j| all.iter().map(|c| c.sums[j]).collect()).collect();
    let runs: Vec<[Ciphertext; 2]> = [&b"first"[..], b"second"]
        .into_iter()
        .map(|job| {
            let refresh = Refresh::new(&s, &sums, job);
            assert_eq!(refresh.ring.params(), Params::N8192Q200);
            assert!(refresh.scale == Scale::product(1 << 40, 1 << 40));
            let [d0, d1] = &scaling.effect;
            let d = refresh.ciphertext(0, &[0, 1], &[d0, d1], &[], scale);
            let e = refresh.ciphertext(
                1,
                &[1],
                &[&scaling.spread_root.0],
                &scaling.spread_root.1,
                scale,
            );
            let [l0, l1] = &scaling.offset.0;
            let linear = trend.then(|| {
                refresh.ciphertext(2, &[1, 2], &[l0, l1], &scaling.offset.1, offset_scale)
            });
            let offset =
                linear.as_ref().map_or(Offset::Public(&scaling.offset.1), Offset::Encrypted);
            [
                chi_square(&evaluator, &inverse, &d, &e, &offset).unwrap(),
                effect_size(&evaluator, &inverse, &d, &e, &offset).unwrap(),
            ]
        })
        .collect();

    // The same circuits, predicted from the clear inputs.
    let model = NoiseModel::new(PARAMS, HOLDERS);
    let predict = Predict::new(model);
    let value = |factors: &[&Vec<f64>], inputs: &[usize], constants: &[f64]| -> Vec<f64> {
        (0..all.len())
            .map(|i| {
                factors.iter().zip(inputs).map(|(f, &j)| f[i] * all[i].sums[j] as f64).sum::<f64>()
                    + constants.get(i).unwrap_or(&0.0)
            })
            .collect()
    };
    let d = predict.input(
        &value(&[&scaling.effect[0], &scaling.effect[1]], &[0, 1], &[]),
        scale,
        model.refresh(),
    );
    let e = predict.input(
        &value(&[&scaling.spread_root.0], &[1], &scaling.spread_root.1),
        scale,
        model.refresh(),
    );
    let linear = trend.then(|| {
        let [l0, l1] = &scaling.offset.0;
        predict.input(&value(&[l0, l1], &[1, 2], &scaling.offset.1), offset_scale, model.refresh())
    });
    let offset = linear.as_ref().map_or(Offset::Public(&scaling.offset.1), Offset::Encrypted);
    let predicted = chi_square(&predict, &inverse, &d, &e, &offset).unwrap();
    assert_predicted("chi-square", s.noise([&runs[0][0], &runs[1][0]]), rms(&predicted));
    let effect = effect_size(&predict, &inverse, &d, &e, &offset).unwrap();
    assert_predicted("effect", s.noise([&runs[0][1], &runs[1][1]]), rms(&effect));

    // Flooded for the worst slot that this batch has, as if all were like it.
    let flood = Flood::new(LEVEL, COEFFICIENTS, predicted.worst_coefficient(PARAMS)).unwrap();
    let left = flood.slot_deviation(PARAMS.degree(), HOLDERS, runs[0][0].scale());
    println!("flooding: {} bits, deviation {left:e} of chi-square", flood.bits());
    let released = s.release(&runs[0][0], flood);
    let effects = s.release(&runs[0][1], Flood::new(0, 1, 0.0).unwrap());
    let (mut squares, mut largest, mut worst) = (0.0, 0.0f64, 0.0f64);
    for (i, c) in all.iter().enumerate() {
        if !kept[i] {
            assert!(released[i].abs() < 8.0 * left, "excluded");
            continue;
        }
        let oracle = if trend { trend_oracle(c) } else { allelic_oracle(c) };
        let error = released[i].max(0.0).sqrt() - oracle.sqrt();
        assert!(error.abs() < 0.01, "{oracle} {} {:?}", released[i], c.sums);
        squares += (released[i] - oracle).powi(2);
        largest = largest.max(oracle);
        worst = worst.max(error.abs());
        let d = c.sums[0] as f64 - rho * c.sums[1] as f64;
        if d.abs() > 1e-6 {
            assert_eq!(effects[i] > 0.0, d > 0.0, "direction");
        }
    }
    println!("n {people}, rho {rho}: largest chi-square {largest}, |Z| within {worst:e}");
    let total = (squares / all.len() as f64).sqrt();
    assert!(total < 1.5 * left + 1e-8 * largest, "{total:e} {left:e}");
}

#[test]
fn allelic_chi_square_of_a_large_study() {
    statistic(100_000, 0.1, false);
}

#[test]
fn allelic_chi_square_of_a_small_study() {
    statistic(100, 0.5, false);
}

#[test]
fn hits_are_right_outside_the_band_and_say_nothing_else() {
    let params = CkksParams::N65536Q1700;
    let s = study(params);
    let evaluator = Evaluator::new(&s.ring, &s.relin).unwrap();
    // p = 5e-8, |Z| to within 0.01.
    let rule = Rule { threshold: 29.716_785, band: 0.01, largest: 1000.0, lo: 0.5, hi: 1.5 };
    let hits = Hits::new(rule).unwrap();
    let (people, rho) = (20_000, 0.3);
    let all = counts(people, rho, params.slots());
    let variants: Vec<Variant> = all.iter().map(|c| c.variant).collect();
    let mut scaling = HitsScaling::allelic(&hits, rho, &variants).unwrap();
    let inverse = ProductInverse::with_error(rule.lo, rule.hi, 1e-2).unwrap();
    let kept: Vec<bool> = (all.iter())
        .map(|c| c.variant.check_allelic_site(&inverse, c.sums[1] as f64).is_ok() && allelic_oracle(c) <= rule.largest)
        .collect();
    (0..all.len()).filter(|&i| !kept[i]).for_each(|i| scaling.exclude(&hits, i));

    let scale = hits.input_scale(params);
    let sums: Vec<Vec<i128>> = (0..2).map(|j| all.iter().map(|c| c.sums[j]).collect()).collect();
    let refresh = Refresh::new(&s, &sums, b"hits");
    let [d0, d1] = &scaling.effect;
    let d = refresh.ciphertext(0, &[0, 1], &[d0, d1], &[], scale);
    let e = refresh.ciphertext(1, &[1], &[&scaling.spread_root.0], &scaling.spread_root.1, scale);
    let out = hits.evaluate(&evaluator, &d, &e, &scaling.offset).unwrap();
    assert_eq!(out.limbs(), 3);

    // What flooding has to hide: predicted for slots at the edges of the band and of the range.
    let model = NoiseModel::new(params, HOLDERS);
    let predict = Predict::new(model);
    let input = |x: f64| predict.input(&[x], scale, model.refresh());
    let predicted = hits.evaluate(&predict, &input(0.0), &input(0.0), &[empty_slot(&hits)]).unwrap();
    let residue = hits.sign().residue(&predicted);

    let unit = 2f64.powi(-(GUARD_BITS as i32)) / out.scale();
    let exact = s.slots(&out);
    let flood = Flood::new(LEVEL, COEFFICIENTS, residue * out.scale() / (params.degree() as f64).sqrt()).unwrap();
    let left = flood.slot_deviation(params.degree(), HOLDERS, out.scale());
    println!("hits: residue {residue:e}, flooding leaves {left:e}");
    assert!(left < 1.0 / 16.0);
    let released = s.release(&out, flood);
    let (mut found, mut undefined) = (0, 0);
    let mut reference = [None; 2];
    let mut worst = 0.0f64;
    for (i, c) in all.iter().enumerate() {
        let z = if kept[i] { allelic_oracle(c).sqrt() } else { 0.0 };
        if (z - rule.threshold.sqrt()).abs() < rule.band {
            undefined += 1;
            continue;
        }
        let hit = z > rule.threshold.sqrt();
        found += u32::from(hit);
        assert!((released[i] * hits.hit() - if hit { 1.0 } else { -1.0 }).abs() < 0.5, "{i}: {z} {}", released[i]);
        // Before flooding, all slots of one answer agree: nothing else of the chi-square is left.
        let first = *reference[usize::from(hit)].get_or_insert(exact[i]);
        worst = worst.max((exact[i].minus(first).to_float() * unit).abs());
    }
    println!("hits: {found} found, {undefined} in the band, slots agree within {worst:e}");
    assert!(found > 100);
    assert!(worst < 16.0 * residue, "{worst:e} {residue:e}");
}

#[test]
fn trend_chi_square() {
    statistic(10_000, 0.3, true);
}
