//! The shapes of JSON bodies for the OpenAPI document. The bodies themselves are `gwas::wire::status`; a test holds the two
//! together.
#![allow(dead_code)] // documentation: never made, only described

mod study;

use utoipa::{IntoParams, IntoResponses, Modify, OpenApi, ToSchema};

pub(super) use study::*;

/// Title, version and signature scheme of the document.
#[derive(OpenApi)]
#[openapi(
    info(title = "hegwas", description = "Encrypted genome-wide association studies. Every request but those tagged `health` is signed (RFC 9421); see docs/protocol.md, section 9."),
    components(schemas(Problem)),
    modifiers(&Signature)
)]
pub(super) struct Document;

struct Signature;

impl Modify for Signature {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    }
}

/// Name of the object.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Name {
    /// BLAKE3 digest, 64 lower-case hexadecimal digits.
    #[param(pattern = "^[0-9a-f]{64}$")]
    digest: String,
}

/// RFC 9457 problem document.
#[derive(ToSchema)]
pub(super) struct Problem {
    /// `/problems/<code>`.
    #[schema(example = "/problems/not-found")]
    r#type: String,
    /// The same for every occurrence.
    title: String,
    /// HTTP status.
    status: u16,
    /// What happened this time.
    detail: String,
    /// What to do about it.
    remedy: String,
}

/// Refusals that every signed path knows.
#[derive(IntoResponses)]
pub(super) enum Refusals {
    /// Malformed.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// Not signed, or the signature was refused.
    #[response(status = 401, content_type = "application/problem+json")]
    Signature(#[to_schema] Problem),
    /// Not registered, or not allowed.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// The length of the body is not declared.
    #[response(status = 411, content_type = "application/problem+json")]
    Length(#[to_schema] Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// Addressed to another server.
    #[response(status = 421, content_type = "application/problem+json")]
    Misdirected(#[to_schema] Problem),
    /// The server failed.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(#[to_schema] Problem),
    /// Too many requests at once.
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(#[to_schema] Problem),
}

/// Not there, or not for the caller.
#[derive(IntoResponses)]
#[response(status = 404, content_type = "application/problem+json")]
pub(super) struct NotFound(#[to_schema] Problem);

/// Refusals of uploads.
#[derive(IntoResponses)]
pub(super) enum UploadRefusals {
    /// Malformed, or not what its name says.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// Not signed, or the signature was refused.
    #[response(status = 401, content_type = "application/problem+json")]
    Signature(#[to_schema] Problem),
    /// Not registered.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// The body arrives too slowly.
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(#[to_schema] Problem),
    /// The length of the body is not declared.
    #[response(status = 411, content_type = "application/problem+json")]
    Length(#[to_schema] Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// Addressed to another server.
    #[response(status = 421, content_type = "application/problem+json")]
    Misdirected(#[to_schema] Problem),
    /// The server failed.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(#[to_schema] Problem),
    /// Too many requests at once.
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(#[to_schema] Problem),
    /// Quota or disk exhausted.
    #[response(status = 507, content_type = "application/problem+json")]
    Full(#[to_schema] Problem),
}

/// Refusals of manifests.
#[derive(IntoResponses)]
pub(super) enum ManifestRefusals {
    /// Malformed, forged, or not what its name says.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(#[to_schema] Problem),
    /// Not signed, or the signature was refused.
    #[response(status = 401, content_type = "application/problem+json")]
    Signature(#[to_schema] Problem),
    /// Not registered, or signed by the wrong parties.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(#[to_schema] Problem),
    /// The body arrives too slowly.
    #[response(status = 408, content_type = "application/problem+json")]
    Slow(#[to_schema] Problem),
    /// Something that it names is missing.
    #[response(status = 409, content_type = "application/problem+json")]
    Missing(#[to_schema] Problem),
    /// The length of the body is not declared.
    #[response(status = 411, content_type = "application/problem+json")]
    Length(#[to_schema] Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(#[to_schema] Problem),
    /// Addressed to another server.
    #[response(status = 421, content_type = "application/problem+json")]
    Misdirected(#[to_schema] Problem),
    /// Its parts do not fit together.
    #[response(status = 422, content_type = "application/problem+json")]
    Inconsistent(#[to_schema] Problem),
    /// The server failed.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(#[to_schema] Problem),
    /// Too many requests at once.
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(#[to_schema] Problem),
    /// Quota or disk exhausted.
    #[response(status = 507, content_type = "application/problem+json")]
    Full(#[to_schema] Problem),
}

/// Which of these does the server not hold for the caller?
#[derive(ToSchema)]
pub(super) struct ChunkQuery {
    /// At most 10,000.
    #[schema(max_items = 10000)]
    digests: Vec<String>,
}

/// Something that the caller may read.
#[derive(ToSchema)]
pub(super) struct Listed {
    /// Its digest.
    id: String,
    /// Its owner's did:key.
    owner: String,
    /// Its name.
    name: String,
    /// When the server received it, RFC 3339.
    created: String,
    /// Bytes, chunks included.
    bytes: u64,
}

/// A part of a study's public key.
#[derive(ToSchema)]
pub(super) struct KeyContribution {
    /// The key holder's did:key.
    party: String,
    /// Digest of the object.
    chunk: String,
}

/// What was erased.
#[derive(ToSchema)]
pub(super) struct Erased {
    /// Names of the manifests.
    manifests: Vec<String>,
    /// Objects that nothing names any more.
    objects: u64,
    /// Bytes freed.
    bytes: u64,
}

/// Status of a job.
#[derive(ToSchema)]
pub(super) struct JobStatus {
    /// The job's digest.
    job: String,
    /// The study's digest.
    study: String,
    /// Where it stands.
    #[schema(value_type = State)]
    state: State,
    /// Units stored.
    done: u64,
    /// Units in all.
    total: u64,
    /// Seconds of computing.
    seconds: f64,
    /// Digest of the JobResult, once computed.
    result: Option<String>,
    /// Digest of the Finished message, once a statistic is finished on ciphertexts.
    finished: Option<String>,
    /// What went wrong, when failed.
    error: Option<String>,
}

/// States of a job.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(super) enum State {
    /// Inputs not yet all present.
    Draft,
    /// Queued.
    Authorized,
    /// Being computed.
    Running,
    /// All results are stored.
    Computed,
    /// Some shares are in.
    Releasing,
    /// A statistic is being finished on ciphertexts.
    Finishing,
    /// All shares are in.
    Released,
    /// Stopped by an error.
    Failed,
    /// Stopped by who asked for it.
    Cancelled,
    /// A grant ended.
    Revoked,
}
