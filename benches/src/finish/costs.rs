//! `record finish`: what each step of finishing costs, per batch of a ciphertext's slots, on a cohort whose statistics are known.

use gwas::io::{Cohort, Table};
use gwas::packing::{PlainSums, plain_sums};
use gwas::wire::PlaneKind;
use he_core::Digest;
use he_core::ckks::circuits::Variant;
use he_core::ckks::hits::{Hits, Rule};
use he_core::ckks::params::{BASE_LIMBS, CkksParams};
use he_core::ckks::{ProductInverse, StatisticPlan, StatisticRequest, Test};
use he_core::kernel::Engine;
use serde::{Deserialize, Serialize};

use super::circuit::Circuit;
use super::holders::{Holders, request};
use super::study::{Public, Study};
use super::sums::from_totals;
use crate::clock::{Cost, significant};
use crate::cohort::Files;
use crate::machine::{reset_peak, resident};
use crate::{Error, Result, pool};

/// Key holders.
const HOLDERS: u32 = 3;
/// Spread relative to the reference.
const INTERVAL: [f64; 2] = [0.5, 1.5];
/// Chi-square at p = 5e-8.
const THRESHOLD: f64 = 29.716_785;
/// The same where every variant has the reference frequency 1/2: frequencies from 0.05 on.
const WITHOUT_REFERENCES: [f64; 2] = [0.19, 1.0];
/// Half width of the undefined band in `|Z|`.
const BAND: f64 = 0.01;
/// Statistical bits of flooding, and the coefficients they are shared by: 2^20 variants.
const LEVEL: (u32, u64) = (40, 1 << 21);

/// Which circuit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finished {
    /// Allelic chi-square with reference frequencies.
    ChiSquare,
    /// Allelic hits at p < 5e-8, band 0.02 in `|Z|`, with reference frequencies.
    Hits,
    /// The same without references, as studies have it, for frequencies from 0.05 on.
    StudyHits,
}

/// Costs of a batch, and what is paid once.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Finish {
    /// The circuit.
    pub circuit: Finished,
    /// Parameter set of the finishing ring.
    pub params: String,
    /// Parameter set of the sums.
    pub sums: String,
    /// Key holders.
    pub holders: u32,
    /// People.
    pub people: u32,
    /// Variants in a batch: the slots of a ciphertext.
    pub batch: u32,
    /// Batches behind the medians.
    pub repeats: usize,
    /// Threads.
    pub threads: usize,
    /// The fastest kernels of the machine; empty in records from before it was noted.
    #[serde(default)]
    pub engine: String,
    /// Once: one holder's contributions to the keys, in bytes.
    pub contributed: u64,
    /// Once: the relinearisation key in memory, in bytes.
    pub relin_bytes: u64,
    /// A holder: shares of the sums, with masks.
    pub share: Cost,
    /// A holder: mask ciphertexts.
    pub mask: Cost,
    /// Bytes of both.
    pub refresh_bytes: u64,
    /// The server: from shares and mask ciphertexts of all holders to masked sums and refreshed ciphertexts.
    pub lift: Cost,
    /// The server: the circuit.
    pub evaluate: Cost,
    /// Bytes of the result.
    pub result_bytes: u64,
    /// A holder: release share.
    pub release: Cost,
    /// Its bytes.
    pub release_bytes: u64,
    /// The recipient: from shares to values.
    pub open: Cost,
    /// Most resident memory of this process while it did the server's part, in mebibytes; holders' keys are in it.
    pub peak_mib: f64,
    /// What was checked.
    pub check: String,
}

impl Finish {
    /// Milliseconds per 100 variants of one core.
    #[must_use]
    pub fn per_hundred(&self, cost: Cost) -> f64 {
        cost.cpu_s * 1e5 / f64::from(self.batch)
    }
}

/// Measures `circuit` on a cohort, batch by batch.
///
/// # Errors
/// When a step fails, or a released value is wrong.
pub fn measure(files: &Files, circuit: Finished, threads: usize) -> Result<Finish> {
    let cohort = files.open()?;
    let table = Table::open(&files.phenotype).map_err(Error::step("reading a phenotype"))?;
    let samples: Vec<_> = cohort.samples().cloned().collect();
    let phenotype = table.case_control(None, &samples, false);
    let status = phenotype.map_err(Error::step("reading a phenotype"))?.status;
    let cases = status.iter().map(|&case| i64::from(case == Some(true))).collect();
    pool(threads)?.install(|| Measurement::new(&cohort, cases, circuit)?.run(threads))
}

struct Measurement<'a> {
    cohort: &'a Cohort,
    cases: Vec<i64>,
    sums: PlainSums,
    circuit: Circuit,
    name: Finished,
}

/// The circuit for `people` people.
fn circuit(name: Finished, people: u32) -> Result<Circuit> {
    // No chi-square exceeds the number of alleles.
    let largest = 2.0 * f64::from(people);
    let hits = |[lo, hi]: [f64; 2], params: CkksParams| {
        let rule = Rule { threshold: THRESHOLD, band: BAND, largest, lo, hi };
        let hits = Hits::new(rule).map_err(Error::step("planning"))?;
        if hits.depth() + BASE_LIMBS > params.limbs() {
            return Err(Error::Step { what: "planning", why: "too many people".to_owned() });
        }
        Ok(Circuit::Hits(Test::Allelic, hits, params))
    };
    let [lo, hi] = INTERVAL;
    Ok(match name {
        Finished::ChiSquare => Circuit::Statistic(
            StatisticPlan::new(StatisticRequest {
                test: Test::Allelic,
                holders: HOLDERS as usize,
                lo,
                hi,
                smallest_variance: 5e-5,
                largest,
                relative_error: 1e-8,
                level: LEVEL.0,
                coefficients: LEVEL.1,
            })
            .map_err(Error::step("planning"))?,
        ),
        Finished::Hits => hits(INTERVAL, CkksParams::N65536Q1700)?,
        Finished::StudyHits => hits(WITHOUT_REFERENCES, CkksParams::N65536Q1746)?,
    })
}

impl<'a> Measurement<'a> {
    fn new(cohort: &'a Cohort, cases: Vec<i64>, name: Finished) -> Result<Self> {
        let sums = plain_sums(cohort, &[&cases], &[PlaneKind::Dosage], 8192);
        let sums = sums.map_err(Error::step("summing in the clear"))?;
        let sums = sums.into_iter().next().ok_or(Error::Inexact("the number of planes"))?;
        let circuit = circuit(name, cohort.people())?;
        Ok(Self { cohort, cases, sums, circuit, name })
    }

    /// Alternate alleles of cases and of all.
    fn alleles(&self, i: usize) -> Option<[f64; 2]> {
        let n = f64::from(self.cohort.people());
        let all = *self.sums.plain.get(i)? as f64 + n;
        let cases = *self.sums.weighted.first()?.get(i)? as f64;
        Some([cases + self.cases.iter().sum::<i64>() as f64, all])
    }

    /// References: the frequency in three digits, and variants that do not fit are left out, as a site would; or 1/2, and what is
    /// rarer than the smallest frequency is left out.
    fn public(&self) -> Result<Public> {
        let [lo, hi] = if self.name == Finished::StudyHits { WITHOUT_REFERENCES } else { INTERVAL };
        let inverse = ProductInverse::with_error(lo, hi, 1e-2).map_err(Error::step("planning"))?;
        let people = f64::from(self.cohort.people());
        let (mut variants, mut excluded) = (Vec::new(), Vec::new());
        for i in 0..self.sums.plain.len() {
            let [_, all] = self.alleles(i).ok_or(Error::Inexact("the number of sums"))?;
            let frequency = all / (2.0 * people);
            let rounded = (frequency * 1000.0).round() / 1000.0;
            let referred = Variant { reference: rounded.clamp(0.001, 0.999), people };
            let (variant, left_out) = match self.name {
                Finished::StudyHits => {
                    let spread = 4.0 * frequency * (1.0 - frequency);
                    (Variant { reference: 0.5, people }, spread < lo)
                }
                _ => (referred, referred.check_allelic_site(&inverse, all).is_err()),
            };
            excluded.push(left_out);
            variants.push(variant);
        }
        Ok(Public {
            missing: false,
            rho: self.cases.iter().sum::<i64>() as f64 / people,
            variants,
            excluded,
        })
    }

    fn run(&self, threads: usize) -> Result<Finish> {
        let params = self.circuit.params();
        let slots = params.slots();
        let people = self.cohort.people();
        // Two channels of every block.
        let values = 2 * u64::from(self.cohort.variant_count().div_ceil(65_536)) * 65_536;
        let holders = Holders::new(request(people, HOLDERS, values))?;
        let finishing = holders.finishing(params)?;
        let planes = [PlaneKind::Dosage];
        let units = from_totals(&holders, self.cohort, &self.cases, &planes)?;
        let units = units.first().ok_or(Error::Inexact("the number of planes"))?;
        let job = Digest::of(b"finish");
        let first = units.first().ok_or(Error::Inexact("the number of units"))?;
        let per_unit = first.bodies() * holders.plan.params().degree();
        // Shares are made for a whole unit of the sums, whose part a batch is.
        let part = slots as f64 / per_unit as f64;
        let of_batch = |c: Cost| Cost { wall_s: c.wall_s * part, cpu_s: c.cpu_s * part };
        let (shared, share) = Cost::of(|| holders.share(0, job, first));
        let mut shares = vec![shared?.0];
        for k in 1..HOLDERS as usize {
            shares.push(holders.share(k, job, first)?.0);
        }
        let (rounded, round) = Cost::of(|| holders.round(first, &shares));
        rounded?;
        let share_bytes = shares.first().map_or(0, |s| s.to_bytes(job.short()).len());
        drop(shares);

        let masked = holders.refresh(job, units)?;
        let public = self.public()?;
        let study = Study {
            finishing: &finishing,
            circuit: &self.circuit,
            public: &public,
            masked: &masked,
            job,
        };
        let (mut steps, mut bytes, mut peak_mib) = (Vec::new(), [0; 3], 0.0f64);
        for batch in study.batches()? {
            let (own, mask) = Cost::of(|| study.masks(0, &batch));
            let mut masks = vec![own];
            masks.extend((1..HOLDERS as usize).map(|k| study.masks(k, &batch)));
            reset_peak();
            let (inputs, lift) = Cost::of(|| study.lift(&batch, &masks));
            let inputs = inputs?;
            let (result, evaluate) = Cost::of(|| study.evaluate(&batch, &inputs));
            let result = result?;
            peak_mib = peak_mib.max(resident("VmHWM"));
            let (share, release) = Cost::of(|| study.share(0, &result));
            let mut shares = vec![share?];
            for k in 1..HOLDERS as usize {
                shares.push(study.share(k, &result)?);
            }
            let (values, open) = Cost::of(|| study.open(&batch, &result, &shares));
            self.check(&public, batch.variants.start, &values?)?;
            let mask_bytes: usize =
                masks.iter().take(1).flatten().map(|m| m.to_bytes().len()).sum();
            let result = result.to_bytes(&job, batch.number);
            let release_bytes =
                shares.first().map_or(0, |s| s.to_bytes(&Digest::of(&result)).len());
            bytes = [mask_bytes, result.len(), release_bytes];
            steps.push([mask, lift, evaluate, release, open]);
        }
        let of = |i: usize| {
            Cost::median(&steps.iter().filter_map(|s| s.get(i).copied()).collect::<Vec<_>>())
        };
        let [mask_bytes, result_bytes, release_bytes] = bytes.map(|b| b as u64);
        Ok(Finish {
            circuit: self.name,
            params: params.name().to_owned(),
            sums: holders.plan.params().name().to_owned(),
            holders: HOLDERS,
            people,
            batch: slots as u32,
            repeats: steps.len(),
            threads,
            engine: Engine::detect().name().to_owned(),
            contributed: finishing.contributed,
            relin_bytes: finishing.relin.memory() as u64,
            share: Cost::median(&[of_batch(share)]),
            mask: of(0),
            refresh_bytes: mask_bytes + (share_bytes as f64 * part).ceil() as u64,
            lift: Cost::median(&[of(1).plus(of_batch(round))]),
            evaluate: of(2),
            result_bytes,
            release: of(3),
            release_bytes,
            open: of(4),
            peak_mib: significant(peak_mib),
            check: "every released value against the statistic in the clear".to_owned(),
        })
    }

    /// Holds the values of a batch, whose first variant is `start`, against Pearson's statistic of the sums in the clear.
    fn check(&self, public: &Public, start: usize, values: &[f64]) -> Result<()> {
        let rho = public.rho;
        for (i, &value) in (start..).zip(values) {
            let [a, t] = self.alleles(i).ok_or(Error::Inexact("the number of sums"))?;
            let total = 2.0 * f64::from(self.cohort.people());
            let chi2 = total * (a - rho * t).powi(2) / (rho * (1.0 - rho) * t * (total - t));
            let excluded = public.excluded.get(i).copied().unwrap_or(true);
            let chi2 = if excluded { 0.0 } else { chi2 };
            let right = match &self.circuit {
                Circuit::Statistic(plan) => {
                    let error = (value.max(0.0).sqrt() - chi2.sqrt()).abs();
                    error <= plan.z_error(chi2, 8.0)
                }
                Circuit::Hits(_, hits, _) => {
                    let distance = chi2.sqrt() - THRESHOLD.sqrt();
                    distance.abs() < BAND || (value * hits.hit() - distance.signum()).abs() < 0.5
                }
            };
            if !right {
                return Err(Error::Inexact("a statistic released under encryption"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cohort::Workplace;

    #[test]
    fn a_small_batch_is_measured_and_checked() {
        let workplace = Workplace::new(None).unwrap();
        let files = workplace.cohort(60, 300).unwrap();
        let finish = measure(&files, Finished::ChiSquare, 2).unwrap();
        assert_eq!((finish.batch, finish.repeats, finish.holders), (16_384, 1, 3));
        for cost in [finish.share, finish.mask, finish.lift, finish.evaluate, finish.release] {
            assert!(cost.wall_s > 0.0);
        }
        // Two mask ciphertexts of 13 primes, and four polynomials of the sums; three primes at the end.
        let polynomial = |n: u64, primes: u64| n * primes * 50 / 8 + 64;
        assert!(finish.refresh_bytes > 2 * polynomial(32_768, 13));
        assert!(finish.refresh_bytes < 2 * polynomial(32_768, 13) + 5 * polynomial(8_192, 4));
        assert_eq!(finish.release_bytes, polynomial(32_768, 3));
        assert!(finish.per_hundred(finish.evaluate) > 0.0 && finish.peak_mib > 10.0);
    }

    #[test]
    fn a_wrong_statistic_voids_the_measurement() {
        let workplace = Workplace::new(None).unwrap();
        let cohort = workplace.cohort(60, 300).unwrap().open().unwrap();
        let cases = (0..60).map(|row| row % 2).collect();
        let measurement = Measurement::new(&cohort, cases, Finished::ChiSquare).unwrap();
        let public = measurement.public().unwrap();
        assert!(matches!(measurement.check(&public, 0, &[1e6]), Err(Error::Inexact(_))));
    }
}
