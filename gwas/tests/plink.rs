//! What the readers and filters make of real and synthetic files is what PLINK makes of them.
//!
//! Synthetic files are committed with PLINK's output. Real ones are compared where they exist; where they, or `plink1.9`,
//! don't, a test says so and passes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use common::{columns, gunzip};
use gwas::io::{BedOptions, Cohort, GenotypeFile, Table, VcfOptions, open_bfile, open_vcf};
use gwas::packing::plain_sums;
use gwas::panel::{Contig, Variant};
use gwas::qc::{GenotypeCounts, Thresholds, filter, genotype_counts};
use gwas::wire::PlaneKind;
use hegwas_fixtures::committed::data_folder;
use hegwas_fixtures::real_data;

fn open(prefix: &Path) -> GenotypeFile {
    open_bfile(prefix, &BedOptions::default()).unwrap()
}

/// A chromosome by number: PLINK 2 prints 25 as XY.
fn chromosome(name: &str) -> String {
    Contig::parse(name).number().map_or_else(|| name.to_owned(), |n| n.to_string())
}

/// Hom-ALT, het, hom-REF and missing counts by chromosome, id, REF and ALT.
type Counts = BTreeMap<(String, String, String, String), [u32; 4]>;

fn key(
    chrom: &str,
    id: &str,
    reference: &str,
    alternate: &str,
) -> (String, String, String, String) {
    (chromosome(chrom), id.to_owned(), reference.to_owned(), alternate.to_owned())
}

fn counted(cohort: &Cohort) -> Counts {
    let key = |v: Variant<'_>| key(v.chrom, v.id, v.reference, v.alternate);
    let numbers = |c: GenotypeCounts| [c.hom_alt, c.het, c.hom_ref, c.missing];
    cohort
        .panel()
        .iter()
        .map(key)
        .zip(genotype_counts(cohort).unwrap().into_iter().map(numbers))
        .collect()
}

/// Every count, through the word-parallel counter and through packing, for files with truth.
fn compare_counts(cohort: &Cohort, truth: &Counts) {
    let found = counted(cohort);
    assert!(!found.is_empty());
    for (key, counts) in &found {
        assert_eq!(truth.get(key), Some(counts), "{key:?}");
    }
    let planes = [PlaneKind::Dosage, PlaneKind::HomAlt, PlaneKind::Called];
    let sums = plain_sums(cohort, &[], &planes, 2048).unwrap();
    for (i, v) in cohort.panel().iter().enumerate() {
        let key = key(v.chrom, v.id, v.reference, v.alternate);
        let [hom_alt, _, hom_ref, missing] = found[&key].map(i64::from);
        let [x, z, c] = [0, 1, 2].map(|p| sums[p].plain[i]);
        assert_eq!([x, z, c], [hom_alt - hom_ref, hom_alt, -missing], "{key:?}");
    }
}

#[test]
fn synthetic_counts_equal_plink_s() {
    let text = fs::read_to_string(data_folder().join("small.p19.frqx")).unwrap();
    let names = ["CHR", "SNP", "A1", "A2", "C(HOM A1)", "C(HET)", "C(HOM A2)", "C(MISSING)"];
    let mut truth = Counts::new();
    for [chrom, id, a1, a2, hom1, het, hom2, missing] in columns(&text, names) {
        let [hom1, het, hom2, missing] =
            [hom1, het, hom2, missing].map(|n| n.parse::<u32>().unwrap());
        // PLINK 1.9 orders alleles by frequency; we by column. Both orders are the same statement.
        truth.insert(
            (chrom.clone(), id.clone(), a2.clone(), a1.clone()),
            [hom1, het, hom2, missing],
        );
        truth.insert(key(&chrom, &id, &a1, &a2), [hom2, het, hom1, missing]);
    }
    let bed = Cohort::whole(open(&data_folder().join("small")).genotypes);
    let vcf = open_vcf(&data_folder().join("small.vcf.gz"), &VcfOptions::default()).unwrap();
    compare_counts(&bed, &truth);
    compare_counts(&Cohort::whole(vcf.genotypes), &truth);
}

#[test]
fn real_counts_equal_plink_s() {
    let Some(data) = real_data() else {
        println!("skipped: no real data ($HEGWAS_DATA or ../shared/data)");
        return;
    };
    for (prefix, truth, variants) in
        [("hapmap3/data", "hapmap3", 14_305), ("geuvadis22/g22", "geuvadis22", 85_485)]
    {
        let text = gunzip(&data.join(truth).join("truth/p2.gcount.gz"));
        let names = [
            "#CHROM",
            "ID",
            "REF",
            "ALT",
            "HOM_REF_CT",
            "HET_REF_ALT_CTS",
            "TWO_ALT_GENO_CTS",
            "MISSING_CT",
        ];
        let mut truth = Counts::new();
        for [chrom, id, reference, alternate, hom_ref, het, hom_alt, missing] in
            columns(&text, names)
        {
            let counts = [hom_alt, het, hom_ref, missing].map(|n| n.parse::<u32>().unwrap());
            truth.insert(key(&chrom, &id, &reference, &alternate), counts);
        }
        let file = open(&data.join(prefix));
        assert_eq!(file.genotypes.panel().len(), variants);
        compare_counts(&Cohort::whole(file.genotypes), &truth);
    }
}

/// Runs PLINK's filters on a fileset and gives the ids that stay; nothing if there is no PLINK.
fn plink_snplist(prefix: &Path, arguments: &[&str]) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let run = Command::new("plink1.9")
        .arg("--bfile")
        .arg(prefix)
        .args(arguments)
        .arg("--write-snplist")
        .arg("--out")
        .arg(&out)
        .output()
        .ok()?;
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    let list = fs::read_to_string(out.with_extension("snplist")).unwrap();
    Some(list.lines().map(str::to_owned).collect())
}

#[test]
fn filters_keep_what_plink_keeps() {
    let Some(data) = real_data() else {
        println!("skipped: no real data ($HEGWAS_DATA or ../shared/data)");
        return;
    };
    let hapmap = data.join("hapmap3/data");
    let pheno = data.join("hapmap3/pheno_bin.tsv");
    let pheno = pheno.to_str().unwrap();
    let file = open(&hapmap);
    let samples = file.genotypes.samples();
    let cohort = Cohort::whole(Arc::clone(&file.genotypes));
    let status = |name| {
        Table::open(Path::new(pheno))
            .unwrap()
            .case_control(Some(name), samples, false)
            .unwrap()
            .status
    };

    let thresholds = |maf, geno, hwe| Thresholds { maf, geno, hwe, nonfounders: false };
    let cases: [(Thresholds, Option<&str>, &[&str]); 5] = [
        (
            thresholds(Some(0.05), Some(0.01), Some(1e-4)),
            None,
            &["--maf", "0.05", "--geno", "0.01", "--hwe", "1e-4"],
        ),
        (thresholds(Some(0.1), None, None), None, &["--maf", "0.1"]),
        (thresholds(None, Some(0.002), None), None, &["--geno", "0.002"]),
        (
            thresholds(Some(0.01), Some(0.005), Some(0.01)),
            Some("TSI_v_CEU"),
            &["--maf", "0.01", "--geno", "0.005", "--hwe", "0.01"],
        ),
        (thresholds(None, None, Some(0.05)), Some("SEXPH"), &["--hwe", "0.05"]),
    ];
    for (thresholds, name, flags) in cases {
        let mut arguments = flags.to_vec();
        if let Some(name) = name {
            arguments.extend(["--pheno", pheno, "--pheno-name", name]);
        }
        let Some(expected) = plink_snplist(&hapmap, &arguments) else {
            println!("skipped: no plink1.9");
            return;
        };
        let kept = filter(&cohort, &thresholds, name.map(status).as_deref()).unwrap().kept;
        let kept: Vec<&str> = kept.iter().map(|&v| cohort.panel().get(v).unwrap().id).collect();
        // PLINK also keeps chromosomes that are not diploid.
        let ours: std::collections::HashSet<&str> = cohort.panel().iter().map(|v| v.id).collect();
        let expected: Vec<&str> =
            expected.iter().map(String::as_str).filter(|id| ours.contains(id)).collect();
        assert!(
            kept.len() > 1_000 && kept.len() < cohort.panel().len() as usize,
            "{flags:?} filters nothing"
        );
        assert_eq!(kept, expected, "{flags:?} {name:?}");
    }
}
