//! Signed 256-bit fixed-point numbers in constant time, and roots of unity in them.
//!
//! Slot values carry a refresh mask, so they are secret and wider than a double: arithmetic here is on integers, without
//! branches on values.

use ethnum::I256;
use zeroize::Zeroize;

/// Fraction bits of a root of unity.
const ROOT_BITS: u32 = 250;

/// A two's complement 256-bit integer, read with whatever scale its owner has in mind. Arithmetic wraps.
#[derive(Clone, Copy, PartialEq, Eq, Default, Zeroize)]
pub struct Fixed {
    low: u128,
    high: i128,
}

impl Fixed {
    /// Zero.
    pub const ZERO: Self = Self { low: 0, high: 0 };

    /// An integer.
    #[inline(always)]
    pub const fn from_int(x: i128) -> Self {
        Self { low: x as u128, high: x >> 127 }
    }

    /// The exact product of two integers.
    #[inline(always)]
    pub fn product(a: i128, b: i128) -> Self {
        let [p0, p1, p2, p3, ..] = full_product(Self::from_int(a), Self::from_int(b));
        Self::from_words([p0, p1, p2, p3])
    }

    /// The integer nearest to `x 2^shift`, for a finite `x`; exact where that is an integer. `None` above 2^250.
    pub fn from_float(x: f64, shift: i32) -> Option<Self> {
        let bits = x.abs().to_bits();
        let exponent = ((bits >> 52) as i32 - 1075).checked_add(shift)?;
        let mantissa = I256::from(bits & ((1 << 52) - 1) | 1 << 52);
        let magnitude = match exponent {
            _ if x == 0.0 => I256::ZERO,
            _ if !x.is_normal() => return None,
            ..-54 => I256::ZERO,
            -54..0 => ((mantissa >> (-exponent - 1).unsigned_abs()) + 1) >> 1u32,
            0..197 => mantissa << exponent.unsigned_abs(),
            _ => return None,
        };
        Some(Self::from_wide(if x < 0.0 { -magnitude } else { magnitude }))
    }

    /// As a 256-bit integer.
    pub fn to_wide(self) -> I256 {
        I256::from_words(self.high, self.low.cast_signed())
    }

    /// From a 256-bit integer.
    pub fn from_wide(x: I256) -> Self {
        let (high, low) = x.into_words();
        Self { low: low.cast_unsigned(), high }
    }

    /// Nearest double.
    pub fn to_float(self) -> f64 {
        self.to_wide().as_f64()
    }

    /// `self + other`.
    #[inline(always)]
    pub const fn plus(self, other: Self) -> Self {
        let (low, carry) = self.low.overflowing_add(other.low);
        Self { low, high: self.high.wrapping_add(other.high).wrapping_add(carry as i128) }
    }

    /// `self - other`.
    #[inline(always)]
    pub const fn minus(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        Self { low, high: self.high.wrapping_sub(other.high).wrapping_sub(borrow as i128) }
    }

    /// `self / 2^bits`, rounded to nearest, for `0 < bits < 128`.
    #[inline(always)]
    pub const fn shift_right(self, bits: u32) -> Self {
        let x = self.plus(Self { low: 1 << (bits - 1), high: 0 });
        Self { low: x.low >> bits | (x.high as u128) << (128 - bits), high: x.high >> bits }
    }

    /// The four words, least significant first.
    #[inline(always)]
    pub const fn words(self) -> [u64; 4] {
        let high = self.high as u128;
        [self.low as u64, (self.low >> 64) as u64, high as u64, (high >> 64) as u64]
    }

    #[inline(always)]
    const fn from_words([a, b, c, d]: [u64; 4]) -> Self {
        Self { low: a as u128 | (b as u128) << 64, high: (c as u128 | (d as u128) << 64) as i128 }
    }

    /// All ones where negative, zero elsewhere.
    #[inline(always)]
    pub const fn sign_mask(self) -> u64 {
        (self.high >> 127) as u64
    }

    /// `self root`, rounded to nearest; `root` has 250 fraction bits and magnitude at most one.
    #[inline(always)]
    fn times_root(self, root: Self) -> Self {
        let [_, _, _, p3, p4, p5, p6, p7] = full_product(self, root);
        let (p3, carry) = p3.overflowing_add(1 << (ROOT_BITS - 193));
        let floor = Self::from_words([
            p3 >> 58 | p4 << 6,
            p4 >> 58 | p5 << 6,
            p5 >> 58 | p6 << 6,
            p6 >> 58 | p7 << 6,
        ]);
        floor.plus(Self { low: (carry as u128) << 6, high: 0 })
    }
}

/// The signed 512-bit product, least significant word first.
#[inline(always)]
fn full_product(a: Fixed, b: Fixed) -> [u64; 8] {
    let (x, y) = (a.words(), b.words());
    let mut low = [0u64; 4];
    let mut high = [0u64; 4];
    // Row by row; the words that no later row touches go to `low`.
    for (out, &xi) in low.iter_mut().zip(&x) {
        let mut carry = 0u128;
        let mut row = [0u64; 5];
        for ((r, &yj), &h) in row.iter_mut().zip(&y).zip(&high) {
            let t = u128::from(xi) * u128::from(yj) + u128::from(h) + carry;
            *r = t as u64;
            carry = t >> 64;
        }
        let [first, second, third, fourth, _] = row;
        *out = first;
        high = [second, third, fourth, carry as u64];
    }
    // Unsigned so far: a negative factor counted 2^256 too much.
    let correct = |high: Fixed, negative: Fixed, other: Fixed| {
        let mask = u128::from(negative.sign_mask()) | u128::from(negative.sign_mask()) << 64;
        high.minus(Fixed { low: other.low & mask, high: other.high & mask.cast_signed() })
    };
    let high = correct(correct(Fixed::from_words(high), a, b), b, a).words();
    let ([a, b, c, d], [e, f, g, h]) = (low, high);
    [a, b, c, d, e, f, g, h]
}

/// A complex number.
#[derive(Clone, Copy, PartialEq, Eq, Default, Zeroize)]
pub struct Complex {
    /// Real part.
    pub re: Fixed,
    /// Imaginary part.
    pub im: Fixed,
}

impl Complex {
    #[inline(always)]
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self { re: self.re.plus(other.re), im: self.im.plus(other.im) }
    }

    #[inline(always)]
    pub(crate) const fn minus(self, other: Self) -> Self {
        Self { re: self.re.minus(other.re), im: self.im.minus(other.im) }
    }

    #[inline(always)]
    pub(crate) const fn half(self) -> Self {
        Self { re: self.re.shift_right(1), im: self.im.shift_right(1) }
    }
}

/// A root of unity with 250 fraction bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Root {
    cos: Fixed,
    sin: Fixed,
}

impl Root {
    const ONE: Self =
        Self { cos: Fixed { low: 0, high: 1 << (ROOT_BITS - 128) }, sin: Fixed::ZERO };

    /// `z root`: each part within one unit of the exact product with this rounded root.
    #[inline(always)]
    pub(crate) fn times(self, z: Complex) -> Complex {
        Complex {
            re: z.re.times_root(self.cos).minus(z.im.times_root(self.sin)),
            im: z.re.times_root(self.sin).plus(z.im.times_root(self.cos)),
        }
    }

    /// `z / root`.
    #[inline(always)]
    pub(crate) fn divide(self, z: Complex) -> Complex {
        Self { cos: self.cos, sin: Fixed::ZERO.minus(self.sin) }.times(z)
    }

    fn compose(self, other: Self) -> Self {
        let z = self.times(Complex { re: other.cos, im: other.sin });
        Self { cos: z.re, sin: z.im }
    }
}

/// Roots of unity of order `2^bits`, made from those of orders 2, 4, 8 and so on.
pub(crate) struct Roots {
    /// `halvings[j] = exp(2 pi i / 2^(j+1))`.
    halvings: Vec<Root>,
}

impl Roots {
    pub(crate) fn new(bits: u32) -> Self {
        Self { halvings: (1..=bits).map(primitive_root).collect() }
    }

    /// `exp(2 pi i exponent / 2^bits)`; each part within `2^-250 (3 bits)` of the exact one.
    pub(crate) fn power(&self, exponent: usize) -> Root {
        let bits = self.halvings.len();
        (self.halvings.iter().enumerate())
            .filter(|(j, _)| exponent >> (bits - 1 - j) & 1 == 1)
            .fold(Root::ONE, |product, (_, &root)| product.compose(root))
    }
}

/// pi with 252 fraction bits.
const PI: Fixed = Fixed {
    high: 0x3243_f6a8_885a_308d_3131_98a2_e037_0734,
    low: 0x4a40_9382_2299_f31d_0082_efa9_8ec4_e6c9,
};

/// `exp(2 pi i / 2^j)`, `j > 0`, by Taylor's series for angles up to pi/4.
fn primitive_root(j: u32) -> Root {
    let one = Root::ONE.cos;
    match j {
        1 => return Root { cos: Fixed::ZERO.minus(one), sin: Fixed::ZERO },
        2 => return Root { cos: Fixed::ZERO, sin: one },
        _ => {}
    }
    let angle = PI.shift_right(j + 1); // 2 pi / 2^j: 252 + 1 fraction bits before, 250 after
    let (mut term, mut parts) = (one, [Fixed::ZERO; 4]);
    let mut k = 0i128;
    // cos - cos'' + ..., sin - sin'' + ...: terms of index 0, 1, 2, 3 modulo 4.
    while term != Fixed::ZERO {
        for part in &mut parts {
            *part = part.plus(term);
            k += 1;
            term = Fixed::from_wide(term.times_root(angle).to_wide() / I256::from(k));
        }
    }
    let [cos, sin, minus_cos, minus_sin] = parts;
    Root { cos: cos.minus(minus_cos), sin: sin.minus(minus_sin) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wide() -> impl Strategy<Value = I256> {
        (any::<i128>(), any::<i128>(), 0u32..255).prop_map(|(h, l, s)| I256::from_words(h, l) >> s)
    }

    proptest! {
        #[test]
        fn agrees_with_wide_integers(a in wide(), b in wide(), x: i128, y: i128, bits in 1u32..127) {
            let (f, g) = (Fixed::from_wide(a), Fixed::from_wide(b));
            prop_assert_eq!(f.plus(g).to_wide(), a.wrapping_add(b));
            prop_assert_eq!(f.minus(g).to_wide(), a.wrapping_sub(b));
            prop_assert_eq!(Fixed::product(x, y).to_wide(), I256::from(x) * I256::from(y));
            let up = ((a >> (bits - 1)) & I256::ONE) == I256::ONE;
            prop_assert_eq!(f.shift_right(bits).to_wide(), (a >> bits) + I256::from(up as i128));
        }

        #[test]
        fn multiplies_by_simple_roots(a in wide(), k in 0u32..120) {
            // a 2^-k is a shift.
            let a = a >> 2u32;
            let root = Fixed::from_wide(I256::ONE << (ROOT_BITS - k));
            let expected = if k == 0 { Fixed::from_wide(a) } else { Fixed::from_wide(a).shift_right(k) };
            prop_assert_eq!(Fixed::from_wide(a).times_root(root).to_wide(), expected.to_wide());
            let negative = Fixed::ZERO.minus(root);
            let difference = Fixed::from_wide(a).times_root(negative).plus(expected).to_wide();
            prop_assert!((I256::ZERO..=I256::ONE).contains(&difference));
        }

        #[test]
        fn floats_convert_exactly(x in -1e12f64..1e12, shift in 60i32..150) {
            let f = Fixed::from_float(x, shift).unwrap();
            prop_assert_eq!(f.to_float(), x * 2f64.powi(shift));
            prop_assert_eq!(Fixed::from_float(x, 0).unwrap().to_float(), x.round());
        }
    }

    #[test]
    fn bad_floats_are_refused() {
        for x in [f64::NAN, f64::INFINITY, 1e300] {
            assert!(Fixed::from_float(x, 0).is_none());
        }
        assert!(Fixed::from_float(1.0, 251).is_none());
        assert!(Fixed::from_float(1e-30, 20).unwrap() == Fixed::ZERO);
    }

    /// pi by Machin's formula: `16 atan(1/5) - 4 atan(1/239)`.
    #[test]
    fn pi_is_pi() {
        let arctan = |d: i128| {
            let (mut power, mut sum, mut k) = ((I256::ONE << 252u32) / d, I256::ZERO, 1i128);
            while power != 0 {
                sum += if k % 4 == 1 { power / k } else { -power / k };
                power /= d * d;
                k += 2;
            }
            sum
        };
        // Four units are lost to truncation for each of some hundred terms, sixteenfold.
        let machin = I256::from(4) * (I256::from(4) * arctan(5) - arctan(239));
        assert!((machin - PI.to_wide()).abs() < I256::from(4096));
    }

    #[test]
    fn roots_are_roots() {
        let roots = Roots::new(17);
        let close = |a: Root, b: Root, units: i128| {
            let near = |x: Fixed, y: Fixed| x.minus(y).to_wide().abs() <= I256::from(units);
            near(a.cos, b.cos) && near(a.sin, b.sin)
        };
        for e in [1usize, 2, 3, 1000, 40_000, 99_999, 131_071] {
            let angle = core::f64::consts::TAU * e as f64 / 131_072.0;
            let (scale, root) = (2f64.powi(-250), roots.power(e));
            assert!((root.cos.to_float() * scale - angle.cos()).abs() < 1e-15);
            assert!((root.sin.to_float() * scale - angle.sin()).abs() < 1e-15);
            // Squares, and inverses: to the stated 51 units each, twice as much after one product.
            assert!(close(root.compose(root), roots.power(2 * e % 131_072), 200));
            assert!(close(root.compose(roots.power(131_072 - e)), Root::ONE, 200));
        }
    }
}
