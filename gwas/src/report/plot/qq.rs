//! The QQ plot: observed -log10 p against what chance would give.

use super::axis::Scale;
use super::frame;
use super::labels::Area;
use super::surface::{BAND, CHROMOSOMES, GREY, Pen, Surface, Text, WHITE, Xy};
use super::thin::Thinner;
use super::{Caption, Point, font, thousands};

/// Width and height in logical units (1/96 inch).
pub(super) const SIZE: (u32, u32) = (600, 620);
const AREA: Area = Area { left: 66.0, top: 74.0, right: 576.0, bottom: 564.0 };

pub(super) fn draw(on: &mut dyn Surface, points: &[Point], caption: &Caption<'_>) {
    let mut observed: Vec<f32> =
        points.iter().map(|p| p.neg_log10_p).filter(|y| y.is_finite()).collect();
    observed.sort_unstable_by(|a, b| b.total_cmp(a));
    let count = observed.len();
    let noun = if count == 1 { "variant" } else { "variants" };
    let subtitle = format!(
        "{}  ·  {}  ·  {} {noun}",
        caption.test,
        frame::people(caption),
        thousands(count as u64)
    );
    frame::header(on, SIZE, AREA.left, caption, &subtitle);

    let widest = expected(1, count.max(1));
    let band = band(count);
    let top = band.iter().map(|b| b.2).fold(widest, f64::max);
    let highest = observed.first().map_or(0.0, |&y| f64::from(y));
    let x = Scale { values: (0.0, f64::max(1.0, widest * 1.05)), units: (AREA.left, AREA.right) };
    let y = Scale {
        values: (0.0, f64::max(1.0, f64::max(top, highest) * 1.05)),
        units: (AREA.bottom, AREA.top),
    };

    let upper = band.iter().map(|b| (x.at(b.0), y.at(b.2)));
    let lower = band.iter().rev().map(|b| (x.at(b.0), y.at(b.1)));
    let outline: Vec<Xy> = upper.chain(lower).collect();
    if outline.len() > 3 {
        on.polygon(&outline, BAND);
    }
    frame::y_axis(on, &AREA, y, "Observed −log₁₀ P");
    frame::x_ticks(on, &AREA, x, true);
    frame::x_axis(on, &AREA, "Expected −log₁₀ P");
    let end = f64::min(x.values.1, y.values.1);
    on.line((x.at(0.0), y.at(0.0)), (x.at(end), y.at(end)), Pen::solid(GREY, 1.0));

    legend(on, caption);

    let mut thinner = Thinner::new(1.0);
    let mut dots: Vec<Xy> = Vec::new();
    for (rank, &value) in (1..).zip(&observed) {
        let value = f64::from(value);
        let at = (x.at(expected(rank, count)), y.at(value));
        if thinner.keep(value, at) {
            dots.push(at);
        }
    }
    on.dots(&dots, 2.25, CHROMOSOMES[0]);
    if count == 0 {
        frame::empty(on, &AREA);
    }
}

fn legend(on: &mut dyn Surface, caption: &Caption<'_>) {
    let left = AREA.left + 16.0;
    let text = "expected by chance, 95 % band";
    let right = left + 26.0 + font::width(text, 11.0, false);
    on.rect((left - 6.0, AREA.top + 4.0), (right, AREA.top + 50.0), WHITE);
    if let Some(lambda) = frame::lambda(caption) {
        on.text(&Text::new(&lambda, (left, AREA.top + 22.0), 15.0).bold());
    }
    on.rect((left, AREA.top + 34.0), (left + 14.0, AREA.top + 44.0), BAND);
    let at = (left + 20.0, AREA.top + 43.0);
    on.text(&Text::new(text, at, 11.0).colour(GREY));
}

/// -log10 of the median-unbiased plotting position of the `rank`-th smallest of `count` p-values.
fn expected(rank: usize, count: usize) -> f64 {
    -((rank as f64 - 0.5) / count as f64).log10()
}

/// Expected value and 95 % interval (low, high) of -log10 p at ranks evenly spread over the axis. The `rank`-th smallest
/// of `count` independent uniform p-values has a Beta(rank, count - rank + 1) distribution.
fn band(count: usize) -> Vec<(f64, f64, f64)> {
    const STEPS: u32 = 100;
    if count == 0 {
        return Vec::new();
    }
    let mut ranks: Vec<usize> = (0..=STEPS)
        .map(|i| (count as f64).powf(f64::from(i) / f64::from(STEPS)).round() as usize)
        .map(|rank| rank.clamp(1, count))
        .collect();
    ranks.dedup();
    let interval = |rank: usize| {
        let (a, b) = (rank as f64, (count - rank) as f64 + 1.0);
        (expected(rank, count), -log10_quantile(true, a, b), -log10_quantile(false, a, b))
    };
    ranks.into_iter().map(interval).collect()
}

/// log10 of the lower (`upper` false) or upper end of the middle 95 % of a Beta(a, b) distribution, a and b at least 1.
fn log10_quantile(upper: bool, a: f64, b: f64) -> f64 {
    if a.min(b) > 1000.0 {
        // Normal to well below a pixel.
        let (mean, total) = (a / (a + b), a + b);
        let sd = (mean * (1.0 - mean) / (total + 1.0)).sqrt();
        let z = 1.959_963_984_540_054;
        return (mean + if upper { z * sd } else { -z * sd }).log10();
    }
    let p = if upper { 0.975 } else { 0.025 };
    let (mut low, mut high) = (-20.0, 0.0);
    for _ in 0..44 {
        let middle = f64::midpoint(low, high);
        if beta_cdf(10_f64.powf(middle), a, b) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// P(X < x) of a Beta(a, b) distribution with whole a and b: at least `a` of `a + b - 1` uniform numbers lie below `x`.
fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    let n = a + b - 1.0;
    // The shorter of the two binomial tails.
    if a <= b { 1.0 - binomial_below(a, n, x) } else { binomial_below(b, n, 1.0 - x) }
}

/// P(Bin(n, x) < k), summed from the term next to `k` away from the mean, where terms only shrink.
fn binomial_below(k: f64, n: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 1.0 } else { 0.0 };
    }
    let odds = x / (1.0 - x);
    let term = |j: f64| {
        let ln_choose = libm::lgamma(n + 1.0) - libm::lgamma(j + 1.0) - libm::lgamma(n - j + 1.0);
        (ln_choose + j * x.ln() + (n - j) * (-x).ln_1p()).exp()
    };
    let down = k - 1.0 < n * x;
    let mut j = if down { k - 1.0 } else { k };
    let (mut sum, mut next) = (0.0, if j > n { 0.0 } else { term(j) });
    while next > 1e-17 * sum {
        sum += next;
        if down {
            next *= j / (n - j + 1.0) / odds;
            j -= 1.0;
        } else {
            next *= (n - j) / (j + 1.0) * odds;
            j += 1.0;
        }
    }
    if down { sum } else { 1.0 - sum }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Beta quantiles have closed forms at the ends: x^n and 1 - (1 - x)^n.
    #[test]
    fn the_band_is_that_of_order_statistics() {
        for count in [1, 2, 10, 1000, 1_000_000, 20_000_000] {
            let band = band(count);
            let n = count as f64;
            let first = band.first().unwrap();
            let smallest = |p: f64| -(-f64::exp_m1(f64::ln_1p(-p) / n)).log10();
            assert!((first.1 - smallest(0.975)).abs() < 1e-6, "{count} {first:?}");
            assert!((first.2 - smallest(0.025)).abs() < 1e-6, "{count} {first:?}");
            let last = band.last().unwrap();
            if count > 1 {
                let largest = |p: f64| -(p.ln() / n) / std::f64::consts::LN_10;
                assert!((last.1 - largest(0.975)).abs() < 1e-6, "{count} {last:?}");
            }
            assert!(band.iter().all(|b| b.1 <= b.2 && b.1.is_finite() && b.2.is_finite()));
            let inside = band.iter().filter(|b| b.0 >= b.1 - 1e-9 && b.0 <= b.2 + 1e-9).count();
            assert!(inside + 1 >= band.len(), "{count}: {inside} of {}", band.len());
        }
    }

    /// The exact and the normal branch meet.
    #[test]
    fn the_band_is_smooth() {
        for upper in [false, true] {
            for b in [2_000.0, 1e5, 1e7] {
                let (exact, normal) =
                    (log10_quantile(upper, 1000.0, b), log10_quantile(upper, 1000.1, b));
                assert!((exact - normal).abs() < 2e-3, "{exact} {normal}");
            }
        }
        for pair in band(1_000_000).windows(2) {
            assert!(pair[0].1 >= pair[1].1 && pair[0].2 >= pair[1].2, "{pair:?}");
        }
    }

    #[test]
    fn expected_values_are_centred_ranks() {
        assert!((expected(1, 1) - std::f64::consts::LOG10_2).abs() < 1e-15);
        assert!((expected(1, 500_000) - 6.0).abs() < 1e-12);
    }
}
