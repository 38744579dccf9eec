//! Finishing the allelic test on ciphertexts: what server and key holders compute alike, byte for byte. Finishing sections 5
//! and 8, protocol section 12.
//!
//! Variants stand in *batches* of as many as a ciphertext of the finishing ring has slots; a batch covers whole blocks of the
//! packing. Its two inputs are the effect D and the spread E, public linear maps of the sums of cases and of all people. Every
//! variant has the reference frequency 1/2: then its spread relative to the reference, `t(T-t)/(T^2/4)`, lies in [0, 1]
//! whatever the data are, and its chi-square below T, so that no value can destroy a ciphertext.

use std::sync::{Arc, Mutex, PoisonError};

use he_core::arith::Ring;
use he_core::ckks::circuits::{Excluded, Offset, Scaling, Variant, chi_square};
use he_core::ckks::{
    CkksError, CkksParams, CkksPublicShare, CkksRing, ContributionError, EvaluatedResult,
    Evaluator, INPUT_SCALE, LinearMap, MaskCiphertext, RefreshError, ReleaseError, RelinKey,
    RelinShare, StatisticError, StatisticPlan, StatisticRequest, Test, refreshed,
};
use he_core::codec::{CodecError, HEADER_LEN, Header, Kind};
use he_core::layout::BODIES;
use he_core::public_key::PublicShare;
use he_core::result::SwitchedUnit;
use he_core::share::{CombineError, DecryptionShare, ShareKind, combine_refreshed};
use he_core::{Digest, Plan};

use crate::presence::Presence;
use crate::wire::{ChunkRef, GroupSize, JobResult, Refresh, Release, SharePhase, Study};

/// Statistical bits by which released values hide what depends on the keys, over all values of the study.
const FLOOD_LEVEL: u32 = 40;
/// Relative error of a chi-square at the smallest frequency.
const RELATIVE_ERROR: f64 = 1e-4;
/// Deviations of flooding within which an error is stated.
const DEVIATIONS: f64 = 8.0;
/// Slots of the largest finishing ring: batches are whole ciphertexts.
const MOST_SLOTS: u64 = 1 << 15;

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
    /// No parameters do.
    #[error(transparent)]
    Plan(#[from] StatisticError),
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

/// How a study's statistic is computed and released.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishPlan {
    statistic: StatisticPlan,
    variants: u32,
    block: u32,
}

impl FinishPlan {
    /// The plan of a study that releases a statistic.
    ///
    /// # Errors
    /// When it releases something else, or no parameter set serves it.
    pub fn new(study: &Study) -> Result<Self, FinishError> {
        let Release::Statistic { smallest_frequency } = study.release else {
            return Err(FinishError::Counts);
        };
        if !(100..=500_000).contains(&smallest_frequency) {
            return Err(FinishError::Frequency);
        }
        let frequency = f64::from(smallest_frequency) / 1e6;
        // At 1/2 the interval would be a point.
        let lo = (4.0 * frequency * (1.0 - frequency)).min(0.99);
        let request = study.plan.request();
        let slots = u64::from(study.variants).next_multiple_of(MOST_SLOTS);
        let coefficients = (2 * slots).saturating_mul(study.limits.max_jobs.into());
        let statistic = StatisticPlan::new(StatisticRequest {
            test: Test::Allelic,
            holders: study.key_holders.len(),
            lo,
            hi: 1.0,
            smallest_variance: 0.25,
            largest: 2.0 * f64::from(request.people),
            relative_error: RELATIVE_ERROR,
            level: FLOOD_LEVEL,
            coefficients,
        })?;
        Ok(Self { statistic, variants: study.variants, block: study.plan.params().degree() as u32 })
    }

    /// The parameter set of the finishing ring.
    pub fn params(&self) -> CkksParams {
        self.statistic.params()
    }

    /// Inverse, flooding and precision.
    pub fn statistic(&self) -> &StatisticPlan {
        &self.statistic
    }

    /// Largest error of `|Z|`, the root of a released chi-square, at frequencies that are not too small.
    pub fn z_error(&self, chi2: f64) -> f64 {
        self.statistic.z_error(chi2.max(0.0), DEVIATIONS)
    }

    /// Variants in a batch.
    pub fn slots(&self) -> u32 {
        self.params().slots() as u32
    }

    /// Number of batches.
    pub fn batches(&self) -> u32 {
        self.variants.div_ceil(self.slots())
    }

    /// Variants of a batch.
    pub fn variants(&self, batch: u32) -> core::ops::Range<u32> {
        let first = batch.saturating_mul(self.slots()).min(self.variants);
        first..first.saturating_add(self.slots()).min(self.variants)
    }

    /// [`Refresh::lengths`] of a job whose result has `units` units.
    pub fn refresh_lengths(&self, units: usize) -> [usize; 3] {
        [units, 2 * self.batches() as usize, self.params().digits()]
    }

    /// The groups of blocks, as units of a result have them, in which the variants of a batch stand.
    pub fn groups(&self, batch: u32) -> core::ops::Range<u32> {
        let unit = self.block * BODIES as u32;
        let variants = self.variants(batch);
        variants.start / unit..variants.end.div_ceil(unit)
    }

    /// The integers of a channel that stand in the slots of a batch, out of those of its units: `unit` gives for a group
    /// `[body][channel][coefficient]` of two channels, people and cases.
    pub fn gather<'a>(
        &self,
        batch: u32,
        channel: usize,
        unit: impl Fn(u32) -> &'a [i128],
    ) -> Vec<i128> {
        let (degree, bodies) = (self.block as usize, BODIES as u32);
        let variants = self.variants(batch);
        let blocks = variants.start / self.block..variants.end.div_ceil(self.block);
        let mut slots = Vec::with_capacity(self.slots() as usize);
        for block in blocks {
            let first = ((block % bodies) as usize * 2 + channel) * degree;
            let values = unit(block / bodies).get(first..first + degree);
            slots.extend_from_slice(values.unwrap_or_default());
        }
        slots
    }

    /// The public factors of a batch; `groups` are the people and cases of the presence patterns.
    ///
    /// # Errors
    /// When the groups are not those of the patterns, or all of the job is of one group.
    pub fn maps(
        &self,
        batch: u32,
        presence: &Presence,
        groups: &[GroupSize],
    ) -> Result<Maps, FinishError> {
        if groups.len() != presence.patterns() as usize {
            return Err(FinishError::Groups);
        }
        let of_pattern = groups.iter().map(|group| self.factors(*group)).collect::<Vec<_>>();
        if let Some(Err(error)) = of_pattern.first() {
            return Err((*error).into());
        }
        let (mut effect, mut root) = ([Vec::new(), Vec::new()], Vec::new());
        let (mut effects, mut roots, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
        for variant in self.variants(batch) {
            let pattern = presence.pattern(variant);
            let factors = pattern.and_then(|p| of_pattern.get(p as usize)?.as_ref().ok());
            // A variant that nobody has, or only cases or controls, comes out as 0.
            let Factors { cases, all, spread, constants, offset } =
                factors.copied().unwrap_or_default();
            effect[0].push(cases);
            effect[1].push(all);
            root.push(spread);
            effects.push(constants[0]);
            roots.push(constants[1]);
            offsets.push(offset);
        }
        Ok(Maps {
            effect: LinearMap::new(&effect, &effects, INPUT_SCALE)?,
            spread: LinearMap::new(&[root], &roots, INPUT_SCALE)?,
            offsets,
        })
    }

    /// The factors of a variant that so many people have. Sums are those of `g - 1`: `t = sum + n` alleles.
    fn factors(&self, GroupSize { people, cases }: GroupSize) -> Result<Factors, Excluded> {
        let (n, r) = (f64::from(people), f64::from(cases));
        let variant = Variant { reference: 0.5, people: n };
        let scaling = Scaling::allelic(self.statistic.inverse(), r / n, &[variant])?;
        let first = |column: &[f64]| column.first().copied().unwrap_or_default();
        let [of_cases, of_all] = &scaling.effect;
        let (cases, all) = (first(of_cases), first(of_all));
        let (spread, constant) = (first(&scaling.spread_root.0), first(&scaling.spread_root.1));
        let constants = [cases * r + all * n, constant + spread * n];
        Ok(Factors { cases, all, spread, constants, offset: first(&scaling.offset.1) })
    }
}

#[derive(Clone, Copy, Default)]
struct Factors {
    cases: f64,
    all: f64,
    spread: f64,
    constants: [f64; 2],
    offset: f64,
}

/// Public factors of a batch.
pub struct Maps {
    /// D of the sums of cases and of all.
    pub effect: LinearMap,
    /// E of the sums of all.
    pub spread: LinearMap,
    offsets: Vec<f64>,
}

/// The number of a refreshed ciphertext of a job: the effect and the spread of each batch.
pub fn ciphertext_number(batch: u32, spread: bool) -> u32 {
    2 * batch + u32::from(spread)
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
        let masked = [1, 0].map(|channel| self.plan.gather(batch, channel, unit));
        let [cases, all] = [0, 1].map(|i| masked.get(i).map_or(&[][..], Vec::as_slice));
        let form = |spread: bool, map: &LinearMap, masked: &[&[i128]]| {
            let number = ciphertext_number(batch, spread);
            let mut masks = Vec::with_capacity(refreshes.len());
            for refresh in refreshes {
                let chunk = refresh.masks.get(number as usize).ok_or(FinishError::Objects)?;
                let mask =
                    MaskCiphertext::from_bytes(&read(chunk)?, self.plan.params(), job, number);
                masks.push(mask.map_err(FinishError::from)?);
            }
            let formed = refreshed(&self.ring, &job, number, map, masked, masks.len(), &masks);
            Ok::<_, E>(formed.map_err(FinishError::from)?)
        };
        let effect = form(false, &maps.effect, &[cases, all])?;
        let spread = form(true, &maps.spread, &[all])?;
        let evaluator = Evaluator::new(&self.ring, &self.key).map_err(FinishError::from)?;
        let inverse = self.plan.statistic.inverse();
        let offset = Offset::Public(&maps.offsets);
        let value = chi_square(&evaluator, inverse, &effect, &spread, &offset);
        let value = value.map_err(FinishError::from)?;
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
    /// Longest reveal of contributions in bytes: a header, what opens the commitment, and both objects with their headers.
    pub const REVEAL_LIMIT: u64 =
        Kind::PublicShare.limit() + Kind::CkksPublicShare.limit() + 64 + 3 * HEADER_LEN as u64;

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
