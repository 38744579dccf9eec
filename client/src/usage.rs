//! What a process costs, as Linux's `/proc` tells it: memory and processor time. Elsewhere nothing is known.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde::Serialize;

/// Most memory that a process has had resident, in bytes: VmHWM of `/proc/PID/status`.
fn peak_memory(pid: u32) -> Option<u64> {
    status(pid, "VmHWM:")
}

/// Memory that a process has resident now and that is not a part of a file, in bytes: RssAnon of `/proc/PID/status`.
fn anonymous_memory(pid: u32) -> Option<u64> {
    status(pid, "RssAnon:")
}

fn status(pid: u32, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(proc(pid, "status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix(field))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Seconds that a process has computed, in user mode and in the system, over all its threads, to 1/100 s: `utime + stime` of
/// `/proc/PID/stat` (proc(5): Linux counts them in hundredths for every program).
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(proc(pid, "stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold anything; utime is field 14.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at - 3)?.parse::<u64>().ok();
    Some((ticks(14)? + ticks(15)?) as f64 / 100.0)
}

fn proc(pid: u32, file: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{file}"))
}

/// What a process has cost so far. Nothing is known where the system does not say.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub struct Usage {
    /// Most memory resident, in bytes, parts of mapped files and of the program itself included.
    pub peak_memory: Option<u64>,
    /// Most anonymous memory resident, in bytes: what the process allocated. Seen every 20 ms.
    pub peak_anonymous_memory: Option<u64>,
    /// Seconds of processor time in user mode and in the system, over all threads.
    pub cpu_seconds: Option<f64>,
}

/// How often memory is looked at. The system keeps the peak of all resident memory itself, but not of its anonymous part.
const INTERVAL: Duration = Duration::from_millis(20);

/// A thread that watches what a process costs until it is dropped or the process ends.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    pid: u32,
    peak: AtomicU64,
    stop: AtomicBool,
}

impl Shared {
    fn look(&self) -> bool {
        let now = anonymous_memory(self.pid);
        self.peak.fetch_max(now.unwrap_or(0), Ordering::Relaxed);
        now.is_some()
    }
}

impl Watch {
    /// Watches process `pid`.
    #[must_use]
    pub fn start(pid: u32) -> Self {
        let shared =
            Arc::new(Shared { pid, peak: AtomicU64::new(0), stop: AtomicBool::new(false) });
        let watched = Arc::clone(&shared);
        let work = move || {
            while watched.look() && !watched.stop.load(Ordering::Relaxed) {
                std::thread::park_timeout(INTERVAL);
            }
        };
        // Without a thread only what `peak` itself sees is known.
        let thread = std::thread::Builder::new().name("usage".into()).spawn(work).ok();
        Self { shared, thread }
    }

    /// What the process has cost so far.
    pub fn usage(&self) -> Usage {
        let pid = self.shared.pid;
        Usage {
            peak_memory: peak_memory(pid),
            peak_anonymous_memory: self.peak(),
            cpu_seconds: cpu_seconds(pid),
        }
    }

    /// The most that was seen so far, in bytes; `None` where the system does not say.
    fn peak(&self) -> Option<u64> {
        self.shared.look();
        Some(self.shared.peak.load(Ordering::Relaxed)).filter(|&bytes| bytes > 0)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ended = thread.join();
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_given_back_is_remembered() {
        let pid = std::process::id();
        let watch = Watch::start(pid);
        let before = watch.peak().unwrap();
        let size = 64 << 20;
        let memory = std::hint::black_box(vec![1u8; size]);
        let during = watch.peak().unwrap();
        drop(memory);
        // Other tests of this program may give memory back meanwhile, but not that much.
        assert!(during > before.max(size as u64), "{before}, then {during}");
        assert!(watch.peak().unwrap() >= during);
        assert!(peak_memory(pid).unwrap() >= during);
    }

    #[test]
    fn computing_takes_processor_time() {
        let pid = std::process::id();
        let before = cpu_seconds(pid).unwrap();
        let mut x = 1u64;
        while cpu_seconds(pid).unwrap() < before + 0.03 {
            for _ in 0..100_000 {
                x = std::hint::black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
        }
    }

    #[test]
    fn of_a_process_that_is_gone_nothing_is_known() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert_eq!(Watch::start(pid).usage(), Usage::default());
    }
}
