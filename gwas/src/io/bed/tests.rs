use std::fs;

use super::*;
use crate::io::code;

/// Five people, three variants; a missing call, pad bits set in the last byte of the second variant.
const FAM: &str = "f a 0 0 1 2\nf b 0 0 2 1\ng c 0 0 1 2\ng d c a 2 1\nh e 0 0 0 -9\n";
const BIM: &str = "1 x 0 10 A G\n23 y 0 5 A G\n22 z 0 7 C T\n";
const BED: [u8; 9] =
    [0x6c, 0x1b, 0x01, 0b11_10_01_00, 0b10, 0xff, 0xff, 0b00_00_11_10, 0b1111_0011];

struct Fileset {
    dir: tempfile::TempDir,
}

impl Fileset {
    fn new(bed: &[u8], bim: &str, fam: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // A prefix with a dot in it must not lose its tail.
        for (extension, bytes) in [("bed", bed), ("bim", bim.as_bytes()), ("fam", fam.as_bytes())] {
            fs::write(dir.path().join(format!("data.v1.{extension}")), bytes).unwrap();
        }
        Self { dir }
    }

    fn prefix(&self) -> PathBuf {
        self.dir.path().join("data.v1")
    }

    fn open(&self) -> Result<GenotypeFile, BedError> {
        open_bfile(&self.prefix(), &BedOptions::default())
    }
}

fn codes(source: &dyn GenotypeSource, variant: u32) -> Vec<u8> {
    let people = source.samples().len() as u32;
    let mut out = vec![0; code_bytes(people)];
    source.read_codes(&[variant], 0..people, &mut out).unwrap();
    (0..people as usize).map(|i| out[i / 4] >> (2 * (i % 4)) & 3).collect()
}

#[test]
fn reads_what_plink_writes() {
    use code::{HET, HOM_ALT, HOM_REF, MISSING};
    let file = Fileset::new(&BED, BIM, FAM).open().unwrap();
    let source = file.genotypes;
    assert_eq!(source.panel().len(), 2);
    assert_eq!(file.exclusions.counts(), [(crate::io::Reason::SexChromosome, 1)]);
    assert_eq!(codes(&*source, 0), [HOM_ALT, MISSING, HET, HOM_REF, HET]);
    assert_eq!(codes(&*source, 1), [HET, HOM_REF, HOM_ALT, HOM_ALT, HOM_REF]);
    assert_eq!(source.samples().iter().filter(|s| s.founder).count(), 4);
    assert!(!format!("{source:?} {:?}", file.phenotypes).contains("-9"));
}

#[test]
fn ref_first_turns_alleles_and_codes_round() {
    let files = Fileset::new(&BED, BIM, FAM);
    let options = BedOptions { ref_allele: RefAllele::First, ..BedOptions::default() };
    let source = open_bfile(&files.prefix(), &options).unwrap().genotypes;
    let v = source.panel().get(0).unwrap();
    assert_eq!((v.reference, v.alternate), ("A", "G"));
    assert_eq!(
        codes(&*source, 0),
        [code::HOM_REF, code::MISSING, code::HET, code::HOM_ALT, code::HET]
    );
}

#[test]
fn a_wrong_bed_file_says_what_to_do() {
    let mut sample_major = BED;
    sample_major[2] = 0;
    let mut long = BED.to_vec();
    long.push(0);
    for (bed, message) in [
        (&b"##fileformat=VCFv4.2\n"[..], "not a PLINK 1 .bed"),
        (&BED[..2], "not a PLINK 1 .bed"),
        (&[], "not a PLINK 1 .bed"),
        (&sample_major, "--make-bed"),
        (&BED[..8], "has 8 bytes, but 5 people (.fam) and 3 variants (.bim) make 9: it is cut off"),
        (&BED[..7], "would fit a .bim file of 2 variants"),
        (&BED[..3], "cut off"),
        (&long, "do not belong together"),
    ] {
        let error = Fileset::new(bed, BIM, FAM).open().unwrap_err().to_string();
        assert!(error.contains(message) && error.contains("data.v1.bed"), "{error}");
    }
}

#[test]
fn counts_that_disagree_name_the_file_to_replace() {
    let fewer = FAM.lines().take(4).map(|l| format!("{l}\n")).collect::<String>();
    let error = Fileset::new(&BED, BIM, &fewer).open().unwrap_err().to_string();
    assert!(error.contains("would fit a .fam file of 5 to 8 people"), "{error}");
    let more = format!("{BIM}22 w 0 8 C T\n");
    let error = Fileset::new(&BED, &more, FAM).open().unwrap_err().to_string();
    assert!(error.contains("would fit a .bim file of 3 variants"), "{error}");
}

#[test]
fn errors_in_the_text_files_name_file_and_line() {
    let error = Fileset::new(&BED, "1 x 0 10 A G\n1 x 0\n", FAM).open().unwrap_err().to_string();
    assert!(error.contains("data.v1.bim: line 2"), "{error}");
    let error = Fileset::new(&BED, BIM, "f a 0 0 1 2\nf b\n").open().unwrap_err().to_string();
    assert!(error.contains("data.v1.fam: line 2"), "{error}");
    let files = Fileset::new(&BED, BIM, FAM);
    fs::remove_file(files.dir.path().join("data.v1.fam")).unwrap();
    assert!(files.open().unwrap_err().to_string().contains("data.v1.fam"));
    let strict = BedOptions { strict: true, ..BedOptions::default() };
    let twice = format!("{BIM}22 w 0 7 C T\n");
    let files = Fileset::new(&[&BED[..], &[0, 0]].concat(), &twice, FAM);
    assert!(open_bfile(&files.prefix(), &strict).unwrap_err().to_string().contains("22:7"));
    assert_eq!(files.open().unwrap().genotypes.panel().len(), 2);
    let bad_build = BedOptions { build: Some("a b".into()), ..BedOptions::default() };
    assert!(matches!(open_bfile(&files.prefix(), &bad_build), Err(BedError::Build(_))));
}

#[test]
fn a_file_cut_off_after_opening_is_an_error() {
    let files = Fileset::new(&BED, BIM, FAM);
    let source = files.open().unwrap().genotypes;
    fs::OpenOptions::new()
        .write(true)
        .open(files.dir.path().join("data.v1.bed"))
        .unwrap()
        .set_len(4)
        .unwrap();
    assert!(source.read_codes(&[1], 0..5, &mut [0; 2]).is_err());
}
