//! Chunks: content-addressed, uploaded once, resumable by asking which are missing.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use gwas::wire::Did;
use gwas::wire::status::ChunkQuery;
use he_core::Digest;
use he_core::codec::Header;
use tokio::sync::mpsc;

use super::Answer;
use super::body::Frames;
use super::extract::{Caller, Named, Signed, Upload};
use super::ranges::requested;
use super::schema;
use crate::app::{App, blocking, uninterrupted};
use crate::check::UploadCheck;
use crate::error::ApiError;
use crate::index::{Added, StoredObject};
use crate::store::{Class, Receiver};

/// Most digests in one question.
pub(super) const MOST_DIGESTS: usize = 10_000;
/// Pieces of a body on their way to the disk.
const IN_FLIGHT: usize = 4;
/// Bytes of an answer read at once.
const PIECE: u64 = 256 << 10;

/// Which of these chunks does the server not hold for the caller?
#[utoipa::path(
    post, path = "/v1/chunks/missing", tag = "chunks", request_body = schema::ChunkQuery,
    responses(
        (status = 200, description = "those that are missing", body = schema::ChunkQuery),
        schema::Refusals
    )
)]
pub(super) async fn missing(
    State(app): State<Arc<App>>,
    Signed { caller, body, .. }: Signed<{ 1 << 20 }>,
) -> Answer {
    let query: ChunkQuery =
        serde_json::from_slice(&body).map_err(|e| ApiError::Json(e.to_string()))?;
    if query.digests.len() > MOST_DIGESTS {
        return Err(ApiError::Json(format!("at most {MOST_DIGESTS} digests at once")));
    }
    let digests = app.index.missing(&caller, &query.digests).await?;
    Ok(Json(ChunkQuery { digests }).into_response())
}

/// Stores a chunk for the caller.
#[utoipa::path(
    put, path = "/v1/chunks/{digest}", tag = "chunks", params(schema::Name),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "stored"), (status = 200, description = "already held"),
        schema::UploadRefusals
    )
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Named(digest): Named,
    Upload { caller, frames }: Upload,
) -> Answer {
    let length = frames.declared();
    if app.index.held(&caller, &digest).await?.is_none() {
        let usage = app.index.usage(&caller).await?;
        if usage.saturating_add(length) > app.limits.quota {
            return Err(ApiError::Quota { quota: app.limits.quota });
        }
    }
    let (header, receiver) = receive(&app, frames).await?;
    app.metrics.received(length);
    let object = StoredObject {
        digest,
        class: Class::Chunk,
        bytes: length,
        header: Some(header),
        variants: 0,
    };
    let added = uninterrupted(keep(app, caller, object, receiver)).await?;
    Ok(status(added).into_response())
}

/// 201 or 200.
pub(super) fn status(added: Added) -> StatusCode {
    match added {
        Added::New => StatusCode::CREATED,
        Added::Already => StatusCode::OK,
    }
}

/// Makes a received object visible and records who holds it.
pub(super) async fn keep(
    app: Arc<App>,
    caller: Did,
    object: StoredObject,
    receiver: Receiver,
) -> Result<Added, ApiError> {
    let _shared = app.erasing.read().await;
    let (digest, class) = (object.digest, object.class);
    let store = Arc::clone(&app.store);
    let version = blocking(move || {
        receiver.finish(&digest)?;
        Ok(store.open(class, &digest)?.version()?)
    });
    let version = version.await?;
    // Whatever was known of an earlier file under this name is void. With one prime the words were checked against it as they
    // came in; with several that takes the chunk's place, which only a manifest tells.
    let params = object.header.and_then(|header| header.known_params().ok());
    if class == Class::Chunk && params.is_some_and(|params| params.limbs() == 1) {
        app.verified.learn(&digest, version);
    } else {
        app.verified.forget(&digest);
    }
    match app.index.hold(&caller, &object, app.limits.quota).await {
        Ok(added) => Ok(added),
        Err(error) => {
            discard(&app, Class::Chunk, &digest).await?;
            Err(error.into())
        }
    }
}

/// Deletes an object that the index does not know.
pub(super) async fn discard(app: &Arc<App>, class: Class, digest: &Digest) -> Result<(), ApiError> {
    if !app.index.knows(digest).await? {
        let (app, digest) = (Arc::clone(app), *digest);
        blocking(move || Ok(app.store.delete(class, &digest)?)).await?;
    }
    Ok(())
}

/// Takes in a chunk's bytes, checking them on a thread that may block.
async fn receive(app: &Arc<App>, mut frames: Frames) -> Result<(Header, Receiver), ApiError> {
    let declared = frames.declared();
    let (sender, mut pieces) = mpsc::channel::<Bytes>(IN_FLIGHT);
    let store = Arc::clone(&app.store);
    let writer = tokio::spawn(blocking(move || {
        let mut receiver = Receiver::new(store.as_ref(), Class::Chunk, declared)?;
        let mut check = UploadCheck::new(declared);
        while let Some(bytes) = pieces.blocking_recv() {
            check.take(&bytes)?;
            receiver.write(&bytes)?;
        }
        // An upload that broke off ends here too; it is too short for `finish`, and its sender does not ask for it.
        Ok((check, receiver))
    }));
    let received = async {
        while let Some(bytes) = frames.next().await? {
            if sender.send(bytes).await.is_err() {
                break; // the writer failed and says why
            }
        }
        Ok::<(), ApiError>(())
    };
    let outcome = received.await;
    drop(sender);
    let written = writer.await.map_err(|e| ApiError::Internal(e.to_string()))?;
    // What the writer found wrong comes first: it may be why the client gave up.
    let (check, receiver) = written?;
    outcome?;
    Ok((check.finish()?, receiver))
}

/// A chunk that the caller holds, or that a manifest names which the caller may read.
#[utoipa::path(
    get, path = "/v1/chunks/{digest}", tag = "chunks", params(schema::Name),
    responses(
        (status = 200, description = "the object", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 206, description = "the range asked for", content_type = "application/octet-stream", body = Vec<u8>),
        (status = 416, description = "the range is outside", body = schema::Problem, content_type = "application/problem+json"),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Named(digest): Named,
    Caller(caller): Caller,
    headers: HeaderMap,
) -> Answer {
    let object = app.index.readable(&caller, &digest).await?;
    let object = object.filter(|o| o.class == Class::Chunk).ok_or(ApiError::NotFound("chunk"))?;
    send(&app, Class::Chunk, digest, object.bytes, &headers)
}

/// Streams a stored object, or the range of it that was asked for.
pub(super) fn send(
    app: &Arc<App>,
    class: Class,
    name: Digest,
    length: u64,
    headers: &HeaderMap,
) -> Answer {
    let range = requested(headers, length)?;
    let (status, part) = match &range {
        Some(range) => (StatusCode::PARTIAL_CONTENT, range.clone()),
        None => (StatusCode::OK, 0..length),
    };
    let (sender, pieces) = mpsc::channel::<std::io::Result<Bytes>>(IN_FLIGHT);
    let store = Arc::clone(&app.store);
    let mut at = part.clone();
    tokio::task::spawn_blocking(move || {
        let mut read = || -> std::io::Result<()> {
            let object = store.open(class, &name)?;
            while !at.is_empty() {
                let now = PIECE.min(at.end - at.start);
                let mut bytes = vec![0; usize::try_from(now).unwrap_or_default()];
                object.read_at(at.start, &mut bytes)?;
                at.start += now;
                if sender.blocking_send(Ok(bytes.into())).is_err() {
                    break; // the client went away
                }
            }
            Ok(())
        };
        if let Err(error) = read() {
            tracing::error!(%error, object = %name, "a stored object could not be read");
            let _ = sender.blocking_send(Err(error));
        }
    });
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(pieces));
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/octet-stream")
        .header(header::CONTENT_LENGTH, part.end - part.start)
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::CACHE_CONTROL, "private, immutable");
    if range.is_some() {
        let text = format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1));
        response = response.header(header::CONTENT_RANGE, text);
    }
    response.body(body).map_err(|e| ApiError::Internal(e.to_string()))
}
