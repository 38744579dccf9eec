//! A recipient's side: opens what every key holder sealed, and checks it against what that holder committed to.

use gwas::wire::status::ShareStatus;
use gwas::wire::{
    ChunkRef, Did, JobResult, Opened, Refresh, SealedShares, ShareCommitment, SharePhase, Shares,
    Study,
};
use he_core::Digest;
use he_core::ceremony::share_round;
use he_core::codec::{Header, Kind, decode};
use he_core::commit::Commitments;
use he_core::result::SwitchedUnit;
use he_core::share::DecryptionShare;

use crate::keys::SealingIdentity;
use crate::net::{Client, Collection};
use crate::{Error, Result};

/// A job's result and whose shares of it are wanted.
#[derive(Clone, Copy)]
pub(in crate::pipeline) struct Subject<'a> {
    pub(in crate::pipeline) client: &'a Client,
    pub(in crate::pipeline) study: &'a Opened<Study>,
    pub(in crate::pipeline) result: &'a JobResult,
    /// The result's digest.
    pub(in crate::pipeline) id: Digest,
    /// The finished values, where a statistic is finished on ciphertexts and is.
    pub(in crate::pipeline) values: &'a [ChunkRef],
}

impl Subject<'_> {
    /// The objects that the shares of a phase are of.
    fn objects(&self, phase: SharePhase) -> Vec<ChunkRef> {
        match phase {
            SharePhase::Values => self.values.to_vec(),
            _ => self.result.objects(phase).map(|(chunk, ..)| chunk).collect(),
        }
    }

    /// What every holder revealed to refresh the sums, in the study's order, checked against the commitments.
    ///
    /// # Errors
    /// When somebody's is missing, is not signed by its holder for this result, or is not what was committed to.
    pub(super) fn refreshes(&self) -> Result<Vec<Refresh>> {
        let phase = SharePhase::Refresh;
        let statuses = self.client.share_statuses(&self.result.job)?;
        let commitments = self.commitments(phase, &statuses)?;
        let commitments = commitments_to(Refresh::subject(&self.id), 0, &commitments)?;
        let mut reveals = Vec::new();
        for (holder, id) in self.of_everybody(phase, &statuses, |status| status.shares)? {
            let opened = self.client.get_manifest::<Shares>(Collection::Shares, &id)?;
            let said = opened.message;
            if (said.job, said.phase) != (self.result.job, phase) || opened.signers != [holder] {
                return Err(culprit(&holder, "revealed something else"));
            }
            reveals.push((holder.to_string(), said.refresh));
        }
        let revealed = reveals.iter().map(|(party, bytes)| (party.as_str(), bytes.as_slice()));
        let objects = commitments.open(revealed).map_err(Error::corrupt)?;
        let mut refreshes = Vec::with_capacity(objects.len());
        for (object, holder) in objects.iter().zip(&self.study.message.key_holders) {
            let refresh: Refresh = decode(object).map_err(Error::corrupt)?;
            if (refresh.job, refresh.result) != (self.result.job, self.id) {
                return Err(culprit(holder, "refreshed something else"));
            }
            refreshes.push(refresh);
        }
        Ok(refreshes)
    }

    /// Every holder's commitments of a phase, in the study's order.
    ///
    /// # Errors
    /// When one is missing, or not signed by its holder for this result.
    pub(super) fn commitments(
        &self,
        phase: SharePhase,
        statuses: &[ShareStatus],
    ) -> Result<Vec<(Did, ShareCommitment)>> {
        let named = self.of_everybody(phase, statuses, |status| status.commitment)?;
        let objects = match phase {
            SharePhase::Refresh => 1,
            _ => self.objects(phase).len(),
        };
        let read = |(holder, id): (Did, Digest)| {
            let opened =
                self.client.get_manifest::<ShareCommitment>(Collection::ShareCommitments, &id)?;
            let said = opened.message;
            let sound = (said.job, said.result, said.phase) == (self.result.job, self.id, phase)
                && opened.signers == [holder]
                && said.commitments.len() == objects;
            if sound {
                Ok((holder, said))
            } else {
                Err(culprit(&holder, "committed to other shares"))
            }
        };
        named.into_iter().map(read).collect()
    }

    /// What each holder names in its status; an error that says whose is missing.
    fn of_everybody(
        &self,
        phase: SharePhase,
        statuses: &[ShareStatus],
        name: impl Fn(&ShareStatus) -> Option<Digest>,
    ) -> Result<Vec<(Did, Digest)>> {
        let find = |holder: &Did| {
            statuses.iter().find(|s| s.party == *holder && s.phase == phase).and_then(&name)
        };
        let holders = &self.study.message.key_holders;
        let missing: Vec<String> =
            holders.iter().filter(|h| find(h).is_none()).map(Did::to_string).collect();
        if missing.is_empty() {
            return Ok(holders.iter().filter_map(|h| Some((*h, find(h)?))).collect());
        }
        Err(Error::input(format_args!(
            "the result can't be decrypted yet: shares are missing of {}",
            missing.join(", ")
        ))
        .with_remedy(
            "each key holder runs `hegwas agent`; `hegwas study status` says what is missing",
        ))
    }
}

/// Everybody's commitments to the shares of one object.
pub(super) fn commitments_to(
    object: Digest,
    number: usize,
    said: &[(Did, ShareCommitment)],
) -> Result<Commitments> {
    let named: Vec<(String, &[u8])> = said
        .iter()
        .filter_map(|(holder, said)| {
            Some((holder.to_string(), said.commitments.get(number)?.as_slice()))
        })
        .collect();
    let holders: Vec<&str> = named.iter().map(|(party, _)| party.as_str()).collect();
    let received = named.iter().map(|(party, bytes)| (party.as_str(), *bytes));
    Commitments::collect(share_round(object), &holders, received).map_err(Error::corrupt)
}

/// The shares of one phase, sealed to one recipient.
pub(in crate::pipeline) struct Received<'a> {
    subject: Subject<'a>,
    phase: SharePhase,
    identity: SealingIdentity,
    commitments: Vec<(Did, ShareCommitment)>,
    /// For each holder the sealed objects.
    sealed: Vec<(Did, Vec<ChunkRef>)>,
    /// The caller's number among the recipients.
    recipient: u32,
}

impl<'a> Received<'a> {
    /// What every holder shared in a phase.
    ///
    /// # Errors
    /// When somebody's is missing, or is not signed by its holder for this job; when the caller is no recipient.
    pub(in crate::pipeline) fn load(subject: Subject<'a>, phase: SharePhase) -> Result<Self> {
        let me = subject.client.did();
        let recipients = subject.study.message.recipients(phase);
        let recipient = (0..).zip(&recipients).find(|(_, r)| **r == me).map(|(number, _)| number);
        let recipient = recipient.ok_or_else(|| {
            Error::input("the shares of this result are not sealed to you")
                .with_remedy("the study's analysts receive its results")
        })?;
        let statuses = subject.client.share_statuses(&subject.result.job)?;
        let named = subject.of_everybody(phase, &statuses, |status| status.shares)?;
        let commitments = subject.commitments(phase, &statuses)?;
        let objects = subject.objects(phase).len();
        let read = |(holder, id): (Did, Digest)| {
            let opened = subject.client.get_manifest::<Shares>(Collection::Shares, &id)?;
            let said = opened.message;
            let sound = (said.job, said.phase) == (subject.result.job, phase)
                && opened.signers == [holder]
                && said.sealed.iter().map(|s| s.recipient).eq(recipients.iter().copied());
            let own = said.sealed.into_iter().find(|s: &SealedShares| s.recipient == me);
            match own.filter(|own| sound && own.chunks.len() == objects) {
                Some(own) => Ok((holder, own.chunks)),
                None => Err(culprit(&holder, "shared something else")),
            }
        };
        let sealed = named.into_iter().map(read).collect::<Result<_>>()?;
        let identity = subject.client.identity().sealing()?;
        Ok(Self { subject, phase, identity, commitments, sealed, recipient })
    }

    /// Whether `object` is one of the phase's.
    pub(in crate::pipeline) fn has(&self, object: &ChunkRef) -> bool {
        self.subject.objects(self.phase).contains(object)
    }

    /// The share of each holder of a result object, as bytes, checked against the commitments.
    ///
    /// # Errors
    /// When one does not open or is not what was committed to: its holder is named.
    pub(in crate::pipeline) fn shares(&self, object: &ChunkRef) -> Result<Vec<Vec<u8>>> {
        let number = self.subject.objects(self.phase).iter().position(|chunk| chunk == object);
        let number =
            number.ok_or_else(|| Error::Internal("an object of another phase".to_owned()))?;
        let mut reveals = Vec::with_capacity(self.sealed.len());
        for (holder, chunks) in &self.sealed {
            let chunk = chunks.get(number).ok_or_else(|| culprit(holder, "shared too little"))?;
            let bytes = self.subject.client.get_chunk_of(Kind::SealedShare, chunk)?;
            let opened = self.unseal(&bytes, number);
            let opened =
                opened.ok_or_else(|| culprit(holder, "sealed something that does not open"))?;
            reveals.push((holder.to_string(), opened));
        }
        let commitments = commitments_to(object.digest, number, &self.commitments)?;
        let revealed = reveals.iter().map(|(party, bytes)| (party.as_str(), bytes.as_slice()));
        commitments.open(revealed).map_err(|e| {
            Error::corrupt(e).with_remedy("tell the other parties; the job can't be released again")
        })
    }

    /// The shares of a unit of the result, whose object `chunk` is.
    ///
    /// # Errors
    /// Those of [`Received::shares`], and when one is no share of this unit.
    pub(in crate::pipeline) fn of_unit(
        &self,
        chunk: &ChunkRef,
        unit: &SwitchedUnit,
    ) -> Result<Vec<DecryptionShare>> {
        let read = |bytes: Vec<u8>| {
            DecryptionShare::from_bytes(&bytes, unit, chunk.digest.short()).map_err(Error::corrupt)
        };
        self.shares(chunk)?.into_iter().map(read).collect()
    }

    fn unseal(&self, bytes: &[u8], number: usize) -> Option<zeroize::Zeroizing<Vec<u8>>> {
        let (header, body) = Header::split(bytes, Kind::SealedShare).ok()?;
        header.expect_context(self.subject.result.job.short(), "job").ok()?;
        let place = [self.phase.number(), self.recipient, u32::try_from(number).ok()?, 0];
        let limit = Kind::Reveal.limit() + he_core::codec::HEADER_LEN as u64;
        (header.counts == place).then(|| self.identity.open(body, limit)).flatten()
    }
}

fn culprit(holder: &Did, what: &str) -> Error {
    Error::corrupt(format_args!("key holder {holder} {what} than its commitments and this job say"))
        .with_remedy("tell the other parties; without a share of every holder nothing is decrypted")
}
