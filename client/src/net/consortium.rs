//! The routes of a study of several parties: drafts, signatures, status, log, shares. Protocol sections 9 and 11.

use gwas::wire::draft::{Acceptance, Draft, NewDraft, NewInvitation};
use gwas::wire::log::LogEntry;
use gwas::wire::status::{ShareStatus, StudyStatus};
use gwas::wire::{Envelope, Opened};
use he_core::Digest;
use he_core::codec::{HEADER_LEN, Kind, Message};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::Method;

use super::routes::{JSON, MAX_LIST, MAX_STATUS, call, wrong};
use super::send::Call;
use super::{Client, Collection, NetError};

impl Client {
    /// Makes a draft, whose coordinator the caller is.
    ///
    /// # Errors
    /// As every request, and when the draft is another one.
    pub fn new_draft(&self, new: &NewDraft) -> Result<Draft, NetError> {
        let draft: Draft = self.post("/v1/drafts".to_owned(), new)?;
        own_draft(draft, &new.id(&self.did()))
    }

    /// A draft of which the caller is a member.
    ///
    /// # Errors
    /// As every request, and when it is another one.
    pub fn draft(&self, id: &Digest) -> Result<Draft, NetError> {
        own_draft(self.json(&call(Method::GET, format!("/v1/drafts/{id}"), MAX_LIST))?, id)
    }

    /// The drafts of which the caller is a member.
    ///
    /// # Errors
    /// As every request.
    pub fn drafts(&self) -> Result<Vec<Draft>, NetError> {
        self.json(&call(Method::GET, "/v1/drafts".to_owned(), MAX_LIST))
    }

    /// Adds an invitation to a draft.
    ///
    /// # Errors
    /// As every request.
    pub fn invite(&self, draft: &Digest, invitation: &NewInvitation) -> Result<Draft, NetError> {
        own_draft(self.post(format!("/v1/drafts/{draft}/invitations"), invitation)?, draft)
    }

    /// Accepts an invitation.
    ///
    /// # Errors
    /// As every request.
    pub fn accept_invitation(&self, acceptance: &Acceptance) -> Result<Draft, NetError> {
        own_draft(self.post("/v1/invitations/accept".to_owned(), acceptance)?, &acceptance.draft)
    }

    /// Adds the caller's signature to a study.
    ///
    /// # Errors
    /// As every request.
    pub fn put_study_signature(&self, study: &Envelope) -> Result<(), NetError> {
        let body = study.to_bytes()?;
        let path = format!("/v1/studies/{}/signatures", study.id());
        self.send(&Call { body: &body, ..call(Method::PUT, path, MAX_STATUS) }).map(drop)
    }

    /// Where a study stands, and who has to do what next.
    ///
    /// # Errors
    /// As every request.
    pub fn study_status(&self, study: &Digest) -> Result<StudyStatus, NetError> {
        let call = call(Method::GET, format!("/v1/studies/{study}/status"), MAX_LIST);
        let status: StudyStatus = self.json(&call)?;
        if status.study == *study { Ok(status) } else { Err(wrong("the status of study", *study)) }
    }

    /// At most [`PAGE`](gwas::wire::log::PAGE) entries of a study's log after number `after`. For the caller to verify.
    ///
    /// # Errors
    /// As every request.
    pub fn study_log(&self, study: &Digest, after: u64) -> Result<Vec<LogEntry>, NetError> {
        self.json(&call(Method::GET, format!("/v1/studies/{study}/log?after={after}"), MAX_LIST))
    }

    /// As [`Client::study_log`], of a draft.
    ///
    /// # Errors
    /// As every request.
    pub fn draft_log(&self, draft: &Digest, after: u64) -> Result<Vec<LogEntry>, NetError> {
        self.json(&call(Method::GET, format!("/v1/drafts/{draft}/log?after={after}"), MAX_LIST))
    }

    /// What each key holder has committed to and shared of a job.
    ///
    /// # Errors
    /// As every request.
    pub fn share_statuses(&self, job: &Digest) -> Result<Vec<ShareStatus>, NetError> {
        self.json(&call(Method::GET, format!("/v1/jobs/{job}/shares"), MAX_LIST))
    }

    /// A manifest whose sole signer the caller checks, with its stored bytes: what further signatures are added to.
    ///
    /// # Errors
    /// As every request, and when the manifest does not verify.
    pub fn envelope<T: Message>(
        &self,
        collection: Collection,
        id: &Digest,
    ) -> Result<(Opened<T>, Envelope), NetError> {
        let limit = Kind::Envelope.limit() + HEADER_LEN as u64;
        let path = format!("/v1/{}/{id}", collection.word());
        let bytes = self.send(&call(Method::GET, path, limit))?.body;
        let bad = |source| NetError::BadObject { digest: *id, source };
        let opened = Envelope::open::<T>(&bytes).map_err(bad)?;
        let envelope = he_core::codec::decode(&bytes).map_err(|e| bad(e.into()))?;
        if opened.id == *id {
            Ok((opened, envelope))
        } else {
            Err(wrong(collection.singular(), *id))
        }
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: String,
        message: &impl Serialize,
    ) -> Result<T, NetError> {
        let body = serde_json::to_vec(message).map_err(|e| NetError::System(e.to_string()))?;
        self.json(&Call { body: &body, content_type: JSON, ..call(Method::POST, path, MAX_LIST) })
    }
}

fn own_draft(draft: Draft, id: &Digest) -> Result<Draft, NetError> {
    if draft.id == *id { Ok(draft) } else { Err(wrong("draft", *id)) }
}
