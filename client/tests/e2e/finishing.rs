//! Real genotypes of four sites, one of which sends sums alone: chi-squares finished under encryption, by three key holders and
//! by one, against the table of the merged files in the clear.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::common::{Table, hegwas, real_data, run};
use crate::filesets::Files;
use crate::party::{Agent, Consortium, Party};
use crate::site::Typing;

const SITES: [&str; 4] = ["GBR", "FIN", "TSI", "CEU"];
const PHENOTYPE: &str = "hi_ENSG00000172404";
/// Ten copies among 716 are 0.01397.
const FREQUENCY: &str = "0.0139";
/// The site that sums its files itself.
const TOTALS: &str = "TSI";
const LIST: [&str; 4] = ["--build", "GRCh37", "--palindromic", "keep"];

/// Every twentieth variant is not in the files of the last site.
fn is_absent(variant: usize) -> bool {
    variant % 20 == 7
}

/// Holds a table of chi-squares against the table in the clear: `|Z|` of every variant with at least ten minor alleles.
fn check(statistic: &Path, clear: &Path) {
    let (ours, clear) = (Table::read(statistic), Table::read(clear));
    assert_eq!((ours.rows.len(), clear.rows.len()), (85_485, 85_485));
    let (mut compared, mut worst, mut rare, mut largest) = (0, 0.0f64, 0.0f64, 0.0f64);
    for (row, exact) in ours.rows.iter().zip(&clear.rows) {
        let id = ours.get(row, "ID");
        assert_eq!(id, clear.get(exact, "ID"));
        assert_eq!(ours.get(row, "OBS_CT"), clear.get(exact, "OBS_CT"), "{id}");
        let called = clear.number(exact, "OBS_CT").unwrap();
        let frequency = clear.number(exact, "A1_FREQ").unwrap();
        let copies = 2.0 * called * frequency.min(1.0 - frequency);
        let z = |chisq: Option<f64>| chisq.unwrap_or(0.0).sqrt();
        let found = z(ours.number(row, "CHISQ"));
        let expected = z(clear.number(exact, "CHISQ"));
        if copies < 9.5 {
            rare = rare.max(found - expected);
            continue;
        }
        let bound = ours.number(row, "Z_ERROR").unwrap();
        let error = (found - expected).abs();
        assert!(error <= 1.1 * bound && bound < 0.01, "{id}: {found} {expected} {bound}");
        compared += 1;
        worst = worst.max(error);
        largest = largest.max(found * found);
    }
    assert!(compared > 80_000 && worst < 0.01 && rare < 0.01, "{compared} {worst:e} {rare:e}");
    assert!((largest - 174.1).abs() < 15.0, "the strongest is the known one: {largest}");
}

/// Holds a table of hits against the table in the clear: outside the band, and the wider one of what is rarer than `frequency`, no
/// answer is wrong.
fn check_hits(hits: &Path, clear: &Path, band: f64, frequency: &str) {
    let rare = frequency.parse::<f64>().unwrap();
    let lo = 4.0 * rare * (1.0 - rare);
    let (ours, clear) = (Table::read(hits), Table::read(clear));
    let said: HashMap<&str, usize> =
        ours.rows.iter().enumerate().map(|(i, row)| (ours.get(row, "ID"), i)).collect();
    let threshold = 5.451_310;
    let (lower, upper) =
        ((threshold - band) * (threshold - band), (threshold + band) * (threshold + band));
    let (mut found, mut undecided, mut worst) = (0, 0, 0.0f64);
    for exact in &clear.rows {
        let id = clear.get(exact, "ID");
        let row = said.get(id).map(|i| &ours.rows[*i]);
        let word = row.map_or("no", |row| ours.get(row, "HIT"));
        let chi2 = clear.number(exact, "CHISQ").unwrap_or(0.0);
        let frequency = clear.number(exact, "A1_FREQ").unwrap_or(0.0);
        let spread = 4.0 * frequency * (1.0 - frequency);
        let upper = lower + (upper - lower) * (lo / spread).max(1.0);
        if chi2 <= lower {
            assert_eq!(word, "no", "{id}: {chi2}");
        } else if chi2 < upper {
            undecided += 1;
        } else {
            found += 1;
            let Some(row) = row else { panic!("{id} is missing: {chi2}") };
            let Some(value) = ours.number(row, "CHISQ") else {
                assert_eq!(word, "yes", "{id}: {chi2}");
                continue;
            };
            // The value of a rarer one is too small.
            let error = value.sqrt() - chi2.sqrt();
            let bound = 1.1 * ours.number(row, "Z_ERROR").unwrap();
            assert!(error < bound && (spread < lo || -error < bound), "{id}: {chi2} {value}");
            worst = if spread < lo { worst } else { worst.max(error.abs()) };
        }
    }
    eprintln!("{found} hits, {undecided} in the band, |Z| of the hits within {worst:.1e}");
    assert_eq!(clear.rows.len(), 85_485);
    assert!(found > 400 && undecided < 20, "{found} {undecided}");
}

fn in_the_clear(bfile: &Path, pheno: &Path, out: &Path) {
    let mut command = hegwas();
    command.args(["assoc", "--plaintext", "--pheno-name", PHENOTYPE]);
    command.arg("--bfile").arg(bfile).arg("--pheno").arg(pheno).arg("--out").arg(out);
    run(&mut command);
}

fn contribute(owner: &Party, study: &str, pheno: &str) {
    let encrypt = ["encrypt", "--study", study, "--server", &owner.url, "--pheno", pheno];
    let files = ["--pheno-name", PHENOTYPE, "--bfile", "cohort", "--out", "sent"];
    let all = [&encrypt[..], &files, &LIST].concat();
    if owner.name == TOTALS {
        owner.run(&[&all[..], &["--totals"]].concat());
        return;
    }
    let made = owner.json(&all);
    owner.run(&["grant", "new", "--dataset", made["dataset"].as_str().unwrap(), "--study", study]);
}

/// A consortium of four sites and three holders whose job is released.
struct Released {
    c: Consortium,
    job: String,
    /// Where the analyst's table is, without its ending.
    table: PathBuf,
    /// The table in the clear.
    clear: PathBuf,
}

fn four_sites_and_three_holders(data: &Path, release: &[&str]) -> Released {
    let set = data.join("geuvadis22");
    let whole = Files::read(&set.join("g22"));
    let sites = Table::read(&set.join("sites.tsv"));
    let site: HashMap<&str, &str> =
        sites.rows.iter().map(|row| (sites.get(row, "IID"), sites.get(row, "POP"))).collect();
    let owner: Vec<&str> =
        whole.fam.iter().map(|line| site[line.split_whitespace().nth(1).unwrap()]).collect();
    let c = Consortium::new(3, &SITES, &[]);
    for party in &c.owners {
        let files = whole.of(|i| owner[i] == party.name);
        let files = if party.name == "CEU" { files.without(is_absent) } else { files };
        files.write(&party.home.join("cohort"));
    }
    let mut merged = whole.of(|_| true);
    for (_, row) in merged.codes.iter_mut().enumerate().filter(|(v, _)| is_absent(*v)) {
        row.iter_mut().zip(&owner).filter(|(_, o)| **o == "CEU").for_each(|(code, _)| *code = 1);
    }

    let mut command = c.coordinator.command(&["panel", "--out", "panel"]);
    run(command.args(LIST).arg("--list").arg(set.join("g22.bim")));
    let terms = ["--people", "400", "--min-people", "200", "--complete", "--max-jobs", "4"];
    let study = c.propose(&c.draft(), "panel", &[&terms[..], release].concat());
    c.make_key(&study);
    let pheno = set.join("pheno_bin.tsv");
    c.owners.iter().for_each(|owner| contribute(owner, &study, pheno.to_str().unwrap()));
    let mut agents: Vec<Agent> = c.holders.iter().map(|holder| holder.agent(&study)).collect();
    let job = ["run", "new", "--study", &study, "--phenotype-name", PHENOTYPE];
    let job = c.coordinator.run(&job);
    let started = Instant::now();
    while c.analyst.json(&["run", "status", &job])["state"] != "released" {
        agents.iter_mut().for_each(Agent::must_live);
        let said: Vec<String> = agents.iter().map(Agent::said).collect();
        assert!(started.elapsed() < Duration::from_secs(900), "{said:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
    c.analyst.run(&["result", &job, "--plot", "svg", "--out", "table"]);
    let prefix = c.dir.path().join("merged");
    merged.write(&prefix);
    in_the_clear(&prefix, &pheno, &prefix);
    let table = c.analyst.home.join("table");
    // No count of a variant is in anything that anybody received: there is no share of the sums.
    for party in c.holders.iter().chain([&c.analyst]) {
        party.refused(&["share", &job, "--out", "share"], 3, &["its sums are not decrypted"]);
    }
    for party in c.owners.iter().chain(&c.holders).chain([&c.analyst, &c.coordinator]) {
        party.run(&["log", "verify", &study]);
    }
    Released { c, job, table, clear: prefix.with_extension("assoc.tsv") }
}

#[test]
fn three_holders_release_chi_squares() {
    let Some(data) = real_data() else { return };
    let release = ["--release", "statistic", "--smallest-frequency", FREQUENCY];
    let done = four_sites_and_three_holders(&data, &release);
    check(&done.table.with_extension("statistic.tsv"), &done.clear);
    for plot in ["manhattan", "qq"] {
        assert!(done.table.with_extension(format!("allelic.{plot}.svg")).exists());
    }
}

#[test]
fn three_holders_release_hits_alone() {
    let Some(data) = real_data() else { return };
    let release = ["--release", "hits", "--smallest-frequency", FREQUENCY];
    let done = four_sites_and_three_holders(&data, &release);
    check_hits(&done.table.with_extension("hits.tsv"), &done.clear, 0.01, FREQUENCY);
    // Who asks for more has nothing: neither a table of statistics nor one of counts.
    let more = ["result", &done.job, "--format", "plink", "--out", "more"];
    assert!(!done.c.analyst.command(&more).output().unwrap().status.success());
    for ending in ["statistic.tsv", "assoc.tsv"] {
        assert!(!done.table.with_extension(ending).exists(), "{ending}");
    }
}

/// A sole holder's job in one command: the prefix of its table, and the table in the clear.
fn alone(data: &Path, dir: &Path, release: &[&str]) -> [PathBuf; 2] {
    let set = data.join("geuvadis22");
    let (bfile, pheno, out) = (set.join("g22"), set.join("pheno_bin.tsv"), dir.join("out"));
    let mut command = hegwas();
    command.args(["assoc", "--pheno-name", PHENOTYPE]).args(release).arg("--temp-dir").arg(dir);
    command.arg("--bfile").arg(&bfile).arg("--pheno").arg(&pheno).arg("--out").arg(&out);
    run(&mut command);
    let clear = dir.join("clear");
    in_the_clear(&bfile, &pheno, &clear);
    [out, clear.with_extension("assoc.tsv")]
}

#[test]
fn a_sole_holder_releases_hits_and_their_chi_squares_in_one_command() {
    let Some(data) = real_data() else { return };
    let dir = tempfile::tempdir().unwrap();
    let [out, clear] = alone(&data, dir.path(), &["--release", "hits-with-values"]);
    check_hits(&out.with_extension("hits.tsv"), &clear, 0.02, "0.05");
}

#[test]
fn a_sole_holder_releases_chi_squares_in_one_command() {
    let Some(data) = real_data() else { return };
    let dir = tempfile::tempdir().unwrap();
    let release = ["--release", "statistic", "--smallest-frequency", FREQUENCY];
    let [out, clear] = alone(&data, dir.path(), &release);
    check(&out.with_extension("statistic.tsv"), &clear);
}
