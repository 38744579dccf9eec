//! SVG output.
//!
//! Written here rather than by plotters: a point cloud is one `<path>` of zero-length strokes with round caps (about ten
//! bytes a point instead of a hundred), coordinates keep a decimal, and text stays text.

use std::fmt::Write as _;

use super::font::FAMILY;
use super::surface::{Anchor, DASH, Pen, Rgb, Surface, Text, Xy};

/// Steps per logical unit in point clouds.
const FINE: f64 = 10.0;

pub(super) struct Svg {
    out: String,
}

impl Svg {
    /// An empty drawing; `title` and `description` are for screen readers and tooltips.
    pub(super) fn new((width, height): (u32, u32), title: &str, description: &str) -> Self {
        let mut out = String::new();
        let (title, description) = (escape(title), escape(description));
        let _ = writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" font-family=\"{FAMILY}\">\n<title>{title}</title>\n<desc>{description}</desc>"
        );
        Self { out }
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.out.push_str("</svg>\n");
        self.out.into_bytes()
    }
}

// Writing to a `String` can't fail, so the results of `write!` are dropped.
impl Surface for Svg {
    fn rect(&mut self, from: Xy, to: Xy, fill: Rgb) {
        let (x, y, w, h) = (n(from.0), n(from.1), n(to.0 - from.0), n(to.1 - from.1));
        let _ = writeln!(
            self.out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{}\"/>",
            hex(fill)
        );
    }

    fn line(&mut self, from: Xy, to: Xy, pen: Pen) {
        let (x1, y1, x2, y2) = (n(from.0), n(from.1), n(to.0), n(to.1));
        let (colour, width) = (hex(pen.colour), n(pen.width));
        let dash = match pen.dashed {
            true => format!(" stroke-dasharray=\"{} {}\"", DASH.0, DASH.1),
            false => String::new(),
        };
        let _ = writeln!(
            self.out,
            "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"{colour}\" stroke-width=\"{width}\"{dash}/>"
        );
    }

    fn polygon(&mut self, corners: &[Xy], fill: Rgb) {
        let _ = write!(self.out, "<polygon fill=\"{}\" points=\"", hex(fill));
        for (i, corner) in corners.iter().enumerate() {
            let gap = if i == 0 { "" } else { " " };
            let _ = write!(self.out, "{gap}{},{}", n(corner.0), n(corner.1));
        }
        self.out.push_str("\"/>\n");
    }

    fn dots(&mut self, centres: &[Xy], radius: f64, fill: Rgb) {
        if centres.is_empty() {
            return;
        }
        let fine = |v: f64| (v * FINE).round() as i64;
        // Left to right, so that relative moves are short; dots on the same tenth of a unit are one dot.
        let mut grid: Vec<(i64, i64)> = centres.iter().map(|c| (fine(c.0), fine(c.1))).collect();
        grid.sort_unstable();
        grid.dedup();
        let _ = write!(
            self.out,
            "<path transform=\"scale({})\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linecap=\"round\" d=\"",
            1.0 / FINE,
            hex(fill),
            n(2.0 * radius * FINE)
        );
        let mut last = (0, 0);
        for (x, y) in grid {
            let (dx, dy) = (x - last.0, y - last.1);
            let gap = if dy < 0 { "" } else { " " };
            let _ = write!(self.out, "m{dx}{gap}{dy}h0");
            last = (x, y);
        }
        self.out.push_str("\"/>\n");
    }

    fn text(&mut self, text: &Text<'_>) {
        let (x, y) = (n(text.at.0), n(text.at.1));
        let anchor = match text.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let weight = if text.bold { " font-weight=\"bold\"" } else { "" };
        let turn = match text.upwards {
            true => format!(" transform=\"rotate(-90 {x} {y})\""),
            false => String::new(),
        };
        let (em, fill, text) = (n(text.em), hex(text.colour), escape(text.text));
        let _ = writeln!(
            self.out,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{em}\" fill=\"{fill}\"{anchor}{weight}{turn}>{text}</text>"
        );
    }
}

fn hex(Rgb(r, g, b): Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A number with at most two decimals.
fn n(value: f64) -> f64 {
    // The sum turns -0 into 0.
    (value * 100.0).round() / 100.0 + 0.0
}

/// XML text: markup escaped, characters that XML 1.0 forbids left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::surface::INK;
    use super::*;

    fn drawn(draw: impl FnOnce(&mut Svg)) -> String {
        let mut svg = Svg::new((20, 10), "t", "d");
        draw(&mut svg);
        String::from_utf8(svg.finish()).unwrap()
    }

    #[test]
    fn dots_are_one_path_sorted_and_without_repeats() {
        let svg =
            drawn(|s| s.dots(&[(2.0, 1.0), (1.0, 3.0), (2.001, 0.999), (2.0, 5.0)], 1.5, INK));
        assert!(svg.contains("stroke-width=\"30\""), "{svg}");
        assert!(svg.contains("d=\"m10 30h0m10-20h0m0 40h0\""), "{svg}");
        assert!(!drawn(|s| s.dots(&[], 1.0, INK)).contains("path"));
    }

    #[test]
    fn text_is_escaped() {
        let svg = drawn(|s| s.text(&Text::new("<script>&\"\u{0}", (1.0, 2.0), 11.0)));
        assert!(svg.contains(">&lt;script&gt;&amp;&quot;</text>"), "{svg}");
    }
}
