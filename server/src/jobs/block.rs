//! The one idempotent function that does the work: `run_block(job, number)`.

use gwas::wire::{JobResult, Totals};
use he_core::codec::{Header, Kind};
use he_core::layout::{BODIES, Unit};
use he_core::places::Places;
use he_core::result::SwitchedUnit;
use he_core::sum::{UnitInput, sum_totals, sum_unit};
use he_core::totals::EncryptedTotals;

use super::work::{Input, Rows};
use super::{BlockError, Work};
use crate::error::ApiError;

/// Computes one block of a job: the bytes of a result unit, with their header. Deterministic. Called on the pool of the
/// jobs, whose threads it uses.
///
/// # Errors
/// When an input is damaged.
pub fn run_block(work: &Work, (plane, group): (u8, u32)) -> Result<(Header, Vec<u8>), BlockError> {
    let unit = if plane == JobResult::TOTALS_PLANE {
        totals(work, group)?
    } else {
        sums(work, plane, group)?
    };
    let bytes = unit.to_bytes(work.id.short(), plane, group);
    let header = Header::parse(&bytes).map_err(ApiError::from)?;
    Ok((header, bytes))
}

/// The sums of one unit over all inputs: each is switched with its own grant, then they are added.
fn sums(work: &Work, plane: u8, group: u32) -> Result<SwitchedUnit, BlockError> {
    let mut sum = None;
    for input in &work.inputs {
        let unit = match input {
            Input::Rows(rows) => switched(work, rows, plane, group)?,
            Input::Totals(totals) => {
                let object = totals.units.iter().find(|u| (u.plane, u.group) == (plane, group));
                let object = object.ok_or_else(no_such_block)?;
                read(work, &object.chunk.digest, plane, group)?
            }
        };
        add(work, &mut sum, unit)?;
    }
    sum.ok_or_else(no_such_block)
}

fn switched(work: &Work, rows: &Rows, plane: u8, group: u32) -> Result<SwitchedUnit, BlockError> {
    let stored = rows.planes.get(usize::from(plane)).copied().ok_or_else(no_such_block)?;
    let sums = sum_unit(
        work.engine,
        &UnitInput {
            shape: rows.shape,
            mask_seed: rows.mask_seed,
            source: &rows.genotypes,
            unit: Unit { plane: stored, group },
            weights: rows.weights(),
            rows: &rows.rows,
        },
    )?;
    let key = work.key(&rows.key)?;
    Ok(if work.has_plain_sums() {
        key.switch_unit(work.engine, &work.ring, &work.study.plan, &sums)
    } else {
        key.switch_weighted(work.engine, &work.ring, &sums)
    })
}

/// One object of totals: for each of its presence patterns the sum over the inputs that have the pattern's variants.
fn totals(work: &Work, group: u32) -> Result<SwitchedUnit, BlockError> {
    let degree = work.ring.params().degree() as u32;
    let first = group * BODIES as u32;
    let polynomials = work.presence.patterns().div_ceil(degree);
    let bodies = polynomials.saturating_sub(first).min(BODIES as u32);
    let mut sums: Vec<Option<SwitchedUnit>> = (0..bodies).map(|_| None).collect();
    for (number, input) in work.inputs.iter().enumerate() {
        let constants = Constants::load(work, input)?;
        for (body, sum) in (first..).zip(&mut sums) {
            let patterns = body * degree..(body + 1) * degree;
            let places: Vec<usize> = (0..)
                .zip(patterns)
                .filter(|(_, pattern)| work.presence.contains(*pattern, number))
                .map(|(place, _)| place)
                .collect();
            if !places.is_empty() {
                let unit = constants.at(work, &Places::new(&work.ring, places))?;
                add(work, sum, unit)?;
            }
        }
    }
    // Every pattern has an input, so every body has a sum.
    let units: Option<Vec<SwitchedUnit>> = sums.into_iter().collect();
    SwitchedUnit::joined(&work.study.plan, &units.ok_or_else(no_such_block)?)
        .map_err(|e| BlockError::Failed(e.to_string()))
}

/// The totals of one input, before they are put in their places.
enum Constants<'a> {
    Rows(&'a Rows, he_core::sum::TotalSums),
    Encrypted(SwitchedUnit),
}

impl<'a> Constants<'a> {
    fn load(work: &Work, input: &'a Input) -> Result<Self, BlockError> {
        match input {
            Input::Rows(rows) => {
                Ok(Self::Rows(rows, sum_totals(work.engine, &rows.weights(), &rows.rows)?))
            }
            Input::Totals(Totals { totals, .. }) => {
                let unit = read(work, &totals.digest, JobResult::TOTALS_PLANE, 0)?;
                Ok(Self::Encrypted(unit))
            }
        }
    }

    /// The totals at these places, under the study's key. They are placed before they are switched, so that the noise of
    /// switching is not multiplied.
    fn at(&self, work: &Work, places: &Places) -> Result<SwitchedUnit, BlockError> {
        match self {
            Self::Rows(rows, sums) => {
                let (plan, placed) = (&work.study.plan, sums.placed(places));
                Ok(work.key(&rows.key)?.switch_totals(work.engine, &work.ring, plan, &placed))
            }
            Self::Encrypted(unit) => Ok(unit.placed(places)),
        }
    }
}

/// A site's encrypted totals of that place.
fn read(
    work: &Work,
    digest: &he_core::Digest,
    plane: u8,
    group: u32,
) -> Result<SwitchedUnit, BlockError> {
    let bytes = work.object(digest, Kind::EncryptedTotals)?;
    let params = work.ring.params();
    let totals = EncryptedTotals::from_bytes(&bytes, params, work.study_id, plane, group);
    Ok(totals.map_err(ApiError::from)?.into_unit())
}

fn add(work: &Work, sum: &mut Option<SwitchedUnit>, unit: SwitchedUnit) -> Result<(), BlockError> {
    match sum {
        None => *sum = Some(unit),
        Some(sum) => {
            let added = sum.add(&work.study.plan, &unit);
            added.map_err(|e| BlockError::Failed(e.to_string()))?;
        }
    }
    Ok(())
}

fn no_such_block() -> BlockError {
    BlockError::Failed("no such block".to_owned())
}
