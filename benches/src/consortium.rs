//! What a study of several parties costs each of them, in seconds and bytes: its key, grants, totals, shares. Everything is done by
//! the calls that the programs make, for all parties in this process, and the pooled sums are compared in the clear.

use std::convert::Infallible;
use std::hint::black_box;

use he_core::arith::Ring;
use he_core::ceremony::{key_round, public_key, share_round, shares};
use he_core::commit::Commitments;
use he_core::layout::BODIES;
use he_core::public_key::PublicKey;
use he_core::result::SwitchedUnit;
use he_core::share::{ShareKind, ShareLedger, combine};
use he_core::{Digest, Params, Plan, PlanRequest};
use he_core_secret::{
    DatasetKey, HolderKey, MasterKey, Totals, encrypt_totals, make_switching_key, smudged_share,
};
use serde::{Deserialize, Serialize};

use crate::clock::{Cost, median, significant};
use crate::keys::entropy;
use crate::{Error, Result};

/// Ciphertexts of each block: everybody, and cases.
const CHANNELS: usize = 2;
/// People of each site, all of them alike.
const PEOPLE: u32 = 100;

/// A study of several parties.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Consortium {
    /// Parameter set.
    pub params: Params,
    /// Key holders.
    pub holders: u32,
    /// Sites.
    pub sites: u32,
    /// People that the plan is made for.
    pub people: u32,
    /// Variants of a result unit.
    pub variants: u32,
    /// Threads.
    pub threads: usize,
    /// What parties do.
    pub steps: Vec<Step>,
    /// What was checked.
    pub check: String,
}

/// What one party does once.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Who.
    pub party: String,
    /// What.
    pub what: String,
    /// Median of seconds on the wall.
    pub wall_s: f64,
    /// Bytes of what is sent.
    pub bytes: u64,
}

/// Measures a study with `holders` key holders and `sites` sites; `threads` as is said.
///
/// # Errors
/// When nothing can be planned for so many, or the sums that are decrypted are not those of the sites.
pub fn measure(holders: u32, sites: u32, threads: usize) -> Result<Consortium> {
    let request = PlanRequest {
        holders,
        smudging_bits: 40,
        values: 1 << 21,
        datasets: sites,
        ..PlanRequest::sole_holder(10_000)
    };
    let plan = Plan::new(request).map_err(Error::step("planning"))?;
    let study = Study::new(plan, holders)?;
    let mut steps = Steps::default();
    let key = study.key(&mut steps)?;
    let (unit, expected) = study.sums(&key, sites, &mut steps)?;
    study.open(&unit, &expected, &mut steps)?;
    let params = plan.params();
    Ok(Consortium {
        params,
        holders,
        sites,
        people: request.people,
        variants: (BODIES * params.degree()) as u32,
        threads,
        steps: steps.0,
        check: "decrypted sums equal the sum of the sites' sums".to_owned(),
    })
}

#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn push(&mut self, party: &str, what: &str, seconds: Vec<f64>, bytes: usize) {
        let wall_s = significant(median(seconds));
        let (party, what) = (party.to_owned(), what.to_owned());
        self.0.push(Step { party, what, wall_s, bytes: bytes as u64 });
    }
}

struct Study {
    plan: Plan,
    ring: Ring,
    id: Digest,
    names: Vec<String>,
    keys: Vec<HolderKey>,
}

/// What `work` gives for each of some, and how long each took.
fn each<I, T>(
    of: impl IntoIterator<Item = I>,
    work: impl Fn(I) -> Result<T>,
) -> Result<(Vec<T>, Vec<f64>)> {
    let (mut values, mut seconds) = (Vec::new(), Vec::new());
    for item in of {
        let (value, cost) = Cost::of(|| work(item));
        values.push(value?);
        seconds.push(cost.wall_s);
    }
    Ok((values, seconds))
}

fn length(objects: &[Vec<u8>]) -> usize {
    objects.first().map_or(0, Vec::len)
}

impl Study {
    fn new(plan: Plan, holders: u32) -> Result<Self> {
        let (ring, id) = (Ring::new(plan.params()), Digest::of(b"a consortium's costs"));
        let key = |_| Ok(HolderKey::derive(&MasterKey::generate(&entropy()?), &ring, id));
        let keys = (0..holders).map(key).collect::<Result<_>>()?;
        let names = (0..holders).map(|number| format!("holder {number}")).collect();
        Ok(Self { plan, ring, id, names, keys })
    }

    fn holders(&self) -> impl Iterator<Item = (&HolderKey, &str)> {
        self.keys.iter().zip(self.names.iter().map(String::as_str))
    }

    fn collect(&self, round: he_core::commit::Round, all: &[Vec<u8>]) -> Result<Commitments> {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let received = names.iter().copied().zip(all.iter().map(Vec::as_slice));
        Commitments::collect(round, &names, received).map_err(Error::step("collecting"))
    }

    /// The ceremony.
    fn key(&self, steps: &mut Steps) -> Result<PublicKey> {
        let (ring, params) = (&self.ring, self.plan.params());
        let commit =
            |(key, name): (&HolderKey, &str)| Ok(key.commit_public_share(ring, name).to_bytes());
        let (commitments, seconds) = each(self.holders(), commit)?;
        steps.push("key holder", "commits to its part of the key", seconds, length(&commitments));
        let all = self.collect(key_round(self.id), &commitments)?;
        let reveal = |(key, name): (&HolderKey, &str)| {
            let reveal = key.reveal_public_share(ring, name, &all);
            Ok(reveal.map_err(Error::step("revealing"))?.to_bytes())
        };
        let (reveals, seconds) = each(self.holders(), reveal)?;
        steps.push("key holder", "reveals its part", seconds, length(&reveals));
        let key = |_| {
            let named =
                self.names.iter().map(String::as_str).zip(reveals.iter().map(Vec::as_slice));
            public_key(params, &all, named).map_err(Error::step("making the study's key"))
        };
        let (mut keys, seconds) = each(0..5, key)?;
        steps.push("everybody", "checks all parts and adds them up", seconds, 0);
        keys.pop().ok_or_else(|| nothing("no key"))
    }

    /// A grant, and the sums of all sites, encrypted and added, with what they are.
    fn sums(
        &self,
        key: &PublicKey,
        sites: u32,
        steps: &mut Steps,
    ) -> Result<(SwitchedUnit, Vec<i64>)> {
        let (ring, plan) = (&self.ring, &self.plan);
        let grant = |number: u8| {
            let master = MasterKey::generate(&entropy()?);
            let dataset = DatasetKey::derive(&master, ring, [number; 16]);
            let grant = make_switching_key(ring, &dataset, key, &entropy()?);
            Ok(grant.map_err(Error::step("making the grant"))?.to_bytes(self.id))
        };
        let (grants, seconds) = each(0..3, grant)?;
        steps.push("data owner", "makes a grant", seconds, length(&grants));
        let size = BODIES * CHANNELS * plan.params().degree();
        let of = |site: u32| -> Vec<i64> {
            // Anything that a site may have: dosages are -1, 0 and 1.
            let range = 2 * i64::from(PEOPLE) + 1;
            let value = |i: i64| (i * 31 + i64::from(site) * 17) % range - i64::from(PEOPLE);
            (0..size as i64).map(value).collect()
        };
        let encrypt = |site: u32| {
            let values = of(site);
            let totals =
                Totals { people: PEOPLE, plane: 0, group: 0, channels: CHANNELS, values: &values };
            encrypt_totals(ring, plan, key, &entropy()?, &totals).map_err(Error::step("encrypting"))
        };
        let (units, seconds) = each(0..sites, encrypt)?;
        let bytes = units.first().map_or(0, |unit| unit.to_bytes(self.id, 0, 0).len());
        steps.push("data owner", "encrypts totals of a unit", seconds, bytes);
        let mut expected = vec![0; size];
        for site in 0..sites {
            expected.iter_mut().zip(of(site)).for_each(|(sum, value)| *sum += value);
        }
        let mut units = units.into_iter().map(he_core::totals::EncryptedTotals::into_unit);
        let mut sum = units.next().ok_or_else(|| nothing("no site"))?;
        for unit in units {
            sum.add(plan, &unit).map_err(Error::step("adding up"))?;
        }
        Ok((sum, expected))
    }

    /// Shares of a unit by all holders, committed to and revealed, and what they open.
    fn open(&self, unit: &SwitchedUnit, expected: &[i64], steps: &mut Steps) -> Result<()> {
        let (ring, plan, job) = (&self.ring, &self.plan, Digest::of(b"job"));
        let object = Digest::of(&unit.to_bytes(job.short(), 0, 0));
        let share = |(key, name): (&HolderKey, &str)| {
            let ledger = ShareLedger::restore(self.id, *plan, []);
            let mut ledger = ledger.map_err(Error::step("opening the ledger"))?;
            let admitted = ledger.admit(job, ShareKind::Open, unit, |_| Ok::<(), Infallible>(()));
            let admitted = admitted.map_err(Error::step("admitting"))?;
            let share =
                smudged_share(ring, key, &admitted, unit).map_err(Error::step("sharing"))?;
            let commitment = key.commit_share(name, object, &share).to_bytes();
            Ok((share, commitment))
        };
        let (both, seconds) = each(self.holders(), share)?;
        let (given, commitments): (Vec<_>, Vec<_>) = both.into_iter().unzip();
        steps.push(
            "key holder",
            "makes a share of a unit and commits to it",
            seconds,
            length(&commitments),
        );
        let all = self.collect(share_round(object), &commitments)?;
        let reveal = |((key, name), share): ((&HolderKey, &str), _)| {
            let reveal = key.reveal_share(name, object, share, &all);
            Ok(reveal.map_err(Error::step("revealing"))?.to_bytes())
        };
        let (reveals, seconds) = each(self.holders().zip(&given), reveal)?;
        steps.push("key holder", "reveals it, to each recipient", seconds, length(&reveals));
        let open = |_| {
            let named =
                self.names.iter().map(String::as_str).zip(reveals.iter().map(Vec::as_slice));
            let shares = shares(unit, ShareKind::Open, &all, named);
            let shares = shares.map_err(Error::step("checking shares"))?;
            combine(ring, plan, unit, &shares).map_err(Error::step("decrypting"))
        };
        let (opened, seconds) = each(0..3, open)?;
        steps.push("analyst", "checks all shares of a unit and puts them together", seconds, 0);
        let degree = plan.params().degree();
        let places = (0..BODIES).flat_map(|body| (0..CHANNELS).map(move |channel| (body, channel)));
        for values in black_box(opened) {
            for ((body, channel), expected) in places.clone().zip(expected.chunks(degree)) {
                if values.get(body, channel) != expected {
                    return Err(nothing("the decrypted sums are not the sites'"));
                }
            }
        }
        Ok(())
    }
}

fn nothing(why: &str) -> Error {
    Error::Step { what: "measuring a consortium", why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_of_ten_holders_open_the_sums_of_twenty_sites() {
        let measured = measure(10, 20, 1).unwrap();
        assert_eq!((measured.holders, measured.sites), (10, 20));
        assert_eq!(measured.steps.len(), 8);
        assert!(measured.steps.iter().all(|step| step.wall_s > 0.0));
        // Two polynomials for each of a unit's ciphertexts, and one in a share, of the same words.
        let bytes =
            |what: &str| measured.steps.iter().find(|s| s.what.contains(what)).unwrap().bytes;
        assert!(bytes("totals of a unit") > 2 * bytes("reveals it") - 1000);
    }
}
