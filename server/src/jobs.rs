//! Jobs: a queue in the index, one thread that works through it, and channels that tell how far it is.
//!
//! The thread takes the oldest job and computes unit after unit on a pool of its own ([`run_block`]); each
//! result is stored and recorded before the next unit begins. Killed at any moment, the server finds at its next start which
//! units are recorded and goes on with the others: sums are exact, so the bytes are the same.

mod block;
mod error;
mod finish;
mod runner;
mod source;
mod work;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gwas::wire::status::{JobState, JobStatus};
use he_core::Digest;
use tokio::sync::{Notify, watch};

use crate::app::App;
use crate::error::ApiError;

pub use block::run_block;
pub use error::BlockError;
pub use finish::Finishing;
pub use runner::{Runner, start};
pub use source::StoredChunks;
pub use work::{Work, totals_groups};

/// States from which [`Jobs::end`] ends a job: it has no result.
pub const ENDED_FROM: [JobState; 4] =
    [JobState::Draft, JobState::Authorized, JobState::Running, JobState::Failed];

/// Handles to the jobs of this process.
#[derive(Default)]
pub struct Jobs {
    live: Mutex<HashMap<Digest, Live>>,
    arrived: Notify,
}

/// An unfinished job that somebody watches or that is being computed.
struct Live {
    status: watch::Sender<JobStatus>,
    stop: Arc<AtomicBool>,
}

impl Jobs {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Live>> {
        // Valid after every step, so a panic elsewhere does not matter.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a job may have been queued.
    ///
    /// # Errors
    /// Those of the index.
    pub async fn wake(&self, app: &App, id: &Digest) -> Result<(), ApiError> {
        self.publish(app, id).await?;
        self.arrived.notify_one();
        Ok(())
    }

    /// A channel that holds the job's status.
    ///
    /// # Errors
    /// When there is no such job; those of the index.
    pub async fn watch(
        &self,
        app: &App,
        id: &Digest,
    ) -> Result<watch::Receiver<JobStatus>, ApiError> {
        let status = app.index.job(id).await?.ok_or(ApiError::NotFound("job"))?;
        if status.state.is_final() {
            return Ok(watch::channel(status).1);
        }
        let receiver = self.enter(*id, status).0;
        // It may have ended between the look into the index and the entry here.
        self.publish(app, id).await?;
        Ok(receiver)
    }

    /// The job's entry, made if there is none.
    fn enter(
        &self,
        id: Digest,
        status: JobStatus,
    ) -> (watch::Receiver<JobStatus>, Arc<AtomicBool>) {
        let mut live = self.lock();
        let entry = live
            .entry(id)
            .or_insert_with(|| Live { status: watch::Sender::new(status), stop: Arc::default() });
        (entry.status.subscribe(), Arc::clone(&entry.stop))
    }

    /// Tells those who watch what the index says. After a final state nobody is told anything more.
    ///
    /// # Errors
    /// Those of the index.
    pub async fn publish(&self, app: &App, id: &Digest) -> Result<(), ApiError> {
        let status = app.index.job(id).await?;
        let mut live = self.lock();
        match status {
            Some(status) if !status.state.is_final() => {
                if let Some(entry) = live.get(id) {
                    entry.status.send_replace(status);
                }
            }
            Some(status) => {
                if let Some(entry) = live.remove(id) {
                    entry.status.send_replace(status);
                }
            }
            None => drop(live.remove(id)),
        }
        Ok(())
    }

    /// Ends a job that has no result: as cancelled or revoked. Its finished units are erased. Tells whether it did.
    ///
    /// # Errors
    /// Those of index and store.
    pub async fn end(
        &self,
        app: &Arc<App>,
        id: &Digest,
        to: JobState,
        error: Option<&str>,
    ) -> Result<bool, ApiError> {
        if !app.index.transition(id, &ENDED_FROM, to, error).await? {
            return Ok(false);
        }
        if let Some(entry) = self.lock().get(id) {
            entry.stop.store(true, Ordering::Relaxed);
        }
        let _exclusive = app.erasing.write().await;
        let orphans = app.index.drop_units(id).await?;
        app.delete(&orphans).await?;
        app.metrics.job(to);
        self.publish(app, id).await?;
        Ok(true)
    }
}
