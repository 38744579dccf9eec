//! A whole run on masked sums: batch by batch through refresh, circuit and release.

use std::ops::Range;

use he_core::Digest;
use he_core::ckks::circuits::{Offset, Scaling, Variant};
use he_core::ckks::{
    Ciphertext, EvaluatedResult, Evaluator, LinearMap, MaskCiphertext, ReleaseShare, combine,
};
use he_core_secret::ckks::release_share;

use super::circuit::Circuit;
use super::holders::{Finishing, Masked};
use super::lift::Input;
use crate::{Error, Result};

/// Channel of the masked sums of `g - 1` over all people.
pub const PLAIN: usize = 0;
/// Channel of the masked sums over cases.
pub const CASES: usize = 1;
/// Channel of the masked numbers of homozygotes: the trend test's.
pub const HOMOZYGOTES: usize = 2;

/// Channels of the masked sums of `c - 1`, 0 for a call, over all people and over cases: where calls are missing.
pub const CALLED: [usize; 2] = [2, 3];

/// What is public of a study.
pub struct Public {
    /// Whether calls may be missing: then the allelic test takes a person without a call to have the reference frequency's mean.
    pub missing: bool,
    /// Fraction of cases.
    pub rho: f64,
    /// References and people of all variants.
    pub variants: Vec<Variant>,
    /// Which variants are left out.
    pub excluded: Vec<bool>,
}

/// A run of one circuit.
pub struct Study<'a> {
    /// Keys.
    pub finishing: &'a Finishing,
    /// The circuit.
    pub circuit: &'a Circuit,
    /// Public numbers.
    pub public: &'a Public,
    /// Masked sums.
    pub masked: &'a Masked,
    /// The job.
    pub job: Digest,
}

/// One batch: its variants and the maps of its refreshed ciphertexts.
pub struct Batch {
    /// Its number.
    pub number: u32,
    /// Its variants.
    pub variants: Range<usize>,
    /// D, E and, for the trend test, the offset.
    pub inputs: Vec<Input>,
    /// Constants of the offset.
    pub offset: Vec<f64>,
}

/// Refreshed ciphertexts that a batch may have.
const INPUTS: u32 = 3;

impl Study<'_> {
    /// Batches of as many variants as a ciphertext has slots.
    ///
    /// # Errors
    /// When a factor does not fit.
    pub fn batches(&self) -> Result<Vec<Batch>> {
        let slots = self.circuit.params().slots();
        let all = self.public.variants.len();
        (0..)
            .zip((0..all).step_by(slots))
            .map(|(number, start)| self.batch(number, start..all.min(start + slots)))
            .collect()
    }

    fn batch(&self, number: u32, range: Range<usize>) -> Result<Batch> {
        let (circuit, public) = (self.circuit, self.public);
        let slots = circuit.params().slots();
        let mut variants = public.variants.get(range.clone()).unwrap_or_default().to_vec();
        variants.resize(slots, Variant { reference: 0.5, people: 0.0 });
        let scaling = circuit.scaling(public.rho, &variants);
        let mut scaling = scaling.map_err(Error::step("scaling"))?;
        let excluded = public.excluded.get(range.clone()).unwrap_or_default();
        (0..slots)
            .filter(|&i| excluded.get(i) == Some(&true))
            .for_each(|i| circuit.exclude(&mut scaling, i));

        let people: Vec<f64> = variants.iter().map(|v| v.people).collect();
        let [scale, offset_scale] = circuit.scales();
        let Scaling { effect: [case, all], spread_root: (root, root_constants), offset } = scaling;
        let ([linear, homozygotes], constants) = offset;
        // Sums are of g - 1: t = X + n, a = A + rho n.
        let shift = |factors: &[f64], constants: &[f64]| -> Vec<f64> {
            let terms = factors.iter().zip(&people).zip(constants);
            terms.map(|((f, n), c)| f * n + c).collect()
        };
        let trend = !linear.is_empty();
        let offset = if trend { shift(&linear, &constants) } else { constants };
        let root_constants = shift(&root, &root_constants);
        let input =
            |which, channels: &[usize], factors: Vec<Vec<f64>>, constants: &[f64], scale| {
                let map = LinearMap::new(&factors, constants, scale);
                let number = number * INPUTS + which;
                let map = map.map_err(Error::step("scaling"))?;
                Ok::<_, Error>(Input { number, channels: channels.to_vec(), map })
            };
        // g - 1 of the mean is 2 p - 1, for everybody whose c - 1 is -1.
        let imputed = |factors: &[f64]| -> Vec<f64> {
            factors.iter().zip(&variants).map(|(f, v)| f * (1.0 - 2.0 * v.reference)).collect()
        };
        let [called, called_cases] = CALLED;
        let mut inputs = if public.missing {
            let of_effect = vec![imputed(&case), imputed(&all)];
            let effect = [vec![case, all], of_effect].concat();
            let of_root = imputed(&root);
            vec![
                input(0, &[CASES, PLAIN, called_cases, called], effect, &[], scale)?,
                input(1, &[PLAIN, called], vec![root, of_root], &root_constants, scale)?,
            ]
        } else {
            vec![
                input(0, &[CASES, PLAIN], vec![case, all], &[], scale)?,
                input(1, &[PLAIN], vec![root], &root_constants, scale)?,
            ]
        };
        if trend {
            let factors = vec![linear, homozygotes];
            inputs.push(input(2, &[PLAIN, HOMOZYGOTES], factors, &offset, offset_scale)?);
        }
        Ok(Batch { number, variants: range, inputs, offset })
    }

    /// A holder's mask ciphertexts of a batch.
    #[must_use]
    pub fn masks(&self, holder: usize, batch: &Batch) -> Vec<MaskCiphertext> {
        let mask =
            |input| self.finishing.mask(holder, &self.job, input, self.masked, &batch.variants);
        batch.inputs.iter().filter_map(mask).collect()
    }

    /// The server's refreshed ciphertexts from `masks[holder][input]`.
    ///
    /// # Errors
    /// When one is missing.
    pub fn lift(&self, batch: &Batch, masks: &[Vec<MaskCiphertext>]) -> Result<Vec<Ciphertext>> {
        let one = |(i, input): (usize, &Input)| {
            let of_input: Vec<_> = masks.iter().filter_map(|m| m.get(i).cloned()).collect();
            self.finishing.lift(&self.job, input, self.masked, &batch.variants, &of_input)
        };
        batch.inputs.iter().enumerate().map(one).collect()
    }

    /// The server's circuit.
    ///
    /// # Errors
    /// When the circuit does not fit.
    pub fn evaluate(&self, batch: &Batch, inputs: &[Ciphertext]) -> Result<EvaluatedResult> {
        let failed = || Error::step("the circuit");
        let evaluator = Evaluator::new(&self.finishing.ring, &self.finishing.relin);
        let evaluator = evaluator.map_err(failed())?;
        let [effect, root, rest @ ..] = inputs else {
            return Err(Error::Step { what: "the circuit", why: "inputs are missing".to_owned() });
        };
        let offset = rest.first().map_or(Offset::Public(&batch.offset), Offset::Encrypted);
        let out = self.circuit.evaluate(&evaluator, [effect, root], &offset).map_err(failed())?;
        EvaluatedResult::new(out).map_err(Error::step("the circuit"))
    }

    /// A holder's release share.
    ///
    /// # Errors
    /// When the flooding has no room.
    pub fn share(&self, holder: usize, result: &EvaluatedResult) -> Result<ReleaseShare> {
        let keys = &self.finishing.keys;
        let flood = self.circuit.flood(keys.len(), result.ciphertext().scale());
        let flood = flood.map_err(Error::step("flooding"))?;
        let key = keys.get(holder).ok_or(Error::Inexact("the number of holders"))?;
        Ok(release_share(&self.finishing.ring, key, result, &self.job, flood))
    }

    /// The batch's values.
    ///
    /// # Errors
    /// When one is out of range.
    pub fn open(
        &self,
        batch: &Batch,
        result: &EvaluatedResult,
        shares: &[ReleaseShare],
    ) -> Result<Vec<f64>> {
        let ring = &self.finishing.ring;
        let values = combine(ring, result, shares.len(), shares, self.circuit.largest());
        let mut values = values.map_err(Error::step("releasing"))?;
        values.truncate(batch.variants.len());
        Ok(values)
    }

    /// Everything: the released values of all variants.
    ///
    /// # Errors
    /// Those of the steps.
    pub fn run(&self) -> Result<Vec<f64>> {
        let holders = self.finishing.keys.len();
        let mut all = Vec::new();
        for batch in self.batches()? {
            let masks: Vec<_> = (0..holders).map(|k| self.masks(k, &batch)).collect();
            let inputs = self.lift(&batch, &masks)?;
            drop(masks);
            let result = self.evaluate(&batch, &inputs)?;
            let shares =
                (0..holders).map(|k| self.share(k, &result)).collect::<Result<Vec<_>>>()?;
            all.extend(self.open(&batch, &result, &shares)?);
        }
        Ok(all)
    }
}
