//! Unsigned paths: is the server alive, is it ready, what does it offer.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse as _;

use super::Answer;
use crate::app::{App, blocking};

/// The process answers.
#[utoipa::path(get, path = "/livez", tag = "health", responses((status = 200, description = "alive")))]
pub(crate) async fn livez() -> &'static str {
    "ok\n"
}

/// The server can serve: index and store answer, there is space left, and it is not shutting down.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses((status = 200, description = "ready"), (status = 503, description = "not ready, with the reason"))
)]
pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Answer {
    let not = |why: &'static str| Ok((StatusCode::SERVICE_UNAVAILABLE, why).into_response());
    if app.is_stopping() {
        return not("stopping\n");
    }
    if app.index.totals().await.is_err() {
        return not("the index does not answer\n");
    }
    let server = Arc::clone(&app);
    match blocking(move || Ok(server.store.free_space()?)).await {
        Ok(0) => not("no space left\n"),
        Err(_) => not("the store does not answer\n"),
        Ok(_) => Ok("ok\n".into_response()),
    }
}

/// The document itself, made once.
#[derive(Clone)]
pub(super) struct Document(Arc<String>);

/// Gives [`openapi_json`] its document.
pub(super) fn document(document: Arc<String>) -> Extension<Document> {
    Extension(Document(document))
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "health",
    responses((status = 200, description = "OpenAPI", content_type = "application/json"))
)]
pub(super) async fn openapi_json(Extension(Document(document)): Extension<Document>) -> Answer {
    Ok(([(header::CONTENT_TYPE, "application/json")], document.to_string()).into_response())
}
