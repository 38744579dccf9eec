//! `run`: rounds of trials, one of every scheme at every shape in each round, so that a noisy minute hits all alike.
//!
//! Every trial is a process of its own, bound to its processors: schemes don't share heaps, and one that fails ends no run. What is
//! done is recorded at once; the same command goes on where it was cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::clock::significant;
use crate::cohort::Workplace;
use crate::machine::{self, Stamp};
use crate::record::{Measured, Record, latest};
use crate::scheme::Units;
use crate::trial::{Entrant, Measurement};
use crate::workload::{Shape, Workload};
use crate::{Error, Result, process, say, schemes};

/// The small shapes: what the others have published, and a square one.
pub const SMALL: [Shape; 3] = [
    Shape { people: 200, variants: 16_384 },
    Shape { people: 245, variants: 10_643 },
    Shape { people: 1_000, variants: 1_000 },
];
/// Shapes that show growth, beside the small ones.
pub const GROWTH: [Shape; 4] = [
    Shape { people: 1_000, variants: 4_096 },
    Shape { people: 1_000, variants: 16_384 },
    Shape { people: 4_000, variants: 16_384 },
    Shape { people: 15_000, variants: 16_384 },
];
/// Fewest people of a part: fewer say nothing of a sum.
const FEWEST: u32 = 4;
/// Most parts that are measured to find one that fits, and by how much each may be larger than the one before.
const PROBES: usize = 6;
const STEP: f64 = 64.0;
/// Share of the machine's memory that ciphertexts of one trial may take.
const MEMORY_SHARE: f64 = 0.35;

/// A measurement within a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// Name of the run.
    pub run: String,
    /// The shape asked for; what was measured may be a part of it.
    pub asked: Shape,
    /// Number of the round, from 0.
    pub round: u32,
    /// Whether genotypes are synthetic, made from a seed, or the user's own.
    pub synthetic: bool,
    /// Units of the shape asked for.
    pub units: Units,
    /// Mean number of processors that something else kept busy meanwhile.
    pub others: f64,
    /// What was measured.
    pub measured: Measurement,
}

impl Trial {
    /// Whether figures of the shape asked for are scaled from a part.
    #[must_use]
    pub fn extrapolated(&self) -> bool {
        self.asked != self.measured.shape
    }

    /// By how much figures of the part are multiplied: those that grow with genotypes, with people, and with variants.
    #[must_use]
    pub fn scale(&self) -> Units {
        let (asked, measured) = (self.units, self.measured.units);
        Units {
            input: asked.input / measured.input,
            people: asked.people / measured.people,
            output: asked.output / measured.output,
        }
    }

    /// What makes it the same trial.
    #[must_use]
    pub fn key(&self) -> String {
        let (run, scheme) = (&self.run, &self.measured.about.name);
        let threads = self.measured.threads;
        format!("trial {run} {scheme} {} {threads} {}", self.asked, self.round)
    }
}

/// Files of a trial: a user's own, or synthetic ones.
#[derive(Clone)]
pub struct Files {
    /// PLINK fileset.
    pub prefix: PathBuf,
    /// Phenotype table.
    pub table: PathBuf,
    /// Column.
    pub name: Option<String>,
}

/// What to run.
pub struct Options {
    /// Name of the run.
    pub run: String,
    /// Shapes; of the user's own files all, if there is none.
    pub shapes: Vec<Shape>,
    /// Names of schemes, or none for all.
    pub schemes: Vec<String>,
    /// Programs with schemes of their own, always among the chosen.
    pub externals: Vec<PathBuf>,
    /// Rounds.
    pub rounds: u32,
    /// Threads of each trial.
    pub threads: usize,
    /// Seconds that one trial may take without its setup, on processors of its own.
    pub budget_s: f64,
    /// The user's own files instead of synthetic ones.
    pub own: Option<Files>,
    /// Measures again what is recorded already.
    pub again: bool,
}

/// Runs what is not recorded yet.
///
/// # Errors
/// When files can't be read or written, a name is unknown, or trials failed (after all others).
pub fn run(options: &Options, records: &Path, work: Option<&Path>) -> Result<()> {
    let chosen = choose(&options.schemes, &options.externals)?;
    let place = Workplace::new(work)?;
    let program = std::env::current_exe().map_err(Error::step("finding this program"))?;
    let shapes = match (&options.own, options.shapes.as_slice()) {
        (Some(own), []) => {
            vec![Workload::whole(&own.prefix, &own.table, own.name.as_deref())?.shape]
        }
        (None, []) => SMALL.to_vec(),
        (_, shapes) => shapes.to_vec(),
    };
    let mut rounds = Rounds {
        options,
        records,
        place: &place,
        program,
        done: BTreeSet::new(),
        parts: BTreeMap::new(),
        failures: Vec::new(),
    };
    if !options.again {
        rounds.resume()?;
    }
    rounds.all(&chosen, &shapes)
}

fn choose(names: &[String], externals: &[PathBuf]) -> Result<Vec<Box<dyn Entrant>>> {
    let (found, missing) = schemes::all();
    let outside = externals.iter().map(|program| schemes::external(program));
    let outside = outside.collect::<Result<Vec<_>>>()?;
    let here = |name: &String| found.iter().chain(&outside).any(|s| s.about().name == *name);
    if let Some(name) = names.iter().find(|name| !here(name)) {
        let reason = missing.iter().find(|m| m.name == *name).map(|m| m.why.clone());
        let why = reason.unwrap_or_else(|| "no such scheme; see `hegwas-bench list`".to_owned());
        return Err(Error::Program { program: name.clone(), why });
    }
    for missing in missing.iter().filter(|missing| !here(&missing.name)) {
        say::progress(format_args!("left out: {} ({})", missing.name, missing.why));
    }
    let wanted = |name: &String| names.is_empty() || names.contains(name);
    let chosen = found.into_iter().filter(|s| wanted(&s.about().name));
    Ok(chosen.chain(outside).collect())
}

/// A run under way.
struct Rounds<'a> {
    options: &'a Options,
    records: &'a Path,
    place: &'a Workplace,
    program: PathBuf,
    /// Keys of recorded trials.
    done: BTreeSet<String>,
    /// What part of a shape a scheme measures.
    parts: BTreeMap<(String, String), Shape>,
    failures: Vec<String>,
}

impl Rounds<'_> {
    /// Takes what the same run has recorded.
    fn resume(&mut self) -> Result<()> {
        for record in latest(self.records)? {
            let Measured::Trial(trial) = record.measured else { continue };
            if trial.run == self.options.run && trial.measured.threads == self.options.threads {
                let scheme = trial.measured.about.name.clone();
                self.parts.insert((scheme, trial.asked.to_string()), trial.measured.shape);
                self.done.insert(trial.key());
            }
        }
        if !self.done.is_empty() {
            say::progress(format_args!("{} trials are recorded already", self.done.len()));
        }
        Ok(())
    }

    fn all(&mut self, chosen: &[Box<dyn Entrant>], shapes: &[Shape]) -> Result<()> {
        let total = u64::from(self.options.rounds) * (chosen.len() * shapes.len()) as u64;
        let bar = ProgressBar::new(total);
        let style = "{elapsed_precise} {wide_bar} {pos}/{len}, {eta} left: {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        let start = Instant::now();
        for round in 0..self.options.rounds {
            for &shape in shapes {
                // Another scheme first in every round.
                let turn = round as usize % chosen.len().max(1);
                for scheme in chosen.iter().skip(turn).chain(chosen.iter().take(turn)) {
                    let name = scheme.about().name;
                    bar.set_message(format!("{name}, {shape}, round {}", round + 1));
                    match self.trial(scheme.as_ref(), shape, round) {
                        Ok(None) => {}
                        Ok(Some(line)) if bar.is_hidden() => {
                            let seconds = start.elapsed().as_secs_f64();
                            say::progress(format_args!("[{seconds:>6.0} s] {line}"));
                        }
                        Ok(Some(line)) => bar.println(line),
                        Err(error) => {
                            let failure = format!("{name} at {shape}: {error}");
                            say::progress(&failure);
                            self.failures.push(failure);
                        }
                    }
                    bar.inc(1);
                }
            }
        }
        bar.finish_and_clear();
        if self.failures.is_empty() {
            return Ok(());
        }
        Err(Error::Program {
            program: format!("{} trials", self.failures.len()),
            why: format!(
                "failed; the first: {}",
                self.failures.first().cloned().unwrap_or_default()
            ),
        })
    }

    /// One trial, unless it is recorded: a line about it.
    fn trial(&mut self, scheme: &dyn Entrant, asked: Shape, round: u32) -> Result<Option<String>> {
        let about = scheme.about();
        let (run, threads) = (&self.options.run, self.options.threads);
        let key = format!("trial {run} {} {asked} {threads} {round}", about.name);
        if self.done.contains(&key) {
            return Ok(None);
        }
        let files = self.files(asked)?;
        let place = (about.name.clone(), asked.to_string());
        let part = match self.parts.get(&place) {
            Some(&part) => part,
            None => self.part(scheme, asked, &files)?,
        };
        self.parts.insert(place, part);
        let stamp = Stamp::now();
        let (measured, others) = self.measure(&about.name, part, &files)?;
        let trial = Trial {
            run: run.clone(),
            asked,
            round,
            synthetic: self.options.own.is_none(),
            units: scheme.units(asked),
            others,
            measured,
        };
        let line = format!(
            "{}, {asked}{}: encryption {:.3} s, server {:.3} s{}",
            about.name,
            if trial.extrapolated() { format!(" by {part}") } else { String::new() },
            trial.measured.encrypt.wall_s,
            trial.measured.compute.wall_s,
            if others > 0.2 {
                format!("; {others:.1} processors were busy otherwise")
            } else {
                String::new()
            },
        );
        Record::new(&stamp, Measured::Trial(Box::new(trial))).append(self.records)?;
        self.done.insert(key);
        Ok(Some(line))
    }

    fn files(&self, shape: Shape) -> Result<Files> {
        if let Some(own) = self.options.own.clone() {
            return Ok(own);
        }
        let files = self.place.cohort(shape.people, shape.variants)?;
        Ok(Files { prefix: files.prefix, table: files.phenotype, name: None })
    }

    /// The part of a shape that takes no longer than the budget: all of it if that does.
    fn part(&self, scheme: &dyn Entrant, asked: Shape, files: &Files) -> Result<Shape> {
        let name = scheme.about().name;
        let memory = machine::kilobytes("/proc/meminfo", "MemTotal").unwrap_or(u64::MAX >> 10);
        let most = MEMORY_SHARE * memory as f64 * 1024.0 / scheme.held_bytes() as f64;
        let whole = scheme.limit(asked);
        let smallest = Shape { people: FEWEST, variants: scheme.slots() }.within(whole);
        let budget = self.options.budget_s;
        let room = most * blocks(scheme);
        let units = |shape: Shape| scheme.units(shape).input;
        let fit = |wanted: f64| cut(scheme, whole, wanted.min(room));
        let seconds = |shape: Shape| -> Result<f64> {
            let (measured, _) = self.measure(&name, shape, files)?;
            let steps = measured.encrypt.plus(measured.phenotype).plus(measured.compute);
            let spent = measured.spent(steps.plus(measured.decrypt));
            Ok((spent / measured.threads as f64).max(1e-6))
        };
        // Growing parts, and a line through the last two: what a trial costs whatever its shape must not count for each genotype.
        let mut last = (units(smallest), seconds(smallest)?);
        let mut affordable = budget * last.0 / last.1;
        for _ in 0..PROBES {
            let part = fit(affordable);
            let next = fit((affordable / 8.0).min(STEP * last.0));
            if units(part) <= STEP / 8.0 * last.0 || units(next) <= 1.5 * last.0 {
                return Ok(part);
            }
            let here = (units(next), seconds(next)?);
            let slope = ((here.1 - last.1) / (here.0 - last.0)).max(1e-3 * here.1 / here.0);
            affordable = here.0 + (budget - here.1) / slope;
            last = here;
        }
        Ok(fit(affordable))
    }

    /// Measures in a process of its own: what it said, and how many processors were busy otherwise.
    fn measure(&self, scheme: &str, shape: Shape, files: &Files) -> Result<(Measurement, f64)> {
        let threads = self.options.threads.to_string();
        let mut command = Command::new(&self.program);
        command.env("RAYON_NUM_THREADS", &threads);
        command.args(["trial", "--scheme", scheme, "--threads", &threads]);
        command.args(["--shape", &shape.to_string(), "--bfile"]).arg(&files.prefix);
        command.arg("--pheno").arg(&files.table);
        if let Some(name) = &files.name {
            command.args(["--pheno-name", name]);
        }
        for program in &self.options.externals {
            command.arg("--external").arg(program);
        }
        let before = machine::busy_seconds();
        let finished = process::run(&mut command)?;
        let busy = machine::busy_seconds() - before - finished.own.cpu_s - finished.child.cpu_s;
        let line = finished.output.lines().last().unwrap_or_default();
        let measured = serde_json::from_str(line).map_err(Error::step("reading a measurement"))?;
        Ok((measured, significant((busy / finished.wall_s.max(1e-3)).max(0.0))))
    }
}

/// Input units of one ciphertext.
fn blocks(scheme: &dyn Entrant) -> f64 {
    scheme.units(Shape { people: 1, variants: scheme.slots() }).input
}

/// The largest part of `whole` that costs at most `units`: first fewer variants, a ciphertext at least, then fewer people.
fn cut(scheme: &dyn Entrant, whole: Shape, units: f64) -> Shape {
    if scheme.units(whole).input <= units {
        return whole;
    }
    let slots = scheme.slots();
    let ciphertexts = (units / blocks(scheme)).max(1.0);
    let columns = (ciphertexts / f64::from(whole.people)).floor();
    if columns >= 1.0 {
        let variants = (columns as u32).saturating_mul(slots);
        return Shape { variants, ..whole }.within(whole);
    }
    let people = (ciphertexts.floor() as u32).max(FEWEST);
    Shape { people, variants: slots }.within(whole)
}

/// `trial`, what [`run`] starts: measures one scheme once and gives one line of JSON.
///
/// # Errors
/// When the scheme is unknown, or the measurement fails.
pub fn trial(
    scheme: &str,
    shape: Shape,
    threads: usize,
    own: &Files,
    externals: &[PathBuf],
) -> Result<String> {
    let processors = machine::bind(threads);
    let chosen = choose_one(scheme, externals)?;
    let work = Workload::open(&own.prefix, &own.table, own.name.as_deref(), shape)?;
    let measured = Measurement { processors, ..chosen.trial(&work, threads)? };
    serde_json::to_string(&measured).map_err(Error::step("writing a measurement"))
}

fn choose_one(name: &str, externals: &[PathBuf]) -> Result<Box<dyn Entrant>> {
    let outside = externals.iter().filter_map(|program| schemes::external(program).ok());
    let found = schemes::all().0.into_iter().chain(outside).find(|s| s.about().name == name);
    let unknown = || Error::Program { program: name.to_owned(), why: "no such scheme".to_owned() };
    found.ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_cut_by_variants_first_and_never_below_a_ciphertext_of_some_people() {
        let scheme = choose_one("hegwas-n2048-q50", &[]).unwrap();
        let whole = Shape { people: 200, variants: 16_384 };
        let cut = |units| cut(scheme.as_ref(), whole, units);
        assert_eq!(cut(1600.0), whole);
        assert_eq!(cut(1599.0), Shape { people: 200, variants: 14_336 });
        assert_eq!(cut(200.0), Shape { people: 200, variants: 2048 });
        assert_eq!(cut(50.0), Shape { people: 50, variants: 2048 });
        assert_eq!(cut(0.0), Shape { people: FEWEST, variants: 2048 });
        let clear = choose_one("plaintext", &[]).unwrap();
        let part = super::cut(clear.as_ref(), whole, 4321.0);
        assert_eq!(part, Shape { people: 200, variants: 21 });
        assert!(choose_one("nothing", &[]).is_err());
        assert!(choose(&["nothing".to_owned()], &[]).is_err());
    }
}
