//! The figures that the project promises, each with its bar, what was measured and what others have published.

use he_core::Params;

use super::facts::{Facts, growth_ns};
use super::text::{number, table, thousands};
use crate::clock::median;

/// One promise.
struct Bar {
    figure: &'static str,
    bar: String,
    /// What was measured, and whether it is within the bar; nothing without a record.
    measured: Option<(String, bool)>,
    published: &'static str,
}

/// The table of promises.
pub(super) fn bars(facts: &Facts) -> String {
    let rows: Vec<Vec<String>> = all(facts)
        .into_iter()
        .map(|bar| {
            let (measured, met) = match bar.measured {
                Some((text, true)) => (text, "met"),
                Some((text, false)) => (text, "**missed**"),
                None => ("no record".to_owned(), "-"),
            };
            vec![bar.figure.to_owned(), bar.bar, measured, met.to_owned(), bar.published.to_owned()]
        })
        .collect();
    table(&["figure", "bar", "measured", "", "published by others"], &rows)
}

fn all(facts: &Facts) -> Vec<Bar> {
    let set = Params::N2048Q50;
    let mut bars = Vec::new();
    let mut bar = |figure, bar: &str, measured, published| {
        bars.push(Bar { figure, bar: bar.to_owned(), measured, published });
    };
    bar(
        "encrypted x encrypted weighted sum, single limb, per genotype and core, streamed from memory",
        "1.0 ns, and 2 times the floor",
        facts.kernel(set, 1, 1).map(|k| {
            let text = format!(
                "{} ns, {} times the floor",
                number(k.ns_per_genotype),
                number(k.floor_ratio)
            );
            (text, k.ns_per_genotype <= 1.0 && k.floor_ratio <= 2.0)
        }),
        "399 ns wall on 28 cores (Blatt 2020)",
    );
    bar(
        "the same with 8 phenotypes in one pass, per genotype and phenotype",
        "0.5 ns",
        facts.kernel(set, 8, 1).map(|k| within(k.ns_per_phenotype(), 0.5, "ns")),
        "-",
    );
    bar(
        "sums only, per genotype and core",
        "0.8 ns",
        facts.kernel(set, 0, 1).map(|k| within(k.ns_per_genotype, 0.8, "ns")),
        "44.9 ns (Blind Machine 2026)",
    );
    bar(
        "client encryption, per genotype and core, BED to packed bytes",
        "8 ns",
        facts
            .encryption(set)
            .map(|p| within(p.encryption().wall_s * 1e9 / p.genotypes(), 8.0, "ns")),
        "1,086 ns (Blind Machine 2026)",
    );
    bar(
        "upload per genotype, single limb, phenotype, grant and manifests included",
        "6.5 bytes",
        upload(facts, set),
        "80 (Blind Machine) and 128 bytes (Blatt)",
    );
    bar(
        "200 x 16,384 job on the server, one thread",
        "10 ms",
        facts.job(200, 1).map(|j| within(j.ms, 10.0, "ms")),
        "147 ms (Blind Machine 2026)",
    );
    bar(
        "15,000 x 16,384, from BED file to decrypted table, 2 cores",
        "12 s",
        facts.run(15_000, 16_384).map(|r| within(r.wall_s, 12.0, "s")),
        "98 s for the server part alone, 28 cores (Blatt 2020)",
    );
    let large = facts.run(25_000, 49_152);
    let disk = large.map_or(0.0, |r| 1.5 * (r.disk_write_s + r.disk_read_s));
    bar(
        "25,000 x 49,152, the same",
        &if disk > 60.0 {
            format!("{} s: 1.5 times what the disk needs", number(disk))
        } else {
            "60 s".to_owned()
        },
        large.map(|r| within(r.wall_s, disk.max(60.0), "s")),
        "8 min (Blatt 2020)",
    );
    let megabytes = |mib: f64| mib * 1.048_576;
    let peak = facts
        .runs
        .iter()
        .flat_map(|r| [r.client.anon_mib, r.server.anon_mib])
        .map(megabytes)
        .reduce(f64::max);
    bar(
        "peak anonymous memory of client or server, at any recorded shape",
        "400 MB",
        peak.map(|peak| within(peak, 400.0, "MB")),
        "500 GB machine (Blatt 2020)",
    );
    bar(
        "growth: CPU time of encryption and sums per genotype, 1,000 x 16,384 to 25,000 x 49,152, largest distance from the median",
        "10 %",
        growth(facts).map(|distance| within(100.0 * distance, 10.0, "%")),
        "-",
    );
    bars
}

fn within(value: f64, bar: f64, unit: &str) -> (String, bool) {
    (format!("{} {unit}", number(value)), value <= bar)
}

/// Largest relative distance of a shape's cost per genotype from the median of all; nothing of fewer than two shapes.
pub(super) fn growth(facts: &Facts) -> Option<f64> {
    let costs: Vec<f64> = facts.growth().into_iter().map(growth_ns).collect();
    let middle = median(costs.iter().copied());
    let largest = costs.iter().map(|c| (c / middle - 1.0).abs()).reduce(f64::max);
    largest.filter(|_| costs.len() > 1)
}

/// Uploaded bytes per genotype of the two widest shapes. The phenotype is one ring element a person, whatever the number of
/// variants, so the bar is judged where there are most.
fn upload(facts: &Facts, set: Params) -> Option<(String, bool)> {
    let mut runs: Vec<_> = facts.runs.iter().filter(|r| r.params == set).collect();
    runs.sort_by_key(|r| std::cmp::Reverse((r.variants, r.people)));
    runs.dedup_by_key(|r| r.variants);
    let bytes = |r: &&crate::run::Run| r.bytes_uploaded as f64 / r.genotypes();
    let widest = runs.first()?;
    let each: Vec<String> = runs
        .iter()
        .take(2)
        .map(|r| format!("{} at {} variants", number(bytes(r)), thousands(u64::from(r.variants))))
        .collect();
    let genotypes = widest.genotype_bytes() as f64 / widest.genotypes();
    let text = format!("{}; {} of them genotypes", each.join(", "), number(genotypes));
    Some((text, bytes(widest) <= 6.5))
}
