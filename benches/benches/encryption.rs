//! Encryption on one thread: of integers (error sampling, transform, product, packing), and from a BED file on. Throughput
//! is in genotypes per second.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Mutex;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gwas::packing::fill_slab;
use gwas::wire::PlaneKind;
use he_core::layout::Shape;
use he_core_secret::{MatrixEncryptor, WeightEncryptor};
use hegwas_bench::cohort::Workplace;
use hegwas_bench::kernel::SETS;
use hegwas_bench::keys::{Keys, plan};
use hegwas_bench::matrix::UNIT;
use hegwas_bench::pool;

fn slabs(c: &mut Criterion) {
    let (pool, place) = (pool(1).unwrap(), Workplace::new(None).unwrap());
    let mut group = c.benchmark_group("encryption");
    group.sample_size(10);
    for params in SETS {
        let width = 8 * params.degree();
        let people = Shape { params, rows: u32::MAX, planes: 1, blocks: 8 }.rows_per_chunk();
        let keys = Keys::new(plan(params, people).unwrap()).unwrap();
        let shape = Shape { params, rows: people, planes: 1, blocks: 8 };
        let encryptor =
            MatrixEncryptor::new(&keys.ring, keys.plan, shape, &keys.dataset, &keys.genotype_seeds)
                .unwrap();
        let cohort = place.cohort(people, width as u32).unwrap().open().unwrap();
        let mut slab = vec![0; people as usize * width];
        let fill = |slab: &mut [i8]| {
            fill_slab(&cohort, PlaneKind::Dosage, 0, 0..people, params.degree(), slab).unwrap();
        };
        fill(&mut slab);
        // As the client does: a chunk is written into the buffer of one that has been sent.
        let buffers = Mutex::new(Vec::<Vec<u8>>::new());
        let encrypt = |slab: &[i8]| {
            let buffer = || buffers.lock().unwrap().pop().unwrap_or_default();
            let chunks = encryptor.encrypt_slab(UNIT, 0, black_box(slab), &buffer).unwrap();
            buffers.lock().unwrap().extend(chunks.into_iter().map(|(_, bytes)| bytes));
        };
        group.throughput(Throughput::Elements(slab.len() as u64));
        group.bench_function(BenchmarkId::new("integers to bytes", params.name()), |b| {
            b.iter(|| pool.install(|| encrypt(&slab)));
        });
        group.bench_function(BenchmarkId::new("BED to bytes", params.name()), |b| {
            b.iter(|| {
                pool.install(|| {
                    fill(&mut slab);
                    encrypt(&slab);
                })
            });
        });
        let encryptor = WeightEncryptor::new(
            &keys.ring,
            keys.plan,
            people,
            1,
            &keys.dataset,
            &keys.weight_seeds,
        )
        .unwrap();
        let weights: Vec<i64> = (0..i64::from(people)).map(|row| row % 2).collect();
        group.throughput(Throughput::Elements(u64::from(people)));
        group.bench_function(BenchmarkId::new("weights to bytes", params.name()), |b| {
            b.iter(|| pool.install(|| encryptor.encrypt_slab(0, 0, black_box(&weights)).unwrap()));
        });
    }
}

criterion_group!(benches, slabs);
criterion_main!(benches);
