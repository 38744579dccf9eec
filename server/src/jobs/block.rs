//! The one idempotent function that does the work: `run_block(job, number)`.

use std::io;
use std::sync::Arc;

use gwas::wire::{Dataset, GrantTerms, Job, JobInput, JobResult, Phenotype, Study};
use he_core::arith::Ring;
use he_core::codec::{HEADER_LEN, Header, Kind};
use he_core::grant::SwitchingKey;
use he_core::kernel::Engine;
use he_core::layout::{Shape, Unit};
use he_core::mask::MaskSeed;
use he_core::sum::{UnitInput, WeightInput, sum_totals, sum_unit};
use he_core::{Digest, Plan};

use super::StoredChunks;
use crate::app::App;
use crate::check::Residues;
use crate::error::ApiError;
use crate::store::{Class, Damaged, read_all};

/// Why a block could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// A stored object is damaged.
    #[error("{0}; then send the job again")]
    Damaged(#[from] Damaged),
    /// The disk is full.
    #[error(
        "the server has no space left for results; when its operator has added some, send the job again"
    )]
    Full,
    /// The owner's quota is used up.
    #[error(
        "the results exceed the quota of who asked for the job; delete what is no longer needed, then send the job again"
    )]
    Quota,
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl From<io::Error> for BlockError {
    fn from(error: io::Error) -> Self {
        ApiError::from(error).into()
    }
}

impl From<ApiError> for BlockError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Damaged(damaged) => Self::Damaged(damaged),
            ApiError::Full => Self::Full,
            ApiError::Quota { .. } => Self::Quota,
            // Details are for the log; the status of a job is read by several parties.
            ApiError::Internal(detail) => {
                tracing::error!(detail, "a job failed");
                Self::Failed(
                    "the server failed; tell its operator the digest of the job".to_owned(),
                )
            }
            other => Self::Failed(other.to_string()),
        }
    }
}

/// Everything that a job's blocks need, loaded once.
pub struct Work {
    /// The job.
    pub id: Digest,
    /// When its grant ends, in seconds since 1970.
    pub expires: u64,
    /// Rows that take part.
    pub people: u32,
    plan: Plan,
    /// Number in the dataset of each of the study's planes.
    planes: Vec<u8>,
    shape: Shape,
    mask_seed: MaskSeed,
    genotypes: StoredChunks,
    weight_shape: Shape,
    weight_seed: MaskSeed,
    weights: StoredChunks,
    rows: Vec<u32>,
    key: SwitchingKey,
    ring: Ring,
    engine: Engine,
}

impl Work {
    /// Loads a job's inputs.
    ///
    /// # Errors
    /// When one is missing or damaged.
    pub fn load(app: &Arc<App>, id: &Digest) -> Result<Self, BlockError> {
        let job = app.load_blocking::<Job>(id)?.message;
        let input = job.inputs.first().copied();
        let JobInput { dataset, phenotype, grant } =
            input.ok_or_else(|| BlockError::Failed("the job has no input".to_owned()))?;
        let study = app.load_blocking::<Study>(&job.study)?.message;
        let dataset = app.load_blocking::<Dataset>(&dataset)?.message;
        let phenotype = app.load_blocking::<Phenotype>(&phenotype)?.message;
        let terms = app.load_blocking::<GrantTerms>(&grant)?.message;

        let params = study.plan.params();
        let key = terms.switching_key.digest;
        app.verified.open(app.store.as_ref(), &key, || Residues::of_polynomials(params))?;
        let limit = Kind::SwitchingKey.limit() + HEADER_LEN as u64;
        let bytes = read_all(app.store.as_ref(), Class::Chunk, &key, limit)?;
        let key = SwitchingKey::from_bytes(&bytes, params, job.study).map_err(ApiError::from)?;

        let plane =
            |kind| dataset.planes.iter().position(|p| p == kind).and_then(|p| u8::try_from(p).ok());
        let planes: Option<Vec<u8>> = study.planes.iter().map(plane).collect();
        let planes = planes.ok_or_else(|| {
            BlockError::Failed("the dataset lacks a plane of the study".to_owned())
        })?;
        let (shape, weight_shape) = (dataset.shape(), phenotype.shape());
        let taking_part = |row: &u32| phenotype.participating.contains(*row);
        Ok(Self {
            id: *id,
            expires: terms.expires,
            people: phenotype.participating.count(),
            plan: study.plan,
            planes,
            shape,
            mask_seed: dataset.mask_seed,
            genotypes: StoredChunks::new(Arc::clone(app), shape, dataset.chunks),
            weight_shape,
            weight_seed: phenotype.mask_seed,
            rows: (0..phenotype.rows).filter(taking_part).collect(),
            weights: StoredChunks::new(Arc::clone(app), weight_shape, phenotype.chunks),
            key,
            ring: Ring::new(params),
            engine: Engine::detect(),
        })
    }

    /// The blocks: `(plane of the study, group)` of every unit, planes outermost, then the totals.
    pub fn blocks(&self) -> impl Iterator<Item = (u8, u32)> + use<'_> {
        let groups = self.shape.groups();
        let units =
            (0u8..).zip(&self.planes).flat_map(move |(p, _)| (0..groups).map(move |g| (p, g)));
        units.chain([(JobResult::TOTALS_PLANE, 0)])
    }
}

/// Computes one block of a job: the bytes of a result unit, with their header. Deterministic. Called on the pool of the
/// jobs, whose threads it uses.
///
/// # Errors
/// When an input is damaged.
pub fn run_block(work: &Work, (plane, group): (u8, u32)) -> Result<(Header, Vec<u8>), BlockError> {
    let weights = WeightInput {
        shape: work.weight_shape,
        mask_seed: work.weight_seed,
        source: &work.weights,
    };
    let switched = if plane == JobResult::TOTALS_PLANE {
        let sums = sum_totals(work.engine, &weights, &work.rows)?;
        work.key.switch_totals(work.engine, &work.ring, &work.plan, &sums)
    } else {
        let stored = work.planes.get(usize::from(plane)).copied();
        let stored = stored.ok_or_else(|| BlockError::Failed("no such block".to_owned()))?;
        let sums = sum_unit(
            work.engine,
            &UnitInput {
                shape: work.shape,
                mask_seed: work.mask_seed,
                source: &work.genotypes,
                unit: Unit { plane: stored, group },
                weights,
                rows: &work.rows,
            },
        )?;
        work.key.switch_unit(work.engine, &work.ring, &work.plan, &sums)
    };
    let bytes = switched.to_bytes(work.id.short(), plane, group);
    let header = Header::parse(&bytes).map_err(ApiError::from)?;
    Ok((header, bytes))
}
