//! Progress of a stage.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use super::Console;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Bytes, printed as MiB, with a rate.
    Bytes,
    /// Things; the text is their plural (`variants`).
    Items(&'static str),
}

impl Unit {
    fn amount(self, n: u64) -> String {
        match self {
            Self::Bytes => HumanBytes(n).to_string(),
            Self::Items(plural) => format!("{} {plural}", HumanCount(n)),
        }
    }

    fn template(self) -> &'static str {
        match self {
            Self::Bytes => "{msg:<12} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            Self::Items(_) => "{msg:<12} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}",
        }
    }
}

/// Least time between two log lines of a stage, where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A running stage. Shared between threads by reference or clone.
#[derive(Clone, Debug)]
pub struct Progress(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    console: Console,
    label: String,
    unit: Unit,
    total: AtomicU64,
    done: AtomicU64,
    start: Instant,
    /// When the last log line was written.
    last_line: Mutex<Instant>,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(super) fn new(console: Console, label: &str, total: u64, unit: Unit) -> Self {
        let bar = console.terminal.then(|| {
            let style = ProgressStyle::with_template(unit.template())
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let bar = ProgressBar::new(total).with_style(style).with_message(label.to_owned());
            console.bars.add(bar)
        });
        let (start, label) = (Instant::now(), label.to_owned());
        let (total, done) = (AtomicU64::new(total), AtomicU64::new(0));
        Self(Arc::new(Inner {
            console,
            label,
            unit,
            total,
            done,
            start,
            last_line: Mutex::new(start),
            bar,
        }))
    }

    /// `n` more are done.
    pub fn inc(&self, n: u64) {
        let done = self.0.done.fetch_add(n, Ordering::Relaxed) + n;
        self.show(done);
    }

    /// `n` are done in all.
    pub fn set(&self, n: u64) {
        self.0.done.store(n, Ordering::Relaxed);
        self.show(n);
    }

    /// There are `n` in all.
    pub fn set_total(&self, n: u64) {
        self.0.total.store(n, Ordering::Relaxed);
        if let Some(bar) = &self.0.bar {
            bar.set_length(n);
        }
    }

    /// How many are done.
    pub fn done(&self) -> u64 {
        self.0.done.load(Ordering::Relaxed)
    }

    /// Ends the stage with one line about it.
    pub fn finish(&self) {
        if let Some(bar) = &self.0.bar {
            bar.finish_and_clear();
        }
        let Inner { console, label, unit, start, .. } = &*self.0;
        let (amount, seconds) = (unit.amount(self.done()), start.elapsed().as_secs_f64());
        console.note(format_args!("{label}: {amount} in {seconds:.2} s"));
    }

    fn show(&self, done: u64) {
        let inner = &*self.0;
        match &inner.bar {
            Some(bar) => bar.set_position(done),
            None => inner.line(done, Instant::now()),
        }
    }
}

impl Inner {
    /// A log line, if the last one was long enough ago. Never waits for another thread's line.
    fn line(&self, done: u64, now: Instant) {
        let Ok(mut last) = self.last_line.try_lock() else { return };
        if now.duration_since(*last) < LINE_EVERY {
            return;
        }
        *last = now;
        let total = self.total.load(Ordering::Relaxed);
        match (done * 100).checked_div(total) {
            Some(percent) => {
                self.console.note(format_args!(
                    "{}: {percent} % of {}",
                    self.label,
                    self.unit.amount(total)
                ));
            }
            None => self.console.note(format_args!("{}: {}", self.label, self.unit.amount(done))),
        }
    }
}

impl Drop for Inner {
    /// A stage that ends early leaves no bar behind.
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_well() {
        assert_eq!(Unit::Items("variants").amount(85_485), "85,485 variants");
        assert_eq!(Unit::Bytes.amount(8 << 20), "8.00 MiB");
    }

    #[test]
    fn lines_are_sparse() {
        let p = Progress::new(Console::silent(), "encrypt", 100, Unit::Bytes);
        let start = p.0.start;
        p.0.line(10, start + Duration::from_secs(1));
        assert_eq!(*p.0.last_line.lock().unwrap(), start, "too early for a line");
        p.0.line(10, start + LINE_EVERY);
        assert_eq!(*p.0.last_line.lock().unwrap(), start + LINE_EVERY);
        p.inc(7);
        p.inc(5);
        assert_eq!(p.done(), 12);
        p.set(3);
        assert_eq!(p.done(), 3);
    }
}
