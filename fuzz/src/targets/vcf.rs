//! VCF and BCF, plain and compressed.

use std::io::Write as _;
use std::path::Path;

use gwas::io::{GenotypeFile, VcfOptions, code_bytes, read_vcf};
use hegwas_fixtures::bgzf;

use super::{Seeds, fixture, head};

pub(super) const WORDS: &[&[u8]] = &[
    b"##fileformat=VCFv4.3\n",
    b"##contig=<ID=1>\n",
    b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n",
    b"\t",
    b"\n",
    b"\r\n",
    b"GT",
    b"GT:DP",
    b":",
    b"/",
    b"|",
    b"0/1",
    b"1|1",
    b"./.",
    b"./1",
    b".",
    b"0",
    b"2",
    b"1/1/1",
    b"A,C",
    b"<DEL>",
    b"*",
    b"23",
    b"X",
    b"2147483648",
    b"-1",
    b"\0",
    b"\xff",
];
pub(super) const BCF_WORDS: &[&[u8]] = &[
    b"BCF\x02\x02",
    b"BCF\x02\x01",
    b"\x11",
    b"\x21",
    b"\x31",
    b"\xf1",
    b"\xf7",
    b"\x12\x80",
    b"\x02\x04",
    b"\x00\x81",
    b"\x80",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"IDX=4294967295",
];

/// Text: plain and compressed, in memory and through the temporary file, it reads the same.
pub(super) fn vcf(data: &[u8]) -> bool {
    let (plain, strictly) = read(data, 1 << 20);
    let (packed, also) = read(&compressed(data), 0);
    assert_eq!((plain.is_some(), strictly), (packed.is_some(), also), "accepted in one form only");
    if let (Some(plain), Some(packed)) = (plain, packed) {
        let (a, b) = (plain.genotypes.as_ref(), packed.genotypes.as_ref());
        assert_eq!(a.panel().digest(), b.panel().digest());
        assert_eq!(codes(&plain), codes(&packed));
        assert_eq!(plain.exclusions.len(), packed.exclusions.len());
    }
    strictly
}

/// Compressed bytes as they come: whatever they are, they are read or refused.
pub(super) fn bgzf(data: &[u8]) -> bool {
    let (file, strictly) = read(data, 1 << 20);
    file.as_ref().map(codes);
    strictly
}

/// A BCF file's bytes before compression.
pub(super) fn bcf(data: &[u8]) -> bool {
    bgzf(&compressed(data))
}

/// The header's length, for the text that is there: it ends with the first zero byte.
pub(super) fn repair_bcf(data: &mut [u8]) {
    if let Some(end) = data.iter().skip(9).position(|&byte| byte == 0) {
        data[5..9].copy_from_slice(&(end as u32 + 1).to_le_bytes());
    }
}

/// The file that is read when rows with several alternate alleles are left out, and whether it is read with all its rows.
fn read(data: &[u8], memory: usize) -> (Option<GenotypeFile>, bool) {
    let options = VcfOptions { memory, spool_dir: super::in_memory(), ..VcfOptions::default() };
    let skipping = VcfOptions { skip_multiallelic: true, ..options.clone() };
    let input = || std::io::Cursor::new(data.to_vec());
    let strict = read_vcf(input(), Path::new("x"), &options);
    let file = read_vcf(input(), Path::new("x"), &skipping);
    match (&strict, &file) {
        (Ok(strict), Ok(file)) => {
            assert_eq!(strict.genotypes.panel().digest(), file.genotypes.panel().digest())
        }
        (Ok(_), Err(error)) => panic!("leaving rows out is refused: {error}"),
        (Err(error), _) => assert!(!error.to_string().is_empty()),
    }
    (file.ok(), strict.is_ok())
}

/// Everyone's codes at every variant; all of them can be had.
fn codes(file: &GenotypeFile) -> Vec<u8> {
    let source = file.genotypes.as_ref();
    let people = u32::try_from(source.samples().len()).expect("few people");
    let variants: Vec<u32> = (0..source.panel().len()).collect();
    let mut codes = vec![0; code_bytes(people) * variants.len()];
    source.read_codes(&variants, 0..people, &mut codes).expect("an open file is read");
    codes
}

fn compressed(data: &[u8]) -> Vec<u8> {
    let mut writer = bgzf::Writer::new(Vec::new());
    writer.write_all(data).and_then(|()| writer.finish()).expect("memory takes everything")
}

fn inflated(file: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(file), &mut bytes)
        .expect("a sound fixture");
    bytes
}

const GOOD: &str = "##fileformat=VCFv4.3\n##contig=<ID=1>\n##contig=<ID=X>\n\
    ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n\
    #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\td\te\n\
    1\t100\trs1\tA\tC\t.\tPASS\t.\tGT\t0/0\t0/1\t1|1\t./.\t.\n\
    1\t200\t.\tG\t<DEL>\t30\tq10\tDP=3\tDP:GT\t3:0|1\t4:1/0\t.:./1\t0:0/.\t9:1/1\n\
    1\t300\trs3\tT\t.\t.\t.\t.\tGT\t0/0\t0/0\t0/0\t0/0\t0/0\n\
    X\t400\trs4\tA\tG\t.\t.\t.\tGT\t0\t1\t0/1\t.\t1\n";

pub(super) fn seeds() -> Seeds {
    let bad = |from: &str, to: &str| GOOD.replace(from, to).into_bytes();
    vec![
        ("good", GOOD.into()),
        ("good-edge", head(&fixture("edge.vcf"), 18)),
        ("good-carriage-returns", bad("\n", "\r\n")),
        ("bad-multiallelic", bad("rs1\tA\tC", "rs1\tA\tC,G")),
        ("bad-allele-number", bad("1|1\t./.", "1|2\t./.")),
        ("bad-haploid-autosome", bad("0/0\t0/1\t1|1", "0\t0/1\t1|1")),
        ("bad-triploid", bad("0/0\t0/1\t1|1", "0/0/0\t0/1\t1|1")),
        ("bad-columns", bad("\t./.\t.\n", "\t./.\n")),
        ("bad-position", bad("\t100\t", "\t-100\t")),
        ("bad-no-version", bad("##fileformat=VCFv4.3\n", "")),
        ("bad-no-samples", bad("\tFORMAT\ta\tb\tc\td\te\n", "\n")),
        ("bad-sample-twice", bad("\ta\tb\t", "\ta\ta\t")),
        ("bad-truncated", GOOD.as_bytes()[..GOOD.len() / 2].to_vec()),
        ("bad-empty", Vec::new()),
    ]
}

pub(super) fn bgzf_seeds() -> Seeds {
    let good = compressed(GOOD.as_bytes());
    let mut flipped = good.clone();
    flipped[40] ^= 4;
    let mut size = good.clone();
    size[16] ^= 1;
    vec![
        ("bad-no-end", good[..good.len() - 28].to_vec()),
        ("bad-half", good[..good.len() / 2].to_vec()),
        ("bad-body", flipped),
        ("bad-size", size),
        ("bad-trailing", [&good[..], b"more"].concat()),
        (
            "good-two-blocks",
            [
                &good[..good.len() - 28],
                &compressed(b"1\t500\t.\tA\tC\t.\t.\t.\tGT\t0/0\t0/0\t0/0\t0/0\t1/1\n")[..],
            ]
            .concat(),
        ),
        ("good", good),
    ]
}

pub(super) fn bcf_seeds() -> Seeds {
    // The first rows of a file that bcftools wrote: header, then 3 records.
    let whole = inflated(&fixture("small.bcf"));
    let number = |at: usize| {
        let bytes: [u8; 4] = whole[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    };
    let mut end = 9 + number(5);
    let header = end;
    for _ in 0..3 {
        end += 8 + number(end) + number(end + 4);
    }
    let good = whole[..end].to_vec();
    let with = |at: usize, byte: u8| {
        let mut bad = good.clone();
        bad[at] = byte;
        bad
    };
    vec![
        ("bad-magic", with(0, b'b')),
        ("bad-version", with(4, 9)),
        ("bad-header-length", with(8, 0x7f)),
        ("bad-record-length", with(header + 3, 0x7f)),
        ("bad-chromosome", with(header + 8, 99)),
        ("bad-sample-count", with(header + 8 + 20, 1)),
        ("bad-truncated", good[..end - 5].to_vec()),
        ("good", good),
    ]
}
