//! The target that `HEGWAS_FUZZ` names, under libFuzzer.
#![no_main]

use std::sync::LazyLock;

use hegwas_fuzz::Target;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("HEGWAS_FUZZ").unwrap_or_default();
    hegwas_fuzz::find(&name).unwrap_or_else(|| {
        eprintln!("set HEGWAS_FUZZ to one of: {}", hegwas_fuzz::names().join(" "));
        std::process::exit(2)
    })
});

fuzz_target!(|data: &[u8]| {
    (TARGET.run)(data);
});

// Lengths are repaired after each mutation, or the fuzzer would never get past them.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    (TARGET.repair)(&mut data[..size]);
    size
});
