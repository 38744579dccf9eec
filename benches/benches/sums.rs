//! Weighted sums from memory, and the read stream that bounds them; the grant switch. Throughput is in genotypes (coefficients)
//! per second, that of the stream in bytes.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use he_core::Params;
use he_core::kernel::Engine;
use hegwas_bench::kernel::{SETS, VECTORS, engines};
use hegwas_bench::matrix::Matrix;
use hegwas_bench::{pool, stream};

/// More than the caches hold.
const BYTES: u64 = 400_000_000;
const THREADS: [usize; 2] = [1, 2];

fn rows(params: Params) -> u32 {
    BYTES.div_ceil(8 * 50 * params.words() as u64 / 8) as u32
}

fn sums(c: &mut Criterion) {
    for params in SETS {
        let matrix = Matrix::new(params, rows(params), 8).unwrap();
        let buffers = matrix.genotypes.buffers();
        for threads in THREADS {
            let pool = pool(threads).unwrap();
            let mut group = c.benchmark_group(format!("sums/{}/{threads} threads", params.name()));
            group.sample_size(10);
            group.throughput(Throughput::Bytes(matrix.bytes_moved(0)));
            group.bench_function("read stream", |b| {
                b.iter(|| pool.install(|| stream::read(black_box(&buffers))));
            });
            group.throughput(Throughput::Elements(matrix.genotype_count()));
            for engine in engines() {
                for vectors in VECTORS {
                    let id = BenchmarkId::new(engine.name(), format!("{vectors} phenotypes"));
                    group.bench_function(id, |b| {
                        b.iter(|| {
                            pool.install(|| {
                                matrix
                                    .sum(engine, vectors, &matrix.genotypes, &matrix.weights)
                                    .unwrap()
                            })
                        });
                    });
                }
            }
        }
    }
}

fn switch(c: &mut Criterion) {
    let pool = pool(1).unwrap();
    let mut group = c.benchmark_group("grant switch of a unit");
    for params in SETS {
        let matrix = Matrix::new(params, 8, 1).unwrap();
        let engine = Engine::detect();
        let sums = matrix.sum(engine, 1, &matrix.genotypes, &matrix.weights).unwrap();
        let keys = &matrix.keys;
        group.bench_function(params.name(), |b| {
            b.iter(|| {
                pool.install(|| {
                    keys.grant.switch_unit(engine, &keys.ring, &keys.plan, black_box(&sums))
                })
            });
        });
    }
}

criterion_group!(benches, sums, switch);
criterion_main!(benches);
