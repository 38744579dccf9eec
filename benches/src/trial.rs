//! One measurement of one scheme: every step once, timed, and the answer held against the oracle.

use serde::{Deserialize, Serialize};

use crate::clock::{Cost, significant};
use crate::machine::{reset_peak, resident};
use crate::process::waited_for;
use crate::scheme::{About, KeyBytes, Keys, Scheme, Units};
use crate::workload::{Answer, Deviation, Shape, Workload};
use crate::{Error, Result, pool};

/// Largest relative distance of a chi-square that still counts as the right answer of a scheme that approximates.
const TOLERANCE: f64 = 1e-2;

/// What one measurement gave.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Measurement {
    /// The scheme.
    pub about: About,
    /// What was measured: the shape asked for, or a part of it.
    pub shape: Shape,
    /// Threads.
    pub threads: usize,
    /// Processors that they were bound to; none where the system does not allow it.
    pub processors: Vec<usize>,
    /// Parameters and keys.
    pub setup: Cost,
    /// Genotypes to ciphertexts.
    pub encrypt: Cost,
    /// Phenotype to ciphertexts.
    pub phenotype: Cost,
    /// The server's part.
    pub compute: Cost,
    /// Ciphertexts to counts.
    pub decrypt: Cost,
    /// Keys.
    pub keys: KeyBytes,
    /// Bytes of encrypted genotypes.
    pub genotype_bytes: u64,
    /// Bytes of the encrypted phenotype.
    pub phenotype_bytes: u64,
    /// Bytes of encrypted sums.
    pub result_bytes: u64,
    /// Most memory during setup and encryption, in mebibytes, beyond what the process held before (the genotypes).
    pub client_mib: f64,
    /// Most memory during the server's part, beyond the same: ciphertexts and keys included.
    pub server_mib: f64,
    /// Bits between noise and error.
    pub bits_left: Option<f64>,
    /// Distance from the oracle.
    pub deviation: Deviation,
    /// Units of the measured shape.
    pub units: Units,
}

/// A scheme whatever its types: what the runner works with.
pub trait Entrant: Send + Sync {
    /// What it is.
    fn about(&self) -> About;
    /// Variants in a ciphertext.
    fn slots(&self) -> u32;
    /// What cost is proportional to.
    fn units(&self, shape: Shape) -> Units;
    /// The largest part of a shape that it can do.
    fn limit(&self, shape: Shape) -> Shape;
    /// Bytes in memory for a ciphertext.
    fn held_bytes(&self) -> u64;
    /// Runs every step once on `threads` threads.
    ///
    /// # Errors
    /// When a step fails, or the answer is wrong.
    fn trial(&self, work: &Workload, threads: usize) -> Result<Measurement>;
}

impl<S: Scheme + Send + Sync> Entrant for S {
    fn about(&self) -> About {
        Scheme::about(self)
    }

    fn slots(&self) -> u32 {
        Scheme::slots(self)
    }

    fn units(&self, shape: Shape) -> Units {
        Scheme::units(self, shape)
    }

    fn limit(&self, shape: Shape) -> Shape {
        Scheme::limit(self, shape)
    }

    fn held_bytes(&self) -> u64 {
        Scheme::held_bytes(self)
    }

    fn trial(&self, work: &Workload, threads: usize) -> Result<Measurement> {
        pool(threads)?.install(|| measure(self, work, threads))
    }
}

fn measure<S: Scheme>(scheme: &S, work: &Workload, threads: usize) -> Result<Measurement> {
    let memory = Memory::now();
    let (keys, setup) = timed(|| scheme.setup(work.shape));
    let Keys { secret, server, bytes } = keys?;
    let (genotypes, encrypt) = timed(|| scheme.encrypt(&secret, work));
    let genotypes = genotypes?;
    let (phenotype, phenotype_cost) = timed(|| scheme.encrypt_phenotype(&secret, work));
    let phenotype = phenotype?;
    let client_mib = memory.peak();
    reset_peak();
    let (sums, compute) = timed(|| scheme.compute(&server, &genotypes.value, &phenotype.value));
    let sums = sums?;
    let server_mib = memory.peak();
    let (answer, decrypt) = timed(|| scheme.decrypt(&secret, &sums.value, work.shape));
    let deviation = check(work, &answer?)?;
    let short = |cost: Cost| Cost::median(&[cost]);
    Ok(Measurement {
        about: scheme.about(),
        shape: work.shape,
        threads,
        processors: Vec::new(),
        setup: short(setup),
        encrypt: short(encrypt),
        phenotype: short(phenotype_cost),
        compute: short(compute),
        decrypt: short(decrypt),
        keys: bytes,
        genotype_bytes: genotypes.bytes,
        phenotype_bytes: phenotype.bytes,
        result_bytes: sums.bytes,
        client_mib,
        server_mib,
        bits_left: scheme.bits_left(&secret, &sums.value)?.map(significant),
        deviation,
        units: scheme.units(work.shape),
    })
}

/// How far an answer is from the oracle's.
///
/// # Errors
/// When it is too far to be one.
pub(crate) fn check(work: &Workload, answer: &Answer) -> Result<Deviation> {
    let deviation = work.deviation(answer)?;
    if deviation.chisq.is_nan() || deviation.chisq > TOLERANCE {
        return Err(Error::Inexact("a chi-square"));
    }
    Ok(deviation)
}

/// Does `work` and says what it cost, processes that it started and waited for included (their processor time to 10 ms).
fn timed<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let before = waited_for();
    let (result, cost) = Cost::of(work);
    let children = (waited_for() - before).max(0.0);
    (result, Cost { cpu_s: cost.cpu_s + children, ..cost })
}

impl Measurement {
    /// Processor seconds of a step, all threads together: what other programs do meanwhile changes them least. Where the system
    /// does not count them, wall seconds of all threads.
    #[must_use]
    pub fn spent(&self, step: Cost) -> f64 {
        if step.cpu_s > 0.0 { step.cpu_s } else { step.wall_s * self.threads as f64 }
    }
}

/// Resident memory of this process, from a moment on.
struct Memory {
    before: f64,
}

impl Memory {
    fn now() -> Self {
        let memory = Self { before: resident("VmRSS") };
        reset_peak();
        memory
    }

    /// Most mebibytes since then, beyond what was there before.
    fn peak(&self) -> f64 {
        significant((resident("VmHWM") - self.before).max(0.0))
    }
}
