//! Request bodies: their length is known before a byte is read, and they must keep coming.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, timeout_at};

use crate::error::ApiError;
use crate::policy::Limits;

/// A body being received.
pub(super) struct Frames {
    body: Body,
    declared: u64,
    received: u64,
    idle: Duration,
    deadline: Instant,
}

impl Frames {
    /// Begins to receive a body of at most `limit` bytes.
    pub(super) fn new(
        headers: &HeaderMap,
        body: Body,
        limit: u64,
        limits: &Limits,
    ) -> Result<Self, ApiError> {
        let declared = declared_length(headers)?;
        if declared > limit {
            return Err(ApiError::TooLarge { length: declared, limit });
        }
        let allowed = limits.idle + Duration::from_secs(declared / limits.slowest.max(1));
        let deadline = Instant::now() + allowed;
        Ok(Self { body, declared, received: 0, idle: limits.idle, deadline })
    }

    /// Bytes that the request declares.
    pub(super) fn declared(&self) -> u64 {
        self.declared
    }

    /// The next bytes; `None` at the end of a body that has its declared length.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            let until = self.deadline.min(Instant::now() + self.idle);
            let frame = timeout_at(until, self.body.frame()).await.map_err(|_| ApiError::Slow)?;
            let length = ApiError::Length { declared: self.declared, received: self.received };
            match frame {
                None if self.received == self.declared => return Ok(None),
                None => return Err(length),
                Some(Err(_)) => return Err(ApiError::Broken),
                Some(Ok(frame)) => {
                    // Trailers are nothing that the protocol has.
                    let Ok(bytes) = frame.into_data() else { continue };
                    self.received = self.received.saturating_add(bytes.len() as u64);
                    if self.received > self.declared {
                        return Err(length);
                    }
                    if !bytes.is_empty() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// The whole body.
    pub(super) async fn collect(mut self) -> Result<Bytes, ApiError> {
        let mut all = Vec::with_capacity(usize::try_from(self.declared).unwrap_or_default());
        while let Some(bytes) = self.next().await? {
            all.extend_from_slice(&bytes);
        }
        Ok(all.into())
    }
}

fn declared_length(headers: &HeaderMap) -> Result<u64, ApiError> {
    let value = headers.get(header::CONTENT_LENGTH).ok_or(ApiError::NoLength)?;
    value.to_str().ok().and_then(|v| v.parse().ok()).ok_or(ApiError::NoLength)
}
