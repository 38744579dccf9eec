//! `record job`: the server's part of a small job, from page-cached input files to the bytes of its result.

use std::path::Path;
use std::time::Instant;

use he_core::Params;
use he_core::kernel::Engine;
use he_core::layout::BODIES;
use serde::{Deserialize, Serialize};

use crate::clock::{median, significant};
use crate::keys::Keys;
use crate::matrix::{Matrix, UNIT};
use crate::source::Files;
use crate::{Error, Result, pool, stream};

/// Bytes of the read stream that is measured in between.
const STREAM_BYTES: usize = 64 << 20;

/// Costs of one job of one group: sums, grant switch, encoding, for genotypes and totals. HTTP and the writing of the result
/// are not in it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Parameter set.
    pub params: Params,
    /// Name of the engine.
    pub engine: String,
    /// People.
    pub people: u32,
    /// Variants: one group.
    pub variants: u32,
    /// Threads.
    pub threads: usize,
    /// Jobs behind the medians.
    pub repeats: usize,
    /// Milliseconds in all.
    pub ms: f64,
    /// Of these, sums of genotypes.
    pub sum_ms: f64,
    /// Of these, the grant switch of genotype sums.
    pub switch_ms: f64,
    /// Of these, sums and switch of the totals, and encoding.
    pub rest_ms: f64,
    /// Bytes of ciphertext read from files.
    pub bytes_read: u64,
    /// Bytes of the result.
    pub bytes_result: u64,
    /// Read bandwidth of as many threads, in 10^9 bytes per second.
    pub stream_gb_s: f64,
    /// What was checked.
    pub check: String,
}

/// Measures jobs of `people` people and one group of variants, their inputs in files below `folder`.
///
/// # Errors
/// When a step fails or a decrypted sum is wrong.
pub fn measure(folder: &Path, people: u32, threads: usize, repeats: usize) -> Result<Job> {
    let (params, engine) = (Params::N2048Q50, Engine::detect());
    let pool = pool(threads)?;
    let matrix = pool.install(|| Matrix::new(params, people, 1))?;
    let genotypes = Files::write(&folder.join("genotypes"), &matrix.genotypes.chunks)?;
    let weights = Files::write(&folder.join("weights"), &matrix.weights.chunks)?;
    let Keys { grant, ring, plan, .. } = &matrix.keys;
    let memory = vec![1; STREAM_BYTES];
    let failed = || Error::step("summing");

    let (mut times, mut streams, mut length) = (Vec::new(), Vec::new(), 0);
    pool.install(|| {
        for round in 0..repeats.max(1) {
            streams.push(stream::read(&[&memory]));
            let start = Instant::now();
            let sums = matrix.sum(engine, 1, &genotypes, &weights).map_err(failed())?;
            let summed = start.elapsed();
            let switched = grant.switch_unit(engine, ring, plan, &sums);
            let done = start.elapsed();
            let bytes = switched.to_bytes([0; 16], UNIT.plane, UNIT.group);
            let totals = matrix.sum_weights(1, &weights).map_err(failed())?;
            let switched = grant.switch_totals(engine, ring, plan, &totals);
            let total_bytes = switched.to_bytes([0; 16], u8::MAX, 0);
            let all = start.elapsed();
            times.push([all, summed, done - summed, all - done].map(|t| t.as_secs_f64() * 1e3));
            length = bytes.len() + total_bytes.len();
            if round == 0 {
                matrix.check(engine, &sums)?;
                matrix.check_totals(engine, &totals)?;
            }
        }
        Ok::<_, Error>(())
    })?;
    let part =
        |number: usize| significant(median(times.iter().filter_map(|t| t.get(number).copied())));
    Ok(Job {
        params,
        engine: engine.name().to_owned(),
        people,
        variants: (BODIES * params.degree()) as u32,
        threads,
        repeats: times.len(),
        ms: part(0),
        sum_ms: part(1),
        switch_ms: part(2),
        rest_ms: part(3),
        bytes_read: matrix.genotypes.body_bytes() + 2 * matrix.weights.body_bytes(),
        bytes_result: length as u64,
        stream_gb_s: significant(median(streams)),
        check: "decrypted sums and totals equal plaintext sums".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_job_is_measured_and_checked() {
        let folder = tempfile::tempdir().unwrap();
        let job = measure(folder.path(), 7, 1, 2).unwrap();
        assert_eq!((job.people, job.variants, job.repeats), (7, 16_384, 2));
        assert_eq!(job.bytes_read, 7 * (8 + 2) * 12_800);
        // Eight bodies of two channels and one total, two polynomials each, and two headers.
        assert_eq!(job.bytes_result, (8 * 2 + 1) * 2 * 12_800 + 2 * 64);
        assert!(job.ms >= job.sum_ms && job.sum_ms > 0.0 && job.switch_ms > 0.0);
    }
}
