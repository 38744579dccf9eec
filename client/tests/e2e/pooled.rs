//! Several sites, totals and single donors in one study, each with a key and an account of its own: the table is that of the
//! merged cohort in the clear.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gwas::panel::Panel;
use gwas::wire::{
    Envelope, KeyCommitment, Participation, PlaneKind, Release, Statistic, Study, StudyLimits,
};
use he_core::arith::Ring;
use he_core::ceremony::key_round;
use he_core::commit::Commitments;
use he_core::{Digest, Plan, PlanRequest};
use he_core_secret::HolderKey;
use hegwas::keys::{Identity, PassphraseSource};
use hegwas::net::{Client, Collection, Options};

use crate::common::{hegwas, run};
use crate::filesets::Files;
use crate::site::{Server, Site, Typing, fixture, new_key, plaintext_table, refused};

const ALL_TESTS: &str = "allelic,trend,geno,dom,rec";

/// Every twentieth variant is not in the files of the last site.
fn is_absent(variant: usize) -> bool {
    variant % 20 == 7
}

/// Somebody with a key.
struct Party {
    key: PathBuf,
    did: String,
}

impl Party {
    fn client(&self, url: &str) -> Client {
        let identity = Identity::load(&self.key, &PassphraseSource::from(None::<PathBuf>)).unwrap();
        Client::new(url.parse().unwrap(), Arc::new(identity), &Options::default()).unwrap()
    }
}

struct World {
    dir: tempfile::TempDir,
    server: Server,
    /// Coordinator and key holder; it has no data.
    holder: Party,
    /// Four sites, then two donors.
    owners: Vec<Party>,
    panel: PathBuf,
    study: String,
}

impl World {
    fn new(bim: &Path, planes: &[PlaneKind], participation: Participation) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let party = |name: &str| {
            let key = dir.path().join(name);
            Party { did: new_key(&key), key }
        };
        let holder = party("holder.key");
        let owners: Vec<Party> = (0..6).map(|n| party(&format!("owner{n}.key"))).collect();
        let outsider = party("outsider.key");
        let dids: Vec<&str> =
            owners.iter().chain([&holder, &outsider]).map(|p| p.did.as_str()).collect();
        let server = Server::start(&dir.path().join("data"), "127.0.0.1:0", &dids.join(","), &[]);
        let panel = dir.path().join("study.panel");
        let mut command = hegwas();
        command.args(["panel", "--build", "GRCh37", "--palindromic", "keep", "--list"]).arg(bim);
        run(command.arg("--out").arg(&panel));
        let study = create(&server.url, &holder, &owners, &panel, planes, participation);
        Self { dir, server, holder, owners, panel, study }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, party: &Party, args: &[&str]) -> std::process::Command {
        let mut command = hegwas();
        command.args(args).arg("--key").arg(&party.key).args(["--server", &self.server.url]);
        command
    }

    /// Encrypts files for the study; what the command printed as JSON.
    fn encrypt(
        &self,
        party: &Party,
        files: &Path,
        pheno: &Path,
        more: &[&str],
        out: &str,
    ) -> serde_json::Value {
        let args = ["--json", "encrypt", "--study", &self.study, "--build", "GRCh37"];
        let mut command = self.command(party, &args);
        command.args(["--palindromic", "keep"]).arg("--bfile").arg(files);
        command.arg("--pheno").arg(pheno).args(more).arg("--out").arg(self.path(out));
        serde_json::from_str(&run(&mut command)).unwrap()
    }

    fn grant(&self, party: &Party, dataset: &str) -> String {
        let args = ["grant", "new", "--dataset", dataset, "--study", &self.study];
        let output = self.command(party, &args).output().unwrap();
        // What it costs is said.
        assert!(String::from_utf8_lossy(&output.stderr).contains(" MiB, for a dataset of "));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Has the holder run a job; its id.
    fn job(&self, inputs: &[String]) -> String {
        let mut command = self.command(&self.holder, &["run", "new", "--study", &self.study]);
        run(command.args(inputs)).trim().to_owned()
    }

    /// Has the holder open a result: what the inputs lack is in `manifests` or else on the server.
    fn open(&self, job: &str, manifests: &[PathBuf], out: &str) -> std::process::Output {
        let mut command = self.command(&self.holder, &["result", job, "--test", ALL_TESTS]);
        for manifest in manifests {
            command.arg("--manifest").arg(manifest);
        }
        command.arg("--out").arg(self.path(out)).output().unwrap()
    }

    /// The table of a result.
    fn table(&self, job: &str, manifests: &[PathBuf], out: &str) -> Vec<u8> {
        let output = self.open(job, manifests, out);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(self.path(out).with_extension("assoc.tsv")).unwrap()
    }

    /// The same table without encryption.
    fn expected(&self, merged: &Path, pheno: &Path, name: &str) -> Vec<u8> {
        let out = self.path("expected");
        let mut command = hegwas();
        command.args(["assoc", "--plaintext", "--build", "GRCh37", "--palindromic", "keep"]);
        command
            .arg("--panel")
            .arg(&self.panel)
            .arg("--bfile")
            .arg(merged)
            .arg("--pheno")
            .arg(pheno);
        run(command.args(["--pheno-name", name, "--test", ALL_TESTS, "--out"]).arg(&out));
        std::fs::read(out.with_extension("assoc.tsv")).unwrap()
    }
}

/// A study of all owners, with its key.
fn create(
    url: &str,
    holder: &Party,
    owners: &[Party],
    panel: &Path,
    planes: &[PlaneKind],
    participation: Participation,
) -> String {
    let client = holder.client(url);
    let identity = client.identity();
    let text = std::fs::read(panel).unwrap();
    let panel = Panel::read_text(text.as_slice()).unwrap();
    client.put_panel(&panel.digest(), &text).unwrap();
    let mut data_owners: Vec<_> = owners.iter().map(|p| p.did.parse().unwrap()).collect();
    data_owners.sort();
    let request = PlanRequest { datasets: 6, ..PlanRequest::sole_holder(2000) };
    let study = Study {
        name: "Pooled".into(),
        purpose: "Known loci".into(),
        draft: None,
        plan: Plan::new(request).unwrap(),
        build: "GRCh37".into(),
        panel: panel.digest(),
        variants: panel.len(),
        planes: planes.to_vec(),
        statistics: vec![Statistic::Allelic, Statistic::Trend],
        release: Release::Counts,
        participation,
        coordinator: identity.did(),
        key_holders: vec![identity.did()],
        data_owners,
        analysts: Vec::new(),
        sealing_keys: Vec::new(),
        limits: StudyLimits { min_people: 10, ..StudyLimits::open(10) },
        created: 1,
        nonce: [7; 16],
    };
    let sign = |mut envelope: Envelope| {
        envelope.sign(identity.did(), |bytes| identity.sign(bytes));
        envelope
    };
    let envelope = sign(Envelope::new(&study).unwrap());
    client.put_manifest(Collection::Studies, &envelope).unwrap();
    let (id, ring) = (envelope.id(), Ring::new(study.plan.params()));
    let key = HolderKey::derive(identity.master(), &ring, id);
    let party = identity.did().to_string();
    let commitment = key.commit_public_share(&ring, &party).to_bytes();
    let promise = KeyCommitment { study: id, commitment: commitment.clone() };
    client.put_key_commitment(&sign(Envelope::new(&promise).unwrap()), &id).unwrap();
    let received = [(party.as_str(), commitment.as_slice())];
    let all = Commitments::collect(key_round(id), &[&party], received).unwrap();
    let reveal = key.reveal_public_share(&ring, &party, &all).unwrap();
    let reveal = reveal.signed(|text| identity.sign(text));
    client.put_study_key(&id, &reveal.to_bytes()).unwrap();
    id.to_string()
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() { size(&path) } else { path.metadata().map_or(0, |m| m.len()) }
        })
        .sum()
}

/// Splits `whole` by `site_of` into four altered sites, of which number 1 contributes totals, and two donors; runs both
/// phenotypes and compares with the merged cohort.
fn check(
    world: &World,
    whole: &Files,
    pheno: &Path,
    names: &[&str],
    site_of: impl Fn(usize) -> usize,
) {
    let donors = [0, whole.fam.len() - 1];
    let site_of = |i: usize| match donors.iter().position(|d| *d == i) {
        Some(donor) => 4 + donor,
        None => site_of(i),
    };
    // What the pooled table has to be of.
    let mut merged = whole.of(|_| true);
    for (_, row) in merged.codes.iter_mut().enumerate().filter(|(v, _)| is_absent(*v)) {
        row.iter_mut().enumerate().filter(|(i, _)| site_of(*i) == 3).for_each(|(_, c)| *c = 1);
    }
    let all = world.path("merged");
    merged.write(&all);

    let files: Vec<PathBuf> = (0..6)
        .map(|site| {
            let prefix = world.path(&format!("files{site}"));
            let files = whole.of(|i| site_of(i) == site);
            match site {
                0 => files.reversed(),
                1 => files.swapped(),
                2 => files.flipped(),
                3 => files.without(is_absent),
                _ => files,
            }
            .write(&prefix);
            prefix
        })
        .collect();
    let mut granted: Vec<(usize, String, String)> = Vec::new();
    for (round, name) in names.iter().enumerate() {
        let (mut inputs, mut manifests) = (Vec::new(), Vec::new());
        for (site, owner) in world.owners.iter().enumerate() {
            let out = format!("out{site}-{round}");
            let more = ["--pheno-name", name];
            if site == 1 {
                let more = [&more[..], &["--totals"]].concat();
                let made = world.encrypt(owner, &files[site], pheno, &more, &out);
                assert!(made["dataset"].is_null() && made["phenotype"].is_null());
                inputs.extend(["--totals".to_owned(), text(&made["totals"])]);
                continue;
            }
            let (dataset, phenotype, grant) = if round == 0 {
                let made = world.encrypt(owner, &files[site], pheno, &more, &out);
                let dataset = text(&made["dataset"]);
                let grant = world.grant(owner, &dataset);
                granted.push((site, dataset.clone(), grant.clone()));
                (dataset, text(&made["phenotype"]), grant)
            } else {
                // A job by name is over everybody, or there is none.
                let by_name =
                    ["run", "new", "--study", &world.study, "--phenotype-name", name, "--detach"];
                let output = world.command(&world.holder, &by_name).output().unwrap();
                refused(&output, 3, &["has sent no phenotype", "--without", name]);
                let folder = world.path(&format!("out{site}-0")).join("dataset");
                let args = ["--json", "encrypt", "--study", &world.study, "--pheno-name", name];
                let mut command = world.command(owner, &args);
                command.arg("--dataset").arg(folder).arg("--pheno").arg(pheno);
                let before = size(&world.path("data"));
                let made = run(command.arg("--out").arg(world.path(&out)));
                let made: serde_json::Value = serde_json::from_str(&made).unwrap();
                // Weights are a row each of one polynomial for each vector; genotypes have many blocks.
                let people = whole.of(|i| site_of(i) == site).fam.len() as u64;
                let grown = size(&world.path("data")) - before;
                assert!(grown < (people + 40) * 2 * 4 * 8192 * 8, "{grown}");
                let (_, dataset, grant) = granted.iter().find(|g| g.0 == site).unwrap().clone();
                (dataset, text(&made["phenotype"]), grant)
            };
            manifests.push(world.path(&format!("out{site}-0/dataset/manifest.hegwas")));
            manifests.push(world.path(&out).join("phenotype/manifest.hegwas"));
            for (word, id) in [("dataset", dataset), ("phenotype", phenotype), ("grant", grant)] {
                inputs.extend([format!("--{word}"), id]);
            }
        }
        let expected = world.expected(&all, pheno, name);
        let given =
            if round == 0 { inputs } else { vec!["--phenotype-name".into(), (*name).into()] };
        let job = world.job(&given);
        let found = world.table(&job, &[], &format!("pooled{round}"));
        assert!(found == expected, "{name}: the pooled table is not the merged cohort's");
        if round == 0 {
            continue;
        }
        // Where an owner has erased its data, its files say what they lacked.
        let (site, dataset, _) = &granted[0];
        let erase = ["--json", "erase", "dataset", dataset];
        refused(
            &world.command(&world.owners[*site], &erase).output().unwrap(),
            2,
            &["no terminal"],
        );
        let mut erase = world.command(&world.owners[*site], &erase);
        let gone: serde_json::Value = serde_json::from_str(&run(erase.arg("--yes"))).unwrap();
        let receipts: Vec<&str> = gone["receipts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["erased"].as_str().unwrap())
            .collect();
        assert!(
            receipts.contains(&dataset.as_str()) && receipts.contains(&granted[0].2.as_str()),
            "{gone}"
        );
        assert!(gone["bytes"].as_u64().unwrap() > 1 << 20);
        refused(
            &world
                .command(&world.owners[*site], &["erase", "dataset", dataset, "--yes"])
                .output()
                .unwrap(),
            6,
            &["dataset"],
        );
        refused(&world.open(&job, &[], "erased"), 3, &["--manifest", "owner"]);
        assert!(world.table(&job, &manifests, "erased") == expected);
    }
}

/// The committed cohort's phenotypes, and a second one with people left out.
fn phenotypes(whole: &Files, path: &Path) {
    let mut table = String::from("#FID\tIID\tFIRST\tSECOND\n");
    for (i, line) in whole.fam.iter().enumerate() {
        let mut ids = line.split_whitespace();
        let (fid, iid) = (ids.next().unwrap(), ids.next().unwrap());
        let second = if i % 5 == 2 { "NA" } else { ["1", "2"][i / 3 % 2] };
        table += &format!("{fid}\t{iid}\t{}\t{second}\n", 1 + i % 2);
    }
    std::fs::write(path, table).unwrap();
}

#[test]
fn rows_totals_and_donors_give_the_merged_cohort_s_table() {
    use PlaneKind::{Called, Dosage, HomAlt};
    let mut whole = Files::read(&fixture("small"));
    let bim = fixture("small.bim");
    for (planes, participation) in [
        (&[Dosage, HomAlt, Called][..], Participation::Public),
        (&[Dosage, HomAlt][..], Participation::Encrypted),
    ] {
        let world = World::new(&bim, planes, participation);
        let pheno = world.path("pheno.tsv");
        phenotypes(&whole, &pheno);
        if !planes.contains(&Called) {
            let prefix = world.path("missing");
            whole.write(&prefix);
            let args = ["encrypt", "--study", &world.study, "--build", "GRCh37"];
            let mut command = world.command(&world.owners[0], &args);
            command.arg("--bfile").arg(&prefix).arg("--out").arg(world.path("refused"));
            refused(&command.output().unwrap(), 3, &["calls are missing", "--extract"]);
            whole.codes.iter_mut().flatten().filter(|c| **c == 1).for_each(|c| *c = 3);
        }
        check(&world, &whole, &pheno, &["FIRST", "SECOND"], |i| i % 4);
    }
}

#[test]
fn a_job_by_name_takes_what_is_granted_and_says_so() {
    let site = Site::new();
    let ids = site.prepare("small");
    let by_name = |more: &[&str]| {
        let args = ["run", "new", "--study", &ids.study, "--phenotype-name"];
        site.command(&[&args, more].concat()).output().unwrap()
    };
    let output = by_name(&["CASE"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && said.contains(&format!("dataset {}", ids.dataset)),
        "{said}"
    );
    assert!(said.contains(&ids.phenotype), "{said}");
    let job = String::from_utf8(output.stdout).unwrap();
    let out = site.path("named");
    let mut result = site.command(&["result", job.trim(), "--test", ALL_TESTS]);
    run(result.arg("--out").arg(&out));
    let table = std::fs::read(out.with_extension("assoc.tsv")).unwrap();
    assert!(table == plaintext_table("small", site.dir.path(), &["--test", ALL_TESTS]));
    // A granted dataset is never left out in silence.
    refused(&by_name(&["OTHER"]), 3, &["has sent no phenotype OTHER", &ids.dataset, "--without"]);
    refused(&by_name(&["OTHER", "--without", &ids.dataset]), 3, &["check its name"]);
}

#[test]
fn bad_contributions_are_refused_with_the_reason() {
    let world = World::new(
        &fixture("small.bim"),
        &[PlaneKind::Dosage, PlaneKind::HomAlt, PlaneKind::Called],
        Participation::Public,
    );
    let other = world.path("other.panel");
    let mut command = hegwas();
    command.args(["panel", "--build", "GRCh37", "--list"]).arg(fixture("small.bim"));
    run(command.arg("--out").arg(&other)); // without palindromic variants
    let owner = &world.owners[0];
    let outsider = Party { key: world.path("outsider.key"), did: String::new() };
    let path = |p: &Path| p.to_str().unwrap().to_owned();
    let cases: [(&Party, Vec<String>, i32, &str); 5] = [
        (&outsider, vec![], 6, "study"),
        (&world.holder, vec![], 3, "not one of the study's data owners"),
        (owner, vec!["--panel".into(), path(&other)], 3, "is not the study's"),
        (owner, vec!["--maf".into(), "0.1".into()], 2, "pooled released statistics"),
        (owner, vec!["--totals".into()], 2, "--pheno"),
    ];
    for (party, more, code, word) in cases {
        let args = ["encrypt", "--study", &world.study, "--build", "GRCh37"];
        let mut command = world.command(party, &args);
        command.arg("--bfile").arg(fixture("small")).args(&more);
        command.arg("--out").arg(world.path("refused"));
        refused(&command.output().unwrap(), code, &[word]);
        assert!(!world.path("refused").join("dataset").exists());
    }
    // A dataset of one's own study has other parameters.
    let mut command = hegwas();
    command.arg("encrypt").arg("--bfile").arg(fixture("small")).arg("--key").arg(&owner.key);
    run(command.arg("--out").arg(world.path("own")));
    let mut command = world.command(owner, &["encrypt", "--study", &world.study]);
    command.arg("--dataset").arg(world.path("own/dataset"));
    command.arg("--pheno").arg(fixture("small.pheno.tsv")).arg("--out").arg(world.path("late"));
    refused(&command.output().unwrap(), 3, &["was encrypted with", "hegwas encrypt --study"]);
    // Ids come in threes, and a name that nobody has is no job.
    let id = Digest::of(b"x").to_string();
    let args = ["run", "new", "--study", &world.study, "--dataset", &id];
    let output = world.command(&world.holder, &args).output().unwrap();
    refused(&output, 2, &["equally often"]);
    let args = ["run", "new", "--study", &world.study, "--phenotype-name", "NOBODY"];
    refused(&world.command(&world.holder, &args).output().unwrap(), 3, &["check its name"]);
}
