//! `kill -9` after every step that outlives a process: of each party's commands in one walk, of the server in another. The same
//! command again goes on where it stood, the table is the right one, and no share leaves a holder in two forms.
//!
//! Steps are told by `gwas::walk`, which is there in debug builds alone.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use he_core::codec::{HEADER_LEN, Header, Kind};
use hegwas::keys::{Identity, PassphraseSource};

use crate::common::text;
use crate::filesets::Files;
use crate::liar::Liar;
use crate::party::{Consortium, Party};
use crate::site::{Typing, fixture, free_address};

const TESTS: [&str; 2] = ["--test", "allelic,trend"];
/// More kills than a walk can take: it does not go on.
const ENOUGH: u32 = 2_000;

/// How far a process may go: to step `last`. When one gets no further than the one before, since it repeats steps, the next may
/// go one step further.
struct Pace {
    file: PathBuf,
    last: u64,
    before: Option<String>,
}

impl Pace {
    fn new(file: PathBuf) -> Self {
        Self { file, last: 1, before: None }
    }

    /// Another command.
    fn restart(&mut self) {
        self.last = 1;
    }

    /// The variable for the next process.
    fn variable(&self) -> String {
        let _ = std::fs::remove_file(&self.file);
        format!("{}:{}", self.last, self.file.display())
    }

    /// A process was killed.
    fn killed(&mut self) {
        let steps = std::fs::read_to_string(&self.file).unwrap();
        if self.before.as_ref() == Some(&steps) {
            self.last += 1;
        }
        self.before = Some(steps);
    }
}

/// Holder, recipient, and where in the job's release.
type Place = (String, String, [u32; 4]);

/// A small study behind a proxy that keeps what was sent.
struct World {
    liar: Liar,
    c: Consortium,
    address: String,
    kills: AtomicU32,
    /// Reveals that left a holder, by holder, recipient and place.
    shares: Mutex<HashMap<Place, Vec<u8>>>,
}

impl World {
    fn new() -> Self {
        let (liar, address) = (Liar::start(), free_address());
        liar.connect(&address);
        let c = Consortium::listening(&address, 2, &["site"], &["--public-url", &liar.url]);
        let whole = Files::read(&fixture("small")).of(|i| i < 12).without(|v| v >= 20);
        whole.write(&c.owners[0].home.join("cohort"));
        let mut table = String::from("#FID\tIID\tY\n");
        for (number, line) in whole.fam.iter().enumerate() {
            let ids: Vec<&str> = line.split_whitespace().take(2).collect();
            table += &format!("{}\t{}\n", ids.join("\t"), 1 + number % 2);
        }
        std::fs::write(c.owners[0].home.join("pheno.tsv"), table).unwrap();
        let (list, panel) = (c.owners[0].path("cohort.bim"), ["--palindromic", "keep"]);
        let make = ["panel", "--list", &list, "--out", "panel"];
        c.coordinator.run(&[&make[..], &panel].concat());
        Self { liar, c, address, kills: AtomicU32::new(0), shares: Mutex::default() }
    }

    /// From the draft to the table, each command by `step`; what stands at the end is right.
    fn walk(&self, step: &dyn Fn(&Party, &[&str]) -> String) {
        let (c, coordinator) = (&self.c, &self.c.coordinator);
        let step = |party: &Party, args: &[&str]| {
            self.liar.take_received();
            let printed = step(party, args);
            self.remember_shares(party);
            printed
        };
        let draft = step(coordinator, &["study", "draft", "--name", "S", "--purpose", "P"]);
        let holders = c.holders.iter().map(|p| (p, "key-holder"));
        let others = [(&c.owners[0], "data-owner"), (&c.analyst, "analyst")];
        for (party, role) in holders.chain(others) {
            let file = format!("{}.invitation", party.name);
            let invite = ["study", "invite", &draft, "--role", role, "--out", &file];
            step(coordinator, &invite);
            step(party, &["study", "join", &coordinator.path(&file)]);
        }
        let propose = ["study", "propose", &draft, "--panel", "panel", "--people", "20"];
        let limits = ["--min-people", "2", "--min-cases", "1", "--min-controls", "1"];
        let study = step(coordinator, &[&propose[..], &limits, &TESTS].concat());
        for holder in &c.holders {
            step(holder, &["study", "sign", &study, "--yes"]);
        }
        for holder in c.holders.iter().chain(&c.holders) {
            step(holder, &["study", "advance", &study]);
        }
        let site = &c.owners[0];
        let pheno = ["--bfile", "cohort", "--pheno", "pheno.tsv", "--palindromic", "keep"];
        let encrypt = ["encrypt", "--study", &study, "--server", &site.url, "--out", "out"];
        let made = step(site, &[&encrypt[..], &pheno].concat());
        let dataset = made.lines().find_map(|l| l.strip_prefix("dataset\t")).unwrap().to_owned();
        step(site, &["grant", "new", "--dataset", &dataset, "--study", &study]);
        let job = step(coordinator, &["run", "new", "--study", &study, "--phenotype-name", "Y"]);
        for _ in 0..5 {
            for holder in &c.holders {
                step(holder, &["agent", "--study", &study, "--once"]);
            }
        }
        step(&c.analyst, &[&["result", &job, "--out", "table"][..], &TESTS].concat());
        self.check(&study, &job);
    }

    fn check(&self, study: &str, job: &str) {
        let (c, site) = (&self.c, &self.c.owners[0]);
        let plain = ["assoc", "--plaintext", "--bfile", "cohort", "--pheno", "pheno.tsv"];
        let panel =
            ["--palindromic", "keep", "--out", "plain", "--panel", &c.coordinator.path("panel")];
        site.run(&[&plain[..], &panel, &TESTS].concat());
        let table = |party: &Party, name: &str| std::fs::read(party.path(name)).unwrap();
        assert!(table(&c.analyst, "table.assoc.tsv") == table(site, "plain.assoc.tsv"));
        assert_eq!(c.analyst.json(&["run", "status", job])["state"], "released");
        for party in c.holders.iter().chain([site, &c.analyst, &c.coordinator]) {
            party.run(&["log", "verify", study]);
        }
        c.holders[0].run(&["audit", job]);
        // Each holder sealed one object of totals to everybody and one of sums of each plane to the analyst.
        let shares = self.shares.lock().unwrap();
        for holder in &c.holders {
            let given = shares.keys().filter(|(name, ..)| *name == holder.name);
            assert!(given.count() >= 4, "{}", holder.name);
        }
    }

    /// Opens what a holder sealed: the same share wherever it is of the same object.
    fn remember_shares(&self, party: &Party) {
        let received = self.liar.take_received();
        let readers = self.c.holders.iter().chain([&self.c.analyst, &self.c.coordinator]);
        let sealing = |p: &Party| {
            let key = PathBuf::from(p.path("me.key"));
            Identity::load(&key, &PassphraseSource::Terminal).unwrap().sealing().unwrap()
        };
        let sealed: Vec<_> = received.iter().filter(|(_, body)| is_sealed(body)).collect();
        if sealed.is_empty() {
            return;
        }
        for reader in readers {
            let identity = sealing(reader);
            for (_, body) in &sealed {
                let (header, age) = Header::split(body, Kind::SealedShare).unwrap();
                let Some(opened) = identity.open(age, 1 << 30) else { continue };
                let place = (party.name.clone(), reader.name.clone(), header.counts);
                let mut shares = self.shares.lock().unwrap();
                let first = shares.entry(place.clone()).or_insert_with(|| opened.to_vec());
                assert!(*first == *opened, "a second share: {place:?}");
            }
        }
    }

    fn count(&self) {
        assert!(self.kills.fetch_add(1, Ordering::SeqCst) < ENOUGH, "the walk does not go on");
    }
}

fn is_sealed(bytes: &[u8]) -> bool {
    bytes.get(..HEADER_LEN).and_then(|h| Header::parse(h).ok()).map(|h| h.kind)
        == Some(Kind::SealedShare)
}

#[test]
fn every_command_may_be_killed_after_every_step() {
    let world = World::new();
    let log = Mutex::new(HashMap::<String, u32>::new());
    world.walk(&|party, args| {
        let mut pace = Pace::new(world.c.dir.path().join("steps"));
        loop {
            let mut command = party.command(args);
            let output = command.env(gwas::walk::KILL, pace.variable()).output().unwrap();
            if output.status.signal() != Some(9) {
                assert!(output.status.success(), "{args:?}\n{}", text(&output));
                return String::from_utf8(output.stdout).unwrap().trim().to_owned();
            }
            pace.killed();
            world.count();
            *log.lock().unwrap().entry(args[..2].join(" ")).or_default() += 1;
            // What was half encrypted is made anew, with fresh keys: the command says so.
            if args[0] == "encrypt" && party.home.join("out").exists() {
                std::fs::remove_dir_all(party.home.join("out")).unwrap();
            }
        }
    });
    let log = log.into_inner().unwrap();
    println!("{} kills: {log:?}", world.kills.load(Ordering::SeqCst));
}

/// Server processes on one folder, each killed after a step and followed by the next.
struct Mortal {
    child: Arc<Mutex<Child>>,
    stop: Arc<AtomicBool>,
    nurse: Option<JoinHandle<()>>,
}

fn serve(world: &World, variable: &str) -> Child {
    let program = Path::new(env!("CARGO_BIN_EXE_hegwas")).with_file_name("hegwas-server");
    let mut command = Command::new(program);
    command.args(["serve", "--listen", &world.address, "--threads", "2"]);
    command.args(["--public-url", &world.liar.url, "--allow", &world.c.coordinator.did]);
    command.arg("--data").arg(world.c.dir.path().join("server"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env(gwas::walk::KILL, variable).spawn().unwrap()
}

#[test]
fn the_server_may_be_killed_after_every_step() {
    let mut world = World::new();
    world.c.server.kill();
    let world = Arc::new(world);
    let pace = Arc::new(Mutex::new(Pace::new(world.c.dir.path().join("steps"))));
    let stop = Arc::new(AtomicBool::new(false));
    let child = Arc::new(Mutex::new(serve(&world, &pace.lock().unwrap().variable())));
    let nurse = {
        let (world, stop, child) = (Arc::clone(&world), Arc::clone(&stop), Arc::clone(&child));
        let pace = Arc::clone(&pace);
        std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let ended = child.lock().unwrap().try_wait().unwrap();
                if let Some(status) = ended {
                    assert_eq!(status.signal(), Some(9), "{status}");
                    world.count();
                    let mut pace = pace.lock().unwrap();
                    pace.killed();
                    *child.lock().unwrap() = serve(&world, &pace.variable());
                }
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        })
    };
    let mortal = Mortal { child, stop, nurse: Some(nurse) };
    world.walk(&|party, args| {
        pace.lock().unwrap().restart();
        // A command that loses patience says that the server can't be reached; the same again.
        loop {
            let output = party.command(args).output().unwrap();
            if output.status.success() {
                return String::from_utf8(output.stdout).unwrap().trim().to_owned();
            }
            assert_eq!(output.status.code(), Some(5), "{args:?}\n{}", text(&output));
        }
    });
    drop(mortal);
    println!("{} kills", world.kills.load(Ordering::SeqCst));
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let nurse = self.nurse.take().unwrap().join();
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
        if !std::thread::panicking() {
            nurse.unwrap();
        }
    }
}
