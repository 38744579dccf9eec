//! What a job's blocks are computed from, loaded once.

use std::sync::{Arc, Mutex, PoisonError};

use gwas::presence::Presence;
use gwas::wire::{
    Bitmap, ChunkRef, Dataset, GrantTerms, Job, JobInput, JobResult, Participation, Phenotype,
    Study, Totals,
};
use he_core::arith::Ring;
use he_core::codec::{HEADER_LEN, Kind};
use he_core::grant::SwitchingKey;
use he_core::kernel::Engine;
use he_core::layout::{BODIES, Shape};
use he_core::mask::MaskSeed;
use he_core::sum::WeightInput;
use he_core::{Digest, Params};

use super::{BlockError, StoredChunks};
use crate::app::App;
use crate::check::Residues;
use crate::error::ApiError;
use crate::store::{Class, read_all};

/// Everything that a job's blocks need. Switching keys are tens of megabytes, so only the last one that was used is kept.
pub struct Work {
    /// The job.
    pub id: Digest,
    /// When the first of its grants ends, in seconds since 1970.
    pub expires: u64,
    /// Rows that are summed, and people whom totals attest.
    pub people: u32,
    pub(super) study: Study,
    pub(super) study_id: Digest,
    pub(super) inputs: Vec<Input>,
    pub(super) presence: Presence,
    pub(super) ring: Ring,
    pub(super) engine: Engine,
    app: Arc<App>,
    key: Mutex<Option<(Digest, Arc<SwitchingKey>)>>,
}

/// One contribution.
pub(super) enum Input {
    Rows(Box<Rows>),
    Totals(Totals),
}

/// Rows of a dataset.
pub(super) struct Rows {
    pub(super) shape: Shape,
    pub(super) mask_seed: MaskSeed,
    pub(super) genotypes: StoredChunks,
    /// Number in the dataset of each of the study's planes.
    pub(super) planes: Vec<u8>,
    weight_shape: Shape,
    weight_seed: MaskSeed,
    weights: StoredChunks,
    /// Those that are summed.
    pub(super) rows: Vec<u32>,
    pub(super) key: Digest,
}

impl Rows {
    pub(super) fn weights(&self) -> WeightInput<'_> {
        WeightInput { shape: self.weight_shape, mask_seed: self.weight_seed, source: &self.weights }
    }
}

/// Objects that hold the totals of that many presence patterns: each has eight bodies of N coefficients.
pub fn totals_groups(params: Params, patterns: u32) -> u32 {
    patterns.div_ceil((params.degree() * BODIES) as u32)
}

impl Work {
    /// Loads a job's inputs.
    ///
    /// # Errors
    /// When one is missing or damaged.
    pub fn load(app: &Arc<App>, id: &Digest) -> Result<Self, BlockError> {
        let job = app.load_blocking::<Job>(id)?.message;
        let study = app.load_blocking::<Study>(&job.study)?.message;
        let (mut expires, mut people) = (u64::MAX, 0u32);
        let mut inputs = Vec::with_capacity(job.inputs.len());
        let mut absent: Vec<Option<Bitmap>> = Vec::with_capacity(job.inputs.len());
        for input in job.inputs {
            match input {
                JobInput::Rows { dataset, phenotype, grant } => {
                    let dataset = app.load_blocking::<Dataset>(&dataset)?.message;
                    let phenotype = app.load_blocking::<Phenotype>(&phenotype)?.message;
                    let terms = app.load_blocking::<GrantTerms>(&grant)?.message;
                    expires = expires.min(terms.expires);
                    people = people.saturating_add(phenotype.participating.count());
                    absent.push(dataset.absent.clone());
                    let key = terms.switching_key.digest;
                    inputs.push(Input::Rows(Box::new(rows(app, &study, dataset, phenotype, key)?)));
                }
                JobInput::Totals { totals } => {
                    let totals = app.load_blocking::<Totals>(&totals)?.message;
                    people = people.saturating_add(totals.people);
                    absent.push(totals.absent.clone());
                    inputs.push(Input::Totals(totals));
                }
            }
        }
        let absent: Vec<Option<&Bitmap>> = absent.iter().map(Option::as_ref).collect();
        Ok(Self {
            id: *id,
            expires,
            people,
            presence: Presence::new(study.variants, &absent),
            ring: Ring::new(study.plan.params()),
            study_id: job.study,
            study,
            inputs,
            engine: Engine::detect(),
            app: Arc::clone(app),
            key: Mutex::default(),
        })
    }

    /// The blocks: `(plane of the study, group)` of every unit, planes outermost, then the totals.
    pub fn blocks(&self) -> impl Iterator<Item = (u8, u32)> + use<'_> {
        let shape = self.study.shape();
        let units = (0..shape.planes).flat_map(move |p| (0..shape.groups()).map(move |g| (p, g)));
        let totals = totals_groups(shape.params, self.presence.patterns());
        units.chain((0..totals).map(|g| (JobResult::TOTALS_PLANE, g)))
    }

    /// Whether the sums over all rows that take part are results.
    pub(super) fn has_plain_sums(&self) -> bool {
        self.study.participation == Participation::Public
    }

    /// A switching key, read anew unless it was the last one.
    pub(super) fn key(&self, digest: &Digest) -> Result<Arc<SwitchingKey>, BlockError> {
        let mut last = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, key)) = &*last
            && known == digest
        {
            return Ok(Arc::clone(key));
        }
        *last = None; // frees its memory before the next is read
        let bytes = self.object(digest, Kind::SwitchingKey)?;
        let key = SwitchingKey::from_bytes(&bytes, self.ring.params(), self.study_id);
        let key = Arc::new(key.map_err(ApiError::from)?);
        *last = Some((*digest, Arc::clone(&key)));
        Ok(key)
    }

    /// The bytes of a stored object of polynomials, verified.
    pub(super) fn object(&self, digest: &Digest, kind: Kind) -> Result<Vec<u8>, BlockError> {
        let (app, params) = (&self.app, self.ring.params());
        app.verified.open(app.store.as_ref(), digest, || Residues::of_polynomials(params))?;
        let limit = kind.limit() + HEADER_LEN as u64;
        Ok(read_all(app.store.as_ref(), Class::Chunk, digest, limit)?)
    }
}

fn rows(
    app: &Arc<App>,
    study: &Study,
    dataset: Dataset,
    phenotype: Phenotype,
    key: Digest,
) -> Result<Rows, BlockError> {
    let plane =
        |kind| dataset.planes.iter().position(|p| p == kind).and_then(|p| u8::try_from(p).ok());
    let planes: Option<Vec<u8>> = study.planes.iter().map(plane).collect();
    let planes = planes
        .ok_or_else(|| BlockError::Failed("the dataset lacks a plane of the study".to_owned()))?;
    let (shape, weight_shape) = (dataset.shape(), phenotype.shape());
    let chunks =
        |shape: Shape, chunks: Vec<ChunkRef>| StoredChunks::new(Arc::clone(app), shape, chunks);
    let taking_part = |row: &u32| phenotype.participating.contains(*row);
    Ok(Rows {
        shape,
        mask_seed: dataset.mask_seed,
        planes,
        weight_shape,
        weight_seed: phenotype.mask_seed,
        rows: (0..phenotype.rows).filter(taking_part).collect(),
        genotypes: chunks(shape, dataset.chunks),
        weights: chunks(weight_shape, phenotype.chunks),
        key,
    })
}
