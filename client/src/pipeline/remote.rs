//! What the commands do with a server, step by step.

use gwas::finish::{FinishPlan, KeyContributions};
use gwas::panel::Panel;
use gwas::wire::status::{JobState, JobStatus};
use gwas::wire::{
    ChunkRef, Dataset, Did, Envelope, GrantTerms, Job, JobResult, KeyCommitment, Study,
};
use he_core::Digest;
use he_core::arith::Ring;
use he_core::ceremony::{key_round, public_key_of};
use he_core::ckks::{CkksPublicKey, CkksRing};
use he_core::codec::CodecError;
use he_core::commit::{Commitments, RoundError};
use he_core::public_key::PublicKey;
use he_core_secret::ckks::CkksHolderKey;
use he_core_secret::{Entropy, HolderKey, MasterKey};

use super::study::{self, StudyText, sign};
use crate::console::{Console, Unit};
use crate::net::{Client, Collection, now};
use crate::{Error, Result};

/// Fresh randomness.
pub(super) fn entropy() -> Result<Entropy> {
    Entropy::fresh().map_err(|e| Error::Internal(format!("the system gives no randomness: {e}")))
}

/// Sends a panel's text.
pub(super) fn send_panel(client: &Client, panel: &Panel) -> Result<()> {
    let mut text = Vec::new();
    panel.write_text(&mut text).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(client.put_panel(&panel.digest(), &text)?)
}

/// Makes a study for a dataset, with the caller as coordinator and sole key holder, and publishes its key.
pub(super) fn create_study(
    client: &Client,
    ring: &Ring,
    dataset: &Dataset,
    text: StudyText,
) -> Result<(Digest, Study)> {
    let identity = client.identity();
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|e| Error::Internal(e.to_string()))?;
    let study = study::study_for(dataset, text, identity, nonce, now());
    let envelope = sign(&study, identity)?;
    client.put_manifest(Collection::Studies, &envelope)?;
    let id = envelope.id();
    let holder = HolderKey::derive(identity.master(), ring, id);
    let party = identity.did().to_string();
    let object = contribution(identity.master(), ring, &holder, &study);
    let commitment = holder.commit(key_round(id), &party, &object).to_bytes();
    client.put_key_commitment(&sign(&KeyCommitment { study: id, commitment }, identity)?, &id)?;
    let commitments = commitments(client, (id, &study))?;
    let reveal = holder.reveal(key_round(id), &party, &commitments, object);
    let reveal = reveal.map_err(Error::corrupt)?.signed(|text| identity.sign(text));
    client.put_study_key(&id, &reveal.to_bytes())?;
    Ok((id, study))
}

/// Every key holder's commitment to its contribution to a study's key, each checked to be signed by its holder.
pub(super) fn commitments(client: &Client, (id, study): (Digest, &Study)) -> Result<Commitments> {
    let mut received = Vec::new();
    for listed in client.key_commitments(&id)? {
        let opened = client.key_commitment(&listed.manifest)?;
        if opened.signers != [listed.party] || opened.message.study != id {
            return Err(Error::corrupt(format_args!(
                "the server gave a commitment to the study's key that {} has not signed",
                listed.party
            )));
        }
        received.push((listed.party.to_string(), opened.message.commitment));
    }
    let holders: Vec<String> = study.key_holders.iter().map(Did::to_string).collect();
    let holders: Vec<&str> = holders.iter().map(String::as_str).collect();
    let received = received.iter().map(|(party, bytes)| (party.as_str(), bytes.as_slice()));
    Commitments::collect(key_round(id), &holders, received)
        .map_err(|e| Error::input(e).with_remedy("wait for them, then run this command again"))
}

/// What a key holder contributes to a study's keys: the object of its part of the public key, and after it, where a statistic
/// is finished on ciphertexts, that of its part of the finishing key.
pub(super) fn contribution(
    master: &MasterKey,
    ring: &Ring,
    holder: &HolderKey,
    study: &Study,
) -> Vec<u8> {
    let mut object = holder.public_share(ring).to_bytes();
    if let Ok(plan) = FinishPlan::new(study) {
        let ring = CkksRing::new(plan.params());
        let key = CkksHolderKey::derive(master, &ring, holder.study());
        object.extend(key.public_share(&ring).to_bytes());
    }
    object
}

/// What every holder committed to and revealed of a study's keys, in the study's order.
fn contributions(client: &Client, study: (Digest, &Study)) -> Result<(Commitments, Vec<Vec<u8>>)> {
    let commitments = commitments(client, study)?;
    let mut revealed = Vec::new();
    for key in client.study_keys(&study.0)? {
        let bytes = client.get_object_bytes(&key.chunk, KeyContributions::REVEAL_LIMIT)?;
        revealed.push((key.party.to_string(), bytes));
    }
    let revealed = || revealed.iter().map(|(party, bytes)| (party.as_str(), bytes.as_slice()));
    for (party, bytes) in revealed() {
        commitments.open_signed(party, bytes, Did::named_verifies).map_err(Error::corrupt)?;
    }
    let objects = commitments.open(revealed()).map_err(waiting)?;
    Ok((commitments, objects))
}

fn waiting(error: RoundError) -> Error {
    Error::input(error).with_remedy("wait for them, then run this command again")
}

/// A study's public key, computed from what every holder committed to and revealed.
pub(super) fn combined_key(
    client: &Client,
    ring: &Ring,
    study: (Digest, &Study),
) -> Result<PublicKey> {
    let (commitments, objects) = contributions(client, study)?;
    // What follows the first object is for finishing.
    let first = objects.iter().map(|object| Ok(KeyContributions::split(object)?.0));
    let first = first.collect::<Result<Vec<_>, CodecError>>().map_err(Error::corrupt)?;
    public_key_of(ring.params(), &commitments, first).map_err(waiting)
}

/// A study's finishing key, computed from what every holder committed to and revealed.
pub(super) fn finishing_key(
    client: &Client,
    ring: &CkksRing,
    (id, study): (Digest, &Study),
) -> Result<CkksPublicKey> {
    let (_, objects) = contributions(client, (id, study))?;
    let read = |object: &Vec<u8>| Ok(KeyContributions::read(study, id, object)?.finishing);
    let shares = objects.iter().map(read).collect::<Result<Vec<_>, CodecError>>();
    let shares: Vec<_> = shares.map_err(Error::corrupt)?.into_iter().flatten().collect();
    CkksPublicKey::combine(ring, id, study.key_holders.len(), &shares).map_err(Error::corrupt)
}

/// Grants a dataset to a study for `seconds` from now.
pub(super) fn create_grant(
    client: &Client,
    ring: &Ring,
    dataset: (Digest, &Dataset),
    study: (Digest, &Study),
    seconds: u64,
) -> Result<(Digest, GrantTerms)> {
    let identity = client.identity();
    let public = combined_key(client, ring, study)?;
    let times = (now(), now().saturating_add(seconds));
    let grant = study::grant(ring, identity.master(), dataset, study, &public, &entropy()?, times)?;
    client.put_chunk(&grant.terms.switching_key.digest, &grant.switching_key)?;
    let envelope = sign(&grant.terms, identity)?;
    client.put_manifest(Collection::Grants, &envelope)?;
    Ok((envelope.id(), grant.terms))
}

/// Submits a job.
pub(super) fn submit(client: &Client, job: &Job) -> Result<Digest> {
    let envelope: Envelope = sign(job, client.identity())?;
    client.put_manifest(Collection::Jobs, &envelope)?;
    Ok(envelope.id())
}

/// Waits until a job is computed.
pub(super) fn wait(client: &Client, job: &Digest, console: &Console) -> Result<JobStatus> {
    let progress = console.progress("compute", 0, Unit::Items("units"));
    let status = client.watch_job(job, |status| {
        progress.set_total(status.total);
        progress.set(status.done);
    })?;
    progress.finish();
    computed(&status)?;
    Ok(status)
}

/// Refuses a job that has no result.
pub(super) fn computed(status: &JobStatus) -> Result<Digest> {
    let reason = match status.state {
        JobState::Draft | JobState::Authorized | JobState::Running => "is not computed yet",
        JobState::Finishing => "is being finished",
        JobState::Failed => "failed",
        JobState::Cancelled => "was cancelled",
        JobState::Revoked => "ended because a grant was withdrawn or expired",
        JobState::Computed | JobState::Releasing | JobState::Released => "has no result",
    };
    status.result.ok_or_else(|| {
        let detail = status.error.as_deref().map(|e| format!(": {e}")).unwrap_or_default();
        Error::input(format_args!("job {} {reason}{detail}", status.job))
            .with_remedy("see `hegwas run status`, and submit the job again with `hegwas run new`")
    })
}

/// The result manifest of a computed job.
pub(super) fn result(client: &Client, status: &JobStatus) -> Result<JobResult> {
    Ok(client.job_result(&status.job, &computed(status)?)?)
}

/// A result's stored object.
pub(super) fn fetch(client: &Client, chunk: &ChunkRef) -> Result<Vec<u8>> {
    Ok(client.get_chunk(chunk)?)
}
