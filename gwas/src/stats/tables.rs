//! Two-by-two tables.

/// Cases with and without, controls with and without.
#[derive(Clone, Copy)]
pub(super) struct TwoByTwo {
    a: i128,
    b: i128,
    c: i128,
    d: i128,
}

impl TwoByTwo {
    pub(super) fn new(a: u64, b: u64, c: u64, d: u64) -> Self {
        let [a, b, c, d] = [a, b, c, d].map(i128::from);
        Self { a, b, c, d }
    }

    /// Pearson's chi-square `N (ad - bc)^2 / (product of margins)`; nothing if a margin is zero.
    pub(super) fn chisq(self) -> Option<f64> {
        let Self { a, b, c, d } = self;
        let margins = [a + b, c + d, a + c, b + d];
        margins.iter().all(|&m| m > 0).then(|| {
            let determinant = (a * d - b * c) as f64;
            let [m0, m1, m2, m3] = margins.map(|m| m as f64);
            (a + b + c + d) as f64 * determinant * determinant / (m0 * m1 * m2 * m3)
        })
    }

    /// `ad / bc`; nothing if the denominator is zero.
    pub(super) fn odds_ratio(self) -> Option<f64> {
        let (numerator, denominator) = (self.a * self.d, self.b * self.c);
        (denominator > 0).then(|| numerator as f64 / denominator as f64)
    }

    /// Standard error of the logarithm of the odds ratio (Woolf 1955); nothing if a cell is zero.
    pub(super) fn log_odds_ratio_se(self) -> Option<f64> {
        let Self { a, b, c, d } = self;
        let sum = || [a, b, c, d].iter().map(|&x| 1.0 / x as f64).sum::<f64>().sqrt();
        (!self.has_zero_cell()).then(sum)
    }

    pub(super) fn has_zero_cell(self) -> bool {
        [self.a, self.b, self.c, self.d].contains(&0)
    }

    /// Smallest count expected under independence; 0 for an empty table.
    pub(super) fn smallest_expected(self) -> f64 {
        let Self { a, b, c, d } = self;
        let row = (a + b).min(c + d) as f64;
        let column = (a + c).min(b + d) as f64;
        row * column / (a + b + c + d).max(1) as f64
    }
}
