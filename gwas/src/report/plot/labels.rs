//! Which hits get a name in the Manhattan plot, and where the name stands.

use std::collections::HashSet;

use super::axis::Placed;
use super::surface::Xy;

/// Hits nearer than this on one chromosome are one locus, in base pairs.
const LOCUS: u32 = 500_000;
/// The largest number of labels.
const MOST: usize = 12;
/// Dots are looked up in squares of this many units.
const CELL: f64 = 3.0;

/// The strongest point of each locus at or above `threshold`, strongest first; ties by variant order.
pub(super) fn leads(points: &[Placed], threshold: f64) -> Vec<Placed> {
    let mut hits: Vec<Placed> = points.iter().filter(|p| p.y >= threshold).copied().collect();
    hits.sort_by(|a, b| b.y.total_cmp(&a.y).then(a.variant.cmp(&b.variant)));
    let mut leads: Vec<Placed> = Vec::new();
    for hit in hits {
        let same_locus =
            |l: &Placed| l.chromosome == hit.chromosome && l.pos.abs_diff(hit.pos) < LOCUS;
        if !leads.iter().any(same_locus) {
            leads.push(hit);
            if leads.len() == MOST {
                break;
            }
        }
    }
    leads
}

/// An upright rectangle in logical units, y downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn inside(&self, outer: &Self) -> bool {
        self.left >= outer.left
            && self.right <= outer.right
            && self.top >= outer.top
            && self.bottom <= outer.bottom
    }
}

/// Finds free places for labels, in the order in which they are asked for.
pub(super) struct Places {
    frame: Area,
    dots: HashSet<(i32, i32)>,
    taken: Vec<Area>,
}

impl Places {
    /// Labels stay within `frame` and keep off `dots`, as far as they can, and off `taken`, always.
    pub(super) fn new(frame: Area, dots: impl IntoIterator<Item = Xy>, taken: Vec<Area>) -> Self {
        Self { frame, dots: dots.into_iter().map(cell).collect(), taken }
    }

    /// The best place for a label of `size` near the dot `at`; nothing when every place is taken.
    pub(super) fn find(&mut self, at: Xy, (width, height): (f64, f64)) -> Option<Area> {
        let side = width / 2.0 + 9.0;
        // Beside the dot at first, then above it, ever higher and wider.
        let beside = [(side, height / 2.0), (-side, height / 2.0)];
        let above = (0..9).flat_map(|row| {
            let up = 7.0 + 9.0 * f64::from(row);
            [0.0, 0.5, -0.5, 1.0, -1.0, 1.8, -1.8].map(|turn| (turn * side, -up))
        });
        let mut best: Option<(f64, Area)> = None;
        for (dx, dy) in above.chain(beside) {
            let (x, bottom) = (at.0 + dx, at.1 + dy);
            let area = Area {
                left: x - width / 2.0,
                right: x + width / 2.0,
                top: bottom - height,
                bottom,
            };
            if !area.inside(&self.frame) || self.taken.iter().any(|t| t.overlaps(&area)) {
                continue;
            }
            let cost = dx.hypot(dy) + 6.0 * self.covered(&area) as f64;
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, area));
            }
        }
        let (_, area) = best?;
        let margin = 2.0;
        self.taken.push(Area {
            left: area.left - margin,
            right: area.right + margin,
            top: area.top - margin,
            bottom: area.bottom + margin,
        });
        Some(area)
    }

    /// How many squares with dots an area covers.
    fn covered(&self, area: &Area) -> usize {
        let ((left, top), (right, bottom)) =
            (cell((area.left, area.top)), cell((area.right, area.bottom)));
        (left..=right)
            .flat_map(|x| (top..=bottom).map(move |y| (x, y)))
            .filter(|c| self.dots.contains(c))
            .count()
    }
}

fn cell((x, y): Xy) -> (i32, i32) {
    ((x / CELL) as i32, (y / CELL) as i32)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn point(variant: u32, chromosome: usize, pos: u32, y: f64) -> Placed {
        Placed { variant, chromosome, pos, x: f64::from(pos), y }
    }

    #[test]
    fn one_lead_per_locus() {
        let points = [
            point(0, 0, 1_000_000, 9.0),
            point(1, 0, 1_499_999, 12.0),
            point(2, 0, 1_999_998, 8.0), // within 500 kb of the lead
            point(3, 0, 1_999_999, 8.0), // just outside
            point(4, 1, 1_499_999, 8.5),
            point(5, 1, 9_000_000, 4.9),
        ];
        let found: Vec<u32> = leads(&points, 5.0).iter().map(|p| p.variant).collect();
        assert_eq!(found, [1, 4, 3]);
        let many: Vec<Placed> = (0..100).map(|i| point(i, i as usize, 1, 6.0)).collect();
        assert_eq!(leads(&many, 5.0).len(), MOST);
    }

    #[test]
    fn labels_never_overlap_and_stay_in_the_frame() {
        let frame = Area { left: 0.0, top: 0.0, right: 300.0, bottom: 200.0 };
        let mut places = Places::new(frame, [(150.0, 90.0)], vec![]);
        let found: Vec<Area> =
            (0..40).filter_map(|_| places.find((150.0, 100.0), (60.0, 11.0))).collect();
        assert!(found.len() > 5 && found.len() < 40);
        for (i, a) in found.iter().enumerate() {
            assert!(a.inside(&frame));
            assert!(found[i + 1..].iter().all(|b| !a.overlaps(b)));
        }
    }

    #[test]
    fn a_label_prefers_free_space() {
        let frame = Area { left: 0.0, top: 0.0, right: 300.0, bottom: 200.0 };
        let mut free = Places::new(frame, [], vec![]);
        let above = free.find((150.0, 100.0), (60.0, 11.0)).unwrap();
        assert!((above.left + above.right) / 2.0 == 150.0 && above.bottom < 100.0);
        let wall = (0..60).map(|i| (150.0 + f64::from(i % 30), 80.0 + f64::from(i / 30) * 9.0));
        let mut crowded = Places::new(frame, wall, vec![]);
        let area = crowded.find((150.0, 100.0), (60.0, 11.0)).unwrap();
        assert_eq!(crowded.covered(&area), 0);
    }
}
