//! The command line.
//!
//! Exit codes: 0 success, 1 failure while running, 2 wrong usage, 3 impossible configuration, 4 damaged objects were found,
//! 5 the data folder is in use.

mod args;
mod serve;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::maintain;
use crate::server::StartError;
use args::{Arguments, Command, LogFormat};

/// Exit codes beside clap's 2.
const FAILURE: u8 = 1;
const CONFIGURATION: u8 = 3;
const DAMAGED: u8 = 4;
const IN_USE: u8 = 5;

/// Why the program ends without success.
enum Failure {
    Start(StartError),
    Damaged,
    Other(String),
}

impl<E: Into<StartError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Start(error.into())
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let command = arguments.command.unwrap_or(Command::Serve(arguments.serve));
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let (code, text) = match failure {
                Failure::Start(error) => {
                    let code = match &error {
                        StartError::Config(_) => CONFIGURATION,
                        StartError::Lock(crate::lock::LockError::InUse(_)) => IN_USE,
                        _ => FAILURE,
                    };
                    (code, error.to_string())
                }
                Failure::Damaged => (DAMAGED, "damaged objects were found; see above".to_owned()),
                Failure::Other(text) => (FAILURE, text),
            };
            // Nothing is left to do when even this can't be said.
            let _ = writeln!(std::io::stderr(), "error: {text}");
            ExitCode::from(code)
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(args),
        Command::Check(args) => {
            log(LogFormat::Text);
            let config = args.config()?;
            print(&runtime(1)?.block_on(maintain::check(&config))?)
        }
        Command::Reindex { data, prune } => {
            log(LogFormat::Text);
            print(&runtime(1)?.block_on(maintain::reindex(&data, prune))?)
        }
        Command::Verify { data } => {
            log(LogFormat::Text);
            let report = runtime(1)?.block_on(maintain::verify(&data))?;
            let sound = report.damaged.is_empty();
            print(&report)?;
            if sound { Ok(()) } else { Err(Failure::Damaged) }
        }
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "hegwas-server", &mut std::io::stdout());
            Ok(())
        }
    }
}

/// Results go to standard output as one line of JSON, everything else to standard error.
fn print(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|e| Failure::Other(e.to_string()))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(|e| Failure::Other(format!("standard output: {e}")))
}

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("http")
        .enable_all()
        .build()
        .map_err(|e| Failure::Other(e.to_string()))
}

/// Logs to standard error. What is logged: `RUST_LOG`, else warnings of all and information of this program.
fn log(format: LogFormat) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,hegwas_server=info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only when a log exists, which then serves.
    let _ = match format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => builder.with_ansi(false).try_init(),
    };
}
