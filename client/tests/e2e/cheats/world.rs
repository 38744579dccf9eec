//! A consortium behind a server that lies.

use std::path::PathBuf;
use std::process::Output;
use std::sync::Arc;

use gwas::wire::{ChunkRef, JobResult, Study};
use he_core::{Digest, Params};
use hegwas::keys::{Identity, PassphraseSource};
use hegwas::net::{Client, Collection, Options};

use crate::filesets::Files;
use crate::liar::Liar;
use crate::party::{Consortium, Party};
use crate::site::{Typing, fixture, free_address};

pub const SITE: usize = 0;
const SUMMED: usize = 1;
pub const DONOR: usize = 2;

/// Three holders, a site, a site that sends totals, and a donor, behind a server that can lie.
pub struct World {
    pub liar: Liar,
    pub c: Consortium,
    pub study: String,
}

impl World {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With further terms of the study; where these ask for complete genotypes, nothing is missing.
    pub fn with(terms: &[&str]) -> Self {
        let (liar, address) = (Liar::start(), free_address());
        liar.connect(&address);
        let names = ["site", "summed", "donor"];
        let c = Consortium::listening(&address, 3, &names, &["--public-url", &liar.url]);
        let mut whole = Files::read(&fixture("small")).of(|i| i < 41).without(|v| v >= 40);
        if terms.contains(&"--complete") {
            whole.codes.iter_mut().flatten().filter(|code| **code == 1).for_each(|code| *code = 2);
        }
        for (owner, people) in c.owners.iter().zip([0..25, 25..40, 40..41]) {
            whole.of(|i| people.contains(&i)).write(&owner.home.join("cohort"));
        }
        let mut table = String::from("#FID\tIID\tY\n");
        for (number, line) in whole.fam.iter().enumerate() {
            let ids: Vec<&str> = line.split_whitespace().take(2).collect();
            table += &format!("{}\t{}\n", ids.join("\t"), 1 + number % 2);
        }
        std::fs::write(c.dir.path().join("pheno.tsv"), table).unwrap();
        let list = c.owners[SITE].path("cohort.bim");
        c.coordinator.run(&["panel", "--list", &list, "--palindromic", "keep", "--out", "panel"]);
        let draft = c.draft();
        let study = Self::study(&c, &draft, "2", terms);
        Self { liar, c, study }
    }

    pub fn study(c: &Consortium, draft: &str, min_people: &str, terms: &[&str]) -> String {
        let limits = ["--min-people", min_people, "--min-cases", "0", "--min-controls", "0"];
        let more = ["--people", "100", "--contributions", "4", "--min-changed-rows", "0"];
        let study = c.propose(draft, "panel", &[&more[..], &limits, terms].concat());
        c.make_key(&study);
        study
    }

    /// Another study of the same parties, which lets a single person's result through.
    pub fn lax_study(&self) -> String {
        Self::study(&self.c, &self.c.draft(), "1", &[])
    }

    pub fn client(&self, party: &Party) -> Client {
        let key = PathBuf::from(party.path("me.key"));
        let identity = Identity::load(&key, &PassphraseSource::Terminal).unwrap();
        Client::new(party.url.parse().unwrap(), Arc::new(identity), &Options::default()).unwrap()
    }

    /// Encrypts an owner's files for a study; dataset and phenotype, or totals.
    pub fn encrypt(&self, owner: usize, more: &[&str]) -> serde_json::Value {
        let (owner, pheno) = (&self.c.owners[owner], self.c.dir.path().join("pheno.tsv"));
        let server = owner.url.clone();
        let encrypt = ["encrypt", "--study", &self.study, "--server", &server, "--bfile", "cohort"];
        let pheno = ["--pheno", pheno.to_str().unwrap(), "--palindromic", "keep", "--out", "out"];
        owner.json(&[&encrypt[..], &pheno, more].concat())
    }

    /// Grants a dataset to a study; the three options of a job.
    pub fn grant(
        &self,
        owner: usize,
        made: &serde_json::Value,
        study: &str,
        more: &[&str],
    ) -> Vec<String> {
        let [dataset, phenotype] = ["dataset", "phenotype"].map(|n| made[n].as_str().unwrap());
        let grant = ["grant", "new", "--dataset", dataset, "--study", study];
        let grant = self.c.owners[owner].run(&[&grant[..], more].concat());
        ["--dataset", dataset, "--phenotype", phenotype, "--grant", &grant]
            .map(str::to_owned)
            .to_vec()
    }

    pub fn run(&self, study: &str, inputs: &[String]) -> String {
        let mut command = self.c.coordinator.command(&["run", "new", "--study", study]);
        crate::common::run(command.args(inputs)).trim().to_owned()
    }

    /// A job over the site's rows and the other one's totals.
    pub fn job(&self) -> String {
        let made = self.encrypt(SITE, &[]);
        let totals = self.encrypt(SUMMED, &["--totals"]);
        let mut inputs = self.grant(SITE, &made, &self.study, &[]);
        inputs.extend(["--totals".to_owned(), totals["totals"].as_str().unwrap().to_owned()]);
        self.run(&self.study, &inputs)
    }

    /// What a holder's agent does, once.
    pub fn agent(&self, holder: usize, study: &str, more: &[&str]) -> Output {
        let args = ["agent", "--study", study, "--once"];
        self.c.holders[holder].command(&[&args[..], more].concat()).output().unwrap()
    }

    /// Bytes of what a holder wrote down as shared.
    pub fn ledger(&self, holder: usize, study: &str) -> u64 {
        let file = format!("me.key.state/{study}/shares");
        std::fs::metadata(self.c.holders[holder].path(&file)).map_or(0, |m| m.len())
    }

    pub fn result(&self, job: &str) -> (Digest, JobResult) {
        let (client, job) = (self.client(&self.c.coordinator), job.parse().unwrap());
        let id = client.job_status(&job).unwrap().result.unwrap();
        (id, client.job_result(&job, &id).unwrap())
    }

    pub fn bytes(&self, chunk: &ChunkRef) -> Vec<u8> {
        self.client(&self.c.coordinator).get_chunk(chunk).unwrap()
    }

    pub fn params(&self) -> Params {
        let client = self.client(&self.c.coordinator);
        let study = self.study.parse().unwrap();
        let study = client.get_manifest::<Study>(Collection::Studies, &study).unwrap();
        study.message.plan.params()
    }
}
