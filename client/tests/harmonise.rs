//! `hegwas panel` from several lists, and the commands that align files to it, on the committed synthetic cohort.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Table, hegwas, run, text};
use hegwas_fixtures::committed::data_folder;

/// Every seventh variant is taken out of the altered files.
fn is_removed(variant: usize) -> bool {
    variant % 7 == 3
}

fn complement(allele: &str) -> &str {
    match allele {
        "A" => "T",
        "C" => "G",
        "G" => "C",
        "T" => "A",
        longer => longer,
    }
}

/// The small cohort from the last variant to the first, with REF and ALT exchanged at every second one, on the other strand
/// where that can be told, under other ids, and without some of its variants.
fn altered(folder: &Path) -> PathBuf {
    let source = data_folder().join("small");
    let read = |extension| fs::read(source.with_extension(extension)).unwrap();
    let text = String::from_utf8(read("bim")).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
    let bed = read("bed");
    let stride = (bed.len() - 3) / rows.len();
    let (mut bim, mut codes) = (String::new(), bed[..3].to_vec());
    for (v, row) in rows.iter().enumerate().rev().filter(|(v, _)| !is_removed(*v)) {
        let (mut alt, mut reference) = (row[4], row[5]);
        let bases = alt.len() == 1 && reference.len() == 1;
        if bases && alt != complement(reference) {
            (alt, reference) = (complement(alt), complement(reference));
        }
        let record = &bed[3 + v * stride..3 + (v + 1) * stride];
        if v % 2 == 0 {
            (alt, reference) = (reference, alt);
            codes.extend(record.iter().map(|byte| {
                let code = |shift: u8| [3, 1, 2, 0][usize::from(byte >> shift & 3)] << shift;
                code(0) | code(2) | code(4) | code(6)
            }));
        } else {
            codes.extend(record);
        }
        bim += &format!("chr{}\tother{v}\t0\t{}\t{alt}\t{reference}\n", row[0], row[3]);
    }
    let prefix = folder.join("altered");
    fs::write(prefix.with_extension("bim"), bim).unwrap();
    fs::write(prefix.with_extension("bed"), codes).unwrap();
    fs::write(prefix.with_extension("fam"), read("fam")).unwrap();
    prefix
}

/// `hegwas assoc` of a fileset on a panel; gives the table's bytes and what was said.
fn assoc(bfile: &Path, panel: &Path, out: &Path, more: &[&str]) -> (Vec<u8>, String) {
    let mut command = hegwas();
    command.args(["assoc", "--palindromic", "keep", "--test", "allelic,trend,geno"]);
    command.arg("--bfile").arg(bfile).arg("--panel").arg(panel).arg("--out").arg(out).args(more);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    (fs::read(out.with_extension("assoc.tsv")).unwrap(), text(&output))
}

#[test]
fn files_in_any_order_and_orientation_give_the_table_of_the_panel() {
    let dir = tempfile::tempdir().unwrap();
    let (small, altered) = (data_folder().join("small"), altered(dir.path()));
    let panel = dir.path().join("study.panel");
    let mut command = hegwas();
    command.args(["panel", "--mode", "union", "--palindromic", "keep", "--list"]);
    command.arg(small.with_extension("bim")).arg("--bfile").arg(&altered);
    // The genotype files come before the lists: the altered ones would say what REF is.
    command.arg("--reference").arg(small.with_extension("bim")).arg("--out").arg(&panel);
    assert!(run(&mut command).starts_with(|c: char| c.is_ascii_hexdigit()));
    let report = fs::read_to_string(panel.with_extension("panel.report.tsv")).unwrap();
    assert!(report.contains("FLIP") && report.contains("SWAP"), "{report}");
    assert!(panel.with_extension("panel.excluded.tsv").exists());

    let (expected, _) = assoc(&small, &panel, &dir.path().join("small"), &["--plaintext"]);
    let (found, said) = assoc(&altered, &panel, &dir.path().join("plain"), &["--plaintext"]);
    assert!(said.contains("not in the files") && said.contains("alleles exchanged"), "{said}");
    let (encrypted, _) = assoc(&altered, &panel, &dir.path().join("encrypted"), &[]);
    assert!(encrypted == found, "encrypted and plain tables differ");

    let alignment = fs::read_to_string(dir.path().join("plain.alignment.tsv")).unwrap();
    let absent: Vec<&str> = alignment
        .lines()
        .filter(|l| l.contains("\tABSENT\t"))
        .map(|l| l.split('\t').nth(1).unwrap())
        .collect();
    let table = |bytes: &[u8], name: &str| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        Table::read(&path)
    };
    let (expected, found) = (table(&expected, "a.tsv"), table(&found, "b.tsv"));
    assert_eq!(expected.rows.len(), found.rows.len());
    let mut lacking = 0;
    for (a, b) in expected.rows.iter().zip(&found.rows) {
        if absent.contains(&found.get(b, "POS")) {
            assert_eq!((found.get(b, "OBS_CT"), found.get(b, "ERRCODE")), ("0", "NO_CALLS"));
            lacking += 1;
        } else {
            // Ids are the first list's.
            assert_eq!(a, b);
        }
    }
    assert!(lacking > 3 && lacking < found.rows.len() / 3, "{lacking}");
}

#[test]
fn bad_combinations_are_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let small = data_folder().join("small");
    let panel = dir.path().join("b37.panel");
    let mut command = hegwas();
    command.args(["panel", "--build", "GRCh37", "--bfile"]).arg(&small).arg("--out").arg(&panel);
    run(&mut command);
    for (arguments, message) in [
        (&["--maf", "0.01"][..], "pooled released statistics"),
        (&["--build", "GRCh38"], "the panel is for build GRCh37, the genotypes for GRCh38"),
        (&[], "name the genotypes' build with --build"),
        (&["--build", "GRCh37", "--palindromic", "by-frequency"], "--freq"),
    ] {
        let mut command = hegwas();
        command.args(["assoc", "--plaintext", "--bfile"]).arg(&small).arg("--panel").arg(&panel);
        command.arg("--out").arg(dir.path().join("x")).args(arguments);
        let output = command.output().unwrap();
        assert!(!output.status.success() && text(&output).contains(message), "{}", text(&output));
    }
    let mut command = hegwas();
    command.args(["assoc", "--plaintext", "--palindromic", "keep", "--bfile"]).arg(&small);
    let output = command.arg("--out").arg(dir.path().join("x")).output().unwrap();
    assert!(text(&output).contains("there is none"), "{}", text(&output));
    let mut command = hegwas();
    command.args(["panel", "--maf", "0.1", "--list"]).arg(&panel).arg("--out").arg(&panel);
    let output = command.output().unwrap();
    assert!(text(&output).contains("filters apply to one genotype file"), "{}", text(&output));
    assert!(!dir.path().join("x.assoc.tsv").exists());
}

#[test]
fn encrypting_on_a_panel_leaves_the_alignment_beside_the_dataset() {
    let dir = tempfile::tempdir().unwrap();
    let altered = altered(dir.path());
    let panel = dir.path().join("study.panel");
    let mut command = hegwas();
    command.args(["panel", "--list"]).arg(data_folder().join("small.bim"));
    run(command.arg("--out").arg(&panel));
    let key = dir.path().join("me.key");
    let mut command = hegwas();
    run(command.args(["key", "new", "--no-passphrase", "--out"]).arg(&key));
    let out = dir.path().join("encrypted");
    let mut command = hegwas();
    command.arg("encrypt").arg("--bfile").arg(&altered).arg("--panel").arg(&panel);
    command.arg("--key").arg(&key).arg("--out").arg(&out);
    assert!(run(&mut command).contains("dataset\t"));
    let alignment = fs::read_to_string(out.join("alignment.tsv")).unwrap();
    for status in ["FLIP", "FLIP_SWAP", "ABSENT"] {
        assert!(alignment.contains(&format!("\t{status}\t")), "{status}: {alignment}");
    }
    // The dataset has the panel's variants, in its order.
    let encrypted = fs::read_to_string(out.join("dataset/panel.tsv"));
    assert_eq!(encrypted.unwrap(), fs::read_to_string(&panel).unwrap());
}
