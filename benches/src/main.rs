//! `hegwas-bench`: records what hegwas costs, compares schemes on one workload, and makes documents and plots from the records.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use hegwas_bench::rounds::{self, Files, Options};
use hegwas_bench::suite::{GROWTH, Suite};
use hegwas_bench::workload::Shape;
use hegwas_bench::{Result, compare, kernel, machine, report, run, say, schemes};

/// Records what hegwas costs, compares encryption schemes on one workload, and makes documents and plots from the records
#[derive(Parser)]
#[command(name = "hegwas-bench", version)]
struct Cli {
    /// Folder of the records [default: benches/records of the checkout]
    #[arg(long, global = true, value_name = "FOLDER")]
    records: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures hegwas itself and appends records
    Record(RecordArgs),
    /// Names the schemes that `run` compares, and says which of them can't be measured here
    List,
    /// Measures the schemes on one workload, in rounds; goes on where it was cut off
    Run(RunArgs),
    /// One trial of `run`, in a process of its own
    #[command(hide = true)]
    Trial(TrialArgs),
    /// Says what changed between two runs beyond noise
    Compare {
        /// Name of a run, or the folder of its records
        before: String,
        /// The same
        after: String,
    },
    /// Makes the tables of docs/performance.md, docs/comparison.md and README.md, the plots and docs/comparison.html, from the
    /// latest records
    Report {
        /// Changes nothing, fails if a file is not what the records give
        #[arg(long)]
        check: bool,
        /// Folder that holds README.md and docs/ [default: the checkout]
        #[arg(long, value_name = "FOLDER")]
        root: Option<PathBuf>,
    },
}

#[derive(Args)]
struct RunArgs {
    /// Name of the run; the same name goes on with it
    #[arg(long, default_value = "main")]
    name: String,
    /// Shapes, PEOPLExVARIANTS, comma-separated [default: 200x16384, 245x10643, 1000x1000; with --bfile all of it]
    #[arg(long, value_delimiter = ',')]
    shapes: Vec<Shape>,
    /// Larger shapes too, up to 15000x16384, which show growth
    #[arg(long, conflicts_with = "bfile")]
    growth: bool,
    /// Schemes, comma-separated [default: all]
    #[arg(long, value_delimiter = ',')]
    schemes: Vec<String>,
    /// A program with a scheme of its own, as docs/comparison.md says; may be given several times
    #[arg(long, value_name = "PROGRAM")]
    external: Vec<PathBuf>,
    /// Rounds: measurements of each
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Threads of each trial, bound to as many processors
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Seconds that one trial may take, without its setup; what takes longer is measured in part and scaled
    #[arg(long, default_value_t = 20.0, value_name = "SECONDS")]
    budget: f64,
    /// Measures again what is recorded already
    #[arg(long)]
    again: bool,
    /// Folder for synthetic cohorts, kept afterwards [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
    /// Prefix of your own PLINK files instead of synthetic ones
    #[arg(long, value_name = "PREFIX", requires = "pheno")]
    bfile: Option<PathBuf>,
    /// Their phenotype table
    #[arg(long, value_name = "FILE", requires = "bfile")]
    pheno: Option<PathBuf>,
    /// Its column [default: the first]
    #[arg(long, value_name = "NAME", requires = "pheno")]
    pheno_name: Option<String>,
}

impl RunArgs {
    fn options(&self) -> Options {
        let mut shapes = self.shapes.clone();
        if self.growth {
            if shapes.is_empty() {
                shapes.extend(rounds::SMALL);
            }
            shapes.extend(rounds::GROWTH);
        }
        let own = self.bfile.clone().zip(self.pheno.clone());
        Options {
            run: self.name.clone(),
            shapes,
            schemes: self.schemes.clone(),
            externals: self.external.clone(),
            rounds: self.rounds,
            threads: self.threads.max(1),
            budget_s: self.budget,
            own: own.map(|(prefix, table)| Files { prefix, table, name: self.pheno_name.clone() }),
            again: self.again,
        }
    }
}

#[derive(Args)]
struct TrialArgs {
    #[arg(long)]
    scheme: String,
    #[arg(long)]
    shape: Shape,
    #[arg(long)]
    threads: usize,
    #[arg(long)]
    bfile: PathBuf,
    #[arg(long)]
    pheno: PathBuf,
    #[arg(long)]
    pheno_name: Option<String>,
    #[arg(long)]
    external: Vec<PathBuf>,
}

#[derive(Args)]
struct RecordArgs {
    /// Folder for cohorts and stores, kept afterwards [default: a temporary folder]
    #[arg(long, global = true, value_name = "FOLDER")]
    work: Option<PathBuf>,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Everything that the report needs: 20 minutes and 16 GB of disk, on an idle machine
    All(ProgramArgs),
    /// Weighted sums from memory: every parameter set, engine, and 0, 1 and 8 phenotypes
    Kernel {
        /// Ciphertexts to stream, in 10^6 bytes; at least ten times the last-level cache
        #[arg(long, default_value_t = 400)]
        megabytes: u64,
        /// Numbers of threads
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
        threads: Vec<usize>,
        /// Measurements of each
        #[arg(long, default_value_t = 7)]
        repeats: usize,
    },
    /// BED file to packed bytes, for every parameter set
    Encrypt {
        /// Numbers of threads
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
        threads: Vec<usize>,
        /// Measurements of each
        #[arg(long, default_value_t = 5)]
        repeats: usize,
    },
    /// The server's part of a job of 16,384 variants: cached files to result bytes, in this process
    Job {
        /// People
        #[arg(long, default_value_t = 200)]
        people: u32,
        /// Threads
        #[arg(long, default_value_t = 1)]
        threads: usize,
        /// Jobs
        #[arg(long, default_value_t = 101)]
        repeats: usize,
    },
    /// What a study of several parties costs each of them: key, grants, totals, shares; in this process
    Consortium {
        /// Key holders
        #[arg(long, default_value_t = 3)]
        holders: u32,
        /// Sites, each with encrypted totals
        #[arg(long, default_value_t = 20)]
        sites: u32,
    },
    /// `hegwas assoc` from files to table, compared with --plaintext
    Run {
        #[command(flatten)]
        shape: ShapeArgs,
        #[command(flatten)]
        program: ProgramArgs,
    },
    /// PLINK 1.9 --assoc and PLINK 2 --glm on the same files
    Plink {
        #[command(flatten)]
        shape: ShapeArgs,
        /// Runs of each
        #[arg(long, default_value_t = 3)]
        repeats: usize,
    },
    /// Chi-squares and hits finished under encryption by three key holders, step by step, in this process; takes 3 GB of memory
    Finish {
        /// Threads
        #[arg(long, default_value_t = 1)]
        threads: usize,
    },
    /// CPU time of encryption and sums at growing shapes; the largest takes 3 GB of memory
    Growth {
        /// Shapes, PEOPLExVARIANTS, comma-separated [default: 1,000 x 16,384 to 25,000 x 49,152]
        #[arg(long, value_delimiter = ',', value_parser = shape)]
        shapes: Vec<(u32, u32)>,
        /// Threads
        #[arg(long, default_value_t = 1)]
        threads: usize,
    },
}

#[derive(Args)]
struct ShapeArgs {
    /// People
    #[arg(long)]
    people: u32,
    /// Variants
    #[arg(long)]
    variants: u32,
    /// Threads
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

#[derive(Args)]
struct ProgramArgs {
    /// The program to run, hegwas-server beside it [default: hegwas beside this program]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

impl ProgramArgs {
    fn find(&self) -> Result<PathBuf> {
        self.program.clone().map_or_else(run::find_program, Ok)
    }
}

fn shape(text: &str) -> std::result::Result<(u32, u32), String> {
    let parts = text.split_once('x').map(|(p, v)| (p.parse(), v.parse()));
    match parts {
        Some((Ok(people), Ok(variants))) => Ok((people, variants)),
        _ => Err("give people and variants as 1000x16384".to_owned()),
    }
}

fn main() -> ExitCode {
    match work(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::progress(format_args!("hegwas-bench: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn work(cli: &Cli) -> Result<()> {
    let default = || machine::root().join("benches/records");
    let records = cli.records.clone().unwrap_or_else(default);
    match &cli.command {
        Command::Record(args) => record(args, &Suite::new(&records, args.work.as_deref())?),
        Command::List => {
            list();
            Ok(())
        }
        Command::Run(args) => {
            if cfg!(debug_assertions) {
                say::progress(
                    "this is not an optimised build: what it records is left out of reports",
                );
            }
            rounds::run(&args.options(), &records, args.work.as_deref())
        }
        Command::Trial(args) => {
            let own = Files {
                prefix: args.bfile.clone(),
                table: args.pheno.clone(),
                name: args.pheno_name.clone(),
            };
            say::answer(rounds::trial(
                &args.scheme,
                args.shape,
                args.threads,
                &own,
                &args.external,
            )?);
            Ok(())
        }
        Command::Compare { before, after } => {
            for line in compare::compare(&records, before, after)? {
                say::answer(line);
            }
            Ok(())
        }
        Command::Report { check, root } => {
            let root = root.clone().unwrap_or_else(|| machine::root().to_owned());
            for line in report::make(&records, &root, *check)? {
                say::answer(line);
            }
            Ok(())
        }
    }
}

fn list() {
    let (found, missing) = schemes::all();
    for scheme in found {
        let about = scheme.about();
        say::answer(format_args!(
            "{:<32} {:<18} {} ({})",
            about.name,
            about.regime.name(),
            about.title,
            about.library
        ));
    }
    for missing in missing {
        say::answer(format_args!("{:<32} not here: {}", missing.name, missing.why));
    }
}

fn record(args: &RecordArgs, suite: &Suite) -> Result<()> {
    match &args.what {
        What::All(program) => suite.all(&program.find()?),
        What::Kernel { megabytes, threads, repeats } => suite.kernel(&kernel::Options {
            megabytes: *megabytes,
            threads: threads.clone(),
            repeats: *repeats,
        }),
        What::Encrypt { threads, repeats } => suite.encrypt(threads, *repeats),
        What::Job { people, threads, repeats } => suite.job(*people, *threads, *repeats),
        What::Consortium { holders, sites } => suite.consortium(*holders, *sites),
        What::Run { shape, program } => {
            suite.run(&program.find()?, (shape.people, shape.variants), shape.threads)
        }
        What::Plink { shape, repeats } => {
            suite.plink((shape.people, shape.variants), shape.threads, *repeats)
        }
        What::Finish { threads } => suite.finish(*threads),
        What::Growth { shapes, threads } => {
            let shapes = if shapes.is_empty() { &GROWTH[..] } else { shapes };
            suite.growth(shapes, *threads)
        }
    }
}
