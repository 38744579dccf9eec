//! Where the words of a body lie in a row of a tile, said once more for tests: the kernels and the packing go through a row in its
//! order and never look for a place in it.

use super::{ABREAST, BODIES, GROUPS};

/// Where one body of a row has its groups of eight words, 50 bytes each: counted in such groups.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The first one.
    pub(crate) first: usize,
    /// From one to the next.
    pub(crate) step: usize,
}

impl Place {
    /// The place of `body` in a row of `bodies`, which is larger.
    pub(crate) fn new(body: usize, bodies: usize) -> Self {
        let (before, own) = (body / ABREAST * ABREAST, body % ABREAST);
        Self { first: before * GROUPS + own, step: (bodies - before).min(ABREAST) }
    }
}

#[test]
fn every_body_has_a_place_of_its_own() {
    for bodies in 1..=BODIES {
        let mut seen: Vec<usize> = (0..bodies)
            .map(|body| Place::new(body, bodies))
            .flat_map(|Place { first, step }| (0..GROUPS).map(move |g| first + g * step))
            .collect();
        seen.sort_unstable();
        assert!(seen.into_iter().eq(0..bodies * GROUPS));
    }
}

#[test]
fn places_are_those_of_the_protocol() {
    assert_eq!(Place::new(0, 1), Place { first: 0, step: 1 }); // weights: as they are packed
    assert_eq!(Place::new(3, 8), Place { first: 3, step: 4 });
    assert_eq!(Place::new(4, 8), Place { first: 64, step: 4 });
    assert_eq!(Place::new(5, 6), Place { first: 65, step: 2 });
}
