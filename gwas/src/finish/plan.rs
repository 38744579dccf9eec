//! Batches of a study, and the public factors of their variants.

use he_core::ckks::circuits::{Excluded, Variant};
use he_core::ckks::{Ciphertext, CkksParams, Evaluator, Flood, LinearMap};
use he_core::layout::BODIES;

use super::FinishError;
use super::circuit::{Circuit, Finding};
use crate::presence::Presence;
use crate::wire::{GroupSize, Study};

/// How a study's statistic is computed and released.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishPlan {
    circuit: Circuit,
    /// Scale and primes of the inputs of each stage.
    inputs: Vec<(f64, usize)>,
    variants: u32,
    block: u32,
}

impl FinishPlan {
    /// The plan of a study that releases a statistic or hits.
    ///
    /// # Errors
    /// When it releases something else, or no parameter set serves it.
    pub fn new(study: &Study) -> Result<Self, FinishError> {
        let (variants, block) = (study.variants, study.plan.params().degree() as u32);
        let circuit = Circuit::new(study)?;
        Ok(Self { inputs: circuit.inputs(), circuit, variants, block })
    }

    /// The parameter set of the finishing ring.
    pub fn params(&self) -> CkksParams {
        self.circuit.params()
    }

    /// The flooding of each holder.
    pub fn flood(&self) -> Flood {
        self.circuit.flood()
    }

    /// What no released value exceeds in magnitude.
    pub fn largest(&self) -> f64 {
        self.circuit.largest()
    }

    /// What a released value says.
    pub fn read(&self, value: f64) -> Finding {
        self.circuit.read(value)
    }

    /// Largest error of `|Z|`, the root of a released chi-square, at frequencies that are not too small.
    pub fn z_error(&self, chi2: f64) -> f64 {
        self.circuit.z_error(chi2)
    }

    /// Variants in a batch.
    pub fn slots(&self) -> u32 {
        self.params().slots() as u32
    }

    /// Number of batches.
    pub fn batches(&self) -> u32 {
        self.variants.div_ceil(self.slots())
    }

    /// Refreshed ciphertexts of a batch: effect and spread of each stage of the circuit.
    pub fn ciphertexts(&self) -> u32 {
        2 * self.inputs.len() as u32
    }

    /// Primes of a refreshed ciphertext of that number: what its mask ciphertexts have.
    pub fn limbs(&self, number: u32) -> usize {
        let stage = (number % self.ciphertexts()) as usize / 2;
        self.inputs.get(stage).map_or(0, |(_, limbs)| *limbs)
    }

    /// Variants of a batch.
    pub fn variants(&self, batch: u32) -> core::ops::Range<u32> {
        let first = batch.saturating_mul(self.slots()).min(self.variants);
        first..first.saturating_add(self.slots()).min(self.variants)
    }

    /// [`crate::wire::Refresh::lengths`] of a job whose result has `units` units.
    pub fn refresh_lengths(&self, units: usize) -> [usize; 3] {
        let masks = self.ciphertexts() as usize * self.batches() as usize;
        [units, masks, self.params().digits()]
    }

    /// The groups of blocks, as units of a result have them, in which the variants of a batch stand.
    pub fn groups(&self, batch: u32) -> core::ops::Range<u32> {
        let unit = self.block * BODIES as u32;
        let variants = self.variants(batch);
        variants.start / unit..variants.end.div_ceil(unit)
    }

    /// The integers of a channel that stand in the slots of a batch, out of those of its units: `unit` gives for a group
    /// `[body][channel][coefficient]` of two channels, people and cases.
    pub fn gather<'a>(
        &self,
        batch: u32,
        channel: usize,
        unit: impl Fn(u32) -> &'a [i128],
    ) -> Vec<i128> {
        let (degree, bodies) = (self.block as usize, BODIES as u32);
        let variants = self.variants(batch);
        let blocks = variants.start / self.block..variants.end.div_ceil(self.block);
        let mut slots = Vec::with_capacity(self.slots() as usize);
        for block in blocks {
            let first = ((block % bodies) as usize * 2 + channel) * degree;
            let values = unit(block / bodies).get(first..first + degree);
            slots.extend_from_slice(values.unwrap_or_default());
        }
        slots
    }

    /// The public factors of a batch; `groups` are the people and cases of the presence patterns.
    ///
    /// # Errors
    /// When the groups are not those of the patterns, or all of the job is of one group.
    pub fn maps(
        &self,
        batch: u32,
        presence: &Presence,
        groups: &[GroupSize],
    ) -> Result<Maps, FinishError> {
        if groups.len() != presence.patterns() as usize {
            return Err(FinishError::Groups);
        }
        let of_pattern = groups.iter().map(|group| self.factors(*group)).collect::<Vec<_>>();
        if let Some(Err(error)) = of_pattern.first() {
            return Err((*error).into());
        }
        // A variant that nobody has, or only cases or controls, comes out as 0, or as no hit.
        let nothing: Vec<Factors> =
            self.circuit.empty().into_iter().map(Factors::nothing).collect();
        let mut columns: Vec<Columns> = self.inputs.iter().map(|_| Columns::default()).collect();
        for variant in self.variants(batch) {
            let pattern = presence.pattern(variant);
            let factors = pattern.and_then(|p| of_pattern.get(p as usize)?.as_ref().ok());
            for (column, factors) in columns.iter_mut().zip(factors.unwrap_or(&nothing)) {
                column.push(factors);
            }
        }
        let number = batch.saturating_mul(self.ciphertexts());
        let mut maps = Maps { number, inputs: Vec::new(), offsets: Vec::new() };
        for ((mut column, &(scale, limbs)), nothing) in
            columns.into_iter().zip(&self.inputs).zip(nothing)
        {
            let [effects, roots] = &column.constants;
            let map = |factors: &[Vec<f64>], constants| {
                Ok::<_, FinishError>(LinearMap::new(factors, constants, scale)?.modulo(limbs))
            };
            maps.inputs.push(map(&column.effect, effects)?);
            maps.inputs.push(map(&[column.spread], roots)?);
            column.offsets.resize(self.slots() as usize, nothing.offset);
            maps.offsets.push(column.offsets);
        }
        Ok(maps)
    }

    /// The factors, for each stage, of a variant that so many people have. Sums are those of `g - 1`: `t = sum + n` alleles.
    pub(super) fn factors(
        &self,
        GroupSize { people, cases }: GroupSize,
    ) -> Result<Vec<Factors>, Excluded> {
        let (n, r) = (f64::from(people), f64::from(cases));
        let variant = Variant { reference: 0.5, people: n };
        let first = |column: &[f64]| column.first().copied().unwrap_or_default();
        let scalings = self.circuit.scalings(r / n, variant)?;
        let factors = scalings.iter().map(|scaling| {
            let [of_cases, of_all] = &scaling.effect;
            let (cases, all) = (first(of_cases), first(of_all));
            let (spread, constant) = (first(&scaling.spread_root.0), first(&scaling.spread_root.1));
            let constants = [cases * r + all * n, constant + spread * n];
            Factors { cases, all, spread, constants, offset: first(&scaling.offset.1) }
        });
        Ok(factors.collect())
    }

    /// Evaluates a batch from its refreshed ciphertexts.
    ///
    /// # Errors
    /// When there are fewer than the circuit has inputs, or its arithmetic fails.
    pub fn evaluate(
        &self,
        evaluator: &Evaluator<'_>,
        inputs: &[Ciphertext],
        maps: &Maps,
    ) -> Result<Ciphertext, FinishError> {
        self.circuit.evaluate(evaluator, inputs, &maps.offsets)
    }
}

/// Public factors of a variant for one stage.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Factors {
    pub(super) cases: f64,
    pub(super) all: f64,
    pub(super) spread: f64,
    /// Of effect and spread.
    pub(super) constants: [f64; 2],
    pub(super) offset: f64,
}

impl Factors {
    /// Those of a slot without a statistic.
    fn nothing(offset: f64) -> Self {
        Self { offset, ..Self::default() }
    }
}

/// Public factors of a batch for one stage.
#[derive(Default)]
struct Columns {
    effect: [Vec<f64>; 2],
    spread: Vec<f64>,
    constants: [Vec<f64>; 2],
    offsets: Vec<f64>,
}

impl Columns {
    fn push(&mut self, factors: &Factors) {
        let Factors { cases, all, spread, constants, offset } = *factors;
        for (column, x) in self.effect.iter_mut().zip([cases, all]) {
            column.push(x);
        }
        self.spread.push(spread);
        for (column, x) in self.constants.iter_mut().zip(constants) {
            column.push(x);
        }
        self.offsets.push(offset);
    }
}

/// Public factors of a batch.
pub struct Maps {
    /// Number of the first refreshed ciphertext in the job.
    number: u32,
    /// For each stage the effect D, of the sums of cases and of all, and the spread E, of the sums of all.
    inputs: Vec<LinearMap>,
    /// For each stage the offsets of all slots.
    pub(super) offsets: Vec<Vec<f64>>,
}

impl Maps {
    /// The maps in the order of their ciphertexts, whether each is of the spread (of the sums of all alone), and the number of its
    /// ciphertext in the job.
    pub fn inputs(&self) -> impl Iterator<Item = (&LinearMap, bool, u32)> {
        let spread = [false, true].into_iter().cycle();
        let numbered = self.inputs.iter().zip(spread).zip(self.number..);
        numbered.map(|((map, spread), number)| (map, spread, number))
    }
}
