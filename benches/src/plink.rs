//! `record plink`: PLINK 1.9 and 2.0 on the same files, in the clear.

use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::clock::{median, significant};
use crate::cohort::{Files, Workplace};
use crate::process;
use crate::{Result, say};

/// Costs of one PLINK command.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Plink {
    /// The program and test: `plink1.9 --assoc`.
    pub test: String,
    /// First line of `--version`.
    pub version: String,
    /// People.
    pub people: u32,
    /// Variants.
    pub variants: u32,
    /// Threads.
    pub threads: usize,
    /// Runs behind the medians.
    pub repeats: usize,
    /// Seconds from start to end.
    pub wall_s: f64,
    /// Seconds on CPUs.
    pub cpu_s: f64,
}

/// Programs with their tests. Sexes are in the files; the flags only keep PLINK from asking for more.
const TESTS: [(&str, &[&str]); 2] =
    [("plink1.9", &["--assoc", "--allow-no-sex"]), ("plink2", &["--glm", "allow-no-covars"])];

/// Measures what is installed; says of the rest that it is not.
///
/// # Errors
/// When an installed one fails.
pub fn measure(
    place: &Workplace,
    files: &Files,
    threads: usize,
    repeats: usize,
) -> Result<Vec<Plink>> {
    let mut measured = Vec::new();
    for (program, test) in TESTS {
        let Ok(version) = process::run(Command::new(program).arg("--version")) else {
            say::progress(format_args!(
                "skipped: {program} is not installed (apt-get install {program})"
            ));
            continue;
        };
        let out = place.folder().join("plink");
        let run = || {
            let mut command = Command::new(program);
            command.arg("--bfile").arg(&files.prefix).args(test);
            command.args(["--threads", &threads.to_string(), "--out"]).arg(&out);
            process::run(&mut command)
        };
        let runs = (0..repeats.max(1)).map(|_| run()).collect::<Result<Vec<_>>>()?;
        measured.push(Plink {
            test: format!("{program} {}", test.first().copied().unwrap_or_default()),
            version: version.output.lines().next().unwrap_or_default().trim().to_owned(),
            people: files.people,
            variants: files.variants,
            threads,
            repeats: runs.len(),
            wall_s: significant(median(runs.iter().map(|r| r.wall_s))),
            cpu_s: significant(median(runs.iter().map(|r| r.own.cpu_s))),
        });
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_measured() {
        let place = Workplace::new(None).unwrap();
        let files = place.cohort(60, 200).unwrap();
        let installed =
            |program: &str| process::run(Command::new(program).arg("--version")).is_ok();
        let expected = TESTS.iter().filter(|(program, _)| installed(program)).count();
        let measured = measure(&place, &files, 1, 2).unwrap();
        assert_eq!(measured.len(), expected);
        for plink in measured {
            assert!(plink.wall_s > 0.0 && plink.version.starts_with("PLINK"), "{plink:?}");
        }
    }
}
