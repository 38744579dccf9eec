//! Input files that can't be used: each is refused with its name, the place in it and the remedy, and nothing is written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::common::hegwas;
use crate::site::{files, fixture, refused};

/// A copy of the small synthetic cohort to damage, and an empty folder for what a run writes.
struct Copy {
    dir: tempfile::TempDir,
}

impl Copy {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for extension in ["bed", "bim", "fam"] {
            let name = format!("small.{extension}");
            fs::copy(fixture(&name), dir.path().join(&name)).unwrap();
        }
        fs::copy(fixture("small.pheno.tsv"), dir.path().join("small.tsv")).unwrap();
        fs::copy(fixture("small.vcf"), dir.path().join("small.vcf")).unwrap();
        fs::create_dir(dir.path().join("out")).unwrap();
        Self { dir }
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.dir.path().join("small").with_extension(extension)
    }

    fn edit(&self, extension: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(extension)).unwrap();
        change(&mut bytes);
        fs::write(self.path(extension), bytes).unwrap();
    }

    fn edit_lines(&self, extension: &str, change: impl FnOnce(&mut Vec<String>)) {
        self.edit(extension, |bytes| {
            let text = String::from_utf8(std::mem::take(bytes)).unwrap();
            let mut lines = text.lines().map(str::to_owned).collect();
            change(&mut lines);
            *bytes = (lines.join("\n") + "\n").into_bytes();
        });
    }

    /// A field of a line, both counted from 0.
    fn edit_field(&self, extension: &str, line: usize, field: usize, text: &str) {
        self.edit_lines(extension, |lines| {
            let mut fields: Vec<&str> = lines[line].split('\t').collect();
            fields[field] = text;
            lines[line] = fields.join("\t");
        });
    }

    fn assoc(&self, genotypes: &str, more: &[&str]) -> Output {
        let file = if genotypes == "--bfile" { self.path("") } else { self.path("vcf") };
        let file = if genotypes == "--bfile" { file.with_extension("") } else { file };
        let mut command = hegwas();
        command.args(["assoc", "--plaintext", genotypes]).arg(file).args(["--pheno-name", "CASE"]);
        command.arg("--pheno").arg(self.path("tsv")).arg("--out").arg(self.out().join("x"));
        command.args(more).output().unwrap()
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    fn bfile_refused(&self, more: &[&str], words: &[&str]) {
        refused(&self.assoc("--bfile", more), 3, words);
        assert!(files(&self.out()).is_empty());
        // Nor by the command that encrypts; what it began is gone.
        let key = self.dir.path().join("me.key");
        if !key.exists() {
            crate::site::new_key(&key);
        }
        let mut command = hegwas();
        command.args(["encrypt", "--bfile"]).arg(self.path("bed").with_extension(""));
        command.args(["--pheno-name", "CASE", "--pheno"]).arg(self.path("tsv"));
        command.arg("--key").arg(&key).arg("--out").arg(self.out().join("folder")).args(more);
        refused(&command.output().unwrap(), 3, words);
        assert_eq!(fs::read_dir(self.out()).unwrap().count(), 0);
    }

    fn vcf_refused(&self, more: &[&str], words: &[&str]) {
        refused(&self.assoc("--vcf", more), 3, words);
        assert!(files(&self.out()).is_empty());
    }
}

#[test]
fn undamaged_files_are_accepted() {
    let copy = Copy::new();
    for genotypes in ["--bfile", "--vcf"] {
        let output = copy.assoc(genotypes, &[]);
        assert!(output.status.success(), "{}", crate::common::text(&output));
    }
    assert!(!files(&copy.out()).is_empty());
}

#[test]
fn bad_bed_files() {
    let copy = Copy::new();
    copy.edit("bed", |b| b.truncate(b.len() - 100));
    copy.bfile_refused(&[], &["small.bed", "120 people", "400 variants", "cut off"]);
    let copy = Copy::new();
    copy.edit("bed", |b| b.extend([0; 30]));
    copy.bfile_refused(&[], &["small.bed", "12033 bytes", "12003"]);
    let copy = Copy::new();
    copy.edit("bed", |b| b[0] = b'P');
    copy.bfile_refused(&[], &["small.bed", "6c 1b 01", "--make-bed"]);
    let copy = Copy::new();
    copy.edit("bed", |b| b[2] = 0);
    copy.bfile_refused(&[], &["small.bed", "sample-major", "--make-bed"]);
    let copy = Copy::new();
    fs::remove_file(copy.path("bed")).unwrap();
    copy.bfile_refused(&[], &["small.bed", "No such file"]);
}

#[test]
fn bad_bim_and_fam_files() {
    // Counts that disagree with the .bed file.
    let copy = Copy::new();
    copy.edit_lines("bim", |lines| drop(lines.pop()));
    copy.bfile_refused(&[], &["small.bed", "120 people", "399 variants"]);
    let copy = Copy::new();
    copy.edit_lines("fam", |lines| lines.truncate(110));
    copy.bfile_refused(&[], &["small.bed", "110 people", "400 variants"]);
    // Lines that aren't any.
    let copy = Copy::new();
    copy.edit_field("bim", 6, 3, "somewhere");
    copy.bfile_refused(&[], &["small.bim", "line 7", "fourth column", "position"]);
    let copy = Copy::new();
    copy.edit_lines("bim", |lines| lines[4] = "1 rs5 0 55".to_owned());
    copy.bfile_refused(
        &[],
        &["small.bim", "line 5", "4 columns", "CHROM ID CM POS ALLELE1 ALLELE2"],
    );
    let copy = Copy::new();
    copy.edit_lines("fam", |lines| lines[9] = "P10 P10".to_owned());
    copy.bfile_refused(&[], &["small.fam", "line 10", "2 columns", "FID IID FATHER MOTHER SEX"]);
    let copy = Copy::new();
    copy.edit_lines("fam", |lines| lines[9] = lines[3].clone());
    copy.bfile_refused(&[], &["small.fam", "lines 4 and 10", "--update-ids"]);
    let copy = Copy::new();
    copy.edit("bim", |b| b[0] = 0xff);
    copy.bfile_refused(&[], &["small.bim", "line 1"]);
}

#[test]
fn bad_phenotypes() {
    let copy = Copy::new();
    copy.edit_field("tsv", 5, 2, "3");
    copy.bfile_refused(&[], &["small.tsv", "\"CASE\"", "3 different values", "line 6"]);
    let copy = Copy::new();
    copy.edit_lines("tsv", |lines| {
        for line in lines.iter_mut().skip(1) {
            *line = line.replace("\t1", "\t0").replace("\t2", "\t1");
        }
    });
    copy.bfile_refused(&[], &["small.tsv", "holds 0 and 1", "--1"]);
    let copy = Copy::new();
    copy.bfile_refused(&["--1"], &["small.tsv", "holds a 2", "line", "leave --1 out"]);
    let copy = Copy::new();
    copy.edit_lines("tsv", |lines| {
        lines.iter_mut().skip(1).for_each(|line| *line = line.replace('P', "Q"));
    });
    copy.bfile_refused(&[], &["small.tsv", "none of its 120 people"]);
    let copy = Copy::new();
    copy.edit_lines("tsv", |lines| lines[0] = "#FID\tIID\tOTHER".to_owned());
    copy.bfile_refused(&[], &["small.tsv", "no column \"CASE\"", "OTHER"]);
    let copy = Copy::new();
    copy.edit_lines("tsv", |lines| lines[0] = "people".to_owned());
    copy.bfile_refused(&[], &["small.tsv", "line 1", "#FID IID"]);
    let copy = Copy::new();
    copy.edit_lines("tsv", |lines| {
        lines.iter_mut().skip(1).for_each(|line| *line = line.replace("\t2", "\t1"));
    });
    copy.bfile_refused(&[], &["small.tsv", "0 cases", "both groups"]);
}

#[test]
fn filters_that_leave_nothing() {
    let copy = Copy::new();
    let list = copy.dir.path().join("list");
    let file = list.to_str().unwrap();
    copy.bfile_refused(&["--maf", "1"], &["0 variants", "left after the filters", "--maf"]);
    fs::write(&list, "nobody nobody\n").unwrap();
    copy.bfile_refused(&["--keep", file], &["list", "none of its 1 people"]);
    fs::write(&list, "rs0\n").unwrap();
    copy.bfile_refused(&["--extract", file], &["list", "none of its 1 entries", "compare the ids"]);
    fs::write(&list, "").unwrap();
    copy.bfile_refused(&["--extract", file], &["list", "empty"]);
    copy.bfile_refused(&["--keep", file], &["list", "empty"]);
}

#[test]
fn bad_vcf_files() {
    let first = |copy: &Copy| {
        let text = fs::read_to_string(copy.path("vcf")).unwrap();
        text.lines().position(|l| !l.starts_with('#')).unwrap()
    };
    let copy = Copy::new();
    let line = first(&copy);
    let place = format!("line {}", line + 1);
    copy.edit_field("vcf", line, 4, "C,G");
    copy.vcf_refused(&[], &["small.vcf", &place, "bcftools norm -m-", "--skip-multiallelic"]);
    let output = copy.assoc("--vcf", &["--skip-multiallelic"]);
    assert!(output.status.success(), "{}", crate::common::text(&output));
    let excluded = fs::read_to_string(copy.out().join("x.excluded.tsv")).unwrap();
    assert!(excluded.contains("MULTIALLELIC") && excluded.lines().count() == 2, "{excluded}");

    let copy = Copy::new();
    copy.edit_field("vcf", line, 10, "0/7");
    copy.vcf_refused(&[], &["small.vcf", &place, "sample 2"]);
    let copy = Copy::new();
    copy.edit_field("vcf", line, 1, "-5x");
    copy.vcf_refused(&[], &["small.vcf", &place]);
    let copy = Copy::new();
    copy.edit_lines("vcf", |lines| lines[line].truncate(40));
    copy.vcf_refused(&[], &["small.vcf", &place]);
    let copy = Copy::new();
    fs::copy(copy.path("bed"), copy.path("vcf")).unwrap();
    copy.vcf_refused(&[], &["small.vcf", "neither VCF nor BCF", "--bfile"]);
    let copy = Copy::new();
    let packed = fs::read(fixture("small.vcf.gz")).unwrap();
    fs::write(copy.path("vcf"), &packed[..packed.len() - 28]).unwrap();
    copy.vcf_refused(&[], &["small.vcf", "cut off", "again"]);
    fs::write(copy.path("vcf"), &packed[..packed.len() / 2]).unwrap();
    copy.vcf_refused(&[], &["small.vcf"]);
}

/// What is not computed on, and what `--strict` says: sex chromosomes, mitochondria, unknown contigs, exact duplicates.
#[test]
fn exclusions_are_listed_and_counted_or_stop_a_strict_run() {
    let dir = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| {
        let mut command = hegwas();
        command.args(["assoc", "--plaintext", "--bfile"]).arg(fixture("edge")).arg("--out");
        command.arg(dir.path().join("x")).args(more).output().unwrap()
    };
    refused(
        &run(&["--strict"]),
        3,
        &["edge.bim", "line 120", "UNKNOWN_CONTIG", "repair the file", "leave --strict out"],
    );
    assert!(files(dir.path()).is_empty());
    let output = run(&[]);
    let said = crate::common::text(&output);
    assert!(output.status.success(), "{said}");
    let listed = fs::read_to_string(dir.path().join("x.excluded.tsv")).unwrap();
    let rows = listed.lines().skip(1);
    let bim = fs::read_to_string(fixture("edge.bim")).unwrap();
    let skipped = |chromosomes: &[&str]| {
        bim.lines().filter(|l| chromosomes.contains(&l.split('\t').next().unwrap())).count()
    };
    for (reason, expected) in [
        ("SEX_CHROMOSOME", skipped(&["23", "24", "X", "Y"])),
        ("MITOCHONDRIAL", skipped(&["26", "MT"])),
        ("UNKNOWN_CONTIG", 1),
        ("DUPLICATE", 1),
    ] {
        let count = rows.clone().filter(|row| row.contains(reason)).count();
        assert_eq!(count, expected, "{reason}: {listed}");
        assert!(said.contains(&format!("{expected} {reason}")), "{said}");
    }
    let table = fs::read_to_string(dir.path().join("x.assoc.tsv")).unwrap();
    assert_eq!(table.lines().count() + rows.count(), 1 + bim.lines().count());
}

#[test]
fn nowhere_to_write() {
    let copy = Copy::new();
    let nowhere = copy.out().join("missing/x");
    let output = copy.assoc("--bfile", &["--out", nowhere.to_str().unwrap()]);
    assert_ne!(output.status.code(), Some(0), "--out twice");
    let mut command = hegwas();
    command
        .args(["assoc", "--plaintext", "--bfile"])
        .arg(fixture("small"))
        .arg("--out")
        .arg(nowhere);
    refused(&command.output().unwrap(), 8, &["missing", "create the folder first"]);
    assert!(files(&copy.out()).is_empty());
    let _path: &Path = copy.dir.path();
}
