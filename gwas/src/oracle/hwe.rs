//! Hardy-Weinberg, exactly, by adding up every genotype table that has the observed alleles.

use std::f64::consts::LN_2;

/// Probability, given the alleles, of all tables that are no more probable than `[hom, het, hom]`; 1 for an empty one.
///
/// A table of n people with n1 and n2 = 2n - n1 alleles and h heterozygotes has the probability
/// `n! / (x! h! y!) 2^h n1! n2! / (2n)!` (Levene 1949), here as a logarithm.
pub(super) fn exact_p(table: [u64; 3]) -> f64 {
    let [first, het, second] = table;
    let people = first + het + second;
    let alleles = 2 * first + het;
    let ln_factorial = ln_factorials(2 * people);
    let ln = |n: u64| ln_factorial.get(n as usize).copied().unwrap_or(f64::NAN);
    let ln_probability = |het: u64| {
        let first = (alleles - het) / 2;
        ln(people) - ln(first) - ln(het) - ln(people - first - het)
            + het as f64 * LN_2
            + ln(alleles)
            + ln(2 * people - alleles)
            - ln(2 * people)
    };
    let most = alleles.min(2 * people - alleles);
    // Equally probable tables differ by rounding alone.
    let limit = ln_probability(het) + 1e-9;
    let possible = (0..=most).filter(|h| h % 2 == alleles % 2).map(ln_probability);
    possible.filter(|&p| p <= limit).map(f64::exp).sum::<f64>().min(1.0)
}

/// `ln 0!` to `ln n!`.
fn ln_factorials(n: u64) -> Vec<f64> {
    let mut sum = 0.0;
    // What rounding lost is added back (Kahan), so that thousands of terms cost no digits.
    let mut lost = 0.0;
    (0..=n)
        .map(|k| {
            let term = (k.max(1) as f64).ln() - lost;
            let next: f64 = sum + term;
            lost = (next - sum) - term;
            sum = next;
            sum
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rational sums by hand and by a computer algebra system.
    #[test]
    fn equals_exact_values() {
        for (table, expected) in [
            ([0, 0, 0], 1.0),
            ([9, 0, 0], 1.0),
            ([1, 0, 1], 1.0 / 3.0),
            ([4, 59, 295], 0.532_258_287_033_868),
            ([16, 3, 81], 7.298_500_791_592_958e-16),
            ([10, 0, 10], 1.340_302_157_635_426_5e-6),
        ] {
            let got = exact_p(table);
            assert!((got - expected).abs() <= 1e-11 * expected, "{table:?}: {got}");
        }
    }
}
