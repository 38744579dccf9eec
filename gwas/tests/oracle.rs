//! The statistics, by way of readers, packing and integer counts, against the oracle, which gets its genotypes from a decoder
//! of this test's own; and the oracle against PLINK's tables, so that the two can't be wrong together.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use gwas::io::{BedOptions, Cohort, open_bfile};
use gwas::oracle::{Association, Truth, truth};
use gwas::packing::plain_sums;
use gwas::stats::counts::{GenotypeTable, PlaneSums, VariantCounts, VariantSums};
use gwas::stats::{self, Test};
use gwas::wire::PlaneKind;
use hegwas_fixtures::committed::data_folder;
use hegwas_fixtures::real_data;
use proptest::prelude::*;

/// A fileset as this test reads it: copies of ALT by variant and person.
struct Raw {
    /// The fields of each .bim line.
    variants: Vec<Vec<String>>,
    /// The fields of each .fam line.
    people: Vec<Vec<String>>,
    bed: Vec<u8>,
}

impl Raw {
    fn read(prefix: &Path) -> Self {
        let lines = |extension: &str| -> Vec<Vec<String>> {
            let text = fs::read_to_string(prefix.with_extension(extension)).unwrap();
            text.lines().map(|l| l.split_whitespace().map(str::to_owned).collect()).collect()
        };
        let bed = fs::read(prefix.with_extension("bed")).unwrap();
        Self { variants: lines("bim"), people: lines("fam"), bed }
    }

    fn copies(&self, variant: usize) -> Vec<Option<u8>> {
        let stride = self.people.len().div_ceil(4);
        let row = &self.bed[3 + variant * stride..][..stride];
        // PLINK: 00 two of A1, 01 missing, 10 heterozygous, 11 none.
        let code = |i: usize| {
            [Some(2), None, Some(1), Some(0)][(row[i / 4] >> (2 * (i % 4)) & 3) as usize]
        };
        (0..self.people.len()).map(code).collect()
    }

    /// Case status by FID and IID from a named column of a table, 1 and 2.
    fn status(&self, table: &Path, column: &str) -> Vec<Option<bool>> {
        let text = fs::read_to_string(table).unwrap();
        let mut lines = text.lines().map(|l| l.split('\t').collect::<Vec<_>>());
        let at = lines.next().unwrap().iter().position(|&c| c == column).unwrap();
        let by_id: HashMap<(&str, &str), &str> = lines.map(|l| ((l[0], l[1]), l[at])).collect();
        let status = |p: &Vec<String>| match by_id[&(p[0].as_str(), p[1].as_str())] {
            "1" => Some(false),
            "2" => Some(true),
            _ => None,
        };
        self.people.iter().map(status).collect()
    }
}

/// Both numbers, to 1e-9 relative (absolute near zero), or neither.
fn agree(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1e-3),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// Every field of every test, and Hardy-Weinberg.
fn compare(counts: &VariantCounts, truth: &Truth, what: &dyn std::fmt::Debug) {
    let GenotypeTable { cases, controls } = counts.genotypes.unwrap();
    assert_eq!(truth.people, [controls, cases], "{what:?}");
    assert!(agree(counts.alleles.alt_frequency(), truth.alt_frequency), "{what:?}");
    for (test, expected) in Test::ALL.into_iter().zip(&truth.tests) {
        let got = stats::run(test, counts).unwrap();
        let Association { chisq, df, odds_ratio, log_or_se, p, neg_log10_p, word } = *expected;
        let same = agree(got.chisq, chisq)
            && got.df == df
            && agree(got.odds_ratio, odds_ratio)
            && agree(got.log_or_se, log_or_se)
            && agree(got.p, p)
            && agree(got.neg_log10_p, neg_log10_p)
            && got.errcode.map(stats::ErrCode::word) == word;
        assert!(same, "{what:?}: {got:?}, oracle {expected:?}");
    }
    let table = counts.genotypes.unwrap();
    for (got, expected) in
        [(table.hwe_controls(), truth.hwe_controls), (table.hwe_all(), truth.hwe_all)]
    {
        assert!(
            (got - expected).abs() <= 1e-9 * expected,
            "{what:?}: {got:e}, oracle {expected:e}"
        );
    }
}

/// All variants of a fileset that are computed on; calls `each` with the .bim line of a variant and the oracle's answer.
fn compare_files(
    prefix: &Path,
    status: &dyn Fn(&Raw) -> Vec<Option<bool>>,
    mut each: impl FnMut(&[String], &Truth),
) {
    let raw = Raw::read(prefix);
    let status = status(&raw);
    let rows: Vec<u32> = (0..).zip(&status).filter(|(_, s)| s.is_some()).map(|(i, _)| i).collect();
    let file = open_bfile(prefix, &BedOptions::default()).unwrap();
    let cohort = Cohort::whole(file.genotypes).with_rows(&rows).unwrap();
    let weights: Vec<i64> = status.iter().flatten().map(|&case| i64::from(case)).collect();
    let cases = weights.iter().sum::<i64>() as u32;
    let planes = [PlaneKind::Dosage, PlaneKind::HomAlt, PlaneKind::Called];
    let sums = plain_sums(&cohort, &[&weights], &planes, 2048).unwrap();
    let mut line = 0;
    for (v, variant) in cohort.panel().iter().enumerate() {
        // The panel is the .bim file without some of its lines.
        let is = |l: &Vec<String>| {
            l[0] == variant.chrom
                && l[1] == variant.id
                && l[3] == variant.pos.to_string()
                && l[4] == variant.alternate
        };
        line += raw.variants[line..].iter().position(is).unwrap();
        let of = |channel: &dyn Fn(usize) -> i64| PlaneSums {
            x: channel(0),
            hom_alt: Some(channel(1)),
            not_called: Some(channel(2)),
        };
        let sums = VariantSums {
            all: of(&|plane| sums[plane].plain[v]),
            cases: of(&|plane| sums[plane].weighted[0][v]),
        };
        let counts = sums.counts(v as u32, cohort.people(), cases).unwrap();
        let truth = truth(&raw.copies(line), &status);
        compare(&counts, &truth, &raw.variants[line]);
        each(&raw.variants[line], &truth);
        line += 1;
    }
    assert!(line > 100, "{line} variants");
}

/// A printed number is a value to so many digits.
fn printed(text: &str, value: Option<f64>) -> bool {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => value.is_some_and(|v| (v - x).abs() <= 1e-3 * x.abs().max(1e-6)),
        _ => value.is_none(),
    }
}

/// The rows of a PLINK table by chromosome, variant and test.
fn plink(path: &Path) -> HashMap<(String, String, String), Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let at = lines.next().unwrap().split_whitespace().position(|c| c == "TEST");
    let row = |l: &str| -> Vec<String> { l.split_whitespace().map(str::to_owned).collect() };
    let key = |r: &[String]| {
        (r[0].clone(), r[1].clone(), at.map_or_else(String::new, |at| r[at].clone()))
    };
    lines.map(row).map(|r| (key(&r), r)).collect()
}

#[test]
fn synthetic_data_agree_and_plink_prints_the_oracle_s_numbers() {
    for name in ["small", "edge"] {
        let prefix = data_folder().join(name);
        let [model, hardy, assoc] = ["model", "hwe", "assoc"]
            .map(|kind| plink(&data_folder().join(format!("{name}.p19.{kind}"))));
        let status =
            |raw: &Raw| raw.status(&data_folder().join(format!("{name}.pheno.tsv")), "CASE");
        let mut printed_rows = 0;
        compare_files(&prefix, &status, |line, truth| {
            let row = |table: &HashMap<_, Vec<String>>, test: &str| {
                let key = (line[0].clone(), line[1].clone(), test.to_owned());
                // Identifiers that occur twice, and alleles that PLINK leaves out, are compared by the product's own tests.
                table.get(&key).cloned().filter(|r| r.contains(&line[4]))
            };
            if [".", "rs1000014", "rs1000015"].contains(&line[1].as_str()) && name == "edge" {
                return;
            }
            let [allelic, trend, genotypic, dominant, recessive] = &truth.tests;
            if allelic.word == Some("NO_CALLS") {
                return; // PLINK prints 0 and 1 where one side has nobody
            }
            // Chi-square, then its p-value and the odds ratio; columns of `--assoc counts`.
            if let Some(r) = row(&assoc, "") {
                let fields = [allelic.chisq, allelic.p, allelic.odds_ratio, allelic.log_or_se];
                for (text, value) in r[7..11].iter().zip(fields) {
                    assert!(printed(text, value), "{r:?}: {allelic:?}");
                }
                printed_rows += 1;
            }
            for (test, found) in
                [("TREND", trend), ("GENO", genotypic), ("DOM", dominant), ("REC", recessive)]
            {
                if let Some(r) = row(&model, test) {
                    assert!(
                        printed(&r[7], found.chisq) && printed(&r[9], found.p),
                        "{r:?}: {found:?}"
                    );
                    printed_rows += 1;
                }
            }
            // "ALL" counts people without a phenotype too.
            if let Some(r) = row(&hardy, "UNAFF").filter(|_| name == "small") {
                assert!(printed(&r[8], Some(truth.hwe_controls)), "{r:?}: {}", truth.hwe_controls);
                printed_rows += 1;
            }
        });
        assert!(printed_rows > 250, "{name}: {printed_rows} rows of PLINK's compared");
    }
}

/// Real genotypes, and the oracle columns that another program computed in float64.
#[test]
fn real_data_agree() {
    let Some(data) = real_data() else {
        println!("skipped: no real data ($HEGWAS_DATA or ../shared/data)");
        return;
    };
    for (set, file, phenotype) in [
        ("hapmap3", "data", "SEXPH"),
        ("hapmap3", "data", "TSI_v_CEU"),
        ("geuvadis22", "g22", "hi_ENSG00000172404"),
    ] {
        let set = data.join(set);
        let mut text = String::new();
        let packed = fs::File::open(set.join(format!("truth/oracle.{phenotype}.tsv.gz"))).unwrap();
        flate2::read::MultiGzDecoder::new(packed).read_to_string(&mut text).unwrap();
        let mut lines = text.lines().map(|l| l.split('\t').collect::<Vec<_>>());
        let header = lines.next().unwrap();
        let mut compared = 0;
        let status = |raw: &Raw| raw.status(&set.join("pheno_bin.tsv"), phenotype);
        compare_files(&set.join(file), &status, |line, truth| {
            let row = lines.next().unwrap();
            let get = |name: &str| row[header.iter().position(|&h| h == name).unwrap()];
            assert_eq!(
                [get("CHROM"), get("ID"), get("POS"), get("A1"), get("A2")],
                [0, 1, 3, 4, 5].map(|i| &*line[i])
            );
            for (side, group) in ["CTRL", "CASE"].into_iter().zip(truth.people) {
                for (kind, count) in ["HOM_A2", "HET", "HOM_A1"].into_iter().zip(group) {
                    assert_eq!(get(&format!("{side}_{kind}")), count.to_string(), "{row:?}");
                }
            }
            let number = |name: &str| get(name).parse::<f64>().ok().filter(|x| x.is_finite());
            let [allelic, trend, genotypic, dominant, recessive] = &truth.tests;
            for (column, value) in [
                ("CHISQ", allelic.chisq),
                ("LOG10_P", allelic.neg_log10_p),
                ("OR", allelic.odds_ratio),
                ("LOG_OR_SE", allelic.log_or_se),
                ("TREND", trend.chisq),
                ("TREND_LOG10_P", trend.neg_log10_p),
                ("GENO", genotypic.chisq),
                ("GENO_LOG10_P", genotypic.neg_log10_p),
                ("DOM", dominant.chisq),
                ("REC", recessive.chisq),
            ] {
                assert!(agree(value, number(column)), "{column}: {value:?}, {row:?}");
            }
            assert_eq!(get("GENO_DF"), genotypic.df.unwrap_or(0).to_string());
            compared += 1;
        });
        assert!(compared > 10_000 && lines.next().is_none(), "{compared} rows");
    }
}

fn people() -> impl Strategy<Value = [u64; 3]> {
    let count = || prop_oneof![Just(0u64), 0..6u64, 0..400u64];
    [count(), count(), count()]
}

proptest! {
    #[test]
    fn random_tables_agree(cases in people(), controls in people()) {
        let mut everybody = Vec::new();
        for (case, counts) in [(true, cases), (false, controls)] {
            for (g, n) in (0u8..).zip(counts) {
                everybody.extend(std::iter::repeat_n((Some(g), Some(case)), n as usize));
            }
        }
        let (copies, status): (Vec<_>, Vec<_>) = everybody.into_iter().unzip();
        let counts = VariantCounts::from_genotypes(GenotypeTable { cases, controls });
        compare(&counts, &truth(&copies, &status), &(cases, controls));
    }
}
