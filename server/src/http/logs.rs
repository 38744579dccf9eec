//! Logs, for those whose study or draft it is.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::IntoResponse as _;
use gwas::wire::Study;
use gwas::wire::log::PAGE;
use he_core::Digest;
use he_core::codec::Kind;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Caller, Named};
use super::manifests::readable;
use super::{Answer, drafts, schema};
use crate::app::{App, blocking};
use crate::error::ApiError;

/// Where to begin.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    /// Entries after this number; 0 or left out: from the first on.
    #[serde(default)]
    after: u64,
}

/// At most 1,000 entries of a study's log, in order.
#[utoipa::path(
    get, path = "/v1/studies/{digest}/log", tag = "studies", params(schema::Name, From),
    responses(
        (status = 200, description = "list", body = Vec<schema::LogEntry>),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn of_study(
    State(app): State<Arc<App>>,
    Named(study): Named,
    from: Result<Query<From>, QueryRejection>,
    Caller(caller): Caller,
) -> Answer {
    readable(&app, Kind::Study, "study", &caller, &study).await?;
    let log = app.load::<Study>(&study).await?.message.log(study);
    page(app, log, from).await
}

/// At most 1,000 entries of a draft's log, which is the log of the study that it becomes.
#[utoipa::path(
    get, path = "/v1/drafts/{digest}/log", tag = "drafts", params(schema::Name, From),
    responses(
        (status = 200, description = "list", body = Vec<schema::LogEntry>),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn of_draft(
    State(app): State<Arc<App>>,
    Named(draft): Named,
    from: Result<Query<From>, QueryRejection>,
    Caller(caller): Caller,
) -> Answer {
    drafts::visible(&app, &draft, &caller).await?;
    page(app, draft, from).await
}

async fn page(app: Arc<App>, log: Digest, from: Result<Query<From>, QueryRejection>) -> Answer {
    let Query(From { after }) = from.map_err(|e| ApiError::Query(e.body_text()))?;
    let entries = blocking(move || Ok::<_, ApiError>(app.logs.read(&log, after, PAGE)?)).await?;
    Ok(Json(entries).into_response())
}
