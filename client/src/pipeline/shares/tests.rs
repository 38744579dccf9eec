//! A consortium from the first invitation to the table, with a server process; and parties that cheat.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;

use clap::Parser as _;
use gwas::wire::status::{Action, JobState, Todo};
use gwas::wire::{ChunkRef, Dataset, Did, Participation, SealedShares, SharePhase, Shares, Study};
use he_core::Digest;
use he_core::arith::Ring;

use super::give::sealed_object;
use super::inputs::{Inputs, result_of};
use super::replay::replay;
use crate::cli::{Cli, Command, dispatch};
use crate::console::{Console, Unit};
use crate::keys::{Identity, PassphraseSource, seal_to};
use crate::net::{Client, Collection, Options};
use crate::pipeline::encrypt::{DatasetInput, encrypt_dataset, encrypt_phenotype};
use crate::pipeline::prepare::{Files, open, prepare};
use crate::pipeline::remote;
use crate::pipeline::study::sign;
use crate::sink::{ChunkSink as _, UploadSink};
use crate::{Error, Result};

const HOLDERS: [&str; 3] = ["one", "two", "three"];

struct World {
    dir: tempfile::TempDir,
    /// Prefix of PLINK files, and a table with the phenotype CASE.
    files: [String; 2],
    server: Child,
    url: String,
    study: Digest,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The program that is built beside the tests.
fn server_program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("hegwas-server");
    assert!(program.exists(), "build the server first: cargo build -p hegwas-server");
    program
}

/// A server process on the data of a folder, and its address.
fn serve(folder: &Path) -> (Child, String) {
    let allowed = load(&folder.join("coordinator")).did().to_string();
    let mut command = Process::new(server_program());
    command.args(["serve", "--listen", "127.0.0.1:0", "--threads", "2", "--allow", &allowed]);
    command.arg("--data").arg(folder.join("data"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    (server, ready["listening"].as_str().unwrap().to_owned())
}

fn fixture(name: &str) -> String {
    let path = hegwas_fixtures::committed::data_folder().join(name);
    path.to_str().unwrap().to_owned()
}

impl World {
    /// A server, a coordinator who is the analyst too, three key holders and a data owner, with a signed study and its key.
    fn new() -> Self {
        let propose =
            ["--people", "200", "--test", "allelic,trend,geno,dom,rec", "--min-people", "50"];
        let dir = tempfile::tempdir().unwrap();
        Self::with(dir, [fixture("small"), fixture("small.pheno.tsv")], &propose)
    }

    /// With a study of these files, proposed with these arguments.
    fn with(dir: tempfile::TempDir, files: [String; 2], propose: &[&str]) -> Self {
        for name in [&HOLDERS[..], &["coordinator", "owner"]].concat() {
            let identity = Identity::generate(1).unwrap();
            identity.create(&dir.path().join(name), &crate::keys::Protection::None).unwrap();
        }
        let (server, url) = serve(dir.path());
        let mut world = Self { dir, files, server, url, study: Digest::default() };
        world.found(propose);
        world
    }

    /// Kills the server and starts it again on the same data.
    fn restart(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
        (self.server, self.url) = serve(self.dir.path());
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn client(&self, who: &str) -> Client {
        let identity = Arc::new(load(&self.dir.path().join(who)));
        Client::new(self.url.parse().unwrap(), identity, &Options::default()).unwrap()
    }

    /// A command of somebody's, as it is typed.
    fn run(&self, who: &str, args: &[&str]) -> Result<()> {
        let key = self.path(who);
        let more = ["--server", &self.url, "--key", &key];
        let cli = Cli::try_parse_from([&["hegwas"], args, &more].concat()).unwrap();
        dispatch(cli.command, &Console::silent())
    }

    /// From the draft to the key.
    fn found(&mut self, terms: &[&str]) {
        self.run("coordinator", &["study", "draft", "--name", "S", "--purpose", "P"]).unwrap();
        let draft = self.client("coordinator").drafts().unwrap()[0].id.to_string();
        for who in [&HOLDERS[..], &["owner"]].concat() {
            let role = if who == "owner" { "data-owner" } else { "key-holder" };
            let file = self.path(&format!("{who}.invitation"));
            let invite = ["study", "invite", &draft, "--role", role, "--out", &file];
            self.run("coordinator", &invite).unwrap();
            self.run(who, &["study", "join", &file]).unwrap();
        }
        let replayed = self.run("owner", &["study", "join", &self.path("one.invitation")]);
        assert!(matches!(replayed, Err(Error::Net(_))), "an invitation is used once");

        let (bfile, panel) = (&self.files[0], self.path("panel"));
        let make = ["hegwas", "panel", "--bfile", bfile, "--palindromic", "keep", "--out", &panel];
        dispatch(Cli::try_parse_from(make).unwrap().command, &Console::silent()).unwrap();
        let propose = [
            &[
                "study",
                "propose",
                &draft,
                "--panel",
                &panel,
                "--also",
                "analyst",
                "--max-jobs",
                "4",
            ],
            terms,
        ]
        .concat();
        self.run("coordinator", &propose).unwrap();
        self.study = self.client("coordinator").list(Collection::Studies).unwrap()[0].id;
        let study = self.study.to_string();
        for (number, holder) in HOLDERS.iter().enumerate() {
            assert!(self.run(holder, &["study", "sign", &study]).is_err(), "asks, on no terminal");
            self.run(holder, &["study", "advance", &study]).unwrap();
            let agent = self.run(holder, &["agent", "--study", &study, "--once"]);
            let said = agent.unwrap_err().to_string();
            assert!(said.contains("not signed yet"), "{number}: {said}");
            self.run(holder, &["study", "sign", &study, "--yes"]).unwrap();
        }
        for _ in 0..2 {
            for holder in HOLDERS {
                self.run(holder, &["study", "advance", &study]).unwrap();
            }
        }
        self.run("owner", &["study", "status", &study]).unwrap();
    }

    fn terms(&self) -> gwas::wire::Opened<Study> {
        self.client("coordinator").get_manifest(Collection::Studies, &self.study).unwrap()
    }

    /// Encrypts the small cohort for the study, grants it, and runs a job over it; the job.
    fn compute(&self) -> Digest {
        let (client, study) = (self.client("owner"), self.terms().message);
        let [bfile, pheno] = &self.files;
        let encrypt = ["hegwas", "encrypt", "--bfile", bfile, "--pheno", pheno, "--pheno-name"];
        let encrypt = [&encrypt[..], &["CASE", "--out", "x", "--key", "x"]].concat();
        let Command::Encrypt(args) = Cli::try_parse_from(encrypt).unwrap().command else {
            panic!("another command")
        };
        let quiet = Console::silent();
        let files = Files::of(args.input.bfile.as_deref(), None).unwrap();
        let file = open(&files, &args.reading, 1, &quiet).unwrap();
        let prepared = prepare(file, &args.filters, Some(&args.phenotype), None, &quiet).unwrap();
        let ring = Ring::new(study.plan.params());
        let progress = quiet.progress("encrypt", 0, Unit::Bytes);
        let sink = UploadSink::start(&client, 2, &progress).unwrap();
        let (identity, cohort) = (client.identity(), &prepared.cohort);
        let input = DatasetInput {
            name: String::new(),
            cohort,
            planes: study.planes.clone(),
            absent: None,
            plan: study.plan,
        };
        let entropy = || remote::entropy().unwrap();
        let dataset: Dataset =
            encrypt_dataset(&ring, input, identity.master(), &entropy(), &sink, &progress).unwrap();
        let envelope = sign(&dataset, identity).unwrap();
        let id = envelope.id();
        let status = prepared.phenotype.unwrap().status;
        let name = "CASE".to_owned();
        let (data, master) = ((id, &dataset), identity.master());
        let weights = encrypt_phenotype(
            &ring,
            name,
            data,
            (&status, Participation::Public),
            master,
            &entropy(),
            &sink,
        );
        let weights = sign(&weights.unwrap(), identity).unwrap();
        sink.finish().unwrap();
        remote::send_panel(&client, cohort.panel()).unwrap();
        client.put_manifest(Collection::Datasets, &envelope).unwrap();
        client.put_manifest(Collection::Phenotypes, &weights).unwrap();
        let [study, id, weights] = [self.study, id, weights.id()].map(|d| d.to_string());
        self.run("owner", &["grant", "new", "--dataset", &id, "--study", &study]).unwrap();
        let grant = client.list(Collection::Grants).unwrap()[0].id.to_string();
        let job = ["run", "new", "--study", &study, "--dataset", &id, "--phenotype", &weights];
        self.run("coordinator", &[&job[..], &["--grant", &grant]].concat()).unwrap();
        client.list_jobs().unwrap()[0].job
    }

    fn agent(&self, who: &str, more: &[&str]) -> Result<()> {
        let study = self.study.to_string();
        self.run(who, &[&["agent", "--study", &study, "--once"], more].concat())
    }

    fn result(&self, job: &Digest) -> Result<()> {
        let (job, out) = (job.to_string(), self.path("table"));
        self.run("coordinator", &["result", &job, "--test", "allelic,trend", "--out", &out])
    }

    fn did(&self, who: &str) -> Did {
        load(&self.dir.path().join(who)).did()
    }
}

fn load(key: &Path) -> Identity {
    Identity::load(key, &PassphraseSource::Terminal).unwrap()
}

mod finishing;
mod totals;

#[test]
fn a_consortium_from_invitation_to_table() {
    let world = World::new();
    let job = world.compute();
    let id = job.to_string();
    world.run("one", &["audit", &id]).unwrap();
    let one = world.client("one");
    let inputs = Inputs::load(&one, &job).unwrap();
    let (_, mut lie) = result_of(&one, &one.job_status(&job).unwrap()).unwrap();
    lie.units[0].chunk = lie.units[1].chunk;
    let (ring, quiet) = (Ring::new(inputs.params()), Console::silent());
    let progress = quiet.progress("replay", 0, Unit::Bytes);
    let said = replay(&one, &ring, &inputs, &lie, &progress).unwrap_err().to_string();
    assert!(said.contains(&world.url), "the server is named: {said}");

    // A holder with a stricter policy shares nothing, and nobody learns anything.
    let said = world.agent("one", &["--min-people", "1000"]).unwrap_err().to_string();
    assert!(said.contains("fewer than 1000 people"), "{said}");
    assert!(
        world.client("one").share_statuses(&job).unwrap().iter().all(|s| s.commitment.is_none())
    );

    // Two of three holders are never enough; the one that is missing is named.
    for _ in 0..4 {
        for holder in ["one", "two"] {
            world.agent(holder, &[]).unwrap();
        }
    }
    let said = world.result(&job).unwrap_err().to_string();
    assert!(said.contains("can't be decrypted yet"), "{said}");
    let todo = world.client("owner").study_status(&world.study).unwrap().todo;
    let waiting =
        [Todo { party: world.did("three"), action: Action::CommitTotals, job: Some(job) }];
    assert_eq!(todo, waiting);

    // A holder whose memory is lost shares nothing of what it committed to, until it is restored.
    world.agent("three", &[]).unwrap();
    let [state, away] = ["one.state", "away"].map(|name| world.dir.path().join(name));
    std::fs::rename(&state, &away).unwrap();
    let said = world.agent("one", &[]).unwrap_err().to_string();
    assert!(said.contains("do not know what it committed to"), "{said}");
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::rename(&away, &state).unwrap();

    for _ in 0..4 {
        for holder in HOLDERS {
            world.agent(holder, &[]).unwrap();
        }
    }
    let client = world.client("coordinator");
    assert_eq!(client.job_status(&job).unwrap().state, JobState::Released);
    world.result(&job).unwrap();
    let (bfile, pheno, plain) = (fixture("small"), fixture("small.pheno.tsv"), world.path("plain"));
    let assoc = ["hegwas", "assoc", "--plaintext", "--bfile", &bfile, "--pheno", &pheno];
    let more = ["--pheno-name", "CASE", "--test", "allelic,trend", "--out", &plain];
    let assoc = Cli::try_parse_from([&assoc[..], &more].concat()).unwrap();
    dispatch(assoc.command, &Console::silent()).unwrap();
    let table = |prefix: &str| std::fs::read(format!("{prefix}.assoc.tsv")).unwrap();
    assert_eq!(table(&world.path("table")), table(&plain));

    // Who is no analyst receives nothing.
    let out = world.path("mine");
    assert!(world.run("one", &["result", &id, "--out", &out]).is_err());
    let study = world.study.to_string();
    for who in ["owner", "owner", "one"] {
        world.run(who, &["log", "verify", &study]).unwrap();
    }
    // A head that the server's log does not have is a fork.
    let heads = super::state_folder(&world.dir.path().join("owner"), "heads").unwrap();
    let head = std::fs::read_dir(heads).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&head, serde_json::json!({ "seq": 3, "hash": Digest([1; 32]) }).to_string())
        .unwrap();
    let said = world.run("owner", &["log", "verify", &study]).unwrap_err().to_string();
    assert!(said.contains("not the one that was seen before"), "{said}");
}

#[test]
fn a_tampered_share_is_named_and_a_withdrawn_grant_ends_sharing() {
    let world = World::new();
    let job = world.compute();
    for holder in ["three", "one", "two", "one"] {
        world.agent(holder, &[]).unwrap();
    }
    // The third holder has committed, and seals something else.
    let (cheat, study) = (world.client("three"), world.terms());
    let (_, result) = result_of(&cheat, &cheat.job_status(&job).unwrap()).unwrap();
    let phase = SharePhase::Totals;
    let sealed = (0..)
        .zip(study.message.recipients(phase))
        .map(|(number, recipient)| {
            let key = study.message.sealing_keys.iter().find(|k| k.party == recipient).unwrap();
            let chunks = (0..).zip(result.objects(phase)).map(|(object, _)| {
                let sealed = seal_to(&key.key, b"another share").unwrap();
                let bytes = sealed_object(job, [phase.number(), number, object, 0], &sealed);
                let digest = Digest::of(&bytes);
                cheat.put_chunk(&digest, &bytes).unwrap();
                ChunkRef { digest, length: bytes.len() as u64 }
            });
            SealedShares { recipient, chunks: chunks.collect() }
        })
        .collect();
    let shares =
        sign(&Shares { job, phase, sealed, refresh: Vec::new() }, cheat.identity()).unwrap();
    cheat.put_manifest(Collection::Shares, &shares).unwrap();
    let said = world.agent("one", &[]).unwrap_err().to_string();
    assert!(said.contains(&world.did("three").to_string()), "{said}");

    let grant = world.client("owner").list(Collection::Grants).unwrap()[0].id.to_string();
    world.run("owner", &["grant", "withdraw", &grant]).unwrap();
    let said = world.agent("two", &[]).unwrap_err().to_string();
    assert!(said.contains("no such grant") || said.contains("refused GET"), "{said}");
}

#[test]
fn a_policy_file_limits_what_is_shared_and_a_job_under_the_minimum_spends_nothing() {
    let world = World::new();
    let first = world.compute();
    let rounds = |policy: &str| -> Vec<String> {
        let path = world.path("policy.toml");
        std::fs::write(&path, policy).unwrap();
        let run = |holder| world.agent(holder, &["--policy", &path]);
        let all = (0..4).flat_map(|_| HOLDERS).filter_map(|holder| run(holder).err());
        all.map(|e| e.to_string()).collect()
    };
    let all_say = |said: &[String], word: &str| {
        assert!(!said.is_empty() && said.iter().all(|s| s.contains(word)), "{word}: {said:?}");
    };
    // A policy that is none shares nothing.
    all_say(&rounds("version = 1\nmin_peopel = 3\n"), "line 2: unknown field");
    // What the study is for is looked at first.
    all_say(
        &rounds("version = 1\nstatistics = [\"recessive\"]\n"),
        "publishes the statistic Allelic",
    );
    all_say(&rounds("version = 1\nreleases = [\"hits\"]\n"), "releases counts");
    all_say(&rounds("version = 1\nmax_jobs = 0\n"), "budget of 0 jobs");
    all_say(&rounds("version = 1\nmax_phenotypes_per_dataset = 0\n"), "budget of 0 phenotypes");
    // Nobody is there to be asked.
    all_say(&rounds("version = 1\nask = true\n"), "no terminal to ask on");
    let committed = |job: &Digest, phase| {
        let statuses = world.client("one").share_statuses(job).unwrap();
        statuses.iter().filter(|s| s.phase == phase && s.commitment.is_some()).count()
    };
    assert_eq!(committed(&first, SharePhase::Totals), 0);

    // Flags go before the file: here the file alone would refuse by what everybody sees.
    let strict = world.path("policy.toml");
    std::fs::write(&strict, "version = 1\nmin_people = 100000\nmin_cases = 100000\nmax_jobs = 1\n")
        .unwrap();
    let said: Vec<String> = (0..3)
        .flat_map(|_| HOLDERS)
        .filter_map(|holder| world.agent(holder, &["--policy", &strict, "--min-people", "1"]).err())
        .map(|e| e.to_string())
        .collect();
    all_say(&said, "fewer than 100000 cases");
    assert_eq!(
        [SharePhase::Totals, SharePhase::Sums].map(|phase| committed(&first, phase)),
        [3, 0],
        "the totals alone were shared"
    );
    world.run("coordinator", &["run", "cancel", &first.to_string()]).unwrap();

    // That job spent nothing of a budget of one.
    let again = |seconds: u64| {
        let client = world.client("coordinator");
        let opened = client.get_manifest::<gwas::wire::Job>(Collection::Jobs, &first).unwrap();
        let job = gwas::wire::Job { created: opened.message.created + seconds, ..opened.message };
        let id = remote::submit(&client, &job).unwrap();
        remote::wait(&client, &id, &Console::silent()).unwrap();
        id
    };
    let second = again(1);
    assert_eq!(rounds("version = 1\nmax_jobs = 1\nmin_cases = 1\n"), [""; 0]);
    let state = |job: &Digest| world.client("one").job_status(job).unwrap().state;
    assert_eq!(state(&second), JobState::Released);
    let third = again(2);
    all_say(&rounds("version = 1\nmax_jobs = 1\n"), "budget of 1 jobs is used up");
    all_say(
        &rounds("version = 1\nmax_jobs_per_dataset = 1\n"),
        "budget of 1 jobs over the dataset",
    );
    assert_eq!((state(&third), committed(&third, SharePhase::Totals)), (JobState::Computed, 0));
    // What a person would be asked about says what it is.
    let client = world.client("one");
    let inputs = Inputs::load(&client, &third).unwrap();
    let policy = super::PolicyFile::parse(b"version = 1\nmax_jobs = 7").unwrap().policy();
    let said = inputs.in_words(&policy, 1);
    for word in ["CASE", "S (", "allelic", "counts", "1: 1 datasets", "6 of 7 jobs left"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}
