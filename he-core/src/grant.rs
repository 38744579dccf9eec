//! Switching keys: what a grant is made of, and how the server applies one. Protocol section 6.

use rayon::prelude::*;

use crate::arith::Ring;
use crate::codec::{CodecError, Header, Kind};
use crate::digest::Digest;
use crate::kernel::Engine;
use crate::layout::BODIES;
use crate::params::Params;
use crate::planner::Plan;
use crate::public_key::{bulk_bytes, unpack_polynomials};
use crate::result::SwitchedUnit;
use crate::sum::{TotalSums, UnitSums};

/// A secret of a dataset that a switching key encrypts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Component {
    /// `t`, the key of the weights.
    Weight,
    /// `s_k`, the key of body k.
    Body(usize),
    /// `s_k t`.
    Product(usize),
}

/// Number of components.
pub const COMPONENTS: usize = 1 + 2 * BODIES;

impl Component {
    /// Every component in stored order.
    pub fn all() -> impl Iterator<Item = Self> {
        let bodies = (0..BODIES).map(Self::Body);
        core::iter::once(Self::Weight).chain(bodies).chain((0..BODIES).map(Self::Product))
    }

    fn number(self) -> usize {
        match self {
            Self::Weight => 0,
            Self::Body(k) => 1 + k,
            Self::Product(k) => 1 + BODIES + k,
        }
    }
}

/// Gadget encryptions of a dataset's secrets under a study's public key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SwitchingKey {
    params: Params,
    /// `[component][limb][digit][b, a][words]`, NTT domain.
    words: Vec<u64>,
}

/// Ciphertexts of one component: one for each limb and digit.
const fn gadget_length(params: Params) -> usize {
    params.limbs() * params.gadget_digits()
}

impl SwitchingKey {
    /// A key computed by the secret half, in stored order.
    pub fn new(params: Params, words: Vec<u64>) -> Self {
        assert_eq!(
            words.len(),
            COMPONENTS * gadget_length(params) * 2 * params.words(),
            "all components"
        );
        Self { params, words }
    }

    /// The object, bound to its study.
    pub fn to_bytes(&self, study: Digest) -> Vec<u8> {
        bulk_bytes(
            Kind::SwitchingKey,
            self.params,
            study.short(),
            [COMPONENTS as u32, 0, 0, 0],
            &self.words,
        )
    }

    /// Reads a switching key to `study`.
    pub fn from_bytes(bytes: &[u8], params: Params, study: Digest) -> Result<Self, CodecError> {
        let (header, body) = Header::split(bytes, Kind::SwitchingKey)?;
        header.expect_params(params)?;
        header.expect_context(study.short(), "study")?;
        if header.counts != [COMPONENTS as u32, 0, 0, 0] {
            return Err(CodecError::Counts("a switching key has 17 components"));
        }
        let words = unpack_polynomials(body, params, COMPONENTS * gadget_length(params) * 2)?;
        Ok(Self { params, words })
    }

    /// Switches a unit's sums to the study key: the plain sum, then each weight vector's. Deterministic: all arithmetic is
    /// exact.
    pub fn switch_unit(
        &self,
        engine: Engine,
        ring: &Ring,
        plan: &Plan,
        sums: &UnitSums,
    ) -> SwitchedUnit {
        self.switch_channels(engine, ring, Some(plan), sums)
    }

    /// [`Self::switch_unit`] without the plain sum, for data whose rows take part by an encrypted weight: the sum over all rows
    /// is nobody's to know.
    pub fn switch_weighted(&self, engine: Engine, ring: &Ring, sums: &UnitSums) -> SwitchedUnit {
        self.switch_channels(engine, ring, None, sums)
    }

    /// The weight vectors' sums, after the plain one if there is a plan to scale it.
    fn switch_channels(
        &self,
        engine: Engine,
        ring: &Ring,
        plain: Option<&Plan>,
        sums: &UnitSums,
    ) -> SwitchedUnit {
        let (bodies, weights) = (sums.bodies(), sums.weights());
        let channels = weights + usize::from(plain.is_some());
        // Digits of what all bodies share: S_A, and A0, A1 of each weight vector.
        let plain = plain.map(|plan| {
            let delta = plan.delta_y();
            (delta, self.digits(ring, &scaled(ring, sums.plain(bodies), delta)))
        });
        let product_masks: Vec<[Vec<u64>; 2]> = (0..weights)
            .into_par_iter()
            .map(|w| [0, 1].map(|component| self.digits(ring, sums.product(w, bodies, component))))
            .collect();
        let words: Vec<Vec<u64>> = (0..bodies)
            .into_par_iter()
            .map(|k| {
                let mut out = Vec::with_capacity(channels * 2 * self.params.words());
                if let Some((delta, mask)) = &plain {
                    let start = scaled(ring, sums.plain(k), *delta);
                    out.extend(self.switch(engine, start, &[(Component::Body(k), mask)]));
                }
                for (w, [a0, a1]) in product_masks.iter().enumerate() {
                    let b1 = self.digits(ring, sums.product(w, k, 1));
                    let parts = [
                        (Component::Weight, &b1),
                        (Component::Body(k), a0),
                        (Component::Product(k), a1),
                    ];
                    out.extend(self.switch(engine, sums.product(w, k, 0).to_vec(), &parts));
                }
                out
            })
            .collect();
        SwitchedUnit::new(self.params, bodies, channels, words.concat())
    }

    /// Switches the sums of the weights themselves: a unit of one body with a channel for each weight vector.
    pub fn switch_totals(
        &self,
        engine: Engine,
        ring: &Ring,
        plan: &Plan,
        sums: &TotalSums,
    ) -> SwitchedUnit {
        let weights = sums.weights();
        let words: Vec<u64> = (0..weights)
            .flat_map(|w| {
                let digits = self.digits(ring, &scaled(ring, sums.component(w, 1), plan.delta_g()));
                let start = scaled(ring, sums.component(w, 0), plan.delta_g());
                self.switch(engine, start, &[(Component::Weight, &digits)])
            })
            .collect();
        SwitchedUnit::new(self.params, 1, weights, words)
    }

    /// `(start, 0)` plus, for each part, the product of the component's gadget encryptions with the digits: `C0` then `C1`.
    fn switch(
        &self,
        engine: Engine,
        start: Vec<u64>,
        parts: &[(Component, &Vec<u64>)],
    ) -> Vec<u64> {
        let words = self.params.words();
        let mut out = start;
        out.resize(2 * words, 0);
        let (c0, c1) = out.split_at_mut(words);
        for (component, digits) in parts {
            let size = gadget_length(self.params) * 2 * words;
            let key =
                self.words.iter().as_slice().get(component.number() * size..).unwrap_or_default();
            for (digit, pair) in digits.chunks_exact(words).zip(key.chunks_exact(2 * words)) {
                let (b, a) = pair.split_at(words);
                multiply_add(engine, self.params, digit, b, c0);
                multiply_add(engine, self.params, digit, a, c1);
            }
        }
        out
    }

    /// The signed digits of a polynomial: `[limb][digit][words]`, NTT domain.
    fn digits(&self, ring: &Ring, polynomial: &[u64]) -> Vec<u64> {
        let (params, degree) = (self.params, self.params.degree());
        let mut coefficients = polynomial.to_vec();
        ring.inverse(&mut coefficients);
        let mut out = vec![0; gadget_length(params) * params.words()];
        let mut outputs = out.chunks_exact_mut(params.words());
        let mut digit = vec![0; degree];
        for (limb, m) in coefficients.chunks_exact(degree).zip(params.moduli()) {
            let mut rest: Vec<i64> = limb.iter().map(|&x| m.centre(x)).collect();
            for position in 1..=params.gadget_digits() {
                let last = position == params.gadget_digits();
                for (d, r) in digit.iter_mut().zip(&mut rest) {
                    *d = if last { *r } else { take_digit(r, params.gadget_bits()) };
                }
                if let Some(output) = outputs.next() {
                    ring.lift(&digit, output);
                    ring.forward(output);
                }
            }
        }
        out
    }
}

/// Takes the lowest signed digit, in `[-2^(bits-1), 2^(bits-1))`, off `rest`.
fn take_digit(rest: &mut i64, bits: u32) -> i64 {
    let half = 1 << (bits - 1);
    let digit = ((*rest + half) & ((1 << bits) - 1)) - half;
    *rest = (*rest - digit) >> bits;
    digit
}

/// `polynomial * factor`, limb by limb.
fn scaled(ring: &Ring, polynomial: &[u64], factor: u128) -> Vec<u64> {
    let degree = ring.params().degree();
    let limbs = polynomial.chunks_exact(degree).zip(ring.params().moduli());
    limbs
        .flat_map(|(limb, m)| {
            let f = m.from_u128(factor);
            limb.iter().map(move |&x| m.mul(x, f))
        })
        .collect()
}

fn multiply_add(engine: Engine, params: Params, a: &[u64], b: &[u64], acc: &mut [u64]) {
    let n = params.degree();
    for (((a, b), acc), m) in
        a.chunks_exact(n).zip(b.chunks_exact(n)).zip(acc.chunks_exact_mut(n)).zip(params.moduli())
    {
        engine.multiply_add(m, a, b, acc);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_small_and_recompose() {
        for bits in [10, 17, 25] {
            for x in [
                0i64,
                1,
                -1,
                511,
                512,
                -512,
                -513,
                (1 << 49) - 1,
                -(1 << 49),
                123_456_789_012_345,
                -98_765_432_109_876,
            ] {
                let (mut rest, mut sum, mut shift) = (x, 0i64, 0);
                while shift + bits < 50 {
                    let d = take_digit(&mut rest, bits);
                    assert!((-(1 << (bits - 1))..1 << (bits - 1)).contains(&d));
                    sum += d << shift;
                    shift += bits;
                }
                assert!(rest.abs() <= 1 << (bits - 1));
                assert_eq!(sum + (rest << shift), x);
            }
        }
    }

    #[test]
    fn bad_switching_keys_are_refused() {
        let (params, study) = (Params::N2048Q50, Digest::of(b"study"));
        let key = SwitchingKey::new(params, vec![7; COMPONENTS * 5 * 2 * 2048]);
        let good = key.to_bytes(study);
        assert_eq!(SwitchingKey::from_bytes(&good, params, study).unwrap(), key);
        let mut bad = good.clone();
        bad[48] = 16;
        assert!(matches!(
            SwitchingKey::from_bytes(&bad, params, study),
            Err(CodecError::Counts(_))
        ));
        assert!(matches!(
            SwitchingKey::from_bytes(&good, params, Digest::of(b"o")),
            Err(CodecError::Context(_))
        ));
        assert!(matches!(
            SwitchingKey::from_bytes(&good, Params::N8192Q200, study),
            Err(CodecError::Params(_))
        ));
        let mut bad = good.clone();
        bad[64..71].fill(255);
        assert!(matches!(SwitchingKey::from_bytes(&bad, params, study), Err(CodecError::Residue)));
        assert!(SwitchingKey::from_bytes(&good[..good.len() - 1], params, study).is_err());
    }
}
