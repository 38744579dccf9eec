//! What is done to single words and polynomials: transforms, masks, packing, the check of foreign residues.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use he_core::Params;
use he_core::arith::{Modulus, Ring, pack};
use he_core::kernel::Engine;
use he_core::layout::TILE;
use he_core::mask::{MaskExpander, MaskIndex, MaskSeed};
use hegwas_bench::kernel::{SETS, engines};

/// Words of a batch: they stay in the second-level cache.
const WORDS: usize = 1 << 14;
const INDEX: MaskIndex = MaskIndex { plane: 0, limb: 0, group: 0, row: 0 };

fn modulus() -> Modulus {
    Params::N2048Q50.moduli().next().unwrap()
}

fn words(count: usize) -> Vec<u64> {
    let mut words = vec![0; count];
    MaskExpander::new(MaskSeed([7; 16])).expand(modulus(), INDEX, 0, &mut words);
    words
}

fn transforms(c: &mut Criterion) {
    let mut group = c.benchmark_group("ntt");
    for params in SETS {
        let ring = Ring::new(params);
        let ntt = ring.limbs().first().unwrap();
        let values = words(params.degree());
        group.throughput(Throughput::Elements(params.degree() as u64));
        for (name, transform) in [
            ("forward", (|n, v| n.forward(v)) as fn(&he_core::arith::Ntt, &mut [u64])),
            ("inverse", |n, v| n.inverse(v)),
        ] {
            group.bench_function(format!("{name}/{}", params.degree()), |b| {
                b.iter_batched_ref(|| values.clone(), |v| transform(ntt, v), BatchSize::SmallInput);
            });
        }
    }
}

fn masks(c: &mut Criterion) {
    let mut group = c.benchmark_group("mask expansion");
    group.throughput(Throughput::Elements(WORDS as u64));
    let (expander, modulus) = (MaskExpander::new(MaskSeed([7; 16])), modulus());
    let mut out = vec![0; WORDS];
    group.bench_function("tile by tile", |b| {
        b.iter(|| {
            for (row, tile) in (0..).zip(out.chunks_exact_mut(TILE)) {
                expander.expand(modulus, MaskIndex { row, ..INDEX }, 0, tile);
            }
        });
    });
}

fn packing(c: &mut Criterion) {
    let mut group = c.benchmark_group("packing");
    group.throughput(Throughput::Elements(WORDS as u64));
    let mut values = words(WORDS);
    let mut bytes = vec![0; pack::packed_len(WORDS)];
    for engine in Engine::all() {
        let name = |what| BenchmarkId::new(what, engine.name());
        group.bench_function(name("pack"), |b| {
            b.iter(|| engine.pack(black_box(&values), &mut bytes));
        });
        group.bench_function(name("unpack"), |b| {
            b.iter(|| engine.unpack(black_box(&bytes), &mut values));
        });
        group.bench_function(name("residue check"), |b| {
            b.iter(|| assert!(engine.all_reduced(black_box(&bytes), modulus())));
        });
    }
}

fn products(c: &mut Criterion) {
    let mut group = c.benchmark_group("multiply_add");
    group.throughput(Throughput::Elements(WORDS as u64));
    let (a, b, mut sum) = (words(WORDS), words(WORDS), words(WORDS));
    for engine in engines() {
        group.bench_function(Engine::name(engine), |bencher| {
            bencher.iter(|| engine.multiply_add(modulus(), black_box(&a), &b, &mut sum));
        });
    }
}

criterion_group!(benches, transforms, masks, packing, products);
criterion_main!(benches);
