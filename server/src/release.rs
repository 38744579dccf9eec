//! How far studies and jobs have come: what each party has to do next, what follows from what it did, and what the log says.

use std::sync::Arc;

use gwas::wire::log::Event;
use gwas::wire::status::{
    Action, GrantStatus, JobState, JobStatus, Listed, ShareStatus, StudyPhase, StudyStatus, Todo,
};
use gwas::wire::{Did, GrantTerms, Opened, SharePhase, Study, Totals};
use he_core::Digest;
use he_core::codec::Kind;

use crate::accept::unsigned_by;
use crate::app::App;
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::index::Slot;

/// The two steps of a phase in which a job is released, in their order.
fn steps(phase: SharePhase) -> [(Slot, Action); 2] {
    let (commit, share) = match phase {
        SharePhase::Totals => (Action::CommitTotals, Action::ShareTotals),
        SharePhase::Sums => (Action::CommitSums, Action::ShareSums),
        SharePhase::Refresh => (Action::CommitRefresh, Action::ShareRefresh),
        SharePhase::Values => (Action::CommitValues, Action::ShareValues),
    };
    [(Slot::Commitment(phase), commit), (Slot::Shares(phase), share)]
}

/// Where a study stands.
///
/// # Errors
/// Those of index and store.
pub async fn study_status(app: &Arc<App>, id: &Digest) -> Result<StudyStatus, ApiError> {
    let opened = app.load::<Study>(id).await?;
    let jobs = app.index.study_jobs(id).await?;
    let (phase, parties, action) = ceremony(app, &opened).await?;
    let study = &opened.message;
    let mut todo: Vec<Todo> =
        parties.into_iter().map(|party| Todo { party, action, job: None }).collect();
    let (grants, totals) = (grants(app, id).await?, totals(app, id).await?);
    if phase == StudyPhase::Ready {
        let contributed = |owner: &&Did| {
            grants.iter().any(|g| g.party == **owner) || totals.iter().any(|t| t.owner == **owner)
        };
        let waiting = study.data_owners.iter().filter(|owner| !contributed(owner));
        todo.extend(waiting.map(|party| Todo {
            party: *party,
            action: Action::Contribute,
            job: None,
        }));
    }
    for job in &jobs {
        todo.extend(job_todo(app, study, job).await?);
    }
    Ok(StudyStatus { study: *id, phase, todo, grants, totals, jobs })
}

/// How far the making of the key has come, and whose turn it is.
async fn ceremony(
    app: &App,
    opened: &Opened<Study>,
) -> Result<(StudyPhase, Vec<Did>, Action), ApiError> {
    let unsigned = unsigned_by(opened);
    if !unsigned.is_empty() {
        return Ok((StudyPhase::Signing, unsigned, Action::Sign));
    }
    let committed = app.index.once(&opened.id, Slot::Key).await?;
    let committed: Vec<Did> = committed.into_iter().map(|(party, _)| party).collect();
    let missing = others(&opened.message.key_holders, &committed);
    if !missing.is_empty() {
        return Ok((StudyPhase::Committing, missing, Action::Commit));
    }
    let revealed: Vec<Did> = app.index.keys(&opened.id).await?.iter().map(|k| k.party).collect();
    let missing = others(&opened.message.key_holders, &revealed);
    if !missing.is_empty() {
        return Ok((StudyPhase::Revealing, missing, Action::Reveal));
    }
    Ok((StudyPhase::Ready, Vec::new(), Action::Contribute))
}

/// Those of `all` who are not among `some`.
fn others(all: &[Did], some: &[Did]) -> Vec<Did> {
    all.iter().filter(|party| !some.contains(party)).copied().collect()
}

async fn grants(app: &Arc<App>, study: &Digest) -> Result<Vec<GrantStatus>, ApiError> {
    let mut grants = Vec::new();
    for grant in app.index.linked(study, Kind::Grant).await? {
        let opened = app.load::<GrantTerms>(&grant).await?;
        let GrantTerms { dataset, expires, .. } = opened.message;
        if let (Some(party), true) = (opened.signers.first(), app.now() < expires) {
            grants.push(GrantStatus { grant, party: *party, dataset, expires });
        }
    }
    Ok(grants)
}

async fn totals(app: &App, study: &Digest) -> Result<Vec<Listed>, ApiError> {
    let mut totals = Vec::new();
    for id in app.index.linked(study, Kind::Totals).await? {
        if let Some(row) = app.index.manifest(&id).await? {
            let created = rfc3339(row.received);
            totals.push(Listed { id, owner: row.owner, name: row.name, created, bytes: row.bytes });
        }
    }
    Ok(totals)
}

/// Whose turn it is in the release of a job: nobody's before it is computed, after it is released, while it is finished, and
/// where one party holds the key alone and nothing is finished.
async fn job_todo(app: &App, study: &Study, job: &JobStatus) -> Result<Vec<Todo>, ApiError> {
    if !job.state.is_open() {
        return Ok(Vec::new());
    }
    for (slot, action) in study.phases().iter().flat_map(|phase| steps(*phase)) {
        let said = app.index.once(&job.job, slot).await?;
        let said: Vec<Did> = said.into_iter().map(|(party, _)| party).collect();
        let missing = others(&study.key_holders, &said);
        if !missing.is_empty() {
            let job = Some(job.job);
            return Ok(missing.into_iter().map(|party| Todo { party, action, job }).collect());
        }
    }
    Ok(Vec::new())
}

/// What holders have said about a job, holders outermost.
///
/// # Errors
/// Those of index and store.
pub async fn share_statuses(app: &Arc<App>, job: &JobStatus) -> Result<Vec<ShareStatus>, ApiError> {
    let study = app.load::<Study>(&job.study).await?.message;
    let mut statuses = Vec::new();
    for phase in study.phases().iter().copied() {
        let commitments = app.index.once(&job.job, Slot::Commitment(phase)).await?;
        let shares = app.index.once(&job.job, Slot::Shares(phase)).await?;
        let of = |said: &[(Did, Digest)], party: &Did| {
            said.iter().find(|(p, _)| p == party).map(|(_, name)| *name)
        };
        statuses.extend(study.key_holders.iter().map(|party| ShareStatus {
            party: *party,
            phase,
            commitment: of(&commitments, party),
            shares: of(&shares, party),
        }));
    }
    Ok(statuses)
}

/// Moves a job on after a commitment or shares came in: computed, releasing, finishing, released.
///
/// # Errors
/// Those of index, store and log.
pub async fn advance(app: &Arc<App>, id: &Digest) -> Result<(), ApiError> {
    let Some(job) = app.index.job(id).await? else { return Ok(()) };
    let study = app.load::<Study>(&job.study).await?.message;
    let from = JobState::OPEN;
    let complete = async |phase: SharePhase| {
        let shared = app.index.once(id, Slot::Shares(phase)).await?.len();
        Ok::<_, ApiError>(shared == study.key_holders.len())
    };
    let first = study.phases().first().copied();
    if let Some(first) = first.filter(|_| study.is_shared())
        && !app.index.once(id, Slot::Commitment(first)).await?.is_empty()
    {
        let from = [JobState::Computed];
        app.index.transition(id, &from, JobState::Releasing, None).await?;
    }
    if study.is_finished() && job.finished.is_none() && complete(SharePhase::Refresh).await? {
        app.index.transition(id, &from, JobState::Finishing, None).await?;
        return app.jobs.wake(app, id).await;
    }
    let last = study.phases().last().copied();
    if let Some(last) = last.filter(|_| study.is_shared())
        && complete(last).await?
    {
        if app.index.transition(id, &from, JobState::Released, None).await? {
            app.metrics.job(JobState::Released);
        }
        note_job(app, &job, Event::Released).await?;
    }
    app.jobs.publish(app, id).await
}

/// Whether a job of several key holders has a result of which none of them has committed to share more than the totals.
///
/// # Errors
/// Those of index and store.
pub async fn is_undecided(app: &Arc<App>, job: &JobStatus) -> Result<bool, ApiError> {
    let study = app.load::<Study>(&job.study).await?.message;
    if !job.state.is_open() || !study.is_shared() {
        return Ok(false);
    }
    for phase in study.phases().iter().filter(|phase| **phase != SharePhase::Totals) {
        if !app.index.once(&job.job, Slot::Commitment(*phase)).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Ends the release of a job: it does not count in the study's budget any more. Its result stays, and so does the limit on jobs
/// that differ from it by few rows: its totals may have been shared. Tells whether it did.
///
/// # Errors
/// Those of index and store.
pub async fn withdraw(app: &Arc<App>, job: &JobStatus) -> Result<bool, ApiError> {
    let done = is_undecided(app, job).await?
        && app.index.transition(&job.job, &JobState::OPEN, JobState::Cancelled, None).await?;
    if done {
        app.metrics.job(JobState::Cancelled);
        app.jobs.publish(app, &job.job).await?;
    }
    Ok(done)
}

/// Writes into the log that a job is computed.
///
/// # Errors
/// Those of index and log.
pub async fn note_computed(app: &Arc<App>, id: &Digest) -> Result<(), ApiError> {
    match app.index.job(id).await? {
        Some(job) => note_job(app, &job, Event::Computed).await,
        None => Ok(()),
    }
}

async fn note_job(app: &Arc<App>, job: &JobStatus, event: Event) -> Result<(), ApiError> {
    let Some(asker) = app.index.manifest(&job.job).await?.map(|row| row.owner) else {
        return Ok(());
    };
    let digests = std::iter::once(job.job).chain(job.result).chain(job.finished);
    app.note(&job.study, &asker, event, digests.collect()).await
}

/// Writes into the log of its study what a stored manifest is. Manifests that belong to no study are not written down before
/// they come into one: a dataset with its grant.
///
/// # Errors
/// Those of index, store and log.
pub async fn note_manifest(app: &Arc<App>, kind: Kind, id: &Digest) -> Result<(), ApiError> {
    let Some(row) = app.index.manifest(id).await? else { return Ok(()) };
    let party = row.owner;
    match kind {
        Kind::Study => {
            let opened = app.load::<Study>(id).await?;
            let log = opened.message.log(*id);
            // The coordinator signed first.
            let mut signers = opened.signers;
            signers.sort_by_key(|signer| *signer != party);
            for signer in signers {
                app.note_in(&log, &signer, Event::Signed, vec![*id]).await?;
            }
            Ok(())
        }
        Kind::KeyCommitment => {
            let study = app.load::<gwas::wire::KeyCommitment>(id).await?.message.study;
            app.note(&study, &party, Event::Committed, vec![*id]).await
        }
        Kind::Grant => {
            let GrantTerms { dataset, study, .. } = app.load::<GrantTerms>(id).await?.message;
            app.note(&study, &party, Event::Uploaded, vec![dataset]).await?;
            app.note(&study, &party, Event::Granted, vec![*id, dataset]).await
        }
        Kind::Totals => {
            let study = app.load::<Totals>(id).await?.message.study;
            app.note(&study, &party, Event::Uploaded, vec![*id]).await
        }
        Kind::Job => {
            let job = app.load::<gwas::wire::Job>(id).await?.message;
            for input in job.inputs {
                if let gwas::wire::JobInput::Rows { phenotype, .. } = input
                    && let Some(row) = app.index.manifest(&phenotype).await?
                {
                    app.note(&job.study, &row.owner, Event::Uploaded, vec![phenotype]).await?;
                }
            }
            app.note(&job.study, &party, Event::Submitted, vec![*id]).await
        }
        Kind::ShareCommitment => {
            let job = app.load::<gwas::wire::ShareCommitment>(id).await?.message.job;
            note_of_job(app, &job, &party, Event::ShareCommitted, *id).await
        }
        Kind::Shares => {
            let job = app.load::<gwas::wire::Shares>(id).await?.message.job;
            note_of_job(app, &job, &party, Event::Shared, *id).await
        }
        _ => Ok(()),
    }
}

async fn note_of_job(
    app: &Arc<App>,
    job: &Digest,
    party: &Did,
    event: Event,
    id: Digest,
) -> Result<(), ApiError> {
    match app.index.job(job).await? {
        Some(status) => app.note(&status.study, party, event, vec![id, *job]).await,
        None => Ok(()),
    }
}
