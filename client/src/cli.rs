//! The arguments of `hegwas`, one file for each subcommand, PLINK's names where PLINK has one.
//!
//! [`main`] parses, runs, and turns errors into two paragraphs and an exit code. Bodies are in [`crate::commands`] and
//! [`crate::pipeline`]; each takes its parsed arguments and a [`Console`].

pub mod agent;
pub mod assoc;
pub mod audit;
pub mod common;
pub mod completions;
pub mod demo;
pub mod encrypt;
pub mod erase;
pub mod grant;
pub mod help;
pub mod inspect;
pub mod key;
pub mod log;
pub mod panel;
pub mod plot;
pub mod push;
pub mod result;
pub mod run;
pub mod serve;
pub mod share;
pub mod study;
mod version;

use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::console::{Console, Verbosity};
use crate::{Exit, Result, cleanup, commands, pipeline};

/// GWAS on homomorphically encrypted genomes
///
/// Genotypes and phenotypes are encrypted here and computed on by a server that has no key. `hegwas assoc` runs the whole
/// job; the other commands are its steps.
#[derive(Parser, Debug)]
#[command(
    name = "hegwas",
    version = version::short(),
    long_version = version::long(),
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = EXAMPLES
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to report.
    #[command(flatten)]
    pub global: GlobalArgs,
}

const EXAMPLES: &str = "\
Examples:
  hegwas demo
  hegwas assoc --bfile cohort --pheno pheno.tsv --pheno-name CASE --out result
  hegwas help exit-codes";

/// Arguments that every command takes.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Reporting")]
pub struct GlobalArgs {
    /// Print results as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but results, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl GlobalArgs {
    /// The console that they ask for.
    pub fn console(&self) -> Console {
        let verbosity = match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        };
        Console::new(verbosity, self.json)
    }
}

/// The subcommands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run a whole encrypted association study: from files to table
    Assoc(Box<assoc::AssocArgs>),
    /// Run a synthetic study and check it against plaintext
    Demo(demo::DemoArgs),
    /// Make, show, back up and rotate keys
    Key(key::KeyArgs),
    /// Write the list of variants that datasets of a study share
    Panel(panel::PanelArgs),
    /// Encrypt genotypes and phenotypes on this machine
    Encrypt(Box<encrypt::EncryptArgs>),
    /// Upload an encrypted dataset, a phenotype or totals
    Push(push::PushArgs),
    /// Make studies, alone or with others
    Study(Box<study::StudyArgs>),
    /// Let a study compute on a dataset, or no longer
    Grant(grant::GrantArgs),
    /// Erase data of yours from a server
    Erase(erase::EraseArgs),
    /// Have the server compute, and watch it
    Run(run::RunArgs),
    /// Make a key holder's decryption share of a result
    Share(share::ShareArgs),
    /// Check jobs and share their results, for a key holder
    Agent(agent::AgentCommand),
    /// Decrypt a result into a table
    Result(result::ResultArgs),
    /// Recompute a result from its inputs and compare
    Audit(audit::AuditArgs),
    /// Verify the log of a study
    Log(log::LogArgs),
    /// Draw Manhattan and QQ plots from a table
    Plot(plot::PlotArgs),
    /// Say what is in a file, without secrets
    Inspect(inspect::InspectArgs),
    /// Run a server in the foreground
    Serve(serve::ServeArgs),
    /// Print a shell completion script
    Completions(completions::CompletionsArgs),
    /// Explain a command or a topic (exit-codes, environment)
    Help(help::HelpArgs),
}

/// Runs the command of the process's arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = cli.global.console();
    quiet_panics();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        cleanup::on_signals()
            .map_err(|e| crate::Error::Internal(format!("signal handler: {e}")))?;
        dispatch(cli.command, &console)
    }));
    cleanup::yield_to_signal();
    match outcome {
        Ok(Ok(())) => Exit::Success.into(),
        Ok(Err(error)) => {
            let help = error.remedy().map(|remedy| format!("\nhelp: {remedy}")).unwrap_or_default();
            report(&format!("error: {error}{help}"));
            error.exit().into()
        }
        Err(_) => {
            report(&format!("help: {}", crate::error::INTERNAL));
            Exit::Internal.into()
        }
    }
}

/// Runs one command.
///
/// # Errors
/// Whatever the command reports.
pub fn dispatch(command: Command, console: &Console) -> Result<()> {
    match command {
        Command::Assoc(args) => pipeline::assoc(&args, console),
        Command::Demo(args) => pipeline::demo(&args, console),
        Command::Key(args) => commands::key(&args, console),
        Command::Panel(args) => pipeline::panel(&args, console),
        Command::Encrypt(args) => pipeline::encrypt(&args, console),
        Command::Push(args) => commands::push(&args, console),
        Command::Study(args) => pipeline::study(&args, console),
        Command::Grant(args) => pipeline::grant(&args, console),
        Command::Erase(args) => pipeline::erase(&args, console),
        Command::Run(args) => pipeline::run(&args, console),
        Command::Share(args) => pipeline::share(&args, console),
        Command::Agent(args) => pipeline::agent(&args, console),
        Command::Audit(args) => pipeline::audit(&args, console),
        Command::Log(args) => pipeline::log(&args, console),
        Command::Result(args) => pipeline::result(&args, console),
        Command::Plot(args) => commands::plot(&args, console),
        Command::Inspect(args) => commands::inspect(&args, console),
        Command::Serve(args) => commands::serve(&args, console),
        Command::Completions(args) => commands::completions(&args, console, Cli::command()),
        Command::Help(args) => commands::help(&args, console, Cli::command()),
    }
}

fn report(text: &str) {
    // Nothing can be done about a closed standard error.
    drop(std::io::Write::write_all(&mut std::io::stderr(), format!("{text}\n").as_bytes()));
}

/// A panic says where, never what: its message could quote data.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|at| format!(" at {}:{}", at.file(), at.line()))
            .unwrap_or_default();
        report(&format!("error: internal error{place}"));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_ends_its_help_with_examples() {
        fn walk(command: &clap::Command) {
            for sub in command.get_subcommands() {
                let examples = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(examples.starts_with("Example"), "{} has no examples", sub.get_name());
                walk(sub);
            }
        }
        walk(&Cli::command());
    }
}
