//! Wide noise in constant time: sums of eight uniform integers. Finishing section 6.

use he_core::ckks::{Fixed, Flood};
use zeroize::Zeroize;

/// Bytes drawn for one uniform integer; [`Flood`] never asks for more bits.
const UNIFORM_BYTES: usize = 12;

/// `degree` coefficients of flooding noise from a key.
pub(super) fn flood(key: &[u8; 32], flood: Flood, degree: usize) -> Vec<Fixed> {
    let mut stream = blake3::Hasher::new_keyed(key).finalize_xof();
    let mut bytes = [0; UNIFORM_BYTES * Flood::TERMS];
    let mask = (1u128 << flood.bits()) - 1;
    let half = (mask * Flood::TERMS as u128 / 2).cast_signed();
    let noise = (0..degree)
        .map(|_| {
            stream.fill(&mut bytes);
            let (words, _) = bytes.as_chunks::<UNIFORM_BYTES>();
            let sum: u128 = words
                .iter()
                .map(|[a, b, c, d, e, f, g, h, i, j, k, l]| {
                    u128::from_le_bytes([
                        *a, *b, *c, *d, *e, *f, *g, *h, *i, *j, *k, *l, 0, 0, 0, 0,
                    ]) & mask
                })
                .sum();
            Fixed::from_int(sum.cast_signed() - half)
        })
        .collect();
    bytes.zeroize();
    stream.zeroize();
    noise
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_stated_deviation() {
        let plan = Flood::new(40, 1 << 21, 100.0).unwrap();
        let noise = flood(&[5; 32], plan, 1 << 15);
        let x: Vec<f64> = noise.iter().map(|x| x.to_float() / plan.deviation()).collect();
        let moment = |k: i32| x.iter().map(|x| x.powi(k)).sum::<f64>() / x.len() as f64;
        assert!(moment(1).abs() < 0.03, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.04, "{}", moment(2));
        // Excess kurtosis of a sum of eight uniforms: -6/5 / 8.
        assert!((moment(4) - 2.85).abs() < 0.2, "{}", moment(4));
        assert!(flood(&[6; 32], plan, 8) != flood(&[5; 32], plan, 8));
    }
}
