//! Studies: further signatures, and where one stands.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse as _;
use gwas::wire::{Envelope, Study};
use he_core::codec::{HEADER_LEN, Kind};

use super::extract::{Caller, Named, Signed};
use super::manifests::readable;
use super::{Answer, chunks, schema};
use crate::accept::{check_signatures, unsigned_by};
use crate::app::{App, blocking, uninterrupted};
use crate::error::ApiError;
use crate::index::Added;
use crate::release;
use crate::store::{Class, write_all};

const LIMIT: u64 = (2 << 20) + HEADER_LEN as u64;

/// Adds the caller's signature to a study; the body is the study's envelope with it, and may bring others'.
#[utoipa::path(
    put, path = "/v1/studies/{digest}/signatures", tag = "studies", params(schema::Name),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "Envelope"),
    responses(
        (status = 201, description = "added"), (status = 200, description = "already there"),
        schema::ManifestRefusals, schema::NotFound
    )
)]
pub(super) async fn put_signatures(
    State(app): State<Arc<App>>,
    Named(study): Named,
    Signed { caller, body, .. }: Signed<LIMIT>,
) -> Answer {
    readable(&app, Kind::Study, "study", &caller, &study).await?;
    let offered = Envelope::open::<Study>(&body)?;
    if offered.id != study {
        return Err(ApiError::Digest { expected: study, found: offered.id });
    }
    check_signatures(&offered)?;
    if !offered.signers.contains(&caller) {
        return Err(ApiError::Forbidden("who adds signatures to a study signs it too"));
    }
    let turn = app.turn().await;
    if unsigned_by(&app.load::<Study>(&study).await?).is_empty() {
        return Ok(chunks::status(Added::Already).into_response());
    }
    if let Some(draft) = &offered.message.draft {
        is_only_study(&app, draft, &offered.id).await?;
    }
    let server = Arc::clone(&app);
    let added = uninterrupted(async move {
        let _turn = turn;
        let store = Arc::clone(&server);
        let length = blocking(move || {
            let stored = store.read_manifest(&study)?;
            let merged = Envelope::merge(&stored, &body)?;
            if merged == stored {
                return Ok(None);
            }
            write_all(store.store.as_ref(), Class::Manifest, &study, &merged)?;
            Ok(Some(merged.len() as u64))
        })
        .await?;
        if let Some(length) = length {
            server.index.resized(&study, length).await?;
        }
        release::note_manifest(&server, Kind::Study, &study).await?;
        Ok(if length.is_some() { Added::New } else { Added::Already })
    })
    .await?;
    Ok(chunks::status(added).into_response())
}

/// A draft becomes one study: of several manifests that its coordinator sent, the first that everybody signed.
async fn is_only_study(
    app: &Arc<App>,
    draft: &he_core::Digest,
    id: &he_core::Digest,
) -> Result<(), ApiError> {
    for other in app.index.linked(draft, Kind::Study).await? {
        if other != *id && unsigned_by(&app.load::<Study>(&other).await?).is_empty() {
            return Err(ApiError::Conflict(
                "the draft has become a study already; make a new draft for another one",
            ));
        }
    }
    Ok(())
}

/// Where a study stands, and who has to do what next.
#[utoipa::path(
    get, path = "/v1/studies/{digest}/status", tag = "studies", params(schema::Name),
    responses(
        (status = 200, description = "status", body = schema::StudyStatus),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn status(
    State(app): State<Arc<App>>,
    Named(study): Named,
    Caller(caller): Caller,
) -> Answer {
    readable(&app, Kind::Study, "study", &caller, &study).await?;
    Ok(Json(release::study_status(&app, &study).await?).into_response())
}
