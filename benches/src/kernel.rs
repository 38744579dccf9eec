//! `record kernel`: the weighted sum of a matrix that is larger than the caches, beside a read stream over the same bytes.

use std::time::Instant;

use he_core::Params;
use he_core::kernel::Engine;
use he_core::sum::UnitSums;
use serde::{Deserialize, Serialize};

use crate::clock::{median, significant};
use crate::matrix::{Matrix, same_bits};
use crate::{Error, Result, pool, say, stream};

/// Sets that are measured: one limb, two, and the three of a study with several key holders.
pub const SETS: [Params; 3] = [Params::N2048Q50, Params::N4096Q100, Params::N8192Q150];

/// Weight vectors of one pass: sums only, one phenotype, eight.
pub const VECTORS: [u8; 3] = [0, 1, 8];

/// The engines of this machine, the fastest first.
#[must_use]
pub fn engines() -> Vec<Engine> {
    Engine::all()
}

/// What to measure.
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// Bytes of ciphertext to stream.
    pub megabytes: u64,
    /// Numbers of threads.
    pub threads: Vec<usize>,
    /// Measurements, each between two read streams; the median counts.
    pub repeats: usize,
}

/// One measured sum.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Kernel {
    /// Parameter set.
    pub params: Params,
    /// Name of the engine.
    pub engine: String,
    /// Threads.
    pub threads: usize,
    /// People.
    pub people: u32,
    /// Variants.
    pub variants: u32,
    /// Weight vectors (phenotypes) in the pass.
    pub vectors: u8,
    /// Measurements behind the median.
    pub repeats: usize,
    /// Nanoseconds per genotype and core: wall time x threads / (people x variants).
    pub ns_per_genotype: f64,
    /// Bytes read per genotype: packed bodies and packed weights, each once.
    pub bytes_per_genotype: f64,
    /// Read bandwidth of as many threads, measured in between, in 10^9 bytes per second.
    pub stream_gb_s: f64,
    /// Wall time over the time in which the stream reads those bytes.
    pub floor_ratio: f64,
    /// What was checked.
    pub check: String,
}

impl Kernel {
    /// Nanoseconds per genotype, core and phenotype; without phenotypes those of the pass.
    #[must_use]
    pub fn ns_per_phenotype(&self) -> f64 {
        self.ns_per_genotype / f64::from(self.vectors.max(1))
    }
}

/// Measures every set, engine, number of threads and number of weight vectors. `each` takes the measurements as they come.
///
/// # Errors
/// When a sum is wrong: then nothing of that set is reported.
pub fn measure(options: &Options, each: &mut dyn FnMut(Kernel) -> Result<()>) -> Result<()> {
    for params in SETS {
        let row_bytes =
            he_core::layout::Shape { params, rows: 1, planes: 1, blocks: 8 }.body_bytes();
        let rows = (options.megabytes * 1_000_000).div_ceil(row_bytes) as u32;
        let most = VECTORS.into_iter().max().unwrap_or(1);
        say::progress(format_args!("kernel {}: encrypting {rows} people", params.name()));
        let matrix = Matrix::new(params, rows, most)?;
        for vectors in VECTORS {
            let checked = matrix.sum(Engine::detect(), vectors, &matrix.genotypes, &matrix.weights);
            let checked = checked.map_err(Error::step("summing"))?;
            matrix.check(Engine::detect(), &checked)?;
            for &threads in &options.threads {
                for engine in engines() {
                    // The slow engine varies less and would take most of the time.
                    let fast = engine == Engine::detect();
                    let repeats = if fast { options.repeats } else { options.repeats.min(3) };
                    each(one(&matrix, engine, vectors, threads, repeats, &checked)?)?;
                }
            }
        }
    }
    Ok(())
}

/// Measures one sum, and that it is `checked`.
fn one(
    matrix: &Matrix,
    engine: Engine,
    vectors: u8,
    threads: usize,
    repeats: usize,
    checked: &UnitSums,
) -> Result<Kernel> {
    let (mut seconds, mut streams) = (Vec::new(), Vec::new());
    let buffers = matrix.genotypes.buffers();
    pool(threads)?.install(|| {
        for _ in 0..repeats.max(1) {
            streams.push(stream::read(&buffers));
            let start = Instant::now();
            let sums = matrix.sum(engine, vectors, &matrix.genotypes, &matrix.weights);
            seconds.push(start.elapsed().as_secs_f64());
            if !same_bits(&sums.map_err(Error::step("summing"))?, checked) {
                return Err(Error::Inexact("an engine's sum"));
            }
        }
        Ok(())
    })?;
    let genotypes = matrix.genotype_count() as f64;
    let (wall, stream_gb_s) = (median(seconds), median(streams));
    let bytes = matrix.bytes_moved(vectors) as f64;
    Ok(Kernel {
        params: matrix.shape.params,
        engine: engine.name().to_owned(),
        threads,
        people: matrix.shape.rows,
        variants: matrix.variants() as u32,
        vectors,
        repeats,
        ns_per_genotype: significant(wall * threads as f64 * 1e9 / genotypes),
        bytes_per_genotype: significant(bytes / genotypes),
        stream_gb_s: significant(stream_gb_s),
        floor_ratio: significant(wall / (bytes / (stream_gb_s * 1e9))),
        check: "decrypted sums equal plaintext sums; every engine the same bits".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_of_a_tiny_matrix_is_measured_and_checked() {
        let options = Options { megabytes: 1, threads: vec![2], repeats: 2 };
        let mut seen = Vec::new();
        measure(&options, &mut |kernel| {
            seen.push(kernel);
            Ok(())
        })
        .unwrap();
        assert_eq!(seen.len(), SETS.len() * VECTORS.len() * engines().len());
        for kernel in seen {
            assert!(
                kernel.ns_per_genotype > 0.0
                    && kernel.stream_gb_s > 0.0
                    && kernel.floor_ratio > 0.0
            );
            let limbs = kernel.params.limbs() as f64;
            let expected = 6.25 * limbs * (1.0 + f64::from(kernel.vectors) / 8.0);
            assert!((kernel.bytes_per_genotype - expected).abs() < 0.01 * expected, "{kernel:?}");
        }
    }
}
