//! The thread that works through the queue.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gwas::wire::status::JobState;
use gwas::wire::{ChunkRef, Finished, JobResult, UnitResult};
use he_core::Digest;
use he_core::codec::{Header, encode};
use rayon::ThreadPool;
use tokio::runtime::Handle;

use super::finish::{self, Finishing};
use super::{BlockError, Work, run_block};
use crate::app::App;
use crate::error::ApiError;
use crate::index::{FinishedUnit, StoredObject};
use crate::release;
use crate::store::{Class, write_all};

/// How long to wait after the index failed.
const PAUSE: Duration = Duration::from_secs(1);

/// How a job's turn ended.
enum Turn {
    /// The result is stored.
    Computed,
    /// Somebody ended the job.
    Ended,
    /// The grant expired.
    Expired,
    /// The server is stopping; the job goes on at its next start.
    Stopping,
}

/// The thread of the jobs.
pub struct Runner {
    app: Arc<App>,
    pool: ThreadPool,
    runtime: Handle,
}

/// Starts the thread of the jobs, with `threads` threads to compute (0: one for each core).
///
/// # Errors
/// When a thread can't be started.
pub fn start(app: Arc<App>, threads: usize) -> std::io::Result<JoinHandle<()>> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|number| format!("compute-{number}"))
        .build()
        .map_err(std::io::Error::other)?;
    let runner = Runner { app, pool, runtime: Handle::current() };
    std::thread::Builder::new().name("jobs".to_owned()).spawn(move || runner.run())
}

impl Runner {
    /// Works until the server stops.
    fn run(&self) {
        let mut stopping = self.app.stopping.subscribe();
        while !self.app.is_stopping() {
            let next = self.runtime.block_on(self.app.index.next_job());
            match next {
                Ok(Some(id)) => {
                    if let Err(error) = self.turn(&id) {
                        tracing::error!(%error, job = %id, "the state of a job could not be recorded");
                        std::thread::sleep(PAUSE);
                    }
                }
                Ok(None) => self.runtime.block_on(async {
                    tokio::select! {
                        () = self.app.jobs.arrived.notified() => {}
                        _ = stopping.wait_for(|stop| *stop) => {}
                    }
                }),
                Err(error) => {
                    tracing::error!(%error, "the queue of jobs could not be read");
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Computes a job, and records how it ended.
    fn turn(&self, id: &Digest) -> Result<(), ApiError> {
        let app = &self.app;
        let status = self.runtime.block_on(app.index.job(id))?;
        let finishing = status.is_some_and(|status| status.state == JobState::Finishing);
        let begun = [JobState::Authorized, JobState::Running];
        let started = finishing
            || self.runtime.block_on(app.index.transition(id, &begun, JobState::Running, None))?;
        if !started {
            return Ok(());
        }
        tracing::info!(job = %id, finishing, "job begins");
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if finishing { self.finish(id) } else { self.compute(id) }
        }));
        // A panic's text may hold anything, so it is not recorded.
        let outcome = outcome.unwrap_or_else(|_| {
            Err(BlockError::Failed("the server failed while computing".into()))
        });
        self.runtime.block_on(async {
            match outcome {
                Ok(Turn::Computed) => {
                    tracing::info!(job = %id, "job computed");
                    app.metrics.job(JobState::Computed);
                    // Where it is computed again after a failure, shares may be there already.
                    release::advance(app, id).await
                }
                Ok(Turn::Ended | Turn::Stopping) => Ok(()),
                Ok(Turn::Expired) => {
                    let why = Some("the grant expired; its owner may grant again");
                    app.jobs.end(app, id, JobState::Revoked, why).await.map(drop)
                }
                Err(error) => {
                    if let BlockError::Damaged(damaged) = &error {
                        app.index.mark_damaged(&damaged.digest).await?;
                    }
                    let text = error.to_string();
                    tracing::warn!(job = %id, error = text, "job failed");
                    let from = [JobState::Running, JobState::Finishing];
                    if app.index.transition(id, &from, JobState::Failed, Some(&text)).await? {
                        app.metrics.job(JobState::Failed);
                    }
                    app.jobs.publish(app, id).await
                }
            }
        })
    }

    fn compute(&self, id: &Digest) -> Result<Turn, BlockError> {
        let app = &self.app;
        let status = self.runtime.block_on(app.index.job(id)).map_err(ApiError::from)?;
        let Some(status) = status else {
            return Ok(Turn::Ended);
        };
        let (_watched, stop) = app.jobs.enter(*id, status);
        let work = Work::load(app, id)?;
        let finished = self.finished(id)?;
        for block in work.blocks() {
            if let Some(turn) = self.interrupted(&work, &stop) {
                return Ok(turn);
            }
            if !finished.contains_key(&block) && !self.block(&work, block)? {
                return Ok(Turn::Ended);
            }
            self.runtime.block_on(app.jobs.publish(app, id))?;
        }
        match self.interrupted(&work, &stop) {
            Some(turn) => Ok(turn),
            None => self.result(&work),
        }
    }

    /// Finishes a job's statistic on ciphertexts.
    fn finish(&self, id: &Digest) -> Result<Turn, BlockError> {
        let app = &self.app;
        let status = self.runtime.block_on(app.index.job(id)).map_err(ApiError::from)?;
        let Some(status) = status else {
            return Ok(Turn::Ended);
        };
        let (_watched, stop) = app.jobs.enter(*id, status.clone());
        let work = Work::load(app, id)?;
        let name = status.result.ok_or(ApiError::NotFound("result"))?;
        let result = finish::result_of(app, &name)?;
        let refreshes = self.runtime.block_on(finish::refreshes(app, &work.study, &status))?;
        let finishing = self.pool.install(|| Finishing::load(app, &work, &result, refreshes))?;
        let finished = self.finished(id)?;
        for batch in 0..finishing.batches() {
            if stop.load(Ordering::Relaxed) {
                return Ok(Turn::Ended);
            }
            if app.is_stopping() {
                return Ok(Turn::Stopping);
            }
            let block = (JobResult::VALUES_PLANE, batch);
            if !finished.contains_key(&block)
                && !self.stored(&work, block, || finishing.batch(batch))?
            {
                return Ok(Turn::Ended);
            }
            self.runtime.block_on(app.jobs.publish(app, id))?;
        }
        self.values(&work, name)
    }

    /// Writes and records the manifest of a finished statistic.
    fn values(&self, work: &Work, result: Digest) -> Result<Turn, BlockError> {
        let app = &self.app;
        let units = self.runtime.block_on(app.index.units(&work.id)).map_err(ApiError::from)?;
        let values = units.into_iter().filter(|unit| unit.plane == JobResult::VALUES_PLANE);
        let values = values.map(|unit| unit.object).collect();
        let bytes = encode(&Finished { job: work.id, result, values }).map_err(ApiError::from)?;
        let object = message_object(&bytes)?;
        // A sole holder has nothing more to send.
        let to = if work.study.is_shared() { JobState::Releasing } else { JobState::Computed };
        self.runtime.block_on(async {
            let _shared = app.erasing.read().await;
            write_all(app.store.as_ref(), Class::Chunk, &object.digest, &bytes)?;
            let done = app.index.finish_values(&work.id, &object, to, app.limits.quota).await;
            self.keep_if_known(&object.digest).await?;
            if !done.map_err(ApiError::from)? {
                return Ok(Turn::Ended);
            }
            release::note_computed(app, &work.id).await?;
            Ok(Turn::Computed)
        })
    }

    /// Whether something forbids the next block.
    fn interrupted(&self, work: &Work, stop: &AtomicBool) -> Option<Turn> {
        if stop.load(Ordering::Relaxed) {
            Some(Turn::Ended)
        } else if self.app.now() >= work.expires {
            Some(Turn::Expired)
        } else {
            self.app.is_stopping().then_some(Turn::Stopping)
        }
    }

    /// The blocks whose results are recorded and there.
    fn finished(&self, id: &Digest) -> Result<HashMap<(u8, u32), ChunkRef>, BlockError> {
        let units = self.runtime.block_on(self.app.index.units(id)).map_err(ApiError::from)?;
        let there = |unit: &FinishedUnit| {
            let object = self.app.store.open(Class::Chunk, &unit.object.digest);
            object.and_then(|o| o.version()).is_ok_and(|v| v.length == unit.object.length)
        };
        let units = units.into_iter().filter(there);
        Ok(units.map(|u| ((u.plane, u.group), u.object)).collect())
    }

    /// Computes, stores and records a block; `false` if the job was ended meanwhile.
    fn block(&self, work: &Work, block: (u8, u32)) -> Result<bool, BlockError> {
        self.stored(work, block, || run_block(work, block))
    }

    fn stored(
        &self,
        work: &Work,
        block: (u8, u32),
        compute: impl FnOnce() -> Result<(Header, Vec<u8>), BlockError> + Send,
    ) -> Result<bool, BlockError> {
        let start = Instant::now();
        let (header, bytes) = self.pool.install(compute)?;
        let seconds = start.elapsed().as_secs_f64();
        let object = ChunkRef { digest: Digest::of(&bytes), length: bytes.len() as u64 };
        let unit = FinishedUnit { plane: block.0, group: block.1, object };
        let recorded = self.runtime.block_on(self.record(work, &unit, header, bytes, seconds))?;
        self.app.metrics.block(seconds);
        Ok(recorded)
    }

    async fn record(
        &self,
        work: &Work,
        unit: &FinishedUnit,
        header: Header,
        bytes: Vec<u8>,
        seconds: f64,
    ) -> Result<bool, ApiError> {
        let app = &self.app;
        let _shared = app.erasing.read().await;
        write_all(app.store.as_ref(), Class::Chunk, &unit.object.digest, &bytes)?;
        let quota = app.limits.quota;
        let recorded = app.index.finish_unit(&work.id, unit, &header, seconds, quota).await;
        self.keep_if_known(&unit.object.digest).await?;
        Ok(recorded?)
    }

    /// Deletes an object that was written but not recorded.
    async fn keep_if_known(&self, digest: &Digest) -> Result<(), ApiError> {
        if !self.app.index.knows(digest).await? {
            self.app.store.delete(Class::Chunk, digest)?;
        }
        Ok(())
    }

    /// Writes and records the manifest of the results.
    fn result(&self, work: &Work) -> Result<Turn, BlockError> {
        let units =
            self.runtime.block_on(self.app.index.units(&work.id)).map_err(ApiError::from)?;
        let (totals, units): (Vec<_>, Vec<_>) = units
            .into_iter()
            .filter(|unit| unit.plane != JobResult::VALUES_PLANE)
            .partition(|unit| unit.plane == JobResult::TOTALS_PLANE);
        let result = JobResult {
            job: work.id,
            people: work.people,
            units: units
                .into_iter()
                .map(|u| UnitResult { plane: u.plane, group: u.group, chunk: u.object })
                .collect(),
            totals: totals.into_iter().map(|unit| unit.object).collect(),
        };
        let bytes = encode(&result).map_err(ApiError::from)?;
        let object = message_object(&bytes)?;
        self.runtime.block_on(async {
            let app = &self.app;
            let _shared = app.erasing.read().await;
            write_all(app.store.as_ref(), Class::Chunk, &object.digest, &bytes)?;
            let done = app.index.finish_job(&work.id, &object, app.limits.quota).await;
            self.keep_if_known(&object.digest).await?;
            if !done.map_err(ApiError::from)? {
                return Ok(Turn::Ended);
            }
            release::note_computed(app, &work.id).await?;
            Ok(Turn::Computed)
        })
    }
}

/// The stored object of a message.
fn message_object(bytes: &[u8]) -> Result<StoredObject, BlockError> {
    Ok(StoredObject {
        digest: Digest::of(bytes),
        class: Class::Chunk,
        bytes: bytes.len() as u64,
        header: Some(Header::parse(bytes).map_err(ApiError::from)?),
        variants: 0,
    })
}
