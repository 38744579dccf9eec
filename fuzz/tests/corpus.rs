//! Replays the corpus and mutates it, on the stable compiler.
//!
//! `HEGWAS_FUZZ_SEED` repeats a run (the seed is printed), `HEGWAS_FUZZ_SECONDS` sets the time per target (1.5),
//! `HEGWAS_FUZZ` names the only target to mutate.

#![allow(clippy::print_stdout)] // says what it did under --nocapture

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hegwas_fixtures::rng::{Rng, mix};
use hegwas_fuzz::{TARGETS, Target, corpus, inputs, mutator};

/// No input may take longer, even unoptimised on a busy machine.
const LONGEST_INPUT: Duration = Duration::from_secs(10);
/// The process may not grow beyond this over all inputs, tried two at a time.
const MOST_MEMORY: u64 = 1 << 30;

#[test]
fn every_target_has_its_seeds_in_the_corpus() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        for (name, bytes) in &seeds {
            let path = corpus(target).join(name);
            let committed = std::fs::read(&path).unwrap_or_default();
            assert_eq!((target.run)(bytes), name.starts_with("good"), "{}", path.display());
            assert!(
                committed == *bytes,
                "{}: run `cargo run -p hegwas-fuzz -- seeds`",
                path.display()
            );
        }
        let both = |start: &str| seeds.iter().any(|(name, _)| name.starts_with(start));
        assert!(both("good") && both("bad"), "{}: good and bad seeds", target.name);
    }
}

#[test]
fn the_corpus_has_no_folder_without_a_target() -> std::io::Result<()> {
    for item in std::fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus"))? {
        let name = item?.file_name().to_string_lossy().into_owned();
        assert!(hegwas_fuzz::find(&name).is_some(), "corpus/{name} belongs to no target");
    }
    Ok(())
}

#[test]
fn the_corpus_replays() -> std::io::Result<()> {
    for target in TARGETS {
        let inputs = inputs(target)?;
        for (path, input) in &inputs {
            if let Err(what) = attempt(target, input) {
                panic!("{}: {what}", path.display());
            }
        }
        println!("{}: {} inputs", target.name, inputs.len());
    }
    Ok(())
}

#[test]
fn random_mutations_find_nothing() {
    let seed = match std::env::var("HEGWAS_FUZZ_SEED") {
        Ok(text) => text.parse().expect("HEGWAS_FUZZ_SEED is a whole number"),
        // The standard library seeds its hash maps from the operating system.
        Err(_) => RandomState::new().build_hasher().finish(),
    };
    let seconds = std::env::var("HEGWAS_FUZZ_SECONDS")
        .map_or(1.5, |text| text.parse().expect("HEGWAS_FUZZ_SECONDS is a number"));
    println!("HEGWAS_FUZZ_SEED={seed}");
    let only = std::env::var("HEGWAS_FUZZ").ok();
    let targets: Vec<&Target> = TARGETS
        .iter()
        .filter(|target| only.as_deref().is_none_or(|only| only == target.name))
        .collect();
    assert!(!targets.is_empty(), "HEGWAS_FUZZ names no target; see hegwas-fuzz list");
    let next = AtomicUsize::new(0);
    let found: Vec<String> = std::thread::scope(|scope| {
        let worker = || {
            let mut found = Vec::new();
            while let Some(target) = targets.get(next.fetch_add(1, Ordering::Relaxed)) {
                let corpus: Vec<Vec<u8>> =
                    inputs(target).expect("a corpus").into_iter().map(|(_, bytes)| bytes).collect();
                found.extend(search(target, &corpus, seed, Duration::from_secs_f64(seconds)));
            }
            found
        };
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    assert!(found.is_empty(), "HEGWAS_FUZZ_SEED={seed}\n{}", found.join("\n"));
    if let Some(peak) = peak_memory() {
        assert!(peak < MOST_MEMORY, "HEGWAS_FUZZ_SEED={seed}: {peak} bytes resident");
    }
}

/// The search is no formality: it finds a fault that is four changes away from its one input.
#[test]
fn a_planted_fault_is_found() {
    let planted = Target {
        name: "planted",
        run: |data| {
            assert!(!(data.starts_with(b"rs9") && data.len() > 40), "planted");
            true
        },
        seeds: Vec::new,
        words: &[b"A"],
        repair: |_| (),
    };
    let found = search(&planted, &[b"rs1 ".repeat(3)], 7, Duration::from_secs(60));
    assert!(found.is_some_and(|found| found.contains("planted, input ")));
}

/// Tries mutations for a while. The inputs depend on the seed and the corpus alone; how many there are, on the time.
fn search(target: &Target, corpus: &[Vec<u8>], seed: u64, time: Duration) -> Option<String> {
    let name = target.name.bytes().fold(0, |name, byte| mix(name ^ u64::from(byte)));
    let mut rng = Rng::new(seed ^ name);
    let (start, mut tried) = (Instant::now(), 0);
    while start.elapsed() < time {
        let input = mutator::mutate(target, corpus, &mut rng);
        if let Err(what) = attempt(target, &input) {
            return Some(format!(
                "{}, input {tried}: {what}; kept as {}",
                target.name,
                keep(target, &input)
            ));
        }
        tried += 1;
    }
    println!("{}: {tried} mutations", target.name);
    None
}

fn attempt(target: &Target, input: &[u8]) -> Result<(), String> {
    let start = Instant::now();
    match catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        Ok(_) if start.elapsed() < LONGEST_INPUT => Ok(()),
        Ok(_) => Err(format!("took {:?}", start.elapsed())),
        Err(payload) => Err(match payload.downcast_ref::<String>() {
            Some(message) => message.clone(),
            None => payload.downcast_ref::<&str>().map_or("panic", |message| message).to_owned(),
        }),
    }
}

/// Writes the input where `hegwas-fuzz run` can find it.
fn keep(target: &Target, input: &[u8]) -> String {
    let folder = std::env::temp_dir().join("hegwas-fuzz");
    let path = folder.join(format!(
        "{}-{}",
        target.name,
        input.iter().fold(0, |h, b| mix(h ^ u64::from(*b)))
    ));
    match std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input)) {
        Ok(()) => path.display().to_string(),
        Err(error) => error.to_string(),
    }
}

/// The most that this process has had resident, where Linux tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
