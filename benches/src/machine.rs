//! Which machine, which commit, when: the stamp of every record.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// Version of the records' fields. A change of meaning raises it; the report refuses others.
pub const SCHEMA: u32 = 1;

/// Where and when a measurement was made.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Stamp {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Commit of the sources; empty outside a git checkout.
    pub commit: String,
    /// Whether a tracked or new file other than a record differed from that commit.
    pub dirty: bool,
    /// Date and time, UTC.
    pub date: String,
    /// The processor's name.
    pub cpu: String,
    /// Processors that the system offers.
    pub cores: usize,
    /// Memory in mebibytes.
    pub memory_mib: u64,
    /// Mean number of running processes in the last minute, before the measurement: near zero on an idle machine.
    pub load: f64,
    /// Whether the recorder itself was an optimised build; others measure nothing.
    pub optimised: bool,
}

impl Stamp {
    /// The stamp of this machine, now.
    #[must_use]
    pub fn now() -> Self {
        let root = root();
        let status = ["status", "--porcelain", "--", ".", ":(exclude)benches/records"];
        Self {
            schema: SCHEMA,
            commit: git(root, &["rev-parse", "HEAD"]).unwrap_or_default(),
            dirty: git(root, &status).is_some_and(|s| !s.is_empty()),
            date: date(),
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: kilobytes("/proc/meminfo", "MemTotal").unwrap_or_default() / 1024,
            load: load(),
            optimised: !cfg!(debug_assertions),
        }
    }
}

/// Root of the checkout that this program was built from.
#[must_use]
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

fn date() -> String {
    let now = time::OffsetDateTime::now_utc();
    let (year, month, day) = (now.year(), u8::from(now.month()), now.day());
    format!("{year}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", now.hour(), now.minute(), now.second())
}

fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_default()
}

/// Seconds that the machine's processors have been busy with anything since it started, those that a hypervisor took included.
/// Zero where the system does not say.
#[must_use]
pub fn busy_seconds() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<f64> = ticks.filter_map(|t| t.parse().ok()).collect();
    // user, nice, system, irq, softirq, steal: all but idle and waiting for disks. 100 ticks a second on every Linux.
    [0, 1, 2, 5, 6, 7].iter().filter_map(|&i| ticks.get(i)).sum::<f64>() / 100.0
}

/// Binds this thread, and those it starts from now on, to `threads` processors: the last ones that it may use, since the first
/// serves most interrupts. Gives their numbers; none where the system does not allow it.
#[must_use]
pub fn bind(threads: usize) -> Vec<usize> {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let allowed = sched_getaffinity(None).unwrap_or_default();
        let chosen: Vec<usize> =
            (0..CpuSet::MAX_CPU).rev().filter(|&cpu| allowed.is_set(cpu)).take(threads).collect();
        let mut set = CpuSet::new();
        chosen.iter().for_each(|&cpu| set.set(cpu));
        if chosen.len() == threads && sched_setaffinity(None, &set).is_ok() {
            return chosen;
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = threads;
    Vec::new()
}

/// The value of the first line `name: value` of a file below `/proc`.
pub(crate) fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let value = |line: &str| {
        Some(line.strip_prefix(name)?.trim_start().strip_prefix(':')?.trim().to_owned())
    };
    text.lines().find_map(value)
}

/// The same for a value in `kB`.
pub(crate) fn kilobytes(path: &str, name: &str) -> Option<u64> {
    field(path, name)?.strip_suffix("kB")?.trim().parse().ok()
}

/// Resident memory of this process in mebibytes: now (`VmRSS`), or the most since [`reset_peak`] (`VmHWM`).
pub(crate) fn resident(name: &str) -> f64 {
    kilobytes("/proc/self/status", name).map_or(0.0, |kb| kb as f64 / 1024.0)
}

/// Starts the system's high-water mark anew (`man 5 proc`, clear_refs). Where that is not allowed the mark keeps standing: too
/// high, never too low.
pub(crate) fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stamp_names_this_machine() {
        let stamp = Stamp::now();
        assert_eq!((stamp.schema, stamp.optimised), (SCHEMA, !cfg!(debug_assertions)));
        assert!(stamp.cores > 0 && stamp.date.len() == 20 && stamp.date.starts_with("20"));
        assert!(root().join("ARCHITECTURE.md").is_file());
        if cfg!(target_os = "linux") {
            assert!(stamp.memory_mib > 100);
        }
    }
}
