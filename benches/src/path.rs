//! `record encrypt` and `record growth`: from a BED file to packed ciphertexts and on to the sums, in this process, stage by
//! stage. One group of variants at a time is kept in memory, so any number of them can be measured.

use std::sync::{Mutex, PoisonError};

use gwas::io::Cohort;
use gwas::packing::{PlainSums, SlabReader, plain_sums};
use gwas::wire::PlaneKind;
use he_core::kernel::{Aligned, Engine};
use he_core::layout::{Shape, Unit};
use he_core::sum::{UnitInput, WeightInput, sum_unit};
use he_core::{Digest, Params};
use he_core_secret::MatrixEncryptor;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::clock::{Cost, median, significant};
use crate::cohort::Files;
use crate::keys::{Keys, plan};
use crate::matrix::encrypt_weights;
use crate::source::Memory;
use crate::{Error, Result, pool, stream};

/// Bytes of the read stream that is measured beside the path.
const STREAM_BYTES: usize = 256 << 20;

/// Costs of one shape.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Stages {
    /// Parameter set.
    pub params: Params,
    /// People.
    pub people: u32,
    /// Variants.
    pub variants: u32,
    /// Threads.
    pub threads: usize,
    /// Runs behind the medians.
    pub repeats: usize,
    /// From BED codes to integers in the order of rows and coefficients.
    pub pack: Cost,
    /// From integers to packed ciphertext bytes.
    pub encrypt: Cost,
    /// Digests of the chunks.
    pub hash: Cost,
    /// Weighted and plain sums, one phenotype.
    pub sum: Cost,
    /// The sums under the study's key.
    pub switch: Cost,
    /// Bytes of genotype ciphertexts.
    pub bytes: u64,
    /// Read bandwidth of as many threads, in 10^9 bytes per second.
    pub stream_gb_s: f64,
    /// What was checked.
    pub check: String,
}

impl Stages {
    /// People x variants.
    #[must_use]
    pub fn genotypes(&self) -> f64 {
        f64::from(self.people) * f64::from(self.variants)
    }

    /// BED to packed bytes: packing and encrypting.
    #[must_use]
    pub fn encryption(&self) -> Cost {
        self.pack.plus(self.encrypt)
    }
}

/// Measures a cohort on a parameter set; `repeats` times, the medians count.
///
/// # Errors
/// When a step fails or a decrypted sum is wrong.
pub fn measure(files: &Files, params: Params, threads: usize, repeats: usize) -> Result<Stages> {
    let cohort = files.open()?;
    // Every second person a case: which ones does not matter here.
    let weights: Vec<i64> = (0..i64::from(cohort.people())).map(|row| row % 2).collect();
    let pool = pool(threads)?;
    let (rounds, stream) = pool.install(|| {
        let expected = plain_sums(&cohort, &[&weights], &[PlaneKind::Dosage], params.degree());
        let expected = expected.map_err(Error::step("summing in the clear"))?;
        let expected = expected.first().ok_or(Error::Inexact("the number of planes"))?;
        let memory = vec![1; STREAM_BYTES];
        let (mut rounds, mut streams) = (Vec::new(), Vec::new());
        for round in 0..repeats.max(1) {
            streams.push(stream::read(&[&memory]));
            // Decrypting once is enough: what follows is the same.
            let check = (round == 0).then_some(expected);
            rounds.push(Path::new(&cohort, params, &weights)?.run(check)?);
        }
        Ok::<_, Error>((rounds, streams))
    })?;
    let of =
        |stage: fn(&Round) -> Cost| Cost::median(&rounds.iter().map(stage).collect::<Vec<_>>());
    Ok(Stages {
        params,
        people: cohort.people(),
        variants: cohort.variant_count(),
        threads,
        repeats: rounds.len(),
        pack: of(|r| r.pack),
        encrypt: of(|r| r.encrypt),
        hash: of(|r| r.hash),
        sum: of(|r| r.sum),
        switch: of(|r| r.switch),
        bytes: rounds.first().map_or(0, |r| r.bytes),
        stream_gb_s: significant(median(stream)),
        check: "decrypted sums equal plaintext sums".to_owned(),
    })
}

/// Costs of one run.
#[derive(Default)]
struct Round {
    pack: Cost,
    encrypt: Cost,
    hash: Cost,
    sum: Cost,
    switch: Cost,
    bytes: u64,
}

/// One run.
struct Path<'a> {
    cohort: &'a Cohort,
    keys: Keys,
    shape: Shape,
    weights: Memory,
    rows: Vec<u32>,
}

impl<'a> Path<'a> {
    fn new(cohort: &'a Cohort, params: Params, weights: &[i64]) -> Result<Self> {
        let keys = Keys::new(plan(params, cohort.people())?)?;
        let blocks = cohort.variant_count().div_ceil(params.degree() as u32);
        let shape = Shape { params, rows: cohort.people(), planes: 1, blocks };
        let weights = encrypt_weights(&keys, shape.rows, &[weights.to_vec()])?;
        Ok(Self { cohort, keys, shape, weights, rows: (0..shape.rows).collect() })
    }

    fn run(&self, expected: Option<&PlainSums>) -> Result<Round> {
        let Keys { ring, plan, dataset, genotype_seeds, .. } = &self.keys;
        let encryptor = MatrixEncryptor::new(ring, *plan, self.shape, dataset, genotype_seeds);
        let encryptor = encryptor.map_err(Error::step("encrypting"))?;
        let mut round = Round::default();
        for unit in self.shape.units() {
            let genotypes = self.encrypt(unit, &encryptor, &mut round)?;
            round.bytes += genotypes.body_bytes();
            self.sum(unit, &genotypes, &mut round, expected)?;
        }
        Ok(round)
    }

    /// Encrypts a group, as the client does: slab by slab.
    fn encrypt(
        &self,
        unit: Unit,
        encryptor: &MatrixEncryptor<'_>,
        round: &mut Round,
    ) -> Result<Memory> {
        let degree = self.shape.params.degree();
        let width = self.shape.bodies(unit.group) as usize * degree;
        let mut memory = Memory { first: self.shape.locate(unit, 0, 0).0, chunks: Vec::new() };
        let (mut slab, mut reader) = (Vec::new(), SlabReader::new(self.cohort));
        // As the client does: a chunk is written into the buffer of one that has been sent.
        let buffers = Mutex::new(Vec::<Vec<u8>>::new());
        let lock = || buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let buffer = || lock().pop().unwrap_or_default();
        for chunk in 0..self.shape.row_chunks() {
            let rows = self.shape.chunk_rows(chunk);
            let (packed, cost) = Cost::of(|| {
                slab.resize(rows.len() * width, 0);
                reader.fill(PlaneKind::Dosage, unit.group, rows.clone(), degree, &mut slab)
            });
            packed.map_err(Error::step("packing"))?;
            round.pack = round.pack.plus(cost);
            let (chunks, cost) = Cost::of(|| encryptor.encrypt_slab(unit, chunk, &slab, &buffer));
            let chunks = chunks.map_err(Error::step("encrypting"))?;
            round.encrypt = round.encrypt.plus(cost);
            let hash = || chunks.par_iter().map(|(_, bytes)| Digest::of(bytes)).collect::<Vec<_>>();
            round.hash = round.hash.plus(Cost::of(|| std::hint::black_box(hash())).1);
            memory.chunks.extend(chunks.iter().map(|(_, bytes)| Aligned::from(&bytes[..])));
            lock().extend(chunks.into_iter().map(|(_, bytes)| bytes));
        }
        Ok(memory)
    }

    /// Sums a group, switches the sums to the study key, and compares them if `expected` is given.
    fn sum(
        &self,
        unit: Unit,
        genotypes: &Memory,
        round: &mut Round,
        expected: Option<&PlainSums>,
    ) -> Result<()> {
        let (engine, keys) = (Engine::detect(), &self.keys);
        let weights = WeightInput {
            shape: Shape::weights(self.shape.params, self.shape.rows, 1),
            mask_seed: keys.weight_seeds.mask_seed(),
            source: &self.weights,
        };
        let input = UnitInput {
            shape: self.shape,
            mask_seed: keys.genotype_seeds.mask_seed(),
            source: genotypes,
            unit,
            weights,
            rows: &self.rows,
        };
        let (sums, cost) = Cost::of(|| sum_unit(engine, &input));
        let sums = sums.map_err(Error::step("summing"))?;
        round.sum = round.sum.plus(cost);
        let (switched, cost) =
            Cost::of(|| keys.grant.switch_unit(engine, &keys.ring, &keys.plan, &sums));
        round.switch = round.switch.plus(cost);

        let Some(expected) = expected else { return Ok(()) };
        let values = keys.open(&switched)?;
        let degree = self.shape.params.degree();
        let first = unit.group as usize * he_core::layout::BODIES;
        let channels = [Some(&expected.plain), expected.weighted.first()];
        for (channel, expected) in channels.into_iter().enumerate() {
            let blocks = expected.map_or(&[][..], Vec::as_slice).chunks(degree).skip(first);
            for (body, block) in blocks.take(sums.bodies()).enumerate() {
                if values.get(body, channel).get(..block.len()) != Some(block) {
                    return Err(Error::Inexact("a decrypted sum"));
                }
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
    fn a_small_cohort_of_two_groups_is_measured_and_checked() {
        let workplace = Workplace::new(None).unwrap();
        let files = workplace.cohort(30, 9 * 2048 + 5).unwrap();
        let stages = measure(&files, Params::N2048Q50, 2, 2).unwrap();
        assert_eq!(stages.bytes, 30 * 10 * 2048 / 8 * 50);
        assert_eq!((stages.people, stages.variants, stages.repeats), (30, 9 * 2048 + 5, 2));
        for cost in [stages.pack, stages.encrypt, stages.hash, stages.sum, stages.switch] {
            assert!(cost.wall_s > 0.0);
        }
        let encryption = stages.encryption().wall_s;
        assert!(encryption > stages.pack.wall_s && encryption > stages.encrypt.wall_s);
    }
}
