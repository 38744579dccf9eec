//! A key holder's side: one step after the other, each of which may be repeated after a crash.

use gwas::wire::status::{JobStatus, ShareStatus};
use gwas::wire::{
    ChunkRef, Did, GroupSize, JobResult, Opened, SealedShares, ShareCommitment, SharePhase, Shares,
    Study,
};
use he_core::Digest;
use he_core::arith::Ring;
use he_core::ceremony::share_round;
use he_core::codec::{Header, Kind};
use he_core::result::SwitchedUnit;
use he_core::share::{Admitted, DecryptionShare, ShareKind, UnitValues, combine, combine_readable};
use he_core_secret::{HolderKey, decryption_share, smudged_share, totals_share};

use super::finish::{Finisher, finished_of};
use super::inputs::{Inputs, result_of};
use super::policy::Policy;
use super::receive::{Received, Subject, commitments_to};
use super::replay::replay;
use super::store::{CheckedJob, Given, Store, unknown};
use crate::console::{Console, Unit};
use crate::keys::seal_to;
use crate::net::{Client, Collection, now};
use crate::pipeline::study::sign;
use crate::{Error, Result};

/// A key holder of a study.
pub(in crate::pipeline) struct Holder<'a> {
    pub(in crate::pipeline) client: &'a Client,
    pub(in crate::pipeline) study: Opened<Study>,
    pub(in crate::pipeline) ring: Ring,
    pub(in crate::pipeline) key: HolderKey,
    /// Where a statistic is finished on ciphertexts, the holder's part in that.
    pub(in crate::pipeline) finisher: Option<Finisher>,
    pub(in crate::pipeline) store: Store,
    pub(in crate::pipeline) policy: Policy,
    pub(in crate::pipeline) console: &'a Console,
}

impl Holder<'_> {
    /// Does the holder's next step in the release of a job, if it is its turn; what was done. `ask` is asked with the job in
    /// words before its first step.
    ///
    /// # Errors
    /// When the job is not shared, with the reason.
    pub(in crate::pipeline) fn step(
        &mut self,
        status: &JobStatus,
        ask: &dyn Fn(&Digest, &str) -> Result<()>,
    ) -> Result<Option<&'static str>> {
        let status = &self.client.job_status(&status.job)?;
        let statuses = self.client.share_statuses(&status.job)?;
        let (me, holders) = (self.client.did(), self.study.message.key_holders.clone());
        let everybody = |phase: SharePhase, given: fn(&ShareStatus) -> bool| {
            holders.iter().all(|holder| {
                statuses.iter().any(|s| s.party == *holder && s.phase == phase && given(s))
            })
        };
        for phase in self.study.message.phases().iter().copied() {
            let waits = phase == SharePhase::Values && status.finished.is_none();
            if waits || !status.state.is_open() {
                return Ok(None);
            }
            let own = statuses.iter().find(|s| s.party == me && s.phase == phase);
            let committed = own.is_some_and(|s| s.commitment.is_some());
            let shared = own.is_some_and(|s| s.shares.is_some());
            if !committed {
                self.commit(status, phase, ask)?;
                return Ok(Some(match phase {
                    SharePhase::Totals => "checked the job and committed to shares of its totals",
                    SharePhase::Sums => "checked the totals and committed to shares of the sums",
                    SharePhase::Refresh => {
                        "checked the totals and committed to a refresh of the sums"
                    }
                    SharePhase::Values => {
                        "checked the finished values and committed to their shares"
                    }
                }));
            }
            if !shared {
                if !everybody(phase, |s| s.commitment.is_some()) {
                    return Ok(None);
                }
                self.share(status, phase, &statuses)?;
                return Ok(Some(match phase {
                    SharePhase::Totals => "shared the totals",
                    SharePhase::Sums => "shared the sums",
                    SharePhase::Refresh => "revealed the refresh of the sums",
                    SharePhase::Values => "shared the finished values",
                }));
            }
            if !everybody(phase, |s| s.shares.is_some()) {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// Checks a job and commits to shares of a phase.
    fn commit(
        &mut self,
        status: &JobStatus,
        phase: SharePhase,
        ask: &dyn Fn(&Digest, &str) -> Result<()>,
    ) -> Result<()> {
        let inputs = self.inputs(status)?;
        if self.study.message.phases().first() == Some(&phase) {
            let policy = self.policy.with(&self.study.message);
            ask(&status.job, &inputs.in_words(&policy, self.store.counting.len()))?;
        }
        let (id, result) = self.replayed(status, &inputs)?;
        if phase == SharePhase::Sums {
            self.check_totals(&inputs, &result, id)?;
            self.store.count(status.job)?;
        }
        let party = self.client.did().to_string();
        let commitments = match phase {
            SharePhase::Totals | SharePhase::Sums => {
                let mut commitments = Vec::new();
                for (chunk, plane, group) in result.objects(phase) {
                    let place = (plane, group);
                    let (_, share) = self.share_of(&inputs, &result, &chunk, place, true)?;
                    let commitment = self.key.commit_share(&party, chunk.digest, &share);
                    commitments.push(commitment.to_bytes());
                }
                commitments
            }
            SharePhase::Refresh => {
                self.check_totals(&inputs, &result, id)?;
                self.store.count(status.job)?;
                vec![self.commit_refresh(&inputs, &result, id)?]
            }
            SharePhase::Values => self.commit_values(status, &inputs, &result, id)?,
        };
        let message = ShareCommitment { job: status.job, result: id, phase, commitments };
        let envelope = sign(&message, self.client.identity())?;
        self.client.put_manifest(Collection::ShareCommitments, &envelope)?;
        Ok(())
    }

    /// The job's inputs, which are within all limits at this moment.
    fn inputs(&self, status: &JobStatus) -> Result<Inputs> {
        let inputs = Inputs::load(self.client, &status.job)?;
        if inputs.study.id != self.study.id {
            return Err(Error::corrupt("the server gave a job of another study"));
        }
        let counting = |job: &Digest| self.store.counting.contains(job);
        let policy = self.policy.with(&self.study.message);
        policy.check(&inputs, &self.store.jobs, counting, now())?;
        Ok(inputs)
    }

    /// The job's result, recomputed, now or before.
    fn replayed(&mut self, status: &JobStatus, inputs: &Inputs) -> Result<(Digest, JobResult)> {
        let (id, result) = result_of(self.client, status)?;
        let known = self.store.jobs.iter().find(|checked| checked.job == status.job);
        match known {
            Some(checked) if checked.result == id => {}
            Some(_) => {
                return Err(Error::corrupt(
                    "the server now gives another result of this job than before",
                )
                .with_remedy(
                    "share nothing, and tell the other parties not to trust this server",
                ));
            }
            None => {
                let total = result.units.len() + result.totals.len();
                let progress = self.console.progress("replay", total as u64, Unit::Items("units"));
                replay(self.client, &self.ring, inputs, &result, &progress)?;
                progress.finish();
                self.store.keep(CheckedJob {
                    job: status.job,
                    result: id,
                    inputs: inputs.contributions.clone(),
                })?;
            }
        }
        Ok((id, result))
    }

    /// Decrypts the totals, which everybody has shared, and checks the numbers of people, cases and controls.
    pub(super) fn check_totals(
        &self,
        inputs: &Inputs,
        result: &JobResult,
        id: Digest,
    ) -> Result<Vec<GroupSize>> {
        let totals = match self.study.message.is_shared() {
            true => self.shared_totals(inputs, result, id)?,
            false => self.own_totals(result)?,
        };
        self.policy.with(&self.study.message).check_totals(inputs, &totals)
    }

    /// The totals that a sole holder decrypts; its shares never leave this process.
    fn own_totals(&self, result: &JobResult) -> Result<Vec<UnitValues>> {
        let plan = &self.study.message.plan;
        let mut totals = Vec::new();
        for (chunk, plane, group) in result.objects(SharePhase::Totals) {
            let unit = self.unit(result, &chunk, (plane, group))?;
            let share = decryption_share(plan, &self.key, &unit).map_err(Error::input)?;
            totals.push(combine(&self.ring, plan, &unit, &[share]).map_err(Error::corrupt)?);
        }
        Ok(totals)
    }

    fn shared_totals(
        &self,
        inputs: &Inputs,
        result: &JobResult,
        id: Digest,
    ) -> Result<Vec<UnitValues>> {
        let subject = Subject { client: self.client, study: &self.study, result, id, values: &[] };
        let received = Received::load(subject, SharePhase::Totals)?;
        let plan = &self.study.message.plan;
        let mut totals = Vec::new();
        for (chunk, plane, group) in result.objects(SharePhase::Totals) {
            let unit = self.unit(result, &chunk, (plane, group))?;
            let shares = received.of_unit(&chunk, &unit)?;
            let values = combine_readable(&self.ring, plan, &unit, &shares, inputs.readable(group));
            totals.push(values.map_err(Error::corrupt)?);
        }
        Ok(totals)
    }

    pub(super) fn unit(
        &self,
        result: &JobResult,
        chunk: &ChunkRef,
        (plane, group): (u8, u32),
    ) -> Result<SwitchedUnit> {
        let bytes = self.client.get_chunk_of(Kind::ResultUnit, chunk)?;
        let params = self.ring.params();
        SwitchedUnit::from_bytes(&bytes, params, result.job.short(), plane, group)
            .map_err(Error::corrupt)
    }

    /// The holder's share of a result object whose bytes the holder has recomputed (its digest stands in the checked result);
    /// of totals it opens the presence patterns alone.
    /// Leave to share is written down if it is `new`, and must have been before if not.
    fn share_of(
        &mut self,
        inputs: &Inputs,
        result: &JobResult,
        chunk: &ChunkRef,
        place: (u8, u32),
        new: bool,
    ) -> Result<(Admitted, DecryptionShare)> {
        let unit = self.unit(result, chunk, place)?;
        let (ledger, write) = self.store.ledger();
        let admitted = ledger.admit(result.job, ShareKind::Open, &unit, |record| {
            if new { write(record) } else { Err(unknown()) }
        });
        let admitted = admitted.map_err(Error::input)?;
        let (ring, key) = (&self.ring, &self.key);
        let share = match place {
            (JobResult::TOTALS_PLANE, group) => {
                totals_share(ring, key, &admitted, &unit, inputs.readable(group))
            }
            _ => smudged_share(ring, key, &admitted, &unit),
        };
        Ok((admitted, share.map_err(Error::input)?))
    }

    /// Shares a phase, now that everybody has committed.
    fn share(
        &mut self,
        status: &JobStatus,
        phase: SharePhase,
        statuses: &[ShareStatus],
    ) -> Result<()> {
        // Again: a grant may have ended meanwhile.
        let inputs = self.inputs(status)?;
        let (id, result) = self.replayed(status, &inputs)?;
        let finished = match phase {
            SharePhase::Values => finished_of(self.client, status)?.values,
            _ => Vec::new(),
        };
        let (client, study) = (self.client, self.study.clone());
        let subject = Subject { client, study: &study, result: &result, id, values: &finished };
        let said = subject.commitments(phase, statuses)?;
        let seen = seen(&said);
        self.store.give(Given::Answered { job: status.job, phase, seen }, true)?;
        let party = self.client.did().to_string();
        if phase == SharePhase::Refresh {
            return self.share_refresh(&inputs, &result, id, &said);
        }
        let recipients: Vec<_> = self
            .study
            .message
            .recipients(phase)
            .into_iter()
            .filter_map(|party| {
                let key = self.study.message.sealing_keys.iter().find(|k| k.party == party)?;
                Some((party, key.key.clone()))
            })
            .collect();
        let mut sealed: Vec<SealedShares> = recipients
            .iter()
            .map(|(recipient, _)| SealedShares { recipient: *recipient, chunks: Vec::new() })
            .collect();
        let values = self.values_to_share(&result, &finished)?;
        let places = result.objects(phase).chain(values.iter().map(|(chunk, _)| (*chunk, 0, 0)));
        for (number, (chunk, plane, group)) in places.enumerate() {
            let object = match values.get(number) {
                Some((_, share)) => share.to_bytes(&chunk.digest),
                None => {
                    let place = (plane, group);
                    let (_, share) = self.share_of(&inputs, &result, &chunk, place, false)?;
                    share.to_bytes(chunk.digest.short())
                }
            };
            let commitments = commitments_to(chunk.digest, number, &said)?;
            let round = share_round(chunk.digest);
            let reveal = self.key.reveal(round, &party, &commitments, object);
            let reveal = zeroize::Zeroizing::new(reveal.map_err(Error::corrupt)?.to_bytes());
            for (recipient, ((_, key), sealed)) in (0..).zip(recipients.iter().zip(&mut sealed)) {
                let counts = [phase.number(), recipient, number as u32, 0];
                let bytes = sealed_object(result.job, counts, &seal_to(key, &reveal)?);
                let digest = Digest::of(&bytes);
                self.client.put_chunk(&digest, &bytes)?;
                sealed.chunks.push(ChunkRef { digest, length: bytes.len() as u64 });
            }
        }
        let message = Shares { job: status.job, phase, sealed, refresh: Vec::new() };
        self.client.put_manifest(Collection::Shares, &sign(&message, self.client.identity())?)?;
        Ok(())
    }
}

/// Digest of all commitments of a phase.
fn seen(said: &[(Did, ShareCommitment)]) -> Digest {
    let mut text = Vec::new();
    for (holder, said) in said {
        text.extend(holder.public_key());
        text.extend((said.commitments.len() as u64).to_le_bytes());
        said.commitments.iter().for_each(|c| text.extend(Digest::of(c).0));
    }
    Digest::derive("hegwas v1 answered commitments", &text)
}

/// The object of kind `SealedShare` around an age file.
pub(super) fn sealed_object(job: Digest, counts: [u32; 4], body: &[u8]) -> Vec<u8> {
    let header = Header {
        kind: Kind::SealedShare,
        length: body.len() as u64,
        params: [0; 16],
        context: job.short(),
        counts,
    };
    [&header.to_bytes()[..], body].concat()
}
