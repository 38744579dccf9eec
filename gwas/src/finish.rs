//! Finishing the allelic test on ciphertexts: what server and key holders compute alike, byte for byte. Finishing sections 5,
//! 8 and 9, protocol section 12.
//!
//! Variants stand in *batches* of as many as a ciphertext of the finishing ring has slots; a batch covers whole blocks of the
//! packing. Its inputs are the effect D and the spread E of each of its circuits, public linear maps of the sums of cases and of
//! all people. Every variant has the reference frequency 1/2: then its spread relative to the reference, `t(T-t)/(T^2/4)`, lies in
//! [0, 1] whatever the data are, and its chi-square below T, so that no value can destroy a ciphertext.

mod circuit;
mod plan;

use std::sync::{Arc, Mutex, PoisonError};

use he_core::arith::Ring;
use he_core::ckks::circuits::Excluded;
use he_core::ckks::hits::HitsError;
use he_core::ckks::{
    CkksError, CkksPublicShare, CkksRing, ContributionError, EvaluatedResult, Evaluator,
    MaskCiphertext, RefreshError, ReleaseError, RelinKey, RelinShare, StatisticError, refreshed,
};
use he_core::codec::{CodecError, HEADER_LEN, Header, Kind};
use he_core::public_key::PublicShare;
use he_core::result::SwitchedUnit;
use he_core::share::{CombineError, DecryptionShare, ShareKind, combine_refreshed};
use he_core::{Digest, Plan};

use crate::presence::Presence;
use crate::wire::{ChunkRef, JobResult, Refresh, SharePhase, Study};

pub use circuit::Finding;
pub use plan::{FinishPlan, Maps};

/// Why a statistic can't be finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// The study releases counts.
    #[error("the study releases counts; nothing is finished under encryption")]
    Counts,
    /// A frequency that means nothing.
    #[error(
        "the smallest minor allele frequency of a statistic lies between 0.0001 and 0.5; it says down to which one a chi-square is exact"
    )]
    Frequency,
    /// A threshold or band that means nothing.
    #[error(
        "hits have a threshold of |Z| from 1 to 30, and a band of 0.0001 to 1 to either side of it"
    )]
    Rule,
    /// No parameters do.
    #[error(transparent)]
    Plan(#[from] StatisticError),
    /// No parameters do.
    #[error(transparent)]
    Hits(#[from] HitsError),
    /// Numbers of people that are not those of the job's inputs.
    #[error("the numbers of people and cases are not those of the job's inputs")]
    Groups,
    /// Everybody is a case, or nobody.
    #[error("the job has no statistic: {0}")]
    Excluded(#[from] Excluded),
    /// Arithmetic.
    #[error(transparent)]
    Circuit(#[from] CkksError),
    /// Refresh shares that give no sums.
    #[error(transparent)]
    Combine(#[from] CombineError),
    /// Mask ciphertexts that do not fit.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// Key contributions that do not fit.
    #[error(transparent)]
    Keys(#[from] ContributionError),
    /// A circuit that has not ended.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// An object that is none.
    #[error("an object of a refresh: {0}")]
    Object(#[from] CodecError),
    /// Lists of another length.
    #[error("a refresh has another number of objects than the job")]
    Objects,
}

/// What a statistic is finished from.
pub struct Inputs<'a> {
    /// The study's digest.
    pub study_id: Digest,
    /// The study.
    pub study: &'a Study,
    /// The job's result.
    pub result: &'a JobResult,
    /// Presence patterns of the job's inputs.
    pub presence: Presence,
    /// Of each key holder, in the study's order, what it revealed.
    pub refreshes: Vec<Refresh>,
}

/// Where objects come from: bytes that are what their digest says.
pub type Read<'a, E> = dyn Fn(&ChunkRef) -> Result<Vec<u8>, E> + 'a;

/// Evaluates the batches of a job. Memory: the relinearisation key, the tables of the ring, one batch, and the masked sums of the
/// units in which it stands.
pub struct Evaluation<'a> {
    inputs: Inputs<'a>,
    plan: FinishPlan,
    first_ring: Ring,
    ring: CkksRing,
    key: RelinKey,
    /// The masked sums of the unit that was used last: the next batch may stand in it too.
    last: Mutex<Option<(u32, Arc<Vec<i128>>)>>,
}

impl<'a> Evaluation<'a> {
    /// Reads the relinearisation key.
    ///
    /// # Errors
    /// When the holders do not say the same, an object is missing or is none.
    pub fn new<E: From<FinishError>>(inputs: Inputs<'a>, read: &Read<'_, E>) -> Result<Self, E> {
        let plan = FinishPlan::new(inputs.study)?;
        let holders = inputs.study.key_holders.len();
        check(&inputs, &plan)?;
        let (params, study) = (plan.params(), inputs.study_id);
        let ring = CkksRing::new(params);
        let mut failed = None;
        let shares = inputs.refreshes.iter().flat_map(|refresh| {
            (0..).zip(&refresh.relinearisation).map(|(digit, chunk)| {
                let share = RelinShare::from_bytes(&read(chunk)?, params, study, digit);
                share.map_err(|e| E::from(e.into()))
            })
        });
        let shares = shares.map_while(|share| share.map_err(|e| failed = Some(e)).ok());
        let key = RelinKey::combine(&ring, study, holders, shares);
        if let Some(error) = failed {
            return Err(error);
        }
        let key = key.map_err(FinishError::from)?;
        let first_ring = Ring::new(inputs.study.plan.params());
        Ok(Self { inputs, plan, first_ring, ring, key, last: Mutex::default() })
    }

    /// How the statistic is computed.
    pub fn plan(&self) -> &FinishPlan {
        &self.plan
    }

    /// The finishing ring.
    pub fn ring(&self) -> &CkksRing {
        &self.ring
    }

    /// The masked sums of the ciphertexts of a unit, those of the last one kept.
    fn masked<E: From<FinishError>>(
        &self,
        group: u32,
        read: &Read<'_, E>,
    ) -> Result<Arc<Vec<i128>>, E> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, unit)) = last.as_ref().filter(|(known, _)| *known == group) {
            return Ok(Arc::clone(unit));
        }
        let unit = Arc::new(self.combined(group, read)?);
        *last = Some((group, Arc::clone(&unit)));
        Ok(unit)
    }

    /// The masked sums of every ciphertext of a unit, `[body][channel][coefficient]`, from the holders' shares.
    fn combined<E: From<FinishError>>(
        &self,
        group: u32,
        read: &Read<'_, E>,
    ) -> Result<Vec<i128>, E> {
        let Inputs { study, result, refreshes, .. } = &self.inputs;
        let params = study.plan.params();
        let number = group as usize;
        let (chunk, plane, group) =
            result.objects(SharePhase::Sums).nth(number).ok_or(FinishError::Objects)?;
        let bytes = read(&chunk)?;
        let unit = SwitchedUnit::from_bytes(&bytes, params, result.job.short(), plane, group);
        let unit = unit.map_err(FinishError::from)?;
        let mut shares = Vec::with_capacity(refreshes.len());
        for refresh in refreshes {
            let share = refresh.shares.get(number).ok_or(FinishError::Objects)?;
            let (bytes, kind) = (read(share)?, ShareKind::Refresh);
            let share = DecryptionShare::read(&bytes, &unit, chunk.digest.short(), kind);
            shares.push(share.map_err(FinishError::from)?);
        }
        let plan: &Plan = &study.plan;
        Ok(combine_refreshed(&self.first_ring, plan, &unit, &shares).map_err(FinishError::from)?)
    }

    /// Evaluates a batch. Fastest where batches are asked for in their order.
    ///
    /// # Errors
    /// When an object is missing or is none, or shares do not add up to masked sums.
    pub fn batch<E: From<FinishError>>(
        &self,
        batch: u32,
        read: &Read<'_, E>,
    ) -> Result<EvaluatedResult, E> {
        let groups = self.plan.groups(batch);
        let first = groups.start;
        let units: Vec<Arc<Vec<i128>>> =
            groups.map(|group| self.masked(group, read)).collect::<Result<_, E>>()?;
        let unit = |group: u32| {
            let unit = group.checked_sub(first).and_then(|i| units.get(i as usize));
            unit.map_or(&[][..], |unit| unit.as_slice())
        };
        let Inputs { presence, refreshes, result, .. } = &self.inputs;
        let groups = refreshes.first().map_or(&[][..], |refresh| &refresh.groups);
        let maps = self.plan.maps(batch, presence, groups)?;
        let job = result.job;
        let [cases, all] = [1, 0].map(|channel| self.plan.gather(batch, channel, unit));
        let mut inputs = Vec::new();
        for (map, spread, number) in maps.inputs() {
            let masked: &[&[i128]] = if spread { &[&all] } else { &[&cases, &all] };
            let mut masks = Vec::with_capacity(refreshes.len());
            for refresh in refreshes {
                let chunk = refresh.masks.get(number as usize).ok_or(FinishError::Objects)?;
                let (params, place) = (self.plan.params(), (number, map.limbs(self.plan.params())));
                let mask = MaskCiphertext::from_bytes(&read(chunk)?, params, job, place);
                masks.push(mask.map_err(FinishError::from)?);
            }
            let formed = refreshed(&self.ring, &job, number, map, masked, masks.len(), &masks);
            inputs.push(formed.map_err(FinishError::from)?);
        }
        let evaluator = Evaluator::new(&self.ring, &self.key).map_err(FinishError::from)?;
        let value = self.plan.evaluate(&evaluator, &inputs, &maps)?;
        Ok(EvaluatedResult::new(value).map_err(FinishError::from)?)
    }
}

/// That the holders say the same, and name as many objects as the job has.
fn check(inputs: &Inputs<'_>, plan: &FinishPlan) -> Result<(), FinishError> {
    let Inputs { study, result, refreshes, presence, .. } = inputs;
    if refreshes.len() != study.key_holders.len() {
        return Err(FinishError::Objects);
    }
    let units = result.objects(SharePhase::Sums).count();
    for refresh in refreshes {
        if refresh.lengths() != plan.refresh_lengths(units) {
            return Err(FinishError::Objects);
        }
        let same = refreshes.first().is_some_and(|first| first.groups == refresh.groups);
        if !same || refresh.groups.len() != presence.patterns() as usize {
            return Err(FinishError::Groups);
        }
    }
    Ok(())
}

/// A key holder's contribution to a study's keys: what its reveal holds. Where a statistic is finished, the object of kind
/// `PublicShare` is followed by one of kind `CkksPublicShare`; both are committed to together.
pub struct KeyContributions {
    /// To the public key.
    pub public: PublicShare,
    /// To the finishing key.
    pub finishing: Option<CkksPublicShare>,
}

impl KeyContributions {
    /// Longest reveal of contributions in bytes: a header, what opens the commitment, a signature, and both objects with their headers.
    pub const REVEAL_LIMIT: u64 =
        Kind::PublicShare.limit() + Kind::CkksPublicShare.limit() + 128 + 3 * HEADER_LEN as u64;

    /// Reads what a holder revealed.
    ///
    /// # Errors
    /// When it is not what the study needs.
    pub fn read(study: &Study, id: Digest, bytes: &[u8]) -> Result<Self, CodecError> {
        let (first, rest) = Self::split(bytes)?;
        let public = PublicShare::from_bytes(first, study.plan.params(), id)?;
        let finishing = match FinishPlan::new(study) {
            Ok(plan) => Some(CkksPublicShare::from_bytes(rest, plan.params(), id)?),
            Err(_) if rest.is_empty() => None,
            Err(_) => return Err(CodecError::Trailing(rest.len() as u64)),
        };
        Ok(Self { public, finishing })
    }

    /// The first object, and what follows it.
    ///
    /// # Errors
    /// When there is no whole object.
    pub fn split(bytes: &[u8]) -> Result<(&[u8], &[u8]), CodecError> {
        let header = Header::parse(bytes)?;
        let (found, expected) = (bytes.len() as u64, header.length + HEADER_LEN as u64);
        let end = usize::try_from(expected).ok();
        end.and_then(|end| bytes.split_at_checked(end))
            .ok_or(CodecError::Truncated { expected, found })
    }
}

#[cfg(test)]
mod tests;
