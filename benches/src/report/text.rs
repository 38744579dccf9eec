//! Numbers and tables as they stand in documents.

/// Three significant digits, thousands separated: `0.0123`, `4.56`, `78.9`, `12,300`.
#[must_use]
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    // Through the scientific form, so that rounding happens once.
    let rounded: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    let magnitude = if rounded == 0.0 { 0.0 } else { rounded.abs().log10().floor() };
    let decimals = (2.0 - magnitude).clamp(0.0, 9.0) as usize;
    let text = format!("{rounded:.decimals$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(w, r)| (w, Some(r)));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), thousands);
    rest.map_or_else(|| whole.clone(), |rest| format!("{whole}.{rest}"))
}

/// `85485` as `85,485`.
#[must_use]
pub(super) fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `15,000 x 16,384`.
#[must_use]
pub(super) fn shape(people: u32, variants: u32) -> String {
    format!("{} x {}", thousands(people.into()), thousands(variants.into()))
}

/// A table: its head, then its rows. What to say without rows is the caller's business.
#[must_use]
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = line(head.iter().map(|&h| h.to_owned()).collect());
    out.push_str(&format!("|{}\n", "---|".repeat(head.len())));
    rows.iter().for_each(|row| out.push_str(&line(row.clone())));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        for (value, text) in [
            (0.0, "0.00"),
            (0.012_345, "0.0123"),
            (0.999_9, "1.00"),
            (4.561, "4.56"),
            (78.94, "78.9"),
            (999.9, "1,000"),
            (12_345.0, "12,300"),
            (f64::NAN, "-"),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(shape(15_000, 16_384), "15,000 x 16,384");
        assert_eq!(thousands(7), "7");
    }

    #[test]
    fn tables_are_markdown() {
        let row = ["1", "2"].map(str::to_owned).to_vec();
        assert_eq!(table(&["a", "b"], &[row]), "| a | b |\n|---|---|\n| 1 | 2 |\n");
    }
}
