//! The holder's memory: every `C1` gets one share for ever, of one kind, which is written down first. Protocol section 6.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{C1Fingerprint, ShareKind};
use crate::codec::{CodecError, Kind, Message};
use crate::digest::Digest;
use crate::params::Params;
use crate::planner::{LEAST_HIDING_BITS, Plan};
use crate::result::{MAX_BODIES, MAX_CHANNELS, SwitchedUnit};

/// What is written down, durably, before the share of a result unit is computed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShareRecord {
    study: Digest,
    /// Scales and smudging, which the planner computes in floating point: on a machine where they came out otherwise, the
    /// record would be another one, and a second share would be refused.
    plan: Digest,
    job: Digest,
    kind: ShareKind,
    ciphertexts: Vec<C1Fingerprint>,
}

impl ShareRecord {
    /// The study whose key gives the share.
    pub fn study(&self) -> Digest {
        self.study
    }

    /// The job whose result is shared.
    pub fn job(&self) -> Digest {
        self.job
    }

    /// What the share is for.
    pub fn kind(&self) -> ShareKind {
        self.kind
    }

    /// Fingerprints of the unit's `C1`, in the order of its ciphertexts.
    pub fn ciphertexts(&self) -> &[C1Fingerprint] {
        &self.ciphertexts
    }
}

impl Message for ShareRecord {
    const KIND: Kind = Kind::ShareRecord;

    fn check(&self) -> Result<(), CodecError> {
        let limbs = self.ciphertexts.first().map_or(0, |c| c.limbs().len());
        let fine = (1..=(MAX_BODIES * MAX_CHANNELS) as usize).contains(&self.ciphertexts.len())
            && (1..=4).contains(&limbs)
            && self.ciphertexts.iter().all(|c| c.limbs().len() == limbs);
        if fine {
            Ok(())
        } else {
            let text = "a share record has 1 to 136 ciphertexts of 1 to 4 limbs, all alike";
            Err(CodecError::Conformance(text.to_owned()))
        }
    }
}

/// Why no share may be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LedgerError {
    /// The plan has no smudging.
    #[error(
        "the plan has fewer than 40 smudging bits: shares would leak the study key; plan again with 40 or more"
    )]
    Smudging,
    /// The plan has no room for masks.
    #[error("the plan has no room for refresh masks; plan again with mask bits")]
    Masks,
    /// Another parameter set, or more contributions than planned for: more noise than the smudging is made for.
    #[error(
        "the result is not one that the study's plan allows (parameter set or number of datasets)"
    )]
    Plan,
    /// A `C1` with a limb of zeros.
    #[error(
        "a ciphertext of the result is degenerate; no honest job computes it, check the server"
    )]
    Degenerate,
    /// A `C1`, or one that differs by a factor, a rotation or limbs, was shared before or twice in this unit.
    #[error(
        "a ciphertext of this result, or a rotated, scaled or reduced copy, was already shared for job {job}; a second \
         share would weaken the study key, so none is given: fetch the first one, or let a new study run"
    )]
    Shared {
        /// The job for which it was shared.
        job: Digest,
    },
    /// The number of values for which the smudging is made is reached.
    #[error(
        "the study's plan allows shares of {values} values and they are used up; make a new study"
    )]
    Spent {
        /// Planned values.
        values: u64,
    },
    /// A record of another study.
    #[error("a share record of another study; keep the records of each study apart")]
    Study,
    /// Records that contradict each other.
    #[error(
        "two share records contradict each other: the ledger is damaged; restore it before giving any share"
    )]
    Records,
}

/// Why a share was not admitted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AdmitError<E> {
    /// It must not be given.
    #[error(transparent)]
    Refused(#[from] LedgerError),
    /// The record could not be written down.
    #[error("the share record could not be written: {0}")]
    Store(E),
}

/// Leave to compute one share: only [`ShareLedger::admit`] makes one, after the record is written.
#[derive(Debug)]
pub struct Admitted {
    record: ShareRecord,
    /// For each ciphertext the job for which its `C1` was shared first.
    first: Vec<Digest>,
    plan: Plan,
}

impl Admitted {
    /// What was written down.
    pub fn record(&self) -> &ShareRecord {
        &self.record
    }

    /// For each ciphertext the job for which its `C1` was shared first: the noise of its share is bound to that job, so that
    /// a further job with the same `C1` (the same rows with another phenotype have the same plain sums) gets the same share.
    pub fn first_jobs(&self) -> &[Digest] {
        &self.first
    }

    /// The study's plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether `unit` is the one that was admitted, `C1` by `C1`.
    pub fn covers(&self, unit: &SwitchedUnit) -> bool {
        let exact = unit.ciphertexts().map(|(_, c1)| super::fingerprint::exact(unit.params(), c1));
        exact.eq(self.record.ciphertexts.iter().map(C1Fingerprint::c1))
    }
}

/// All shares that a holder gave with one study key.
///
/// Smudging hides `plan.values` values altogether, so the ledger counts them; and no `C1` gets a second, independent
/// noise, so it knows them by their [`C1Fingerprint`]: the very same `C1` gets the very same share, one that is like it gets
/// none. What it can't know is whether a `C1` is the outcome of an honest
/// computation: before asking, a holder recomputes the unit itself from the job's inputs and shares *that*.
#[derive(Debug)]
pub struct ShareLedger {
    study: Digest,
    plan: Plan,
    records: Vec<ShareRecord>,
    /// From each limb's mark to the record that had it first.
    marks: HashMap<Digest, usize>,
    /// From each exact `C1` to the record that had it first.
    given: HashMap<Digest, usize>,
    values: u64,
}

impl ShareLedger {
    /// The ledger of `study` as its records left it; none for a new study.
    ///
    /// # Errors
    ///
    /// If the plan has too little smudging, or the records are not those of this study and plan.
    pub fn restore(
        study: Digest,
        plan: Plan,
        records: impl IntoIterator<Item = ShareRecord>,
    ) -> Result<Self, LedgerError> {
        if plan.request().smudging_bits < LEAST_HIDING_BITS {
            return Err(LedgerError::Smudging);
        }
        let mut ledger = Self {
            study,
            plan,
            records: Vec::new(),
            marks: HashMap::new(),
            given: HashMap::new(),
            values: 0,
        };
        for record in records {
            match ledger.check(&record) {
                Ok(0) => {}
                Ok(_) => ledger.insert(record),
                Err(LedgerError::Study) => return Err(LedgerError::Study),
                Err(_) => return Err(LedgerError::Records),
            }
        }
        Ok(ledger)
    }

    /// Values for which shares were given.
    pub fn values(&self) -> u64 {
        self.values
    }

    /// Asks to share `unit`, which the holder recomputed itself, as the result of `job`. `store` has to write the record
    /// durably before it returns; it is not called when a share of every `C1` of the unit was admitted before.
    ///
    /// # Errors
    ///
    /// If the share must not be given, or what `store` returns: then nothing is admitted.
    pub fn admit<E>(
        &mut self,
        job: Digest,
        kind: ShareKind,
        unit: &SwitchedUnit,
        store: impl FnOnce(&ShareRecord) -> Result<(), E>,
    ) -> Result<Admitted, AdmitError<E>> {
        if unit.params() != self.plan.params()
            || unit.contributions() > self.plan.request().datasets
        {
            return Err(LedgerError::Plan.into());
        }
        if kind == ShareKind::Refresh && self.plan.mask_bits().is_none() {
            return Err(LedgerError::Masks.into());
        }
        let ciphertexts = unit
            .ciphertexts()
            .map(|(_, c1)| C1Fingerprint::of(unit.params(), c1))
            .collect::<Option<_>>()
            .ok_or(LedgerError::Degenerate)?;
        let record =
            ShareRecord { study: self.study, plan: self.plan.digest(), job, kind, ciphertexts };
        if self.check(&record)? > 0 {
            store(&record).map_err(AdmitError::Store)?;
            self.insert(record.clone());
        }
        let first = |c1: &C1Fingerprint| self.known(c1, kind).map_or(job, |known| known.job);
        let first = record.ciphertexts.iter().map(first).collect();
        Ok(Admitted { record, first, plan: self.plan })
    }

    /// The record of the share of exactly this `C1`, if it is of that kind.
    fn known(&self, c1: &C1Fingerprint, kind: ShareKind) -> Option<&ShareRecord> {
        let number = self.given.get(&c1.c1())?;
        self.records.get(*number).filter(|known| known.kind == kind)
    }

    /// How many of the record's `C1` got no share yet; an error if it must not be added.
    fn check(&self, record: &ShareRecord) -> Result<u64, LedgerError> {
        if record.study != self.study {
            return Err(LedgerError::Study);
        }
        if record.ciphertexts.iter().any(|c| c.limbs().len() != self.plan.params().limbs()) {
            return Err(LedgerError::Plan);
        }
        let (mut own, mut new) = (HashSet::new(), 0);
        for ciphertext in &record.ciphertexts {
            let given = self.known(ciphertext, record.kind).is_some();
            new += u64::from(!given);
            for mark in ciphertext.limbs() {
                let known = self.marks.get(mark).and_then(|&i| self.records.get(i));
                if let (Some(known), false) = (known, given) {
                    return Err(LedgerError::Shared { job: known.job });
                }
                if !own.insert(mark) {
                    return Err(LedgerError::Shared { job: record.job });
                }
            }
        }
        let values = self.plan.request().values;
        if self.values.saturating_add(self.size(new)) > values {
            return Err(LedgerError::Spent { values });
        }
        Ok(new)
    }

    fn insert(&mut self, record: ShareRecord) {
        let (number, before) = (self.records.len(), self.given.len());
        for ciphertext in &record.ciphertexts {
            self.given.entry(ciphertext.c1()).or_insert(number);
            for mark in ciphertext.limbs() {
                self.marks.entry(*mark).or_insert(number);
            }
        }
        self.values += self.size((self.given.len() - before) as u64);
        self.records.push(record);
    }

    /// Values of that many ciphertexts: every coefficient.
    fn size(&self, ciphertexts: u64) -> u64 {
        let params: Params = self.plan.params();
        ciphertexts.saturating_mul(params.degree() as u64)
    }
}

#[cfg(test)]
mod tests {
    use core::convert::Infallible;

    use super::*;
    use crate::PlanRequest;
    use crate::codec::{decode, encode};
    use crate::public_key::study_mask;

    fn plan(values: u64) -> Plan {
        Plan::new(PlanRequest {
            holders: 3,
            smudging_bits: 40,
            values,
            datasets: 2,
            ..PlanRequest::sole_holder(100)
        })
        .unwrap()
    }

    /// A unit of two ciphertexts with these `C1`.
    fn unit(c1: [&str; 2]) -> SwitchedUnit {
        let params = plan(1 << 21).params();
        let polynomial = |name: &str| study_mask(params, Digest::of(name.as_bytes()));
        let words = c1.map(|name| [polynomial("c0"), polynomial(name)].concat()).concat();
        SwitchedUnit::new(params, 1, 2, words)
    }

    fn ledger(values: u64) -> ShareLedger {
        ShareLedger::restore(Digest::of(b"study"), plan(values), []).unwrap()
    }

    const OPEN: ShareKind = ShareKind::Open;

    #[test]
    fn every_c1_gets_one_share_whoever_asks_again() {
        let (mut ledger, job) = (ledger(1 << 21), Digest::of(b"job"));
        let mut written = Vec::new();
        let mut admit = |job, kind, unit: &SwitchedUnit| {
            ledger.admit(job, kind, unit, |record| {
                written.push(encode(record).unwrap());
                Ok::<(), Infallible>(())
            })
        };
        let first = unit(["a", "b"]);
        let admitted = admit(job, OPEN, &first).unwrap();
        assert!(admitted.covers(&first) && !admitted.covers(&unit(["b", "a"])));
        assert_eq!(admit(job, OPEN, &first).unwrap().record(), admitted.record());
        let refused = AdmitError::Refused(LedgerError::Shared { job });
        let other = Digest::of(b"another job");
        // Another job with the same plain sums: they get the share that they got before.
        assert_eq!(admit(other, OPEN, &first).unwrap().first_jobs(), [job, job]);
        assert_eq!(admit(other, OPEN, &unit(["b", "a"])).unwrap().first_jobs(), [job, job]);
        assert_eq!(admit(other, OPEN, &unit(["a", "c"])).unwrap().first_jobs(), [job, other]);
        assert_eq!(admit(job, OPEN, &unit(["c", "b"])).unwrap().first_jobs(), [other, job]);
        // One that is like a C1 that was shared gets none, beside whatever it stands.
        let mut like = unit(["d", "e"]);
        let limb = like.params().degree();
        let mut words: Vec<u64> =
            like.ciphertexts().flat_map(|(c0, c1)| [c0, c1]).flatten().copied().collect();
        let (_, a) = first.ciphertexts().next().unwrap();
        words[a.len()..a.len() + limb].copy_from_slice(&a[..limb]);
        like = SwitchedUnit::new(like.params(), 1, 2, words);
        assert_eq!(admit(other, OPEN, &like).unwrap_err(), refused);
        for twice in [["d", "d"], ["a", "a"]] {
            let twice = admit(other, OPEN, &unit(twice)).unwrap_err();
            assert_eq!(twice, AdmitError::Refused(LedgerError::Shared { job: other }));
        }
        let masks = AdmitError::Refused(LedgerError::Masks);
        assert_eq!(admit(other, ShareKind::Refresh, &unit(["e", "f"])).unwrap_err(), masks);
        assert_eq!(written.len(), 2, "written where something is new, nothing that was refused");

        // From its records the ledger knows the same; a record that was written twice is one.
        let records: Vec<ShareRecord> =
            written.iter().chain(&written).map(|bytes| decode(bytes).unwrap()).collect();
        let mut restored =
            ShareLedger::restore(Digest::of(b"study"), plan(1 << 21), records.clone()).unwrap();
        assert_eq!(restored.values(), 3 * 8192);
        let again = restored.admit(other, OPEN, &unit(["c", "b"]), |_| Err("nothing is new"));
        assert_eq!(again.unwrap().first_jobs(), [other, job]);
        let again = restored.admit(other, OPEN, &like, |_| Ok::<(), Infallible>(()));
        assert_eq!(again.unwrap_err(), refused);

        let foreign = ShareLedger::restore(Digest::of(b"other"), plan(1 << 21), records.clone());
        assert_eq!(foreign.unwrap_err(), LedgerError::Study);
        let mut changed = records[0].clone();
        changed.kind = ShareKind::Refresh;
        let damaged = ShareLedger::restore(
            Digest::of(b"study"),
            plan(1 << 21),
            [records[0].clone(), changed],
        );
        assert_eq!(damaged.unwrap_err(), LedgerError::Records);
    }

    #[test]
    fn refresh_and_open_exclude_each_other() {
        let request = PlanRequest { mask_bits: 40, ..plan(1 << 21).request() };
        let plan = Plan::new(request).unwrap();
        let mut ledger = ShareLedger::restore(Digest::of(b"study"), plan, []).unwrap();
        let params = plan.params();
        let words = study_mask(params, Digest::of(b"x"));
        let unit = SwitchedUnit::new(params, 1, 1, [words.clone(), words].concat());
        let job = Digest::of(b"job");
        let mut admit = |kind| ledger.admit(job, kind, &unit, |_| Ok::<(), Infallible>(()));
        assert!(admit(ShareKind::Refresh).is_ok());
        let refused = AdmitError::Refused(LedgerError::Shared { job });
        assert_eq!(admit(OPEN).unwrap_err(), refused);
    }

    #[test]
    fn what_is_not_written_is_not_admitted() {
        let mut ledger = ledger(1 << 21);
        let failed =
            ledger.admit(Digest::of(b"job"), OPEN, &unit(["a", "b"]), |_| Err("disk full"));
        assert_eq!(failed.unwrap_err(), AdmitError::Store("disk full"));
        assert_eq!(ledger.values(), 0);
    }

    #[test]
    fn values_are_counted() {
        let mut ledger = ledger(3 * 8192);
        let mut admit = |c1| {
            ledger
                .admit(Digest::of(b"job"), OPEN, &unit(c1), |_| Ok::<(), Infallible>(()))
                .map(drop)
        };
        assert_eq!(admit(["a", "b"]), Ok(()));
        let spent = AdmitError::Refused(LedgerError::Spent { values: 3 * 8192 });
        assert_eq!(admit(["c", "d"]), Err(spent));
        assert_eq!(admit(["a", "b"]), Ok(()), "what was given is given again");
    }

    #[test]
    fn bad_plans_and_units_are_refused() {
        let sole = Plan::new(PlanRequest::sole_holder(100)).unwrap();
        let none = ShareLedger::restore(Digest::of(b"study"), sole, []);
        assert_eq!(none.unwrap_err(), LedgerError::Smudging);
        let mut ledger = ledger(1 << 21);
        let mut admit = |unit: &SwitchedUnit| {
            ledger
                .admit(Digest::of(b"job"), OPEN, unit, |_| Ok::<(), Infallible>(()))
                .map(drop)
                .map_err(|e| match e {
                    AdmitError::Refused(e) => e,
                    AdmitError::Store(never) => match never {},
                })
        };
        let small = Params::N2048Q50;
        let other = SwitchedUnit::new(small, 1, 1, vec![1; 2 * small.words()]);
        assert_eq!(admit(&other), Err(LedgerError::Plan));
        let zero = SwitchedUnit::new(plan(1).params(), 1, 1, vec![0; 2 * plan(1).params().words()]);
        assert_eq!(admit(&zero), Err(LedgerError::Degenerate));
        let wide = PlanRequest { datasets: 3, ..plan(1 << 21).request() };
        let wide = Plan::new(wide).unwrap();
        let mut three = unit(["a", "b"]);
        for name in [["c", "d"], ["e", "f"]] {
            three.add(&wide, &unit(name)).unwrap();
        }
        assert_eq!(admit(&three), Err(LedgerError::Plan), "more contributions than planned for");
    }

    #[test]
    fn bad_records_are_refused() {
        let mut ledger = ledger(1 << 21);
        let admitted = ledger
            .admit(Digest::of(b"job"), OPEN, &unit(["a", "b"]), |_| Ok::<(), Infallible>(()))
            .unwrap();
        let good = admitted.record().clone();
        // Known answer: records are kept for as long as a study lives.
        let bytes = encode(&good).unwrap();
        assert_eq!(
            Digest::of(&bytes).to_string(),
            "c660a99146d7ae435a5b90756d4d744e0b600b953ee3a9af08a4d7ed227d8292"
        );
        assert_eq!(decode::<ShareRecord>(&bytes).unwrap(), good);
        let cut = decode::<ShareRecord>(&bytes[..bytes.len() - 1]);
        assert!(matches!(cut, Err(CodecError::Truncated { .. })));
        let none = ShareRecord { ciphertexts: Vec::new(), ..good.clone() };
        let many =
            ShareRecord { ciphertexts: vec![good.ciphertexts[0].clone(); 137], ..good.clone() };
        let short = C1Fingerprint::of(Params::N2048Q50, &[1; 2048]).unwrap();
        let mut ragged = good.clone();
        ragged.ciphertexts.push(short);
        for bad in [none, many, ragged] {
            assert!(matches!(encode(&bad), Err(CodecError::Conformance(_))));
        }
    }
}
