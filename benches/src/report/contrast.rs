//! The comparison's plots.

use std::fmt::Write as _;

use super::chart::{COLOURS, Chart, Label, Series};
use super::comparison::{Entry, entries, main_shape};
use super::facts::Facts;
use super::text::{number, shape};
use crate::scheme::Regime;

/// People of the plot against variants, and variants of the one against people.
const PEOPLE: u32 = 1_000;
const VARIANTS: u32 = 16_384;

/// The cheapest server of each library in each regime: more lines would be a thicket.
fn chosen<'a>(entries: &'a [Entry<'a>]) -> Vec<&'a str> {
    let Some(main) = main_shape(entries) else { return Vec::new() };
    let mut kinds = Vec::new();
    let mut names = Vec::new();
    for entry in entries.iter().filter(|e| e.asked == main) {
        let kind = (entry.regime(), entry.about().map(|a| a.library.as_str()));
        if !kinds.contains(&kind) {
            kinds.push(kind);
            names.push(entry.name());
        }
    }
    names
}

/// Seconds from genotypes to counts of the chosen schemes, at shapes for which `x` gives a place.
fn growth(facts: &Facts, x: impl Fn(&Entry<'_>) -> Option<u32>) -> Vec<Series> {
    let entries = entries(facts);
    let series = chosen(&entries).into_iter().map(|name| {
        let mut series = Series { name: String::new(), points: Vec::new(), others: Vec::new() };
        for entry in entries.iter().filter(|e| e.name() == name) {
            series.name = entry.title().to_owned();
            let Some(x) = x(entry) else { continue };
            let point = (f64::from(x), entry.seconds().median);
            let to = if entry.extrapolated() { &mut series.others } else { &mut series.points };
            to.push(point);
        }
        series
    });
    series.filter(|s| !(s.points.is_empty() && s.others.is_empty())).collect()
}

/// Seconds against people.
pub(super) fn people(facts: &Facts) -> String {
    Chart {
        title: "Genotypes to counts, 16,384 variants, against the number of people",
        x: "people (open circles: measured in part and scaled)",
        y: "seconds on one core",
        series: growth(facts, |e| (e.asked.variants == VARIANTS).then_some(e.asked.people)),
        labels: Vec::new(),
    }
    .draw()
}

/// Seconds against variants.
pub(super) fn variants(facts: &Facts) -> String {
    Chart {
        title: "Genotypes to counts, 1,000 people, against the number of variants",
        x: "variants (open circles: measured in part and scaled)",
        y: "seconds on one core",
        series: growth(facts, |e| (e.asked.people == PEOPLE).then_some(e.asked.variants)),
        labels: Vec::new(),
    }
    .draw()
}

/// Bytes against time.
pub(super) fn bytes(facts: &Facts) -> String {
    let entries = entries(facts);
    let main = main_shape(&entries);
    let here = entries.iter().filter(|e| Some(e.asked) == main && e.regime() != Regime::Clear);
    let labels = here.map(|e| Label {
        text: e.title().to_owned(),
        at: (e.upload(), e.seconds().median * 1e9 / e.asked.genotypes()),
    });
    Chart {
        title: "Bytes sent against time, for each genotype",
        x: "bytes uploaded",
        y: "nanoseconds on one core, client and server together",
        series: Vec::new(),
        labels: labels.collect(),
    }
    .draw()
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 306.0;
const RIGHT: f64 = 660.0;
const ROW: f64 = 21.0;
const TOP: f64 = 62.0;

/// A bar for the server's time of each scheme at the first shape, logarithmic; those that were scaled are pale.
pub(super) fn bars(facts: &Facts) -> String {
    let entries = entries(facts);
    let main = main_shape(&entries);
    let here: Vec<&Entry<'_>> = entries.iter().filter(|e| Some(e.asked) == main).collect();
    let costs = here.iter().map(|e| e.server_ns().median).filter(|v| *v > 0.0);
    let low = costs.clone().fold(f64::INFINITY, f64::min).min(1.0).log10().floor();
    let high = costs.fold(10.0, f64::max).log10().ceil();
    let place = |ns: f64| LEFT + (ns.max(1e-9).log10() - low) / (high - low) * (RIGHT - LEFT);
    let height = TOP + ROW * (here.len() as f64 + 1.6);
    let of = main.map_or_else(String::new, |s| format!(", {}", shape(s.people, s.variants)));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         font-family=\"DejaVu Sans, Verdana, sans-serif\" font-size=\"11\" fill=\"#222222\">\n<title>Server time of each scheme</title>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n<text x=\"12\" y=\"22\" font-size=\"14\" \
         font-weight=\"bold\">The server's time for a genotype{of}: nanoseconds of one core</text>\n"
    );
    for (x, (regime, colour)) in
        [12.0, 172.0, 332.0].into_iter().zip(Regime::ALL.into_iter().zip(COLOURS))
    {
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"35\" width=\"11\" height=\"11\" fill=\"{colour}\"/><text x=\"{}\" y=\"45\">{}</text>",
            x + 17.0,
            regime.name()
        );
    }
    let bottom = TOP + ROW * here.len() as f64;
    // Every second decade where all of them would not fit.
    let step = if high - low > 7.0 { 2 } else { 1 };
    for decade in ((low as i32)..=(high as i32)).step_by(step) {
        let x = place(10f64.powi(decade));
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#e4e4e4\"/><text x=\"{x:.1}\" y=\"{}\" \
             text-anchor=\"middle\">{}</text>",
            bottom + 16.0,
            if decade < 3 { number(10f64.powi(decade)) } else { format!("10^{decade}") }
        );
    }
    for (row, entry) in here.iter().enumerate() {
        let (y, ns) = (TOP + ROW * row as f64, entry.server_ns());
        let regimes = Regime::ALL.into_iter().zip(COLOURS);
        let colour =
            regimes.into_iter().find(|(r, _)| *r == entry.regime()).map_or("#222222", |(_, c)| c);
        let (opacity, mark) = if entry.extrapolated() { (0.45, " *") } else { (1.0, "") };
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><rect x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" \
             fill=\"{colour}\" fill-opacity=\"{opacity}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}{mark}</text>",
            LEFT - 8.0,
            y + 14.0,
            entry.title().replace('&', "&amp;").replace('<', "&lt;"),
            y + 3.0,
            (place(ns.median) - LEFT).max(1.0),
            ROW - 6.0,
            place(ns.median).max(LEFT) + 6.0,
            y + 14.0,
            number(ns.median),
        );
    }
    out.push_str("</svg>\n");
    out
}
