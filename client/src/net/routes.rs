//! One method for each route of protocol section 9.

use gwas::wire::status::{ChunkQuery, Committed, Erased, JobStatus, KeyContribution, Listed};
use gwas::wire::{ChunkRef, Envelope, EnvelopeError, JobResult, KeyCommitment, Opened};
use he_core::Digest;
use he_core::codec::{HEADER_LEN, Kind, Message, decode};
use serde::de::DeserializeOwned;
use ureq::http::Method;

use super::send::{Answer, Call};
use super::{Client, NetError};

const BYTES: &str = "application/octet-stream";
pub(super) const JSON: &str = "application/json";
/// Longest listing in bytes.
pub(super) const MAX_LIST: u64 = 64 << 20;
/// Longest status in bytes.
pub(super) const MAX_STATUS: u64 = 64 << 10;
/// Longest panel text in bytes.
const MAX_PANEL: u64 = 4 << 30;
/// Longest object that a server stores as a chunk, of whatever kind, by its own default.
const MAX_CHUNK: u64 = (64 << 20) + HEADER_LEN as u64;
/// Digests in one question.
const MAX_QUERY: usize = 10_000;

/// Signed manifests, by the word in their URLs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Collection {
    /// Encrypted genotypes.
    Datasets,
    /// Encrypted phenotypes.
    Phenotypes,
    /// Studies.
    Studies,
    /// Grants.
    Grants,
    /// Jobs.
    Jobs,
    /// Sums that sites encrypted under a study's key.
    Totals,
    /// Commitments to shares.
    ShareCommitments,
    /// Sealed shares.
    Shares,
}

impl Collection {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Datasets => "datasets",
            Self::Phenotypes => "phenotypes",
            Self::Studies => "studies",
            Self::Grants => "grants",
            Self::Jobs => "jobs",
            Self::Totals => "totals",
            Self::ShareCommitments => "share-commitments",
            Self::Shares => "shares",
        }
    }

    /// One of them.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Datasets => "dataset",
            Self::Phenotypes => "phenotype",
            Self::Studies => "study",
            Self::Grants => "grant",
            Self::Jobs => "job",
            Self::Totals => "totals",
            Self::ShareCommitments => "commitment to shares",
            Self::Shares => "shares",
        }
    }
}

pub(super) fn call(method: Method, path: String, limit: u64) -> Call<'static> {
    Call { method, path, body: &[], content_type: BYTES, digest: true, limit }
}

impl Client {
    /// Which of these chunks the server does not hold for the caller, in their order.
    ///
    /// # Errors
    /// As every request.
    pub fn missing_chunks(&self, digests: &[Digest]) -> Result<Vec<Digest>, NetError> {
        let mut missing = Vec::new();
        for part in digests.chunks(MAX_QUERY) {
            let query = ChunkQuery { digests: part.to_vec() };
            let body = serde_json::to_vec(&query).map_err(|e| NetError::System(e.to_string()))?;
            let path = "/v1/chunks/missing".to_owned();
            let call =
                Call { body: &body, content_type: JSON, ..call(Method::POST, path, MAX_LIST) };
            let answer: ChunkQuery = self.json(&call)?;
            if answer.digests.iter().any(|digest| !part.contains(digest)) && !part.is_empty() {
                let reason = "it names a chunk that was not asked about".to_owned();
                return Err(NetError::Malformed { what: call.what(), reason });
            }
            missing.extend(answer.digests);
        }
        Ok(missing)
    }

    /// Uploads a chunk; whether the server did not hold it yet. `digest` must be that of `bytes`: the server checks.
    ///
    /// # Errors
    /// As every request.
    pub fn put_chunk(&self, digest: &Digest, bytes: &[u8]) -> Result<bool, NetError> {
        let path = format!("/v1/chunks/{digest}");
        let call = Call { body: bytes, digest: false, ..call(Method::PUT, path, MAX_STATUS) };
        Ok(self.send(&call)?.status == 201)
    }

    /// Downloads a chunk of a kind that is not known yet, and checks length and digest.
    ///
    /// # Errors
    /// As every request; when it is named as longer than any chunk, before anything is asked for; when the bytes are other ones.
    pub fn get_chunk(&self, chunk: &ChunkRef) -> Result<Vec<u8>, NetError> {
        self.get_within(chunk, ("a chunk", MAX_CHUNK))
    }

    /// Downloads a chunk that is to be of this kind, and checks length and digest; its header is for the caller to check.
    ///
    /// # Errors
    /// As those of [`Client::get_chunk`], with the limit of the kind.
    pub fn get_chunk_of(&self, kind: Kind, chunk: &ChunkRef) -> Result<Vec<u8>, NetError> {
        self.get_within(chunk, (kind.name(), kind.limit() + HEADER_LEN as u64))
    }

    /// The length is written by whoever named the chunk: it is no limit before it is within one.
    fn get_within(
        &self,
        chunk: &ChunkRef,
        (what, limit): (&'static str, u64),
    ) -> Result<Vec<u8>, NetError> {
        let ChunkRef { digest, length } = *chunk;
        if length > limit {
            return Err(NetError::TooLarge { what, digest, length, limit });
        }
        let bytes = self.get_object_bytes(&chunk.digest, chunk.length)?;
        if bytes.len() as u64 == chunk.length {
            Ok(bytes)
        } else {
            Err(wrong("chunk", chunk.digest))
        }
    }

    /// Downloads an object of at most `limit` bytes from the chunk store and checks its digest.
    ///
    /// # Errors
    /// As every request, and when the bytes are other ones.
    pub fn get_object_bytes(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>, NetError> {
        let bytes = self.send(&call(Method::GET, format!("/v1/chunks/{digest}"), limit))?.body;
        if Digest::of(&bytes) == *digest { Ok(bytes) } else { Err(wrong("chunk", *digest)) }
    }

    /// Uploads a panel's text under its panel digest.
    ///
    /// # Errors
    /// As every request.
    pub fn put_panel(&self, digest: &Digest, text: &[u8]) -> Result<(), NetError> {
        let path = format!("/v1/panels/{digest}");
        let call = Call {
            body: text,
            content_type: "text/plain; charset=utf-8",
            ..call(Method::PUT, path, MAX_STATUS)
        };
        self.send(&call).map(drop)
    }

    /// Downloads a panel's text. A panel is named by the digest of its variants, not of this text: the caller parses it
    /// and compares.
    ///
    /// # Errors
    /// As every request.
    pub fn get_panel(&self, digest: &Digest) -> Result<Vec<u8>, NetError> {
        Ok(self.send(&call(Method::GET, format!("/v1/panels/{digest}"), MAX_PANEL))?.body)
    }

    /// Uploads a signed manifest; whether the server did not hold it yet.
    ///
    /// # Errors
    /// As every request.
    pub fn put_manifest(
        &self,
        collection: Collection,
        envelope: &Envelope,
    ) -> Result<bool, NetError> {
        let body = envelope.to_bytes()?;
        let path = format!("/v1/{}/{}", collection.word(), envelope.id());
        let call = Call { body: &body, ..call(Method::PUT, path, MAX_STATUS) };
        Ok(self.send(&call)?.status == 201)
    }

    /// Downloads a manifest and checks its digest, conformance and signatures. Whether the right parties signed is for
    /// the caller to check.
    ///
    /// # Errors
    /// As every request, and when the manifest does not verify.
    pub fn get_manifest<T: Message>(
        &self,
        collection: Collection,
        id: &Digest,
    ) -> Result<Opened<T>, NetError> {
        let limit = Kind::Envelope.limit() + HEADER_LEN as u64;
        let bytes =
            self.send(&call(Method::GET, format!("/v1/{}/{id}", collection.word()), limit))?.body;
        let opened = Envelope::open::<T>(&bytes)
            .map_err(|source| NetError::BadObject { digest: *id, source })?;
        if opened.id == *id { Ok(opened) } else { Err(wrong(collection.singular(), *id)) }
    }

    /// What the caller may read. Jobs have a listing of their own.
    ///
    /// # Errors
    /// As every request.
    pub fn list(&self, collection: Collection) -> Result<Vec<Listed>, NetError> {
        self.json(&call(Method::GET, format!("/v1/{}", collection.word()), MAX_LIST))
    }

    /// The jobs that the caller may read.
    ///
    /// # Errors
    /// As every request.
    pub fn list_jobs(&self) -> Result<Vec<JobStatus>, NetError> {
        self.json(&call(Method::GET, "/v1/jobs".to_owned(), MAX_LIST))
    }

    /// Erases a dataset, a phenotype or totals with their objects, or withdraws a grant.
    ///
    /// # Errors
    /// As every request.
    pub fn delete(&self, collection: Collection, id: &Digest) -> Result<Erased, NetError> {
        self.json(&call(Method::DELETE, format!("/v1/{}/{id}", collection.word()), MAX_STATUS))
    }

    /// Publishes the caller's signed commitment to its contribution to a study's key.
    ///
    /// # Errors
    /// As every request.
    pub fn put_key_commitment(
        &self,
        commitment: &Envelope,
        study: &Digest,
    ) -> Result<(), NetError> {
        let id = commitment.id();
        let bytes = commitment
            .to_bytes()
            .map_err(|e| NetError::BadObject { digest: id, source: EnvelopeError::Codec(e) })?;
        let path = format!("/v1/studies/{study}/commitments");
        self.send(&Call { body: &bytes, ..call(Method::PUT, path, MAX_STATUS) }).map(drop)
    }

    /// The commitments to contributions to a study's key so far.
    ///
    /// # Errors
    /// As every request.
    pub fn key_commitments(&self, study: &Digest) -> Result<Vec<Committed>, NetError> {
        self.json(&call(Method::GET, format!("/v1/studies/{study}/commitments"), MAX_LIST))
    }

    /// A signed commitment to a contribution to a study's key.
    ///
    /// # Errors
    /// As every request, and when it is another one or its signature does not verify.
    pub fn key_commitment(&self, id: &Digest) -> Result<Opened<KeyCommitment>, NetError> {
        let path = format!("/v1/key-commitments/{id}");
        let bytes = self.send(&call(Method::GET, path, MAX_STATUS))?.body;
        let opened = Envelope::open::<KeyCommitment>(&bytes)
            .map_err(|source| NetError::BadObject { digest: *id, source })?;
        if opened.id == *id { Ok(opened) } else { Err(wrong("commitment", *id)) }
    }

    /// Reveals the caller's contribution (an object of kind `Reveal`) to a study's key.
    ///
    /// # Errors
    /// As every request.
    pub fn put_study_key(&self, study: &Digest, object: &[u8]) -> Result<(), NetError> {
        let path = format!("/v1/studies/{study}/keys");
        self.send(&Call { body: object, ..call(Method::PUT, path, MAX_STATUS) }).map(drop)
    }

    /// The contributions to a study's key so far.
    ///
    /// # Errors
    /// As every request.
    pub fn study_keys(&self, study: &Digest) -> Result<Vec<KeyContribution>, NetError> {
        self.json(&call(Method::GET, format!("/v1/studies/{study}/keys"), MAX_LIST))
    }

    /// Where a job stands.
    ///
    /// # Errors
    /// As every request.
    pub fn job_status(&self, job: &Digest) -> Result<JobStatus, NetError> {
        self.own_status(job, &call(Method::GET, format!("/v1/jobs/{job}/status"), MAX_STATUS))
    }

    /// Stops a job.
    ///
    /// # Errors
    /// As every request.
    pub fn cancel_job(&self, job: &Digest) -> Result<JobStatus, NetError> {
        self.own_status(job, &call(Method::POST, format!("/v1/jobs/{job}/cancel"), MAX_STATUS))
    }

    /// The result manifest of a computed job, checked against the digest that the status names.
    ///
    /// # Errors
    /// As every request, and when the manifest is another one or does not conform.
    pub fn job_result(&self, job: &Digest, result: &Digest) -> Result<JobResult, NetError> {
        let limit = Kind::JobResult.limit() + HEADER_LEN as u64;
        let bytes = self.send(&call(Method::GET, format!("/v1/jobs/{job}/result"), limit))?.body;
        if Digest::of(&bytes) != *result {
            return Err(wrong("result", *result));
        }
        let bad = |e| NetError::BadObject { digest: *result, source: EnvelopeError::Codec(e) };
        let decoded: JobResult = decode(&bytes).map_err(bad)?;
        if decoded.job == *job { Ok(decoded) } else { Err(wrong("the result of job", *job)) }
    }

    fn own_status(&self, job: &Digest, call: &Call<'_>) -> Result<JobStatus, NetError> {
        let status: JobStatus = self.json(call)?;
        if status.job == *job { Ok(status) } else { Err(wrong("the status of job", *job)) }
    }

    pub(super) fn json<T: DeserializeOwned>(&self, call: &Call<'_>) -> Result<T, NetError> {
        let Answer { body, .. } = self.send(call)?;
        serde_json::from_slice(&body)
            .map_err(|e| NetError::Malformed { what: call.what(), reason: e.to_string() })
    }
}

pub(super) fn wrong(what: &'static str, digest: Digest) -> NetError {
    NetError::WrongDigest { what, digest }
}
