//! The whole encrypted job on real genotypes, through a server process, against PLINK's counts and float64 oracles.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use std::collections::HashMap;
use std::path::Path;

use common::{Table, agree, hegwas, real_data, run};

const TESTS: [&str; 5] = ["ALLELIC", "TREND", "GENO", "DOM", "REC"];

/// Compares our table with an oracle of the same variants in the same order; returns the row with the largest
/// allelic chi-square as (chromosome, position, chi-square).
fn compare(ours: &Path, oracle: &Path) -> (String, String, f64) {
    let (ours, oracle) = (Table::read(ours), Table::read(oracle));
    assert_eq!(ours.rows.len(), 5 * oracle.rows.len(), "five tests of every variant");
    let mut top = (String::new(), String::new(), 0.0);
    for (rows, truth) in ours.rows.chunks(5).zip(&oracle.rows) {
        for (row, test) in rows.iter().zip(TESTS) {
            assert_eq!(ours.get(row, "TEST"), test);
            for column in ["CHROM", "POS", "ID", "A1", "A1_CASE_CT", "A1_CTRL_CT", "OBS_CT"] {
                assert_eq!(
                    ours.get(row, column),
                    oracle.get(truth, column),
                    "{column} at {:?}",
                    &truth[..3]
                );
            }
            let (statistic, p) = match test {
                "ALLELIC" => ("CHISQ", Some("LOG10_P")),
                "TREND" => ("TREND", Some("TREND_LOG10_P")),
                "GENO" => ("GENO", Some("GENO_LOG10_P")),
                name => (name, None),
            };
            let check = |column: &str, truth_column: &str| {
                let (a, b) = (ours.number(row, column), oracle.number(truth, truth_column));
                assert!(agree(a, b), "{test} {column}: {a:?}, oracle {b:?} at {:?}", &truth[..3]);
            };
            check("CHISQ", statistic);
            if let Some(p) = p {
                check("NEG_LOG10_P", p);
            }
            match test {
                "ALLELIC" => {
                    check("OR", "OR");
                    check("LOG(OR)_SE", "LOG_OR_SE");
                    let chisq = ours.number(row, "CHISQ").unwrap_or(0.0);
                    if chisq > top.2 {
                        top = (ours.get(row, "CHROM").into(), ours.get(row, "POS").into(), chisq);
                    }
                }
                // The oracle writes 0 where nothing can be tested, the table NA.
                "GENO" if oracle.get(truth, "GENO_DF") == "0" => {
                    assert_eq!(ours.get(row, "DF"), "NA");
                }
                "GENO" => check("DF", "GENO_DF"),
                _ => {}
            }
        }
    }
    top
}

/// Allele counts against PLINK 1.9 `--assoc counts`: bit for bit, by variant id.
fn compare_counts(ours: &Path, plink: &Path) {
    let (ours, plink) = (Table::read(ours), Table::read(plink));
    let counts: HashMap<(&str, &str), (&str, &str)> = plink
        .rows
        .iter()
        .map(|r| {
            ((plink.get(r, "SNP"), plink.get(r, "A1")), (plink.get(r, "C_A"), plink.get(r, "C_U")))
        })
        .collect();
    let mut compared = 0;
    for row in ours.rows.iter().filter(|r| ours.get(r, "TEST") == "ALLELIC") {
        if let Some(&(case, control)) = counts.get(&(ours.get(row, "ID"), ours.get(row, "A1"))) {
            assert_eq!((ours.get(row, "A1_CASE_CT"), ours.get(row, "A1_CTRL_CT")), (case, control));
            compared += 1;
        }
    }
    assert!(compared > 10_000, "{compared} variants compared");
}

fn assoc(data: &Path, set: &str, file: &str, phenotype: &str, out: &Path, more: &[&str]) -> String {
    let set = data.join(set);
    let mut command = hegwas();
    command
        .arg("assoc")
        .arg("--bfile")
        .arg(set.join(file))
        .arg("--pheno")
        .arg(set.join("pheno_bin.tsv"));
    command
        .args(["--pheno-name", phenotype, "--test", "allelic,trend,geno,dom,rec", "--out"])
        .arg(out)
        .args(more);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", common::text(&output));
    common::text(&output)
}

#[test]
fn geuvadis_equals_plink_and_the_oracle() {
    let Some(data) = real_data() else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("hi");
    assoc(&data, "geuvadis22", "g22", "hi_ENSG00000172404", &out, &[]);
    let truth = data.join("geuvadis22/truth");
    let table = out.with_extension("assoc.tsv");
    let top = compare(&table, &truth.join("oracle.hi_ENSG00000172404.tsv.gz"));
    assert_eq!((top.0.as_str(), top.1.as_str()), ("22", "41256802"));
    assert!((top.2 - 174.1).abs() < 0.05, "{}", top.2);
    compare_counts(&table, &truth.join("p19_counts.hi_ENSG00000172404.assoc.gz"));
    // Without encryption, through the same packing: the same bytes.
    let plain = dir.path().join("plain");
    assoc(&data, "geuvadis22", "g22", "hi_ENSG00000172404", &plain, &["--plaintext"]);
    assert!(
        std::fs::read(&table).unwrap() == std::fs::read(plain.with_extension("assoc.tsv")).unwrap()
    );
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.with_extension("run.json")).unwrap()).unwrap();
    assert!(record.is_object());
}

#[test]
fn hapmap_with_missing_calls_and_excluded_people_equals_plink_and_the_oracle() {
    let Some(data) = real_data() else { return };
    let dir = tempfile::tempdir().unwrap();
    for phenotype in ["SEXPH", "TSI_v_CEU"] {
        let out = dir.path().join(phenotype);
        let said = assoc(&data, "hapmap3", "data", phenotype, &out, &[]);
        assert!(said.contains("84"), "the skipped variants are counted: {said}");
        let truth = data.join("hapmap3/truth");
        let table = out.with_extension("assoc.tsv");
        compare(&table, &truth.join(format!("oracle.{phenotype}.tsv.gz")));
        compare_counts(&table, &truth.join(format!("p19_counts.{phenotype}.assoc.gz")));
    }
}

#[test]
fn help_runs() {
    assert!(run(hegwas().args(["assoc", "--help"])).contains("--bfile"));
}
