//! What happens around every request: an id, a log line, a count, limits, and a problem document instead of a panic.

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

use crate::app::App;
use crate::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Limits how many requests are served at once; more are turned away at once, but never
/// questions after its health. Streams of events do not count once they
/// run: they cost nothing.
pub(super) fn limited(router: Router<Arc<App>>, app: &Arc<App>) -> Router<Arc<App>> {
    let permits = Arc::new(Semaphore::new(app.limits.requests));
    router.layer(from_fn(limit)).layer(Extension(permits))
}

async fn limit(
    Extension(permits): Extension<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    // A busy server is alive, and ready for the next one.
    if matches!(request.uri().path(), "/livez" | "/readyz") {
        return next.run(request).await;
    }
    match permits.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => ApiError::Busy.into_response(),
    }
}

/// Everything else.
pub(super) fn around(router: Router<Arc<App>>, app: &Arc<App>) -> Router<Arc<App>> {
    router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(app), observe))
}

/// A panic's text may hold anything, so it is not answered and not logged.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::Internal("a handler panicked".to_owned()).into_response()
}

/// Logs and counts a request. The log holds method, route, status, time and party: no query, no header, no body.
async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let id = request_id();
    let route = request.extensions().get::<MatchedPath>().map(|p| p.as_str().to_owned());
    let route = route.unwrap_or_else(|| "(none)".to_owned());
    let method = request.method().clone();
    let span = tracing::info_span!("request", %id, %method, route, party = tracing::field::Empty);
    let start = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let milliseconds = start.elapsed().as_secs_f64() * 1000.0;
    span.in_scope(|| tracing::info!(status, milliseconds, "answered"));
    app.metrics.request(method.as_str(), &route, status);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// A fresh id; empty if the system has no randomness to give.
fn request_id() -> String {
    getrandom::u64().map(|n| format!("{n:016x}")).unwrap_or_default()
}
