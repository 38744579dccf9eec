//! Recomputes a job's result from its inputs and compares: all server arithmetic is exact, so every byte must be the same.

use std::io;

use gwas::wire::{ChunkRef, JobResult, Participation, SharePhase, Totals};
use he_core::Digest;
use he_core::arith::Ring;
use he_core::codec::Kind;
use he_core::grant::SwitchingKey;
use he_core::kernel::Engine;
use he_core::layout::{BODIES, Unit};
use he_core::places::Places;
use he_core::result::SwitchedUnit;
use he_core::sum::{TotalSums, UnitInput, WeightInput, sum_totals, sum_unit};
use he_core::totals::EncryptedTotals;

use super::inputs::{Input, Inputs, Rows};
use super::source::Downloaded;
use crate::console::Progress;
use crate::net::Client;
use crate::{Error, Result};

/// Recomputes every object of `result`.
///
/// # Errors
/// When an input can't be had or does not conform, or the server's result is another one: then the server is named.
pub(in crate::pipeline) fn replay(
    client: &Client,
    ring: &Ring,
    inputs: &Inputs,
    result: &JobResult,
    progress: &Progress,
) -> Result<()> {
    let replay = Replay { client, ring, inputs, engine: Engine::detect() };
    let blocks = replay.blocks(result)?;
    for (chunk, plane, group) in blocks {
        let unit = if plane == JobResult::TOTALS_PLANE {
            replay.totals(group)?
        } else {
            replay.sums(plane, group)?
        };
        let bytes = unit.to_bytes(inputs.job.id.short(), plane, group);
        if Digest::of(&bytes) != chunk.digest {
            return Err(lied(client, &format!("block {group} of plane {plane} has another value")));
        }
        progress.inc(1);
    }
    Ok(())
}

fn lied(client: &Client, what: &str) -> Error {
    Error::corrupt(format_args!(
        "the server {} did not compute what the job asked for: {what} than its inputs give",
        client.url()
    ))
    .with_remedy("share nothing, and tell the other parties not to trust this server")
}

struct Replay<'a> {
    client: &'a Client,
    ring: &'a Ring,
    inputs: &'a Inputs,
    engine: Engine,
}

impl Replay<'_> {
    /// The result's objects with plane and group, which must be those that the job has.
    fn blocks(&self, result: &JobResult) -> Result<Vec<(ChunkRef, u8, u32)>> {
        let shape = self.inputs.study.message.shape();
        let units = (0..shape.planes).flat_map(|p| (0..shape.groups()).map(move |g| (p, g)));
        let degree = self.ring.params().degree();
        let totals = self.inputs.presence.patterns().div_ceil((degree * BODIES) as u32);
        let expected = units.chain((0..totals).map(|g| (JobResult::TOTALS_PLANE, g)));
        let blocks: Vec<_> = [SharePhase::Sums, SharePhase::Totals]
            .into_iter()
            .flat_map(|phase| result.objects(phase))
            .collect();
        let same = expected.eq(blocks.iter().map(|(_, plane, group)| (*plane, *group)));
        if !same || u64::from(result.people) != self.inputs.people() {
            return Err(lied(self.client, "it is over other units or people"));
        }
        Ok(blocks)
    }

    /// The sums of one unit over all inputs: each is switched with its own grant, then they are added.
    fn sums(&self, plane: u8, group: u32) -> Result<SwitchedUnit> {
        let mut sum = None;
        for input in &self.inputs.list {
            let unit = match input {
                Input::Rows(rows) => self.switched(rows, plane, group)?,
                Input::Totals(totals) => {
                    let object = totals.units.iter().find(|u| (u.plane, u.group) == (plane, group));
                    let object = object.ok_or_else(|| unusable("totals lack a unit"))?;
                    let bodies = self.inputs.study.message.shape().bodies(group);
                    let shape = (bodies, SharePhase::Sums);
                    self.encrypted(&object.chunk, (plane, group), shape)?
                }
            };
            self.add(&mut sum, unit)?;
        }
        sum.ok_or_else(|| unusable("the job has no input"))
    }

    fn switched(&self, rows: &Rows, plane: u8, group: u32) -> Result<SwitchedUnit> {
        let data = &rows.dataset;
        let stored = rows.planes.get(usize::from(plane)).copied();
        let plane = stored.ok_or_else(|| unusable("the dataset lacks a plane"))?;
        let genotypes = self.source(Kind::GenotypeChunk, data.nonce, data.shape(), &data.chunks)?;
        let weights = self.weights(rows)?;
        let input = UnitInput {
            shape: data.shape(),
            mask_seed: data.mask_seed,
            source: &genotypes,
            unit: Unit { plane, group },
            weights: weight_input(rows, &weights),
            rows: &taking_part(rows),
        };
        let sums = sum_unit(self.engine, &input).map_err(|e| failed(&e))?;
        let (key, study) = (self.key(rows)?, &self.inputs.study.message);
        Ok(match study.participation {
            Participation::Public => key.switch_unit(self.engine, self.ring, &study.plan, &sums),
            Participation::Encrypted => key.switch_weighted(self.engine, self.ring, &sums),
        })
    }

    /// One object of totals: for each of its presence patterns the sum over the inputs that have the pattern's variants.
    fn totals(&self, group: u32) -> Result<SwitchedUnit> {
        let degree = self.ring.params().degree() as u32;
        let first = group * BODIES as u32;
        let presence = &self.inputs.presence;
        let polynomials = presence.patterns().div_ceil(degree);
        let bodies = polynomials.saturating_sub(first).min(BODIES as u32);
        let mut sums: Vec<Option<SwitchedUnit>> = (0..bodies).map(|_| None).collect();
        for (number, input) in self.inputs.list.iter().enumerate() {
            let constants = self.constants(input)?;
            for (body, sum) in (first..).zip(&mut sums) {
                let patterns = body * degree..(body + 1) * degree;
                let places: Vec<usize> = (0..)
                    .zip(patterns)
                    .filter(|(_, pattern)| presence.contains(*pattern, number))
                    .map(|(place, _)| place)
                    .collect();
                if !places.is_empty() {
                    let unit = self.placed(&constants, &Places::new(self.ring, places));
                    self.add(sum, unit)?;
                }
            }
        }
        let units: Option<Vec<SwitchedUnit>> = sums.into_iter().collect();
        let units = units.ok_or_else(|| unusable("a pattern has no input"))?;
        SwitchedUnit::joined(&self.inputs.study.message.plan, &units).map_err(Error::corrupt)
    }

    /// The totals of one input, before they are put in their places.
    fn constants(&self, input: &Input) -> Result<Constants> {
        match input {
            Input::Rows(rows) => {
                let weights = self.weights(rows)?;
                let sums =
                    sum_totals(self.engine, &weight_input(rows, &weights), &taking_part(rows));
                Ok(Constants::Rows(sums.map_err(|e| failed(&e))?, self.key(rows)?))
            }
            Input::Totals(totals) => {
                let Totals { totals, .. } = totals.as_ref();
                let place = (JobResult::TOTALS_PLANE, 0);
                let unit = self.encrypted(totals, place, (1, SharePhase::Totals))?;
                Ok(Constants::Encrypted(unit))
            }
        }
    }

    fn placed(&self, constants: &Constants, places: &Places) -> SwitchedUnit {
        let plan = &self.inputs.study.message.plan;
        match constants {
            Constants::Rows(sums, key) => {
                key.switch_totals(self.engine, self.ring, plan, &sums.placed(places))
            }
            Constants::Encrypted(unit) => unit.placed(places),
        }
    }

    fn weights(&self, rows: &Rows) -> Result<Downloaded<'_>> {
        let weights = &rows.phenotype;
        self.source(Kind::WeightChunk, weights.nonce, weights.shape(), &weights.chunks)
    }

    fn source(
        &self,
        kind: Kind,
        nonce: [u8; 16],
        shape: he_core::layout::Shape,
        chunks: &[ChunkRef],
    ) -> Result<Downloaded<'_>> {
        Downloaded::new(self.client, kind, nonce, shape, chunks).map_err(|e| failed(&e))
    }

    fn key(&self, rows: &Rows) -> Result<SwitchingKey> {
        let bytes = self.client.get_chunk_of(Kind::SwitchingKey, &rows.key)?;
        SwitchingKey::from_bytes(&bytes, self.ring.params(), self.inputs.study.id)
            .map_err(Error::corrupt)
    }

    /// A site's encrypted totals of that place, which must have that many bodies and the channels of that phase: nobody but the
    /// server has looked at them before, and every ciphertext more would be decrypted too.
    fn encrypted(
        &self,
        chunk: &ChunkRef,
        (plane, group): (u8, u32),
        (bodies, phase): (u32, SharePhase),
    ) -> Result<SwitchedUnit> {
        let bytes = self.client.get_chunk_of(Kind::EncryptedTotals, chunk)?;
        let (params, study) = (self.ring.params(), self.inputs.study.id);
        let totals = EncryptedTotals::from_bytes(&bytes, params, study, plane, group);
        let unit = totals.map_err(Error::corrupt)?.into_unit();
        let found = (unit.bodies(), unit.channels());
        let channels = self.inputs.study.message.channels(phase);
        if found == (bodies as usize, channels as usize) {
            return Ok(unit);
        }
        Err(Error::corrupt(format_args!(
            "encrypted totals {} have {} bodies and {} channels where the study has {bodies} and {channels}",
            chunk.digest, found.0, found.1
        ))
        .with_remedy("share nothing; run the job without that contribution"))
    }

    fn add(&self, sum: &mut Option<SwitchedUnit>, unit: SwitchedUnit) -> Result<()> {
        match sum {
            None => *sum = Some(unit),
            Some(sum) => {
                sum.add(&self.inputs.study.message.plan, &unit).map_err(Error::corrupt)?;
            }
        }
        Ok(())
    }
}

/// The totals of one input.
enum Constants {
    Rows(TotalSums, SwitchingKey),
    Encrypted(SwitchedUnit),
}

fn weight_input<'a>(rows: &Rows, source: &'a Downloaded<'_>) -> WeightInput<'a> {
    WeightInput { shape: rows.phenotype.shape(), mask_seed: rows.phenotype.mask_seed, source }
}

fn taking_part(rows: &Rows) -> Vec<u32> {
    let weights = &rows.phenotype;
    (0..weights.rows).filter(|row| weights.participating.contains(*row)).collect()
}

fn unusable(what: &str) -> Error {
    Error::corrupt(format_args!("the job can't be recomputed: {what}"))
}

fn failed(error: &io::Error) -> Error {
    Error::corrupt(format_args!("an input can't be read: {error}"))
        .with_remedy("try again; if it stays, ask its owner to send the dataset again")
}
