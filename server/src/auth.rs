//! Who sends a request: RFC 9421 signatures. Protocol section 9.

use axum::http::HeaderMap;
use axum::http::request::Parts;
use gwas::wire::Did;
use gwas::wire::httpsig::{Limits, Origin, RequestParts, verify};

use crate::app::App;
use crate::error::ApiError;

/// Verifies a request's signature and uses up its nonce. The body is not looked at.
///
/// # Errors
/// When the request is not signed as the protocol says, is addressed to another server, was sent before, or comes from a
/// party that is neither registered nor a member of a draft.
pub async fn authenticate(app: &App, parts: &Parts) -> Result<Did, ApiError> {
    verified(app, parts, true).await
}

/// [`authenticate`] for somebody who has only an invitation.
///
/// # Errors
/// As [`authenticate`], registration aside.
pub async fn authenticate_anybody(app: &App, parts: &Parts) -> Result<Did, ApiError> {
    verified(app, parts, false).await
}

async fn verified(app: &App, parts: &Parts, registered: bool) -> Result<Did, ApiError> {
    let origin = addressed(app, parts)?;
    let path = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let target_uri = origin.target_uri(path);
    let content_digest = content_digest(&parts.headers)?;
    let request = RequestParts {
        method: parts.method.as_str(),
        authority: origin.authority(),
        target_uri: &target_uri,
        content_digest,
    };
    let input = single(&parts.headers, "signature-input")?.ok_or(ApiError::Unsigned)?;
    let signature = single(&parts.headers, "signature")?.ok_or(ApiError::Unsigned)?;
    let now = app.now();
    let verified = verify(&request, input, signature, now, Limits::default())?;
    if registered
        && let Err(refused) = app.policy.check(&verified.did)
        && !app.index.is_member(&verified.did).await?
    {
        return Err(refused);
    }
    if !app.index.use_nonce(&verified.did, &verified.nonce, verified.expires, now).await? {
        return Err(ApiError::Replay);
    }
    tracing::Span::current().record("party", tracing::field::display(&verified.did));
    Ok(verified.did)
}

/// The `Content-Digest` header, if there is one.
///
/// # Errors
/// When there are several.
pub fn content_digest(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    single(headers, "content-digest")
}

/// Which of the server's addresses the request names.
fn addressed<'a>(app: &'a App, parts: &Parts) -> Result<&'a Origin, ApiError> {
    let host = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => single(&parts.headers, "host")?.unwrap_or_default(),
    };
    app.origins.iter().find(|o| o.is_named_by(host)).ok_or_else(|| ApiError::Misdirected {
        host: host.chars().take(300).collect(),
        known: app.origins.first().map(ToString::to_string).unwrap_or_default(),
    })
}

/// The value of a header that may stand once.
fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ApiError::Unsigned),
        _ => Err(ApiError::Unsigned),
    }
}
