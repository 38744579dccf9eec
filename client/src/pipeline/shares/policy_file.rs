//! A holder's policy as a file.

use std::path::Path;

use gwas::wire::{ReleaseKind, Statistic};
use serde::Deserialize;

use super::budget::Budget;
use super::policy::Policy;
use crate::bundle::read_limited;
use crate::{Error, Result};

/// Longest file in bytes.
const MAX_FILE: u64 = 64 << 10;

/// A file with every setting, explained; it allows what a study allows.
pub(in crate::pipeline) const EXAMPLE: &str = include_str!("policy.toml");

/// What a policy file says. What it leaves out is for the study to limit.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::pipeline) struct PolicyFile {
    version: u32,
    /// Fewest people in a job.
    pub min_people: Option<u32>,
    /// Fewest cases in a job.
    pub min_cases: Option<u32>,
    /// Fewest controls in a job.
    pub min_controls: Option<u32>,
    /// Fewest data owners in a job.
    pub min_sites: Option<u32>,
    /// Fewest people by which two groups differ of which sums are shared.
    pub min_changed_rows: Option<u32>,
    /// Most jobs.
    pub max_jobs: Option<u32>,
    /// Most jobs over a dataset.
    pub max_jobs_per_dataset: Option<u32>,
    /// Most phenotypes of a dataset.
    pub max_phenotypes_per_dataset: Option<u32>,
    /// Statistics that a study may publish.
    pub statistics: Option<Vec<Statistic>>,
    /// What may leave a study.
    pub releases: Option<Vec<ReleaseKind>>,
    /// Whether to ask before a job is shared.
    #[serde(default)]
    pub ask: bool,
}

impl PolicyFile {
    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read, is not a policy, or of another version.
    pub(in crate::pipeline) fn read(path: &Path) -> Result<Self> {
        let bytes = read_limited(path, MAX_FILE)?;
        Self::parse(&bytes).map_err(|what| {
            Error::corrupt(format_args!("{}: {what}", path.display()))
                .with_remedy("see `hegwas agent policy --example` for what a policy may say")
        })
    }

    /// Reads the bytes of a file.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "not a text in UTF-8".to_owned())?;
        let file: Self = toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |span| {
                1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count()
            });
            format!("line {line}: {}", e.message().lines().collect::<Vec<_>>().join(" "))
        })?;
        if file.version == 1 {
            Ok(file)
        } else {
            Err(format!(
                "version {} of a policy is not known; this program reads version 1",
                file.version
            ))
        }
    }

    /// The limits.
    pub(in crate::pipeline) fn policy(self) -> Policy {
        let fewest = |limit: Option<u32>| limit.unwrap_or(0);
        let most = |limit: Option<u32>| limit.unwrap_or(u32::MAX);
        Policy {
            min_people: fewest(self.min_people),
            min_cases: fewest(self.min_cases),
            min_controls: fewest(self.min_controls),
            min_sites: fewest(self.min_sites),
            min_changed_rows: fewest(self.min_changed_rows),
            budget: Budget {
                jobs: most(self.max_jobs),
                jobs_per_dataset: most(self.max_jobs_per_dataset),
                phenotypes_per_dataset: most(self.max_phenotypes_per_dataset),
            },
            statistics: self.statistics,
            releases: self.releases,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_says_everything_that_can_be_said() {
        let file = PolicyFile::parse(EXAMPLE.as_bytes()).unwrap();
        assert!(!file.ask);
        let policy = file.policy();
        assert_eq!((policy.min_people, policy.min_cases, policy.min_changed_rows), (100, 20, 10));
        assert_eq!(
            policy.budget,
            Budget { jobs: 50, jobs_per_dataset: 20, phenotypes_per_dataset: 10 }
        );
        assert_eq!(policy.releases, Some(vec![ReleaseKind::Counts]));
        assert_eq!(policy.statistics.unwrap().len(), 5);
    }

    #[test]
    fn what_is_left_out_limits_nothing() {
        let policy = PolicyFile::parse(b"version = 1\n").unwrap().policy();
        assert_eq!((policy.min_people, policy.min_sites), (0, 0));
        assert_eq!(
            (policy.budget, policy.statistics, policy.releases),
            (Budget::UNLIMITED, None, None)
        );
    }

    #[test]
    fn bad_files_are_refused_with_the_line() {
        for (text, word) in [
            ("", "version"),
            ("version = 2\n", "version 2"),
            ("version = 1\nmin_peopel = 5\n", "line 2: unknown field `min_peopel`"),
            ("version = 1\nmin_people = -5\n", "line 2"),
            ("version = 1\nmin_people = 4294967296\n", "line 2"),
            ("version = 1\nmin_people = \"5\"\n", "line 2"),
            ("version = 1\n\nstatistics = [\"allelic\", \"anything\"]\n", "line 3"),
            ("version = 1\nask = yes\n", "line 2"),
            ("version = 1\nversion = 1\n", "line 2"),
        ] {
            let said = PolicyFile::parse(text.as_bytes()).unwrap_err();
            assert!(said.contains(word), "{text:?}: {said}");
        }
        assert!(PolicyFile::parse(b"version = 1 # \xff").unwrap_err().contains("UTF-8"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long.toml");
        std::fs::write(&path, "#".repeat(70_000)).unwrap();
        assert!(PolicyFile::read(&path).unwrap_err().to_string().contains("longer than"));
    }
}
