//! Phenotype tables, and lists of people and variants.

use std::path::Path;

use gwas::io::{
    ContentError, Sample, Sex, Table, TableError, read_extract, read_extract_ranges, read_keep,
};
use gwas::panel::{Contig, Panel, ReferenceStatus, Variant};

use super::{Seeds, fixture, head, with_files};

pub(super) const WORDS: &[&[u8]] = &[
    b"#FID\tIID\tX\n",
    b"#IID X\n",
    b"IID",
    b"f",
    b"S3CRET",
    b"\t",
    b" ",
    b"\n",
    b"\r\n",
    b"1",
    b"2",
    b"0",
    b"-9",
    b"NA",
    b".",
    b"nan",
    b"inf",
    b"1e308",
    b"1e-320",
    b"2.5",
    b",",
    b"\"",
    b"##",
    b"\0",
    b"\xff",
    b"\xc2\xa0",
];
pub(super) const RANGE_WORDS: &[&[u8]] =
    &[b"1", b"chr1", b"22", b"X", b"odd", b"0", b"4294967295", b"100", b"200", b"r\n", b"\n", b" "];

/// Stands for what is private: no error may repeat it.
const SECRET: &str = "S3CRET";

/// Everything about a table: its shape, each column as case-control and as numbers; errors repeat no cell and no id.
pub(super) fn pheno(data: &[u8]) -> bool {
    let mut accepted = false;
    let samples = samples();
    let table = match Table::read(data, Path::new("table.tsv")) {
        Ok(table) => table,
        Err(TableError::Content { source: ContentError::Frame, .. }) => {
            panic!("checked and then not taken apart")
        }
        Err(error) => {
            silent(&error.to_string(), data);
            return false;
        }
    };
    for name in table.names() {
        for one_coded in [false, true] {
            match table.case_control(Some(name), &samples, one_coded) {
                Ok(found) => {
                    accepted = true;
                    assert_eq!(found.status.len(), samples.len());
                    assert!(found.cases() > 0 && found.controls() > 0);
                    let known = (found.cases() + found.controls() + found.missing()) as usize;
                    assert_eq!(known, samples.len());
                }
                Err(error) => silent(&error.to_string(), data),
            }
        }
        match table.quantitative(Some(name), &samples) {
            Ok(values) => assert!(values.iter().flatten().all(|value| value.is_finite())),
            Err(error) => silent(&error.to_string(), data),
        }
    }
    accepted
}

/// A message may name columns, which the header does, and nothing of the lines below.
fn silent(message: &str, data: &[u8]) {
    assert!(!message.is_empty());
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("##"));
    let in_header = lines.next().is_some_and(|header| header.contains(SECRET));
    assert!(in_header || !message.contains(SECRET), "{message}");
}

/// People to keep: some of the file's, in order; errors repeat no id.
pub(super) fn keep(data: &[u8]) -> bool {
    let samples = samples();
    with_files(&[("keep", data)], |folder| match read_keep(&folder.join("keep"), &samples) {
        Ok(chosen) => {
            assert!(!chosen.indices.is_empty() && chosen.indices.is_sorted_by(|a, b| a < b));
            assert!(chosen.indices.iter().all(|&index| (index as usize) < samples.len()));
            true
        }
        Err(error) => {
            assert!(!error.to_string().contains(SECRET), "{error}");
            false
        }
    })
}

/// Variants by id: those, and no others, whose id stands in the list.
pub(super) fn extract(data: &[u8]) -> bool {
    let panel = panel();
    with_files(&[("extract", data)], |folder| match read_extract(&folder.join("extract"), &panel) {
        Ok(chosen) => {
            let listed: Vec<&[u8]> = without_mark(data).split(u8::is_ascii_whitespace).collect();
            let expected = matching(&panel, |variant| listed.contains(&variant.id.as_bytes()));
            assert_eq!(chosen.indices, expected);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    })
}

/// Variants by range: those, and no others, that a line covers.
pub(super) fn extract_ranges(data: &[u8]) -> bool {
    let panel = panel();
    with_files(&[("ranges", data)], |folder| {
        match read_extract_ranges(&folder.join("ranges"), &panel) {
            Ok(chosen) => {
                let text = std::str::from_utf8(without_mark(data)).expect("accepted as text");
                let ranges: Vec<(&str, u32, u32)> = text.lines().filter_map(range).collect();
                let expected = matching(&panel, |variant| {
                    ranges.iter().any(|&(chromosome, first, last)| {
                        same(chromosome, variant.chrom) && (first..=last).contains(&variant.pos)
                    })
                });
                assert_eq!(chosen.indices, expected);
                true
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                false
            }
        }
    })
}

fn range(line: &str) -> Option<(&str, u32, u32)> {
    let mut fields = line.split_ascii_whitespace();
    Some((fields.next()?, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn same(a: &str, b: &str) -> bool {
    match (Contig::parse(a), Contig::parse(b)) {
        (Contig::Unknown, Contig::Unknown) => a == b,
        (a, b) => a == b,
    }
}

fn matching(panel: &Panel, wanted: impl Fn(&Variant<'_>) -> bool) -> Vec<u32> {
    (0..).zip(panel.iter()).filter(|(_, variant)| wanted(variant)).map(|(index, _)| index).collect()
}

fn without_mark(data: &[u8]) -> &[u8] {
    data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data)
}

fn samples() -> Vec<Sample> {
    let sample = |iid: &str| Sample {
        fid: Some("f".into()),
        iid: iid.into(),
        sex: Sex::Unknown,
        founder: true,
    };
    ["a", "b", "c", "d", SECRET].map(sample).into()
}

fn panel() -> Panel {
    let mut panel = Panel::new(ReferenceStatus::Given);
    for (chrom, pos, id) in [
        ("1", 100, "rs1"),
        ("chr1", 200, "rs2"),
        ("22", 100, "rs3"),
        ("X", 150, "rs1"),
        ("odd", 100, "."),
        ("1", 0, "rs4"),
        ("1", u32::MAX, "rs5"),
    ] {
        panel
            .push(Variant { chrom, pos, id, reference: "A", alternate: "C" })
            .expect("a sound variant");
    }
    panel
}

pub(super) fn pheno_seeds() -> Seeds {
    vec![
        ("bad-others", head(&fixture("small.pheno.tsv"), 8)),
        (
            "good-own",
            b"#FID\tIID\tX\tY\nf\ta\t1\t0.5\nf\tb\t2\tNA\nf\tc\t-9\t-1e-3\nf\tS3CRET\t2\t7\n"
                .to_vec(),
        ),
        ("good-iid", b"## note\n\n#IID X\na 0\nb 1\n".to_vec()),
        ("good-empty-field", b"#IID\tX\tY\na\t\t2\nb\t1\t1\n".to_vec()),
        ("good-looks-compressed", b"#IID X Y\na x^ 1\nb x 2\n".to_vec()),
        ("bad-three-values", b"#FID IID X\nf a 1\nf b 2\nf c 3\n".to_vec()),
        ("bad-secret-value", b"#FID IID X\nf a 1\nf b S3CRET\n".to_vec()),
        ("bad-twice", b"#FID IID X\nf S3CRET 1\nf S3CRET 2\n".to_vec()),
        ("bad-nobody", b"#FID IID X\nf x1 1\nf x2 2\n".to_vec()),
        ("bad-commas", b"FID,IID,X\nf,a,1\n".to_vec()),
        ("bad-fields", b"#FID IID X\nf a 1\nf S3CRET\n".to_vec()),
        ("bad-header", b"name value\na 1\n".to_vec()),
        ("bad-columns", b"#FID IID X X\nf a 1 1\n".to_vec()),
        ("bad-not-text", b"#FID IID X\nf \xff 1\n".to_vec()),
        ("bad-empty", Vec::new()),
    ]
}

pub(super) fn keep_seeds() -> Seeds {
    vec![
        ("good", b"f a\nf c extra\n\nf c\n".to_vec()),
        ("good-header", b"#FID IID\nf S3CRET\n".to_vec()),
        ("good-iid", b"#IID\na\nb\n".to_vec()),
        ("bad-mixed", b"f a\nS3CRET\n".to_vec()),
        ("bad-nobody", b"g S3CRET\n".to_vec()),
        ("bad-blank", b"\n \n".to_vec()),
        ("bad-not-text", b"f \xff\n".to_vec()),
    ]
}

pub(super) fn extract_seeds() -> Seeds {
    vec![
        ("good", b"rs1\nrs3 rs9\n\n".to_vec()),
        ("good-dot", b".\r\n".to_vec()),
        ("bad-none", b"rs8\n".to_vec()),
        ("bad-blank", b"\n".to_vec()),
        ("bad-not-text", b"rs\xff\n".to_vec()),
    ]
}

pub(super) fn range_seeds() -> Seeds {
    vec![
        ("good", b"1 50 150 a\nchr22 100 100 b\n".to_vec()),
        ("good-overlapping", b"1 0 4294967295 a\n1 100 100 b\nodd 1 1000 c\n".to_vec()),
        ("bad-order", b"1 5 4 a\n".to_vec()),
        ("bad-number", b"1 five 6 a\n".to_vec()),
        ("bad-columns", b"1 5 6\n".to_vec()),
        ("bad-none", b"3 1 5 a\n".to_vec()),
    ]
}
