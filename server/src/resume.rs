//! What an earlier process may have left undone, and what time undoes.

use std::sync::Arc;
use std::time::Duration;

use gwas::wire::log::Event;
use gwas::wire::status::JobState;
use he_core::Digest;
use he_core::codec::Kind;

use crate::app::App;
use crate::error::ApiError;
pub use crate::http::end_grants;
use crate::index::Slot;
use crate::release;

/// How often grants are looked through for those that have ended.
const SWEEP: Duration = Duration::from_secs(30);

/// Brings logs and states up to what is stored: a process may have ended between storing something and writing that down.
/// A study of which something is damaged is reported and left as it is; everything else of the server goes on.
///
/// # Errors
/// Those of the index.
pub async fn resume(app: &Arc<App>) -> Result<(), ApiError> {
    for study in app.index.all(Kind::Study).await? {
        if let Err(error) = catch_up(app, &study).await {
            tracing::error!(%error, ?error, study = %study, "a study could not be brought up to date");
        }
    }
    Ok(())
}

async fn catch_up(app: &Arc<App>, study: &Digest) -> Result<(), ApiError> {
    release::note_manifest(app, Kind::Study, study).await?;
    for (_, commitment) in app.index.once(study, Slot::Key).await? {
        release::note_manifest(app, Kind::KeyCommitment, &commitment).await?;
    }
    for key in app.index.keys(study).await? {
        app.note(study, &key.party, Event::Revealed, vec![key.chunk]).await?;
    }
    for kind in [Kind::Grant, Kind::Totals, Kind::Job] {
        for id in app.index.linked(study, kind).await? {
            release::note_manifest(app, kind, &id).await?;
        }
    }
    for job in app.index.study_jobs(study).await? {
        let done = [JobState::Computed, JobState::Releasing, JobState::Released];
        if !done.contains(&job.state) {
            continue;
        }
        release::note_computed(app, &job.job).await?;
        for kind in [Kind::ShareCommitment, Kind::Shares] {
            for id in app.index.linked(&job.job, kind).await? {
                release::note_manifest(app, kind, &id).await?;
            }
        }
        release::advance(app, &job.job).await?;
    }
    Ok(())
}

/// Ends grants when their time is over, until the server stops: the switching key is deleted as by a withdrawal.
pub(crate) async fn sweep(app: Arc<App>) {
    let mut stopping = app.stopping.subscribe();
    loop {
        if let Err(error) = end_grants(&app).await {
            tracing::error!(%error, "grants that have ended could not be removed");
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}
