//! From residues to the integer they stand for.

use ethnum::{I256, U256};

use super::Modulus;
use crate::params::Params;

/// Composition of the residues of one coefficient into the centred integer modulo Q (Garner's mixed radix).
///
/// Q has at most 200 bits. Values that pass here are decryptions about to be released, so variable time is fine.
pub struct Crt {
    moduli: Vec<Modulus>,
    /// `inverses[j]`: inverse of `p_0 ... p_(j-1)` modulo `p_j`.
    inverses: Vec<u64>,
    /// `products[j] = p_0 ... p_(j-1)`.
    products: Vec<U256>,
    q: U256,
}

impl Crt {
    /// Tables for `params`.
    pub fn new(params: Params) -> Self {
        let moduli: Vec<Modulus> = params.moduli().collect();
        let mut q = U256::ONE;
        let (mut inverses, mut products) = (Vec::new(), Vec::new());
        for m in &moduli {
            inverses.push(m.inverse((q % U256::from(m.value())).as_u64()));
            products.push(q);
            q *= U256::from(m.value());
        }
        Self { moduli, inverses, products, q }
    }

    /// The centred integer `x` whose residues are given, as `quotient * scale + noise` with the noise nearest to zero;
    /// `None` if the quotient does not fit an `i64`.
    pub fn decode(
        &self,
        residues: impl Iterator<Item = u64> + Clone,
        scale: Scale,
    ) -> Option<(i64, f64)> {
        let (quotient, noise) = self.decode_wide(residues, scale)?;
        Some((i64::try_from(quotient).ok()?, noise))
    }

    /// As [`Crt::decode`], for quotients of up to 127 bits.
    pub fn decode_wide(
        &self,
        residues: impl Iterator<Item = u64> + Clone,
        scale: Scale,
    ) -> Option<(i128, f64)> {
        let x = self.compose(residues);
        let scale = I256::try_from(scale.0).ok()?;
        let shifted = x + (scale >> 1u32);
        let quotient = shifted.div_euclid(scale);
        let noise = (x - quotient * scale).as_f64();
        Some((i128::try_from(quotient).ok()?, noise))
    }

    fn compose(&self, residues: impl Iterator<Item = u64> + Clone) -> I256 {
        let mut x = U256::ZERO;
        for (((m, &inverse), &product), residue) in
            self.moduli.iter().zip(&self.inverses).zip(&self.products).zip(residues)
        {
            let known = (x % U256::from(m.value())).as_u64();
            let digit = m.mul(m.sub(residue, known), inverse);
            x += U256::from(digit) * product;
        }
        if x > self.q >> 1u32 { x.as_i256() - self.q.as_i256() } else { x.as_i256() }
    }
}

/// A scale `Delta_g * Delta_y` (at most 200 bits).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scale(U256);

impl Scale {
    /// The product of two scales.
    pub fn product(a: u128, b: u128) -> Self {
        Self(U256::from(a).wrapping_mul(U256::from(b)))
    }

    /// The scale modulo a prime.
    pub fn residue(self, m: Modulus) -> u64 {
        (self.0 % U256::from(m.value())).as_u64()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rounds_what_it_composes(m in -(1i64 << 40)..1 << 40, noise in -(1i64 << 50)..1 << 50, set in 1usize..4) {
            let params = Params::ALL[set];
            let crt = Crt::new(params);
            let scale = Scale::product(1 << 30, 3 << 24); // > 2 * 2^50
            let x = I256::from(m) * scale.0.as_i256() + I256::from(noise);
            let residues: Vec<u64> =
                params.moduli().map(|p| x.rem_euclid(I256::from(p.value())).as_u64()).collect();
            prop_assert_eq!(crt.decode(residues.iter().copied(), scale), Some((m, noise as f64)));
        }
    }
}
