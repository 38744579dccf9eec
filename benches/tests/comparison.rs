//! The comparison end to end, at a size that takes seconds: rounds, resuming, changes, report.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const SCHEMES: &str = "hegwas-n2048-q50,hegwas-n2048-q50-sums,plaintext";

fn bench(records: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hegwas-bench"));
    command.arg("--records").arg(records).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn lines(records: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(records.join("trial.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn run(records: &Path, work: &Path, more: &[&str]) -> Output {
    let work = work.to_str().unwrap();
    let shapes = ["run", "--shapes", "30x100,20x3000", "--schemes", SCHEMES, "--work", work];
    bench(records, &[&shapes, more].concat())
}

#[test]
fn rounds_are_recorded_resumed_compared_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (records, work) = (folder.path().join("records"), folder.path().join("work"));
    text(&run(&records, &work, &["--rounds", "1"]));
    assert_eq!(lines(&records).len(), 6);
    // Another round: the first is not measured again.
    text(&run(&records, &work, &["--rounds", "2"]));
    let all = lines(&records);
    let of = |i: usize, name: &str| all[i]["measured"]["trial"][name].clone();
    let scheme = |i: usize| of(i, "measured")["about"]["name"].as_str().unwrap().to_owned();
    let order = |range: std::ops::Range<usize>| range.map(scheme).collect::<Vec<_>>();
    assert_eq!(all.len(), 12);
    assert_eq!((of(0, "round"), of(11, "round")), (0.into(), 1.into()));
    assert_eq!(order(0..3), SCHEMES.split(',').collect::<Vec<_>>());
    assert_eq!(scheme(6), scheme(1), "another scheme is first in every round");
    let measured = of(0, "measured");
    assert_eq!(measured["deviation"]["count"], 0.0);
    assert!(measured["bits_left"].as_f64().unwrap() > 0.0);
    assert_eq!(measured["genotype_bytes"].as_u64().unwrap() / 30, 12_800 + 64 / 30);
    if cfg!(target_os = "linux") {
        assert_eq!(measured["processors"].as_array().unwrap().len(), 1);
        assert!(measured["server_mib"].as_f64().unwrap() > 0.0);
    }

    let same = text(&bench(&records, &["compare", "main", "main"]));
    assert!(same.contains("42 of 42 figures did not change"), "{same}");
    assert!(!bench(&records, &["compare", "main", "other"]).status.success());

    // What is not optimised is left out of reports; for this test it counts as if it were.
    let path = records.join("trial.jsonl");
    let optimised =
        fs::read_to_string(&path).unwrap().replace("\"optimised\":false", "\"optimised\":true");
    fs::write(&path, optimised).unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("docs")).unwrap();
    let checkout = hegwas_bench::machine::root();
    for name in ["README.md", "docs/performance.md", "docs/finishing.md", "docs/comparison.md"] {
        fs::copy(checkout.join(name), root.join(name)).unwrap();
    }
    let root_name = root.to_str().unwrap().to_owned();
    text(&bench(&records, &["report", "--root", &root_name]));
    let page = fs::read_to_string(root.join("docs/comparison.html")).unwrap();
    for part in ["<td>hegwas --plaintext</td>", "30 x 100", "<td>1, 9</td>", "</html>"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(
        !page.contains("http://")
            || page.matches("http://").count() == page.matches("www.w3.org").count()
    );
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    assert!(readme.contains("| hegwas, n2048-q50 | server multiplies |"), "{readme}");
    text(&bench(&records, &["report", "--check", "--root", &root_name]));
}

#[test]
fn a_part_is_measured_where_the_time_given_is_too_short() {
    let folder = tempfile::tempdir().unwrap();
    let (records, work) = (folder.path().join("records"), folder.path().join("work"));
    text(&run(&records, &work, &["--rounds", "1", "--budget", "0.000001"]));
    let all = lines(&records);
    let trial = |i: usize| all[i]["measured"]["trial"].clone();
    // The second shape's cohort is larger than a ciphertext in both directions.
    let cut = (0..6).map(trial).find(|t| {
        t["asked"]["variants"] == 3000 && t["measured"]["about"]["name"] == "hegwas-n2048-q50"
    });
    let cut = cut.unwrap();
    assert_eq!(cut["measured"]["shape"]["people"], 4);
    assert_eq!(cut["measured"]["shape"]["variants"], 2048);
    assert_eq!(
        (cut["units"]["input"].as_f64(), cut["measured"]["units"]["input"].as_f64()),
        (Some(40.0), Some(4.0))
    );
}

#[test]
fn the_schemes_are_named_and_unknown_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let list = text(&bench(folder.path(), &["list"]));
    for name in
        ["hegwas-n2048-q50 ", "hegwas-n2048-q50-sums", "plaintext", "plink1.9", "tfhe-radix", "bfv"]
    {
        assert!(list.contains(name), "{name}\n{list}");
    }
    let refused = bench(folder.path(), &["run", "--schemes", "rot13"]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && why.contains("rot13: no such scheme"), "{why}");
}
