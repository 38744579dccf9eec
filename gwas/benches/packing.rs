//! How fast genotypes become plane integers, in time per genotype (criterion prints genotypes per second).

#![allow(clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gwas::io::{Cohort, PackedGenotypes, Sample, Sex, code_bytes};
use gwas::packing::{Packing, fill_slab, plain_sums};
use gwas::panel::{Panel, ReferenceStatus, Variant};
use gwas::wire::PlaneKind;

fn cohort(people: u32, variants: u32) -> Cohort {
    let sample =
        |i| Sample { fid: None, iid: format!("p{i}").into(), sex: Sex::Unknown, founder: true };
    let mut panel = Panel::new(ReferenceStatus::Given);
    for pos in 0..variants {
        let variant = Variant { chrom: "1", pos, id: ".", reference: "A", alternate: "C" };
        panel.push(variant).expect("a valid variant");
    }
    let bytes = code_bytes(people) * variants as usize;
    let codes =
        (0..bytes as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    let samples = (0..people).map(sample).collect();
    let source =
        PackedGenotypes::from_memory(samples, panel, codes).expect("codes of the right size");
    Cohort::whole(Arc::new(source))
}

fn slabs(c: &mut Criterion) {
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let mut group = c.benchmark_group("fill_slab");
    group.sample_size(10);
    for (people, degree, rows) in
        [(512, 2048, 512), (4096, 2048, 512), (20_000, 2048, 512), (4096, 8192, 128)]
    {
        let whole = cohort(people, 8 * degree);
        let every_other: Vec<u32> = (0..people).step_by(2).collect();
        let half = whole.with_rows(&every_other).expect("ascending rows");
        let mut out = vec![0i8; rows as usize * 8 * degree as usize];
        group.throughput(Throughput::Elements(out.len() as u64));
        for plane in [PlaneKind::Dosage, PlaneKind::Called] {
            let id = BenchmarkId::new(
                format!("{plane:?}, one core"),
                format!("{people} people, N={degree}, {rows} rows"),
            );
            group.bench_function(id, |b| {
                b.iter(|| {
                    one_thread.install(|| {
                        fill_slab(&whole, plane, 0, 0..rows, degree as usize, black_box(&mut out))
                    })
                });
            });
        }
        if half.people() >= rows {
            let id = BenchmarkId::new(
                "every other row, one core",
                format!("{people} people, N={degree}, {rows} rows"),
            );
            group.bench_function(id, |b| {
                b.iter(|| {
                    one_thread.install(|| {
                        fill_slab(
                            &half,
                            PlaneKind::Dosage,
                            0,
                            0..rows,
                            degree as usize,
                            black_box(&mut out),
                        )
                    })
                });
            });
        }
    }
    group.finish();
}

fn sums(c: &mut Criterion) {
    let whole = cohort(2048, 1 << 14);
    let weights: Vec<i64> = (0..2048).map(|i| i % 2).collect();
    let packing = Packing::new(whole.variant_count(), 2048).expect("a ring degree");
    assert_eq!(packing.groups(), 1);
    let mut group = c.benchmark_group("plain_sums");
    group.sample_size(10).throughput(Throughput::Elements(2048 << 14));
    group.bench_function("one plane, one phenotype, all cores", |b| {
        b.iter(|| plain_sums(&whole, &[black_box(&weights)], &[PlaneKind::Dosage], 2048));
    });
    group.finish();
}

// Without plots: they need a font that a bare machine doesn't have.
criterion_group! {
    name = benches;
    config = Criterion::default().without_plots();
    targets = slabs, sums
}
criterion_main!(benches);
