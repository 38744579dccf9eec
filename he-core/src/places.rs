//! Copying a constant to chosen coefficients: how the totals of several presence patterns share a ciphertext. Protocol
//! section 5.

use crate::arith::Ring;
use crate::params::Params;
use crate::planner::Plan;
use crate::result::{AddError, SwitchedUnit};
use crate::sum::TotalSums;

/// A public polynomial `sum X^p` over chosen places p: times a constant it holds that constant at every place.
///
/// Noise grows by the square root of the number of places, which is at most N: totals stay below the noise that the plan
/// predicts for sums over genotypes, whose polynomials have N coefficients too.
pub struct Places {
    params: Params,
    /// Whether it is the polynomial 1, which changes nothing.
    first_only: bool,
    /// NTT domain.
    words: Vec<u64>,
}

impl Places {
    /// The polynomial of these places below N; others are left out.
    pub fn new(ring: &Ring, places: impl IntoIterator<Item = usize>) -> Self {
        let params = ring.params();
        let mut coefficients = vec![0; params.degree()];
        for place in places {
            if let Some(coefficient) = coefficients.get_mut(place) {
                *coefficient = 1;
            }
        }
        let first_only = coefficients.iter().sum::<i64>() == 1 && coefficients.first() == Some(&1);
        let mut words = vec![0; params.words()];
        ring.lift(&coefficients, &mut words);
        ring.forward(&mut words);
        Self { params, first_only, words }
    }

    /// The product of each polynomial of `words` with this one.
    fn times(&self, words: &[u64]) -> Vec<u64> {
        if self.first_only {
            return words.to_vec();
        }
        let degree = self.params.degree();
        let mut out = words.to_vec();
        let factors = self.words.chunks_exact(degree).zip(self.params.moduli()).cycle();
        for (limb, (factor, m)) in out.chunks_exact_mut(degree).zip(factors) {
            for (x, &f) in limb.iter_mut().zip(factor) {
                *x = m.mul(*x, f);
            }
        }
        out
    }
}

impl TotalSums {
    /// The same totals at these places.
    pub fn placed(&self, places: &Places) -> Self {
        Self { params: self.params, polynomials: places.times(&self.polynomials) }
    }
}

impl SwitchedUnit {
    /// The constants of a unit at these places.
    pub fn placed(&self, places: &Places) -> Self {
        let words = places.times(self.words());
        Self::new(self.params(), self.bodies(), self.channels(), words)
    }

    /// The bodies of several units one after the other. The result counts as many contributions as the unit with most.
    ///
    /// # Errors
    ///
    /// If there is none, their shapes differ, or there are more bodies than a unit has.
    pub fn joined(plan: &Plan, units: &[Self]) -> Result<Self, AddError> {
        let first = units.first().ok_or(AddError::Shape)?;
        let (params, channels) = (first.params(), first.channels());
        let bodies = units.iter().map(Self::bodies).sum();
        let fits = units.iter().all(|u| u.params() == params && u.channels() == channels);
        if !fits || plan.params() != params || bodies > crate::layout::BODIES {
            return Err(AddError::Shape);
        }
        let words = units.iter().flat_map(|u| u.words()).copied().collect();
        let contributions = units.iter().map(Self::contributions).max().unwrap_or(1);
        Ok(Self::new(params, bodies, channels, words).counting(contributions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::planner::PlanRequest;
    use crate::public_key::study_mask;

    fn constant(ring: &Ring, value: i64) -> Vec<u64> {
        let mut coefficients = vec![0; ring.params().degree()];
        coefficients[0] = value;
        let mut words = vec![0; ring.params().words()];
        ring.lift(&coefficients, &mut words);
        ring.forward(&mut words);
        words
    }

    #[test]
    fn a_constant_stands_at_every_place_and_nowhere_else() {
        for params in [Params::N2048Q50, Params::N8192Q200] {
            let ring = Ring::new(params);
            let pair = [constant(&ring, 7), constant(&ring, -5)].concat();
            let unit = SwitchedUnit::new(params, 1, 1, pair);
            let placed = unit.placed(&Places::new(&ring, [0, 3, params.degree() - 1, 1 << 20]));
            let (c0, c1) = placed.ciphertexts().next().unwrap();
            for (words, value) in [(c0, 7), (c1, -5)] {
                let mut words = words.to_vec();
                ring.inverse(&mut words);
                for (limb, m) in words.chunks_exact(params.degree()).zip(params.moduli()) {
                    for (place, &word) in limb.iter().enumerate() {
                        let there = [0, 3, params.degree() - 1].contains(&place);
                        assert_eq!(m.centre(word), if there { value } else { 0 }, "{place}");
                    }
                }
            }
            // The first place alone changes no bit.
            assert_eq!(unit.placed(&Places::new(&ring, [0])), unit);
            let sums = TotalSums {
                params,
                polynomials: [constant(&ring, 7), constant(&ring, -5)].concat(),
            };
            let (c0, c1) =
                (sums.placed(&Places::new(&ring, [2])), unit.placed(&Places::new(&ring, [2])));
            assert_eq!(c0.polynomials, c1.words(), "both are multiplied alike");
        }
    }

    #[test]
    fn units_are_joined_body_by_body_and_bad_ones_refused() {
        let plan = Plan::new(PlanRequest { datasets: 3, ..PlanRequest::sole_holder(100) }).unwrap();
        let params = plan.params();
        let unit = |bodies: usize, name: &[u8]| {
            let words = study_mask(params, Digest::of(name));
            SwitchedUnit::new(params, bodies, 1, words.repeat(2 * bodies))
        };
        let mut twice = unit(1, b"a");
        twice.add(&plan, &unit(1, b"b")).unwrap();
        let joined = SwitchedUnit::joined(&plan, &[unit(2, b"c"), twice.clone()]).unwrap();
        assert_eq!((joined.bodies(), joined.contributions()), (3, 2));
        assert_eq!(joined.ciphertexts().nth(2), twice.ciphertexts().next());
        let words = study_mask(params, Digest::of(b"e")).repeat(4);
        let two_channels = SwitchedUnit::new(params, 1, 2, words);
        for bad in [vec![], vec![unit(8, b"d"), twice], vec![two_channels, unit(1, b"a")]] {
            assert_eq!(SwitchedUnit::joined(&plan, &bad), Err(AddError::Shape));
        }
    }
}
