//! The report, from a small committed set of records that were made up.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use hegwas_bench::{Error, report};

fn records() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

/// A folder with the documents as they are committed.
fn checkout() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = hegwas_bench::machine::root();
    fs::create_dir(folder.path().join("docs")).unwrap();
    for name in ["README.md", "docs/performance.md", "docs/comparison.md", "docs/finishing.md"] {
        fs::copy(root.join(name), folder.path().join(name)).unwrap();
    }
    folder
}

fn read(root: &tempfile::TempDir, name: &str) -> String {
    fs::read_to_string(root.path().join(name)).unwrap()
}

#[test]
fn tables_plots_and_readme_come_from_the_records() {
    let root = checkout();
    let changed = report::make(&records(), root.path(), false).unwrap();
    let all = [
        "docs/performance.md",
        "docs/comparison.md",
        "README.md",
        "docs/finishing.md",
        "docs/plots/people.svg",
        "docs/plots/variants.svg",
        "docs/plots/schemes.svg",
        "docs/plots/schemes-bytes.svg",
        "docs/plots/schemes-people.svg",
        "docs/plots/schemes-variants.svg",
        "docs/comparison.html",
    ];
    assert_eq!(changed, all);

    let performance = read(&root, "docs/performance.md");
    for line in [
        "- A Processor, 2 cores, 24.0 GiB; commit 0123456789ab; 2026-01-02; load before: 0.05",
        // The bars: one met, one missed because of the floor, one without a record.
        "| 1.0 ns, and 2 times the floor | 0.900 ns, 2.50 times the floor | **missed** |",
        "| 0.5 ns | 0.300 ns | met |",
        "| 0.8 ns | no record | - |",
        "| 8 ns | 7.50 ns | met |",
        "| 6.5 bytes | 6.50 at 49,152 variants, 6.40 at 16,384 variants; 6.25 of them genotypes | met |",
        "| 10 ms | 9.50 ms | met |",
        "| 12 s | 11.0 s | met |",
        "| 60 s | no record | - |",
        "| 400 MB | 210 MB | met |",
        "| 10 % | 3.98 % | met |",
        // The kernel of the portable engine is listed, not promised.
        "| n2048-q50 (1 limb) | portable | 1 | 1 | 4.00 | 4.00 | 7.03 | 19.6 | 11.0 |",
        "| 15,000 x 16,384 | `plink1.9 --assoc` | 0.500 | 0.800 | 11.0 | 20.0 | 22.0 | 25.0 |",
        "| 15,000 x 16,384 | 5 | 8.00 | 2.00 |",
    ] {
        assert!(performance.contains(line), "{line}\n{performance}");
    }
    // 100,000 x 503,808 coefficients of two limbs.
    for part in [
        "123 blocks",
        "630 GB",
        "20.0 ns = 16.8 minutes of one core, 1.05 on 16 cores",
        "2.00 ns = 1.68 minutes of one core",
    ] {
        assert!(performance.contains(part), "{part}\n{performance}");
    }
    let finishing = read(&root, "docs/finishing.md");
    for line in [
        "| chi-square: server, per 100 variants | not noted | 8.00 ms | 2.00 ms | 1.75 ms | met, and the goal |",
        "| hits: server, per 100 variants | avx2-fma | 40.0 ms | 10.0 ms | 12.5 ms | met |",
        "| hits: refresh of one holder, per 16,384 variants | avx2-fma | 25.0 MB | - | 30.0 MB | **missed** |",
        "| kernels | not noted | avx2-fma |",
        "| holder: mask ciphertexts | 0.250 ms | 0.250 ms |",
        "31 batches of 16,384. Server: 31 x 0.287 s = 8.89 s of one core.",
    ] {
        assert!(finishing.contains(line), "{line}\n{finishing}");
    }
    let readme = read(&root, "README.md");
    assert!(
        readme.contains("| 15,000 x 16,384 | 11.0 | 1,570 | 12.0 | 8.00 | 150 / 200 |"),
        "{readme}"
    );
    assert!(readme.contains("privacy costs a factor of 22.0"), "{readme}");
    // A scheme that was measured whole, and one that was measured in part.
    for line in [
        "| hegwas, n2048-q50 | server multiplies | 5.00 | 7.03 | 1.05 | 1.00 | 1.00 | 1.00 |",
        "| Another scheme | server multiplies | 10.0 * | ",
        " * | 1.58 * | 2.00 * | ",
        " * | 1.50 * |",
    ] {
        assert!(readme.contains(line), "{line}\n{readme}");
    }
    let comparison = read(&root, "docs/comparison.md");
    for line in [
        "in the median trial 0.0500 processors were busy with something else",
        "| hegwas, n2048-q50 | 0.0100 | 2.19 | 5.00 | 7.03 | 1.05 | 9.52 % | 40.0 | 76.9 | 10.0 | 9.00 | 0 |",
        "| other | 200 x 16,384 | 8 x 2,048 | 2 | 2, 3 |",
    ] {
        assert!(comparison.contains(line), "{line}\n{comparison}");
    }
    let plot = read(&root, "docs/plots/variants.svg");
    assert!(plot.contains("Blatt 2020 (28 cores)") && plot.contains("<polyline"));
}

#[test]
fn the_same_records_change_nothing_and_check_says_so() {
    let root = checkout();
    report::make(&records(), root.path(), false).unwrap();
    assert!(report::make(&records(), root.path(), false).unwrap().is_empty());
    assert!(report::make(&records(), root.path(), true).unwrap().is_empty());
    let path = root.path().join("docs/plots/people.svg");
    fs::write(&path, "by hand").unwrap();
    match report::make(&records(), root.path(), true) {
        Err(Error::Stale(files)) => assert_eq!(files, ["docs/plots/people.svg"]),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "by hand", "check writes nothing");
}

#[test]
fn without_records_the_documents_say_so() {
    let root = checkout();
    report::make(&root.path().join("nowhere"), root.path(), false).unwrap();
    let performance = read(&root, "docs/performance.md");
    assert_eq!(performance.matches("No record yet").count(), 10);
    assert_eq!(read(&root, "README.md").matches("No record yet.").count(), 2);
    assert_eq!(read(&root, "docs/comparison.md").matches("No record yet.").count(), 4);
    assert!(read(&root, "docs/comparison.html").contains("No record yet."));
}

#[test]
fn a_document_without_its_markers_is_refused() {
    for (name, marker) in
        [("README.md", "<!-- end cost -->"), ("docs/performance.md", "<!-- begin bars -->")]
    {
        let root = checkout();
        let text = read(&root, name).replace(marker, "");
        fs::write(root.path().join(name), text).unwrap();
        let error = report::make(&records(), root.path(), false).unwrap_err();
        assert!(matches!(&error, Error::Marker { document, .. } if document == name), "{error}");
        assert!(!root.path().join("docs/plots").exists(), "nothing is written");
    }
}
