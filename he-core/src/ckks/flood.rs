//! How much noise hides what a released value says about the keys. Finishing section 6.

use crate::noise::smudging_deviation;

/// Flooding noise: each coefficient gets a sum of eight centred uniform integers of `bits()` bits.
///
/// Eight uniforms have Fisher information 1.005 divided by their variance (numerical integration), and the squared Hellinger
/// distance between a density and its copy shifted by s is at most `s^2 I / 8`. Over all coefficients, a shift of Euclidean
/// norm s therefore changes the joint distribution by a statistical distance of at most `s sqrt(I) / 2`, as if the noise were
/// Gaussian: a level of L bits needs a deviation of `2^(L-1)` times the norm of what is to be hidden.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flood {
    bits: u32,
}

/// Noise that would be wider than a result has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "hiding a noise of this size at {level} bits needs uniforms of {needed} bits, over the limit of {limit}; lower the level or the range of the statistic"
)]
pub struct FloodError {
    level: u32,
    needed: u32,
    limit: u32,
}

impl Flood {
    /// Uniform integers in one sum.
    pub const TERMS: usize = 8;
    /// Widest uniform: its sums stay far below a result's modulus of 150 bits.
    pub const MAX_BITS: u32 = 92;

    /// Noise that hides key-dependent errors of root mean square `rms` (in coefficients; the factor 1.1 of
    /// [`smudging_deviation`] covers prediction and the 1.005 above) at `level` bits for `coefficients` released ones together.
    pub fn new(level: u32, coefficients: u64, rms: f64) -> Result<Self, FloodError> {
        let deviation = smudging_deviation(level, coefficients, rms);
        let uniform = deviation / (Self::TERMS as f64 / 12.0).sqrt();
        let needed = uniform.max(1.0).log2().ceil() as u32;
        let limit = Self::MAX_BITS;
        if needed <= limit {
            Ok(Self { bits: needed })
        } else {
            Err(FloodError { level, needed, limit })
        }
    }

    /// The widest noise that leaves a deviation of at most `deviation` in the real part of a slot: for decisions, which stay
    /// readable under it.
    pub fn widest(
        deviation: f64,
        degree: usize,
        holders: usize,
        scale: f64,
    ) -> Result<Self, FloodError> {
        let slot = Self { bits: 0 }.slot_deviation(degree, holders, scale);
        let bits = (deviation / slot).log2().floor();
        let limit = Self::MAX_BITS;
        if bits >= 0.0 {
            Ok(Self { bits: (bits as u32).min(limit) })
        } else {
            Err(FloodError { level: 0, needed: 0, limit })
        }
    }

    /// The level in bits at which it hides key-dependent errors of root mean square `rms` in so many coefficients.
    pub fn level(self, coefficients: u64, rms: f64) -> f64 {
        (self.deviation() / smudging_deviation(0, coefficients, rms)).log2()
    }

    /// Bits of one uniform integer.
    pub fn bits(self) -> u32 {
        self.bits
    }

    /// Standard deviation of the noise of one holder on one coefficient.
    pub fn deviation(self) -> f64 {
        2f64.powi(self.bits as i32) * (Self::TERMS as f64 / 12.0).sqrt()
    }

    /// Standard deviation that the flooding of all holders leaves in the real part of a slot of a result of that scale.
    pub fn slot_deviation(self, degree: usize, holders: usize, scale: f64) -> f64 {
        self.deviation() * (degree as f64 / 2.0 * holders as f64).sqrt() / scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_is_reached_and_not_overshot() {
        for (level, coefficients, rms) in [(40, 1 << 22, 200.0), (40, 1, 74.0), (64, 1 << 10, 1e4)]
        {
            let deviation = Flood::new(level, coefficients, rms).unwrap().deviation();
            let needed = 2f64.powi(level as i32 - 1) * (coefficients as f64).sqrt() * 1.1 * rms;
            assert!((1.0..2.0).contains(&(deviation / needed)));
        }
        assert!(Flood::new(80, 1 << 22, 1e4).is_err());
    }

    #[test]
    fn the_widest_noise_is_as_wide_as_allowed() {
        let (degree, scale) = (1 << 16, 2f64.powi(100));
        let flood = Flood::widest(0.06, degree, 3, scale).unwrap();
        let left = flood.slot_deviation(degree, 3, scale);
        assert!(left <= 0.06 && left > 0.03);
        let level = flood.level(1 << 21, 1e5);
        assert!(Flood::new(level as u32, 1 << 21, 1e5).unwrap().bits() <= flood.bits());
        assert!(Flood::widest(0.06, degree, 3, 100.0).is_err());
        assert_eq!(Flood::widest(1e9, degree, 3, scale).unwrap().bits(), Flood::MAX_BITS);
    }
}
