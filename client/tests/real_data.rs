//! The whole encrypted job on real genotypes, through a server process: every column of our table against PLINK's counts,
//! the float64 oracle's columns, and our own oracle where those have none.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod common;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use common::{TESTS, Table, agree, compare_counts, compare_statistics, hegwas, real_data};
use gwas::oracle::{Truth, truth};

/// Everything our oracle says of a row of the committed one, from its genotype counts.
fn from_counts(oracle: &Table, row: &[String]) -> Truth {
    let (mut copies, mut cases) = (Vec::new(), Vec::new());
    for (side, case) in [("CTRL", false), ("CASE", true)] {
        for (kind, g) in [("HOM_A2", 0), ("HET", 1), ("HOM_A1", 2)] {
            let count: usize = oracle.get(row, &format!("{side}_{kind}")).parse().unwrap();
            copies.extend(std::iter::repeat_n(Some(g), count));
            cases.extend(std::iter::repeat_n(Some(case), count));
        }
    }
    truth(&copies, &cases)
}

/// Compares every column of our table with an oracle of the same variants in the same order; returns the row with the
/// largest allelic chi-square as (chromosome, position, chi-square).
fn compare(ours: &Path, oracle: &Path) -> (String, String, f64) {
    let (ours, oracle) = (Table::read(ours), Table::read(oracle));
    assert_eq!(ours.rows.len(), 5 * oracle.rows.len(), "five tests of every variant");
    let mut top = (String::new(), String::new(), 0.0);
    for (rows, line) in ours.rows.chunks(5).zip(&oracle.rows) {
        let truth = from_counts(&oracle, line);
        compare_statistics(&ours, rows, &truth, &format!("{:?}", &line[..3]));
        for ((row, test), expected) in rows.iter().zip(TESTS).zip(&truth.tests) {
            let at = || format!("{test} at {:?}", &line[..3]);
            let same = ["CHROM", "POS", "ID", "A1", "A1_CASE_CT", "A1_CTRL_CT", "OBS_CT"];
            let named = [("REF", "A2"), ("ALT", "A1")];
            for (column, truth) in same.map(|c| (c, c)).into_iter().chain(named) {
                assert_eq!(ours.get(row, column), oracle.get(line, truth), "{column}, {}", at());
            }
            let check = |column: &str, value: Option<f64>| {
                let found = ours.number(row, column);
                assert!(agree(found, value), "{column}: {found:?}, oracle {value:?}, {}", at());
            };
            // The same once more from the other program's columns.
            let columns: &[(&str, &str)] = match test {
                "ALLELIC" => &[
                    ("CHISQ", "CHISQ"),
                    ("NEG_LOG10_P", "LOG10_P"),
                    ("OR", "OR"),
                    ("LOG(OR)_SE", "LOG_OR_SE"),
                ],
                "TREND" => &[("CHISQ", "TREND"), ("NEG_LOG10_P", "TREND_LOG10_P")],
                "GENO" => &[("CHISQ", "GENO"), ("NEG_LOG10_P", "GENO_LOG10_P")],
                name => &[("CHISQ", name)],
            };
            columns.iter().for_each(|(column, truth)| check(column, oracle.number(line, truth)));
            match test {
                "ALLELIC" if expected.chisq.unwrap_or(0.0) > top.2 => {
                    let [chrom, pos] = ["CHROM", "POS"].map(|c| ours.get(row, c).to_owned());
                    top = (chrom, pos, expected.chisq.unwrap());
                }
                // The oracle writes 0 where nothing can be tested, the table NA.
                "GENO" => {
                    let df = ours.get(row, "DF").replace("NA", "0");
                    assert_eq!(df, oracle.get(line, "GENO_DF"), "{}", at());
                }
                _ => {}
            }
        }
    }
    top
}

/// Genotype counts, in `--format plink`'s `.model` file, against the oracle's: bit for bit.
fn compare_genotypes(model: &Path, oracle: &Path) {
    let (model, oracle) = (Table::read(model), Table::read(oracle));
    let rows = model.rows.iter().filter(|r| model.get(r, "TEST") == "GENO");
    let mut compared = 0;
    for (row, line) in rows.zip(&oracle.rows) {
        assert_eq!(model.get(row, "SNP"), oracle.get(line, "ID"));
        for (ours, side) in [("AFF", "CASE"), ("UNAFF", "CTRL")] {
            let counts =
                ["HOM_A1", "HET", "HOM_A2"].map(|k| oracle.get(line, &format!("{side}_{k}")));
            assert_eq!(model.get(row, ours), counts.join("/"), "{line:?}");
        }
        compared += 1;
    }
    assert_eq!(compared, oracle.rows.len());
}

/// Runs the job on `--bfile` or `--vcf` of a file; what it said.
fn assoc(
    genotypes: [&str; 2],
    phenotypes: &Path,
    phenotype: &str,
    out: &Path,
    more: &[&str],
) -> String {
    let mut command = hegwas();
    command.arg("assoc").args(genotypes).arg("--pheno").arg(phenotypes);
    command.args(["--pheno-name", phenotype, "--test", "allelic,trend,geno,dom,rec", "--out"]);
    let output = command.arg(out).args(more).output().unwrap();
    assert!(output.status.success(), "{}", common::text(&output));
    common::text(&output)
}

/// The people and genotypes of a fileset as VCF, in the order of the .bim file, whose first allele is ALT.
fn write_vcf(prefix: &Path, to: &Path) {
    let lines = |extension: &str| -> Vec<Vec<String>> {
        let text = fs::read_to_string(prefix.with_extension(extension)).unwrap();
        text.lines().map(|l| l.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let (people, variants) = (lines("fam"), lines("bim"));
    let bed = fs::read(prefix.with_extension("bed")).unwrap();
    let mut out = std::io::BufWriter::new(fs::File::create(to).unwrap());
    let ids: Vec<&str> = people.iter().map(|p| p[1].as_str()).collect();
    writeln!(out, "##fileformat=VCFv4.2\n##contig=<ID=22>").unwrap();
    writeln!(out, "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">").unwrap();
    writeln!(out, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}", ids.join("\t"))
        .unwrap();
    for (v, row) in variants.iter().zip(bed[3..].chunks(people.len().div_ceil(4))) {
        write!(out, "{}\t{}\t{}\t{}\t{}\t.\t.\t.\tGT", v[0], v[3], v[1], v[5], v[4]).unwrap();
        let call = |i: usize| {
            [b"\t1/1", b"\t./.", b"\t0/1", b"\t0/0"][usize::from(row[i / 4] >> (2 * (i % 4)) & 3)]
        };
        let calls: Vec<u8> = (0..people.len()).flat_map(|i| *call(i)).collect();
        out.write_all(&calls).unwrap();
        out.write_all(b"\n").unwrap();
    }
    out.flush().unwrap();
}

#[test]
fn geuvadis_equals_plink_and_the_oracle() {
    let Some(data) = real_data() else { return };
    let dir = tempfile::tempdir().unwrap();
    let set = data.join("geuvadis22");
    let (prefix, phenotypes) = (set.join("g22"), set.join("pheno_bin.tsv"));
    let bfile = ["--bfile", prefix.to_str().unwrap()];
    let name = "hi_ENSG00000172404";
    let oracle = set.join(format!("truth/oracle.{name}.tsv.gz"));
    let out = dir.path().join("hi");
    assoc(bfile, &phenotypes, name, &out, &[]);
    let table = out.with_extension("assoc.tsv");
    let top = compare(&table, &oracle);
    assert_eq!((top.0.as_str(), top.1.as_str()), ("22", "41256802"));
    assert!((top.2 - 174.1).abs() < 0.05, "{}", top.2);
    let plink = set.join(format!("truth/p19_counts.{name}.assoc.gz"));
    assert_eq!(compare_counts(&table, &plink, |_| false), 85_485);
    let excluded = fs::read_to_string(out.with_extension("excluded.tsv")).unwrap();
    assert_eq!(excluded.lines().count(), 1, "{excluded}");
    // A server process computed, and the record says so.
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(out.with_extension("run.json")).unwrap()).unwrap();
    assert!(
        record["server"]["pid"].is_u64() && record["bytes_uploaded"].as_u64().unwrap() > 1 << 28
    );
    assert_eq!(record["counts"]["variants"], 85_485);
    // From VCF, encrypted too: the same bytes. Without encryption, through the same packing: the same bytes.
    let table = fs::read(table).unwrap();
    let vcf = dir.path().join("g22.vcf");
    write_vcf(&prefix, &vcf);
    let from_vcf = dir.path().join("vcf");
    assoc(["--vcf", vcf.to_str().unwrap()], &phenotypes, name, &from_vcf, &[]);
    assert!(table == fs::read(from_vcf.with_extension("assoc.tsv")).unwrap());
    let plain = dir.path().join("plain");
    assoc(bfile, &phenotypes, name, &plain, &["--plaintext"]);
    assert!(table == fs::read(plain.with_extension("assoc.tsv")).unwrap());
    assoc(bfile, &phenotypes, name, &plain, &["--plaintext", "--format", "plink"]);
    compare_genotypes(&plain.with_extension("model"), &oracle);
}

#[test]
fn hapmap_with_missing_calls_and_excluded_people_equals_plink_and_the_oracle() {
    let Some(data) = real_data() else { return };
    let dir = tempfile::tempdir().unwrap();
    let set = data.join("hapmap3");
    let (prefix, phenotypes) = (set.join("data"), set.join("pheno_bin.tsv"));
    let bfile = ["--bfile", prefix.to_str().unwrap()];
    for (name, people) in [("SEXPH", 957), ("TSI_v_CEU", 191)] {
        let out = dir.path().join(name);
        let said = assoc(bfile, &phenotypes, name, &out, &[]);
        for expected in [
            "84 variants excluded",
            "75 SEX_CHROMOSOME",
            "9 MITOCHONDRIAL",
            &format!("{people} people"),
        ] {
            assert!(said.contains(expected), "{expected}: {said}");
        }
        let excluded = fs::read_to_string(out.with_extension("excluded.tsv")).unwrap();
        assert_eq!(excluded.lines().count(), 1 + 84);
        let oracle = set.join(format!("truth/oracle.{name}.tsv.gz"));
        let table = out.with_extension("assoc.tsv");
        compare(&table, &oracle);
        let plink = set.join(format!("truth/p19_counts.{name}.assoc.gz"));
        assert_eq!(compare_counts(&table, &plink, |_| false), 14_305);
        // Genotype counts of an encrypted run.
        assoc(bfile, &phenotypes, name, &out, &["--format", "plink"]);
        compare_genotypes(&out.with_extension("model"), &oracle);
    }
}
