//! Variants by place: the chromosome, in whatever spelling, and the position.

use super::{Contig, Panel};

/// A place. Where the chromosome isn't known, its name takes the number's part.
pub(crate) type Place<'a> = (Contig, &'a str, u32);

/// The variants of a panel in the order of their places.
pub(crate) struct Places<'a> {
    panel: &'a Panel,
    contigs: Vec<(Contig, &'a str)>,
    order: Vec<u32>,
}

impl<'a> Places<'a> {
    /// Sorts the indices of a panel's variants, unless the panel is sorted already; equal places stay in panel order.
    pub(crate) fn new(panel: &'a Panel) -> Self {
        let contigs = panel.contigs.iter().map(|name| match Contig::parse(name) {
            Contig::Unknown => (Contig::Unknown, name.as_str()),
            known => (known, ""),
        });
        let mut places =
            Self { panel, contigs: contigs.collect(), order: (0..panel.len()).collect() };
        if !places.order.is_sorted_by_key(|&v| places.place(v)) {
            let mut order = std::mem::take(&mut places.order);
            order.sort_by_key(|&v| places.place(v));
            places.order = order;
        }
        places
    }

    /// The indices of all variants, by place.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Where a variant lies.
    pub(crate) fn place(&self, variant: u32) -> Option<Place<'a>> {
        let site = self.panel.sites.get(variant as usize)?;
        let &(contig, name) = self.contigs.get(usize::from(site.contig))?;
        Some((contig, name, site.pos))
    }
}

/// Shows `each` every place at which any of the panels has a variant, in order: for each panel its variants there,
/// ascending. Variants without a position (0) have no place and are left out.
///
/// Memory: an index for each variant.
#[cfg(feature = "files")]
pub(crate) fn walk<E>(
    panels: &[&Panel],
    mut each: impl FnMut(&[&[u32]]) -> Result<(), E>,
) -> Result<(), E> {
    let places: Vec<Places<'_>> = panels.iter().map(|panel| Places::new(panel)).collect();
    let mut rest: Vec<&[u32]> = places.iter().map(Places::order).collect();
    let mut here: Vec<&[u32]> = Vec::with_capacity(panels.len());
    loop {
        let heads = places.iter().zip(&rest);
        let next = heads.filter_map(|(places, rest)| places.place(*rest.first()?)).min();
        let Some(next) = next else { return Ok(()) };
        here.clear();
        for (places, rest) in places.iter().zip(&mut rest) {
            let run = rest.iter().take_while(|&&v| places.place(v) == Some(next)).count();
            let (run, later) = rest.split_at(run);
            here.push(run);
            *rest = later;
        }
        if next.2 != 0 {
            each(&here)?;
        }
    }
}

#[cfg(all(test, feature = "files"))]
mod tests {
    use std::convert::Infallible;

    use super::super::tests::{panel, v};
    use super::*;

    #[test]
    fn a_walk_meets_every_place_once_in_order() {
        let a = panel(&[
            v("2", 5, "a", "A", "C"),
            v("chr1", 9, "b", "A", "C"),
            v("odd", 1, "c", "A", "C"),
            v("1", 9, "d", "A", "G"),
            v("1", 0, "e", "A", "G"),
        ]);
        let b = panel(&[
            v("01", 9, "x", "A", "C"),
            v("even", 1, "y", "A", "C"),
            v("3", 1, "z", "A", "C"),
        ]);
        let mut seen = Vec::new();
        let met: Result<(), Infallible> = walk(&[&a, &b], |here| {
            seen.push(here.iter().map(|run| run.to_vec()).collect::<Vec<_>>());
            Ok(())
        });
        met.unwrap();
        let expected: [[&[u32]; 2]; 5] =
            [[&[1, 3], &[0]], [&[0], &[]], [&[], &[2]], [&[], &[1]], [&[2], &[]]];
        assert_eq!(seen, expected);
    }
}
