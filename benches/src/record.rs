//! Records: one line of JSON for each measurement, appended to `benches/records/KIND.jsonl`.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::consortium::Consortium;
use crate::finish::costs::Finish;
use crate::job::Job;
use crate::kernel::Kernel;
use crate::machine::{SCHEMA, Stamp};
use crate::path::Stages;
use crate::plink::Plink;
use crate::rounds::Trial;
use crate::run::Run;
use crate::{Error, Result};

/// What was measured.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measured {
    /// The weighted sum from memory.
    Kernel(Kernel),
    /// Encryption, sums and grant switch in this process, stage by stage.
    Path(Stages),
    /// The server's part of a small job.
    Job(Job),
    /// A whole run of the program.
    Run(Run),
    /// PLINK on the same files.
    Plink(Plink),
    /// A study of several parties.
    Consortium(Consortium),
    /// A statistic finished under encryption.
    Finish(Finish),
    /// One scheme of the comparison, once.
    Trial(Box<Trial>),
}

impl Measured {
    /// Stem of the file it is kept in.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kernel(_) => "kernel",
            Self::Path(_) => "path",
            Self::Job(_) => "job",
            Self::Run(_) => "run",
            Self::Plink(_) => "plink",
            Self::Consortium(_) => "consortium",
            Self::Finish(_) => "finish",
            Self::Trial(_) => "trial",
        }
    }

    /// What makes two measurements comparable: a later record with the same key replaces an earlier one in reports.
    fn key(&self) -> String {
        match self {
            Self::Kernel(k) => {
                format!("kernel {} {} {} {}", k.params.name(), k.engine, k.threads, k.vectors)
            }
            Self::Path(p) => {
                format!("path {} {} {} {}", p.params.name(), p.people, p.variants, p.threads)
            }
            Self::Job(j) => format!("job {} {} {}", j.people, j.variants, j.threads),
            Self::Run(r) => format!("run {} {} {}", r.people, r.variants, r.threads),
            Self::Plink(p) => format!("plink {} {} {} {}", p.test, p.people, p.variants, p.threads),
            Self::Consortium(c) => format!("consortium {} {} {}", c.holders, c.sites, c.threads),
            Self::Finish(f) => {
                format!("finish {:?} {} {} {}", f.circuit, f.holders, f.threads, f.engine)
            }
            Self::Trial(t) => t.key(),
        }
    }
}

/// One measurement.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Where and when.
    pub machine: Stamp,
    /// What.
    pub measured: Measured,
}

impl Record {
    /// A record of something just measured; `machine` was taken before.
    #[must_use]
    pub fn new(machine: &Stamp, measured: Measured) -> Self {
        Self { machine: machine.clone(), measured }
    }

    /// Appends the record to its file below `folder`, which is made if need be, and returns its line.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn append(&self, folder: &Path) -> Result<String> {
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let path = folder.join(format!("{}.jsonl", self.measured.kind()));
        let line = serde_json::to_string(self).map_err(Error::step("writing a record"))?;
        let mut file =
            OpenOptions::new().create(true).append(true).open(&path).map_err(Error::file(&path))?;
        writeln!(file, "{line}").map_err(Error::file(&path))?;
        Ok(line)
    }
}

/// The records below `folder`, the latest of each key, in the order of their files and lines; none if there is no folder.
///
/// # Errors
/// When a file can't be read, or a line is no record of this version.
pub fn latest(folder: &Path) -> Result<Vec<Record>> {
    Ok(numbered(folder)?.into_iter().map(|(_, record)| record).collect())
}

/// The same, each with the number of its line in its file, from 1.
///
/// # Errors
/// Those of [`latest`].
pub fn numbered(folder: &Path) -> Result<Vec<(usize, Record)>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::file(folder))?,
    };
    let mut files: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    let mut records: Vec<(usize, Record)> = Vec::new();
    let (mut places, mut superseded) = (BTreeMap::new(), Vec::new());
    for path in files {
        let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
        for (line, text) in (1..).zip(text.lines()) {
            let record =
                parse(text).map_err(|why| Error::Record { path: path.clone(), line, why })?;
            let key = record.measured.key();
            if let Some(earlier) = places.insert(key, records.len()) {
                superseded.push(earlier);
            }
            records.push((line, record));
        }
    }
    superseded.sort_unstable();
    let latest = |place: &usize| superseded.binary_search(place).is_err();
    let numbered = records.into_iter().enumerate().filter(|(place, _)| latest(place));
    Ok(numbered.map(|(_, record)| record).collect())
}

fn parse(line: &str) -> std::result::Result<Record, String> {
    // The version first: a record of another one may have other fields.
    #[derive(Deserialize)]
    struct Version {
        machine: Schema,
    }
    #[derive(Deserialize)]
    struct Schema {
        schema: u32,
    }
    let Version { machine: Schema { schema } } =
        serde_json::from_str(line).map_err(|e| e.to_string())?;
    if schema != SCHEMA {
        return Err(format!("a record of version {schema}, this program reads version {SCHEMA}"));
    }
    serde_json::from_str(line).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plink(people: u32, wall_s: f64) -> Record {
        let measured = Measured::Plink(Plink {
            test: "plink1.9 --assoc".to_owned(),
            version: "PLINK".to_owned(),
            people,
            variants: 16_384,
            threads: 2,
            repeats: 3,
            wall_s,
            cpu_s: 0.1 + 0.2,
        });
        Record::new(&Stamp::now(), measured)
    }

    #[test]
    fn records_come_back_and_the_latest_of_a_shape_counts() {
        let folder = tempfile::tempdir().unwrap();
        let records = folder.path().join("records");
        assert_eq!(latest(&records).unwrap(), []);
        let all = [plink(200, 1.5), plink(1000, 2.5), plink(200, 1.25)];
        for record in &all {
            record.append(&records).unwrap();
        }
        let [_, second, third] = all;
        assert_eq!(latest(&records).unwrap(), [second, third]);
        assert_eq!(fs::read_to_string(records.join("plink.jsonl")).unwrap().lines().count(), 3);
    }

    #[test]
    fn bad_lines_are_refused_by_file_and_number() {
        let good = serde_json::to_string(&plink(1, 1.0)).unwrap();
        let other = good.replace("\"schema\":1", "\"schema\":2");
        assert_ne!(good, other);
        for (bad, why) in [
            (other.as_str(), "version 2"),
            ("", "EOF"),
            ("{}", "machine"),
            (&good.replace("\"people\"", "\"crowd\""), "people"),
            (&good[..40], "EOF"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("plink.jsonl"), format!("{good}\n{bad}\n")).unwrap();
            let error = latest(folder.path()).unwrap_err();
            assert!(matches!(&error, Error::Record { line: 2, .. }), "{error}");
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}
