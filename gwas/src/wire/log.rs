//! The log of a study: what happened, in order, each entry bound to the one before. Protocol section 11.
//!
//! The server writes it and everybody keeps the head that it saw: a server that changes, drops or reorders what it showed
//! before, or shows two parties different pasts, is found out when heads are compared.

use he_core::Digest;
use serde::{Deserialize, Serialize};

use super::Did;

/// Most entries in one answer.
pub const PAGE: usize = 1000;

/// What happened. Its number is part of the hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Event {
    /// A draft was made.
    Drafted = 1,
    /// An invitation was made; its digest is that of the invitation's public key.
    Invited = 2,
    /// An invitation was accepted.
    Joined = 3,
    /// A study was signed: by its coordinator, who sent it, or a key holder.
    Signed = 4,
    /// A key holder committed to its contribution.
    Committed = 5,
    /// A key holder revealed its contribution.
    Revealed = 6,
    /// A dataset, phenotype or totals came into the study.
    Uploaded = 7,
    /// A dataset was granted to the study.
    Granted = 8,
    /// A grant was withdrawn, or expired (then the party is its owner all the same).
    Withdrawn = 9,
    /// A job was asked for.
    Submitted = 10,
    /// A job's result is there; the party is who asked for it.
    Computed = 11,
    /// A key holder committed to shares.
    ShareCommitted = 12,
    /// A key holder shared.
    Shared = 13,
    /// All shares are there; the party is who asked for the job.
    Released = 14,
    /// A dataset, phenotype, totals or job was erased. The entry is the receipt.
    Erased = 15,
}

/// An entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogEntry {
    /// Its number; the first is 1.
    pub seq: u64,
    /// Hash of the entry before; of the first, [`Head::genesis`].
    pub prev: Digest,
    /// When, in seconds since 1970, by the server's clock.
    pub time: u64,
    /// Who did it.
    pub party: Did,
    /// What.
    pub event: Event,
    /// The objects it is about, the signed one first.
    pub digests: Vec<Digest>,
}

impl LogEntry {
    /// Its hash: number, hash before, time, party, event, number of digests, digests; integers little-endian.
    pub fn hash(&self) -> Digest {
        let mut bytes = Vec::with_capacity(96 + 32 * self.digests.len());
        bytes.extend_from_slice(&self.seq.to_le_bytes());
        bytes.extend_from_slice(&self.prev.0);
        bytes.extend_from_slice(&self.time.to_le_bytes());
        bytes.extend_from_slice(self.party.public_key());
        bytes.push(self.event as u8);
        bytes.extend_from_slice(&(self.digests.len() as u64).to_le_bytes());
        for digest in &self.digests {
            bytes.extend_from_slice(&digest.0);
        }
        Digest::derive("hegwas v1 log entry", &bytes)
    }
}

/// How far a log was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// Number of the last entry; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

impl Head {
    /// The head of the empty log with that name ([`super::Study::log`]).
    pub fn genesis(log: &Digest) -> Self {
        Self { seq: 0, hash: Digest::derive("hegwas v1 log", &log.0) }
    }

    /// The head after `entry`.
    ///
    /// # Errors
    /// When the entry does not follow this head.
    pub fn after(self, entry: &LogEntry) -> Result<Self, LogError> {
        if entry.seq == self.seq + 1 && entry.prev == self.hash {
            Ok(Self { seq: entry.seq, hash: entry.hash() })
        } else {
            Err(LogError::Broken { seq: self.seq + 1 })
        }
    }
}

/// Why a log is not the one that was seen before, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LogError {
    /// The log has another past than the one that was seen.
    #[error(
        "the log's entry {seq} is not the one that was seen before: the server shows another past; compare heads with the \
         other parties and stop using this server"
    )]
    Fork {
        /// The entry that was seen.
        seq: u64,
    },
    /// An entry does not follow the one before.
    #[error(
        "the log is broken at entry {seq}: an entry was altered, dropped or put in; fetch it again, and if it stays tell the \
         other parties"
    )]
    Broken {
        /// Where.
        seq: u64,
    },
}

/// Checks entries of the log named `log` and returns its new head.
///
/// `known` is the head that was seen last, and the first entry must be the one it is of (fetched with `after=seq-1`), so that
/// a server can't drop what it showed; without one the entries begin with the first.
///
/// # Errors
/// See [`LogError`].
pub fn verify(log: &Digest, known: Option<Head>, entries: &[LogEntry]) -> Result<Head, LogError> {
    let known = known.filter(|head| head.seq > 0);
    let (mut head, rest) = match known {
        None => (Head::genesis(log), entries),
        Some(known) => match entries.split_first() {
            Some((first, rest)) if first.seq == known.seq && first.hash() == known.hash => {
                (known, rest)
            }
            _ => return Err(LogError::Fork { seq: known.seq }),
        },
    };
    for entry in rest {
        head = head.after(entry)?;
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &Digest, events: &[Event]) -> Vec<LogEntry> {
        let party = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK".parse().unwrap();
        let mut head = Head::genesis(name);
        let entry = |(time, event): (u64, &Event)| {
            let digests = vec![Digest::of(&[*event as u8])];
            let (seq, prev) = (head.seq + 1, head.hash);
            let entry = LogEntry { seq, prev, time, party, event: *event, digests };
            head = head.after(&entry).unwrap();
            entry
        };
        (100..).zip(events).map(entry).collect()
    }

    const EVENTS: [Event; 4] = [Event::Signed, Event::Committed, Event::Revealed, Event::Granted];

    #[test]
    fn a_sound_log_is_verified_whole_and_in_parts() {
        let name = Digest::of(b"log");
        let entries = log(&name, &EVENTS);
        let head = verify(&name, None, &entries).unwrap();
        assert_eq!(head.seq, 4);
        let early = verify(&name, None, &entries[..2]).unwrap();
        assert_eq!(verify(&name, Some(early), &entries[1..]), Ok(head));
        assert_eq!(verify(&name, Some(head), &entries[3..]), Ok(head));
        assert_eq!(verify(&name, Some(Head::genesis(&name)), &entries), Ok(head));
        assert_eq!(verify(&name, None, &[]), Ok(Head::genesis(&name)));
        let json = serde_json::to_string(&entries).unwrap();
        assert_eq!(serde_json::from_str::<Vec<LogEntry>>(&json).unwrap(), entries);
    }

    #[test]
    fn hashes_are_those_of_the_protocol() {
        let name = Digest::of(b"log");
        let entries = log(&name, &EVENTS);
        let hashes = [Head::genesis(&name).hash, entries[0].hash(), entries[3].hash()];
        // Known answers: another hash makes every log that exists a broken one.
        assert_eq!(
            hashes.map(|hash| hash.to_string()),
            [
                "a3dbcfe48dcb3af7914405d0b84c2497271b7412acac68fb98d9cbef3bbfda6d",
                "1ccb2508d8c5cc29766d098caa3ee74ba6d09c4fb5dd8f55438d6073f3e94083",
                "bcac4d29a8e60380cd14eeb60f5a7779bbf6e550ffc2a6437707668b782b2467",
            ]
        );
    }

    #[test]
    fn bad_logs_are_named_by_their_first_wrong_entry() {
        let name = Digest::of(b"log");
        let good = log(&name, &EVENTS);
        let broken = |change: fn(&mut Vec<LogEntry>)| {
            let mut entries = good.clone();
            change(&mut entries);
            verify(&name, None, &entries)
        };
        // A change shows at the entry after, which is bound to it.
        assert_eq!(broken(|e| e[1].time += 1), Err(LogError::Broken { seq: 3 }));
        assert_eq!(broken(|e| e[1].event = Event::Erased), Err(LogError::Broken { seq: 3 }));
        assert_eq!(broken(|e| e[1].digests.clear()), Err(LogError::Broken { seq: 3 }));
        assert_eq!(broken(|e| drop(e.remove(1))), Err(LogError::Broken { seq: 2 }));
        assert_eq!(broken(|e| e.swap(1, 2)), Err(LogError::Broken { seq: 2 }));
        assert_eq!(broken(|e| drop(e.remove(0))), Err(LogError::Broken { seq: 1 }));
        assert_eq!(
            verify(&Digest::of(b"other"), None, &good),
            Err(LogError::Broken { seq: 1 }),
            "another study's log"
        );
    }

    #[test]
    fn a_fork_or_a_shorter_log_is_noticed() {
        let name = Digest::of(b"log");
        let seen = verify(&name, None, &log(&name, &EVENTS)).unwrap();
        let other =
            log(&name, &[Event::Signed, Event::Committed, Event::Revealed, Event::Withdrawn]);
        assert_eq!(verify(&name, Some(seen), &other[3..]), Err(LogError::Fork { seq: 4 }));
        assert_eq!(verify(&name, Some(seen), &[]), Err(LogError::Fork { seq: 4 }), "cut off");
        assert_eq!(verify(&name, Some(seen), &other), Err(LogError::Fork { seq: 4 }));
    }
}
