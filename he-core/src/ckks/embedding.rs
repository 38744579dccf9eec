//! Slots and coefficients: the canonical embedding in 256-bit fixed point. Finishing section 2.
//!
//! Slot `i` of a real polynomial `c` of degree below N is `c(exp(2 pi i (4 brv(i) + 1) / 2N))`, `brv` reversing
//! `log2 N - 1` bits; no operation moves slots, so their order is nobody's concern. With `M = N/2` and
//! `d_j = c_j + i c_(j+M)`, the slots are the values of `d` modulo `X^M - i`, which splits into halves
//! like the ring of an NTT. The inverse halves at each of the `log2 M` steps, so nothing ever grows.

use super::fixed::{Complex, Fixed, Root, Roots};
use super::params::CkksParams;

/// Fraction bits that values carry inside the transform, below the unit of a coefficient.
pub const GUARD_BITS: u32 = 24;

/// Tables of one degree.
pub struct Embedding {
    /// In the order of blocks: `roots[blocks + block]`, like a bit-reversed NTT's.
    roots: Vec<Root>,
}

impl Embedding {
    /// Tables for a parameter set: 64 bytes for each slot.
    pub fn new(params: CkksParams) -> Self {
        Self::with_slots(params.slots())
    }

    fn with_slots(slots: usize) -> Self {
        let bits = slots.trailing_zeros() + 2; // order 2N = 4 M
        let roots = Roots::new(bits);
        // The polynomial of node n is X^k - exp(2 pi i theta): theta is 1/4 at node 1; halved, and half a turn more at the right child.
        let mut theta = vec![0; 2 * slots];
        if let Some(first) = theta.get_mut(1) {
            *first = slots; // a quarter of 4 M
        }
        for node in 2..2 * slots {
            let parent = theta.get(node / 2).copied().unwrap_or_default();
            if let Some(t) = theta.get_mut(node) {
                *t = parent / 2 + (node % 2) * 2 * slots;
            }
        }
        Self { roots: theta.iter().take(slots).map(|t| roots.power(t / 2)).collect() }
    }

    /// The N coefficients of the integer polynomial nearest to the given real slots: `values` are slot values times the scale
    /// times `2^GUARD_BITS`, below 2^230; they are overwritten.
    ///
    /// Each coefficient is within 1/2 + 2^-18 of the exact one: every step loses at most 2 units of `2^-GUARD_BITS`, and at
    /// most 17 steps follow each other; the roots' error of `2^-244` is below a unit for values below 2^230.
    pub fn encode(&self, values: &mut [Complex]) -> Vec<Fixed> {
        self.inverse(values);
        let round = |x: Fixed| x.shift_right(GUARD_BITS);
        values.iter().map(|d| round(d.re)).chain(values.iter().map(|d| round(d.im))).collect()
    }

    /// The slots of a polynomial of N integer coefficients below 2^200, times `2^GUARD_BITS`.
    ///
    /// Each part is within `N 2^-20` of the exact one: steps lose up to 2 units, and what was lost doubles at each.
    pub fn decode(&self, coefficients: &[Fixed]) -> Vec<Complex> {
        let (re, im) = coefficients.split_at(coefficients.len() / 2);
        let guard = |x: &Fixed| Fixed::from_wide(x.to_wide() << GUARD_BITS);
        let mut values: Vec<Complex> =
            re.iter().zip(im).map(|(re, im)| Complex { re: guard(re), im: guard(im) }).collect();
        self.forward(&mut values);
        values
    }

    fn forward(&self, values: &mut [Complex]) {
        let (mut half, mut blocks) = (values.len() / 2, 1);
        while half > 0 {
            let roots = self.roots.iter().skip(blocks);
            for (block, root) in values.chunks_exact_mut(2 * half).zip(roots) {
                let (low, high) = block.split_at_mut(half);
                for (a, b) in low.iter_mut().zip(high) {
                    let t = root.times(*b);
                    (*a, *b) = (a.plus(t), a.minus(t));
                }
            }
            half /= 2;
            blocks *= 2;
        }
    }

    fn inverse(&self, values: &mut [Complex]) {
        let (mut half, mut blocks) = (1, values.len() / 2);
        while blocks > 0 {
            let roots = self.roots.iter().skip(blocks);
            for (block, root) in values.chunks_exact_mut(2 * half).zip(roots) {
                let (low, high) = block.split_at_mut(half);
                for (a, b) in low.iter_mut().zip(high) {
                    (*a, *b) = (a.plus(*b).half(), root.divide(a.minus(*b).half()));
                }
            }
            half *= 2;
            blocks /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use ethnum::I256;

    use super::*;

    fn random(count: usize, bits: u32) -> Vec<I256> {
        let mut state = 9u128;
        let mut next = || {
            state = state.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(7);
            (state ^ state >> 60).cast_signed()
        };
        (0..count).map(|_| I256::from_words(next(), next()) >> (255 - bits)).collect()
    }

    /// The definition, one root of unity and one product at a time.
    fn slow_slot(coefficients: &[I256], slot: usize) -> Complex {
        let n = coefficients.len();
        let bits = n.trailing_zeros() - 1;
        let exponent = 4 * (slot.reverse_bits() >> (usize::BITS - bits)) + 1;
        let roots = Roots::new(bits + 2);
        coefficients.iter().enumerate().fold(Complex::default(), |sum, (j, &c)| {
            let guarded = Complex { re: Fixed::from_wide(c << GUARD_BITS), im: Fixed::ZERO };
            sum.plus(roots.power(exponent * j % (2 * n)).times(guarded))
        })
    }

    fn distance(a: Complex, b: Complex) -> I256 {
        let part = |x: Fixed, y: Fixed| x.minus(y).to_wide().abs();
        part(a.re, b.re).max(part(a.im, b.im))
    }

    #[test]
    fn agrees_with_the_definition() {
        let n = 64;
        let embedding = Embedding::with_slots(n / 2);
        let coefficients = random(n, 190);
        let fixed: Vec<Fixed> = coefficients.iter().map(|&c| Fixed::from_wide(c)).collect();
        let slots = embedding.decode(&fixed);
        let bound = I256::from(n as i128 * 16); // N 2^-20 in units of 2^-24
        for (i, &slot) in slots.iter().enumerate() {
            assert!(distance(slot, slow_slot(&coefficients, i)) <= bound, "slot {i}");
        }
    }

    #[test]
    fn encodes_real_slots_at_full_size() {
        for params in [CkksParams::N32768Q750, CkksParams::N65536Q1700] {
            let embedding = Embedding::new(params);
            let slots = random(params.slots(), 205);
            let mut values: Vec<Complex> = (slots.iter())
                .map(|&x| Complex { re: Fixed::from_wide(x), im: Fixed::ZERO })
                .collect();
            let coefficients = embedding.encode(&mut values);
            // Before rounding, the transform and its inverse agree to the bound of section 2; rounding to
            // integers moves each coefficient by up to a half and a slot by up to N/2 (all errors alike).
            let back = embedding.decode(&coefficients);
            let bound = I256::from(params.degree() as i128) << (GUARD_BITS - 1);
            let mut squares = 0.0;
            for (&x, &y) in slots.iter().zip(&back) {
                let x = Complex { re: Fixed::from_wide(x), im: Fixed::ZERO };
                assert!(distance(x, y) <= bound);
                squares += (x.re.minus(y.re).to_float() * 2f64.powi(-24)).powi(2);
            }
            // Uniform rounding: variance N/12, all in the real part, since what is rounded is symmetric.
            let rms = (squares / params.slots() as f64).sqrt();
            let predicted = (params.degree() as f64 / 12.0).sqrt();
            assert!(rms > predicted / 1.1 && rms < predicted * 1.1, "{rms} {predicted}");
        }
    }

    #[test]
    fn encoding_is_within_its_bound_of_the_slow_inverse() {
        // Slots of a known integer polynomial: encoding must return exactly it.
        let n = 128;
        let embedding = Embedding::with_slots(n / 2);
        // Real slots have c_(N-j) = -c_j and c_(N/2) = 0.
        let mut coefficients = random(n, 170);
        coefficients[n / 2] = I256::ZERO;
        for j in 1..n / 2 {
            coefficients[n - j] = -coefficients[j];
        }
        let mut slots: Vec<Complex> = (0..n / 2).map(|i| slow_slot(&coefficients, i)).collect();
        assert!(slots.iter().all(|z| z.im.to_wide().abs() < I256::from(1 << 12)), "real");
        let encoded = embedding.encode(&mut slots);
        assert!(encoded.iter().map(|c| c.to_wide()).eq(coefficients));
    }

    #[test]
    fn products_of_polynomials_are_products_of_slots() {
        let n = 32;
        let embedding = Embedding::with_slots(n / 2);
        let (a, b) = (random(n, 50), random(n, 45));
        let mut c = vec![I256::ZERO; n];
        for i in 0..n {
            for j in 0..n {
                let sign = if i + j < n { 1 } else { -1 };
                c[(i + j) % n] += a[i] * b[j] * sign;
            }
        }
        let slots = |x: &[I256]| {
            let fixed: Vec<Fixed> = x.iter().map(|&c| Fixed::from_wide(c)).collect();
            let slots = embedding.decode(&fixed);
            slots
                .iter()
                .map(|z| [z.re, z.im].map(|x| x.to_float() * 2f64.powi(-24)))
                .collect::<Vec<_>>()
        };
        for ((a, b), c) in slots(&a).iter().zip(slots(&b)).zip(slots(&c)) {
            let product = [a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]];
            assert!((product[0] - c[0]).abs() + (product[1] - c[1]).abs() < 1e-12 * 2f64.powi(100));
        }
    }
}
