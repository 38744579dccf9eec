//! The HTTP interface. Protocol section 9.

mod body;
mod chunks;
mod drafts;
mod erase;
mod events;
mod extract;
mod health;
mod jobs;
mod keys;
mod layers;
mod logs;
mod manifests;
mod panels;
mod ranges;
mod schema;
mod studies;

pub use erase::end_grants;
pub(crate) use health::{livez, readyz};

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::error::ApiError;

/// The service.
pub fn router(app: Arc<App>) -> Router {
    let (routes, document) = documented();
    let document = Arc::new(document.to_json().unwrap_or_default());
    let limited = layers::limited(routes.layer(health::document(document)), &app);
    let service = limited.fallback(no_route).method_not_allowed_fallback(no_method);
    layers::around(service, &app).with_state(app)
}

/// The OpenAPI document: every route that is served, and no other.
pub fn openapi() -> OpenApi {
    documented().1
}

/// A route is served because it is documented: there is no other way to add one.
fn documented() -> (Router<Arc<App>>, OpenApi) {
    OpenApiRouter::with_openapi(schema::Document::openapi())
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::openapi_json))
        .routes(routes!(chunks::missing))
        .routes(routes!(chunks::put, chunks::get))
        .routes(routes!(panels::put, panels::get))
        .routes(routes!(
            manifests::datasets::put,
            manifests::datasets::get,
            manifests::delete_dataset
        ))
        .routes(routes!(manifests::datasets::list))
        .routes(routes!(
            manifests::phenotypes::put,
            manifests::phenotypes::get,
            manifests::delete_phenotype
        ))
        .routes(routes!(manifests::phenotypes::list))
        .routes(routes!(manifests::studies::put, manifests::studies::get))
        .routes(routes!(manifests::studies::list))
        .routes(routes!(manifests::grants::put, manifests::grants::get, manifests::delete_grant))
        .routes(routes!(manifests::grants::list))
        .routes(routes!(studies::put_signatures))
        .routes(routes!(studies::status))
        .routes(routes!(keys::put_commitment, keys::commitments))
        .routes(routes!(keys::get_commitment))
        .routes(routes!(keys::put_key, keys::keys))
        .routes(routes!(logs::of_study))
        .routes(routes!(drafts::post, drafts::list))
        .routes(routes!(drafts::get))
        .routes(routes!(drafts::invite))
        .routes(routes!(drafts::accept))
        .routes(routes!(logs::of_draft))
        .routes(routes!(manifests::totals::put, manifests::totals::get, manifests::delete_totals))
        .routes(routes!(manifests::totals::list))
        .routes(routes!(jobs::put, jobs::get, jobs::delete))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::status))
        .routes(routes!(events::events))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::result))
        .routes(routes!(jobs::shares))
        .routes(routes!(manifests::share_commitments::put, manifests::share_commitments::get))
        .routes(routes!(manifests::share_commitments::list))
        .routes(routes!(manifests::shares::put, manifests::shares::get))
        .routes(routes!(manifests::shares::list))
        .split_for_parts()
}

async fn no_route() -> ApiError {
    ApiError::NoRoute
}

async fn no_method() -> ApiError {
    ApiError::NoMethod
}

/// A handler's answer.
type Answer = Result<Response, ApiError>;
