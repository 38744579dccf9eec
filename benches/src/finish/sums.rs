//! Encrypted sums of a cohort under a study's key: from individual rows and a grant, or from totals that a site encrypts.

use gwas::io::Cohort;
use gwas::packing::{PlainSums, SlabReader, plain_sums};
use gwas::wire::PlaneKind;
use he_core::Digest;
use he_core::kernel::Engine;
use he_core::layout::{BODIES, Shape, Unit};
use he_core::result::SwitchedUnit;
use he_core::sum::{UnitInput, WeightInput, sum_unit};
use he_core_secret::{
    DatasetKey, EncryptionSeeds, MasterKey, MatrixEncryptor, Totals, WeightEncryptor,
    encrypt_totals, make_switching_key,
};

use super::holders::Holders;
use crate::keys::entropy;
use crate::source::Memory;
use crate::{Error, Result};

/// Result units `[plane][group]` with the channels plain sum and sum over cases.
pub type Units = Vec<Vec<SwitchedUnit>>;

/// Encrypts every row and the phenotype under a dataset's key, sums as a server does, and switches the sums to the study.
///
/// # Errors
/// When a step fails.
pub fn from_rows(
    holders: &Holders,
    cohort: &Cohort,
    cases: &[i64],
    planes: &[PlaneKind],
) -> Result<Units> {
    let failed = || Error::step("encrypting");
    let (ring, plan, params) = (&holders.ring, holders.plan, holders.plan.params());
    let seeds = |name: &[u8]| Ok::<_, Error>(EncryptionSeeds::new(&entropy()?, &Digest::of(name)));
    let (genotype_seeds, weight_seeds) = (seeds(b"genotypes")?, seeds(b"weights")?);
    let master = MasterKey::generate(&entropy()?);
    let dataset = DatasetKey::derive(&master, ring, genotype_seeds.nonce());
    let grant = make_switching_key(ring, &dataset, &holders.public, &entropy()?);
    let grant = grant.map_err(failed())?;

    let rows = cohort.people();
    let encryptor = WeightEncryptor::new(ring, plan, rows, 1, &dataset, &weight_seeds);
    let encryptor = encryptor.map_err(failed())?;
    let mut weights = Memory::default();
    for chunk in 0..encryptor.shape().row_chunks() {
        let range = encryptor.shape().chunk_rows(chunk);
        let part = cases.get(range.start as usize..range.end as usize).unwrap_or_default();
        let slab = encryptor.encrypt_slab(0, chunk, part).map_err(failed())?;
        weights.extend(slab.into_iter().map(|(_, bytes)| bytes));
    }

    let blocks = cohort.variant_count().div_ceil(params.degree() as u32);
    let shape = Shape { params, rows, planes: planes.len() as u8, blocks };
    let encryptor = MatrixEncryptor::new(ring, plan, shape, &dataset, &genotype_seeds);
    let encryptor = encryptor.map_err(failed())?;
    let all: Vec<u32> = (0..rows).collect();
    let one = |(unit, &plane): (Unit, &PlaneKind)| {
        let width = shape.bodies(unit.group) as usize * params.degree();
        let mut genotypes = Memory { first: shape.locate(unit, 0, 0).0, chunks: Vec::new() };
        let mut reader = SlabReader::new(cohort);
        for chunk in 0..shape.row_chunks() {
            let range = shape.chunk_rows(chunk);
            let mut slab = vec![0; range.len() * width];
            let filled = reader.fill(plane, unit.group, range, params.degree(), &mut slab);
            filled.map_err(Error::step("packing"))?;
            let slab = encryptor.encrypt_slab(unit, chunk, &slab, &Vec::new).map_err(failed())?;
            genotypes.extend(slab.into_iter().map(|(_, bytes)| bytes));
        }
        let weights = WeightInput {
            shape: Shape::weights(params, rows, 1),
            mask_seed: weight_seeds.mask_seed(),
            source: &weights,
        };
        let input = UnitInput {
            shape,
            mask_seed: genotype_seeds.mask_seed(),
            source: &genotypes,
            unit,
            weights,
            rows: &all,
        };
        let sums = sum_unit(Engine::detect(), &input).map_err(Error::step("summing"))?;
        Ok(grant.switch_unit(Engine::detect(), ring, &plan, &sums))
    };
    let of_plane = |(number, plane)| {
        let units = (0..shape.groups()).map(|group| (Unit { plane: number, group }, plane));
        units.map(one).collect::<Result<Vec<_>>>()
    };
    (0..).zip(planes).map(of_plane).collect()
}

/// Sums in the clear and encrypts the totals under the study's public key, as a site does that keeps its rows.
///
/// # Errors
/// When a step fails.
pub fn from_totals(
    holders: &Holders,
    cohort: &Cohort,
    cases: &[i64],
    planes: &[PlaneKind],
) -> Result<Units> {
    let sums = plain_sums(cohort, &[cases], planes, holders.plan.params().degree());
    let sums = sums.map_err(Error::step("summing in the clear"))?;
    (0..).zip(&sums).map(|(plane, sums)| totals(holders, cohort.people(), plane, sums)).collect()
}

/// One plane's totals, group by group.
fn totals(
    holders: &Holders,
    people: u32,
    plane: u8,
    sums: &PlainSums,
) -> Result<Vec<SwitchedUnit>> {
    let degree = holders.plan.params().degree();
    let none = Vec::new();
    let channels = [&sums.plain, sums.weighted.first().unwrap_or(&none)];
    let blocks = sums.plain.len().div_ceil(degree);
    let group = |group: usize| {
        let mut values = Vec::new();
        for block in (group * BODIES..blocks).take(BODIES) {
            for channel in channels {
                let start = values.len();
                values.extend(channel.iter().skip(block * degree).take(degree));
                values.resize(start + degree, 0);
            }
        }
        let totals = Totals {
            people,
            plane,
            group: group as u32,
            channels: channels.len(),
            values: &values,
        };
        let encrypted =
            encrypt_totals(&holders.ring, &holders.plan, &holders.public, &entropy()?, &totals);
        Ok(encrypted.map_err(Error::step("encrypting totals"))?.into_unit())
    };
    (0..blocks.div_ceil(BODIES)).map(group).collect()
}
