//! Commitments to shares of a job, and the shares, sealed or masked.

use std::sync::Arc;

use gwas::finish::FinishPlan;
use gwas::wire::{Did, Job, JobResult, Refresh, ShareCommitment, SharePhase, Shares, Study};
use he_core::Digest;
use he_core::arith::pack::packed_len;
use he_core::ceremony::share_round;
use he_core::codec::{Kind, decode};
use he_core::commit::{Commitment, Commitments, revealed_object};

use super::{Offered, grants_in_force, load_finished, load_result, require};
use crate::app::App;
use crate::error::ApiError;
use crate::index::{NewManifest, Slot};

/// What shares are about.
struct Subject {
    study: Study,
    /// Everybody who may read them.
    readers: Vec<Did>,
}

/// The job and its study, of which the holder is one, and in which shares of that phase travel.
async fn subject(
    offered: &Offered<'_>,
    holder: &Did,
    id: &Digest,
    phase: SharePhase,
) -> Result<Subject, ApiError> {
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
    require(
        study.is_shared() || study.is_finished(),
        "the share of a sole key holder never leaves its process",
    )?;
    let why = "what the study releases is not decrypted from shares of this kind";
    require(study.phases().contains(&phase), why)?;
    if offered.is_new() {
        grants_in_force(app, &message).await?;
    }
    // Masked sums are for those alone who replay what the server does with them.
    let readers: Vec<Did> = match phase {
        SharePhase::Refresh => study.key_holders.clone(),
        _ => study.askers().chain([job.owner]).collect(),
    };
    Ok(Subject { readers, study })
}

/// What shares of a phase are of: the result of a job that is computed and not released, and the subject of each round.
struct Rounds {
    id: Digest,
    result: JobResult,
    subjects: Vec<Digest>,
}

async fn rounds(offered: &Offered<'_>, id: &Digest, phase: SharePhase) -> Result<Rounds, ApiError> {
    let status = offered.app.index.job(id).await?.ok_or(ApiError::NotFound("job"))?;
    let Some(name) = status.result.filter(|_| status.state.is_open()) else {
        return Err(ApiError::Conflict(
            "the job has no result to share, or it is released already",
        ));
    };
    let result = load_result(offered.app, name).await?;
    let subjects = match phase {
        SharePhase::Totals | SharePhase::Sums => {
            result.objects(phase).map(|(chunk, ..)| chunk.digest).collect()
        }
        SharePhase::Refresh => vec![Refresh::subject(&name)],
        SharePhase::Values => {
            let finished = status.finished;
            let finished =
                finished.ok_or(ApiError::Conflict("the statistic is not finished yet"))?;
            let finished = load_finished(offered.app, finished).await?;
            finished.values.iter().map(|chunk| chunk.digest).collect()
        }
    };
    Ok(Rounds { id: name, result, subjects })
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
    let Subject { study, readers } = subject(&offered, &holder, &job, phase).await?;
    if offered.is_new() {
        let Rounds { id, subjects, .. } = rounds(&offered, &job, phase).await?;
        require(checked == id, "the commitment is to shares of another result")?;
        for before in study.phases().iter().take_while(|before| **before != phase) {
            let parties = missing(&offered, &study, &job, Slot::Shares(*before)).await?;
            let what = match before {
                SharePhase::Totals => "the totals come first: not everybody has shared them",
                _ => "the refresh comes first: not everybody has revealed it",
            };
            wait(what, parties)?;
        }
        let objects = subjects.len();
        require(
            commitments.len() == objects,
            &format!("this phase has {objects} objects; there is a commitment for each"),
        )?;
        for (subject, commitment) in subjects.into_iter().zip(&commitments) {
            Commitment::from_bytes(commitment, share_round(subject))?;
        }
    }
    Ok(NewManifest {
        links: vec![job],
        readers: readers.into_iter().map(|party| (opened.id, party)).collect(),
        once: Some((job, Slot::Commitment(phase))),
        ..NewManifest::new(opened.id, Kind::ShareCommitment, holder, bytes, offered.received)
    })
}

/// Checks shares: one for each recipient and object, after everybody's commitment.
pub(super) async fn shares(mut offered: Offered<'_>) -> Result<NewManifest, ApiError> {
    let (opened, bytes) = offered.open::<Shares>().await?;
    let holder = offered.sole_signer(&opened)?;
    let Shares { job, phase, sealed, refresh } = opened.message;
    let Subject { study, readers } = subject(&offered, &holder, &job, phase).await?;
    if phase == SharePhase::Refresh {
        let objects = refreshing(&offered, &study, &holder, &job, &refresh).await?;
        return Ok(NewManifest {
            objects,
            links: vec![job],
            readers: readers.into_iter().map(|party| (opened.id, party)).collect(),
            once: Some((job, Slot::Shares(phase))),
            ..NewManifest::new(opened.id, Kind::Shares, holder, bytes, offered.received)
        });
    }
    require(
        sealed.iter().map(|s| s.recipient).eq(study.recipients(phase)),
        "shares are sealed to every recipient that the study names for this phase, and to nobody else",
    )?;
    if offered.is_new() {
        let Rounds { subjects, .. } = rounds(&offered, &job, phase).await?;
        let commitments = missing(&offered, &study, &job, Slot::Commitment(phase)).await?;
        wait("nobody shares before everybody has committed", commitments)?;
        let objects = subjects.len();
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

/// Checks a revealed refresh; what it names. Words were checked when they were uploaded.
async fn refreshing(
    offered: &Offered<'_>,
    study: &Study,
    holder: &Did,
    job: &Digest,
    bytes: &[u8],
) -> Result<Vec<Digest>, ApiError> {
    let named = |refresh: &Refresh| refresh.objects().map(|chunk| chunk.digest).collect();
    if !offered.is_new() {
        return Ok(named(&opened_refresh(bytes)?));
    }
    let Rounds { id, result, .. } = rounds(offered, job, SharePhase::Refresh).await?;
    let slot = Slot::Commitment(SharePhase::Refresh);
    let commitments = missing(offered, study, job, slot).await?;
    wait("nobody reveals before everybody has committed", commitments)?;
    let refresh = open_refresh(offered.app, study, (job, &id), holder, bytes).await?;
    let plan = FinishPlan::new(study).map_err(|e| ApiError::Refused(e.to_string()))?;
    let units = result.units.len();
    let lengths @ [shares, masks, keys] = plan.refresh_lengths(units);
    require(
        refresh.lengths() == lengths,
        &format!(
            "a refresh of this job has {shares} shares, {masks} mask ciphertexts and {keys} key contributions"
        ),
    )?;
    let study_id = offered.app.index.job(job).await?.ok_or(ApiError::NotFound("job"))?.study;
    let lists = [
        (refresh.shares.as_slice(), Kind::DecryptionShare, None),
        (&refresh.masks, Kind::CkksMaskCiphertext, Some(job.short())),
        (&refresh.relinearisation, Kind::CkksRelinShare, Some(study_id.short())),
    ];
    for (chunks, kind, context) in lists {
        for (number, chunk) in (0u32..).zip(chunks) {
            let header = offered.chunk(holder, chunk, "part of a refresh").await?;
            header.expect_kind(kind)?;
            let unit = result.units.get(number as usize).map(|unit| unit.chunk.digest.short());
            header.expect_context(context.or(unit).unwrap_or_default(), "job, study or result")?;
            let place = context.is_none() || header.counts == [number, 0, 0, 0];
            require(place, &format!("the object {} belongs to another place", chunk.digest))?;
            if kind == Kind::CkksMaskCiphertext {
                let words = plan.limbs(number) * plan.params().degree();
                let fits = header.length == packed_len(words) as u64;
                require(
                    fits,
                    &format!("the object {} has another number of primes", chunk.digest),
                )?;
            }
        }
    }
    let said = offered.app.index.once(job, Slot::Shares(SharePhase::Refresh)).await?;
    for (other, name) in said {
        let theirs = revealed(offered.app, study, (job, &id), &other, &name).await?;
        require(
            theirs.groups == refresh.groups,
            "another key holder decrypted other numbers of people and cases",
        )?;
    }
    Ok(named(&refresh))
}

/// The refresh inside a reveal, whatever was committed to.
///
/// # Errors
/// When there is none.
pub fn opened_refresh(bytes: &[u8]) -> Result<Refresh, ApiError> {
    Ok(decode(revealed_object(bytes)?)?)
}

/// The refresh of a stored manifest of shares, checked against its holder's commitment.
///
/// # Errors
/// When it does not open; those of index and store.
pub async fn revealed(
    app: &Arc<App>,
    study: &Study,
    of: (&Digest, &Digest),
    holder: &Did,
    name: &Digest,
) -> Result<Refresh, ApiError> {
    let shares = app.load::<Shares>(name).await?.message;
    open_refresh(app, study, of, holder, &shares.refresh).await
}

/// Opens a reveal against everybody's commitments.
async fn open_refresh(
    app: &Arc<App>,
    study: &Study,
    (job, result): (&Digest, &Digest),
    holder: &Did,
    bytes: &[u8],
) -> Result<Refresh, ApiError> {
    let said = app.index.once(job, Slot::Commitment(SharePhase::Refresh)).await?;
    let mut received = Vec::new();
    for (party, name) in said {
        let message = app.load::<ShareCommitment>(&name).await?.message;
        let commitment = message.commitments.into_iter().next().unwrap_or_default();
        received.push((party.to_string(), commitment));
    }
    let holders: Vec<String> = study.key_holders.iter().map(Did::to_string).collect();
    let holders: Vec<&str> = holders.iter().map(String::as_str).collect();
    let received = received.iter().map(|(party, bytes)| (party.as_str(), bytes.as_slice()));
    let refused = |e: he_core::commit::RoundError| ApiError::Refused(e.to_string());
    let round = share_round(Refresh::subject(result));
    let commitments = Commitments::collect(round, &holders, received).map_err(refused)?;
    let object = commitments.open_one(&holder.to_string(), bytes).map_err(refused)?;
    let refresh: Refresh = decode(&object)?;
    require(
        (refresh.job, refresh.result) == (*job, *result),
        "the refresh is of another job or result",
    )?;
    Ok(refresh)
}
