//! Manifests of studies and grants, made and signed on this side.

use gwas::wire::{
    ChunkRef, Dataset, Envelope, GrantTerms, Job, JobInput, Participation, PlaneKind, Release,
    Statistic, Study, StudyLimits,
};
use he_core::arith::Ring;
use he_core::codec::Message;
use he_core::planner::LEAST_HIDING_BITS;
use he_core::public_key::PublicKey;
use he_core::{Digest, Plan, PlanRequest};
use he_core_secret::{DatasetKey, Entropy, MasterKey, make_switching_key};

use crate::keys::Identity;
use crate::{Error, Result};

/// Largest ring degree: no set packs a study's values less tightly.
const MAX_DEGREE: u64 = 8192;

/// Signs a manifest.
pub(super) fn sign<T: Message>(message: &T, identity: &Identity) -> Result<Envelope> {
    let mut envelope = Envelope::new(message).map_err(Error::input)?;
    envelope.sign(identity.did(), |bytes| identity.sign(bytes));
    Ok(envelope)
}

/// What a study is called and for.
pub(super) struct StudyText {
    /// Free text for people.
    pub name: String,
    /// What data owners consent to.
    pub purpose: String,
    /// Fewest people in a job.
    pub min_people: u32,
    /// What leaves it.
    pub release: Release,
}

/// The plan with room for what a study that finishes a statistic on ciphertexts needs besides: shares that travel, and refresh
/// masks. These hide at 40 bits for all `values` together, or as far as there is room, never at fewer than 40 bits for each.
pub(super) fn finishing_plan(request: PlanRequest, values: u64) -> Result<Plan> {
    let request = PlanRequest { values, smudging_bits: LEAST_HIDING_BITS, ..request };
    let most = LEAST_HIDING_BITS + values.next_power_of_two().trailing_zeros();
    let plan = |mask_bits| Plan::new(PlanRequest { mask_bits, ..request });
    let best = (LEAST_HIDING_BITS..=most).rev().find_map(|bits| plan(bits).ok());
    best.map_or_else(|| plan(LEAST_HIDING_BITS).map_err(Error::input), Ok)
}

/// Coefficients of all shares of all jobs: what smudging has to hide.
pub(super) fn values(variants: u32, planes: usize, jobs: u32) -> u64 {
    let bodies = planes as u64 * u64::from(variants).div_ceil(MAX_DEGREE) + 8;
    2 * MAX_DEGREE * bodies * u64::from(jobs)
}

/// A study on a dataset's panel, planes and parameters whose sole key holder is `identity`.
pub(super) fn study_for(
    dataset: &Dataset,
    text: StudyText,
    identity: &Identity,
    nonce: [u8; 16],
    now: u64,
) -> Study {
    use Statistic::{Allelic, Dominant, Genotypic, Recessive, Trend};
    let statistics = if dataset.planes.contains(&PlaneKind::HomAlt) {
        vec![Allelic, Trend, Genotypic, Dominant, Recessive]
    } else {
        vec![Allelic]
    };
    Study {
        name: text.name,
        purpose: text.purpose,
        draft: None,
        plan: dataset.plan,
        build: String::new(),
        panel: dataset.panel,
        variants: dataset.variants,
        planes: dataset.planes.clone(),
        statistics,
        release: text.release,
        participation: Participation::Public,
        coordinator: identity.did(),
        key_holders: vec![identity.did()],
        data_owners: vec![identity.did()],
        analysts: Vec::new(),
        sealing_keys: Vec::new(),
        // Noise that hides the keys is made for every job that there may be.
        limits: match text.release {
            Release::Counts => StudyLimits::open(text.min_people),
            _ => StudyLimits { max_jobs: 1, ..StudyLimits::open(text.min_people) },
        },
        created: now,
        nonce,
    }
}

/// A dataset's grant to a study: the bytes of its switching key and the terms that name it.
pub(super) struct Grant {
    /// Object of kind `SwitchingKey`.
    pub switching_key: Vec<u8>,
    /// The terms.
    pub terms: GrantTerms,
}

/// Makes a grant from `issued` to `expires` (seconds since 1970).
pub(super) fn grant(
    ring: &Ring,
    master: &MasterKey,
    dataset: (Digest, &Dataset),
    study: (Digest, &Study),
    public: &PublicKey,
    entropy: &Entropy,
    (issued, expires): (u64, u64),
) -> Result<Grant> {
    let ((dataset_id, dataset), (study_id, study)) = (dataset, study);
    if dataset.plan != study.plan || dataset.panel != study.panel {
        return Err(Error::input(
            "the study is for another panel or other parameters than the dataset",
        )
        .with_remedy("make the study for this dataset, or encrypt the dataset for the study"));
    }
    let key = DatasetKey::derive(master, ring, dataset.nonce);
    let switching_key =
        make_switching_key(ring, &key, public, entropy).map_err(Error::input)?.to_bytes(study_id);
    let chunk = ChunkRef { digest: Digest::of(&switching_key), length: switching_key.len() as u64 };
    let terms =
        GrantTerms { dataset: dataset_id, study: study_id, switching_key: chunk, issued, expires };
    Ok(Grant { switching_key, terms })
}

/// A job over these inputs, in any order.
pub(super) fn job(study: Digest, mut inputs: Vec<JobInput>, now: u64) -> Job {
    inputs.sort_by_key(JobInput::subject);
    Job { study, inputs, created: now }
}
