//! Things that must not outlive the process: temporary folders, child processes, half-written files.
//!
//! Dropping a [`Guard`] undoes them in every ordinary end, panics included. A signal (Ctrl-C, `kill`, a closed terminal)
//! runs none of a process's destructors, so [`on_signals`] starts a thread that waits for one, undoes whatever is
//! registered and ends the process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

type Action = Box<dyn FnOnce() + Send>;

/// Registered actions by number; the newest is undone first.
static ACTIONS: Mutex<(u64, BTreeMap<u64, Action>)> = Mutex::new((0, BTreeMap::new()));

static SIGNALLED: AtomicBool = AtomicBool::new(false);

fn actions() -> MutexGuard<'static, (u64, BTreeMap<u64, Action>)> {
    ACTIONS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs its action once: when dropped, or when a signal ends the process.
#[must_use = "the action runs as soon as the guard is dropped"]
#[derive(Debug)]
pub struct Guard(u64);

impl Guard {
    /// Registers `action`. It must not panic and must not take long.
    pub fn new(action: impl FnOnce() + Send + 'static) -> Self {
        let mut all = actions();
        let id = all.0;
        all.0 += 1;
        all.1.insert(id, Box::new(action));
        Self(id)
    }

    /// Forgets the action: what it would have undone is to stay.
    pub fn disarm(self) {
        let _forgotten = actions().1.remove(&self.0);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let action = actions().1.remove(&self.0);
        if let Some(action) = action {
            action();
        }
    }
}

/// Undoes everything that is registered, newest first.
pub fn run_all() {
    loop {
        let newest = actions().1.pop_last();
        match newest {
            Some((_, action)) => action(),
            None => break,
        }
    }
}

/// From now on, interrupting or terminating the process undoes what is registered. For `main` only.
pub fn on_signals() -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            SIGNALLED.store(true, Ordering::SeqCst);
            run_all();
            std::process::exit(128 + signal);
        }
    })?;
    Ok(())
}

/// If a signal is ending the process, waits for that end instead of letting the caller report what the clean-up broke.
pub fn yield_to_signal() {
    while SIGNALLED.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn an_action_runs_once_unless_disarmed() {
        let count = Arc::new(AtomicU32::new(0));
        let guard = |n: u32| {
            let count = Arc::clone(&count);
            Guard::new(move || {
                count.fetch_add(n, Ordering::Relaxed);
            })
        };
        drop(guard(1));
        guard(10).disarm();
        let panicked = std::panic::catch_unwind(|| {
            let _kept = guard(100);
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.is_err());
        assert_eq!(count.load(Ordering::Relaxed), 101);
    }
}
