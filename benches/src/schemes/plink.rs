//! PLINK 1.9 and 2.0 counting the same alleles, as programs of their own.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::process;
use crate::scheme::{About, KeyBytes, Keys, Regime, Scheme, Sent};
use crate::workload::{Answer, Shape, Workload, write_plink};
use crate::{Error, Result};

/// Which one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plink {
    /// 1.9, `--assoc counts`.
    Old,
    /// 2.0, `--freq counts` of everybody and of the cases: it has no allelic test.
    New,
}

/// One that is there.
pub(super) struct Installed {
    which: Plink,
    version: String,
}

impl Plink {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Old => "plink1.9",
            Self::New => "plink2",
        }
    }

    pub(super) fn installed(self) -> std::result::Result<Installed, String> {
        let asked = process::run(Command::new(self.name()).arg("--version"));
        let missing = |_| format!("not installed: apt-get install {}", self.name());
        let version = asked.map_err(missing)?.output;
        Ok(Installed {
            which: self,
            version: version.lines().next().unwrap_or_default().trim().to_owned(),
        })
    }
}

impl Installed {
    /// Runs the program with what every call needs.
    fn run(&self, folder: &TempDir, out: &str, arguments: &[&str]) -> Result<()> {
        let threads = rayon::current_num_threads().to_string();
        let mut command = Command::new(self.which.name());
        command.current_dir(folder.path());
        command.args(["--bfile", "w", "--threads", &threads, "--out", out]).args(arguments);
        process::run(&mut command).map(drop)
    }
}

impl Scheme for Installed {
    type Secret = ();
    type Server = ();
    type Genotypes = TempDir;
    type Phenotype = ();
    type Sums = [String; 2];

    fn about(&self) -> About {
        let (title, layout) = match self.which {
            Plink::Old => ("PLINK 1.9 --assoc counts", "one call, start of the program included"),
            Plink::New => (
                "PLINK 2 --freq counts",
                "two calls, for everybody and for the cases, starts of the program included: it has no allelic test",
            ),
        };
        About {
            name: self.which.name().to_owned(),
            title: title.to_owned(),
            library: self.version.clone(),
            regime: Regime::Clear,
            security: "none".to_owned(),
            readers: "the server".to_owned(),
            evaluation_keys: "none".to_owned(),
            layout: layout.to_owned(),
        }
    }

    fn slots(&self) -> u32 {
        1
    }

    fn held_bytes(&self) -> u64 {
        1
    }

    fn setup(&self, _: Shape) -> Result<Keys<(), ()>> {
        Ok(Keys { secret: (), server: (), bytes: KeyBytes::default() })
    }

    fn encrypt(&self, (): &(), work: &Workload) -> Result<Sent<TempDir>> {
        let folder = tempfile::tempdir().map_err(Error::step("making a folder"))?;
        let bytes = write_plink(work, &folder.path().join("w"))?;
        Ok(Sent { value: folder, bytes })
    }

    fn encrypt_phenotype(&self, (): &(), work: &Workload) -> Result<Sent<()>> {
        Ok(Sent { value: (), bytes: work.shape.people.into() })
    }

    fn compute(&self, (): &(), folder: &TempDir, (): &()) -> Result<Sent<[String; 2]>> {
        let read = |name: &str| {
            let path = folder.path().join(name);
            fs::read_to_string(&path).map_err(Error::file(&path))
        };
        let value = match self.which {
            Plink::Old => {
                self.run(folder, "all", &["--assoc", "counts", "--keep-allele-order"])?;
                [read("all.assoc")?, read("w.fam")?]
            }
            Plink::New => {
                self.run(folder, "all", &["--freq", "counts"])?;
                self.run(folder, "cases", &["--freq", "counts", "--keep-if", "PHENO1 == 2"])?;
                [read("all.acount")?, read("cases.acount")?]
            }
        };
        Ok(Sent { bytes: value.iter().map(|text| text.len() as u64).sum(), value })
    }

    fn decrypt(&self, (): &(), [first, second]: &[String; 2], _: Shape) -> Result<Answer> {
        match self.which {
            Plink::Old => {
                let (cases, controls) = (column(first, "C_A")?, column(first, "C_U")?);
                let all = cases.iter().zip(&controls).map(|(a, b)| a + b).collect();
                let case_count = second.lines().filter(|line| line.ends_with("\t2")).count() as f64;
                Ok(Answer { all, cases, case_count })
            }
            Plink::New => {
                let alleles = column(second, "OBS_CT")?.first().copied().unwrap_or_default();
                let (all, cases) = (column(first, "ALT_CTS")?, column(second, "ALT_CTS")?);
                Ok(Answer { all, cases, case_count: alleles / 2.0 })
            }
        }
    }

    fn bits_left(&self, (): &(), _: &[String; 2]) -> Result<Option<f64>> {
        Ok(None)
    }
}

/// The numbers of a column.
fn column(table: &str, name: &str) -> Result<Vec<f64>> {
    let wrong = || Error::Inexact("a table of PLINK");
    let mut lines = table.lines();
    let head = lines.next().unwrap_or_default();
    let place = head.split_whitespace().position(|field| field == name).ok_or_else(wrong)?;
    let value = |line: &str| line.split_whitespace().nth(place)?.parse().ok();
    lines.map(|line| value(line).ok_or_else(wrong)).collect()
}
