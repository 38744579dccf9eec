//! What a key holder remembers of a study: every share it gave leave for, every job it checked.
//!
//! A folder beside the key file, readable by its owner alone. Files are appended to and are on the disk before anything that
//! depends on them is sent:
//!
//! - `shares`: objects of kind `ShareRecord`, one after the other;
//! - `jobs`: JSON lines, the jobs whose result was replayed, and which of them kept all limits;
//! - `given`: JSON lines, whose commitments were answered with shares, and what was given to finish a statistic: refreshes, and shares of
//!   finished values;
//! - `ceremony`: JSON lines, what was said while the study's key was made ([`super::promises`]);
//! - `agent.log`: JSON lines, what the agent did.
//!
//! A record that a crash cut off was never acted upon, and is dropped.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use gwas::walk::durable;
use gwas::wire::SharePhase;
use he_core::codec::{HEADER_LEN, Header, Kind, decode, encode};
use he_core::share::{ShareLedger, ShareRecord};
use he_core::{Digest, Plan};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::differences::Contribution;
use crate::{Error, Result};

/// Longest file of records in bytes.
const MAX_FILE: u64 = 1 << 30;

/// A job whose result the holder recomputed and found right.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::pipeline) struct CheckedJob {
    pub(super) job: Digest,
    /// Digest of its result.
    pub(super) result: Digest,
    /// What was summed.
    pub(super) inputs: Vec<Contribution>,
}

/// A line of the file `jobs`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line {
    /// A job whose totals may be shared: what they say may be used against later jobs.
    Checked(CheckedJob),
    /// A job whose totals keep all limits, so that its sums may be shared too: it counts in every budget.
    Counts(Digest),
}

/// What a holder gave of a job.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(super) enum Given {
    /// A refresh: the digest of its message, which names every object by its digest.
    Refresh {
        /// The job.
        job: Digest,
        /// The digest.
        refresh: Digest,
    },
    /// Shares of finished values.
    Values {
        /// The job.
        job: Digest,
        /// Digest of each `C1`.
        masks: Vec<Digest>,
        /// Digest of each share, flooding included.
        shares: Vec<Digest>,
    },
    /// Shares of a phase of a job, to one set of commitments: who could show another one would choose its own shares after seeing these.
    Answered {
        /// The job.
        job: Digest,
        /// Which shares.
        phase: SharePhase,
        /// Digest of all holders' commitments.
        seen: Digest,
    },
}

impl Given {
    /// Whether one of two that differ must not be given after the other.
    fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Refresh { job, .. }, Self::Refresh { job: other, .. }) => job == other,
            (Self::Values { job, masks, .. }, Self::Values { job: other, masks: others, .. }) => {
                job == other || masks.iter().any(|mask| others.contains(mask))
            }
            (
                Self::Answered { job, phase, .. },
                Self::Answered { job: other, phase: of_other, .. },
            ) => job == other && phase == of_other,
            _ => false,
        }
    }
}

/// That nothing is given which was not written down before.
pub(super) fn unknown() -> Error {
    Error::input("the holder's records do not know what it committed to").with_remedy(
        "run it where you ran it before, with that key file, or restore the folder beside the key file as it was last; without it nothing may be shared",
    )
}

/// The folder for what belongs to a key file.
pub(in crate::pipeline) fn state_folder(key: &Path, name: &str) -> Result<PathBuf> {
    let mut folder = key.as_os_str().to_owned();
    folder.push(".state");
    let folder = PathBuf::from(folder).join(name);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .map_err(Error::file("create", &folder))?;
    for made in [Some(folder.as_path()), folder.parent(), folder.parent().and_then(Path::parent)] {
        let made = made.filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        sync_folder(made)?;
    }
    Ok(folder)
}

/// Writes a folder's entries to the disk.
pub(in crate::pipeline) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(Error::file("write", folder))
}

/// A file that is only appended to.
pub(super) struct Appended {
    path: PathBuf,
    file: File,
}

impl Appended {
    /// Opens or makes the file; its bytes.
    fn open(path: PathBuf) -> Result<(Self, Vec<u8>)> {
        let file = Self::file(&path)?;
        Self::read(path, file)
    }

    /// The same when no other process has it, for as long as it is open.
    pub(super) fn open_alone(path: PathBuf) -> Result<(Self, Vec<u8>)> {
        let file = Self::file(&path)?;
        file.lock().map_err(Error::file("lock", &path))?;
        Self::read(path, file)
    }

    fn file(path: &Path) -> Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        options.open(path).map_err(Error::file("open", path))
    }

    fn read(path: PathBuf, file: File) -> Result<(Self, Vec<u8>)> {
        let mut bytes = Vec::new();
        (&file).take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(Error::file("read", &path))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(Error::corrupt(format_args!("{} is longer than 1 GiB", path.display())));
        }
        Ok((Self { path, file }, bytes))
    }

    /// Drops what a crash left half-written.
    fn cut(&self, length: usize) -> Result<()> {
        let cut = self.file.set_len(length as u64).and_then(|()| self.file.sync_all());
        cut.map_err(Error::file("write", &self.path))
    }

    /// Appends, to the disk.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_all());
        written.map_err(Error::file("write", &self.path))?;
        durable(|| format!("{} {:?}", self.path.display(), self.file.metadata().map(|m| m.len())));
        Ok(())
    }
}

/// A holder's memory of one study; one process at a time has it.
pub(in crate::pipeline) struct Store {
    pub(super) ledger: ShareLedger,
    shares: Appended,
    pub(super) jobs: Vec<CheckedJob>,
    /// Those of them that count in budgets.
    pub(super) counting: BTreeSet<Digest>,
    jobs_file: Appended,
    given: Vec<Given>,
    given_file: Appended,
    log: Appended,
    /// Held until the process ends.
    _lock: File,
}

impl Store {
    /// Opens what is remembered of `study` beside the file `key`; nothing of a new study.
    ///
    /// # Errors
    /// When another process has it open, or it is damaged.
    pub(in crate::pipeline) fn open(key: &Path, study: Digest, plan: Plan) -> Result<Self> {
        let folder = state_folder(key, &study.to_string())?;
        let path = folder.join("lock");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(&path).map_err(Error::file("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::input("another process shares for this study with this key")
                    .with_remedy("let one `hegwas agent` run for each key and study"));
            }
            Err(TryLockError::Error(source)) => return Err(Error::file("lock", &path)(source)),
        }
        let (shares, bytes) = Appended::open(folder.join("shares"))?;
        let (records, whole) = records(&bytes).ok_or_else(|| damaged(&shares.path))?;
        if whole < bytes.len() {
            shares.cut(whole)?;
        }
        let ledger = ShareLedger::restore(study, plan, records).map_err(Error::corrupt)?;
        let (jobs_file, said) = lines(folder.join("jobs"))?;
        let (mut jobs, mut counting) = (Vec::new(), BTreeSet::new());
        for line in said {
            match line {
                Line::Checked(job) => jobs.push(job),
                Line::Counts(job) => drop(counting.insert(job)),
            }
        }
        // Of earlier builds: what was given stood there, and must not be forgotten.
        let old = folder.join("finished");
        if old.exists() {
            return Err(Error::corrupt(format_args!(
                "{} was written by an earlier version of this program",
                old.display()
            ))
            .with_remedy("end this study's jobs with that version"));
        }
        let (given_file, given) = lines(folder.join("given"))?;
        let (log, _) = Appended::open(folder.join("agent.log"))?;
        sync_folder(&folder)?;
        Ok(Self { ledger, shares, jobs, counting, jobs_file, given, given_file, log, _lock: lock })
    }

    /// The ledger, and how a record of it is written down.
    pub(super) fn ledger(
        &mut self,
    ) -> (&mut ShareLedger, impl FnOnce(&ShareRecord) -> Result<()> + '_) {
        let shares = &mut self.shares;
        (&mut self.ledger, |record: &ShareRecord| {
            shares.append(&encode(record).map_err(|e| Error::Internal(e.to_string()))?)
        })
    }

    /// Leave to give something of a job, once and the same for ever: written down if it is `new`, and must have been before if not.
    ///
    /// # Errors
    /// When something else was given of this job, to other commitments, or one of these `C1` for another one.
    pub(super) fn give(&mut self, given: Given, new: bool) -> Result<()> {
        if self.given.contains(&given) {
            return Ok(());
        }
        if self.given.iter().any(|earlier| earlier.excludes(&given)) {
            return Err(Error::corrupt(
                "something else was shared of this job, or to other commitments, or this ciphertext for another job; a second share would weaken the study key",
            )
            .with_remedy("share nothing, and tell the other parties not to trust this server"));
        }
        if !new {
            return Err(unknown());
        }
        self.given_file.append(&line(&given)?)?;
        self.given.push(given);
        Ok(())
    }

    /// Remembers a job as checked, once.
    pub(super) fn keep(&mut self, job: CheckedJob) -> Result<()> {
        let written = Line::Checked(job);
        self.jobs_file.append(&line(&written)?)?;
        if let Line::Checked(job) = written {
            self.jobs.push(job);
        }
        Ok(())
    }

    /// Remembers that a job counts in budgets.
    pub(super) fn count(&mut self, job: Digest) -> Result<()> {
        if !self.counting.contains(&job) {
            self.jobs_file.append(&line(&Line::Counts(job))?)?;
            self.counting.insert(job);
        }
        Ok(())
    }

    /// Writes down what was done.
    pub(in crate::pipeline) fn note(&mut self, entry: &impl Serialize) -> Result<()> {
        self.log.append(&line(entry)?)
    }
}

/// A file of JSON lines with its values; a line that a crash cut off is dropped.
fn lines<T: DeserializeOwned>(path: PathBuf) -> Result<(Appended, Vec<T>)> {
    lines_of(Appended::open(path)?)
}

pub(super) fn lines_of<T: DeserializeOwned>(
    (file, bytes): (Appended, Vec<u8>),
) -> Result<(Appended, Vec<T>)> {
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end + 1);
    let lines = bytes.get(..whole).unwrap_or_default();
    let values = lines.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    let values = values.map(serde_json::from_slice).collect::<Result<_, _>>();
    let values = values.map_err(|_| damaged(&file.path))?;
    if whole < bytes.len() {
        file.cut(whole)?;
    }
    Ok((file, values))
}

pub(super) fn line(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value).map_err(|e| Error::Internal(e.to_string()))?;
    line.push(b'\n');
    Ok(line)
}

fn damaged(path: &Path) -> Error {
    Error::corrupt(format_args!("{} is damaged", path.display())).with_remedy(
        "restore it from a backup before anything is shared: without it a second share could be given of what was shared before",
    )
}

/// The whole records at the beginning, and their length; `None` if one of them is damaged.
fn records(bytes: &[u8]) -> Option<(Vec<ShareRecord>, usize)> {
    let (mut records, mut at) = (Vec::new(), 0);
    while let Some(head) = bytes.get(at..at + HEADER_LEN) {
        let header = Header::parse(head).ok()?;
        header.expect_kind(Kind::ShareRecord).ok()?;
        let end = at + HEADER_LEN + usize::try_from(header.length).ok()?;
        let Some(object) = bytes.get(at..end) else { break };
        records.push(decode(object).ok()?);
        at = end;
    }
    Some((records, at))
}

#[cfg(test)]
mod tests {
    use he_core::PlanRequest;
    use he_core::public_key::study_mask;
    use he_core::result::SwitchedUnit;
    use he_core::share::ShareKind;
    use he_core::totals::EncryptedTotals;

    use super::*;

    fn plan() -> Plan {
        let request =
            PlanRequest { holders: 3, smudging_bits: 40, ..PlanRequest::sole_holder(100) };
        Plan::new(PlanRequest { values: 1 << 21, ..request }).unwrap()
    }

    fn unit(seed: u8) -> SwitchedUnit {
        let words = study_mask(plan().params(), Digest::of(&[seed]));
        EncryptedTotals::new(plan().params(), 1, 1, [words.clone(), words].concat()).into_unit()
    }

    fn admit(store: &mut Store, job: &[u8], seed: u8) -> bool {
        let (ledger, write) = store.ledger();
        ledger.admit(Digest::of(job), ShareKind::Open, &unit(seed), write).is_ok()
    }

    #[test]
    fn what_was_shared_is_remembered_and_torn_records_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (key, study) = (folder.path().join("me.key"), Digest::of(b"study"));
        let open = || Store::open(&key, study, plan());
        let mut store = open().unwrap();
        assert!(open().is_err(), "locked");
        assert!(admit(&mut store, b"one", 1) && admit(&mut store, b"two", 2));
        let values = store.ledger.values();
        let checked = CheckedJob {
            job: Digest::of(b"one"),
            result: Digest::of(b"r"),
            inputs: vec![Contribution::Rows {
                dataset: Digest::of(b"d"),
                phenotype: Digest::of(b"p"),
                rows: gwas::wire::RowSet::new(3, |i| i != 1),
                absent: None,
            }],
        };
        store.keep(checked).unwrap();
        store.count(Digest::of(b"one")).unwrap();
        store.count(Digest::of(b"one")).unwrap();
        drop(store);

        let path = state_folder(&key, &study.to_string()).unwrap().join("shares");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &whole[..100]].concat()).unwrap();
        let mut store = open().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole, "the torn record is gone");
        assert_eq!(store.ledger.values(), values);
        assert_eq!(store.jobs[0].inputs[0].people(), 2);
        assert_eq!(store.counting, [Digest::of(b"one")].into());
        assert!(admit(&mut store, b"one", 1), "the same share again");
        assert!(admit(&mut store, b"three", 1), "the same share for another job");
        assert_eq!(std::fs::read(&path).unwrap(), whole, "nothing new");
        drop(store);

        let mut bad = whole.clone();
        bad[0] ^= 1;
        std::fs::write(&path, bad).unwrap();
        assert!(matches!(open(), Err(Error::Corrupt { .. })));
    }

    #[test]
    fn each_thing_is_given_once() {
        let folder = tempfile::tempdir().unwrap();
        let (key, study) = (folder.path().join("me.key"), Digest::of(b"study"));
        let mut store = Store::open(&key, study, plan()).unwrap();
        let id = |n: u8| Digest::of(&[n]);
        let answered = |job, phase, seen| Given::Answered { job: id(job), phase, seen: id(seen) };
        let values = |job, mask, share| Given::Values {
            job: id(job),
            masks: vec![id(mask)],
            shares: vec![id(share)],
        };
        for given in [
            answered(1, SharePhase::Totals, 2),
            answered(1, SharePhase::Values, 3),
            answered(2, SharePhase::Totals, 3),
            Given::Refresh { job: id(1), refresh: id(4) },
            values(1, 5, 6),
        ] {
            assert!(store.give(given.clone(), false).is_err(), "unknown");
            store.give(given.clone(), true).unwrap();
            store.give(given, false).unwrap();
        }
        drop(store);
        let mut store = Store::open(&key, study, plan()).unwrap();
        for other in [
            answered(1, SharePhase::Totals, 3),
            answered(1, SharePhase::Values, 2),
            Given::Refresh { job: id(1), refresh: id(5) },
            values(1, 6, 6),
            values(1, 5, 7), // another flood
            values(2, 5, 6),
        ] {
            assert!(matches!(store.give(other, true), Err(Error::Corrupt { .. })));
        }
        drop(store);
        let old = state_folder(&key, &study.to_string()).unwrap().join("finished");
        std::fs::write(old, b"").unwrap();
        assert!(matches!(Store::open(&key, study, plan()), Err(Error::Corrupt { .. })));
    }
}
