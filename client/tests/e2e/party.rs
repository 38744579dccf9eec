//! A study of several parties, each with a home folder, a key, an account and processes of its own. They share a server's
//! address, and the files that one hands to another.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::common::hegwas;
use crate::site::{Server, Typing, new_key};

/// Somebody who takes part.
pub struct Party {
    pub name: String,
    pub home: PathBuf,
    pub did: String,
    /// The server's address.
    pub url: String,
}

impl Typing for Party {
    // Typed in the party's home folder.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = hegwas();
        command.env("HOME", &self.home).current_dir(&self.home);
        command.env("HEGWAS_KEY", self.home.join("me.key")).env("HEGWAS_URL", &self.url).args(args);
        command
    }
}

impl Party {
    /// Makes a home folder below `dir`, with a key.
    pub fn new(dir: &Path, name: &str) -> Self {
        let home = dir.join(name);
        std::fs::create_dir(&home).unwrap();
        let did = new_key(&home.join("me.key"));
        Self { name: name.to_owned(), home, did, url: String::new() }
    }

    /// A file of the party's own.
    pub fn path(&self, name: &str) -> String {
        self.home.join(name).to_str().unwrap().to_owned()
    }

    /// Starts this holder's agent, which looks every second; what it says is kept in the home folder.
    pub fn agent(&self, study: &str) -> Agent {
        let mut command = self.command(&["agent", "--study", study, "--every", "1s"]);
        let said = self.home.join("agent.said");
        let file =
            std::fs::OpenOptions::new().create(true).append(true).open(&said).expect("a log file");
        command.stdout(Stdio::null()).stderr(file);
        Agent { child: command.spawn().unwrap(), said }
    }
}

/// The process of a key holder; killed when dropped.
pub struct Agent {
    child: Child,
    said: PathBuf,
}

impl Agent {
    /// Fails with what the agent said if it has ended.
    pub fn must_live(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("{status}: {}", std::fs::read_to_string(&self.said).unwrap());
        }
    }

    /// What it complained of so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The parties of a study and its server.
pub struct Consortium {
    pub dir: tempfile::TempDir,
    pub server: Server,
    pub coordinator: Party,
    pub holders: Vec<Party>,
    pub owners: Vec<Party>,
    pub analyst: Party,
}

impl Consortium {
    /// Homes and a server that knows the coordinator alone, started with `more` options.
    pub fn new(holders: usize, owners: &[&str], more: &[&str]) -> Self {
        Self::listening("127.0.0.1:0", holders, owners, more)
    }

    /// The same with a server that listens there.
    pub fn listening(listen: &str, holders: usize, owners: &[&str], more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let party = |name: &str| Party::new(dir.path(), name);
        let mut coordinator = party("coordinator");
        let mut holders: Vec<Party> = (1..=holders).map(|n| party(&format!("holder{n}"))).collect();
        let mut owners: Vec<Party> = owners.iter().map(|name| party(name)).collect();
        let mut analyst = party("analyst");
        let data = dir.path().join("server");
        let server = Server::start(&data, listen, &coordinator.did, more);
        let everybody = holders.iter_mut().chain(&mut owners);
        for party in everybody.chain([&mut coordinator, &mut analyst]) {
            party.url.clone_from(&server.url);
        }
        Self { dir, server, coordinator, holders, owners, analyst }
    }

    /// Invites everybody and lets them join; the draft.
    pub fn draft(&self) -> String {
        let coordinator = &self.coordinator;
        let draft =
            coordinator.run(&["study", "draft", "--name", "Pooled", "--purpose", "Known loci"]);
        let invited = self
            .holders
            .iter()
            .map(|p| (p, "key-holder"))
            .chain(self.owners.iter().map(|p| (p, "data-owner")))
            .chain([(&self.analyst, "analyst")]);
        for (party, role) in invited {
            let file = format!("{}.{}.invitation", party.name, &draft[..8]);
            coordinator.run(&["study", "invite", &draft, "--role", role, "--out", &file]);
            assert_eq!(party.run(&["study", "join", &coordinator.path(&file)]), draft);
        }
        draft
    }

    /// Somebody whom nobody knows.
    pub fn stranger(&self) -> Party {
        Party { url: self.server.url.clone(), ..Party::new(self.dir.path(), "stranger") }
    }

    /// Has the study's key made.
    pub fn make_key(&self, study: &str) {
        for _ in 0..2 {
            self.holders.iter().for_each(|holder| drop(holder.run(&["study", "advance", study])));
        }
    }

    /// Proposes a study on the coordinator's file `panel` and has it signed; the study. Its key is not made yet.
    pub fn propose(&self, draft: &str, panel: &str, more: &[&str]) -> String {
        let propose = ["study", "propose", draft, "--panel", panel];
        let study = self.coordinator.run(&[&propose[..], more].concat());
        for holder in &self.holders {
            holder.run(&["study", "sign", &study, "--yes"]);
        }
        study
    }
}
