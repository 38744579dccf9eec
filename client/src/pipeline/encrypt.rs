//! Encrypting a cohort: genotypes slab by slab, phenotypes as weights.
//!
//! A slab (the rows of one row chunk in one group of blocks) is packed, encrypted, hashed and handed to the sink before
//! the next one is read, so memory stays near a hundred megabytes however large the cohort is.

use gwas::io::Cohort;
use gwas::packing::SlabReader;
use gwas::wire::{Bitmap, ChunkRef, Dataset, Participation, Phenotype, PlaneKind, RowSet};
use he_core::arith::Ring;
use he_core::layout::ChunkSpec;
use he_core::{Digest, Plan};
use he_core_secret::{
    DatasetKey, EncryptionSeeds, Entropy, MasterKey, MatrixEncryptor, WeightEncryptor,
};
use rayon::prelude::*;

use crate::console::Progress;
use crate::sink::ChunkSink;
use crate::{Error, Result};

/// What to encrypt a dataset from.
pub(super) struct DatasetInput<'a> {
    /// Free text for people.
    pub name: String,
    /// The people and variants.
    pub cohort: &'a Cohort,
    /// The planes, ascending.
    pub planes: Vec<PlaneKind>,
    /// Parameters and scales.
    pub plan: Plan,
    /// Variants that the files do not have, where their sums are to be those of the other contributions.
    pub absent: Option<Bitmap>,
}

/// Encrypts genotypes under keys derived from `master` and a fresh nonce.
///
/// `progress` counts plane genotypes (people x variants x planes).
pub(super) fn encrypt_dataset(
    ring: &Ring,
    input: DatasetInput<'_>,
    master: &MasterKey,
    entropy: &Entropy,
    sink: &dyn ChunkSink,
    progress: &Progress,
) -> Result<Dataset> {
    let DatasetInput { name, cohort, planes, plan, absent } = input;
    let seeds = EncryptionSeeds::new(entropy, &cohort_digest(cohort)?);
    let key = DatasetKey::derive(master, ring, seeds.nonce());
    let mut dataset = Dataset {
        name,
        plan,
        panel: cohort.panel().digest(),
        variants: cohort.variant_count(),
        rows: cohort.people(),
        planes,
        absent,
        nonce: seeds.nonce(),
        mask_seed: seeds.mask_seed(),
        chunks: Vec::new(),
    };
    let shape = dataset.shape();
    let encryptor = MatrixEncryptor::new(ring, plan, shape, &key, &seeds).map_err(Error::input)?;
    let degree = plan.params().degree();
    let (mut slab, mut reader) = (Vec::new(), SlabReader::new(cohort));
    for unit in shape.units() {
        let Some(&plane) = dataset.planes.get(usize::from(unit.plane)) else { continue };
        let width = shape.bodies(unit.group) as usize * degree;
        for row_chunk in 0..shape.row_chunks() {
            let rows = shape.chunk_rows(row_chunk);
            slab.resize(rows.len() * width, 0);
            reader
                .fill(plane, unit.group, rows.clone(), degree, &mut slab)
                .map_err(Error::input)?;
            let chunks = encryptor
                .encrypt_slab(unit, row_chunk, &slab, &|| sink.buffer())
                .map_err(Error::input)?;
            dataset.chunks.extend(store(sink, chunks)?);
            let filled = u64::from(dataset.variants)
                .saturating_sub(u64::from(unit.group) * 8 * degree as u64)
                .min(width as u64);
            progress.inc(rows.len() as u64 * filled);
        }
    }
    Ok(dataset)
}

/// Encrypts a case-control phenotype for the rows of a dataset: `cases[i]` is whether row i is a case, `None` if the
/// person does not take part. With encrypted participation nobody sees who that is: every row takes part, and a first
/// vector of weights says who counts.
pub(super) fn encrypt_phenotype(
    ring: &Ring,
    name: String,
    dataset: (Digest, &Dataset),
    (cases, participation): (&[Option<bool>], Participation),
    master: &MasterKey,
    entropy: &Entropy,
    sink: &dyn ChunkSink,
) -> Result<Phenotype> {
    let (id, dataset) = dataset;
    if cases.len() != dataset.rows as usize {
        return Err(Error::Internal("a phenotype for another number of rows".into()));
    }
    let plaintext: Vec<u8> = cases.iter().map(|c| c.map_or(2, u8::from)).collect();
    let seeds = EncryptionSeeds::new(entropy, &Digest::of(&plaintext));
    let key = DatasetKey::derive(master, ring, dataset.nonce);
    let weights_of = |weight: fn(&Option<bool>) -> bool| -> Vec<i64> {
        cases.iter().map(|case| i64::from(weight(case))).collect()
    };
    let is_case = weights_of(|case| *case == Some(true));
    let vectors = match participation {
        Participation::Public => vec![is_case],
        Participation::Encrypted => vec![weights_of(Option::is_some), is_case],
    };
    let count = vectors.len() as u8;
    let encryptor = WeightEncryptor::new(ring, dataset.plan, dataset.rows, count, &key, &seeds)
        .map_err(Error::input)?;
    let mut chunks = Vec::new();
    for (vector, weights) in (0..).zip(&vectors) {
        for row_chunk in 0..encryptor.shape().row_chunks() {
            let range = encryptor.shape().chunk_rows(row_chunk);
            let weights = weights.get(range.start as usize..range.end as usize);
            let slab = encryptor
                .encrypt_slab(vector, row_chunk, weights.unwrap_or_default())
                .map_err(Error::input)?;
            chunks.extend(store(sink, slab)?);
        }
    }
    let takes_part = |row: u32| {
        let known = cases.get(row as usize).is_some_and(Option::is_some);
        known || participation == Participation::Encrypted
    };
    Ok(Phenotype {
        name,
        dataset: id,
        plan: dataset.plan,
        rows: dataset.rows,
        participating: RowSet::new(dataset.rows, takes_part),
        vectors: count,
        nonce: dataset.nonce,
        mask_seed: seeds.mask_seed(),
        chunks,
    })
}

/// Hashes chunks in parallel and gives them to the sink in order.
fn store(sink: &dyn ChunkSink, chunks: Vec<(ChunkSpec, Vec<u8>)>) -> Result<Vec<ChunkRef>> {
    let digests: Vec<Digest> = chunks.par_iter().map(|(_, bytes)| Digest::of(bytes)).collect();
    digests
        .into_iter()
        .zip(chunks)
        .map(|(digest, (_, bytes))| {
            let length = bytes.len() as u64;
            sink.put(digest, bytes)?;
            Ok(ChunkRef { digest, length })
        })
        .collect()
}

/// Digest of the genotypes that will be encrypted: seeds depend on it, so that no mask is ever used for two plaintexts.
fn cohort_digest(cohort: &Cohort) -> Result<Digest> {
    const BYTES: usize = 16 << 20;
    let rows = cohort.file_rows();
    let end = rows.last().map_or(0, |r| r + 1);
    let stride = gwas::io::code_bytes(end).max(1);
    let step = (BYTES / stride).max(1) as u32;
    let mut hasher = blake3::Hasher::new();
    for row in rows {
        hasher.update(&row.to_le_bytes());
    }
    hasher.update(&cohort.panel().digest().0);
    let mut buffer = Vec::new();
    let mut first = 0;
    while first < cohort.variant_count() {
        let last = cohort.variant_count().min(first + step);
        buffer.resize((last - first) as usize * stride, 0);
        cohort.read_codes(first..last, 0..end, &mut buffer).map_err(Error::input)?;
        hasher.update(&buffer);
        first = last;
    }
    Ok(Digest(*hasher.finalize().as_bytes()))
}
