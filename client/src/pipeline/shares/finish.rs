//! A key holder's part where a statistic is finished on ciphertexts. Finishing sections 5 and 6.

use std::collections::BTreeSet;

use gwas::finish::{Evaluation, FinishError, FinishPlan, Inputs as FinishInputs};
use gwas::presence::Presence;
use gwas::wire::status::JobStatus;
use gwas::wire::{
    ChunkRef, Did, Finished, GroupSize, JobResult, Opened, Refresh, ShareCommitment, SharePhase,
    Shares, Study,
};
use he_core::Digest;
use he_core::ceremony::share_round;
use he_core::ckks::{CkksRing, EvaluatedResult, ReleaseShare};
use he_core::codec::{HEADER_LEN, Kind, decode, encode};
use he_core::share::ShareKind;
use he_core_secret::ckks::{CkksHolderKey, release_share};
use he_core_secret::{Masks, MasterKey, refresh_share};
use zeroize::Zeroizing;

use super::give::Holder;
use super::inputs::Inputs;
use super::receive::{Subject, commitments_to};
use super::store::{Given, unknown};
use crate::console::Unit;
use crate::net::{Client, Collection};
use crate::pipeline::remote;
use crate::pipeline::study::sign;
use crate::{Error, Result};

/// A holder's finishing key, and how the study's statistic is computed.
pub(in crate::pipeline) struct Finisher {
    pub(in crate::pipeline) plan: FinishPlan,
    pub(in crate::pipeline) ring: CkksRing,
    key: CkksHolderKey,
}

impl Finisher {
    /// That of the holder with that master key; nothing where the study releases counts.
    pub(in crate::pipeline) fn new(study: &Opened<Study>, master: &MasterKey) -> Option<Self> {
        let plan = FinishPlan::new(&study.message).ok()?;
        let ring = CkksRing::new(plan.params());
        let key = CkksHolderKey::derive(master, &ring, study.id);
        Some(Self { plan, ring, key })
    }

    /// The holder's share of the values of a batch, which it has recomputed.
    pub(in crate::pipeline) fn share(&self, job: &Digest, value: &EvaluatedResult) -> ReleaseShare {
        release_share(&self.ring, &self.key, value, job, self.plan.flood())
    }

    /// Reads the values of a batch.
    pub(in crate::pipeline) fn value(
        &self,
        client: &Client,
        job: &Digest,
        chunk: &ChunkRef,
        batch: u32,
    ) -> Result<EvaluatedResult> {
        let bytes = client.get_chunk_of(Kind::CkksResult, chunk)?;
        EvaluatedResult::from_bytes(&bytes, self.plan.params(), job, batch).map_err(Error::corrupt)
    }
}

/// The finished statistic of a job.
pub(in crate::pipeline) fn finished_of(client: &Client, status: &JobStatus) -> Result<Finished> {
    let id = status.finished.ok_or_else(|| {
        Error::input(format_args!("the statistic of job {} is not finished yet", status.job))
            .with_remedy(
                "each key holder runs `hegwas agent`; `hegwas study status` says what is missing",
            )
    })?;
    let limit = Kind::Finished.limit() + HEADER_LEN as u64;
    let bytes = client.get_object_bytes(&id, limit)?;
    let finished: Finished = decode(&bytes).map_err(Error::corrupt)?;
    if finished.job == status.job && Some(finished.result) == status.result {
        Ok(finished)
    } else {
        Err(Error::corrupt("the server gave the finished statistic of another job"))
    }
}

/// Failures of an evaluation.
enum Failed {
    Client(Error),
    Finish(FinishError),
}

impl From<FinishError> for Failed {
    fn from(error: FinishError) -> Self {
        Self::Finish(error)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Client(error) => error,
            Failed::Finish(error) => Self::corrupt(error)
                .with_remedy("tell the other parties; the job can't be finished"),
        }
    }
}

/// What a statistic was finished from, and what came out.
pub(in crate::pipeline) struct Replay<'a> {
    pub(in crate::pipeline) subject: Subject<'a>,
    pub(in crate::pipeline) presence: &'a Presence,
    pub(in crate::pipeline) groups: &'a [GroupSize],
}

impl Replay<'_> {
    /// Computes every batch again from what the holders revealed, and compares; `each` sees the values.
    ///
    /// # Errors
    /// When an object can't be had or does not conform, a holder decrypted other totals, or the server's values are others.
    pub(in crate::pipeline) fn run(
        self,
        console: &crate::console::Console,
        mut each: impl FnMut(u32, &EvaluatedResult) -> Result<()>,
    ) -> Result<()> {
        let Subject { client, study, result, values, .. } = self.subject;
        let refreshes = self.subject.refreshes()?;
        if refreshes.iter().any(|refresh| refresh.groups != self.groups) {
            return Err(Error::corrupt(
                "the statistic was finished with other numbers of people and cases than the totals",
            )
            .with_remedy("share nothing, and tell the other parties"));
        }
        let read = |chunk: &ChunkRef| client.get_chunk(chunk).map_err(|e| Failed::Client(e.into()));
        let inputs = FinishInputs {
            study_id: study.id,
            study: &study.message,
            result,
            presence: self.presence.clone(),
            refreshes,
        };
        let evaluation = Evaluation::new::<Failed>(inputs, &read)?;
        let batches = evaluation.plan().batches();
        if values.len() != batches as usize {
            return Err(lied(client));
        }
        let progress = console.progress("replay", u64::from(batches), Unit::Items("batches"));
        for (batch, chunk) in (0..).zip(values) {
            let value = evaluation.batch::<Failed>(batch, &read)?;
            if Digest::of(&value.to_bytes(&result.job, batch)) != chunk.digest {
                return Err(lied(client));
            }
            each(batch, &value)?;
            progress.inc(1);
        }
        progress.finish();
        Ok(())
    }
}

fn lied(client: &Client) -> Error {
    Error::corrupt(format_args!(
        "the server {} did not compute what the study asks for: the finished values are others than the refreshed sums give",
        client.url()
    ))
    .with_remedy("share nothing, and tell the other parties not to trust this server")
}

/// Where the objects of a refresh go.
enum Sink<'a> {
    /// Nowhere: only their names are wanted.
    Names,
    /// To the server, as far as it lacks them; none but these, which were committed to.
    Server(&'a Client, BTreeSet<Digest>),
}

impl Sink<'_> {
    fn take(&self, bytes: &[u8]) -> Result<ChunkRef> {
        let chunk = ChunkRef { digest: Digest::of(bytes), length: bytes.len() as u64 };
        if let Self::Server(client, named) = self {
            // What an object is made from is fetched each time; a server may answer otherwise the second time, and two objects for one
            // job together would open what each of them hides.
            if !named.contains(&chunk.digest) {
                return Err(Error::corrupt(
                    "the totals or the keys of the job are not what they were a moment ago",
                )
                .with_remedy(
                    "share nothing, and tell the other parties not to trust this server",
                ));
            }
            if !client.missing_chunks(&[chunk.digest])?.is_empty() {
                client.put_chunk(&chunk.digest, bytes)?;
            }
        }
        Ok(chunk)
    }
}

impl Holder<'_> {
    fn finisher(&self) -> Result<&Finisher> {
        self.finisher.as_ref().ok_or_else(|| Error::Internal("the study releases counts".into()))
    }

    /// The holder's refresh of a job, a function of its key and the job. Leave to give it is written down if it is `new`, and must
    /// have been before if not; so is leave for the shares of each unit, before these are computed.
    fn refresh(
        &mut self,
        inputs: &Inputs,
        result: &JobResult,
        id: Digest,
        (new, sink): (bool, &Sink<'_>),
    ) -> Result<Refresh> {
        let groups = self.check_totals(inputs, result, id)?;
        let (mut shares, mut masks) = (Vec::new(), Vec::new());
        for (chunk, plane, group) in result.objects(SharePhase::Sums) {
            let (share, mask) = self.refresh_unit(result, &chunk, (plane, group), new)?;
            shares.push(sink.take(&share)?);
            masks.push(mask);
        }
        let finisher = self.finisher()?;
        let job = result.job;
        let unit = |group: u32| masks.get(group as usize).map_or(&[][..], Masks::values);
        let mut ciphertexts = Vec::new();
        for batch in 0..finisher.plan.batches() {
            let maps = finisher.plan.maps(batch, &inputs.presence, &groups);
            let maps = maps.map_err(Error::input)?;
            let gather = |channel| Zeroizing::new(finisher.plan.gather(batch, channel, unit));
            let (all, cases) = (gather(0), gather(1));
            for (map, spread, number) in maps.inputs() {
                let masks: &[&[i128]] = if spread { &[&all] } else { &[&cases, &all] };
                let made = finisher.key.mask_ciphertext(&finisher.ring, &job, number, map, masks);
                ciphertexts.push(sink.take(&made.to_bytes())?);
            }
        }
        let study = (self.study.id, &self.study.message);
        let public = remote::finishing_key(self.client, &finisher.ring, study)?;
        let relinearisation = finisher
            .key
            .relin_shares(&finisher.ring, &public)
            .map(|share| sink.take(&share.to_bytes()))
            .collect::<Result<_>>()?;
        let masks = ciphertexts;
        let refresh = Refresh { job, result: id, groups, shares, masks, relinearisation };
        let bytes = encode(&refresh).map_err(Error::input)?;
        self.store.give(Given::Refresh { job, refresh: Digest::of(&bytes) }, new)?;
        Ok(refresh)
    }

    /// The refresh share of a unit whose bytes the holder has recomputed, and its masks.
    fn refresh_unit(
        &mut self,
        result: &JobResult,
        chunk: &ChunkRef,
        place: (u8, u32),
        new: bool,
    ) -> Result<(Vec<u8>, Masks)> {
        let unit = self.unit(result, chunk, place)?;
        let (ledger, write) = self.store.ledger();
        let admitted = ledger.admit(result.job, ShareKind::Refresh, &unit, |record| {
            if new { write(record) } else { Err(unknown()) }
        });
        let admitted = admitted.map_err(Error::input)?;
        let made = refresh_share(&self.ring, &self.key, &admitted, &unit);
        let (share, masks) = made.map_err(Error::input)?;
        Ok((share.to_bytes(chunk.digest.short()), masks))
    }

    /// The commitment to the refresh of a checked job.
    pub(super) fn commit_refresh(
        &mut self,
        inputs: &Inputs,
        result: &JobResult,
        id: Digest,
    ) -> Result<Vec<u8>> {
        let refresh = self.refresh(inputs, result, id, (true, &Sink::Names))?;
        let object = encode(&refresh).map_err(Error::input)?;
        let (round, party) = (share_round(Refresh::subject(&id)), self.client.did().to_string());
        Ok(self.key.commit(round, &party, &object).to_bytes())
    }

    /// Sends the objects of the refresh and reveals it.
    pub(super) fn share_refresh(
        &mut self,
        inputs: &Inputs,
        result: &JobResult,
        id: Digest,
        said: &[(Did, ShareCommitment)],
    ) -> Result<()> {
        let commitments = commitments_to(Refresh::subject(&id), 0, said)?;
        let client = self.client;
        // Nothing leaves before it is known to be what was committed to: the second time, to the server, objects are made one by one.
        let refresh = self.refresh(inputs, result, id, (false, &Sink::Names))?;
        let named = refresh.objects().map(|chunk| chunk.digest).collect();
        let refresh = self.refresh(inputs, result, id, (false, &Sink::Server(client, named)))?;
        let object = encode(&refresh).map_err(Error::input)?;
        let (round, party) = (share_round(Refresh::subject(&id)), client.did().to_string());
        let reveal = self.key.reveal(round, &party, &commitments, object);
        let reveal = reveal.map_err(Error::corrupt)?.to_bytes();
        let (job, phase) = (result.job, SharePhase::Refresh);
        let message = Shares { job, phase, sealed: Vec::new(), refresh: reveal };
        client.put_manifest(Collection::Shares, &sign(&message, client.identity())?)?;
        Ok(())
    }

    /// Replays the finishing of a job and commits to shares of its values.
    pub(super) fn commit_values(
        &mut self,
        status: &JobStatus,
        inputs: &Inputs,
        result: &JobResult,
        id: Digest,
    ) -> Result<Vec<Vec<u8>>> {
        let groups = self.check_totals(inputs, result, id)?;
        let finished = finished_of(self.client, status)?;
        let (client, study) = (self.client, &self.study);
        let subject = Subject { client, study, result, id, values: &finished.values };
        let mut values = Vec::new();
        let replay = Replay { subject, presence: &inputs.presence, groups: &groups };
        replay.run(self.console, |_, value| {
            values.push(value.clone());
            Ok(())
        })?;
        let (finisher, party) = (self.finisher()?, self.client.did().to_string());
        let (mut shares, mut commitments) = (Vec::new(), Vec::new());
        for (value, chunk) in values.iter().zip(&finished.values) {
            let share = finisher.share(&result.job, value).to_bytes(&chunk.digest);
            shares.push(Digest::of(&share));
            let commitment = self.key.commit(share_round(chunk.digest), &party, &share);
            commitments.push(commitment.to_bytes());
        }
        let masks = values.iter().map(mask_digest).collect();
        self.store.give(Given::Values { job: result.job, masks, shares }, true)?;
        Ok(commitments)
    }

    /// The shares of finished values that the holder has committed to.
    pub(super) fn values_to_share(
        &mut self,
        result: &JobResult,
        values: &[ChunkRef],
    ) -> Result<Vec<(ChunkRef, ReleaseShare)>> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let job = result.job;
        let finisher = self.finisher()?;
        let read = |(batch, chunk)| finisher.value(self.client, &job, chunk, batch);
        let read = (0..).zip(values).map(read).collect::<Result<Vec<_>>>()?;
        let share =
            |(value, chunk): (&EvaluatedResult, &ChunkRef)| (*chunk, finisher.share(&job, value));
        let made: Vec<(ChunkRef, ReleaseShare)> = read.iter().zip(values).map(share).collect();
        let masks = read.iter().map(mask_digest).collect();
        // The digests of shares too: another version of this program could flood otherwise, and two floods of one value are one less.
        let shares = made.iter().map(|(chunk, share)| Digest::of(&share.to_bytes(&chunk.digest)));
        let shares = shares.collect();
        self.store.give(Given::Values { job, masks, shares }, false)?;
        Ok(made)
    }
}

/// Digest of a value's `C1`.
fn mask_digest(value: &EvaluatedResult) -> Digest {
    let (_, mask) = value.ciphertext().parts();
    let bytes: Vec<u8> = mask.iter().flat_map(|word| word.to_le_bytes()).collect();
    Digest::derive("hegwas v1 finished mask", &bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::keys::Identity;
    use crate::net::{Options, Retry};

    #[test]
    fn nothing_is_sent_that_was_not_committed_to() {
        // Nobody listens there: an object that is to be sent fails otherwise.
        let (url, me) = ("http://127.0.0.1:9", Arc::new(Identity::ephemeral().unwrap()));
        let options = Options { retry: Retry::never(), ..Options::default() };
        let client = Client::new(url.parse().unwrap(), me, &options).unwrap();
        let sink = Sink::Server(&client, [Digest::of(b"named")].into());
        assert!(matches!(sink.take(b"named"), Err(Error::Net(_))));
        assert!(matches!(sink.take(b"another"), Err(Error::Corrupt { .. })));
    }
}
