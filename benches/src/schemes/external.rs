//! A scheme in a program of its own: another language, another compiler, a library that can't be linked here.
//!
//! The program answers two commands with one line of JSON each; `docs/comparison.md` says which. It gets genotypes as one byte each and
//! writes the counts it decrypted as text, so that they are held against the oracle here and not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::clock::Cost;
use crate::process;
use crate::scheme::{About, KeyBytes, Units};
use crate::trial::{Entrant, Measurement, check};
use crate::workload::{Answer, Shape, Workload};
use crate::{Error, Result};

/// One program.
pub(super) struct External {
    program: PathBuf,
    said: Said,
}

/// What `PROGRAM about` says.
#[derive(Deserialize)]
struct Said {
    about: About,
    /// Variants of one person in a ciphertext.
    slots: u32,
    /// Bytes in memory for such a ciphertext.
    held_bytes: u64,
}

/// What `PROGRAM trial` says.
#[derive(Deserialize)]
struct Costs {
    setup: Cost,
    encrypt: Cost,
    phenotype: Cost,
    compute: Cost,
    decrypt: Cost,
    keys: KeyBytes,
    genotype_bytes: u64,
    phenotype_bytes: u64,
    result_bytes: u64,
    client_mib: f64,
    server_mib: f64,
    bits_left: Option<f64>,
}

impl External {
    /// Asks a program what it is.
    ///
    /// # Errors
    /// When it can't be run, or says it otherwise than it has to.
    pub(super) fn new(program: &Path) -> Result<Self> {
        let mut external = Self {
            program: program.to_owned(),
            said: Said { about: About::default(), slots: 1, held_bytes: 1 },
        };
        external.said = external.ask(Command::new(program).arg("about"))?;
        if external.said.slots == 0 || external.said.held_bytes == 0 {
            return Err(external.wrong("says that a ciphertext holds nothing"));
        }
        Ok(external)
    }

    fn ask<T: for<'a> Deserialize<'a>>(&self, command: &mut Command) -> Result<T> {
        let output = process::run(command)?.output;
        let line = output.lines().last().unwrap_or_default();
        serde_json::from_str(line)
            .map_err(|e| self.wrong(&format!("gave no line as it has to be: {e}")))
    }

    fn wrong(&self, why: &str) -> Error {
        Error::Program { program: self.program.display().to_string(), why: why.to_owned() }
    }

    fn read(&self, path: &Path, variants: usize) -> Result<Answer> {
        let text = fs::read_to_string(path).map_err(Error::file(path))?;
        let values = text.lines().map(|line| line.trim().parse());
        let values: std::result::Result<Vec<f64>, _> = values.collect();
        let values =
            values.map_err(|e| self.wrong(&format!("wrote an answer that is no number: {e}")))?;
        let (counts, rest) = values.split_at(values.len().min(2 * variants));
        match (counts.len() == 2 * variants, rest) {
            (true, &[case_count]) => {
                let (all, cases) = counts.split_at(variants);
                Ok(Answer { all: all.to_vec(), cases: cases.to_vec(), case_count })
            }
            _ => Err(self.wrong("wrote an answer of another length")),
        }
    }
}

impl Entrant for External {
    fn about(&self) -> About {
        self.said.about.clone()
    }

    fn slots(&self) -> u32 {
        self.said.slots
    }

    fn units(&self, shape: Shape) -> Units {
        Units::packed(shape, self.said.slots)
    }

    fn limit(&self, shape: Shape) -> Shape {
        shape
    }

    fn held_bytes(&self) -> u64 {
        self.said.held_bytes
    }

    fn trial(&self, work: &Workload, threads: usize) -> Result<Measurement> {
        let folder = tempfile::tempdir().map_err(Error::step("making a folder"))?;
        let file = |name: &str| folder.path().join(name);
        for (name, bytes) in [("genotypes", &work.genotypes), ("phenotype", &work.cases)] {
            fs::write(file(name), bytes).map_err(Error::file(&file(name)))?;
        }
        let mut command = Command::new(&self.program);
        command.arg("trial").arg("--genotypes").arg(file("genotypes"));
        command.arg("--phenotype").arg(file("phenotype")).arg("--answer").arg(file("answer"));
        for (name, value) in [
            ("--people", u64::from(work.shape.people)),
            ("--variants", u64::from(work.shape.variants)),
            ("--threads", threads as u64),
        ] {
            command.arg(name).arg(value.to_string());
        }
        let costs: Costs = self.ask(&mut command)?;
        let answer = self.read(&file("answer"), work.shape.variants as usize)?;
        let deviation = check(work, &answer)?;
        Ok(Measurement {
            about: self.about(),
            shape: work.shape,
            threads,
            processors: Vec::new(),
            setup: costs.setup,
            encrypt: costs.encrypt,
            phenotype: costs.phenotype,
            compute: costs.compute,
            decrypt: costs.decrypt,
            keys: costs.keys,
            genotype_bytes: costs.genotype_bytes,
            phenotype_bytes: costs.phenotype_bytes,
            result_bytes: costs.result_bytes,
            client_mib: costs.client_mib,
            server_mib: costs.server_mib,
            bits_left: costs.bits_left,
            deviation,
            units: self.units(work.shape),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::cohort::Workplace;

    /// A program that counts in the clear, with `od` and `awk`; `MISTAKE` is added to one count.
    const PROGRAM: &str = r#"#!/bin/sh
if [ "$1" = about ]; then
    printf '%s\n' '{"about":{"name":"awk","title":"awk","library":"awk","regime":"clear","security":"none","readers":"everybody",'\
'"evaluation_keys":"none","layout":"bytes"},"slots":16,"held_bytes":16}'
    exit
fi
shift
while [ $# -gt 0 ]; do
    case $1 in --genotypes) g=$2;; --phenotype) y=$2;; --people) n=$2;; --variants) m=$2;; --answer) a=$2;; esac
    shift 2
done
{ od -An -v -tu1 -w1 "$y"; od -An -v -tu1 -w1 "$g"; } | awk -v n="$n" -v m="$m" '
    NR <= n { y[NR] = $1; count += $1; next }
    { i = NR - n - 1; v = i % m; all[v] += $1; cases[v] += $1 * y[int(i / m) + 1] }
    END { all[3] += MISTAKE; for (v = 0; v < m; v++) print all[v]; for (v = 0; v < m; v++) print cases[v]; print count + 0 }' > "$a"
t='{"wall_s":0.5,"cpu_s":0.5}'
printf '%s\n' "{\"setup\":$t,\"encrypt\":$t,\"phenotype\":$t,\"compute\":$t,\"decrypt\":$t,"\
"\"keys\":{\"secret\":0,\"public\":0,\"evaluation\":0},\"genotype_bytes\":7,\"phenotype_bytes\":8,\"result_bytes\":9,"\
"\"client_mib\":1.0,\"server_mib\":2.0,\"bits_left\":null}"
"#;

    fn program(folder: &Path, text: &str) -> PathBuf {
        let path = folder.join("program");
        // Written under another name: a file that is still open for writing can't be run.
        fs::write(folder.join("new"), text).unwrap();
        fs::set_permissions(folder.join("new"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(folder.join("new"), &path).unwrap();
        path
    }

    #[test]
    fn a_program_is_measured_and_its_answer_is_checked_here() {
        let folder = tempfile::tempdir().unwrap();
        let place = Workplace::new(None).unwrap();
        let files = place.cohort(24, 40).unwrap();
        let shape = Shape { people: 24, variants: 40 };
        let work = Workload::open(&files.prefix, &files.phenotype, None, shape).unwrap();
        let trial = |text: &str| External::new(&program(folder.path(), text))?.trial(&work, 1);

        let measured = trial(&PROGRAM.replace("MISTAKE", "0")).unwrap();
        assert_eq!((measured.about.name.as_str(), measured.genotype_bytes), ("awk", 7));
        assert_eq!((measured.deviation.count, measured.units.input), (0.0, 72.0));
        let wrong = trial(&PROGRAM.replace("MISTAKE", "5"));
        assert!(matches!(wrong, Err(Error::Inexact(_))));
        for (text, why) in [
            (PROGRAM.replace("\"slots\":16", "\"slots\":0"), "holds nothing"),
            (PROGRAM.replace("\"slots\"", "\"seats\""), "no line as it has to be"),
            (PROGRAM.replace("print count + 0", "").replace("MISTAKE", "0"), "another length"),
            (PROGRAM.replace("print count + 0", "print \"x\""), "no number"),
            ("#!/bin/sh\necho why >&2; exit 3\n".to_owned(), "why"),
        ] {
            let error = trial(&text).unwrap_err().to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        assert!(External::new(&folder.path().join("nothing")).is_err());
    }
}
