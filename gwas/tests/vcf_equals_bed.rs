//! The same people give the same plaintexts to encrypt, whether their genotypes come as BED, VCF, VCF.gz or BCF.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use gwas::io::{BedOptions, Cohort, VcfOptions, open_bfile, open_vcf};
use gwas::packing::{Packing, fill_slab};
use gwas::wire::PlaneKind;
use hegwas_fixtures::committed::data_folder;
use hegwas_fixtures::real_data;

const DEGREE: usize = 2048;

fn bed(prefix: &Path) -> Cohort {
    Cohort::whole(open_bfile(prefix, &BedOptions::default()).unwrap().genotypes)
}

fn vcf(path: &Path) -> Cohort {
    Cohort::whole(open_vcf(path, &VcfOptions::default()).unwrap().genotypes)
}

/// Every slab of every plane, in chunks of rows as encryption takes them.
fn compare(a: &Cohort, b: &Cohort) {
    assert_eq!((a.people(), a.panel().digest()), (b.people(), b.panel().digest()));
    let packing = Packing::new(a.variant_count(), DEGREE).unwrap();
    let mut values = 0;
    for plane in [PlaneKind::Dosage, PlaneKind::HomAlt, PlaneKind::Called] {
        for group in 0..packing.groups() {
            let width = packing.bodies(group) as usize * DEGREE;
            for first in (0..a.people()).step_by(256) {
                let rows = first..(first + 256).min(a.people());
                let slab = |cohort: &Cohort| {
                    let mut slab = vec![0; rows.len() * width];
                    fill_slab(cohort, plane, group, rows.clone(), DEGREE, &mut slab).unwrap();
                    slab
                };
                let (one, two) = (slab(a), slab(b));
                assert!(one == two, "{plane:?}, group {group}, rows {rows:?}");
                values += one.iter().filter(|&&v| v != 0).count();
            }
        }
    }
    assert!(values > 1000, "planes of zeros say nothing");
}

#[test]
fn synthetic_genotypes_in_four_formats() {
    let expected = bed(&data_folder().join("small"));
    for extension in ["vcf", "vcf.gz", "bcf"] {
        compare(&expected, &vcf(&data_folder().join(format!("small.{extension}"))));
    }
}

/// The fileset `prefix` as VCF; the first allele of the .bim file is ALT.
fn write_vcf(prefix: &Path, to: PathBuf) -> PathBuf {
    let lines = |extension: &str| -> Vec<Vec<String>> {
        let text = fs::read_to_string(prefix.with_extension(extension)).unwrap();
        text.lines().map(|l| l.split_whitespace().map(str::to_owned).collect()).collect()
    };
    let (people, variants) = (lines("fam"), lines("bim"));
    let bed = fs::read(prefix.with_extension("bed")).unwrap();
    let mut out = std::io::BufWriter::new(fs::File::create(&to).unwrap());
    writeln!(out, "##fileformat=VCFv4.2").unwrap();
    writeln!(out, "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">").unwrap();
    let ids: Vec<&str> = people.iter().map(|p| p[1].as_str()).collect();
    writeln!(out, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}", ids.join("\t"))
        .unwrap();
    for (v, row) in variants.iter().zip(bed[3..].chunks(people.len().div_ceil(4))) {
        let mut line =
            format!("{}\t{}\t{}\t{}\t{}\t.\t.\t.\tGT", v[0], v[3], v[1], v[5], v[4]).into_bytes();
        for i in 0..people.len() {
            let code = usize::from(row[i / 4] >> (2 * (i % 4)) & 3);
            line.extend([b"\t1/1", b"\t./.", b"\t0/1", b"\t0/0"][code]);
        }
        line.push(b'\n');
        out.write_all(&line).unwrap();
    }
    out.flush().unwrap();
    to
}

#[test]
fn real_genotypes() {
    let Some(data) = real_data() else {
        println!("skipped: no real data ($HEGWAS_DATA or ../shared/data)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for prefix in ["hapmap3/data", "geuvadis22/g22"] {
        let prefix = data.join(prefix);
        let path = write_vcf(&prefix, folder.path().join("x.vcf"));
        compare(&bed(&prefix), &vcf(&path));
    }
}
