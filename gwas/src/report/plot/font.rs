//! The font of all plots: DejaVu Sans, embedded, so that a machine without fonts draws the same picture.

use std::sync::OnceLock;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

use super::PlotError;

/// Family list of SVG text, and the name under which the embedded font is registered.
pub(super) const FAMILY: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";

/// Plotters sizes a font by the distance from ascender to descender; in DejaVu Sans that is 2384 of 2048 units per em.
const HEIGHT_PER_EM: f64 = 2384.0 / 2048.0;

static REGISTERED: OnceLock<bool> = OnceLock::new();

/// Makes the font known to plotters, once per process.
pub(super) fn register() -> Result<(), PlotError> {
    let registered = REGISTERED.get_or_init(|| {
        register_font(FAMILY, FontStyle::Normal, dejavu::sans::regular()).is_ok()
            && register_font(FAMILY, FontStyle::Bold, dejavu::sans::bold()).is_ok()
    });
    if *registered { Ok(()) } else { Err(PlotError::Font) }
}

/// The font at `em` pixels per em.
pub(super) fn describe(em: f64, bold: bool) -> FontDesc<'static> {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::Name(FAMILY), em * HEIGHT_PER_EM, style)
}

/// Advance width of `text` in the unit of `em`; an estimate if the font is not registered.
pub(super) fn width(text: &str, em: f64, bold: bool) -> f64 {
    // Whole pixels come back: measure at ten times the size.
    match describe(10.0 * em, bold).layout_box(text) {
        Ok(((left, _), (right, _))) => f64::from(right - left) / 10.0,
        Err(_) => text.chars().count() as f64 * 0.6 * em,
    }
}

/// `text` without control characters, cut to `max` units with an ellipsis.
pub(super) fn fit(text: &str, em: f64, bold: bool, max: f64) -> String {
    // No glyph that matters is narrower than a fifth of an em: longer texts can't fit.
    let most = (5.0 * max / em).max(1.0) as usize;
    let mut clean: String = text.chars().filter(|c| !c.is_control()).take(most).collect();
    if width(&clean, em, bold) <= max && clean.len() == text.len() {
        return clean;
    }
    loop {
        let cut = format!("{}…", clean.trim_end());
        if clean.is_empty() || width(&cut, em, bold) <= max {
            return cut;
        }
        clean.pop();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn widths_are_those_of_dejavu_sans() {
        register().unwrap();
        // Advance widths in 2048 units per em: "0" 1303, bold "0" 1425.
        assert!((width("0000000000", 20.48, false) - 130.3).abs() < 0.2);
        assert!((width("0000000000", 20.48, true) - 142.5).abs() < 0.2);
    }

    #[test]
    fn long_and_strange_texts_are_cut() {
        register().unwrap();
        assert_eq!(fit("rs123", 11.0, false, 100.0), "rs123");
        assert_eq!(fit("a\u{7}b", 11.0, false, 100.0), "ab…");
        let long = fit(&"W".repeat(16_000), 11.0, false, 100.0);
        assert!(long.ends_with('…') && width(&long, 11.0, false) <= 100.0);
        assert_eq!(fit("WWW", 11.0, false, 0.0), "…");
    }
}
