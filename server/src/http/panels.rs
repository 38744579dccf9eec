//! Panels: public text, named by what their variants are.

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use gwas::panel::{Panel, PanelSummary};
use tokio::sync::mpsc;

use super::Answer;
use super::chunks::{discard, send, status};
use super::extract::{Caller, Named, SignedStream};
use super::schema;
use crate::app::{App, blocking, uninterrupted};
use crate::error::ApiError;
use crate::index::StoredObject;
use crate::store::{Class, Receiver};

/// Stores a panel for the caller.
#[utoipa::path(
    put, path = "/v1/panels/{digest}", tag = "panels", params(schema::Name),
    request_body(content = String, content_type = "text/plain"),
    responses(
        (status = 201, description = "stored"), (status = 200, description = "already held"),
        schema::UploadRefusals
    )
)]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    Named(name): Named,
    SignedStream { caller, mut frames, mut digest }: SignedStream,
) -> Answer {
    let declared = frames.declared();
    if app.index.usage(&caller).await?.saturating_add(declared) > app.limits.quota {
        return Err(ApiError::Quota { quota: app.limits.quota });
    }
    let (sender, pieces) = mpsc::channel::<Bytes>(4);
    let store = Arc::clone(&app.store);
    let reader = tokio::spawn(blocking(move || {
        let receiver = Receiver::new(store.as_ref(), Class::Panel, declared)?;
        scan(pieces, receiver)
    }));
    let outcome = loop {
        match frames.next().await {
            Ok(Some(bytes)) => {
                digest.update(&bytes);
                if sender.send(bytes).await.is_err() {
                    break Ok(()); // the reader failed and says why
                }
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    drop(sender);
    let scanned = reader.await.map_err(|e| ApiError::Internal(e.to_string()))?;
    outcome?;
    let (panel, receiver) = scanned?;
    digest.finish()?;
    if panel.digest != name {
        return Err(ApiError::Digest { expected: name, found: panel.digest });
    }
    app.metrics.received(declared);
    uninterrupted(async move {
        let _shared = app.erasing.read().await;
        if app.index.held(&caller, &name).await?.is_some() {
            return Ok(StatusCode::OK.into_response());
        }
        blocking(move || receiver.finish_as(&name)).await?;
        let (class, variants) = (Class::Panel, panel.variants);
        let object = StoredObject { digest: name, class, bytes: declared, header: None, variants };
        match app.index.hold(&caller, &object, app.limits.quota).await {
            Ok(added) => Ok(status(added).into_response()),
            Err(error) => {
                discard(&app, class, &name).await?;
                Err(error.into())
            }
        }
    })
    .await
}

/// Reads a panel from the pieces of a body and writes them down.
fn scan(
    pieces: mpsc::Receiver<Bytes>,
    receiver: Receiver,
) -> Result<(PanelSummary, Receiver), ApiError> {
    let mut tee = Tee { pieces, current: Bytes::new(), receiver, failed: None };
    let summary = Panel::scan_text(BufReader::new(&mut tee));
    if let Some(error) = tee.failed {
        return Err(error);
    }
    Ok((summary?, tee.receiver))
}

/// The pieces of a body as a reader; every byte read is written down first.
struct Tee {
    pieces: mpsc::Receiver<Bytes>,
    current: Bytes,
    receiver: Receiver,
    failed: Option<ApiError>,
}

impl Read for Tee {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() {
            match self.pieces.blocking_recv() {
                None => return Ok(0),
                Some(bytes) => {
                    if let Err(error) = self.receiver.write(&bytes) {
                        self.failed = Some(error);
                        return Err(io::ErrorKind::WriteZero.into());
                    }
                    self.current = bytes;
                }
            }
        }
        let now = self.current.split_to(self.current.len().min(buffer.len()));
        for (out, byte) in buffer.iter_mut().zip(&now) {
            *out = *byte;
        }
        Ok(now.len())
    }
}

/// A panel that the caller holds, or that a manifest names which the caller may read.
#[utoipa::path(
    get, path = "/v1/panels/{digest}", tag = "panels", params(schema::Name),
    responses(
        (status = 200, description = "the panel", content_type = "application/octet-stream", body = String),
        (status = 206, description = "the range asked for", content_type = "application/octet-stream", body = String),
        (status = 416, description = "the range is outside", body = schema::Problem, content_type = "application/problem+json"),
        schema::NotFound, schema::Refusals
    )
)]
pub(super) async fn get(
    State(app): State<Arc<App>>,
    Named(name): Named,
    Caller(caller): Caller,
    headers: HeaderMap,
) -> Answer {
    let object = app.index.readable(&caller, &name).await?;
    let object = object.filter(|o| o.class == Class::Panel).ok_or(ApiError::NotFound("panel"))?;
    send(&app, Class::Panel, name, object.bytes, &headers)
}
