//! What a run writes about itself: `PREFIX.run.json`.
//!
//! Parameters, times, bytes, memory, versions: enough to compare runs and to plot their cost. Nothing genetic, no person's
//! id, no secret.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;

use he_core::Params;
use he_core::kernel::Engine;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::console::Console;
use crate::net::Traffic;
use crate::usage::{Usage, Watch, cpu_seconds};

/// One stage of a run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Stage {
    /// What was done.
    pub name: String,
    /// Seconds after the run began.
    pub start: f64,
    /// Seconds it took. Stages may overlap.
    pub seconds: f64,
    /// Seconds of processor time that this process spent meanwhile.
    pub cpu_seconds: Option<f64>,
    /// The same of the server, if this run started it.
    pub server_cpu_seconds: Option<f64>,
}

/// The clock of a run.
#[derive(Debug)]
pub struct Stages {
    begin: Instant,
    console: Console,
    stages: Mutex<Vec<Stage>>,
    server: OnceLock<u32>,
}

impl Stages {
    /// Starts the clock.
    pub fn new(console: &Console) -> Self {
        Self {
            begin: Instant::now(),
            console: console.clone(),
            stages: Mutex::default(),
            server: OnceLock::new(),
        }
    }

    /// Counts the processor time of the server process `pid` too, from now on.
    pub fn watch_server(&self, pid: u32) {
        // A second server would be a second run.
        let _first = self.server.set(pid);
    }

    /// Processor time so far, of this process and of the server.
    fn cpu(&self) -> [Option<f64>; 2] {
        [Some(std::process::id()), self.server.get().copied()].map(|pid| cpu_seconds(pid?))
    }

    /// Does `work` as the stage `name`. May be called from several threads.
    ///
    /// # Errors
    /// Those of `work`; the stage is recorded all the same.
    pub fn time<T, E>(&self, name: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let start = self.begin.elapsed().as_secs_f64();
        let [ours, servers] = self.cpu();
        let result = work();
        let seconds = self.begin.elapsed().as_secs_f64() - start;
        let [ours_after, servers_after] = self.cpu();
        // Hundredths, as they were counted: no digits that only a subtraction makes.
        let spent = |after: Option<f64>, before: Option<f64>| {
            Some(((after? - before.unwrap_or(0.0)) * 100.0).round() / 100.0)
        };
        self.console.detail(format_args!("{name}: {seconds:.3} s"));
        let stage = Stage {
            name: name.to_owned(),
            start,
            seconds,
            cpu_seconds: spent(ours_after, ours),
            server_cpu_seconds: spent(servers_after, servers),
        };
        self.stages.lock().unwrap_or_else(PoisonError::into_inner).push(stage);
        result
    }

    /// Seconds since the clock was started.
    pub fn elapsed(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    /// The stages so far, by their start.
    pub fn list(&self) -> Vec<Stage> {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner).clone();
        stages.sort_by(|a, b| a.start.total_cmp(&b.start));
        stages
    }
}

/// Encryption parameters of a run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Encryption {
    /// Name of the parameter set.
    pub set: &'static str,
    /// Ring degree.
    pub degree: usize,
    /// Primes in the modulus.
    pub limbs: usize,
    /// Classical security in bits.
    pub security_bits: u32,
}

impl From<Params> for Encryption {
    fn from(params: Params) -> Self {
        Self {
            set: params.name(),
            degree: params.degree(),
            limbs: params.limbs(),
            security_bits: params.security_bits(),
        }
    }
}

/// Who computed with what.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Versions {
    /// This program.
    pub hegwas: &'static str,
    /// Version of the protocol.
    pub protocol: u32,
    /// The arithmetic this machine uses.
    pub engine: &'static str,
}

impl Default for Versions {
    fn default() -> Self {
        Self { hegwas: env!("CARGO_PKG_VERSION"), protocol: 1, engine: Engine::detect().name() }
    }
}

/// The server's part in a run.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct ServerRecord {
    /// Where it was.
    pub url: String,
    /// Its process, if this run started it.
    pub pid: Option<u32>,
    /// What it cost, if this run started it.
    #[serde(flatten)]
    pub usage: Usage,
}

/// A run.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct RunRecord {
    /// The subcommand.
    pub command: &'static str,
    /// What it was asked to do: flags and their values.
    pub arguments: Map<String, Value>,
    /// Versions.
    pub versions: Versions,
    /// Encryption parameters; none for `--plaintext`.
    pub encryption: Option<Encryption>,
    /// Numbers of people, cases, controls, variants, exclusions, chunks, values.
    pub counts: Map<String, Value>,
    /// Threads used.
    pub threads: usize,
    /// Stages.
    pub stages: Vec<Stage>,
    /// Seconds in all.
    pub seconds: f64,
    /// Bytes of bodies sent to the server.
    pub bytes_uploaded: u64,
    /// Bytes of bodies received from the server.
    pub bytes_downloaded: u64,
    /// What this process cost.
    #[serde(flatten)]
    pub usage: Usage,
    /// The server; none for `--plaintext`.
    pub server: Option<ServerRecord>,
    /// Files written.
    pub outputs: Vec<String>,
}

impl RunRecord {
    /// A record of the subcommand `command`.
    pub fn new(command: &'static str) -> Self {
        Self { command, ..Self::default() }
    }

    /// Notes a count.
    pub fn count(&mut self, name: &str, value: impl Into<Value>) {
        self.counts.insert(name.to_owned(), value.into());
    }

    /// Notes an argument.
    pub fn argument(&mut self, name: &str, value: impl Into<Value>) {
        self.arguments.insert(name.to_owned(), value.into());
    }

    /// Takes over the bytes that went to and came from the server.
    pub fn traffic(&mut self, traffic: &Traffic) {
        self.bytes_uploaded = traffic.sent();
        self.bytes_downloaded = traffic.received();
    }

    /// Takes over the clock, and what this process cost.
    pub fn close(&mut self, stages: &Stages, watch: &Watch) {
        self.stages = stages.list();
        self.seconds = stages.elapsed();
        self.usage = watch.usage();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_recorded_in_order_even_when_they_fail() {
        let stages = Stages::new(&Console::silent());
        let outer: Result<(), ()> = stages.time("outer", || {
            stages.time("inner", || Ok::<_, ()>(()))?;
            Err(())
        });
        assert!(outer.is_err());
        let names: Vec<_> = stages.list().into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["outer", "inner"]);
    }

    #[test]
    fn a_record_is_json() {
        let stages = Stages::new(&Console::silent());
        let mut record = RunRecord::new("assoc");
        record.count("people", 358);
        record.encryption = Some(Params::N2048Q50.into());
        record.close(&stages, &Watch::start(std::process::id()));
        let json: Value = serde_json::to_value(&record).unwrap();
        assert_eq!(json["counts"]["people"], 358);
        assert_eq!(json["encryption"]["set"], "n2048-q50");
        if cfg!(target_os = "linux") {
            for name in ["peak_memory", "peak_anonymous_memory"] {
                assert!(json[name].as_u64().unwrap() > 100_000, "{name}");
            }
            assert!(json["cpu_seconds"].is_f64());
        }
    }
}
