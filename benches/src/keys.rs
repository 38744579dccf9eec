//! Keys of a measurement: a dataset's, a study's, and the grant between them.

use he_core::arith::Ring;
use he_core::grant::SwitchingKey;
use he_core::public_key::{PublicKey, PublicShare};
use he_core::result::SwitchedUnit;
use he_core::share::{UnitValues, combine, measure_noise};
use he_core::{Digest, Params, Plan, PlanRequest};
use he_core_secret::{
    DatasetKey, EncryptionSeeds, Entropy, HolderKey, MasterKey, decryption_share,
    make_switching_key,
};

use crate::{Error, Result};

/// A sole holder's plan for `people` people on the set `params`, so that results can be opened and checked here.
///
/// The planner takes the smallest set that serves: the larger ones are asked for by more people (two limbs) or wider values
/// (three, which in practice several holders need; four are for several holders alone). What a kernel does depends on the set alone.
///
/// # Errors
/// When the planner gives another set.
pub fn plan(params: Params, people: u32) -> Result<Plan> {
    let sole = PlanRequest::sole_holder(people);
    let request = match params {
        Params::N2048Q50 => sole,
        Params::N4096Q100 => PlanRequest { people: people.max(100_000), ..sole },
        _ => PlanRequest { dosage_max: 1 << 20, weight_max: 1 << 20, ..sole },
    };
    let plan = Plan::new(request).map_err(Error::step("planning"))?;
    if plan.params() == params {
        return Ok(plan);
    }
    let why = format!("{people} people need {}, not {}", plan.params().name(), params.name());
    Err(Error::Step { what: "planning", why })
}

/// Fresh randomness of the system.
pub(crate) fn entropy() -> Result<Entropy> {
    Entropy::fresh().map_err(Error::step("drawing randomness"))
}

/// Everything that encrypts, switches and opens.
pub struct Keys {
    /// Parameters and scales.
    pub plan: Plan,
    /// The ring.
    pub ring: Ring,
    /// The dataset's keys.
    pub dataset: DatasetKey,
    /// Seeds of the genotypes.
    pub genotype_seeds: EncryptionSeeds,
    /// Seeds of the weights.
    pub weight_seeds: EncryptionSeeds,
    /// The grant.
    pub grant: SwitchingKey,
    holder: HolderKey,
}

impl Keys {
    /// Fresh keys.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new(plan: Plan) -> Result<Self> {
        let (params, ring) = (plan.params(), Ring::new(plan.params()));
        let master = MasterKey::generate(&entropy()?);
        let seeds =
            |name: &[u8]| Ok::<_, Error>(EncryptionSeeds::new(&entropy()?, &Digest::of(name)));
        let (genotype_seeds, weight_seeds) = (seeds(b"genotypes")?, seeds(b"weights")?);
        let dataset = DatasetKey::derive(&master, &ring, genotype_seeds.nonce());
        let study = Digest::of(&genotype_seeds.nonce());
        let holder = HolderKey::derive(&master, &ring, study);
        let share = holder.public_share(&ring).to_bytes();
        let share = PublicShare::from_bytes(&share, params, study);
        let share = share.map_err(Error::step("making the study key"))?;
        let public = PublicKey::combine(params, study, 1, &[share]);
        let public = public.map_err(Error::step("making the study key"))?;
        let grant = make_switching_key(&ring, &dataset, &public, &entropy()?);
        let grant = grant.map_err(Error::step("making the grant"))?;
        Ok(Self { plan, ring, dataset, genotype_seeds, weight_seeds, grant, holder })
    }

    /// Decrypts a result.
    ///
    /// # Errors
    /// When a value is out of range.
    pub fn open(&self, unit: &SwitchedUnit) -> Result<UnitValues> {
        let share = decryption_share(&self.plan, &self.holder, unit);
        let share = share.map_err(Error::step("decrypting"))?;
        combine(&self.ring, &self.plan, unit, &[share]).map_err(Error::step("decrypting"))
    }

    /// log2 of how many times the largest noise of a result fits under half the scale.
    ///
    /// # Errors
    /// When a value is out of range.
    pub fn bits_left(&self, unit: &SwitchedUnit) -> Result<f64> {
        let share = decryption_share(&self.plan, &self.holder, unit);
        let share = share.map_err(Error::step("decrypting"))?;
        let noise = measure_noise(&self.ring, &self.plan, unit, &[share]);
        let (_, largest) = noise.map_err(Error::step("decrypting"))?;
        let scale = self.plan.delta_g() as f64 * self.plan.delta_y() as f64;
        Ok((scale / 2.0 / largest.max(1.0)).log2())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measured_set_has_its_plan() {
        for params in crate::kernel::SETS {
            for people in [2, 340, 25_000] {
                assert_eq!(plan(params, people).unwrap().params(), params);
            }
        }
        assert!(plan(Params::N2048Q50, 100_000).is_err());
        assert!(plan(Params::N8192Q200, 1000).is_err(), "no sole holder's study needs it");
    }
}
