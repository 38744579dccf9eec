//! The two commands, and what a trial costs.

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::scheme::{self, Counts, Scheme};

const USAGE: &str = "usage: hegwas-bench-ckks about | hegwas-bench-ckks trial --genotypes FILE --phenotype FILE --people N --variants M \
                     --threads T --answer FILE";

/// What a trial is about: checked genotypes and phenotype.
pub(crate) struct Cohort {
    /// Person after person, one byte each.
    pub(crate) genotypes: Vec<u8>,
    /// One byte for each person.
    pub(crate) cases: Vec<u8>,
    pub(crate) variants: usize,
}

impl Cohort {
    /// Refuses what is no cohort.
    pub(crate) fn new(
        genotypes: Vec<u8>,
        cases: Vec<u8>,
        people: usize,
        variants: usize,
    ) -> Result<Self> {
        ensure!(people > 1 && variants > 0, "there have to be two people and a variant at least");
        ensure!(people <= scheme::MOST_PEOPLE, "more than {} people", scheme::MOST_PEOPLE);
        ensure!(
            Some(genotypes.len()) == people.checked_mul(variants),
            "the genotypes are not people x variants bytes"
        );
        ensure!(cases.len() == people, "the phenotype is not a byte for each person");
        ensure!(genotypes.iter().all(|&g| g <= 2), "a genotype is above 2");
        ensure!(cases.iter().all(|&y| y <= 1), "a phenotype is above 1");
        Ok(Self { genotypes, cases, variants })
    }
}

/// Does what the arguments ask, and returns the line that goes to standard output.
pub(crate) fn answer(arguments: &[String]) -> Result<String> {
    match arguments.split_first() {
        Some((command, [])) if command == "about" => Ok(about().to_string()),
        Some((command, options)) if command == "trial" => trial(options),
        _ => bail!(USAGE),
    }
}

fn about() -> Value {
    let about = json!({
        "name": "ckks",
        "title": format!("CKKS, N = {}, {} bits", scheme::DEGREE, scheme::KEY_BITS),
        "library": "poulpy-ckks 0.10.0",
        "regime": "server-multiplies",
        "security": format!(
            "128 bits classical (homomorphicencryption.org's tables: at most 109 bits with N = 4096; the evaluation key has {}, ternary \
             secret, errors of deviation 3.2); poulpy draws keys and errors with ChaCha8, from a source that it \
             calls no good for real keys",
            scheme::KEY_BITS
        ),
        "readers": "the one holder of the secret key; the sums that are decrypted are approximate, and their errors say something of the key to who sees them",
        "evaluation_keys": "relinearisation",
        "layout": "two variants in each complex slot, a ciphertext for each 4,096 variants of a person, one for the phenotype; products are \
                   added before they are relinearised once. poulpy writes the 72 bits of a coefficient as two words of 64, masks included",
    });
    json!({"about": about, "slots": scheme::SLOTS, "held_bytes": scheme::HELD_BYTES})
}

fn trial(options: &[String]) -> Result<String> {
    let option = |name: &str| {
        let named = options.chunks(2).find(|pair| pair.first().is_some_and(|first| first == name));
        named.and_then(|pair| pair.get(1)).with_context(|| format!("{name} is missing; {USAGE}"))
    };
    let number =
        |name: &str| option(name)?.parse::<usize>().with_context(|| format!("{name} is no number"));
    let file = |name: &str| {
        let path = option(name)?;
        fs::read(path).with_context(|| format!("reading {path}"))
    };
    let cohort = Cohort::new(
        file("--genotypes")?,
        file("--phenotype")?,
        number("--people")?,
        number("--variants")?,
    )?;
    let threads = number("--threads")?;
    ensure!(threads > 0, "--threads is 0");
    let path = option("--answer")?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let (counts, costs) = pool.install(|| measure(&cohort))?;
    let lines = counts.all.iter().chain(&counts.cases).chain([&counts.case_count]);
    let text: String = lines.map(|count| format!("{count}\n")).collect();
    fs::write(path, text).with_context(|| format!("writing {path}"))?;
    Ok(costs.to_string())
}

/// Every step once.
pub(crate) fn measure(cohort: &Cohort) -> Result<(Counts, Value)> {
    let before = resident("VmRSS:");
    reset_peak();
    let (scheme, setup) = timed(|| Scheme::new(cohort.cases.len()))?;
    let (genotypes, encrypt) = timed(|| scheme.encrypt(cohort))?;
    let (phenotype, phenotype_cost) = timed(|| scheme.encrypt_phenotype(cohort))?;
    let client_mib = significant((resident("VmHWM:") - before).max(0.0));
    reset_peak();
    let (sums, compute) = timed(|| scheme.compute(&genotypes.value, &phenotype.value))?;
    let server_mib = significant((resident("VmHWM:") - before).max(0.0));
    let (counts, decrypt) = timed(|| scheme.decrypt(&sums.value, cohort.variants))?;
    let costs = json!({
        "setup": setup, "encrypt": encrypt, "phenotype": phenotype_cost, "compute": compute, "decrypt": decrypt,
        "keys": {"secret": scheme::SECRET_BYTES, "public": 0, "evaluation": scheme.evaluation_key_bytes()},
        "genotype_bytes": genotypes.bytes, "phenotype_bytes": phenotype.bytes, "result_bytes": sums.bytes,
        "client_mib": client_mib, "server_mib": server_mib, "bits_left": scheme.bits_left(),
    });
    Ok((counts, costs))
}

/// Does `work` and says what it cost.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Value)> {
    let (cpu, start) = (cpu_seconds(), Instant::now());
    let result = work()?;
    let wall = start.elapsed().as_secs_f64();
    Ok((
        result,
        json!({"wall_s": significant(wall), "cpu_s": significant((cpu_seconds() - cpu).max(0.0))}),
    ))
}

/// Four significant digits, as the other records have.
fn significant(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// Seconds that the threads of this process have been on a CPU; zero where the system does not say.
fn cpu_seconds() -> f64 {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return 0.0 };
    let read = |thread: fs::DirEntry| -> Option<f64> {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    threads.flatten().filter_map(read).sum::<f64>() / 1e9
}

/// Resident memory in mebibytes, now (`VmRSS:`) or at most since [`reset_peak`] (`VmHWM:`).
fn resident(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kib| kib.parse::<f64>().ok()).unwrap_or_default()
        / 1024.0
}

/// Starts the high-water mark anew. Where that is not allowed the mark keeps standing: too much, never too little.
fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}
