//! Manhattan and QQ plots, as PNG and SVG.
//!
//! Both are drawn once, on a small set of shapes (`surface`) with a backend per format. Plots show -log10 p, never p, so that
//! nothing saturates at the smallest `f64`.

mod axis;
mod font;
mod frame;
mod labels;
mod manhattan;
mod qq;
mod raster;
mod surface;
mod svg;
mod thin;

use crate::panel::Panel;
use surface::Surface;

/// -log10 of the genome-wide significance level, 5 × 10⁻⁸.
pub const GENOME_WIDE: f64 = 7.301_029_995_663_981;
/// -log10 of the suggestive level, 1 × 10⁻⁵.
pub const SUGGESTIVE: f64 = 5.0;

/// One tested variant. Values that aren't finite are not drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Index in the panel.
    pub variant: u32,
    /// -log10 of the p-value; seven digits are plenty for a picture.
    pub neg_log10_p: f32,
}

/// The words around a plot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caption<'a> {
    /// What was studied: the phenotype's name.
    pub title: &'a str,
    /// Which test: `Allelic test`.
    pub test: &'a str,
    /// Number of cases; 0, like the controls, where it is not known.
    pub cases: u32,
    /// Number of controls.
    pub controls: u32,
    /// Genomic-control lambda, if defined.
    pub lambda: Option<f64>,
}

/// File format of a plot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// 192 dots per inch.
    Png,
    /// Text as text, below 2 MB unless tens of thousands of variants lie above -log10 p = 3.
    Svg,
}

impl Image {
    /// The usual file name extension, without a dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }
}

/// Why a plot can't be drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The embedded font is unreadable: a broken build.
    #[error("the embedded plot font can't be read; reinstall the program or ask for SVG")]
    Font,
    /// Drawing failed.
    #[error("the plot can't be drawn: {0}; ask for SVG instead")]
    Draw(String),
    /// Encoding failed.
    #[error("the plot can't be encoded as PNG: {0}; ask for SVG instead")]
    Png(String),
}

/// The Manhattan plot of one test: a complete file.
///
/// Points whose variant is not in the panel are left out.
///
/// # Errors
/// When the picture can't be drawn or encoded; never because of the data.
pub fn manhattan(
    panel: &Panel,
    points: &[Point],
    caption: &Caption<'_>,
    image: Image,
) -> Result<Vec<u8>, PlotError> {
    let description = "Manhattan plot: minus log10 p of each variant along the genome";
    render(manhattan::SIZE, caption, description, image, |on| {
        manhattan::draw(on, panel, points, caption);
    })
}

/// The QQ plot of one test with its 95 % band: a complete file.
///
/// # Errors
/// When the picture can't be drawn or encoded; never because of the data.
pub fn qq(points: &[Point], caption: &Caption<'_>, image: Image) -> Result<Vec<u8>, PlotError> {
    let description = "QQ plot: observed against expected minus log10 p";
    render(qq::SIZE, caption, description, image, |on| qq::draw(on, points, caption))
}

fn render(
    size: (u32, u32),
    caption: &Caption<'_>,
    description: &str,
    image: Image,
    draw: impl FnOnce(&mut dyn Surface),
) -> Result<Vec<u8>, PlotError> {
    // SVG needs the font too, to know how wide a text is.
    font::register()?;
    match image {
        Image::Svg => {
            let mut svg = svg::Svg::new(size, caption.title, description);
            draw(&mut svg);
            Ok(svg.finish())
        }
        Image::Png => {
            let mut raster = raster::Raster::new(size);
            draw(&mut raster);
            raster.finish(caption.title)
        }
    }
}

/// `85485` as `85,485`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests;
