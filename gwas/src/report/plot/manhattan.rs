//! The Manhattan plot: -log10 p along the genome.

use super::axis::{Placed, Scale, Span, lay_out};
use super::frame::{self, SMALL};
use super::labels::{Area, Places, leads};
use super::surface::{
    AXIS, Anchor, CHROMOSOMES, GREY, INK, Pen, Rgb, SIGNIFICANT, SUGGESTIVE, Surface, Text, WHITE,
    Xy,
};
use super::thin::Thinner;
use super::{Caption, GENOME_WIDE, Point, SUGGESTIVE as SUGGESTIVE_P, font, thousands};
use crate::panel::Panel;

/// Width and height in logical units (1/96 inch).
pub(super) const SIZE: (u32, u32) = (1200, 540);
const AREA: Area = Area { left: 66.0, top: 74.0, right: 1128.0, bottom: 484.0 };
/// Space between the frame and the first and last point.
const INSET: f64 = 10.0;

pub(super) fn draw(on: &mut dyn Surface, panel: &Panel, points: &[Point], caption: &Caption<'_>) {
    let (spans, placed) = lay_out(panel, points);
    frame::header(on, SIZE, AREA.left, caption, &subtitle(caption, placed.len()));

    let highest = placed.iter().map(|p| p.y).fold(0.0, f64::max);
    let y = Scale {
        // Room for the labels above the highest point; the genome-wide line is always in sight.
        values: (0.0, f64::max(8.6, highest * 1.12)),
        units: (AREA.bottom, AREA.top),
    };
    let start = spans.first().map_or(0.0, |s| s.range().0);
    let end = spans.last().map_or(1.0, |s| s.range().1);
    let x = Scale {
        values: if end > start { (start, end) } else { (start - 1.0, start + 1.0) },
        units: (AREA.left + INSET, AREA.right - INSET),
    };

    frame::y_axis(on, &AREA, y, "−log₁₀ P");
    x_axis(on, &spans, x);
    let mut taken = vec![threshold(on, y, SUGGESTIVE_P, "1 × 10⁻⁵", SUGGESTIVE)];
    taken.push(threshold(on, y, GENOME_WIDE, "5 × 10⁻⁸", SIGNIFICANT));
    if placed.is_empty() {
        frame::empty(on, &AREA);
        return;
    }
    let drawn = cloud(on, &placed, x, y);
    label(on, panel, &placed, x, y, Places::new(AREA, drawn, taken));
}

fn subtitle(caption: &Caption<'_>, variants: usize) -> String {
    let mut parts = vec![caption.test.to_owned(), frame::people(caption)];
    let noun = if variants == 1 { "variant" } else { "variants" };
    parts.push(format!("{} {noun}", thousands(variants as u64)));
    parts.extend(frame::lambda(caption).map(|l| format!("genomic control {l}")));
    parts.join("  ·  ")
}

fn x_axis(on: &mut dyn Surface, spans: &[Span], x: Scale) {
    match spans {
        [] => frame::x_axis(on, &AREA, "Chromosome"),
        [only] => {
            let (first, last) = only.positions;
            let ends = if last > first {
                (f64::from(first), f64::from(last))
            } else {
                (f64::from(first) - 1.0, f64::from(first) + 1.0)
            };
            let megabases = Scale { values: (ends.0 / 1e6, ends.1 / 1e6), units: x.units };
            frame::x_ticks(on, &AREA, megabases, false);
            let name = font::fit(&only.label, 12.0, false, 400.0);
            frame::x_axis(on, &AREA, &format!("Position on chromosome {name} (Mb)"));
        }
        _ => {
            let mut free_from = AREA.left;
            for span in spans {
                let (from, to) = span.range();
                let middle = (x.at(from) + x.at(to)) / 2.0;
                let name = font::fit(&span.label, SMALL, false, 80.0);
                let half = font::width(&name, SMALL, false) / 2.0;
                // Small chromosomes go without a name rather than over their neighbour's.
                if middle - half >= free_from {
                    frame::x_label(on, &AREA, middle, &name);
                    free_from = middle + half + 1.5;
                }
                for edge in [from, to] {
                    let at = x.at(edge);
                    on.line((at, AREA.bottom), (at, AREA.bottom + 3.0), Pen::solid(AXIS, 0.75));
                }
            }
            frame::x_axis(on, &AREA, "Chromosome");
        }
    }
}

/// A significance line with its name in the right margin; returns the line's area, which labels avoid.
fn threshold(on: &mut dyn Surface, scale: Scale, level: f64, name: &str, colour: Rgb) -> Area {
    let y = scale.at(level);
    on.line((AREA.left, y), (AREA.right, y), Pen::dashed(colour, 1.0));
    let at = (AREA.right + 6.0, y + 0.36 * SMALL);
    on.text(&Text::new(name, at, SMALL).colour(colour).anchor(Anchor::Start));
    Area { left: AREA.left, right: AREA.right, top: y - 1.5, bottom: y + 1.5 }
}

/// All dots that show, significant ones last. Returns where they are.
fn cloud(on: &mut dyn Surface, points: &[Placed], x: Scale, y: Scale) -> Vec<Xy> {
    let mut thinner = Thinner::new(1.5);
    let mut layers: [Vec<Xy>; 3] = Default::default();
    for point in points {
        let at = (x.at(point.x), y.at(point.y));
        if thinner.keep(point.y, at) {
            let layer = if point.y >= GENOME_WIDE { 2 } else { point.chromosome % 2 };
            layers.get_mut(layer).into_iter().for_each(|l| l.push(at));
        }
    }
    let radius = if points.len() < 5_000 { 2.25 } else { 1.75 };
    let [even, odd, significant] = &layers;
    on.dots(even, radius, CHROMOSOMES[0]);
    on.dots(odd, radius, CHROMOSOMES[1]);
    on.dots(significant, radius + 0.25, SIGNIFICANT);
    layers.concat()
}

/// Names the strongest variant of each locus.
fn label(
    on: &mut dyn Surface,
    panel: &Panel,
    points: &[Placed],
    x: Scale,
    y: Scale,
    mut places: Places,
) {
    for lead in leads(points, SUGGESTIVE_P) {
        let Some(variant) = panel.get(lead.variant) else { continue };
        let name = match variant.id {
            "." => format!("{}:{}", variant.chrom, variant.pos),
            id => id.to_owned(),
        };
        let name = font::fit(&name, SMALL, false, 160.0);
        let (at, width) = ((x.at(lead.x), y.at(lead.y)), font::width(&name, SMALL, false));
        let Some(place) = places.find(at, (width, SMALL)) else { continue };
        let middle = (place.left + place.right) / 2.0;
        let end = match () {
            () if place.bottom < at.1 => (at.0.clamp(place.left, place.right), place.bottom + 1.0),
            () if middle > at.0 => (place.left - 1.0, at.1),
            () => (place.right + 1.0, at.1),
        };
        if (end.0 - at.0).hypot(end.1 - at.1) > 12.0 {
            on.line(at, end, Pen::solid(GREY, 0.6));
        }
        let significant = lead.y >= GENOME_WIDE;
        let fill = if significant { SIGNIFICANT } else { INK };
        on.dots(&[at], 4.25, WHITE);
        on.dots(&[at], 3.25, fill);
        let baseline = (place.left, place.bottom - 0.2 * SMALL);
        on.text(&Text::new(&name, baseline, SMALL).colour(if significant { INK } else { GREY }));
    }
}
