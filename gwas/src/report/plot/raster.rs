//! PNG output: drawn by plotters at twice the size in each direction, averaged down, encoded.

use plotters::prelude::{BitMapBackend, DrawingBackend, RGBColor, ShapeStyle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontTransform};

use super::PlotError;
use super::font;
use super::surface::{Anchor, DASH, Pen, Rgb, Surface, Text, Xy};

/// Pixels of the image per logical unit: sharp in print at the logical size and on dense screens.
const DENSITY: u32 = 2;
/// Drawn pixels per pixel of the image, in each direction.
const OVERSAMPLE: u32 = 2;
/// Drawn pixels per logical unit.
const SCALE: f64 = (DENSITY * OVERSAMPLE) as f64;
/// Dots per metre in the file: 192 per inch, so that a logical unit is 1/96 inch, as in SVG.
const PIXELS_PER_METRE: u32 = 7559;

pub(super) struct Raster {
    size: (u32, u32),
    pixels: Vec<u8>,
    failed: Option<PlotError>,
}

impl Raster {
    /// A white drawing of `size` logical units.
    pub(super) fn new((width, height): (u32, u32)) -> Self {
        let size = (width * DENSITY * OVERSAMPLE, height * DENSITY * OVERSAMPLE);
        let bytes = 3 * size.0 as usize * size.1 as usize;
        Self { size, pixels: vec![255; bytes], failed: None }
    }

    pub(super) fn finish(self, title: &str) -> Result<Vec<u8>, PlotError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let size = (self.size.0 / OVERSAMPLE, self.size.1 / OVERSAMPLE);
        encode(&average(&self.pixels, self.size.0 as usize), size, title)
            .map_err(|e| PlotError::Png(e.to_string()))
    }

    /// Runs one drawing operation; the first failure is kept for [`Raster::finish`].
    fn draw<E: std::fmt::Display>(
        &mut self,
        operation: impl FnOnce(&mut BitMapBackend<'_>) -> Result<(), E>,
    ) {
        let mut backend = BitMapBackend::with_buffer(&mut self.pixels, self.size);
        if let Err(error) = operation(&mut backend) {
            self.failed.get_or_insert(PlotError::Draw(error.to_string()));
        }
    }
}

impl Surface for Raster {
    fn rect(&mut self, from: Xy, to: Xy, fill: Rgb) {
        // Plotters leaves out the last column and row.
        let (from, to) = (pixel(from), pixel(to));
        self.draw(|b| b.draw_rect(from, to, &colour(fill).filled(), true));
    }

    fn line(&mut self, from: Xy, to: Xy, pen: Pen) {
        let half = pen.width / 2.0;
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx.hypot(dy);
        if length <= 0.0 {
            return;
        }
        let (ux, uy) = (dx / length, dy / length);
        let (dash, gap) = if pen.dashed { DASH } else { (length, 1.0) };
        let mut start = 0.0;
        while start < length {
            let end = f64::min(start + dash, length);
            let a = (from.0 + ux * start, from.1 + uy * start);
            let b = (from.0 + ux * end, from.1 + uy * end);
            if dx == 0.0 || dy == 0.0 {
                // Square corners in either direction; crisp on the pixel grid.
                let (grow_x, grow_y) = if dx == 0.0 { (half, 0.0) } else { (0.0, half) };
                let upper = (a.0.min(b.0) - grow_x, a.1.min(b.1) - grow_y);
                let lower = (a.0.max(b.0) + grow_x, a.1.max(b.1) + grow_y);
                self.rect(upper, lower, pen.colour);
            } else {
                let (nx, ny) = (-uy * half, ux * half);
                let corners = [
                    (a.0 + nx, a.1 + ny),
                    (b.0 + nx, b.1 + ny),
                    (b.0 - nx, b.1 - ny),
                    (a.0 - nx, a.1 - ny),
                ];
                self.polygon(&corners, pen.colour);
            }
            start += dash + gap;
        }
    }

    fn polygon(&mut self, corners: &[Xy], fill: Rgb) {
        let corners: Vec<_> = corners.iter().map(|&c| pixel(c)).collect();
        self.draw(|b| b.fill_polygon(corners, &colour(fill).filled()));
    }

    fn dots(&mut self, centres: &[Xy], radius: f64, fill: Rgb) {
        let radius = (radius * SCALE).round().max(1.0) as u32;
        let style: ShapeStyle = colour(fill).filled();
        self.draw(|b| {
            centres
                .iter()
                .try_for_each(|&centre| b.draw_circle(pixel(centre), radius, &style, true))
        });
    }

    fn text(&mut self, text: &Text<'_>) {
        let h_pos = match text.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let description = font::describe(text.em * SCALE, text.bold);
        // Plotters puts the baseline half a font size below the top of its box.
        let drop = (description.get_size() / 2.0).round() as i32;
        let (x, y) = pixel(text.at);
        let (at, turn) = match text.upwards {
            true => ((x - drop, y), FontTransform::Rotate270),
            false => ((x, y - drop), FontTransform::None),
        };
        let style =
            description.transform(turn).color(&colour(text.colour)).pos(Pos::new(h_pos, VPos::Top));
        self.draw(|b| b.draw_text(text.text, &style, at));
    }
}

fn pixel((x, y): Xy) -> (i32, i32) {
    ((x * SCALE).round() as i32, (y * SCALE).round() as i32)
}

fn colour(Rgb(r, g, b): Rgb) -> RGBColor {
    RGBColor(r, g, b)
}

/// Averages squares of `OVERSAMPLE` x `OVERSAMPLE` pixels of an image `width` pixels wide.
fn average(pixels: &[u8], width: usize) -> Vec<u8> {
    let side = OVERSAMPLE as usize;
    let count = (OVERSAMPLE * OVERSAMPLE) as u16;
    let mut out = Vec::with_capacity(pixels.len() / usize::from(count));
    let mut sums = vec![[0_u16; 3]; width / side];
    for band in pixels.chunks_exact(3 * width * side) {
        sums.fill([0; 3]);
        for row in band.chunks_exact(3 * width) {
            for (sum, square) in sums.iter_mut().zip(row.chunks_exact(3 * side)) {
                for rgb in square.chunks_exact(3) {
                    sum.iter_mut().zip(rgb).for_each(|(s, &v)| *s += u16::from(v));
                }
            }
        }
        let mean = |sum: &u16| u8::try_from((sum + count / 2) / count).unwrap_or(u8::MAX);
        out.extend(sums.iter().flatten().map(mean));
    }
    out
}

/// An 8-bit RGB file.
fn encode(pixels: &[u8], size: (u32, u32), title: &str) -> Result<Vec<u8>, png::EncodingError> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Default);
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: PIXELS_PER_METRE,
        yppu: PIXELS_PER_METRE,
        unit: png::Unit::Meter,
    }));
    encoder.set_source_srgb(png::SrgbRenderingIntent::RelativeColorimetric);
    encoder.add_itxt_chunk("Title".to_owned(), title.to_owned())?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn squares_are_averaged() {
        // 4 x 2 pixels: the left square black and white in halves, the right one a single red pixel.
        let mut pixels = vec![0_u8; 24];
        pixels[..6].fill(255);
        pixels[6] = 255;
        assert_eq!(average(&pixels, 4), [128, 128, 128, 64, 0, 0]);
    }

    #[test]
    fn a_png_holds_what_was_drawn() {
        font::register().unwrap();
        let mut raster = Raster::new((10, 10));
        raster.rect((0.0, 0.0), (5.0, 10.0), Rgb(200, 0, 0));
        raster.dots(&[(500.0, -3.0)], 3.0, Rgb(0, 0, 0)); // outside: ignored
        let png = raster.finish("title").unwrap();
        let mut reader = png::Decoder::new(png.as_slice()).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (20, 20));
        let at = |x: usize, y: usize| pixels[3 * (20 * y + x)..][..3].to_vec();
        assert_eq!(at(0, 0), [200, 0, 0]);
        assert_eq!(at(9, 19), [200, 0, 0]);
        assert_eq!(at(10, 19), [255, 255, 255]);
    }

    /// The baseline of drawn text is where it was asked for: a capital stands on it and nothing of it hangs below.
    #[test]
    fn text_stands_on_its_baseline() {
        font::register().unwrap();
        let mut raster = Raster::new((40, 40));
        raster.text(&Text::new("H", (5.0, 30.0), 20.0));
        let width = 40 * DENSITY as usize;
        let pixels = average(&raster.pixels, width * OVERSAMPLE as usize);
        let inked: Vec<usize> = (0..width)
            .filter(|y| pixels[3 * width * y..][..3 * width].iter().any(|&v| v < 128))
            .collect();
        let (top, bottom) = (*inked.first().unwrap(), *inked.last().unwrap());
        // Capitals of DejaVu Sans are 0.729 em high: 29 pixels above y = 60.
        assert!(bottom.abs_diff(59) <= 1 && top.abs_diff(31) <= 1, "{top} {bottom}");
    }
}
