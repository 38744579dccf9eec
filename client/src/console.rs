//! Standard output for results, standard error for everything else.
//!
//! Results are what a script may read: ids, listings, tables. Notes, warnings and progress go to standard error. Nothing
//! genetic, no person's id and no secret is ever passed here.

mod progress;

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::Arc;

use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;

use crate::{Error, Result};

pub use progress::{Progress, Unit};

/// How much is said on standard error.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Verbosity {
    /// Warnings and errors only.
    Quiet,
    /// Notes and progress too.
    #[default]
    Normal,
    /// Details too.
    Verbose,
}

/// Where a command writes. Cheap to clone; all clones share one screen.
#[derive(Clone, Debug)]
pub struct Console {
    verbosity: Verbosity,
    json: bool,
    /// Progress bars instead of log lines.
    terminal: bool,
    /// Nothing at all, for library use.
    silent: bool,
    bars: Arc<MultiProgress>,
}

impl Console {
    /// The process's own standard output and standard error.
    pub fn new(verbosity: Verbosity, json: bool) -> Self {
        let terminal = std::io::stderr().is_terminal() && verbosity > Verbosity::Quiet;
        let target =
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            verbosity,
            json,
            terminal,
            silent: false,
            bars: Arc::new(MultiProgress::with_draw_target(target)),
        }
    }

    /// A console that says nothing; results printed to it vanish.
    pub fn silent() -> Self {
        let bars = Arc::new(MultiProgress::with_draw_target(ProgressDrawTarget::hidden()));
        Self { verbosity: Verbosity::Quiet, json: false, terminal: false, silent: true, bars }
    }

    /// Whether results are to be JSON.
    pub fn json(&self) -> bool {
        self.json
    }

    /// Whether details are wanted.
    pub fn verbose(&self) -> bool {
        self.verbosity == Verbosity::Verbose
    }

    /// One line of result on standard output.
    ///
    /// # Errors
    /// When standard output can't be written; a reader that has gone away (`| head`) is none.
    pub fn print(&self, line: impl Display) -> Result<()> {
        if self.silent {
            return Ok(());
        }
        self.bars.suspend(|| {
            let mut out = std::io::stdout().lock();
            match writeln!(out, "{line}").and_then(|()| out.flush()) {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error::Stdout(error)),
                _ => Ok(()),
            }
        })
    }

    /// A result as indented JSON on standard output.
    ///
    /// # Errors
    /// As [`Console::print`].
    pub fn print_json(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|e| Error::Internal(format!("JSON: {e}")))?;
        self.print(text)
    }

    /// `value` as JSON if that was asked for, else what `text` says.
    ///
    /// # Errors
    /// As [`Console::print`].
    pub fn print_either<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        if self.json { self.print_json(value) } else { self.print(text(value)) }
    }

    /// Something worth knowing.
    pub fn note(&self, text: impl Display) {
        if self.verbosity >= Verbosity::Normal {
            self.stderr(text);
        }
    }

    /// Something worth knowing with `--verbose`.
    pub fn detail(&self, text: impl Display) {
        if self.verbosity >= Verbosity::Verbose {
            self.stderr(text);
        }
    }

    /// Something that may be wrong; said with `--quiet` too.
    pub fn warn(&self, text: impl Display) {
        self.stderr(format_args!("warning: {text}"));
    }

    /// A bar on a terminal, otherwise a few lines with percentages. `total` 0 means unknown.
    pub fn progress(&self, label: &str, total: u64, unit: Unit) -> Progress {
        Progress::new(self.clone(), label, total, unit)
    }

    fn stderr(&self, text: impl Display) {
        if !self.silent {
            // A closed standard error is no reason to stop working.
            self.bars.suspend(|| drop(writeln!(std::io::stderr(), "{text}")));
        }
    }
}
