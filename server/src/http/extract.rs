//! What handlers take: a caller is always a verified one.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use gwas::wire::Did;
use gwas::wire::httpsig::{BodyDigest, check_content_digest};
use he_core::Digest;
use tokio::sync::OwnedSemaphorePermit;

use super::body::Frames;
use crate::app::App;
use crate::auth::{authenticate, authenticate_anybody, content_digest};
use crate::error::ApiError;

/// The signer of a request whose body is not read.
pub(super) struct Caller(pub(super) Did);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        Ok(Self(authenticate(app, parts).await?))
    }
}

/// The signer of a request with its whole body, of at most `LIMIT` bytes.
pub(super) struct Signed<const LIMIT: u64> {
    pub(super) caller: Did,
    pub(super) body: Bytes,
    /// The body's share of the memory for bodies.
    _memory: OwnedSemaphorePermit,
}

impl<const LIMIT: u64> FromRequest<Arc<App>> for Signed<LIMIT> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        Self::receive(request, app, true).await
    }
}

/// The same of somebody who need not be registered.
pub(super) struct Joining<const LIMIT: u64>(pub(super) Signed<LIMIT>);

impl<const LIMIT: u64> FromRequest<Arc<App>> for Joining<LIMIT> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        Ok(Self(Signed::receive(request, app, false).await?))
    }
}

impl<const LIMIT: u64> Signed<LIMIT> {
    async fn receive(request: Request, app: &Arc<App>, registered: bool) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        // The length is refused before the signature uses up its nonce, and the signature before the body is read.
        let frames = Frames::new(&parts.headers, body, LIMIT, &app.limits)?;
        let caller = if registered {
            authenticate(app, &parts).await?
        } else {
            authenticate_anybody(app, &parts).await?
        };
        let mebibytes =
            u32::try_from(frames.declared() >> 20).unwrap_or(u32::MAX).saturating_add(1);
        let memory = Arc::clone(&app.bodies).acquire_many_owned(mebibytes).await;
        let memory = memory.map_err(|_| ApiError::Busy)?;
        let body = frames.collect().await?;
        app.metrics.received(body.len() as u64);
        check_content_digest(content_digest(&parts.headers)?, &body)?;
        Ok(Self { caller, body, _memory: memory })
    }
}

/// The signer of a request whose body is bound by the digest in its path.
pub(super) struct Upload {
    pub(super) caller: Did,
    pub(super) frames: Frames,
}

impl FromRequest<Arc<App>> for Upload {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let frames = Frames::new(&parts.headers, body, app.limits.max_chunk, &app.limits)?;
        let caller = authenticate(app, &parts).await?;
        Ok(Self { caller, frames })
    }
}

/// The signer of a request with a large body that streams in, and the check of its digest.
pub(super) struct SignedStream {
    pub(super) caller: Did,
    pub(super) frames: Frames,
    pub(super) digest: BodyDigest,
}

impl FromRequest<Arc<App>> for SignedStream {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let frames = Frames::new(&parts.headers, body, app.limits.max_panel, &app.limits)?;
        let caller = authenticate(app, &parts).await?;
        // A signature that covers no digest covers no body.
        let covered = content_digest(&parts.headers)?.unwrap_or_default();
        let digest = BodyDigest::new(covered)?;
        Ok(Self { caller, frames, digest })
    }
}

/// The digest in a path.
pub(super) struct Named(pub(super) Digest);

impl FromRequestParts<Arc<App>> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Path(text) =
            Path::<String>::from_request_parts(parts, app).await.map_err(|_| ApiError::Path)?;
        Digest::from_str(&text).map(Self).map_err(|_| ApiError::Path)
    }
}
