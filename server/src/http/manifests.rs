//! Manifests: signed, immutable, named by the digest of the message inside their envelope.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::HeaderMap;
use gwas::wire::Did;
use he_core::Digest;
use he_core::codec::{HEADER_LEN, Kind};

use super::erase::erase;
use super::extract::{Caller, Named};
use super::{Answer, chunks, schema};
use crate::accept::{self, Offered};
use crate::app::{App, blocking, uninterrupted};
use crate::error::ApiError;
use crate::index::{Added, ManifestRow, NewManifest};
use crate::release;
use crate::store::{Class, write_all};

/// Largest envelope in bytes: what a dataset's may be.
pub(super) const ENVELOPE: u64 = (65 << 20) + HEADER_LEN as u64;

/// Checks, stores and records a manifest.
pub(super) async fn accept(
    app: Arc<App>,
    kind: Kind,
    name: Digest,
    caller: Did,
    body: Bytes,
) -> Result<Added, ApiError> {
    let offered =
        Offered { app: &app, envelope: body.clone(), caller: Some(caller), received: app.now() };
    let turn = app.turn().await;
    if is_stored(&app, kind, &name, &caller, &body).await? {
        // It was checked in the state that was then.
        return Ok(Added::Already);
    }
    let manifest = accept::check(kind, offered).await?;
    if manifest.id != name {
        return Err(ApiError::Digest { expected: name, found: manifest.id });
    }
    let server = Arc::clone(&app);
    let shares = matches!(kind, Kind::ShareCommitment | Kind::Shares);
    let about = manifest.once.filter(|_| shares).map(|(job, _)| job);
    uninterrupted(async move {
        let _turn = turn;
        let added = record(Arc::clone(&server), manifest, body).await?;
        release::note_manifest(&server, kind, &name).await?;
        if let Some(job) = about {
            release::advance(&server, &job).await?;
        }
        Ok(added)
    })
    .await
}

/// Whether the caller has sent these very bytes before.
async fn is_stored(
    app: &Arc<App>,
    kind: Kind,
    name: &Digest,
    caller: &Did,
    body: &Bytes,
) -> Result<bool, ApiError> {
    let known = app.index.manifest(name).await?;
    if known.is_none_or(|row| row.kind != kind || row.owner != *caller) {
        return Ok(false);
    }
    let (app, name, body) = (Arc::clone(app), *name, body.clone());
    blocking(move || Ok(app.read_manifest(&name)? == body)).await
}

async fn record(app: Arc<App>, manifest: NewManifest, body: Bytes) -> Result<Added, ApiError> {
    let _shared = app.erasing.read().await;
    if app.index.manifest(&manifest.id).await?.is_some() {
        return Ok(Added::Already);
    }
    let (server, id) = (Arc::clone(&app), manifest.id);
    blocking(move || Ok(write_all(server.store.as_ref(), Class::Manifest, &id, &body)?)).await?;
    match app.index.add_manifest(&manifest, app.limits.quota).await {
        Ok(added) => Ok(added),
        Err(error) => {
            let server = Arc::clone(&app);
            blocking(move || Ok(server.store.delete(Class::Manifest, &id)?)).await?;
            Err(error.into())
        }
    }
}

/// A manifest of that kind, for callers that may read it; the others are told that it is not there.
pub(super) async fn readable(
    app: &App,
    kind: Kind,
    what: &'static str,
    caller: &Did,
    id: &Digest,
) -> Result<ManifestRow, ApiError> {
    let row = app.index.manifest(id).await?.filter(|row| row.kind == kind);
    let row = row.ok_or(ApiError::NotFound(what))?;
    if app.index.may_read(caller, id).await? { Ok(row) } else { Err(ApiError::NotFound(what)) }
}

/// The stored envelope.
pub(super) async fn envelope(
    app: Arc<App>,
    kind: Kind,
    what: &'static str,
    caller: Did,
    id: Digest,
) -> Answer {
    readable(&app, kind, what, &caller, &id).await?;
    // A study's envelope grows with its signatures: the store knows how long it is now.
    let server = Arc::clone(&app);
    let length =
        blocking(move || Ok(server.store.open(Class::Manifest, &id)?.version()?.length)).await?;
    chunks::send(&app, Class::Manifest, id, length, &HeaderMap::new())
}

/// Handlers of one kind of manifest.
macro_rules! manifests {
    ($module:ident, $kind:ident, $what:literal, $limit:expr, $item:literal, $all:literal, $tag:literal) => {
        #[doc = concat!("Routes of every ", $what, ".")]
        pub(super) mod $module {
            use std::sync::Arc;

            use axum::Json;
            use axum::extract::State;
            use axum::response::IntoResponse as _;
            use he_core::codec::Kind;

            use super::super::extract::{Caller, Named, Signed};
            use super::super::{Answer, chunks, schema};
            use super::{accept, envelope};
            use crate::app::App;

            /// Stores a manifest.
            #[utoipa::path(
                put, path = $item, tag = $tag, params(schema::Name),
                request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "Envelope"),
                responses(
                    (status = 201, description = "stored"), (status = 200, description = "already stored"),
                    schema::ManifestRefusals
                )
            )]
            pub(in super::super) async fn put(
                State(app): State<Arc<App>>,
                Named(name): Named,
                Signed { caller, body, .. }: Signed<{ $limit }>,
            ) -> Answer {
                let added = accept(app, Kind::$kind, name, caller, body).await?;
                Ok(chunks::status(added).into_response())
            }

            /// The stored envelope.
            #[utoipa::path(
                get, path = $item, tag = $tag, params(schema::Name),
                responses(
                    (status = 200, description = "Envelope", content_type = "application/octet-stream", body = Vec<u8>),
                    schema::NotFound, schema::Refusals
                )
            )]
            pub(in super::super) async fn get(
                State(app): State<Arc<App>>,
                Named(name): Named,
                Caller(caller): Caller,
            ) -> Answer {
                envelope(app, Kind::$kind, $what, caller, name).await
            }

            /// What the caller may read, oldest first.
            #[utoipa::path(
                get, path = $all, tag = $tag,
                responses((status = 200, description = "list", body = Vec<schema::Listed>), schema::Refusals)
            )]
            pub(in super::super) async fn list(
                State(app): State<Arc<App>>,
                Caller(caller): Caller,
            ) -> Answer {
                Ok(Json(app.index.list(&caller, Kind::$kind).await?).into_response())
            }
        }
    };
}

const SMALL: u64 = (2 << 20) + HEADER_LEN as u64;
const MEDIUM: u64 = (17 << 20) + HEADER_LEN as u64;

manifests!(
    datasets,
    Dataset,
    "dataset",
    super::ENVELOPE,
    "/v1/datasets/{digest}",
    "/v1/datasets",
    "datasets"
);
manifests!(
    phenotypes,
    Phenotype,
    "phenotype",
    super::MEDIUM,
    "/v1/phenotypes/{digest}",
    "/v1/phenotypes",
    "phenotypes"
);
manifests!(totals, Totals, "totals", super::MEDIUM, "/v1/totals/{digest}", "/v1/totals", "totals");
manifests!(
    share_commitments,
    ShareCommitment,
    "commitment",
    super::MEDIUM,
    "/v1/share-commitments/{digest}",
    "/v1/share-commitments",
    "shares"
);
manifests!(shares, Shares, "shares", super::MEDIUM, "/v1/shares/{digest}", "/v1/shares", "shares");
manifests!(studies, Study, "study", super::SMALL, "/v1/studies/{digest}", "/v1/studies", "studies");
manifests!(grants, Grant, "grant", super::SMALL, "/v1/grants/{digest}", "/v1/grants", "grants");

/// Erases a dataset: its chunks, its phenotypes and grants; unfinished jobs that use it become revoked.
#[utoipa::path(
    delete, path = "/v1/datasets/{digest}", tag = "datasets", params(schema::Name),
    responses((status = 200, description = "erased", body = schema::Erased), schema::NotFound, schema::Refusals)
)]
pub(super) async fn delete_dataset(
    axum::extract::State(app): axum::extract::State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
) -> Answer {
    owned(&app, Kind::Dataset, "dataset", &caller, &name).await?;
    let mut names = app.index.linked(&name, Kind::Grant).await?;
    names.extend(app.index.linked(&name, Kind::Phenotype).await?);
    names.push(name);
    uninterrupted(erase(app, names)).await
}

/// Erases a contribution of totals; unfinished jobs that use it become revoked.
#[utoipa::path(
    delete, path = "/v1/totals/{digest}", tag = "totals", params(schema::Name),
    responses((status = 200, description = "erased", body = schema::Erased), schema::NotFound, schema::Refusals)
)]
pub(super) async fn delete_totals(
    axum::extract::State(app): axum::extract::State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
) -> Answer {
    owned(&app, Kind::Totals, "totals", &caller, &name).await?;
    uninterrupted(erase(app, vec![name])).await
}

/// Erases a phenotype; unfinished jobs that use it become revoked.
#[utoipa::path(
    delete, path = "/v1/phenotypes/{digest}", tag = "phenotypes", params(schema::Name),
    responses((status = 200, description = "erased", body = schema::Erased), schema::NotFound, schema::Refusals)
)]
pub(super) async fn delete_phenotype(
    axum::extract::State(app): axum::extract::State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
) -> Answer {
    owned(&app, Kind::Phenotype, "phenotype", &caller, &name).await?;
    uninterrupted(erase(app, vec![name])).await
}

/// Withdraws a grant and deletes its switching key; unfinished jobs that use it become revoked.
#[utoipa::path(
    delete, path = "/v1/grants/{digest}", tag = "grants", params(schema::Name),
    responses((status = 200, description = "withdrawn", body = schema::Erased), schema::NotFound, schema::Refusals)
)]
pub(super) async fn delete_grant(
    axum::extract::State(app): axum::extract::State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
) -> Answer {
    owned(&app, Kind::Grant, "grant", &caller, &name).await?;
    uninterrupted(erase(app, vec![name])).await
}

/// Refuses callers that do not own a manifest of that kind; strangers are told that it is not there.
pub(super) async fn owned(
    app: &App,
    kind: Kind,
    what: &'static str,
    caller: &Did,
    id: &Digest,
) -> Result<(), ApiError> {
    let row = readable(app, kind, what, caller, id).await?;
    if row.owner == *caller {
        Ok(())
    } else {
        Err(ApiError::Forbidden("only its owner may do this"))
    }
}
