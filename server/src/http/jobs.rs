//! Jobs: asked for once, computed in the background.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use gwas::wire::Study;
use gwas::wire::status::{JobState, JobStatus};
use he_core::Digest;
use he_core::codec::{HEADER_LEN, Kind};

use super::erase::erase;
use super::extract::{Caller, Named, Signed};
use super::manifests::{self, envelope, owned, readable};
use super::{Answer, chunks, schema};
use crate::app::{App, blocking, uninterrupted};
use crate::error::ApiError;
use crate::index::Added;
use crate::jobs::ENDED_FROM;
use crate::records::Record;
use crate::release;
use crate::store::Class;

const LIMIT: u64 = (2 << 20) + HEADER_LEN as u64;
const WHAT: &str = "job";

/// Asks for a job. A job that failed is tried again where it stood.
#[utoipa::path(
    put, path = "/v1/jobs/{digest}", tag = "jobs", params(schema::Name),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "Envelope"),
    responses(
        (status = 201, description = "queued"), (status = 200, description = "already known"),
        schema::ManifestRefusals
    )
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Named(name): Named,
    Signed { caller, body, .. }: Signed<LIMIT>,
) -> Answer {
    let known = app.index.manifest(&name).await?;
    let added = match known.filter(|row| row.kind == Kind::Job && row.owner == caller) {
        Some(_) => Added::Already,
        None => manifests::accept(Arc::clone(&app), Kind::Job, name, caller, body).await?,
    };
    if added == Added::Already {
        app.index.transition(&name, &[JobState::Failed], JobState::Authorized, None).await?;
    }
    app.jobs.wake(&app, &name).await?;
    Ok(chunks::status(added).into_response())
}

/// The stored envelope.
#[utoipa::path(
    get, path = "/v1/jobs/{digest}", tag = "jobs", params(schema::Name),
    responses(
        (status = 200, description = "Envelope", content_type = "application/octet-stream", body = Vec<u8>),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
) -> Answer {
    envelope(app, Kind::Job, WHAT, caller, name).await
}

/// Erases a job and its result. An unfinished one is cancelled first.
#[utoipa::path(
    delete, path = "/v1/jobs/{digest}", tag = "jobs", params(schema::Name),
    responses(
        (status = 200, description = "erased", body = schema::Erased),
        (status = 409, description = "its result counts against the study's limits", body = schema::Problem, content_type = "application/problem+json"),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
) -> Answer {
    owned(&app, Kind::Job, WHAT, &caller, &name).await?;
    let status = status_of(&app, &name).await?;
    let study = app.load::<Study>(&status.study).await?.message;
    if study.is_shared() && status.result.is_some() {
        return Err(ApiError::Conflict(
            "a result of a study with several key holders stays: it counts against the study's limits",
        ));
    }
    uninterrupted(async move {
        app.jobs.end(&app, &name, JobState::Cancelled, None).await?;
        erase(app, vec![name]).await
    })
    .await
}

/// The jobs that the caller may read, oldest first.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "jobs",
    responses((status = 200, description = "list", body = Vec<schema::JobStatus>), schema::Refusals)
)]
pub(super) async fn list(State(app): State<Arc<App>>, Caller(caller): Caller) -> Answer {
    Ok(Json(app.index.jobs(&caller).await?).into_response())
}

/// The status of a job that the caller may read.
pub(super) async fn status_of(app: &App, name: &Digest) -> Result<JobStatus, ApiError> {
    app.index.job(name).await?.ok_or(ApiError::NotFound(WHAT))
}

/// Where a job stands.
#[utoipa::path(
    get, path = "/v1/jobs/{digest}/status", tag = "jobs", params(schema::Name),
    responses(
        (status = 200, description = "status", body = schema::JobStatus),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn status(
    State(app): State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
) -> Answer {
    readable(&app, Kind::Job, WHAT, &caller, &name).await?;
    Ok(Json(status_of(&app, &name).await?).into_response())
}

/// Stops a job that has no result yet, or one of several key holders of which nobody has committed to share more than the totals.
#[utoipa::path(
    post, path = "/v1/jobs/{digest}/cancel", tag = "jobs", params(schema::Name),
    responses(
        (status = 200, description = "cancelled", body = schema::JobStatus),
        (status = 409, description = "the job has ended", body = schema::Problem, content_type = "application/problem+json"),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
) -> Answer {
    readable(&app, Kind::Job, WHAT, &caller, &name).await?;
    let before = status_of(&app, &name).await?;
    let asker = app.index.manifest(&name).await?.map(|row| row.owner);
    let coordinator = app.index.manifest(&before.study).await?.map(|row| row.owner);
    if asker != Some(caller) && coordinator != Some(caller) {
        return Err(ApiError::Forbidden(
            "who asked for a job, or the study's coordinator, stops it",
        ));
    }
    let turn = app.turn().await;
    let before = status_of(&app, &name).await?;
    let stops = ENDED_FROM.contains(&before.state)
        || before.state == JobState::Cancelled
        || release::is_undecided(&app, &before).await?;
    if !stops {
        return Err(ApiError::Conflict("the job has ended"));
    }
    let server = Arc::clone(&app);
    uninterrupted(async move {
        let _turn = turn;
        let record = Record::Cancelled { job: name };
        let store = Arc::clone(&server.store);
        if server.jobs.end(&server, &name, JobState::Cancelled, None).await?
            || release::withdraw(&server, &before).await?
        {
            blocking(move || Ok(record.write(store.as_ref())?)).await?;
        }
        Ok(())
    })
    .await?;
    Ok(Json(status_of(&app, &name).await?).into_response())
}

/// What a job computed.
#[utoipa::path(
    get, path = "/v1/jobs/{digest}/result", tag = "jobs", params(schema::Name),
    responses(
        (status = 200, description = "JobResult", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 409, description = "no result yet", body = schema::Problem, content_type = "application/problem+json"),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn result(
    State(app): State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
) -> Answer {
    readable(&app, Kind::Job, WHAT, &caller, &name).await?;
    let result = status_of(&app, &name).await?.result;
    let result = result.ok_or(ApiError::Conflict("the job has no result; see its status"))?;
    let object = app.index.readable(&caller, &result).await?;
    let object = object.ok_or(ApiError::NotFound("result"))?;
    chunks::send(&app, Class::Chunk, result, object.bytes, &HeaderMap::new())
}

/// What each key holder has committed to and shared of a job.
#[utoipa::path(
    get, path = "/v1/jobs/{digest}/shares", tag = "shares", params(schema::Name),
    responses(
        (status = 200, description = "list", body = Vec<schema::ShareStatus>),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn shares(
    State(app): State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
) -> Answer {
    readable(&app, Kind::Job, WHAT, &caller, &name).await?;
    let status = status_of(&app, &name).await?;
    Ok(Json(release::share_statuses(&app, &status).await?).into_response())
}
