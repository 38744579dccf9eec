//! Finishing a job's statistic on ciphertexts, batch by batch.

use std::sync::Arc;

use gwas::finish::{Evaluation, Inputs};
use gwas::wire::status::JobStatus;
use gwas::wire::{ChunkRef, JobResult, Refresh, SharePhase, Study};
use he_core::Digest;
use he_core::codec::{HEADER_LEN, Header, Kind, decode};

use super::{BlockError, Work};
use crate::accept::revealed;
use crate::app::App;
use crate::check::Residues;
use crate::error::ApiError;
use crate::index::Slot;
use crate::store::{Class, read_all};

/// What the parts of a finished statistic come from. Memory: the finishing keys, one batch, and the masked sums of one unit.
pub struct Finishing<'a> {
    app: &'a Arc<App>,
    job: Digest,
    evaluation: Evaluation<'a>,
}

/// What the holders revealed of a job.
///
/// # Errors
/// Those of index and store.
pub(super) async fn refreshes(
    app: &Arc<App>,
    study: &Study,
    status: &JobStatus,
) -> Result<Vec<Refresh>, ApiError> {
    let said = app.index.once(&status.job, Slot::Shares(SharePhase::Refresh)).await?;
    let result = status.result.ok_or(ApiError::NotFound("result"))?;
    let mut refreshes = Vec::with_capacity(said.len());
    for holder in &study.key_holders {
        let found = said.iter().find(|(party, _)| party == holder);
        let (_, name) = found.ok_or(ApiError::NotFound("refresh"))?;
        refreshes.push(revealed(app, study, (&status.job, &result), holder, name).await?);
    }
    Ok(refreshes)
}

impl<'a> Finishing<'a> {
    /// Reads the keys.
    ///
    /// # Errors
    /// When something is missing, damaged or does not fit together.
    pub fn load(
        app: &'a Arc<App>,
        work: &'a Work,
        result: &'a JobResult,
        refreshes: Vec<Refresh>,
    ) -> Result<Self, BlockError> {
        let inputs = Inputs {
            study_id: work.study_id,
            study: &work.study,
            result,
            presence: work.presence.clone(),
            refreshes,
        };
        let evaluation = Evaluation::new(inputs, &|chunk: &ChunkRef| object(app, chunk))?;
        Ok(Self { app, job: work.id, evaluation })
    }

    /// Number of batches.
    pub fn batches(&self) -> u32 {
        self.evaluation.plan().batches()
    }

    /// Computes a batch: the bytes of its result, with their header. Deterministic. Called on the pool of the jobs.
    ///
    /// # Errors
    /// When an object is damaged, or shares do not add up to masked sums.
    pub fn batch(&self, batch: u32) -> Result<(Header, Vec<u8>), BlockError> {
        let value = self.evaluation.batch(batch, &|chunk: &ChunkRef| object(self.app, chunk))?;
        let bytes = value.to_bytes(&self.job, batch);
        let header = Header::parse(&bytes).map_err(ApiError::from)?;
        Ok((header, bytes))
    }
}

/// A stored result manifest, for threads that may block.
pub(super) fn result_of(app: &App, digest: &Digest) -> Result<JobResult, BlockError> {
    let bytes = bytes_of(app, digest, Kind::JobResult.limit())?;
    Ok(decode(&bytes).map_err(ApiError::from)?)
}

fn object(app: &App, chunk: &ChunkRef) -> Result<Vec<u8>, BlockError> {
    bytes_of(app, &chunk.digest, Kind::Reveal.limit())
}

/// Bytes that have been found to have that digest; what they are is checked by who reads them.
fn bytes_of(app: &App, digest: &Digest, limit: u64) -> Result<Vec<u8>, BlockError> {
    app.verified.open(app.store.as_ref(), digest, Residues::unchecked)?;
    Ok(read_all(app.store.as_ref(), Class::Chunk, digest, limit + HEADER_LEN as u64)?)
}
