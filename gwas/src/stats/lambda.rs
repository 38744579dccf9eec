//! Genomic control.

use super::Test;

/// Median of the chi-square distribution with 1 degree of freedom.
const MEDIAN_1: f64 = 0.454_936_423_119_572_7;
/// Median with 2 degrees of freedom, `2 ln 2`.
const MEDIAN_2: f64 = 2.0 * core::f64::consts::LN_2;

/// Genomic-control lambda (Devlin and Roeder 1999): median of the defined chi-square statistics over the median of their
/// distribution. The median of an even number of values is the mean of the middle two. Genotypic statistics that lost a
/// degree of freedom are left out. Nothing without a value.
#[must_use]
pub fn genomic_control(test: Test, statistics: impl Iterator<Item = (f64, u8)>) -> Option<f64> {
    let (df, expected) = if test == Test::Genotypic { (2, MEDIAN_2) } else { (1, MEDIAN_1) };
    let mut values: Vec<f64> = statistics.filter(|(_, d)| *d == df).map(|(x, _)| x).collect();
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = if even { below.iter().copied().fold(f64::NEG_INFINITY, f64::max) } else { upper };
    Some((lower + upper) / 2.0 / expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let lambda = |v: &[f64]| genomic_control(Test::Allelic, v.iter().map(|&x| (x, 1)));
        assert_eq!(lambda(&[]), None);
        assert_eq!(lambda(&[3.0, 1.0, 2.0]), Some(2.0 / MEDIAN_1));
        assert_eq!(lambda(&[4.0, 1.0, 2.0, 3.0]), Some(2.5 / MEDIAN_1));
        let geno = [(1.0, 2), (9.0, 1), (3.0, 2)].into_iter();
        assert_eq!(genomic_control(Test::Genotypic, geno), Some(2.0 / MEDIAN_2));
    }
}
