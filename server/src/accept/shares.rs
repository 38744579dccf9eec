//! Commitments to shares of a job, and the sealed shares.

use gwas::wire::status::JobState;
use gwas::wire::{Did, Job, JobResult, ShareCommitment, SharePhase, Shares, Study};
use he_core::Digest;
use he_core::ceremony::share_round;
use he_core::codec::Kind;
use he_core::commit::Commitment;

use super::{Offered, grants_in_force, load_result, require};
use crate::error::ApiError;
use crate::index::{NewManifest, Slot};

/// What shares are about.
struct Subject {
    study: Study,
    /// Everybody who may read them.
    readers: Vec<Did>,
}

/// The job and its study; the holder must be one of several.
async fn subject(offered: &Offered<'_>, holder: &Did, id: &Digest) -> Result<Subject, ApiError> {
    let app = offered.app;
    let job = offered.named(Kind::Job, "job", id).await?;
    if !app.index.may_read(holder, id).await? {
        return Err(ApiError::Missing { what: "job", digest: *id });
    }
    let message = app.load::<Job>(id).await?.message;
    let study = app.load::<Study>(&message.study).await?.message;
    if !study.key_holders.contains(holder) {
        return Err(ApiError::Forbidden("only the study's key holders share"));
    }
    require(study.is_shared(), "the share of a sole key holder never leaves its process")?;
    if offered.is_new() {
        grants_in_force(app, &message).await?;
    }
    let readers = study.askers().chain([job.owner]);
    Ok(Subject { readers: readers.collect(), study })
}

/// The result of a job that is computed and not released.
async fn result(offered: &Offered<'_>, id: &Digest) -> Result<(Digest, JobResult), ApiError> {
    let status = offered.app.index.job(id).await?.ok_or(ApiError::NotFound("job"))?;
    let open = [JobState::Computed, JobState::Releasing].contains(&status.state);
    match status.result {
        Some(result) if open => Ok((result, load_result(offered.app, result).await?)),
        _ => Err(ApiError::Conflict("the job has no result to share, or it is released already")),
    }
}

/// Who of the holders has not said something yet.
async fn missing(
    offered: &Offered<'_>,
    study: &Study,
    id: &Digest,
    slot: Slot,
) -> Result<Vec<Did>, ApiError> {
    let said = offered.app.index.once(id, slot).await?;
    let missing = |holder: &&Did| said.iter().all(|(party, _)| party != *holder);
    Ok(study.key_holders.iter().filter(missing).copied().collect())
}

fn wait(what: &'static str, parties: Vec<Did>) -> Result<(), ApiError> {
    if parties.is_empty() { Ok(()) } else { Err(ApiError::Waiting { what, parties }) }
}

/// Checks a commitment: of the result that is stored, one for each object, in its turn.
pub(super) async fn commitment(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<ShareCommitment>().await?;
    let holder = offered.sole_signer(&opened)?;
    let ShareCommitment { job, result: checked, phase, commitments } = opened.message;
    let Subject { study, readers } = subject(&offered, &holder, &job).await?;
    if offered.is_new() {
        let (stored, result) = result(&offered, &job).await?;
        require(checked == stored, "the commitment is to shares of another result")?;
        if phase == SharePhase::Sums {
            let totals = missing(&offered, &study, &job, Slot::Shares(SharePhase::Totals)).await?;
            wait("the totals come first: not everybody has shared them", totals)?;
        }
        let objects = result.objects(phase).count();
        require(
            commitments.len() == objects,
            &format!("this phase has {objects} objects; there is a commitment for each"),
        )?;
        for ((object, ..), commitment) in result.objects(phase).zip(&commitments) {
            Commitment::from_bytes(commitment, share_round(object.digest))?;
        }
    }
    Ok(NewManifest {
        links: vec![job],
        readers: readers.into_iter().map(|party| (opened.id, party)).collect(),
        once: Some((job, Slot::Commitment(phase))),
        ..NewManifest::new(opened.id, Kind::ShareCommitment, holder, bytes, offered.received)
    })
}

/// Checks sealed shares: one for each recipient and object, after everybody's commitment.
pub(super) async fn shares(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<Shares>().await?;
    let holder = offered.sole_signer(&opened)?;
    let Shares { job, phase, sealed } = opened.message;
    let Subject { study, readers } = subject(&offered, &holder, &job).await?;
    require(
        sealed.iter().map(|s| s.recipient).eq(study.recipients(phase)),
        "shares are sealed to every recipient that the study names for this phase, and to nobody else",
    )?;
    if offered.is_new() {
        let (_, result) = result(&offered, &job).await?;
        let commitments = missing(&offered, &study, &job, Slot::Commitment(phase)).await?;
        wait("nobody shares before everybody has committed", commitments)?;
        let objects = result.objects(phase).count();
        for (number, sealed) in (0..).zip(&sealed) {
            require(
                sealed.chunks.len() == objects,
                &format!("this phase has {objects} objects; there is a share for each"),
            )?;
            for (object, chunk) in (0..).zip(&sealed.chunks) {
                let header = offered.chunk(&holder, chunk, "sealed share").await?;
                header.expect_kind(Kind::SealedShare)?;
                header.expect_context(job.short(), "job")?;
                require(
                    header.counts == [phase.number(), number, object, 0],
                    &format!("the sealed share {} belongs to another place", chunk.digest),
                )?;
            }
        }
    }
    Ok(NewManifest {
        objects: sealed.iter().flat_map(|s| s.chunks.iter().map(|c| c.digest)).collect(),
        links: vec![job],
        readers: readers.into_iter().map(|party| (opened.id, party)).collect(),
        once: Some((job, Slot::Shares(phase))),
        ..NewManifest::new(opened.id, Kind::Shares, holder, bytes, offered.received)
    })
}
