//! Four sites with real genotypes, two donors and three key holders, each on their own: the pooled table is PLINK's and the
//! oracle's of the merged files, and the next phenotype needs no genotypes again.

use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gwas::oracle::truth;

use crate::common::{Table, compare_counts, compare_statistics, hegwas, real_data, run, skipped};
use crate::filesets::Files;
use crate::party::{Agent, Consortium, Party};
use crate::site::{Typing, free_address};

const TESTS: &str = "allelic,trend,geno,dom,rec";
const SITES: [&str; 4] = ["GBR", "FIN", "TSI", "CEU"];
/// The site that sums its files itself.
const TOTALS: &str = "TSI";

/// Every twentieth variant is not in the files of the last site.
fn is_absent(variant: usize) -> bool {
    variant % 20 == 7
}

/// The site of each person, or the donor that it is.
fn owners_of(whole: &Files, sites: &Table) -> Vec<&'static str> {
    let populations: HashMap<&str, &str> =
        sites.rows.iter().map(|row| (sites.get(row, "IID"), sites.get(row, "POP"))).collect();
    let last = whole.fam.len() - 1;
    let owner = |(number, line): (usize, &String)| match number {
        0 => "donor1",
        n if n == last => "donor2",
        _ => {
            let population = populations[line.split_whitespace().nth(1).unwrap()];
            SITES.into_iter().find(|s| *s == population).unwrap()
        }
    };
    whole.fam.iter().enumerate().map(owner).collect()
}

/// Puts the files of each party into its home, each site's altered in its own way.
fn hand_out(whole: &Files, owners: &[&str], parties: &[Party]) {
    for party in parties {
        let files = whole.of(|i| owners[i] == party.name);
        let files = match party.name.as_str() {
            "GBR" => files.reversed(),
            "FIN" => files.flipped(),
            "TSI" => files.swapped(),
            "CEU" => files.without(is_absent),
            _ => files,
        };
        files.write(&party.home.join("cohort"));
    }
}

/// What the pooled table has to be of: the people of the last site have no calls where it lacks a variant.
fn merged(whole: &Files, owners: &[&str]) -> Files {
    let mut merged = whole.of(|_| true);
    for (_, row) in merged.codes.iter_mut().enumerate().filter(|(v, _)| is_absent(*v)) {
        row.iter_mut().zip(owners).filter(|(_, o)| **o == "CEU").for_each(|(code, _)| *code = 1);
    }
    merged
}

/// A study with its key, whose holders' agents run.
struct Running<'a> {
    consortium: &'a Consortium,
    study: String,
    agents: Vec<Agent>,
    pheno: PathBuf,
    admin: String,
}

impl Running<'_> {
    /// Encrypts one's files and uploads them; the dataset. A site that sums its files itself has nothing but sums.
    fn contribute(&self, owner: &Party, name: &str) -> Option<String> {
        let files = ["--bfile", "cohort", "--build", "GRCh37", "--palindromic", "keep", "--out"];
        if owner.name == TOTALS {
            let made = self.encrypt(owner, name, &[&files[..], &[name, "--totals"]].concat());
            assert!(made["dataset"].is_null() && made["totals"].is_string(), "{made}");
            return None;
        }
        let made = self.encrypt(owner, name, &[&files[..], &["first"]].concat());
        let dataset = made["dataset"].as_str().unwrap();
        owner.run(&["grant", "new", "--dataset", dataset, "--study", &self.study]);
        Some(dataset.to_owned())
    }

    fn encrypt(&self, owner: &Party, name: &str, more: &[&str]) -> serde_json::Value {
        let pheno = self.pheno.to_str().unwrap();
        let encrypt = ["encrypt", "--study", &self.study, "--server", &owner.url, "--pheno", pheno];
        owner.json(&[&encrypt[..], &["--pheno-name", name], more].concat())
    }

    /// Has a job computed and waits until all key holders have shared it; the job.
    fn release(&mut self, phenotype: &str) -> String {
        let job = ["run", "new", "--study", &self.study, "--phenotype-name", phenotype];
        let job = self.consortium.coordinator.run(&job);
        let started = Instant::now();
        loop {
            let status = self.consortium.analyst.json(&["run", "status", &job]);
            match status["state"].as_str().unwrap() {
                "released" => return job,
                "computed" | "releasing" => {}
                other => panic!("{other}: {status}"),
            }
            self.agents.iter_mut().for_each(Agent::must_live);
            let said: Vec<String> = self.agents.iter().map(Agent::said).collect();
            assert!(started.elapsed() < Duration::from_secs(600), "{status} {said:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The table that the analyst makes of a job.
    fn table(&self, job: &str, out: &str) -> PathBuf {
        let analyst = &self.consortium.analyst;
        analyst.run(&["result", job, "--test", TESTS, "--out", out]);
        analyst.home.join(out).with_extension("assoc.tsv")
    }

    /// Bytes of bodies that the server has received so far.
    fn received(&self) -> u64 {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        write!(
            stream,
            "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.admin
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let line = answer.lines().find_map(|l| l.strip_prefix("hegwas_received_bytes_total "));
        line.unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
    }
}

/// Compares a pooled table with the merged files: all bytes with our own of the plaintext, all statistics with the oracle,
/// all counts with PLINK.
fn check(table: &Path, merged: (&Files, &Path), panel: &str, pheno: &Path, name: &str) {
    let (files, prefix) = merged;
    let mut command = hegwas();
    command.args(["assoc", "--plaintext", "--build", "GRCh37", "--palindromic", "keep"]);
    command.args(["--panel", panel, "--pheno-name", name, "--test", TESTS, "--bfile"]);
    run(command.arg(prefix).arg("--pheno").arg(pheno).arg("--out").arg(prefix));
    let plain = std::fs::read(prefix.with_extension("assoc.tsv")).unwrap();
    assert!(std::fs::read(table).unwrap() == plain, "{name}: not the merged cohort's table");

    let (ours, phenotypes) = (Table::read(table), Table::read(pheno));
    let status: HashMap<&str, bool> = phenotypes
        .rows
        .iter()
        .map(|r| (phenotypes.get(r, "IID"), phenotypes.get(r, name) == "2"))
        .collect();
    let person = |line: &String| Some(status[line.split_whitespace().nth(1).unwrap()]);
    let cases: Vec<Option<bool>> = files.fam.iter().map(person).collect();
    assert_eq!(ours.rows.len(), 5 * files.bim.len());
    for ((rows, bim), codes) in ours.rows.chunks(5).zip(&files.bim).zip(&files.codes) {
        assert_eq!(ours.get(&rows[0], "ID"), bim[1]);
        // The first allele of a .bim line is ALT.
        let copies: Vec<Option<u8>> =
            codes.iter().map(|c| [Some(2), None, Some(1), Some(0)][usize::from(*c)]).collect();
        compare_statistics(&ours, rows, &truth(&copies, &cases), &bim[1]);
    }

    let plink = Command::new("plink1.9")
        .args(["--allow-no-sex", "--keep-allele-order", "--assoc", "counts", "--bfile"])
        .arg(prefix)
        .args(["--pheno-name", name, "--pheno"])
        .arg(pheno)
        .arg("--out")
        .arg(prefix)
        .output();
    match plink {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let counts = prefix.with_extension("assoc");
            assert_eq!(compare_counts(table, &counts, |_| false), files.bim.len());
        }
        Err(_) => {
            skipped("PLINK itself on the merged files: no plink1.9 on the PATH");
        }
    }
}

#[test]
fn four_altered_sites_and_three_key_holders_equal_plink() {
    let Some(data) = real_data() else { return };
    let set = data.join("geuvadis22");
    let whole = Files::read(&set.join("g22"));
    assert!(whole.codes.iter().flatten().all(|code| *code != 1), "no call is missing");
    let owners = owners_of(&whole, &Table::read(&set.join("sites.tsv")));
    let admin = free_address();
    let names = [&SITES[..], &["donor1", "donor2"]].concat();
    let c = Consortium::new(3, &names, &["--admin-listen", &admin]);
    hand_out(&whole, &owners, &c.owners);

    // The panel, from the sites' lists: in whatever order and with whatever alleles, it is that of the files.
    let lists: Vec<String> = c.owners[..4].iter().map(|o| o.path("cohort.bim")).collect();
    let mut command = c.coordinator.command(&["panel", "--build", "GRCh37", "--mode", "union"]);
    command.args(["--palindromic", "keep", "--out", "panel"]);
    for list in &lists {
        command.args(["--list", list]);
    }
    let digest = run(&mut command);
    let of_the_files = ["panel", "--build", "GRCh37", "--palindromic", "keep", "--out", "whole"];
    let mut command = c.coordinator.command(&of_the_files);
    assert_eq!(run(command.arg("--list").arg(set.join("g22.bim"))), digest);

    let draft = c.draft();
    let more =
        ["--people", "400", "--min-people", "200", "--complete", "--encrypted-participation"];
    let study = c.propose(&draft, "panel", &[&more[..], &["--test", TESTS]].concat());
    let agents: Vec<Agent> = c.holders.iter().map(|h| h.agent(&study)).collect();
    let pheno = set.join("pheno_bin.tsv");
    let mut running = Running { consortium: &c, study, agents, pheno: pheno.clone(), admin };
    wait_for_the_key(&mut running);

    let (first, second) = ("hi_ENSG00000172404", "hi_ENSG00000100372");
    let contribute = |owner| running.contribute(owner, first);
    let datasets: Vec<Option<String>> = c.owners.iter().map(contribute).collect();
    let genotypes = running.received();
    let job = running.release(first);
    let table = running.table(&job, "first");
    let merged = merged(&whole, &owners);
    let prefix = c.dir.path().join("merged");
    merged.write(&prefix);
    let panel = c.coordinator.path("panel");
    check(&table, (&merged, &prefix), &panel, &pheno, first);
    // PLINK's counts of the unaltered files hold for what no site lacks.
    let lacking: HashSet<&str> =
        (0..).zip(&whole.bim).filter(|(v, _)| is_absent(*v)).map(|(_, r)| r[1].as_str()).collect();
    let plink = set.join(format!("truth/p19_counts.{first}.assoc.gz"));
    let compared = compare_counts(&table, &plink, |id| lacking.contains(id));
    assert_eq!(compared + lacking.len(), 85_485);

    // Another phenotype: weights and totals, no genotypes.
    let before = running.received();
    for (owner, dataset) in c.owners.iter().zip(&datasets) {
        match dataset {
            Some(dataset) => {
                let files = ["--dataset", "first/dataset", "--out", "second"];
                let made = running.encrypt(owner, second, &files);
                assert_eq!(made["dataset"], dataset.as_str());
            }
            None => assert_eq!(running.contribute(owner, second), None),
        }
    }
    let sent = running.received() - before;
    assert!(sent < genotypes / 10, "{sent} bytes; the first phenotype came with {genotypes}");
    let job = running.release(second);
    check(&running.table(&job, "second"), (&merged, &prefix), &panel, &pheno, second);
    for party in c.owners.iter().chain(&c.holders).chain([&c.analyst, &c.coordinator]) {
        party.run(&["log", "verify", &running.study]);
    }
}

/// The agents make the study's key, each in its turn.
fn wait_for_the_key(running: &mut Running<'_>) {
    let started = Instant::now();
    let coordinator = &running.consortium.coordinator;
    while coordinator.json(&["study", "status", &running.study])["phase"] != "ready" {
        running.agents.iter_mut().for_each(Agent::must_live);
        assert!(started.elapsed() < Duration::from_secs(120), "no key");
        std::thread::sleep(Duration::from_millis(100));
    }
}
