//! Where values and chromosomes lie on an axis.

use std::collections::HashMap;

use super::Point;
use crate::panel::{Contig, Panel};

/// A linear map from values to logical units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) values: (f64, f64),
    pub(super) units: (f64, f64),
}

impl Scale {
    /// Where a value lies, in logical units.
    pub(super) fn at(&self, value: f64) -> f64 {
        let (low, high) = self.values;
        let span = if high > low { high - low } else { 1.0 };
        self.units.0 + (value - low) / span * (self.units.1 - self.units.0)
    }

    /// Roughly `count` round values within the range, and the number of decimals that tells them apart.
    pub(super) fn ticks(&self, count: f64) -> (Vec<f64>, usize) {
        let (low, high) = self.values;
        let raw = (high - low) / count;
        if !(raw.is_finite() && raw > 0.0) {
            return (vec![low], 0);
        }
        let magnitude = 10_f64.powf(raw.log10().floor());
        // The nearest of 1, 2, 5, 10 by ratio; the bounds are geometric means.
        let step = magnitude
            * match raw / magnitude {
                m if m < 2_f64.sqrt() => 1.0,
                m if m < 10_f64.sqrt() => 2.0,
                m if m < 50_f64.sqrt() => 5.0,
                _ => 10.0,
            };
        let (first, last) = ((low / step).ceil() as i64, (high / step + 1e-9).floor() as i64);
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        ((first..=last).map(|i| i as f64 * step).collect(), decimals)
    }
}

/// One chromosome on the x axis.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// Name without a `chr` prefix.
    pub(super) label: String,
    /// First and last position with a point, in base pairs.
    pub(super) positions: (u32, u32),
    /// What to add to a position to get its place on the axis.
    offset: f64,
}

impl Span {
    /// First and last place on the axis, in base pairs.
    pub(super) fn range(&self) -> (f64, f64) {
        let place = |pos: u32| f64::from(pos) + self.offset;
        (place(self.positions.0), place(self.positions.1))
    }
}

/// A point with its place: what the Manhattan plot draws.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed {
    pub(super) variant: u32,
    pub(super) chromosome: usize,
    pub(super) pos: u32,
    /// Base pairs along the axis.
    pub(super) x: f64,
    pub(super) y: f64,
}

/// What tells chromosomes apart: the kind, and the name where that is unknown.
type Key<'a> = (Contig, &'a str);

/// The chromosomes of a plot side by side, in karyotype order; unknown contigs follow by name.
pub(super) fn lay_out(panel: &Panel, points: &[Point]) -> (Vec<Span>, Vec<Placed>) {
    let mut by_key: HashMap<Key<'_>, usize> = HashMap::new();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let mut found: Vec<(Key<'_>, (u32, u32))> = Vec::new();
    let mut placed = Vec::with_capacity(points.len());
    for point in points {
        let y = f64::from(point.neg_log10_p);
        let Some(variant) = panel.get(point.variant).filter(|_| y.is_finite()) else { continue };
        let chromosome = *by_name.entry(variant.chrom).or_insert_with(|| {
            let contig = variant.contig();
            let key = (contig, if contig == Contig::Unknown { variant.chrom } else { "" });
            *by_key.entry(key).or_insert_with(|| {
                found.push((key, (u32::MAX, 0)));
                found.len() - 1
            })
        });
        if let Some((_, (low, high))) = found.get_mut(chromosome) {
            *low = (*low).min(variant.pos);
            *high = (*high).max(variant.pos);
        }
        placed.push(Placed { variant: point.variant, chromosome, pos: variant.pos, x: 0.0, y });
    }

    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|&i| found.get(i).map(|(key, _)| *key));
    let length: f64 = found.iter().map(|(_, (low, high))| f64::from(high - low) + 1.0).sum();
    let gap = 0.006 * length;
    let mut rank = vec![0; found.len()];
    let mut spans = Vec::with_capacity(found.len());
    let mut end = 0.0;
    for (i, &index) in order.iter().enumerate() {
        let (Some(&((contig, name), positions)), Some(rank)) =
            (found.get(index), rank.get_mut(index))
        else {
            continue;
        };
        *rank = i;
        spans.push(Span {
            label: label(contig, name),
            positions,
            offset: end - f64::from(positions.0),
        });
        end += f64::from(positions.1 - positions.0) + 1.0 + gap;
    }
    for point in &mut placed {
        point.chromosome = rank.get(point.chromosome).copied().unwrap_or(0);
        let offset = spans.get(point.chromosome).map_or(0.0, |span| span.offset);
        point.x = f64::from(point.pos) + offset;
    }
    (spans, placed)
}

fn label(contig: Contig, name: &str) -> String {
    match contig {
        Contig::Autosome(number) => number.to_string(),
        Contig::X => "X".to_owned(),
        Contig::Y => "Y".to_owned(),
        Contig::PseudoAutosomal => "XY".to_owned(),
        Contig::Mitochondrial => "MT".to_owned(),
        Contig::Unknown => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::panel::Variant;

    fn ticks(low: f64, high: f64, count: f64) -> (Vec<f64>, usize) {
        Scale { values: (low, high), units: (0.0, 1.0) }.ticks(count)
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(0.0, 8.0, 5.0), (vec![0.0, 2.0, 4.0, 6.0, 8.0], 0));
        assert_eq!(ticks(0.0, 310.0, 6.0), (vec![0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0], 0));
        assert_eq!(ticks(16.05, 16.45, 4.0).0.len(), 4);
        assert_eq!(ticks(16.05, 16.45, 4.0).1, 1);
        assert_eq!(ticks(3.0, 3.0, 4.0), (vec![3.0], 0));
    }

    #[test]
    fn chromosomes_stand_in_karyotype_order_without_overlap() {
        let mut panel = Panel::default();
        for (chrom, pos) in
            [("X", 5), ("chr2", 900), ("10", 7), ("2", 100), ("scaffold", 1), ("2", 0)]
        {
            panel.push(Variant { chrom, pos, id: ".", reference: "A", alternate: "C" }).unwrap();
        }
        let mut points: Vec<Point> =
            (0..6).map(|variant| Point { variant, neg_log10_p: 1.0 }).collect();
        points.push(Point { variant: 6, neg_log10_p: 1.0 }); // no such variant
        points.push(Point { variant: 0, neg_log10_p: f32::INFINITY });
        let (spans, placed) = lay_out(&panel, &points);
        let labels: Vec<&str> = spans.iter().map(|s| s.label.as_str()).collect();
        assert_eq!(labels, ["2", "10", "X", "scaffold"]);
        assert_eq!(placed.len(), 6);
        assert_eq!(spans[0].range(), (0.0, 900.0));
        for pair in spans.windows(2) {
            assert!(pair[0].range().1 < pair[1].range().0);
        }
        let chromosomes: Vec<usize> = placed.iter().map(|p| p.chromosome).collect();
        assert_eq!(chromosomes, [2, 0, 1, 0, 3, 0]);
        assert_eq!((placed[1].x, placed[3].x, placed[5].x), (900.0, 100.0, 0.0));
    }

    #[test]
    fn nothing_lays_out_as_nothing() {
        let (spans, placed) = lay_out(&Panel::default(), &[]);
        assert!(spans.is_empty() && placed.is_empty());
    }
}
