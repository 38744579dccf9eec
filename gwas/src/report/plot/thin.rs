//! Leaves out dots that lie on top of others, so that ten million variants make a small file.

use std::collections::HashSet;

use super::surface::Xy;

/// At and above this -log10 p every dot stays.
pub(super) const KEEP_ALL: f64 = 3.0;

/// Remembers which cells of a grid hold a dot.
pub(super) struct Thinner {
    cell: f64,
    taken: HashSet<(i32, i32)>,
}

impl Thinner {
    /// A grid of squares with sides of `cell` logical units.
    pub(super) fn new(cell: f64) -> Self {
        Self { cell, taken: HashSet::new() }
    }

    /// Whether a dot with this -log10 p at this place is to be drawn.
    pub(super) fn keep(&mut self, neg_log10_p: f64, at: Xy) -> bool {
        neg_log10_p >= KEEP_ALL
            || self.taken.insert(((at.0 / self.cell) as i32, (at.1 / self.cell) as i32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_low_dots_in_a_taken_cell_go() {
        let mut thinner = Thinner::new(2.0);
        assert!(thinner.keep(1.0, (10.0, 10.0)));
        assert!(!thinner.keep(2.9, (11.9, 11.9)));
        assert!(thinner.keep(3.0, (11.9, 11.9)));
        assert!(thinner.keep(1.0, (12.1, 10.0)));
    }
}
