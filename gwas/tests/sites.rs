//! Four sites with one cohort's files, each altered in its own way, are pooled into exactly the cohort's counts: real
//! genotypes, through harmonisation and packing, in the clear.
//!
//! Compared with PLINK's counts, and where a site lacks a variant with counts taken straight from the .bed file.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod common;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{columns, gunzip};
use gwas::harmonise::{Aligned, MergeOptions, Mode, Palindromic, Status, align, merge};
use gwas::io::{BedOptions, Cohort, Table, open_bfile};
use gwas::packing::plain_sums;
use gwas::panel::Panel;
use gwas::presence::Presence;
use gwas::stats::counts::{GenotypeTable, VariantCounts, VariantSums};
use gwas::stats::denominators::{Denominators, Group};
use gwas::wire::{Bitmap, PlaneKind};
use hegwas_fixtures::real_data;

/// The columns of a .bim line.
type BimRow = [String; 6];

/// A fileset as it stands on the disk.
struct Raw {
    bim: Vec<BimRow>,
    /// Lines of the .fam file.
    fam: Vec<String>,
    bed: Vec<u8>,
}

impl Raw {
    fn read(prefix: &Path) -> Self {
        let text = |extension| fs::read_to_string(prefix.with_extension(extension)).unwrap();
        let row = |line: &str| -> BimRow {
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().try_into().unwrap()
        };
        Self {
            bim: text("bim").lines().map(row).collect(),
            fam: text("fam").lines().map(str::to_owned).collect(),
            bed: fs::read(prefix.with_extension("bed")).unwrap(),
        }
    }

    /// The 2-bit code of a person at a variant.
    fn code(&self, variant: usize, person: usize) -> u8 {
        let stride = self.fam.len().div_ceil(4);
        self.bed[3 + variant * stride + person / 4] >> (2 * (person % 4)) & 3
    }

    /// Writes the fileset of some people at some variants, in that order, each line and code as `alter` makes it.
    fn write(
        &self,
        prefix: &Path,
        people: &[usize],
        variants: &[usize],
        alter: impl Fn(BimRow) -> (BimRow, [u8; 4]),
    ) {
        let (mut bim, mut bed) = (String::new(), vec![0x6c, 0x1b, 1]);
        for &variant in variants {
            let (row, codes) = alter(self.bim[variant].clone());
            bim.push_str(&row.join("\t"));
            bim.push('\n');
            bed.extend(people.chunks(4).map(|four| {
                let code = |&person: &usize| codes[usize::from(self.code(variant, person))];
                four.iter().rev().fold(0, |byte, person| byte << 2 | code(person))
            }));
        }
        let fam: String = people.iter().map(|&p| format!("{}\n", self.fam[p])).collect();
        fs::write(prefix.with_extension("bim"), bim).unwrap();
        fs::write(prefix.with_extension("bed"), bed).unwrap();
        fs::write(prefix.with_extension("fam"), fam).unwrap();
    }
}

const AS_IT_IS: [u8; 4] = [0, 1, 2, 3];
const EXCHANGED: [u8; 4] = [3, 1, 2, 0];

fn complement(allele: &str) -> String {
    match allele {
        "A" => "T",
        "C" => "G",
        "G" => "C",
        "T" => "A",
        other => panic!("{other} is no base"),
    }
    .to_owned()
}

/// One variant in twenty, spread over the chromosome.
fn is_removed(variant: usize) -> bool {
    variant % 20 == 7
}

/// The four sites' people (by row) and filesets.
fn write_sites(raw: &Raw, data: &Path, folder: &Path) -> Vec<(Vec<usize>, PathBuf)> {
    let sites = fs::read_to_string(data.join("geuvadis22/sites.tsv")).unwrap();
    let site_of: HashMap<String, String> =
        columns(&sites, ["IID", "POP"]).into_iter().map(|[iid, pop]| (iid, pop)).collect();
    let every: Vec<usize> = (0..raw.bim.len()).collect();
    ["GBR", "CEU", "FIN", "TSI"]
        .into_iter()
        .map(|site| {
            let iid = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
            let people: Vec<usize> =
                (0..raw.fam.len()).filter(|&p| site_of[&iid(&raw.fam[p])] == site).collect();
            let prefix = folder.join(site);
            match site {
                // Another order, other ids.
                "GBR" => {
                    let order: Vec<usize> =
                        (0..every.len()).map(|i| i * 7919 % every.len()).collect();
                    raw.write(&prefix, &people, &order, |mut row| {
                        row[1] = format!("gbr-{}", row[3]);
                        (row, AS_IT_IS)
                    });
                }
                // REF and ALT exchanged, and the chromosome spelled otherwise.
                "CEU" => raw.write(&prefix, &people, &every, |mut row| {
                    row.swap(4, 5);
                    row[0] = "chr22".to_owned();
                    (row, EXCHANGED)
                }),
                // The other strand, except where that can't be told.
                "FIN" => raw.write(&prefix, &people, &every, |mut row| {
                    if row[4] != complement(&row[5]) {
                        row[4] = complement(&row[4]);
                        row[5] = complement(&row[5]);
                    }
                    (row, AS_IT_IS)
                }),
                // Five percent are missing.
                _ => {
                    let kept: Vec<usize> = (0..every.len()).filter(|&v| !is_removed(v)).collect();
                    raw.write(&prefix, &people, &kept, |row| (row, AS_IT_IS));
                }
            }
            (people, prefix)
        })
        .collect()
}

fn open(prefix: &Path) -> Cohort {
    let options = BedOptions { build: Some("GRCh37".to_owned()), ..BedOptions::default() };
    Cohort::whole(open_bfile(prefix, &options).unwrap().genotypes)
}

/// Adds a contribution's sums to the pooled ones, as a server does.
fn add(pooled: &mut [VariantSums], cohort: &Cohort, cases: &[bool], planes: &[PlaneKind]) {
    let weights: Vec<i64> = cases.iter().map(|&c| i64::from(c)).collect();
    for sums in plain_sums(cohort, &[&weights], planes, 2048).unwrap() {
        for (v, pooled) in pooled.iter_mut().enumerate() {
            for (target, value) in
                [(&mut pooled.all, sums.plain[v]), (&mut pooled.cases, sums.weighted[0][v])]
            {
                match sums.plane {
                    PlaneKind::Dosage => target.x += value,
                    PlaneKind::HomAlt => *target.hom_alt.get_or_insert(0) += value,
                    PlaneKind::Called => *target.not_called.get_or_insert(0) += value,
                }
            }
        }
    }
}

#[test]
fn altered_files_of_four_sites_give_the_cohort_s_counts() {
    let Some(data) = real_data() else {
        println!("skipped: no real data ($HEGWAS_DATA or ../shared/data)");
        return;
    };
    let raw = Raw::read(&data.join("geuvadis22/g22"));
    let folder = tempfile::tempdir().unwrap();
    let sites = write_sites(&raw, &data, folder.path());
    let original = open(&data.join("geuvadis22/g22"));
    let status = {
        let samples: Vec<_> = original.samples().cloned().collect();
        let table = Table::open(&data.join("geuvadis22/pheno_bin.tsv")).unwrap();
        table.case_control(Some("hi_ENSG00000172404"), &samples, false).unwrap().status
    };
    let is_case: Vec<bool> = status.into_iter().map(|s| s.unwrap()).collect();

    // The panel, from the sites' own lists.
    let cohorts: Vec<Cohort> = sites.iter().map(|(_, prefix)| open(prefix)).collect();
    let lists: Vec<&Panel> = cohorts.iter().map(Cohort::panel).collect();
    let options =
        MergeOptions { mode: Mode::Union, palindromic: Palindromic::Keep, reference: None };
    let merged = merge(&lists, &options).unwrap();
    assert_eq!(merged.panel.digest(), original.panel().digest());
    let shared = merge(&lists, &MergeOptions { mode: Mode::Intersection, ..options }).unwrap();
    let removed = (0..85_485).filter(|&v| is_removed(v)).count() as u32;
    assert_eq!(shared.panel.len(), 85_485 - removed);
    let palindromic = raw.bim.iter().filter(|row| row[4] == complement(&row[5])).count() as u32;
    assert!(palindromic > 10_000);
    let dropped = merge(&lists, &MergeOptions { mode: Mode::Union, ..MergeOptions::default() });
    assert_eq!(dropped.unwrap().panel.len(), 85_485 - palindromic);

    // Each site aligns its files; their sums are added up.
    let planes = [PlaneKind::Dosage, PlaneKind::HomAlt];
    let mut sums = vec![VariantSums::default(); 85_485];
    let mut contributions = Vec::new();
    let mut last = None;
    for ((people, prefix), cohort) in sites.iter().zip(&cohorts) {
        let aligned = align(cohort, merged.panel.clone(), &Palindromic::Keep).unwrap();
        let Aligned { cohort, report } = aligned;
        let all = |status| report.count(status) == 85_485;
        match prefix.file_name().and_then(|n| n.to_str()).unwrap() {
            "GBR" => assert!(all(Status::Match)),
            "CEU" => assert!(all(Status::Swap)),
            "FIN" => {
                assert_eq!(report.count(Status::Flip), 85_485 - palindromic);
                assert_eq!(report.count(Status::Match), palindromic);
            }
            _ => assert_eq!(report.count(Status::Absent), removed),
        }
        assert_eq!(report.unused(), 0);
        let cases: Vec<bool> = people.iter().map(|&p| is_case[p]).collect();
        if report.count(Status::Absent) == removed {
            last = Some((sums.clone(), cohort.clone(), cases.clone()));
        }
        add(&mut sums, &cohort, &cases, &planes);
        let cases = cases.iter().filter(|&&c| c).count() as u32;
        contributions.push((Group { people: cohort.people(), cases }, report.absent()));
    }
    let absent: Vec<Option<&Bitmap>> =
        contributions.iter().map(|(_, absent)| (absent.count() > 0).then_some(absent)).collect();
    let presence = Presence::new(85_485, &absent);
    // As they are decrypted: one number for each set of sites that have some variant.
    let of_pattern = |pattern| {
        let here = contributions.iter().enumerate().filter(|(i, _)| presence.contains(pattern, *i));
        here.fold(Group::default(), |sum, (_, (group, _))| Group {
            people: sum.people + group.people,
            cases: sum.cases + group.cases,
        })
    };
    let totals: Vec<Group> = (0..presence.patterns()).map(of_pattern).collect();
    assert_eq!(totals.len(), 2, "all four, and all but the last");
    let pool = Denominators::new(presence.clone(), totals.clone(), false).unwrap();
    let Group { people, cases } = pool.all();
    assert_eq!(people, 358);
    pool.complete(&mut sums);
    let counts: Vec<VariantCounts> =
        (0..).zip(&sums).map(|(v, s)| s.counts(v, people, cases).unwrap()).collect();

    // Straight from the file, for all variants; the people of the fourth site are missing at what it lacks.
    let missing: Vec<bool> = (0..raw.fam.len()).map(|p| sites[3].0.contains(&p)).collect();
    for (v, counts) in counts.iter().enumerate() {
        let mut table = GenotypeTable { cases: [0; 3], controls: [0; 3] };
        for p in (0..raw.fam.len()).filter(|&p| !(is_removed(v) && missing[p])) {
            let g = [2, usize::MAX, 1, 0][usize::from(raw.code(v, p))];
            let group = if is_case[p] { &mut table.cases } else { &mut table.controls };
            group[g] += 1;
        }
        assert_eq!(*counts, VariantCounts::from_genotypes(table), "variant {v}");
    }

    // PLINK's, where nothing is missing.
    let truth = data.join("geuvadis22/truth");
    let text = gunzip(&truth.join("p19_counts.hi_ENSG00000172404.assoc.gz"));
    let alleles: HashMap<String, [String; 3]> = columns(&text, ["SNP", "A1", "C_A", "C_U"])
        .into_iter()
        .map(|[id, a1, cases, controls]| (id, [a1, cases, controls]))
        .collect();
    let mut compared = 0;
    for (v, (row, counts)) in raw.bim.iter().zip(&counts).enumerate() {
        let [a1, cases, controls] = &alleles[&row[1]];
        if is_removed(v) {
            continue;
        }
        let a = counts.alleles;
        let ours =
            if *a1 == row[4] { [a.case_alt, a.control_alt] } else { [a.case_ref, a.control_ref] };
        assert_eq!(ours.map(|n| n.to_string()), [cases.clone(), controls.clone()], "{}", row[1]);
        compared += 1;
    }
    assert_eq!(compared, 85_485 - removed);

    // The same if the sites had uploaded their calls, too: the others' are all there.
    let (mut again, cohort, cases) = last.unwrap();
    let with_calls = [planes[0], planes[1], PlaneKind::Called];
    for sums in &mut again {
        sums.all.not_called = Some(0);
        sums.cases.not_called = Some(0);
    }
    add(&mut again, &cohort, &cases, &with_calls);
    Denominators::new(presence, totals, true).unwrap().complete(&mut again);
    assert!(again == sums);

    compare_with_plink(&raw, &data, &missing, &counts);
}

/// PLINK itself on the merged altered data: one file with missing calls where the fourth site has no variant.
fn compare_with_plink(raw: &Raw, data: &Path, missing: &[bool], counts: &[VariantCounts]) {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("merged");
    let (people, variants): (Vec<usize>, Vec<usize>) =
        ((0..raw.fam.len()).collect(), (0..raw.bim.len()).collect());
    raw.write(&prefix, &people, &variants, |row| (row, AS_IT_IS));
    let mut bed = fs::read(prefix.with_extension("bed")).unwrap();
    let stride = people.len().div_ceil(4);
    for v in variants.iter().filter(|&&v| is_removed(v)) {
        for p in people.iter().filter(|&&p| missing[p]) {
            let byte = &mut bed[3 + v * stride + p / 4];
            *byte = *byte & !(3 << (2 * (p % 4))) | 1 << (2 * (p % 4));
        }
    }
    fs::write(prefix.with_extension("bed"), bed).unwrap();
    let run = std::process::Command::new("plink1.9")
        .arg("--bfile")
        .arg(&prefix)
        .arg("--pheno")
        .arg(data.join("geuvadis22/pheno_bin.tsv"))
        .args(["--pheno-name", "hi_ENSG00000172404", "--allow-no-sex", "--assoc", "counts"])
        .arg("--out")
        .arg(&prefix)
        .output();
    let Ok(run) = run else {
        println!("PLINK on the merged data skipped: no plink1.9");
        return;
    };
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    let text = fs::read_to_string(prefix.with_extension("assoc")).unwrap();
    let rows = columns(&text, ["SNP", "A1", "C_A", "C_U"]);
    assert_eq!(rows.len(), counts.len());
    for ([id, a1, cases, controls], (bim, counts)) in rows.iter().zip(raw.bim.iter().zip(counts)) {
        assert_eq!(*id, bim[1]);
        let a = counts.alleles;
        let ours =
            if *a1 == bim[4] { [a.case_alt, a.control_alt] } else { [a.case_ref, a.control_ref] };
        assert_eq!(ours.map(|n| n.to_string()), [cases.clone(), controls.clone()], "{id}");
    }
}
