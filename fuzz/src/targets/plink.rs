//! BED, BIM and FAM. Each is fuzzed beside two sound files that fit it.

use std::path::Path;

use gwas::io::{BedOptions, GenotypeFile, RefAllele, code_bytes, open_bfile};

use super::{Seeds, fixture, head, with_files};

pub(super) const TEXT_WORDS: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b"0",
    b"-9",
    b"2147483648",
    b"-1",
    b"1",
    b"23",
    b"chr1",
    b"A",
    b"<DEL>",
    b".",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff",
];
pub(super) const BED_WORDS: &[&[u8]] =
    &[b"\x6c\x1b\x01", b"\x6c\x1b\x00", b"\x1f\x8b", b"\xff", b"\x55"];

const PEOPLE: u32 = 5;
const VARIANTS: u32 = 3;
const FAM: &[u8] = b"a a 0 0 1 1\nb b 0 0 2 2\nc c 0 0 1 1\nd d a b 2 2\ne e 0 0 0 -9\n";
const BIM: &[u8] = b"1\trs1\t0\t100\tA\tG\n1\trs2\t0\t200\tC\tT\n22\trs3\t0\t300\tG\tA\n";

/// A BED file for 5 people and 3 variants: accepted exactly when magic and length are right, and then the codes that come
/// out are the ones that went in.
pub(super) fn bed(data: &[u8]) -> bool {
    let opened = open(data, BIM, FAM, &BedOptions::default());
    let stride = code_bytes(PEOPLE);
    let sound = data.len() == 3 + stride * VARIANTS as usize && data.starts_with(&[0x6c, 0x1b, 1]);
    assert_eq!(opened.is_some(), sound);
    if let Some(file) = opened {
        let mut codes = vec![0; stride * VARIANTS as usize];
        file.genotypes.read_codes(&[0, 1, 2], 0..PEOPLE, &mut codes).expect("an open file is read");
        for (out, stored) in codes.chunks(stride).zip(data[3..].chunks(stride)) {
            let people = |bytes: &[u8]| -> Vec<u8> {
                (0..PEOPLE as usize).map(|i| bytes[i / 4] >> (2 * (i % 4)) & 3).collect()
            };
            assert_eq!(people(out), people(stored));
        }
    }
    sound
}

/// A BIM file; the BED file beside it has as many rows as this one has lines that are not blank.
pub(super) fn bim(data: &[u8]) -> bool {
    let mut accepted = false;
    let rows = lines(data);
    let bed = [&[0x6c, 0x1b, 1][..], &vec![0; rows * code_bytes(PEOPLE)]].concat();
    for ref_allele in [RefAllele::Last, RefAllele::First] {
        for strict in [false, true] {
            let options = BedOptions { ref_allele, strict, build: None };
            if let Some(file) = open(&bed, data, FAM, &options) {
                accepted = true;
                let panel = file.genotypes.panel();
                assert_eq!(panel.len() as usize + file.exclusions.len(), rows);
                // Whatever was accepted can be written as a panel and read again.
                let mut text = Vec::new();
                panel.write_text(&mut text).expect("memory takes everything");
                let again = gwas::panel::Panel::read_text(text.as_slice())
                    .expect("a written panel is read");
                assert_eq!(again.digest(), panel.digest());
                let mut table = Vec::new();
                file.exclusions.write_tsv(&mut table).expect("memory takes everything");
            }
        }
    }
    accepted
}

/// A FAM file; the BED file beside it has rows for as many people as this one has lines that are not blank.
pub(super) fn fam(data: &[u8]) -> bool {
    let people = lines(data);
    let stride = people.div_ceil(4);
    let bed = [&[0x6c, 0x1b, 1][..], &vec![0xff; stride * VARIANTS as usize]].concat();
    let opened = open(&bed, BIM, data, &BedOptions::default());
    if let Some(file) = &opened {
        assert_eq!(file.genotypes.samples().len(), people);
        assert!(file.phenotypes.is_some());
    }
    opened.is_some()
}

/// Lines with something on them.
fn lines(data: &[u8]) -> usize {
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    data.split(|&byte| byte == b'\n')
        .filter(|line| !line.iter().all(u8::is_ascii_whitespace))
        .count()
}

fn open(bed: &[u8], bim: &[u8], fam: &[u8], options: &BedOptions) -> Option<GenotypeFile> {
    with_files(&[("x.bed", bed), ("x.bim", bim), ("x.fam", fam)], |folder| {
        opened(&folder.join("x"), options)
    })
}

fn opened(prefix: &Path, options: &BedOptions) -> Option<GenotypeFile> {
    match open_bfile(prefix, options) {
        Ok(file) => Some(file),
        Err(error) => {
            // Messages are made without harm, too.
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

pub(super) fn bed_seeds() -> Seeds {
    vec![
        ("good", b"\x6c\x1b\x01\x1b\x02\xe4\x03\x55\x01".to_vec()),
        ("bad-sample-major", b"\x6c\x1b\x00\x1b\x02\xe4\x03\x55\x01".to_vec()),
        ("bad-magic", b"\x6c\x1c\x01\x1b\x02\xe4\x03\x55\x01".to_vec()),
        ("bad-truncated", b"\x6c\x1b\x01\x1b\x02\xe4".to_vec()),
        ("bad-longer", b"\x6c\x1b\x01\x1b\x02\xe4\x03\x55\x01\x00".to_vec()),
        ("bad-gzip", b"\x1f\x8b\x08\x04\x00\x00\x00\x00".to_vec()),
        ("bad-empty", Vec::new()),
    ]
}

pub(super) fn bim_seeds() -> Seeds {
    vec![
        ("good-small", head(&fixture("small.bim"), 12)),
        ("good-edge", fixture("edge.bim")),
        ("good-spaces", b" 1  rs1 0 5 A C\r\n\r\n1 rs2 0.5 6 G T\r\n".to_vec()),
        ("bad-columns", b"1\trs1\t0\t5\tA\n".to_vec()),
        ("good-negative-position", b"1\trs1\t0\t-5\tA\tC\n1\trs2\t0\t5\tA\tC\n".to_vec()),
        ("bad-position", b"1\trs1\t0\tfive\tA\tC\n".to_vec()),
        ("bad-huge-position", b"1\trs1\t0\t99999999999\tA\tC\n".to_vec()),
        ("bad-not-text", b"1\trs\xff\t0\t5\tA\tC\n".to_vec()),
        ("bad-blank", b"\n\n".to_vec()),
    ]
}

pub(super) fn fam_seeds() -> Seeds {
    vec![
        ("good-small", head(&fixture("small.fam"), 12)),
        ("good-edge", fixture("edge.fam")),
        ("good-spaces", b"a  1 0 0 1 -9\r\n\r\na 2 0 0 0 0.5".to_vec()),
        ("bad-columns", b"a 1 0 0 1\n".to_vec()),
        ("bad-twice", b"a 1 0 0 1 1\na 1 0 0 1 1\n".to_vec()),
        ("bad-blank", b" \n".to_vec()),
    ]
}
