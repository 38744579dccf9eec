//! What the end-to-end tests share.
#![allow(dead_code, unreachable_pub, missing_docs)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr
)]

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use gwas::oracle::{Association, Truth};

/// The real data, or `None` with a printed reason.
pub fn real_data() -> Option<PathBuf> {
    let found = hegwas_fixtures::real_data();
    if found.is_none() {
        eprintln!("skipped: no real data here (set HEGWAS_DATA to the folder that holds it)");
    }
    found
}

/// Says what is not tested here, and why.
pub fn skipped(what: &str) {
    eprintln!("skipped: {what}");
}

/// The command under test, with nothing of the caller's configuration.
pub fn hegwas() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hegwas"));
    for name in ["HEGWAS_KEY", "HEGWAS_URL", "HEGWAS_PASSPHRASE_FILE"] {
        command.env_remove(name);
    }
    command.stdin(std::process::Stdio::null());
    // The server that `cargo test --workspace` has built beside it: cargo cannot build another while it runs tests.
    let server = Path::new(env!("CARGO_BIN_EXE_hegwas")).with_file_name("hegwas-server");
    assert!(server.exists(), "build the server first: cargo build -p hegwas-server");
    command.env("HEGWAS_SERVER", server);
    command
}

/// Runs a command that must succeed and returns its standard output.
pub fn run(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    assert!(output.status.success(), "{command:?}\n{}", text(&output));
    String::from_utf8(output.stdout).expect("standard output is text")
}

/// Everything a command said.
pub fn text(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A table with a header line, as rows of named fields.
pub struct Table {
    columns: HashMap<String, usize>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// Reads a tab- or space-separated file, gzipped if its name says so.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut text = String::new();
        if path.extension().is_some_and(|e| e == "gz") {
            flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes).unwrap();
        }
        let mut lines = text.lines();
        let header = lines.next().unwrap();
        let columns = header
            .split_whitespace()
            .enumerate()
            .map(|(i, c)| (c.trim_start_matches('#').to_owned(), i));
        let columns: HashMap<_, _> = columns.collect();
        let rows = lines.map(|l| l.split_whitespace().map(str::to_owned).collect()).collect();
        Self { columns, rows }
    }

    /// A field by column name.
    pub fn get<'a>(&self, row: &'a [String], column: &str) -> &'a str {
        &row[*self.columns.get(column).unwrap_or_else(|| panic!("no column {column}"))]
    }

    /// A field as a number, `None` where it is not available.
    pub fn number(&self, row: &[String], column: &str) -> Option<f64> {
        match self.get(row, column) {
            "NA" | "#NA" | "nan" | "inf" | "-inf" => None,
            text => Some(text.parse().unwrap_or_else(|_| panic!("{column} = {text}"))),
        }
    }
}

/// Whether two numbers agree within 1e-9, relative (absolute near zero), and are available or not together.
pub fn agree(ours: Option<f64>, theirs: Option<f64>) -> bool {
    match (ours, theirs) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1e-3),
        (None, None) => true,
        _ => false,
    }
}

/// The tests of a table, in the order of its rows.
pub const TESTS: [&str; 5] = ["ALLELIC", "TREND", "GENO", "DOM", "REC"];

/// Compares the five rows of a variant, in every statistic, with the oracle's.
pub fn compare_statistics(ours: &Table, rows: &[Vec<String>], truth: &Truth, at: &str) {
    for ((row, test), expected) in rows.iter().zip(TESTS).zip(&truth.tests) {
        assert_eq!(ours.get(row, "TEST"), test);
        let check = |column: &str, value: Option<f64>| {
            let found = ours.number(row, column);
            assert!(agree(found, value), "{test} at {at}: {column}: {found:?}, oracle {value:?}");
        };
        let Association { chisq, df, odds_ratio, log_or_se, p, neg_log10_p, word } = *expected;
        check("A1_FREQ", truth.alt_frequency);
        check("CHISQ", chisq);
        check("DF", df.map(f64::from));
        check("OR", odds_ratio);
        check("LOG(OR)_SE", log_or_se);
        check("P", p);
        check("NEG_LOG10_P", neg_log10_p);
        assert_eq!(ours.get(row, "ERRCODE"), word.unwrap_or("."), "{test} at {at}");
    }
}

/// Compares allele counts with PLINK 1.9's `--assoc counts`: bit for bit, of every variant whose id is not left out; how many.
pub fn compare_counts(ours: &Path, plink: &Path, left_out: impl Fn(&str) -> bool) -> usize {
    let (ours, plink) = (Table::read(ours), Table::read(plink));
    let key = |t: &Table, r: &[String], names: [&str; 4]| names.map(|n| t.get(r, n).to_owned());
    let mut counts: HashMap<[String; 4], [&str; 2]> = HashMap::new();
    for r in &plink.rows {
        let found = ["C_A", "C_U"].map(|c| plink.get(r, c));
        counts.insert(key(&plink, r, ["SNP", "BP", "A1", "A2"]), found);
    }
    let mut compared = 0;
    let rows = ours.rows.iter().filter(|r| ours.get(r, "TEST") == "ALLELIC");
    for row in rows.filter(|r| !left_out(ours.get(r, "ID"))) {
        let found = ["A1_CASE_CT", "A1_CTRL_CT"].map(|c| ours.get(row, c));
        assert_eq!(counts.get(&key(&ours, row, ["ID", "POS", "A1", "REF"])), Some(&found));
        compared += 1;
    }
    compared
}
