//! The two plots: cost against people, and against variants.

use super::chart::{Chart, Label, Series};
use super::facts::Facts;
use super::published::ANCHORS;

/// Variants of the plot against people: those of most published figures.
const VARIANTS: u32 = 16_384;
/// People to whom the plot against variants is scaled.
const PEOPLE: f64 = 1000.0;

/// A measured shape and its seconds.
type Point = (u32, u32, f64);

/// What is drawn: name and points.
fn measured(facts: &Facts) -> Vec<(String, Vec<Point>)> {
    let runs = facts.runs.iter().filter(|r| r.threads == 2);
    let runs = runs.map(|r| (r.people, r.variants, r.wall_s)).collect();
    let growth = facts.growth();
    let encryption = growth.iter().map(|p| (p.people, p.variants, p.encryption().cpu_s)).collect();
    let sums = growth.iter().map(|p| (p.people, p.variants, p.sum.cpu_s)).collect();
    let plinks = facts.plinks.iter().filter(|p| p.test.contains("--assoc"));
    let plinks = plinks.map(|p| (p.people, p.variants, p.wall_s)).collect();
    let all: [(&str, Vec<Point>); 4] = [
        ("BED file to decrypted table, wall, 2 cores", runs),
        ("encryption, CPU time", encryption),
        ("weighted sums, CPU time", sums),
        ("PLINK 1.9 --assoc in the clear, wall", plinks),
    ];
    all.into_iter().filter(|(_, p)| !p.is_empty()).map(|(n, p)| (n.to_owned(), p)).collect()
}

/// Seconds for 16,384 variants, against people.
pub(super) fn people(facts: &Facts) -> String {
    let fits = |(people, variants, seconds): &Point| {
        (*variants == VARIANTS).then_some((f64::from(*people), *seconds))
    };
    let series = measured(facts).into_iter().map(|(name, points)| Series {
        name,
        points: points.iter().filter_map(fits).collect(),
        others: Vec::new(),
    });
    let labels = ANCHORS.iter().filter(|a| a.variants == VARIANTS).map(|a| Label {
        text: format!("{} ({})", a.name, a.note),
        at: (f64::from(a.people), a.seconds),
    });
    Chart {
        title: "Cost of 16,384 variants against the number of people",
        x: "people",
        y: "seconds",
        series: series.filter(|s| !s.points.is_empty()).collect(),
        labels: labels.collect(),
    }
    .draw()
}

/// Seconds for each 1,000 people, against variants.
pub(super) fn variants(facts: &Facts) -> String {
    let scaled = |(people, variants, seconds): &Point| {
        (f64::from(*variants), seconds * PEOPLE / f64::from(*people))
    };
    let series = measured(facts).into_iter().map(|(name, points)| {
        let (thousand, others): (Vec<Point>, Vec<Point>) =
            points.into_iter().partition(|p| f64::from(p.0) == PEOPLE);
        let place = |points: Vec<Point>| points.iter().map(scaled).collect();
        Series { name, points: place(thousand), others: place(others) }
    });
    let labels = ANCHORS.iter().map(|a| Label {
        text: format!("{} ({})", a.name, a.note),
        at: scaled(&(a.people, a.variants, a.seconds)),
    });
    Chart {
        title: "Cost of 1,000 people against the number of variants",
        x: "variants (open circles: scaled from more or fewer people)",
        y: "seconds per 1,000 people",
        series: series.collect(),
        labels: labels.collect(),
    }
    .draw()
}
