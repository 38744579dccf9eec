//! What the commands do with a server, step by step.

use gwas::panel::Panel;
use gwas::wire::status::{JobState, JobStatus, KeyContribution};
use gwas::wire::{ChunkRef, Dataset, Envelope, Job, JobResult, Study};
use he_core::Digest;
use he_core::arith::Ring;
use he_core::public_key::PublicShare;
use he_core_secret::{Entropy, HolderKey};

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
    client.put_study_key(&id, &holder.public_share(ring).to_bytes())?;
    Ok((id, study))
}

/// The contributions to a study's public key.
fn public_shares(
    client: &Client,
    ring: &Ring,
    study: (Digest, &Study),
) -> Result<Vec<PublicShare>> {
    let (id, study) = study;
    let keys = client.study_keys(&id)?;
    let missing = study.key_holders.iter().filter(|h| keys.iter().all(|k| k.party != **h)).count();
    if missing > 0 {
        return Err(Error::input(format_args!(
            "{missing} of {} key holders have not contributed to the study's key yet",
            study.key_holders.len()
        ))
        .with_remedy("wait for them, then run this command again"));
    }
    let read = |key: &KeyContribution| {
        let bytes =
            client.get_object_bytes(&key.chunk, he_core::codec::Kind::PublicShare.limit() + 64)?;
        PublicShare::from_bytes(&bytes, ring.params(), id).map_err(Error::corrupt)
    };
    keys.iter().filter(|k| study.key_holders.contains(&k.party)).map(read).collect()
}

/// Grants a dataset to a study for `seconds` from now.
pub(super) fn create_grant(
    client: &Client,
    ring: &Ring,
    dataset: (Digest, &Dataset),
    study: (Digest, &Study),
    seconds: u64,
) -> Result<Digest> {
    let identity = client.identity();
    let shares = public_shares(client, ring, study)?;
    let times = (now(), now().saturating_add(seconds));
    let grant = study::grant(ring, identity.master(), dataset, study, &shares, &entropy()?, times)?;
    client.put_chunk(&grant.terms.switching_key.digest, &grant.switching_key)?;
    let envelope = sign(&grant.terms, identity)?;
    client.put_manifest(Collection::Grants, &envelope)?;
    Ok(envelope.id())
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
