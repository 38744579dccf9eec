//! What a plot is drawn on: a handful of shapes in logical units, y downwards.

/// A point in logical units.
pub(super) type Xy = (f64, f64);

/// 8-bit sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Rgb(pub(super) u8, pub(super) u8, pub(super) u8);

pub(super) const WHITE: Rgb = Rgb(255, 255, 255);
pub(super) const INK: Rgb = Rgb(0x1F, 0x29, 0x33);
pub(super) const GREY: Rgb = Rgb(0x5B, 0x67, 0x73);
pub(super) const AXIS: Rgb = Rgb(0x9A, 0xA5, 0xB1);
pub(super) const GRID: Rgb = Rgb(0xEC, 0xEF, 0xF2);
pub(super) const BAND: Rgb = Rgb(0xE3, 0xE8, 0xEE);
/// Chromosomes alternate between these two.
pub(super) const CHROMOSOMES: [Rgb; 2] = [Rgb(0x1F, 0x4E, 0x79), Rgb(0x7F, 0xA3, 0xC7)];
/// Genome-wide significance, and what reaches it. Told from the blues by people with any kind of colour vision.
pub(super) const SIGNIFICANT: Rgb = Rgb(0xC8, 0x3E, 0x2B);
/// Suggestive significance.
pub(super) const SUGGESTIVE: Rgb = Rgb(0x8A, 0x95, 0xA1);

/// Which part of a text stands at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// One line of text; `at` lies on its baseline.
#[derive(Clone, Debug)]
pub(super) struct Text<'a> {
    pub(super) at: Xy,
    pub(super) text: &'a str,
    /// Units per em.
    pub(super) em: f64,
    pub(super) bold: bool,
    pub(super) colour: Rgb,
    pub(super) anchor: Anchor,
    /// Reads upwards instead of to the right.
    pub(super) upwards: bool,
}

impl<'a> Text<'a> {
    /// Ordinary text: regular, dark, starting at `at`.
    pub(super) fn new(text: &'a str, at: Xy, em: f64) -> Self {
        Self { at, text, em, bold: false, colour: INK, anchor: Anchor::Start, upwards: false }
    }

    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) fn colour(self, colour: Rgb) -> Self {
        Self { colour, ..self }
    }

    pub(super) fn anchor(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    pub(super) fn upwards(self) -> Self {
        Self { upwards: true, ..self }
    }
}

/// A line's look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pen {
    pub(super) colour: Rgb,
    pub(super) width: f64,
    pub(super) dashed: bool,
}

/// Lengths of a dash and of the gap after it.
pub(super) const DASH: (f64, f64) = (5.0, 4.0);

impl Pen {
    pub(super) const fn solid(colour: Rgb, width: f64) -> Self {
        Self { colour, width, dashed: false }
    }

    pub(super) const fn dashed(colour: Rgb, width: f64) -> Self {
        Self { colour, width, dashed: true }
    }
}

/// A drawing in progress.
pub(super) trait Surface {
    /// A filled rectangle from its upper left to its lower right corner.
    fn rect(&mut self, from: Xy, to: Xy, fill: Rgb);
    /// A straight line.
    fn line(&mut self, from: Xy, to: Xy, pen: Pen);
    /// A filled polygon.
    fn polygon(&mut self, corners: &[Xy], fill: Rgb);
    /// Filled circles of one size and colour.
    fn dots(&mut self, centres: &[Xy], radius: f64, fill: Rgb);
    /// One line of text.
    fn text(&mut self, text: &Text<'_>);
}
