//! The comparison of schemes: what its tables, plots and page are made of.

use std::collections::BTreeMap;

use super::facts::Facts;
use super::tables::NOTHING;
use super::text::{number, shape, table};
use crate::clock::median;
use crate::machine::Stamp;
use crate::rounds::Trial;
use crate::scheme::{About, Regime};
use crate::workload::Shape;

/// Mean number of processors busy with something else from which a measurement is called disturbed.
const BUSY: f64 = 0.3;

/// A trial, the line that it stands on in its file, and its stamp.
pub(super) struct Recorded {
    pub(super) line: usize,
    pub(super) stamp: Stamp,
    pub(super) trial: Trial,
}

/// Median, smallest and largest of some rounds.
#[derive(Clone, Copy)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Spread {
    /// How far apart the smallest and the largest are, in percent of the median.
    pub(super) fn percent(self) -> f64 {
        if self.median > 0.0 { 100.0 * (self.high - self.low) / self.median } else { 0.0 }
    }
}

/// All rounds of one scheme at one shape.
pub(super) struct Entry<'a> {
    pub(super) asked: Shape,
    trials: Vec<&'a Recorded>,
}

impl<'a> Entry<'a> {
    fn first(&self) -> Option<&'a Trial> {
        self.trials.first().map(|r| &r.trial)
    }

    pub(super) fn about(&self) -> Option<&'a About> {
        self.first().map(|t| &t.measured.about)
    }

    pub(super) fn regime(&self) -> Regime {
        self.about().map_or(Regime::Clear, |a| a.regime)
    }

    pub(super) fn name(&self) -> &'a str {
        self.about().map_or("", |a| a.name.as_str())
    }

    pub(super) fn title(&self) -> &'a str {
        self.about().map_or("", |a| a.title.as_str())
    }

    pub(super) fn extrapolated(&self) -> bool {
        self.trials.iter().any(|r| r.trial.extrapolated())
    }

    /// The part that was measured.
    pub(super) fn part(&self) -> Option<Shape> {
        self.first().map(|t| t.measured.shape)
    }

    pub(super) fn rounds(&self) -> usize {
        self.trials.len()
    }

    pub(super) fn lines(&self) -> String {
        self.trials.iter().map(|r| r.line.to_string()).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn of(&self, figure: impl Fn(&Trial) -> f64) -> Spread {
        let values: Vec<f64> = self.trials.iter().map(|r| figure(&r.trial)).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        Spread { median: median(values), low, high }
    }

    /// Encryption of genotypes: processor nanoseconds for each genotype.
    pub(super) fn encryption_ns(&self) -> Spread {
        self.of(|t| per_genotype(t, t.measured.spent(t.measured.encrypt) * 1e9))
    }

    /// The server's part, the same.
    pub(super) fn server_ns(&self) -> Spread {
        self.of(|t| per_genotype(t, t.measured.spent(t.measured.compute) * 1e9))
    }

    /// Uploaded bytes of genotypes and phenotype for each genotype.
    pub(super) fn upload(&self) -> f64 {
        self.of(|t| {
            let phenotype = t.measured.phenotype_bytes as f64 * t.scale().people;
            per_genotype(t, t.measured.genotype_bytes as f64) + phenotype / t.asked.genotypes()
        })
        .median
    }

    /// Processor seconds from genotypes in memory to counts, setup left out.
    pub(super) fn seconds(&self) -> Spread {
        self.of(|t| {
            let (m, scale) = (&t.measured, t.scale());
            (m.spent(m.encrypt) + m.spent(m.compute)) * scale.input
                + m.spent(m.phenotype) * scale.people
                + m.spent(m.decrypt) * scale.output
        })
    }
}

fn per_genotype(trial: &Trial, total: f64) -> f64 {
    total * trial.scale().input / trial.asked.genotypes()
}

/// Entries of the run that is reported, shape after shape, regime after regime, cheapest server first.
pub(super) fn entries(facts: &Facts) -> Vec<Entry<'_>> {
    let run = facts.trials.last().map_or("", |r| r.trial.run.as_str());
    let mut order: Vec<Shape> = Vec::new();
    let mut groups: BTreeMap<(usize, Regime, &str), Vec<&Recorded>> = BTreeMap::new();
    for recorded in facts.trials.iter().filter(|r| r.trial.run == run) {
        let trial = &recorded.trial;
        let place = order.iter().position(|&s| s == trial.asked).unwrap_or_else(|| {
            order.push(trial.asked);
            order.len() - 1
        });
        let about = &trial.measured.about;
        groups.entry((place, about.regime, about.name.as_str())).or_default().push(recorded);
    }
    let mut entries: Vec<((usize, Regime), Entry<'_>)> = groups
        .into_iter()
        .filter_map(|((place, regime, _), trials)| {
            Some(((place, regime), Entry { asked: *order.get(place)?, trials }))
        })
        .collect();
    entries.sort_by(|(a, x), (b, y)| {
        a.cmp(b).then(x.server_ns().median.total_cmp(&y.server_ns().median))
    });
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// The shape of the README's table and of the first picture: the first one of the run.
pub(super) fn main_shape(entries: &[Entry<'_>]) -> Option<Shape> {
    entries.first().map(|e| e.asked)
}

/// Shapes, in order.
pub(super) fn shapes(entries: &[Entry<'_>]) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = entries.iter().map(|e| e.asked).collect();
    shapes.dedup();
    shapes
}

/// Which machine, when, how.
pub(super) fn machine(facts: &Facts) -> String {
    let run = facts.trials.last().map_or("", |r| r.trial.run.as_str());
    let trials: Vec<&Recorded> = facts.trials.iter().filter(|r| r.trial.run == run).collect();
    let (Some(first), Some(last)) = (trials.first(), trials.last()) else {
        return NOTHING.to_owned();
    };
    let mut commits: Vec<String> = Vec::new();
    for stamp in trials.iter().map(|r| &r.stamp) {
        let commit = stamp.commit.get(..12).unwrap_or("unknown");
        let dirty = if stamp.dirty { " with changes that are not committed" } else { "" };
        let text = format!("{commit}{dirty}");
        if !commits.contains(&text) {
            commits.push(text);
        }
    }
    let others: Vec<f64> = trials.iter().map(|r| r.trial.others).collect();
    let most = others.iter().copied().fold(0.0, f64::max);
    let verdict = if median(others.iter().copied()) > BUSY {
        " **The machine was busy with other things: times are somewhat too high, and ratios rough.**"
    } else {
        ""
    };
    let measured = &first.trial.measured;
    format!(
        "- {}, {} cores, {} GiB; each trial on {} of them ({}); commit {}\n- run `{run}`, {} trials, {} to {} UTC; in the median trial {} \
         processors were busy with something else, at most {}.{verdict}",
        first.stamp.cpu,
        first.stamp.cores,
        number(first.stamp.memory_mib as f64 / 1024.0),
        measured.threads,
        if measured.processors.is_empty() { "not bound" } else { "bound" },
        commits.join(", "),
        trials.len(),
        first.stamp.date.get(..16).unwrap_or_default().replace('T', " "),
        last.stamp.date.get(..16).unwrap_or_default().replace('T', " "),
        number(median(others)),
        number(most),
    )
}

/// Head of the tables of costs.
pub(super) const COST_HEAD: [&str; 13] = [
    "scheme",
    "setup s",
    "keys MB",
    "encryption ns",
    "upload bytes",
    "server ns",
    "spread",
    "server MiB",
    "download kB",
    "decryption ms",
    "bits left",
    "count off by",
    "chi-square off by",
];

/// One row of a table of costs.
pub(super) fn cost_row(entry: &Entry<'_>) -> Vec<String> {
    let mark = if entry.extrapolated() { " *" } else { "" };
    let keys = |t: &Trial| {
        let keys = t.measured.keys;
        (keys.secret + keys.public + keys.evaluation) as f64 / 1e6
    };
    let bits = entry.first().and_then(|t| t.measured.bits_left);
    let server = entry.server_ns();
    let scaled = |value: f64| format!("{}{mark}", small(value));
    vec![
        entry.title().to_owned(),
        small(entry.of(|t| t.measured.spent(t.measured.setup)).median),
        number(entry.of(keys).median),
        scaled(entry.encryption_ns().median),
        scaled(entry.upload()),
        scaled(server.median),
        format!("{} %", number(server.percent())),
        number(entry.of(|t| t.measured.server_mib).median),
        scaled(entry.of(|t| t.measured.result_bytes as f64 * t.scale().output / 1e3).median),
        scaled(entry.of(|t| t.measured.spent(t.measured.decrypt) * t.scale().output * 1e3).median),
        bits.map_or_else(
            || "-".to_owned(),
            |_| number(entry.of(|t| t.measured.bits_left.unwrap_or_default()).low),
        ),
        exact(entry.of(|t| t.measured.deviation.count).high),
        exact(entry.of(|t| t.measured.deviation.chisq).high),
    ]
}

/// A number, or that it is next to nothing.
fn small(value: f64) -> String {
    if value < 1e-3 { "0.00".to_owned() } else { number(value) }
}

fn exact(value: f64) -> String {
    if value == 0.0 { "0".to_owned() } else { format!("{value:.0e}") }
}

/// A table for each shape and regime.
pub(super) fn costs(facts: &Facts) -> String {
    let entries = entries(facts);
    let mut out = String::new();
    for asked in shapes(&entries) {
        for regime in Regime::ALL {
            let of = |e: &&Entry<'_>| e.asked == asked && e.regime() == regime;
            let rows: Vec<_> = entries.iter().filter(of).map(cost_row).collect();
            if !rows.is_empty() {
                let title = format!("{}, {}", shape(asked.people, asked.variants), regime.name());
                out += &format!("**{title}**\n\n{}\n", table(&COST_HEAD, &rows));
            }
        }
    }
    if out.is_empty() { NOTHING.to_owned() } else { out }
}

/// What is said of each scheme.
pub(super) fn schemes(facts: &Facts) -> String {
    let entries = entries(facts);
    let rows: Vec<_> = abouts(&entries)
        .into_iter()
        .map(|a| {
            [&a.title, &a.library, &a.security, &a.readers, &a.evaluation_keys, &a.layout]
                .map(|cell| cell.replace('|', "/"))
                .to_vec()
        })
        .collect();
    if rows.is_empty() {
        return NOTHING.to_owned();
    }
    let head =
        ["scheme", "library", "security", "who can decrypt", "needs evaluation keys for", "layout"];
    table(&head, &rows)
}

/// Each scheme once, in the order of the entries.
pub(super) fn abouts<'a>(entries: &[Entry<'a>]) -> Vec<&'a About> {
    let mut abouts: Vec<&About> = Vec::new();
    for about in entries.iter().filter_map(Entry::about) {
        if !abouts.iter().any(|a| a.name == about.name) {
            abouts.push(about);
        }
    }
    abouts
}

/// Which records are behind each row, and what was measured where figures are scaled.
pub(super) fn trace_rows(entries: &[Entry<'_>]) -> Vec<Vec<String>> {
    entries
        .iter()
        .map(|e| {
            let part = e.part().filter(|_| e.extrapolated());
            vec![
                e.name().to_owned(),
                shape(e.asked.people, e.asked.variants),
                part.map_or_else(|| "all of it".to_owned(), |p| shape(p.people, p.variants)),
                e.rounds().to_string(),
                e.lines(),
            ]
        })
        .collect()
}

/// Head of the table of records.
pub(super) const TRACE_HEAD: [&str; 5] =
    ["scheme", "people x variants", "measured", "rounds", "lines of trial.jsonl"];

/// The table of records.
pub(super) fn trace(facts: &Facts) -> String {
    let rows = trace_rows(&entries(facts));
    if rows.is_empty() { NOTHING.to_owned() } else { table(&TRACE_HEAD, &rows) }
}

/// The README's table: the first shape, and how many times ours each scheme of the same regime costs.
pub(super) fn readme(facts: &Facts) -> String {
    let all = entries(facts);
    let Some(asked) = main_shape(&all) else { return NOTHING.to_owned() };
    let here: Vec<&Entry<'_>> = all.iter().filter(|e| e.asked == asked).collect();
    // Ours is the cheapest set of the same regime.
    let ours = |regime: Regime| {
        here.iter().find(|e| e.regime() == regime && e.name().starts_with("hegwas-"))
    };
    let mut rows = Vec::new();
    for entry in &here {
        let mark = if entry.extrapolated() { " *" } else { "" };
        let times = |figure: fn(&Entry<'_>) -> f64| {
            let ours = ours(entry.regime()).map(|o| figure(o)).filter(|v| *v > 0.0);
            ours.map_or_else(
                || "-".to_owned(),
                |ours| format!("{}{mark}", number(figure(entry) / ours)),
            )
        };
        rows.push(vec![
            entry.title().to_owned(),
            entry.regime().name().to_owned(),
            format!("{}{mark}", number(entry.encryption_ns().median)),
            format!("{}{mark}", number(entry.upload())),
            format!("{}{mark}", number(entry.server_ns().median)),
            times(|e| e.encryption_ns().median),
            times(|e| e.upload()),
            times(|e| e.server_ns().median),
        ]);
    }
    let head = [
        "scheme",
        "who multiplies",
        "encryption, ns",
        "upload, bytes",
        "server, ns",
        "times ours: encryption",
        "upload",
        "server",
    ];
    let note = if here.iter().any(|e| e.extrapolated()) {
        "\n\\* measured on a part of it and scaled: it would take too long.\n"
    } else {
        ""
    };
    let others = median(here.iter().map(|e| e.of(|t| t.others).median));
    let busy = if others > BUSY {
        " **Measured while the machine was busy with other things.**"
    } else {
        ""
    };
    format!(
        "Encrypted allele counts of {} on one core of one machine, for each genotype; every answer was held against the `f64` oracle. \
         \"Times ours\" compares within a regime.{busy}\n\n{}{note}",
        shape(asked.people, asked.variants),
        table(&head, &rows)
    )
}
