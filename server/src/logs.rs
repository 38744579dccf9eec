//! The logs of studies: append-only files of hash-chained entries, one JSON text to a line. Protocol section 11.
//!
//! An entry is on the disk before the request that made it is answered. A line that a crash cut off is removed when its log is
//! next read; anything else that is wrong with a log is reported and nothing is added to it any more.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gwas::wire::Did;
use gwas::wire::log::{Event, Head, LogEntry};
use he_core::Digest;

/// Something to be written down.
#[derive(Clone, Debug)]
pub struct Happened {
    /// When, in seconds since 1970.
    pub time: u64,
    /// Who did it.
    pub party: Did,
    /// What.
    pub event: Event,
    /// The objects it is about. The same event of the same party about the same first object is written once.
    pub digests: Vec<Digest>,
}

type Subject = (Event, Did, Option<Digest>);

/// One log, as far as it is known.
struct Log {
    file: File,
    head: Head,
    /// Where each entry begins, and where the next one will.
    offsets: Vec<u64>,
    seen: HashSet<Subject>,
}

/// The folder of logs.
pub struct Logs {
    folder: PathBuf,
    durable: bool,
    open: Mutex<HashMap<Digest, Arc<Mutex<Log>>>>,
}

impl Logs {
    /// Opens the folder, or makes it. `durable`: entries survive a power failure.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(folder: &Path, durable: bool) -> io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self { folder: folder.to_owned(), durable, open: Mutex::default() })
    }

    /// Writes down what happened, unless it stands there already; tells whether it was new.
    ///
    /// # Errors
    /// `InvalidData` when the log is damaged; those of the system.
    pub fn ensure(&self, name: &Digest, happened: &Happened) -> io::Result<bool> {
        let log = self.log(name)?;
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let subject = (happened.event, happened.party, happened.digests.first().copied());
        if log.seen.contains(&subject) {
            return Ok(false);
        }
        let Happened { time, party, event, digests } = happened.clone();
        let (seq, prev) = (log.head.seq + 1, log.head.hash);
        let entry = LogEntry { seq, prev, time, party, event, digests };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        let end = log.end();
        if let Err(error) = self.append(&mut log.file, &line) {
            // What was written of it must not become the beginning of another entry.
            log.file.set_len(end)?;
            return Err(error);
        }
        log.took(&entry, end + line.len() as u64)?;
        gwas::walk::durable(|| format!("log {name} {seq}"));
        Ok(true)
    }

    fn append(&self, file: &mut File, line: &[u8]) -> io::Result<()> {
        file.write_all(line)?;
        if self.durable { file.sync_all() } else { Ok(()) }
    }

    /// At most `most` entries after number `after`.
    ///
    /// # Errors
    /// As [`Self::ensure`].
    pub fn read(&self, name: &Digest, after: u64, most: usize) -> io::Result<Vec<LogEntry>> {
        let log = self.log(name)?;
        let log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let first = usize::try_from(after).unwrap_or(usize::MAX);
        let last = first.saturating_add(most).min(log.offsets.len() - 1);
        let Some((begin, end)) = log.offsets.get(first).zip(log.offsets.get(last)) else {
            return Ok(Vec::new());
        };
        let mut bytes = vec![0; usize::try_from(end.saturating_sub(*begin)).unwrap_or(0)];
        log.file.read_exact_at(&mut bytes, *begin)?;
        let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| Ok(serde_json::from_slice(line)?)).collect()
    }

    fn log(&self, name: &Digest) -> io::Result<Arc<Mutex<Log>>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = open.get(name) {
            return Ok(Arc::clone(log));
        }
        let path = self.folder.join(format!("{name}.log"));
        let is_new = !path.exists();
        let mut file = OpenOptions::new();
        let file = file.read(true).append(true).create(true).mode(0o600).open(path)?;
        if is_new && self.durable {
            File::open(&self.folder)?.sync_all()?;
        }
        let log = Arc::new(Mutex::new(Log::load(name, file)?));
        open.insert(*name, Arc::clone(&log));
        Ok(log)
    }
}

impl Log {
    /// Reads a log through, removes a line that was cut off, and checks the chain.
    fn load(name: &Digest, file: File) -> io::Result<Self> {
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, 0)?;
        let head = Head::genesis(name);
        let mut log = Self { file, head, offsets: vec![0], seen: HashSet::new() };
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            let seq = log.head.seq + 1;
            let damaged = || {
                let text = format!("the log {name} is damaged at entry {seq}");
                io::Error::new(io::ErrorKind::InvalidData, text)
            };
            let Some(json) = line.strip_suffix(b"\n") else {
                tracing::warn!(log = %name, "the last line was cut off and is removed");
                log.file.set_len(log.end())?;
                break;
            };
            let entry: LogEntry = serde_json::from_slice(json).map_err(|_| damaged())?;
            let end = log.end() + line.len() as u64;
            log.took(&entry, end).map_err(|_| damaged())?;
        }
        Ok(log)
    }

    fn end(&self) -> u64 {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// Takes over an entry that ends at `end` of the file.
    fn took(&mut self, entry: &LogEntry, end: u64) -> io::Result<()> {
        self.head = self.head.after(entry).map_err(io::Error::other)?;
        self.offsets.push(end);
        self.seen.insert((entry.event, entry.party, entry.digests.first().copied()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use gwas::wire::log::verify;

    use super::*;

    fn party() -> Did {
        "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK".parse().unwrap()
    }

    fn happened(event: Event, of: &[u8]) -> Happened {
        Happened { time: 5, party: party(), event, digests: vec![Digest::of(of)] }
    }

    fn written(folder: &Path) -> (Digest, PathBuf) {
        let name = Digest::of(b"log");
        let logs = Logs::open(folder, true).unwrap();
        for (event, of) in [(Event::Signed, b"a"), (Event::Committed, b"b"), (Event::Signed, b"c")]
        {
            assert!(logs.ensure(&name, &happened(event, of)).unwrap());
        }
        (name, folder.join(format!("{name}.log")))
    }

    #[test]
    fn entries_are_chained_written_once_and_read_in_pages() {
        let folder = tempfile::tempdir().unwrap();
        let (name, _) = written(folder.path());
        let logs = Logs::open(folder.path(), false).unwrap();
        assert!(!logs.ensure(&name, &happened(Event::Committed, b"b")).unwrap());
        let all = logs.read(&name, 0, 100).unwrap();
        assert_eq!(verify(&name, None, &all).unwrap().seq, 3);
        assert_eq!(logs.read(&name, 1, 1).unwrap(), all[1..2]);
        assert_eq!(logs.read(&name, 2, 100).unwrap(), all[2..]);
        assert!(logs.read(&name, 3, 100).unwrap().is_empty());
        assert!(logs.read(&name, u64::MAX, 100).unwrap().is_empty());
        assert!(logs.read(&Digest::of(b"none"), 0, 1).unwrap().is_empty());
    }

    #[test]
    fn a_torn_tail_is_removed_and_the_log_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (name, path) = written(folder.path());
        let whole = std::fs::read(&path).unwrap();
        for cut in [1, 5, 40] {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let logs = Logs::open(folder.path(), true).unwrap();
            assert_eq!(logs.read(&name, 0, 9).unwrap().len(), 2, "cut by {cut}");
            assert!(logs.ensure(&name, &happened(Event::Signed, b"c")).unwrap());
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn bad_logs_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (name, path) = written(folder.path());
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let swapped = format!("{}\n{}\n{}\n", lines[1], lines[0], lines[2]);
        let dropped = format!("{}\n{}\n", lines[0], lines[2]);
        let altered = text.replacen("\"time\":5", "\"time\":6", 1);
        for bad in [swapped, dropped, altered, format!("x\n{text}")] {
            std::fs::write(&path, bad).unwrap();
            let logs = Logs::open(folder.path(), true).unwrap();
            let error = logs.read(&name, 0, 9).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains("damaged at entry"), "{error}");
            assert!(logs.ensure(&name, &happened(Event::Signed, b"d")).is_err());
        }
    }
}
