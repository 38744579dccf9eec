//! A `hegwas-server` process of one's own: found or built, started on a free loopback port with a temporary store, and
//! removed with everything it stored.
//!
//! It goes when [`LocalServer`] is dropped, when a signal ends this process, and, because it watches its standard input,
//! when this process is killed outright. The store that is left behind in that last case is removed by the next start.

mod error;
mod find;
mod process;
mod store;

use std::path::Path;
use std::process::{Command, Stdio};

use gwas::wire::Did;

use crate::console::Console;
use crate::net::ServerUrl;
use crate::usage::{Usage, Watch};

pub use error::LocalServerError;
pub use find::find;

use process::Process;
use store::Store;

/// A running server process.
#[derive(Debug)]
pub struct LocalServer {
    url: ServerUrl,
    watch: Watch,
    // Dropped in this order: first the process, then its store.
    process: Process,
    store: Store,
}

impl LocalServer {
    /// Starts a server that serves `allow` only, computes with `threads` threads and stores below `temp_dir` (or the
    /// system's temporary folder).
    ///
    /// # Errors
    /// When the program can't be found, built or started, or does not become ready.
    pub fn start(
        allow: Did,
        threads: usize,
        temp_dir: Option<&Path>,
        console: &Console,
    ) -> Result<Self, LocalServerError> {
        let program = find(console)?;
        let store = Store::create(&temp_dir.map_or_else(std::env::temp_dir, Path::to_owned))?;
        let mut command = command(&program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--exit-with-parent", "--ephemeral"]);
        command.args(["--allow", &allow.to_string(), "--threads", &threads.to_string()]);
        command.arg("--data").arg(store.data());
        let (process, url) = Process::start(command, console)?;
        console.detail(format_args!("server: {url}, process {}", process.id()));
        Ok(Self { url, watch: Watch::start(process.id()), process, store })
    }

    /// Where it listens.
    pub fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it has cost so far.
    pub fn usage(&self) -> Usage {
        self.watch.usage()
    }

    /// Bytes of all objects that it stores, and some from the middle of the largest.
    ///
    /// # Errors
    /// Those of the system.
    pub fn stored(&self) -> std::io::Result<(u64, [u8; 32])> {
        let (mut total, mut largest) = (0, (0, std::path::PathBuf::new()));
        let mut folders = vec![self.store.data().join("objects")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let (entry, path) = entry.map(|entry| (entry.metadata(), entry.path()))?;
                let entry = entry?;
                if entry.is_dir() {
                    folders.push(path);
                } else {
                    total += entry.len();
                    largest = largest.max((entry.len(), path));
                }
            }
        }
        let mut sample = [0; 32];
        std::os::unix::fs::FileExt::read_exact_at(
            &std::fs::File::open(largest.1)?,
            &mut sample,
            largest.0 / 2,
        )?;
        Ok((total, sample))
    }

    /// Kills the process as a crash would, leaving its store: for tests of what a client does then.
    pub fn crash(&self) {
        self.process.kill();
    }
}

/// The program without the environment variables that would configure it behind our back.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HEGWAS_") {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
