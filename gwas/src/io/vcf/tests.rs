use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Write as _};

use hegwas_fixtures::committed::data_folder;
use proptest::prelude::*;

use super::*;
use crate::io::{BedOptions, GenotypeSource, MatchError, Reason, Table, open_bfile};

fn data(name: &str) -> PathBuf {
    data_folder().join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(data(name)).unwrap()
}

fn read_bytes(bytes: Vec<u8>, options: &VcfOptions) -> Result<GenotypeFile, VcfError> {
    read_vcf(Cursor::new(bytes), Path::new("x.vcf"), options)
}

fn open_text(text: &str) -> Result<GenotypeFile, String> {
    read_bytes(text.as_bytes().to_vec(), &VcfOptions::default()).map_err(|e| e.to_string())
}

/// Two samples and these rows.
fn vcf(rows: &str) -> String {
    format!(
        "##fileformat=VCFv4.2\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2\n{rows}"
    )
}

/// The codes of everyone at every variant, one after the other.
fn all_codes(source: &dyn GenotypeSource) -> Vec<u8> {
    let people = source.samples().len() as u32;
    let variants: Vec<u32> = (0..source.panel().len()).collect();
    let stride = code_bytes(people);
    let mut out = vec![0; stride * variants.len()];
    source.read_codes(&variants, 0..people, &mut out).unwrap();
    let code = |i: usize, p: usize| out[i * stride + p / 4] >> (2 * (p % 4)) & 3;
    (0..variants.len()).flat_map(|i| (0..people as usize).map(move |p| code(i, p))).collect()
}

fn gunzip(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(data(name)).unwrap())
        .read_to_end(&mut out)
        .unwrap();
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[test]
fn every_format_gives_what_the_bed_file_gives() {
    for (prefix, extensions) in
        [("small", &["vcf", "vcf.gz", "bcf"][..]), ("edge", &["vcf", "vcf.gz"])]
    {
        let bed = open_bfile(&data(prefix), &BedOptions::default()).unwrap();
        let expected = all_codes(&*bed.genotypes);
        for extension in extensions {
            let file =
                open_vcf(&data(&format!("{prefix}.{extension}")), &VcfOptions::default()).unwrap();
            assert_eq!(all_codes(&*file.genotypes), expected, "{prefix}.{extension}");
            let sites = |s: &dyn GenotypeSource| -> Vec<String> {
                // What a .bim file calls 0, a VCF file calls a dot.
                let name =
                    |allele: &str| if allele == "." { "0".to_owned() } else { allele.to_owned() };
                let panel = s.panel();
                panel
                    .iter()
                    .map(|v| {
                        format!(
                            "{} {} {} {} {}",
                            v.chrom,
                            v.pos,
                            v.id,
                            name(v.reference),
                            name(v.alternate)
                        )
                    })
                    .collect()
            };
            assert_eq!(sites(&*file.genotypes), sites(&*bed.genotypes));
            assert_eq!(file.exclusions.counts(), bed.exclusions.counts());
            assert_eq!(file.repeated_ids, bed.repeated_ids);
            let names = |s: &dyn GenotypeSource| {
                s.samples().iter().map(|p| p.iid.clone()).collect::<Vec<_>>()
            };
            assert_eq!(names(&*file.genotypes), names(&*bed.genotypes));
            assert_eq!(file.genotypes.panel().reference_status(), ReferenceStatus::Given);
        }
    }
}

#[test]
fn plain_gzip_uncompressed_bcf_and_the_temporary_file_change_nothing() {
    let expected =
        all_codes(&*open_vcf(&data("small.vcf"), &VcfOptions::default()).unwrap().genotypes);
    let disk = VcfOptions { memory: 100, ..VcfOptions::default() };
    for input in [gzip(&bytes("small.vcf")), gunzip("small.bcf"), gzip(&gunzip("small.bcf"))] {
        for options in [&VcfOptions::default(), &disk] {
            assert_eq!(
                all_codes(&*read_bytes(input.clone(), options).unwrap().genotypes),
                expected
            );
        }
    }
}

#[test]
fn a_spool_that_cannot_be_written_says_where() {
    let options = VcfOptions {
        memory: 0,
        spool_dir: Some("/no/such/folder".into()),
        ..VcfOptions::default()
    };
    let error = open_vcf(&data("small.vcf"), &options).unwrap_err().to_string();
    assert!(error.contains("/no/such/folder") && error.contains("TMPDIR"), "{error}");
}

#[test]
fn phenotypes_match_by_iid_because_vcf_has_no_fids() {
    let file = open_vcf(&data("small.vcf"), &VcfOptions::default()).unwrap();
    let table = Table::open(&data("small.pheno.tsv")).unwrap();
    let by_vcf = table.case_control(None, file.genotypes.samples(), false).unwrap();
    let bed = open_bfile(&data("small"), &BedOptions::default()).unwrap();
    let by_bed = table.case_control(None, bed.genotypes.samples(), false).unwrap();
    assert_eq!(by_vcf.status, by_bed.status);
    let fam = Table::from_fam(&bed.phenotypes.unwrap(), bed.genotypes.samples()).unwrap();
    assert_eq!(
        fam.case_control(None, bed.genotypes.samples(), false).unwrap().status,
        by_bed.status
    );
    let strangers = Table::read(&b"#IID X\nnobody 1\n"[..], Path::new("p")).unwrap();
    let error = strangers.case_control(None, bed.genotypes.samples(), false).unwrap_err();
    assert!(matches!(error.kind, crate::io::PhenoErrorKind::Match(MatchError::NoOverlap { .. })));
}

#[test]
fn multiallelic_rows_stop_or_are_skipped() {
    let text = vcf(
        "1\t5\ta\tA\tC\t.\t.\t.\tGT\t0/1\t1/1\n1\t6\tb\tA\tC,G\t.\t.\t.\tGT\t0/1\t1/2\nX\t7\tc\tA\tC,T\t.\t.\t.\tGT\t0\t2\n1\t8\td\tA\t<DEL>\t.\t.\t.\tGT\t0/0\t./.\n",
    );
    let error = open_text(&text).unwrap_err();
    assert!(error.contains("line 5: 1:6") && error.contains("bcftools norm -m-"), "{error}");
    let options = VcfOptions { skip_multiallelic: true, ..VcfOptions::default() };
    let file = read_bytes(text.into_bytes(), &options).unwrap();
    assert_eq!(file.exclusions.counts(), [(Reason::SexChromosome, 1), (Reason::Multiallelic, 1)]);
    assert_eq!(all_codes(&*file.genotypes), [2, 0, 3, 1]);
}

#[test]
fn duplicates_are_taken_out_of_the_genotypes_too() {
    let row = |pos, calls| format!("1\t{pos}\t.\tA\tC\t.\t.\t.\tGT\t{calls}\n");
    let text = vcf(&(row(5, "0/0\t0/1")
        + &row(6, "1/1\t1/1")
        + &row(5, "0/1\t0/1")
        + &row(7, "./.\t0/0")));
    let file = open_text(&text).unwrap();
    assert_eq!(file.exclusions.counts(), [(Reason::Duplicate, 1)]);
    assert_eq!(all_codes(&*file.genotypes), [3, 2, 0, 0, 1, 3]);
    let strict = VcfOptions { strict: true, ..VcfOptions::default() };
    assert!(read_bytes(text.into_bytes(), &strict).unwrap_err().to_string().contains("1:5"));
}

#[test]
fn rows_without_genotypes_and_other_formats() {
    let file = open_text(&vcf(
        "1\t5\t.\tA\tC\t.\tLowQual\tDP=3\tDP:GT\t3:0/1\t9\n1\t6\t.\tA\tC\t.\t.\t.\tDP\t3\t4\n\n1\t7\t.\tA\t.\t.\t.\t.\tGT:DP\t0|0:7\t.\n",
    ))
    .unwrap();
    assert_eq!(all_codes(&*file.genotypes), [2, 1, 1, 1, 3, 1]);
}

#[test]
fn refusals_name_the_line_and_no_sample() {
    let row = "1\t5\ta\tA\tC\t.\t.\t.\tGT\t";
    for (text, message) in [
        (vcf(&format!("{row}0/1\t1\n")), "line 4, sample 2: a call of one allele"),
        (vcf(&format!("{row}0/1/1\t1/1\n")), "line 4, sample 1: a call of more than two"),
        (vcf(&format!("{row}0/1\t0/3\n")), "line 4, sample 2: the call names an allele"),
        (vcf(&format!("{row}0/1\tx\n")), "line 4, sample 2: the GT field is malformed"),
        (vcf(&format!("{row}0/1\n")), "line 4: another number of samples"),
        (vcf(&format!("{row}0/1\t0/1\t0/1\n")), "line 4: another number of samples"),
        (vcf("1\t5\ta\tA\tC\n"), "line 4: fewer columns"),
        (vcf("1\t-5\ta\tA\tC\t.\t.\t.\tGT\t0/1\t0/1\n"), "line 4: POS is not a position"),
        (vcf("1\t5\t\tA\tC\t.\t.\t.\tGT\t0/1\t0/1\n"), "line 4: the variant id is empty"),
        (vcf("1\t3000000000\ta\tA\tC\t.\t.\t.\tGT\t0/1\t0/1\n"), "line 4: the position is above"),
        (vcf(""), "holds no variant"),
        ("##fileformat=VCFv3.3\n".into(), "line 1: expected ##fileformat=VCFv4"),
        ("##fileformat=VCFv4.2\n##x\n".into(), "line 3: the header ends before"),
        ("##fileformat=VCFv4.2\n1\t5\n".into(), "line 2: expected a header line"),
        (
            "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n".into(),
            "line 2: the #CHROM line must name",
        ),
        (
            vcf("").replace("s2", "s1"),
            "two samples in the header have the same name (columns 1 and 2)",
        ),
        (vcf("").replace("s2", ""), "a sample's name is empty"),
        ("chr\tpos\n".into(), "is neither VCF nor BCF"),
        (String::new(), "is neither VCF nor BCF"),
    ] {
        let error = open_text(&text).unwrap_err();
        assert!(error.starts_with("x.vcf: ") || error.starts_with("x.vcf "), "{error}");
        assert!(error.contains(message), "{error}");
        assert!(!error.contains("s1") && !error.contains("s2"), "{error}");
    }
    let error =
        open_vcf(Path::new("/no/such/file.vcf"), &VcfOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with("/no/such/file.vcf: cannot be read"), "{error}");
    let bad_build = VcfOptions { build: Some("a b".into()), ..VcfOptions::default() };
    assert!(open_vcf(&data("small.vcf"), &bad_build).unwrap_err().to_string().contains("build"));
}

#[test]
fn haploid_calls_on_chromosomes_that_are_left_out_do_not_matter() {
    let file =
        open_text(&vcf("X\t5\t.\tA\tC\t.\t.\t.\tGT\t0\t1\n1\t5\t.\tA\tC\t.\t.\t.\tGT\t0/0\t1/0\n"))
            .unwrap();
    assert_eq!(all_codes(&*file.genotypes), [3, 2]);
}

#[test]
fn cut_off_files_are_errors_wherever_they_are_cut() {
    let options = VcfOptions::default();
    for (name, step) in [("small.vcf.gz", 97), ("small.bcf", 97), ("edge.vcf.gz", 31)] {
        let whole = bytes(name);
        let cuts = (0..whole.len()).step_by(step).chain(whole.len() - 40..whole.len());
        for cut in cuts {
            assert!(read_bytes(whole[..cut].to_vec(), &options).is_err(), "{name} cut at {cut}");
        }
    }
    let whole = bytes("small.vcf.gz");
    let error = read_bytes(whole[..whole.len() - 28].to_vec(), &options).unwrap_err();
    assert!(matches!(error.kind, VcfErrorKind::Truncated), "{error}");
    // Without BGZF a binary file can only be cut between two records unnoticed.
    let plain = gunzip("small.bcf");
    let cut = (plain.len() - 60..plain.len())
        .filter(|&c| read_bytes(plain[..c].to_vec(), &options).is_ok());
    assert_eq!(cut.count(), 0);
    let gz = gzip(&bytes("small.vcf"));
    assert!(read_bytes(gz[..gz.len() - 9].to_vec(), &options).is_err());
}

#[test]
fn a_bcf_header_that_claims_too_much_allocates_nothing() {
    let mut claim = b"BCF\x02\x02".to_vec();
    claim.extend_from_slice(&u32::MAX.to_le_bytes());
    let error = read_bytes(claim.clone(), &VcfOptions::default()).unwrap_err().to_string();
    assert!(error.contains("longer than 64 MiB"), "{error}");
    claim[5..9].copy_from_slice(&(60u32 << 20).to_le_bytes());
    let error = read_bytes(claim, &VcfOptions::default()).unwrap_err().to_string();
    assert!(error.contains("cut off"), "{error}");
}

/// Header and one record, written by hand from the specification.
fn small_bcf(record: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>)) -> Vec<u8> {
    let mut header = String::new();
    write!(header, "##fileformat=VCFv4.3\n##contig=<ID=1,IDX=7>\n##FORMAT=<ID=DP,IDX=3>\n##FORMAT=<ID=GT,IDX=9>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2\n\0").unwrap();
    let mut out = b"BCF\x02\x02".to_vec();
    out.extend_from_slice(&(header.len() as u32).to_le_bytes());
    out.extend_from_slice(header.as_bytes());
    let (mut shared, mut individual) = (Vec::new(), Vec::new());
    for value in [7i32, 41, 1, 0x7f80_0001, 2 << 16, 2 << 24 | 2] {
        shared.extend_from_slice(&value.to_le_bytes());
    }
    shared.extend_from_slice(b"\x27rs\x17A\x17C\x00");
    individual.extend_from_slice(&[0x11, 3, 0x11, 20, 30, 0x11, 9, 0x21, 2, 5, 4, 4]);
    record(&mut shared, &mut individual);
    out.extend_from_slice(&(shared.len() as u32).to_le_bytes());
    out.extend_from_slice(&(individual.len() as u32).to_le_bytes());
    [out, shared, individual].concat()
}

#[test]
fn bcf_records_by_the_book() {
    let file = read_bytes(small_bcf(|_, _| {}), &VcfOptions::default()).unwrap();
    assert_eq!(all_codes(&*file.genotypes), [2, 0]);
    let v = file.genotypes.panel().get(0).unwrap();
    assert_eq!((v.chrom, v.pos, v.id, v.reference, v.alternate), ("1", 42, "rs", "A", "C"));
    type Edit = fn(&mut Vec<u8>, &mut Vec<u8>);
    let cases: [(Edit, &str); 9] = [
        (|s, _| s[0] = 6, "record 1: the chromosome's number"),
        (|s, _| s[7] = 0x80, "record 1: POS"),
        (|s, _| s[18] = 3, "record 1: the site part"),
        (|s, _| s[24] = 0x25, "record 1: the site part"),
        (|s, _| s.truncate(20), "record 1: the site part"),
        (|s, _| s[20] = 3, "record 1: another number of samples"),
        (|_, i| i.truncate(11), "record 1: the genotype part"),
        (|_, i| i[7] = 0x25, "record 1: the genotype part"),
        (|_, i| i[9] = 8, "record 1, sample 1: the call names an allele"),
    ];
    for (edit, message) in cases {
        let error = read_bytes(small_bcf(edit), &VcfOptions::default()).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let three = small_bcf(|s, _| {
        s[18] = 3;
        s.splice(29..29, *b"\x17G");
    });
    let error = read_bytes(three, &VcfOptions::default()).unwrap_err();
    assert!(
        matches!(error.kind, VcfErrorKind::Multiallelic { place: Place::Record(1), pos: 42, .. }),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn damaged_files_never_panic(at in 0.0..1.0f64, values in prop::collection::vec(any::<u8>(), 1..6), cut in any::<bool>()) {
        let options = VcfOptions { skip_multiallelic: true, ..VcfOptions::default() };
        for mut bytes in [small_bcf(|_, _| {}), gunzip("small.bcf"), bytes("edge.vcf"), bytes("edge.vcf.gz")] {
            let start = (at * bytes.len() as f64) as usize;
            for (byte, value) in bytes.iter_mut().skip(start).zip(&values) {
                *byte = *value;
            }
            if cut {
                bytes.truncate(start + values.len());
            }
            let _ = read_bytes(bytes, &options);
        }
    }
}
