//! Public key contributions of a study's key holders.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse as _;
use gwas::wire::Study;
use gwas::wire::status::KeyContribution;
use he_core::Digest;
use he_core::codec::{HEADER_LEN, Header, Kind};
use he_core::public_key::PublicShare;

use super::extract::{Caller, Named, Signed};
use super::manifests::readable;
use super::{Answer, chunks, schema};
use crate::app::{App, blocking, uninterrupted};
use crate::error::ApiError;
use crate::index::{Added, StoredObject};
use crate::records::Record;
use crate::store::{Class, Receiver};

const LIMIT: u64 = Kind::PublicShare.limit() + HEADER_LEN as u64;

/// Stores the calling key holder's contribution to the study's public key, once.
#[utoipa::path(
    put, path = "/v1/studies/{digest}/keys", tag = "studies", params(schema::Name),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "object of kind 5"),
    responses(
        (status = 201, description = "stored"), (status = 200, description = "already stored"),
        schema::ManifestRefusals, schema::NotFound
    )
)]
pub(super) async fn put_key(
    State(app): State<Arc<App>>,
    Named(study): Named,
    Signed { caller, body, .. }: Signed<LIMIT>,
) -> Answer {
    readable(&app, Kind::Study, "study", &caller, &study).await?;
    let terms = app.load::<Study>(&study).await?.message;
    if !terms.key_holders.contains(&caller) {
        return Err(ApiError::Forbidden("only the study's key holders contribute to its key"));
    }
    PublicShare::from_bytes(&body, terms.plan.params(), study)?;
    let key = KeyContribution { party: caller, chunk: Digest::of(&body) };
    if let Some(known) = app.index.keys(&study).await?.iter().find(|k| k.party == caller) {
        return if *known == key {
            Ok(chunks::status(Added::Already).into_response())
        } else {
            Err(ApiError::Conflict("you have contributed another key; a contribution is final"))
        };
    }
    let object = StoredObject {
        digest: key.chunk,
        class: Class::Chunk,
        bytes: body.len() as u64,
        header: Some(Header::parse(&body)?),
        variants: 0,
    };
    let server = Arc::clone(&app);
    let added = uninterrupted(async move {
        let store = Arc::clone(&app.store);
        let receiver = blocking(move || {
            let mut receiver = Receiver::new(store.as_ref(), Class::Chunk, body.len() as u64)?;
            receiver.write(&body)?;
            Ok(receiver)
        })
        .await?;
        chunks::keep(Arc::clone(&app), caller, object, receiver).await?;
        blocking(move || {
            let record = Record::Key { study, party: key.party, chunk: key.chunk };
            Ok(record.write(server.store.as_ref())?)
        })
        .await?;
        Ok(app.index.add_key(&study, &key).await?)
    })
    .await?;
    Ok(chunks::status(added).into_response())
}

/// The contributions so far.
#[utoipa::path(
    get, path = "/v1/studies/{digest}/keys", tag = "studies", params(schema::Name),
    responses(
        (status = 200, description = "list", body = Vec<schema::KeyContribution>),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn keys(
    State(app): State<Arc<App>>,
    Named(study): Named,
    Caller(caller): Caller,
) -> Answer {
    readable(&app, Kind::Study, "study", &caller, &study).await?;
    Ok(Json(app.index.keys(&study).await?).into_response())
}
