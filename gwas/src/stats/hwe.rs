//! The exact test of Hardy-Weinberg equilibrium.
//!
//! Given the allele counts, the number of heterozygotes has a known distribution; the p-value is the total probability of
//! all heterozygote counts that are no more probable than the observed one (Wigginton, Cutler and Abecasis, AJHG 76:887,
//! 2005). No mid-p correction: the same number as `plink1.9 --hardy`.

/// Relative size of the most probable outcome while the recurrence runs.
///
/// With the peak at 2^900, an outcome whose probability is below the smallest positive `f64` (2^-1074) is still an
/// ordinary number (2^-174), and the sum of all outcomes stays far below 2^1024: nothing over- or underflows.
const PEAK: f64 = f64::from_bits((900 + 1023) << 52);

/// Outcomes below this (2^-1100 of the peak) cannot change a `f64` p-value, not even a subnormal one.
const NEGLIGIBLE: f64 = f64::from_bits((1023 - 200) << 52);

/// Two outcomes whose computed probabilities differ by less than this are a tie (2^-44), plus one rounding per step.
const TIE: f64 = f64::from_bits((1023 - 44) << 52);

/// Exact Hardy-Weinberg p-value of a genotype table.
///
/// `hom1` and `hom2` count the two homozygotes (their order does not matter), `het` the heterozygotes, all in people.
/// Returns 1 for an empty table and for a single allele, 0 only where the p-value is below the smallest positive `f64`.
/// Time grows with the square root of the number of people.
///
/// ```
/// # use gwas::stats::hwe::exact_p;
/// assert!((exact_p(4, 59, 295) - 0.532_258_287_033_868).abs() < 1e-12);
/// ```
#[must_use]
pub fn exact_p(hom1: u64, het: u64, hom2: u64) -> f64 {
    let observed = Outcome::new(hom1, het, hom2);
    let start = observed.near_peak();
    let steps = u64::try_from(observed.het.abs_diff(start.het) / 2).unwrap_or(u64::MAX);

    let Some(limit) = start.walk(observed.het < start.het).find(|(o, _)| o.het == observed.het)
    else {
        return 0.0;
    };
    // Every step rounds twice, and so did the steps to the outcome that may tie.
    let limit = limit.1 * (1.0 + TIE + 2.0 * steps as f64 * f64::EPSILON);

    let (mut tail, mut total) = (0.0, 0.0);
    let others = start.walk(false).skip(1);
    for (_, weight) in start.walk(true).chain(others) {
        total += weight;
        if weight <= limit {
            tail += weight;
        }
    }
    f64::min(tail / total, 1.0)
}

/// One genotype table with the margins of the observed one.
#[derive(Clone, Copy)]
struct Outcome {
    rare: u128,
    het: u128,
    common: u128,
}

impl Outcome {
    fn new(hom1: u64, het: u64, hom2: u64) -> Self {
        Self { rare: hom1.min(hom2).into(), het: het.into(), common: hom1.max(hom2).into() }
    }

    /// The table next to the expected number of heterozygotes, hence next to the most probable one.
    fn near_peak(self) -> Self {
        let people = self.rare + self.het + self.common;
        if people == 0 {
            return self;
        }
        let rare_alleles = 2 * self.rare + self.het;
        // 64-bit counts times 64-bit counts fit 128 bits up to 2^63 people each; beyond, saturation only moves the start.
        let expected = rare_alleles.saturating_mul(2 * people - rare_alleles) / (2 * people);
        // Heterozygotes come and go in pairs, so their number has the parity of the rare allele count.
        let het = match (expected % 2 == rare_alleles % 2, expected) {
            (true, even_or_odd) => even_or_odd,
            (false, 0) => 1,
            (false, more) => more - 1,
        };
        let rare = (rare_alleles - het) / 2;
        Self { rare, het, common: people - het - rare }
    }

    /// Outcomes from here on with their weights, the first one [`PEAK`], two heterozygotes fewer (`down`) or more each time,
    /// until the table ends or the weight is negligible.
    fn walk(self, down: bool) -> impl Iterator<Item = (Self, f64)> {
        let next = move |&(o, weight): &(Self, f64)| {
            let (o, ratio) = if down { o.fewer_het()? } else { o.more_het()? };
            let weight = weight * ratio;
            (weight >= NEGLIGIBLE).then_some((o, weight))
        };
        std::iter::successors(Some((self, PEAK)), next)
    }

    /// Two heterozygotes become one of each homozygote; the ratio of the probabilities comes along.
    fn fewer_het(self) -> Option<(Self, f64)> {
        let het = self.het.checked_sub(2)?;
        let next = Self { rare: self.rare + 1, het, common: self.common + 1 };
        let ratio = product(self.het, self.het - 1) / (4.0 * product(next.rare, next.common));
        Some((next, ratio))
    }

    /// One of each homozygote become two heterozygotes.
    fn more_het(self) -> Option<(Self, f64)> {
        let rare = self.rare.checked_sub(1)?;
        let common = self.common.checked_sub(1)?;
        let het = self.het + 2;
        let ratio = 4.0 * product(self.rare, self.common) / product(het, het - 1);
        Some((Self { rare, het, common }, ratio))
    }
}

/// Exact below 2^53, correctly rounded factors above.
fn product(a: u128, b: u128) -> f64 {
    a as f64 * b as f64
}

#[cfg(test)]
mod tests {
    use super::exact_p;

    fn close(got: f64, want: f64, rel: f64) {
        assert!((got - want).abs() <= rel * want.abs(), "{got:e} is not {want:e}");
    }

    #[test]
    fn tables_without_information_have_p_one() {
        for t in [
            (0, 0, 0),
            (1, 0, 0),
            (0, 1, 0),
            (0, 0, 1),
            (17, 0, 0),
            (0, 0, 1_000_000),
            (0, 1, 999_999),
        ] {
            assert_eq!(exact_p(t.0, t.1, t.2), 1.0, "{t:?}");
        }
    }

    /// Exact rational sums (people up to a few hundred) and the recurrence with 50 digits (above), by mpmath 1.3.
    /// The zeros are 10^-343 and less.
    #[rustfmt::skip]
    const EXACT: [(u64, u64, u64, f64); 25] = [
        (4, 59, 295, 0.532_258_287_033_868),
        (1, 0, 1, 0.333_333_333_333_333_3),
        (0, 2, 0, 1.0),
        (1, 1, 1, 1.0),
        (3, 20, 77, 0.208_077_074_093_640_12),
        (16, 3, 81, 7.298_500_791_592_958e-16),
        (0, 57, 14, 1.628_984_839_327_936_4e-9),
        (10, 0, 10, 1.340_302_157_635_426_5e-6),
        (50, 0, 50, 1.114_224_180_581_451e-30),
        (55, 219, 104, 0.000_781_837_809_281_279_5),
        (5, 10, 5, 1.0),
        (104, 434, 419, 0.612_571_587_768_777_6),
        (2, 147, 808, 0.113_712_191_449_890_78),
        (500, 0, 500, 1.319_669_097_657_209_5e-301),
        (250_000, 500_000, 250_000, 1.0),
        (249_000, 502_000, 249_000, 6.387_846_944_972_004e-5),
        (250_000, 480_000, 270_000, 0.0),
        (100, 19_800, 980_100, 1.0),
        (0, 1_000, 999_000, 1.0),
        (1_000, 0, 999_000, 0.0),
        (37, 11_926, 988_037, 0.866_542_644_329_313_6),
        (625_000, 350_000, 25_000, 0.0),
        (260_000, 480_000, 260_000, 0.0),
        (255_000, 490_000, 255_000, 5.436_202_618_958_999_4e-89),
        (490, 980, 510, 0.653_269_071_536_994_9),
    ];

    #[test]
    fn equals_exact_values_up_to_a_million_people() {
        for (hom1, het, hom2, want) in EXACT {
            let rel = if hom1 + het + hom2 < 2000 { 1e-13 } else { 1e-11 };
            close(exact_p(hom1, het, hom2), want, rel);
        }
    }

    /// A homozygote excess so strong that p is subnormal keeps its magnitude instead of becoming 0.
    #[test]
    fn subnormal_p_is_not_lost() {
        let p = exact_p(528, 0, 528);
        assert!(p > 0.0 && p < f64::MIN_POSITIVE, "{p:e}");
    }

    #[test]
    fn order_of_homozygotes_does_not_matter() {
        assert_eq!(exact_p(3, 20, 77), exact_p(77, 20, 3));
    }
}
