//! A party of the demo: a folder, a key, and commands that run as processes of their own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cleanup::Guard;
use crate::console::Console;
use crate::{Error, Result};

/// Somebody with a folder.
pub(super) struct Party<'a> {
    pub(super) name: &'static str,
    pub(super) folder: PathBuf,
    pub(super) did: String,
    url: Option<String>,
    console: &'a Console,
}

impl<'a> Party<'a> {
    /// Makes the folder below `out`, and a key in it. It is not protected: the demo's data are worth nothing.
    pub(super) fn new(name: &'static str, out: &Path, console: &'a Console) -> Result<Self> {
        let folder = out.join(name);
        std::fs::create_dir(&folder).map_err(Error::file("create", &folder))?;
        let mut party = Self { name, folder, did: String::new(), url: None, console };
        party.run(&["key", "new", "--no-passphrase", "--out", "me.key"])?;
        party.did = party.run(&["key", "show", "me.key"])?;
        Ok(party)
    }

    /// Where the server is from now on.
    pub(super) fn knows(&mut self, url: &str) {
        self.url = Some(url.to_owned());
    }

    /// Types a command, and shows it; what it prints.
    pub(super) fn types(&self, args: &[&str]) -> Result<String> {
        let words: Vec<String> = args.iter().map(|word| shown(word)).collect();
        self.console.note(format_args!("   {:<11} $ hegwas {}", self.name, words.join(" ")));
        self.run(args)
    }

    /// Runs a command without showing it.
    ///
    /// # Errors
    /// When it fails: with what it said.
    pub(super) fn run(&self, args: &[&str]) -> Result<String> {
        let output = self.command(args)?.output().map_err(|e| Error::Internal(e.to_string()))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::Internal(format!(
                "{}: hegwas {}: {said}",
                self.name,
                args.join(" ")
            )));
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Runs a command that has to fail; what it said.
    pub(super) fn fails(&self, args: &[&str]) -> Result<String> {
        match self.types(args) {
            Err(Error::Internal(said)) => Ok(said),
            Err(other) => Err(other),
            Ok(_) => Err(Error::Internal(format!("hegwas {} did not fail", args.join(" ")))),
        }
    }

    /// Starts the party's agent, which works until it is dropped.
    pub(super) fn agent(&self, study: &str) -> Result<Agent> {
        let args = ["agent", "--study", study, "--every", "1s"];
        let words: Vec<String> = args.iter().map(|word| shown(word)).collect();
        self.console.note(format_args!("   {:<11} $ hegwas {} &", self.name, words.join(" ")));
        let log = self.folder.join("agent.txt");
        let file = std::fs::File::create(&log).map_err(Error::file("create", &log))?;
        let said = file.try_clone().map_err(Error::file("write", &log))?;
        let mut command = self.command(&args)?;
        let child = command.stdout(file).stderr(said).spawn();
        let child = Arc::new(Mutex::new(child.map_err(|e| Error::Internal(e.to_string()))?));
        let ended = Arc::clone(&child);
        Ok(Agent { log, child, _guard: Guard::new(move || end(&ended)) })
    }

    fn command(&self, args: &[&str]) -> Result<Command> {
        let program = std::env::current_exe().map_err(|e| Error::Internal(e.to_string()))?;
        let mut command = Command::new(program);
        command.args(args).current_dir(&self.folder).stdin(Stdio::null());
        command.env_remove("HEGWAS_PASSPHRASE_FILE").env("HEGWAS_KEY", "me.key");
        match &self.url {
            Some(url) => command.env("HEGWAS_URL", url),
            None => command.env_remove("HEGWAS_URL"),
        };
        Ok(command)
    }
}

/// An id's beginning is enough to read.
fn shown(word: &str) -> String {
    match word.get(..8) {
        Some(start) if word.len() == 64 => format!("{start}..."),
        _ if word.contains(' ') => format!("'{word}'"),
        _ => word.to_owned(),
    }
}

/// A process that works in the background; ends when dropped.
pub(super) struct Agent {
    log: PathBuf,
    child: Arc<Mutex<Child>>,
    _guard: Guard,
}

impl Agent {
    /// That it is still there.
    ///
    /// # Errors
    /// With what it said when it has ended.
    pub(super) fn check(&self) -> Result<()> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        match child.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(Error::Internal(format!(
                "an agent ended: {}",
                std::fs::read_to_string(&self.log).unwrap_or_default()
            ))),
        }
    }
}

fn end(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    let _killed = child.kill();
    let _reaped = child.wait();
}
