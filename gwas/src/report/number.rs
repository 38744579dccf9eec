//! Numbers as text.

use std::fmt;

/// A float in the shortest decimal form that reads back as the same `f64`: plain from 1e-4 to 1e16, scientific elsewhere.
#[derive(Clone, Copy)]
pub(super) struct Shortest(pub(super) f64);

impl fmt::Display for Shortest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        match size == 0.0 || (1e-4..1e16).contains(&size) {
            true => write!(f, "{}", self.0),
            false => write!(f, "{:e}", self.0),
        }
    }
}

/// A p-value. Below the smallest normal `f64` it is written from its logarithm with five digits (`1.2345e-412`), which
/// readers with a wider exponent understand and others read as 0; printing 0 would claim what no test can show.
#[derive(Clone, Copy)]
pub(super) struct PValue {
    pub(super) p: f64,
    pub(super) neg_log10_p: f64,
}

impl fmt::Display for PValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.p < f64::MIN_POSITIVE && self.neg_log10_p.is_finite() {
            true => scientific(f, self.neg_log10_p, 4),
            false => Shortest(self.p).fmt(f),
        }
    }
}

/// 10 to the minus `neg_log10`, with some decimals.
#[derive(Clone, Copy)]
pub(super) struct PowerOfTen {
    pub(super) neg_log10: f64,
    pub(super) decimals: usize,
}

impl fmt::Display for PowerOfTen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scientific(f, self.neg_log10, self.decimals)
    }
}

fn scientific(f: &mut fmt::Formatter<'_>, neg_log10: f64, decimals: usize) -> fmt::Result {
    let mut exponent = neg_log10.ceil();
    let mut mantissa = 10_f64.powf(exponent - neg_log10);
    // 9.99996 must not become 10.0000e-413.
    let half = 0.5 * 10_f64.powi(-i32::try_from(decimals).unwrap_or(0));
    if mantissa >= 10.0 - half {
        mantissa /= 10.0;
        exponent -= 1.0;
    }
    if exponent == 0.0 {
        write!(f, "{mantissa:.decimals$}")
    } else {
        write!(f, "{mantissa:.decimals$}e-{exponent:02}")
    }
}

/// C's `%.4g`: four significant digits, as in PLINK 1.9's tables.
#[derive(Clone, Copy)]
pub(super) struct FourDigits(pub(super) f64);

impl fmt::Display for FourDigits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0.0 || !self.0.is_finite() {
            return write!(f, "{}", self.0);
        }
        let text = format!("{:.3e}", self.0);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        if (-4..4).contains(&exponent) {
            let decimals = usize::try_from(3 - exponent).unwrap_or(0);
            let plain = format!("{:.decimals$}", self.0);
            return f.write_str(trimmed(&plain));
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(f, "{}e{sign}{:02}", trimmed(mantissa), exponent.unsigned_abs())
    }
}

fn trimmed(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn floats_read_back_as_themselves() {
        for x in [0.0, 1.0, 0.1, 1e-4, 9.9e-5, 1e-300, 5e-324, 1e15, 1e16, f64::MAX, 1.0 / 3.0] {
            let text = Shortest(x).to_string();
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), x.to_bits(), "{text}");
            assert!(text.len() < 25, "{text}");
        }
        assert_eq!(Shortest(174.0).to_string(), "174");
        assert_eq!(Shortest(2.5e-7).to_string(), "2.5e-7");
    }

    #[test]
    fn tiny_p_values_keep_their_size() {
        let text = |p, neg_log10_p| PValue { p, neg_log10_p }.to_string();
        assert_eq!(text(0.25, 0.602), "0.25");
        assert_eq!(text(0.0, 411.908_509_1), "1.2345e-412");
        assert_eq!(text(0.0, 400.0), "1.0000e-400");
        assert_eq!(text(0.0, 400.000_001), "1.0000e-400");
        assert_eq!(text(0.0, 399.999_999), "1.0000e-400");
        assert_eq!(text(1.0, 0.0), "1");
        let short = |neg_log10| PowerOfTen { neg_log10, decimals: 2 }.to_string();
        assert_eq!(
            [short(0.0), short(0.31), short(7.301_029_995)],
            ["1.00", "4.90e-01", "5.00e-08"]
        );
    }

    #[test]
    fn four_digits_are_c_s() {
        for (x, want) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.89334, "0.8933"),
            (0.017994, "0.01799"),
            (0.0001, "0.0001"),
            (0.00001234, "1.234e-05"),
            (9_999.6, "1e+04"),
            (1234.4, "1234"),
            (12345.0, "1.234e+04"),
            (1e-300, "1e-300"),
            (0.99996, "1"),
            (4.0730, "4.073"),
        ] {
            assert_eq!(FourDigits(x).to_string(), want);
        }
    }
}
