//! The making of a study's key: every holder commits, then every holder reveals.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse as _;
use gwas::finish::KeyContributions;
use gwas::wire::log::Event;
use gwas::wire::status::{Committed, KeyContribution};
use gwas::wire::{Did, Envelope, KeyCommitment, Study};
use he_core::Digest;
use he_core::ceremony::key_round;
use he_core::codec::{Header, Kind};
use he_core::commit::Commitments;

use super::extract::{Caller, Named, Signed};
use super::manifests::{self, envelope, readable};
use super::{Answer, chunks, schema};
use crate::app::{App, blocking, uninterrupted};
use crate::error::{ApiError, FINAL};
use crate::index::{Added, Slot, StoredObject};
use crate::records::Record;
use crate::store::{Class, Receiver, read_all};

const LIMIT: u64 = KeyContributions::REVEAL_LIMIT;
const SMALL: u64 = 64 << 10;

/// Takes the calling key holder's commitment to its contribution, once.
#[utoipa::path(
    put, path = "/v1/studies/{digest}/commitments", tag = "studies", params(schema::Name),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "Envelope of a KeyCommitment"),
    responses(
        (status = 201, description = "stored"), (status = 200, description = "already stored"),
        schema::ManifestRefusals, schema::NotFound
    )
)]
pub(super) async fn put_commitment(
    State(app): State<Arc<App>>,
    Named(study): Named,
    Signed { caller, body, .. }: Signed<SMALL>,
) -> Answer {
    readable(&app, Kind::Study, "study", &caller, &study).await?;
    let opened = Envelope::open::<KeyCommitment>(&body)?;
    if opened.message.study != study {
        return Err(ApiError::Refused("the commitment is to the key of another study".to_owned()));
    }
    let added = manifests::accept(app, Kind::KeyCommitment, opened.id, caller, body).await?;
    Ok(chunks::status(added).into_response())
}

/// The commitments so far.
#[utoipa::path(
    get, path = "/v1/studies/{digest}/commitments", tag = "studies", params(schema::Name),
    responses(
        (status = 200, description = "list", body = Vec<schema::Committed>),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn commitments(
    State(app): State<Arc<App>>,
    Named(study): Named,
    Caller(caller): Caller,
) -> Answer {
    readable(&app, Kind::Study, "study", &caller, &study).await?;
    let said = app.index.once(&study, Slot::Key).await?;
    let list = said.into_iter().map(|(party, manifest)| Committed { party, manifest });
    Ok(Json(list.collect::<Vec<_>>()).into_response())
}

/// A commitment's stored envelope.
#[utoipa::path(
    get, path = "/v1/key-commitments/{digest}", tag = "studies", params(schema::Name),
    responses(
        (status = 200, description = "Envelope", content_type = "application/octet-stream", body = Vec<u8>),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn get_commitment(
    State(app): State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
) -> Answer {
    envelope(app, Kind::KeyCommitment, "commitment", caller, name).await
}

/// Reveals the calling key holder's contribution to the study's public key, once, after everybody has committed.
#[utoipa::path(
    put, path = "/v1/studies/{digest}/keys", tag = "studies", params(schema::Name),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "object of kind 8, signed, with one of kind 5 inside, and after it one of kind 64 where a statistic is finished"),
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
    let key = KeyContribution { party: caller, chunk: Digest::of(&body) };
    let turn = app.turn().await;
    let known = app.index.keys(&study).await?;
    if let Some(own) = known.iter().find(|k| k.party == caller) {
        return match own.chunk == key.chunk {
            true => Ok(chunks::status(Added::Already).into_response()),
            false => Err(ApiError::Conflict(FINAL)),
        };
    }
    let commitments = collect(&app, &study, &terms).await?;
    check(&app, &study, &terms, &commitments, &known, (&caller, &body)).await?;
    let object = StoredObject {
        digest: key.chunk,
        class: Class::Chunk,
        bytes: body.len() as u64,
        header: Some(Header::parse(&body)?),
        variants: 0,
    };
    let server = Arc::clone(&app);
    let added = uninterrupted(async move {
        let _turn = turn;
        let store = Arc::clone(&server.store);
        let receiver = blocking(move || {
            let mut receiver = Receiver::new(store.as_ref(), Class::Chunk, body.len() as u64)?;
            receiver.write(&body)?;
            Ok(receiver)
        })
        .await?;
        chunks::keep(Arc::clone(&server), caller, object, receiver).await?;
        let store = Arc::clone(&server.store);
        blocking(move || {
            let record = Record::Key { study, party: key.party, chunk: key.chunk };
            Ok(record.write(store.as_ref())?)
        })
        .await?;
        let added = server.index.add_key(&study, &key).await?;
        server.note(&study, &caller, Event::Revealed, vec![key.chunk]).await?;
        Ok(added)
    })
    .await?;
    Ok(chunks::status(added).into_response())
}

/// Everybody's commitments.
async fn collect(app: &Arc<App>, study: &Digest, terms: &Study) -> Result<Commitments, ApiError> {
    let said = app.index.once(study, Slot::Key).await?;
    let missing = |holder: &&Did| said.iter().all(|(party, _)| party != *holder);
    let parties: Vec<Did> = terms.key_holders.iter().filter(missing).copied().collect();
    if !parties.is_empty() {
        return Err(ApiError::Waiting {
            what: "nobody reveals before everybody has committed",
            parties,
        });
    }
    let mut received = Vec::new();
    for (party, manifest) in said {
        let commitment = app.load::<KeyCommitment>(&manifest).await?.message.commitment;
        received.push((party.to_string(), commitment));
    }
    let holders: Vec<String> = terms.key_holders.iter().map(Did::to_string).collect();
    let holders: Vec<&str> = holders.iter().map(String::as_str).collect();
    let received = received.iter().map(|(party, bytes)| (party.as_str(), bytes.as_slice()));
    Commitments::collect(key_round(*study), &holders, received)
        .map_err(|e| ApiError::Refused(e.to_string()))
}

/// The contribution is what its holder committed to, signed by it, fits the study, and is nobody else's.
async fn check(
    app: &Arc<App>,
    study: &Digest,
    terms: &Study,
    commitments: &Commitments,
    known: &[KeyContribution],
    (party, bytes): (&Did, &[u8]),
) -> Result<(), ApiError> {
    let open = |party: &Did, bytes: &[u8]| {
        let opened = commitments.open_signed(&party.to_string(), bytes, Did::named_verifies);
        opened.map_err(|e| ApiError::Refused(e.to_string()))
    };
    let object = open(party, bytes)?;
    KeyContributions::read(terms, *study, &object)
        .map_err(|e| ApiError::Refused(format!("what {party} revealed is no contribution: {e}")))?;
    for other in known {
        let (server, chunk) = (Arc::clone(app), other.chunk);
        let bytes =
            blocking(move || Ok(read_all(server.store.as_ref(), Class::Chunk, &chunk, LIMIT)?))
                .await?;
        if open(&other.party, &bytes)? == object {
            let text = format!("{party} revealed the contribution of {}", other.party);
            return Err(ApiError::Refused(text));
        }
    }
    Ok(())
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
