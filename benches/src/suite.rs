//! What is measured by one command: single parts, or `record all`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use he_core::Params;

use crate::cohort::Workplace;
use crate::finish::costs::{Finished, measure as finish};
use crate::kernel::SETS;
use crate::machine::Stamp;
use crate::record::{Measured, Record};
use crate::{Result, consortium, job, kernel, path, plink, run, say};

/// People of the encryption measurement: more than one slab, so that its start does not count.
pub const ENCRYPTED_PEOPLE: u32 = 1024;
/// People of the finishing measurement, whose costs do not depend on them: 1,000 alleles, so that no chi-square exceeds 1,000.
const FINISHED_PEOPLE: u32 = 500;
/// Small shapes are measured so often, large ones less.
const REPEATS: usize = 5;
/// Genotypes from which a shape is large.
const LARGE: u64 = 1_000_000_000;

/// Shapes over which cost has to grow linearly, people x variants.
pub const GROWTH: [(u32, u32); 6] = [
    (1_000, 16_384),
    (4_000, 16_384),
    (1_000, 49_152),
    (15_000, 16_384),
    (5_000, 49_152),
    (25_000, 49_152),
];
/// Shapes of whole runs.
pub const RUNS: [(u32, u32); 7] = [
    (200, 16_384),
    (1_000, 16_384),
    (4_000, 16_384),
    (1_000, 49_152),
    (1_000, 147_456),
    (15_000, 16_384),
    (25_000, 49_152),
];

/// One recording.
pub struct Suite {
    stamp: Stamp,
    records: PathBuf,
    place: Workplace,
    start: Instant,
}

impl Suite {
    /// Records go below `records`, files below `work` (or a temporary folder).
    ///
    /// # Errors
    /// When the working folder can't be made.
    pub fn new(records: &Path, work: Option<&Path>) -> Result<Self> {
        let stamp = Stamp::now();
        if !stamp.optimised {
            say::progress(
                "this is not an optimised build: what it records is left out of reports; use cargo run --release",
            );
        }
        if stamp.load > 0.5 {
            say::progress(format_args!(
                "the machine is busy (load {}): figures will be too high",
                stamp.load
            ));
        }
        let place = Workplace::new(work)?;
        Ok(Self { stamp, records: records.to_owned(), place, start: Instant::now() })
    }

    fn keep(&self, measured: Measured) -> Result<()> {
        say::answer(Record::new(&self.stamp, measured).append(&self.records)?);
        Ok(())
    }

    fn say(&self, what: std::fmt::Arguments<'_>) {
        say::progress(format_args!("[{:>5.0} s] {what}", self.start.elapsed().as_secs_f64()));
    }

    /// `record kernel`.
    ///
    /// # Errors
    /// Those of the measurement, as for all that follow.
    pub fn kernel(&self, options: &kernel::Options) -> Result<()> {
        self.say(format_args!("weighted sums from memory"));
        kernel::measure(options, &mut |measured| self.keep(Measured::Kernel(measured)))
    }

    /// `record encrypt`: a group of each set.
    ///
    /// # Errors
    /// Those of the measurement.
    pub fn encrypt(&self, threads: &[usize], repeats: usize) -> Result<()> {
        for params in SETS {
            for &threads in threads {
                let variants = (he_core::layout::BODIES * params.degree()) as u32;
                self.path(params, (ENCRYPTED_PEOPLE, variants), threads, repeats)?;
            }
        }
        Ok(())
    }

    /// `record growth`.
    ///
    /// # Errors
    /// Those of the measurement.
    pub fn growth(&self, shapes: &[(u32, u32)], threads: usize) -> Result<()> {
        for &(people, variants) in shapes {
            let large = u64::from(people) * u64::from(variants) >= LARGE;
            let repeats = if large { 3 } else { REPEATS };
            self.path(Params::N2048Q50, (people, variants), threads, repeats)?;
        }
        Ok(())
    }

    fn path(
        &self,
        params: Params,
        shape: (u32, u32),
        threads: usize,
        repeats: usize,
    ) -> Result<()> {
        let (people, variants) = shape;
        let files = self.place.cohort(people, variants)?;
        let set = params.name();
        self.say(format_args!(
            "encryption and sums of {people} x {variants}, {set}, threads: {threads}"
        ));
        self.keep(Measured::Path(path::measure(&files, params, threads, repeats)?))
    }

    /// `record job`.
    ///
    /// # Errors
    /// Those of the measurement.
    pub fn job(&self, people: u32, threads: usize, repeats: usize) -> Result<()> {
        self.say(format_args!("the server's part of {people} x 16384, threads: {threads}"));
        let folder = self.place.folder().join("job");
        self.keep(Measured::Job(job::measure(&folder, people, threads, repeats)?))
    }

    /// `record consortium`.
    ///
    /// # Errors
    /// Those of the measurement.
    pub fn consortium(&self, holders: u32, sites: u32) -> Result<()> {
        self.say(format_args!("a study of {holders} key holders and {sites} sites"));
        let threads = rayon::current_num_threads();
        self.keep(Measured::Consortium(consortium::measure(holders, sites, threads)?))
    }

    /// `record run`.
    ///
    /// # Errors
    /// Those of the measurement.
    pub fn run(
        &self,
        program: &Path,
        (people, variants): (u32, u32),
        threads: usize,
    ) -> Result<()> {
        let files = self.place.cohort(people, variants)?;
        self.say(format_args!("a whole run of {people} x {variants}, threads: {threads}"));
        self.keep(Measured::Run(run::measure(program, &self.place, &files, threads)?))
    }

    /// `record plink`.
    ///
    /// # Errors
    /// Those of the measurement.
    pub fn plink(
        &self,
        (people, variants): (u32, u32),
        threads: usize,
        repeats: usize,
    ) -> Result<()> {
        let files = self.place.cohort(people, variants)?;
        self.say(format_args!("PLINK on {people} x {variants}, threads: {threads}"));
        for measured in plink::measure(&self.place, &files, threads, repeats)? {
            self.keep(Measured::Plink(measured))?;
        }
        Ok(())
    }

    /// `record finish`: both circuits, on a few batches of variants.
    ///
    /// # Errors
    /// Those of the measurement.
    pub fn finish(&self, threads: usize) -> Result<()> {
        for (circuit, variants) in
            [(Finished::ChiSquare, 65_536), (Finished::Hits, 98_304), (Finished::StudyHits, 98_304)]
        {
            let files = self.place.cohort(FINISHED_PEOPLE, variants)?;
            self.say(format_args!("finishing under encryption, {circuit:?}, threads: {threads}"));
            self.keep(Measured::Finish(finish(&files, circuit, threads)?))?;
        }
        Ok(())
    }

    /// `record all`: the complete set for the report.
    ///
    /// # Errors
    /// Those of the measurements.
    pub fn all(&self, program: &Path) -> Result<()> {
        self.kernel(&kernel::Options { megabytes: 400, threads: vec![1, 2], repeats: 7 })?;
        self.encrypt(&[1, 2], REPEATS)?;
        self.job(200, 1, 101)?;
        self.job(200, 2, 101)?;
        self.consortium(3, 20)?;
        self.consortium(10, 20)?;
        for shape in RUNS {
            self.run(program, shape, 2)?;
            let large = u64::from(shape.0) * u64::from(shape.1) >= LARGE;
            self.plink(shape, 2, if large { 1 } else { 3 })?;
        }
        self.growth(&GROWTH, 1)?;
        self.finish(1)?;
        self.say(format_args!("all is recorded; now `hegwas-bench report`"));
        Ok(())
    }
}
