//! Running a program and watching what it and its child use: CPU from `/proc`, memory sampled every few milliseconds.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock::significant;
use crate::machine::kilobytes;
use crate::{Error, Result};

/// Time between two samples.
const SAMPLE: Duration = Duration::from_millis(4);
/// Clock ticks per second in `/proc/PID/stat`: 100 on every Linux that runs user programs.
const TICKS: f64 = 100.0;

/// Most memory that a process had, and its time on CPUs.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Seconds on CPUs, user and system.
    pub cpu_s: f64,
    /// Most anonymous memory (heap, stacks) in mebibytes, of samples.
    pub anon_mib: f64,
    /// Most resident memory in mebibytes, file pages included, as the system counted it.
    pub rss_mib: f64,
}

/// A program's end.
#[derive(Clone, PartialEq, Debug)]
pub struct Finished {
    /// Seconds from start to end.
    pub wall_s: f64,
    /// The program.
    pub own: Usage,
    /// A program that it started, if any.
    pub child: Usage,
    /// Its standard output.
    pub output: String,
}

/// Runs a program to its end.
///
/// # Errors
/// When it can't be started or fails: then with the end of its standard error.
pub fn run(command: &mut Command) -> Result<Finished> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |why: String| Error::Program { program: program.clone(), why };
    let before = waited_for();
    let start = Instant::now();
    let process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(format!("{e}; is it installed and on the PATH?")))?;
    let (pid, ended) = (process.id(), AtomicBool::new(false));
    let (output, (mut own, child), wall_s) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(pid, &ended));
        let output = process.wait_with_output();
        let wall_s = start.elapsed().as_secs_f64();
        ended.store(true, Ordering::Relaxed);
        (output, watcher.join().unwrap_or_default(), wall_s)
    });
    let output = output.map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.lines().rev().take(5).collect::<Vec<_>>();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        return Err(failed(format!("{}\n{last}", output.status)));
    }
    // What it and those it waited for used, exactly, less what its child was last seen to use.
    own.cpu_s = (waited_for() - before - child.cpu_s).max(0.0);
    own.cpu_s = significant(own.cpu_s);
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Finished { wall_s: significant(wall_s), own, child, output })
}

/// Samples until the process has ended.
fn watch(pid: u32, ended: &AtomicBool) -> (Usage, Usage) {
    let (mut own, mut child, mut child_pid) = (Usage::default(), Usage::default(), None);
    while !ended.load(Ordering::Relaxed) {
        sample(pid, &mut own);
        child_pid = child_pid.or_else(|| first_child(pid));
        if let Some(pid) = child_pid {
            sample(pid, &mut child);
        }
        std::thread::sleep(SAMPLE);
    }
    (own, child)
}

fn sample(pid: u32, usage: &mut Usage) {
    let path = format!("/proc/{pid}/status");
    let mib = |name| kilobytes(&path, name).map_or(0.0, |kb| kb as f64 / 1024.0);
    usage.anon_mib = usage.anon_mib.max(significant(mib("RssAnon")));
    usage.rss_mib = usage.rss_mib.max(significant(mib("VmHWM")));
    usage.cpu_s = usage.cpu_s.max(ticks(&format!("/proc/{pid}/stat"), [11, 12]));
}

/// The first process that one has started and not yet waited for.
fn first_child(pid: u32) -> Option<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let children = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).ok();
    let first = |text: String| text.split_whitespace().next()?.parse().ok();
    threads.flatten().filter_map(children).find_map(first)
}

/// CPU seconds of all processes that this one has waited for, and that they have.
pub(crate) fn waited_for() -> f64 {
    ticks("/proc/self/stat", [13, 14])
}

/// Sum of two fields of a stat file, counted from 0 after the program's name (which is in parentheses), in seconds.
fn ticks(path: &str, fields: [usize; 2]) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let values: Vec<&str> = rest.split_whitespace().collect();
    let value = |field: usize| values.get(field).and_then(|v| v.parse::<f64>().ok());
    fields.into_iter().filter_map(value).sum::<f64>() / TICKS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_and_its_child_are_watched() {
        // The child keeps a core busy until it has run long enough to be seen.
        let busy = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done";
        let finished = run(&mut sh(&format!("echo out; sh -c '{busy}'; true"))).unwrap();
        assert_eq!(finished.output, "out\n");
        assert!(finished.own.rss_mib > 0.0 && finished.child.rss_mib > 0.0, "{finished:?}");
        assert!(finished.child.cpu_s > 0.0 && finished.wall_s > 0.0, "{finished:?}");
    }

    #[test]
    fn failures_are_quoted() {
        let error = run(&mut sh("echo hello >&2; exit 3")).unwrap_err().to_string();
        assert!(error.contains("hello") && error.contains('3'), "{error}");
        assert!(matches!(run(&mut Command::new("/nonexistent")), Err(Error::Program { .. })));
    }
}
