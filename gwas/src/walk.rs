//! Where a test kills a process: after every step whose effects outlive it.
//!
//! Programs call [`durable`] when something is on the disk, or has been answered by the other side. A program that is built
//! with debug assertions, and only such a one, looks at the variable [`KILL`]: `N:FILE` writes each step down in FILE, a line
//! each, and kills the process (`kill -9`) after step N. In a release build there is no such code.

/// Environment variable of tests, in debug builds.
pub const KILL: &str = "HEGWAS_TEST_KILL";

/// A step is done that a killed process has done for good. `step` tells it from others.
#[cfg(debug_assertions)]
pub fn durable(step: impl FnOnce() -> String) {
    armed::reached(step);
}

/// A step is done that a killed process has done for good. Nothing in this build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn durable(_step: impl FnOnce() -> String) {}

#[cfg(debug_assertions)]
mod armed {
    use std::fs::{File, OpenOptions};
    use std::io::Write as _;
    use std::process::Command;
    use std::sync::{Mutex, OnceLock, PoisonError};
    use std::time::Duration;

    /// The file of steps, and how many there may be.
    struct Plan {
        steps: Mutex<(File, u64)>,
        last: u64,
    }

    fn plan() -> Option<Plan> {
        let text = std::env::var(super::KILL).ok()?;
        let (last, path) = text.split_once(':')?;
        let file = OpenOptions::new().create(true).append(true).open(path).ok()?;
        Some(Plan { steps: Mutex::new((file, 0)), last: last.parse().ok()? })
    }

    pub(super) fn reached(step: impl FnOnce() -> String) {
        static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
        let Some(plan) = PLAN.get_or_init(plan) else { return };
        // Held until the end, so that no other thread does a further step.
        let mut steps = plan.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let written = writeln!(steps.0, "{}", step());
        steps.1 += 1;
        if written.is_err() || steps.1 == plan.last {
            let process = std::process::id().to_string();
            while Command::new("kill").args(["-KILL", &process]).status().is_ok() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
