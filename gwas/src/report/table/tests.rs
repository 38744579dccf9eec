#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::print_stderr)]
use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;
use crate::panel::ReferenceStatus;
use crate::report::top_hits;
use crate::stats::counts::PlaneSums;

/// A committed cohort: its variants, its sums and its people.
struct Cohort {
    panel: Panel,
    sums: Vec<VariantSums>,
    people: u32,
    cases: u32,
}

fn fixtures() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/data"))
}

fn cohort(name: &str) -> Cohort {
    let text = fs::read_to_string(fixtures().join(format!("{name}.counts.tsv"))).unwrap();
    let mut panel = Panel::new(ReferenceStatus::Provisional);
    let (mut sums, mut people, mut cases) = (vec![], 0, 0);
    for line in text.lines().skip(1) {
        let f: Vec<&str> = line.split('\t').collect();
        let alternate = if f[4] == "." { "0" } else { f[4] };
        let pos = f[1].parse().unwrap();
        panel.push(Variant { chrom: f[0], pos, id: f[2], reference: f[3], alternate }).unwrap();
        let n: Vec<i64> = f[5..13].iter().map(|x| x.parse().unwrap()).collect();
        let planes =
            |n: &[i64]| PlaneSums { x: n[2] - n[0], hom_alt: Some(n[2]), not_called: Some(-n[3]) };
        let both: Vec<i64> = n[..4].iter().zip(&n[4..]).map(|(a, b)| a + b).collect();
        sums.push(VariantSums { all: planes(&both), cases: planes(&n[..4]) });
        people = both.iter().sum::<i64>() as u32;
        cases = n[..4].iter().sum::<i64>() as u32;
    }
    Cohort { panel, sums, people, cases }
}

impl Cohort {
    fn write(&self, prefix: &Path, tests: &[Test], format: Format) -> Result<Summary, TableError> {
        let study = Study {
            phenotype: "CASE: \"x\"",
            people: self.people,
            cases: self.cases,
            date: "2026-01-31",
        };
        write(prefix, &self.panel, &study, &self.sums, tests, format)
    }
}

fn files(folder: &Path) -> Vec<String> {
    let name = |e: std::io::Result<fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn our_table_reads_back_equal() {
    for name in ["small", "edge"] {
        let folder = tempfile::tempdir().unwrap();
        let cohort = cohort(name);
        let summary = cohort.write(&folder.path().join("a.b"), &Test::ALL, Format::Tsv).unwrap();
        assert_eq!(files(folder.path()), ["a.b.assoc.tsv"]);
        let text = fs::read(&summary.files[0]).unwrap();
        let lines = String::from_utf8(text.clone()).unwrap();
        assert_eq!(lines.lines().count(), 1 + 5 * cohort.sums.len());
        assert!(lines.lines().all(|l| l.split('\t').count() == 18));
        let (panel, tests) = read_table(text.as_slice()).unwrap();
        assert!(panel == cohort.panel);
        assert_eq!(tests, summary.tests);
        for test in &tests {
            assert!(top_hits(&panel, test, 5).lines().count() <= 6);
        }
    }
}

#[test]
fn a_row_is_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let mut cohort = cohort("small");
    // The table worked by hand in `stats`, for 358 people.
    cohort.panel = cohort.panel.select(&[0]).unwrap();
    let planes = |x, two| PlaneSums { x, hom_alt: Some(two), not_called: None };
    cohort.sums = vec![VariantSums { all: planes(-291, 4), cases: planes(-154, 2) }];
    (cohort.people, cohort.cases) = (358, 179);
    cohort.write(&folder.path().join("x"), &[Test::Recessive, Test::Allelic], Format::Tsv).unwrap();
    let text = fs::read_to_string(folder.path().join("x.assoc.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|l| l.split('\t').collect()).collect();
    let v = cohort.panel.get(0).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows[0][..6],
        [v.chrom, &v.pos.to_string(), v.id, v.reference, v.alternate, v.alternate]
    );
    assert_eq!(rows[0][7..11], ["25", "42", "358", "ALLELIC"]);
    let close = |i: usize, want: f64| {
        let got: f64 = rows[0][i].parse().unwrap();
        assert!((got / want - 1.0).abs() < 1e-12, "{i}: {got}");
    };
    close(6, 67.0 / 716.0);
    close(11, 4.758_733_298_070_5);
    close(13, 0.564_850_564_850_565);
    close(14, 0.264_531_819_966_052_74);
    close(16, 1.535_361_543_592_296);
    assert_eq!((rows[0][12], rows[0][17]), ("1", "."));
    assert_eq!(rows[1][10..14], ["REC", "0", "1", "1"]);
    assert_eq!(rows[1][17], "LOW_COUNT");
}

#[test]
fn a_p_value_below_the_smallest_double_keeps_its_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut cohort = cohort("small");
    cohort.panel = cohort.panel.select(&[0]).unwrap();
    let planes = |x, two| PlaneSums { x, hom_alt: Some(two), not_called: None };
    cohort.sums = vec![VariantSums { all: planes(0, 5000), cases: planes(5000, 5000) }];
    (cohort.people, cohort.cases) = (10_000, 5_000);
    let summary = cohort.write(&folder.path().join("x"), &[Test::Allelic], Format::Tsv).unwrap();
    let text = fs::read_to_string(&summary.files[0]).unwrap();
    let row: Vec<&str> = text.lines().nth(1).unwrap().split('\t').collect();
    // chi-square is 20,000: -log10 p is 4345.0975...
    let (mantissa, exponent) = row[15].split_once("e-").unwrap();
    let got = exponent.parse::<f64>().unwrap() - mantissa.parse::<f64>().unwrap().log10();
    assert!((got - row[16].parse::<f64>().unwrap()).abs() < 1e-4 && got > 4000.0, "{row:?}");
    assert_eq!(read_table(text.as_bytes()).unwrap().1, summary.tests);
}

/// `.model` and the numbers of `.assoc` against what PLINK 1.9 wrote when the fixtures were made.
#[test]
fn plink_format_equals_the_committed_plink_tables() {
    for name in ["small", "edge"] {
        let folder = tempfile::tempdir().unwrap();
        let cohort = cohort(name);
        let summary = cohort.write(&folder.path().join("p"), &Test::ALL, Format::Plink).unwrap();
        assert_eq!(files(folder.path()), ["p.assoc", "p.model"]);
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let model = read(&fixtures().join(format!("{name}.p19.model")));
        same_lines(&read(&summary.files[1]), &model);
        // That run counted alleles instead of giving frequencies, and added confidence limits: the columns left of them.
        let counts = read(&fixtures().join(format!("{name}.p19.assoc")));
        for (ours, theirs) in diploid(&read(&summary.files[0])).zip(diploid(&counts)) {
            let (a, b): (Vec<&str>, Vec<&str>) =
                (ours.split_whitespace().collect(), theirs.split_whitespace().collect());
            let columns = |f: &[&str]| [0, 1, 2, 3, 6, 7, 8, 9].map(|i| f[i].to_owned());
            assert_eq!(columns(&a), columns(&b));
        }
    }
}

/// Lines of people with two copies: panels leave the other chromosomes out.
fn diploid(table: &str) -> impl Iterator<Item = &str> {
    let haploid = ["23", "24", "26"];
    table.lines().filter(move |l| !haploid.contains(&l.split_whitespace().next().unwrap_or("")))
}

fn same_lines(ours: &str, theirs: &str) {
    for (a, b) in diploid(ours).zip(diploid(theirs)) {
        assert_eq!(a, b);
    }
    assert_eq!(diploid(ours).count(), diploid(theirs).count());
}

#[test]
fn plink_format_equals_plink() {
    if Command::new("plink1.9").arg("--version").output().is_err() {
        eprintln!("skipped: no plink1.9 on this machine");
        return;
    }
    for name in ["small", "edge"] {
        let folder = tempfile::tempdir().unwrap();
        let cohort = cohort(name);
        let summary = cohort.write(&folder.path().join("p"), &Test::ALL, Format::Plink).unwrap();
        for (ours, arguments) in
            summary.files.iter().zip([&["--assoc"][..], &["--model", "--cell", "0"]])
        {
            let done = Command::new("plink1.9")
                .args(["--keep-allele-order", "--allow-no-sex", "--allow-extra-chr", "--bfile"])
                .arg(fixtures().join(name))
                .args(arguments)
                .arg("--out")
                .arg(folder.path().join("theirs"))
                .output()
                .unwrap();
            assert!(done.status.success(), "{done:?}");
            let theirs = folder.path().join("theirs").with_extension(ours.extension().unwrap());
            same_lines(&fs::read_to_string(ours).unwrap(), &fs::read_to_string(theirs).unwrap());
        }
    }
}

#[test]
fn ssf_has_the_standard_s_columns_and_a_sidecar_that_fits() {
    let folder = tempfile::tempdir().unwrap();
    let cohort = cohort("edge");
    let summary = cohort
        .write(&folder.path().join("s"), &[Test::Dominant, Test::Trend], Format::Ssf)
        .unwrap();
    assert_eq!(files(folder.path()), ["s.gwas-ssf.tsv", "s.gwas-ssf.tsv-meta.yaml"]);
    let table = fs::read(&summary.files[0]).unwrap();
    let text = String::from_utf8(table.clone()).unwrap();
    let mandatory = "chromosome\tbase_pair_location\teffect_allele\tother_allele\todds_ratio\tstandard_error\teffect_allele_frequency\tp_value\t";
    assert!(text.starts_with(mandatory));
    let width = text.lines().next().unwrap().split('\t').count();
    assert!(
        text.lines().all(|l| l.split('\t').count() == width && !l.split('\t').any(|f| f == "NA"))
    );
    assert_eq!(summary.left_out, 1); // the unplaced contig
    assert_eq!(text.lines().count() + summary.left_out as usize, 1 + cohort.sums.len());
    assert!(text.lines().nth(1).unwrap().contains("\t#NA\t"));
    let yaml = fs::read_to_string(&summary.files[1]).unwrap();
    let meta: serde_norway::Value = serde_norway::from_str(&yaml).unwrap();
    use md5::Digest as _;
    let hex: String = md5::Md5::digest(&table).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(meta["data_file_md5sum"].as_str(), Some(hex.as_str()));
    assert_eq!(meta["data_file_name"].as_str(), Some("s.gwas-ssf.tsv"));
    assert_eq!(meta["trait_description"][0].as_str(), Some("CASE: \"x\""));
    assert_eq!(meta["samples"][0]["case_count"].as_u64(), Some(u64::from(cohort.cases)));
    let none = cohort.write(&folder.path().join("t"), &[Test::Trend], Format::Ssf);
    assert!(matches!(none, Err(TableError::NoEffect)));
}

#[test]
fn refusals_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("x");
    let mut cohort = cohort("small");
    assert!(matches!(cohort.write(&prefix, &[], Format::Tsv), Err(TableError::NoTest)));
    let nowhere = folder.path().join("no/such/folder");
    let refused = cohort.write(&nowhere, &Test::ALL, Format::Plink);
    assert!(matches!(&refused, Err(e @ TableError::Io { .. }) if e.to_string().contains("--out")));
    let last = cohort.sums.pop().unwrap();
    let short = cohort.write(&prefix, &Test::ALL, Format::Tsv);
    assert!(matches!(short, Err(TableError::Length { .. })));
    let mut bad = last;
    bad.cases.x = 1_000_000;
    cohort.sums.push(bad);
    for format in [Format::Tsv, Format::Plink, Format::Ssf] {
        let refused = cohort.write(&prefix, &Test::ALL, format);
        assert!(matches!(refused, Err(TableError::Counts(_))));
    }
    cohort.sums.pop();
    cohort.sums.push(last);
    cohort.sums.iter_mut().for_each(|s| (s.all.hom_alt, s.cases.hom_alt) = (None, None));
    let refused = cohort.write(&prefix, &[Test::Trend], Format::Tsv);
    assert!(matches!(refused, Err(TableError::NoGenotypes(Test::Trend))));
    assert!(files(folder.path()).is_empty());
    // Without genotypes PLINK's format is the allelic table alone.
    let summary = cohort.write(&prefix, &[Test::Allelic], Format::Plink).unwrap();
    assert_eq!((files(folder.path()), summary.files.len()), (vec!["x.assoc".to_owned()], 1));
}

#[test]
fn damaged_tables_are_refused() {
    let row = "22\t7\trs1\tA\tC\tC\t0.5\t3\t4\t10\tALLELIC\t4.5\t1\t1.5\t0.1\t0.03\t1.5\t.\n";
    let table = |row: &str| format!("{}{row}", tsv::HEADER);
    let (panel, tests) = read_table(table(row).as_bytes()).unwrap();
    assert_eq!((panel.len(), tests.len(), tests[0].defined), (1, 1, 1));
    assert_eq!(read_table(table(&row.repeat(3)).as_bytes()).unwrap().0.len(), 3);
    assert!(read_table(tsv::HEADER.as_bytes()).unwrap().1.is_empty());
    assert!(matches!(read_table(&b""[..]), Err(ReadError::Header)));
    assert!(matches!(read_table(row.as_bytes()), Err(ReadError::Header)));
    assert!(matches!(
        read_table(table(row.trim_end()).as_bytes()),
        Err(ReadError::CutShort { line: 2 })
    ));
    assert!(matches!(
        read_table(table("1\t2\n").as_bytes()),
        Err(ReadError::Columns { line: 2, found: 2 })
    ));
    let wide = row.replace('\n', "\tx\n");
    assert!(matches!(
        read_table(table(&wide).as_bytes()),
        Err(ReadError::Columns { found: 19, .. })
    ));
    let endless = format!("{}{}", tsv::HEADER, "x".repeat(1 << 20));
    assert!(matches!(read_table(endless.as_bytes()), Err(ReadError::Line(_))));
    assert!(matches!(
        read_table(&[tsv::HEADER.as_bytes(), b"\xff\n"].concat()[..]),
        Err(ReadError::Line(_))
    ));
    for (from, to) in [
        ("\t7\t", "\t+7\t"),
        ("\t7\t", "\t4294967296\t"),
        ("\tC\t0.5", "\tA\t0.5"),
        ("\t0.5\t", "\t1.5\t"),
        ("\t0.5\t", "\tnan\t"),
        ("\t3\t4\t", "\t-3\t4\t"),
        ("\t10\t", "\t1e1\t"),
        ("ALLELIC", "allelic"),
        ("\t4.5\t", "\tinf\t"),
        ("\t4.5\t", "\tNA\t"),
        ("\t1\t1.5", "\t3\t1.5"),
        ("\t0.03\t", "\t-0.03\t"),
        ("\t1.5\t.", "\t1e999\t."),
        ("\t.\n", "\tBAD\n"),
        ("22\t7", "\t7"),
        ("rs1", "r s1"),
    ] {
        let text = table(&row.replacen(from, to, 1));
        assert_ne!(text, table(row), "{from}");
        let refused = read_table(text.as_bytes());
        assert!(
            matches!(
                refused,
                Err(ReadError::Field { line: 2, .. } | ReadError::Variant { line: 2, .. })
            ),
            "{to}"
        );
    }
}
