//! The tables of `docs/performance.md` and of the README.

use he_core::Params;

use super::bars::growth;
use super::facts::{Facts, growth_ns};
use super::text::{number, shape, table, thousands};
use crate::clock::Cost;
use crate::run::Run;

/// What stands where there is no record yet.
pub(super) const NOTHING: &str = "No record yet.";

fn table_or_nothing(head: &[&str], rows: &[Vec<String>]) -> String {
    if rows.is_empty() { NOTHING.to_owned() } else { table(head, rows) }
}

/// Which machine, which commit, when.
pub(super) fn machine(facts: &Facts) -> String {
    let line = |s: &crate::machine::Stamp| {
        let commit = s.commit.get(..12).unwrap_or("unknown");
        let dirty = if s.dirty { " with changes that are not committed" } else { "" };
        let (cores, memory) = (s.cores, number(s.memory_mib as f64 / 1024.0));
        let (cpu, day, load) = (&s.cpu, s.date.get(..10).unwrap_or_default(), s.load);
        format!(
            "- {cpu}, {cores} cores, {memory} GiB; commit {commit}{dirty}; {day}; load before: {load}"
        )
    };
    if facts.stamps.is_empty() {
        NOTHING.to_owned()
    } else {
        facts.stamps.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Weighted sums.
pub(super) fn kernels(facts: &Facts) -> String {
    let row = |k: &crate::kernel::Kernel| {
        vec![
            format!("{} ({})", k.params.name(), limbs(k.params)),
            k.engine.clone(),
            k.vectors.to_string(),
            k.threads.to_string(),
            number(k.ns_per_genotype),
            number(k.ns_per_phenotype()),
            number(k.bytes_per_genotype),
            number(k.stream_gb_s),
            number(k.floor_ratio),
        ]
    };
    let head = [
        "set",
        "engine",
        "phenotypes",
        "threads",
        "ns per genotype and core",
        "and phenotype",
        "bytes per genotype",
        "stream GB/s",
        "times the floor",
    ];
    table_or_nothing(&head, &facts.kernels.iter().map(row).collect::<Vec<_>>())
}

fn limbs(params: Params) -> String {
    let limbs = params.limbs();
    format!("{limbs} {}", if limbs == 1 { "limb" } else { "limbs" })
}

/// Encryption, stage by stage.
pub(super) fn encryption(facts: &Facts) -> String {
    let growth: Vec<_> = facts.growth();
    let row = |p: &crate::path::Stages| {
        let ns = |cost: Cost| number(cost.wall_s * p.threads as f64 * 1e9 / p.genotypes());
        vec![
            format!("{} ({})", p.params.name(), limbs(p.params)),
            shape(p.people, p.variants),
            p.threads.to_string(),
            ns(p.pack),
            ns(p.encrypt),
            ns(p.encryption()),
            ns(p.hash),
            number(p.bytes as f64 / p.genotypes()),
        ]
    };
    let head = [
        "set",
        "people x variants",
        "threads",
        "packing",
        "encrypting",
        "BED to bytes",
        "hashing",
        "bytes per genotype",
    ];
    let others = facts.paths.iter().filter(|p| !growth.iter().any(|g| g == p));
    table_or_nothing(&head, &others.map(row).collect::<Vec<_>>())
}

/// Small jobs.
pub(super) fn jobs(facts: &Facts) -> String {
    let row = |j: &crate::job::Job| {
        let mut row = vec![shape(j.people, j.variants), j.threads.to_string()];
        row.extend([j.ms, j.sum_ms, j.switch_ms, j.rest_ms].map(number));
        row.extend([j.bytes_read, j.bytes_result].map(|b| number(b as f64 / 1e6)));
        row
    };
    let head = [
        "people x variants",
        "threads",
        "ms",
        "sums",
        "grant switch",
        "totals, encoding",
        "MB read",
        "MB of result",
    ];
    table_or_nothing(&head, &facts.jobs.iter().map(row).collect::<Vec<_>>())
}

/// Whole runs.
pub(super) fn runs(facts: &Facts) -> String {
    let row = |r: &Run| {
        let both = |anon: f64, rss: f64| format!("{} ({})", number(anon), number(rss));
        vec![
            shape(r.people, r.variants),
            number(r.wall_s),
            number(r.client.cpu_s),
            number(r.server.cpu_s),
            number(r.bytes_uploaded as f64 / r.genotypes()),
            both(r.client.anon_mib, r.client.rss_mib),
            both(r.server.anon_mib, r.server.rss_mib),
            format!("{} + {}", number(r.disk_write_s), number(r.disk_read_s)),
            format!("{} / {}", number(r.stream_before_gb_s), number(r.stream_after_gb_s)),
        ]
    };
    let head = [
        "people x variants",
        "wall s",
        "client CPU s",
        "server CPU s",
        "uploaded bytes per genotype",
        "client peak MiB (RSS)",
        "server peak MiB (RSS)",
        "disk alone: write + read s",
        "stream GB/s before / after",
    ];
    table_or_nothing(&head, &facts.runs.iter().map(row).collect::<Vec<_>>())
}

/// Stages of the runs, in seconds.
pub(super) fn stages(facts: &Facts) -> String {
    let mut names: Vec<&str> = Vec::new();
    for stage in facts.runs.iter().flat_map(|r| &r.stages) {
        if !names.contains(&stage.name.as_str()) {
            names.push(&stage.name);
        }
    }
    let row = |r: &Run| {
        let seconds = |name: &&str| {
            let stage = r.stages.iter().find(|s| s.name == *name);
            stage.map_or_else(|| "-".to_owned(), |s| number(s.seconds))
        };
        let mut row = vec![shape(r.people, r.variants)];
        row.extend(names.iter().map(seconds));
        row
    };
    let rows: Vec<_> = facts.runs.iter().map(row).collect();
    let mut head = vec!["people x variants"];
    head.extend(&names);
    table_or_nothing(&head, &rows)
}

/// CPU time per genotype at growing shapes.
pub(super) fn growth_table(facts: &Facts) -> String {
    let row = |p: &&crate::path::Stages| {
        let ns = |cost: Cost| number(cost.cpu_s * 1e9 / p.genotypes());
        vec![
            shape(p.people, p.variants),
            p.repeats.to_string(),
            ns(p.encryption()),
            ns(p.sum),
            number(growth_ns(p)),
            number(p.encryption().plus(p.sum).wall_s),
        ]
    };
    let head = [
        "people x variants",
        "runs",
        "encryption: CPU ns per genotype",
        "sums",
        "both",
        "wall s of both",
    ];
    let rows: Vec<_> = facts.growth().iter().map(row).collect();
    let verdict = growth(facts).map_or_else(String::new, |distance| {
        format!("\nLargest distance from the median: {} %.\n", number(100.0 * distance))
    });
    table_or_nothing(&head, &rows) + &verdict
}

/// PLINK beside ours.
pub(super) fn plink(facts: &Facts) -> String {
    let row = |p: &crate::plink::Plink| {
        let run = facts.run(p.people, p.variants);
        let or_dash = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        let cpu = run.map(|r| r.client.cpu_s + r.server.cpu_s);
        vec![
            shape(p.people, p.variants),
            format!("`{}`", p.test),
            number(p.wall_s),
            number(p.cpu_s),
            or_dash(run.map(|r| r.wall_s)),
            or_dash(cpu),
            or_dash(run.map(|r| r.wall_s / p.wall_s)),
            or_dash(cpu.map(|cpu| cpu / p.cpu_s)),
        ]
    };
    let head = [
        "people x variants",
        "PLINK, 2 threads",
        "wall s",
        "CPU s",
        "ours: wall s",
        "CPU s, both sides",
        "times its wall",
        "times its CPU",
    ];
    table_or_nothing(&head, &facts.plinks.iter().map(row).collect::<Vec<_>>())
}

/// The README's section.
pub(super) fn readme(facts: &Facts) -> String {
    let Some(stamp) = facts.stamps.last().filter(|_| !facts.runs.is_empty()) else {
        return NOTHING.to_owned();
    };
    let row = |r: &Run| {
        vec![
            shape(r.people, r.variants),
            number(r.wall_s),
            number(r.bytes_uploaded as f64 / 1e6),
            number(r.client.cpu_s),
            number(r.server.cpu_s),
            format!("{} / {}", number(r.client.anon_mib), number(r.server.anon_mib)),
        ]
    };
    let rows: Vec<_> = facts.runs.iter().map(row).collect();
    let head = [
        "people x variants",
        "BED file to decrypted table, s",
        "uploaded, MB",
        "client CPU, s",
        "server CPU, s",
        "peak memory client / server, MiB",
    ];
    let mut out = format!(
        "Client and server together on one machine ({}, {} cores), over loopback HTTP with the ciphertexts on disk:\n\n{}",
        stamp.cpu,
        stamp.cores,
        table(&head, &rows)
    );
    let set = Params::N2048Q50;
    if let (Some(kernel), Some(encryption)) = (facts.kernel(set, 1, 1), facts.encryption(set)) {
        out += &format!(
            "\nOn one core a genotype costs {} ns to encrypt and {} ns to sum under encryption with an encrypted phenotype, {} times \
             what reading its {} bytes takes.\n",
            number(encryption.encryption().wall_s * 1e9 / encryption.genotypes()),
            number(kernel.ns_per_genotype),
            number(kernel.floor_ratio),
            number(kernel.bytes_per_genotype),
        );
    }
    let fits = |p: &&crate::plink::Plink| {
        p.test.contains("--assoc") && facts.run(p.people, p.variants).is_some()
    };
    if let Some(plink) =
        facts.plinks.iter().filter(fits).max_by_key(|p| u64::from(p.people) * u64::from(p.variants))
    {
        let ours = facts.run(plink.people, plink.variants).map_or(0.0, |r| r.wall_s);
        out += &format!(
            "PLINK 1.9 `--assoc` in the clear takes {} s for {} on the same machine: privacy costs a factor of {}.\n",
            number(plink.wall_s),
            shape(plink.people, plink.variants),
            number(ours / plink.wall_s)
        );
    }
    out
}

/// Bytes as gigabytes, for the projection.
pub(super) fn gigabytes(bytes: f64) -> String {
    format!("{} GB", thousands((bytes / 1e9).round() as u64))
}
