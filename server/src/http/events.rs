//! Progress as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::IntoResponse as _;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream;
use he_core::codec::Kind;

use super::extract::{Caller, Named};
use super::manifests::readable;
use super::{Answer, schema};
use crate::app::App;

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A job's status now and at every change; ends with a final state, or when the server stops.
#[utoipa::path(
    get, path = "/v1/jobs/{digest}/events", tag = "jobs", params(schema::Name),
    responses(
        (status = 200, description = "events `status`, each a JobStatus", content_type = "text/event-stream", body = schema::JobStatus),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
) -> Answer {
    readable(&app, Kind::Job, "job", &caller, &name).await?;
    let watched = app.jobs.watch(&app, &name).await?;
    let stopping = app.stopping.subscribe();
    // State: the channels, and whether the first event is still to come; `None` after the last one.
    let events = stream::unfold(Some((watched, stopping, true)), |state| async move {
        let (mut watched, mut stopping, first) = state?;
        if !first {
            tokio::select! {
                changed = watched.changed() => changed.ok()?,
                _ = stopping.wait_for(|stop| *stop) => return None,
            }
        }
        let status = watched.borrow_and_update().clone();
        let event = Event::default().event("status").json_data(&status).ok()?;
        let next = (!status.state.is_final()).then_some((watched, stopping, false));
        Some((Ok::<_, Infallible>(event), next))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}
