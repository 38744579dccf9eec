//! A log-log chart as SVG: lines of measurements, and labelled points.

use std::fmt::Write as _;

use super::text::thousands;

const SIZE: (f64, f64) = (760.0, 500.0);
/// Left, top, right, bottom edge of the frame under a legend of [`LEGEND_ROWS`] rows; more rows move it down.
const FRAME: (f64, f64, f64, f64) = (76.0, 98.0, 740.0, 446.0);
const LEGEND_ROWS: usize = 2;
const LEGEND_ROW: f64 = 17.0;
const INK: &str = "#222222";
const PALE: &str = "#e4e4e4";
/// Colours that differ for colour-blind eyes too (Okabe and Ito 2008).
pub(super) const COLOURS: [&str; 9] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f",
    "#8a6d00",
];
/// Width of a character of a label, in units: for where labels end.
const CHARACTER: f64 = 5.6;
const LINE: f64 = 13.0;

/// Measurements of one kind.
pub(super) struct Series {
    pub(super) name: String,
    /// Joined by a line, in order of x.
    pub(super) points: Vec<(f64, f64)>,
    /// Not joined, open.
    pub(super) others: Vec<(f64, f64)>,
}

/// A point with a name of its own.
pub(super) struct Label {
    pub(super) text: String,
    pub(super) at: (f64, f64),
}

/// What is drawn.
pub(super) struct Chart {
    pub(super) title: &'static str,
    pub(super) x: &'static str,
    pub(super) y: &'static str,
    pub(super) series: Vec<Series>,
    pub(super) labels: Vec<Label>,
}

/// One axis: decimal logarithms of its ends, and where they are drawn.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Around all values, with a little room.
    fn new(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let logs = values.filter(|v| *v > 0.0).map(f64::log10);
        let low = logs.clone().fold(f64::INFINITY, f64::min);
        let high = logs.fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let room = 0.06 * (high - low).max(1.0);
        Self { low: low - room, high: high + room, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let share = (value.max(1e-30).log10() - self.low) / (self.high - self.low);
        self.from + share * (self.to - self.from)
    }

    /// Powers of ten, and twice and five times them where there is room, within the axis.
    fn ticks(&self) -> Vec<f64> {
        let steps: &[f64] = if self.high - self.low > 3.2 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades = (self.low.floor() as i32)..=(self.high.ceil() as i32);
        let all = decades.flat_map(|decade| steps.iter().map(move |s| s * 10f64.powi(decade)));
        all.filter(|v| (self.low..=self.high).contains(&v.log10())).collect()
    }
}

impl Chart {
    /// The chart as a complete SVG file.
    pub(super) fn draw(&self) -> String {
        let (left, top, right, bottom) = self.place();
        let every = || {
            let series = self.series.iter().flat_map(|s| s.points.iter().chain(&s.others));
            series.copied().chain(self.labels.iter().map(|l| l.at))
        };
        let x = Axis::new(every().map(|p| p.0), left, right);
        let y = Axis::new(every().map(|p| p.1), bottom, top);
        let mut out = self.frame(&x, &y);
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            draw_series(&mut out, series, colour, &x, &y);
        }
        self.legend(&mut out);
        self.draw_labels(&mut out, &x, &y);
        out.push_str("</svg>\n");
        out
    }

    /// Edges of the frame.
    fn place(&self) -> (f64, f64, f64, f64) {
        let (left, top, right, bottom) = FRAME;
        let down = self.down();
        (left, top + down, right, bottom + down)
    }

    /// How far the legend moves the frame down.
    fn down(&self) -> f64 {
        LEGEND_ROW * self.series.len().div_ceil(2).saturating_sub(LEGEND_ROWS) as f64
    }

    fn frame(&self, x: &Axis, y: &Axis) -> String {
        let ((width, height), (left, top, right, bottom)) = (SIZE, self.place());
        let height = height + self.down();
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" font-family=\"DejaVu Sans, Verdana, sans-serif\" font-size=\"11\" fill=\"{INK}\">\n\
             <title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n",
            self.title
        );
        text(&mut out, (left, 22.0), "font-size=\"14\" font-weight=\"bold\"", self.title);
        for value in x.ticks() {
            let at = x.place(value);
            line(&mut out, (at, top), (at, bottom), PALE);
            text(&mut out, (at, bottom + 16.0), "text-anchor=\"middle\"", &tick(value));
        }
        for value in y.ticks() {
            let at = y.place(value);
            line(&mut out, (left, at), (right, at), PALE);
            text(&mut out, (left - 7.0, at + 4.0), "text-anchor=\"end\"", &tick(value));
        }
        for (from, to) in [((left, bottom), (right, bottom)), ((left, top), (left, bottom))] {
            line(&mut out, from, to, INK);
        }
        text(&mut out, ((left + right) / 2.0, height - 14.0), "text-anchor=\"middle\"", self.x);
        text(&mut out, (left, top - 12.0), "", self.y);
        out
    }

    /// Names of the series above the frame, two in a row.
    fn legend(&self, out: &mut String) {
        let (left, _, right, _) = FRAME;
        for ((number, series), colour) in (0u8..).zip(&self.series).zip(COLOURS.iter().cycle()) {
            let x = left + f64::from(number % 2) * (right - left) / 2.0;
            let y = 44.0 + LEGEND_ROW * f64::from(number / 2);
            dot(out, (x + 4.0, y - 4.0), colour, true);
            text(out, (x + 14.0, y), "", &series.name);
        }
    }

    /// Labelled points as open diamonds; a label that would lie on another one or leave the frame moves.
    fn draw_labels(&self, out: &mut String, x: &Axis, y: &Axis) {
        let (_, top, right, _) = self.place();
        let mut taken: Vec<(f64, f64, f64)> = Vec::new();
        for label in &self.labels {
            let (cx, cy) = (x.place(label.at.0), y.place(label.at.1));
            let _ = writeln!(
                out,
                "<path d=\"M{:.1} {cy:.1}L{cx:.1} {:.1}L{:.1} {cy:.1}L{cx:.1} {:.1}Z\" fill=\"#ffffff\" stroke=\"{INK}\" stroke-width=\"1.4\"/>",
                cx - 5.0,
                cy - 5.0,
                cx + 5.0,
                cy + 5.0
            );
            let width = label.text.chars().count() as f64 * CHARACTER;
            let fits = cx + 10.0 + width < right + 6.0;
            let start = if fits { cx + 10.0 } else { cx - 10.0 - width };
            let free = |y: f64, taken: &[(f64, f64, f64)]| {
                taken.iter().all(|&(from, to, other)| {
                    start > to || start + width < from || (y - other).abs() >= LINE
                })
            };
            let places =
                [0.0, -LINE, LINE, -2.0 * LINE, 2.0 * LINE].map(|d| (cy + 4.0 + d).max(top + 10.0));
            let place = places.into_iter().find(|&y| free(y, &taken)).unwrap_or(cy + 4.0);
            taken.push((start, start + width, place));
            let anchor = if fits { "text-anchor=\"start\"" } else { "text-anchor=\"end\"" };
            let from = if fits { start } else { cx - 10.0 };
            text(out, (from, place), &format!("font-size=\"10\" {anchor}"), &label.text);
        }
    }
}

fn draw_series(out: &mut String, series: &Series, colour: &str, x: &Axis, y: &Axis) {
    let mut points = series.points.clone();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let places: Vec<String> =
        points.iter().map(|p| format!("{:.1},{:.1}", x.place(p.0), y.place(p.1))).collect();
    if places.len() > 1 {
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\"/>",
            places.join(" ")
        );
    }
    let mut dots = |points: &[(f64, f64)], filled| {
        points.iter().for_each(|p| dot(out, (x.place(p.0), y.place(p.1)), colour, filled));
    };
    dots(&series.others, false);
    dots(&points, true);
}

fn dot(out: &mut String, (x, y): (f64, f64), colour: &str, filled: bool) {
    let fill = if filled { colour } else { "#ffffff" };
    let _ = writeln!(
        out,
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.6\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"1.4\"/>"
    );
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let _ = writeln!(
        out,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(out: &mut String, (x, y): (f64, f64), style: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{text}</text>");
}

fn tick(value: f64) -> String {
    if value >= 1.0 {
        return if value < 1e7 { thousands(value.round() as u64) } else { format!("{value:.0e}") };
    }
    // Powers of ten carry rounding; the shortest form of what they stand for does not.
    let decimals = (-value.log10() - 1e-9).ceil() as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_within_the_axis() {
        let axis = Axis::new([3.0, 400.0].into_iter(), 0.0, 100.0);
        assert_eq!(axis.ticks(), [5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0]);
        assert!(axis.place(3.0) > 0.0 && axis.place(400.0) < 100.0);
        let wide = Axis::new([0.01, 10_000.0].into_iter(), 100.0, 0.0);
        assert_eq!(wide.ticks().len(), 7);
        assert!(wide.place(0.01) > wide.place(1.0), "upwards");
        assert_eq!(
            ["0.01", "0.2", "5", "1,000"],
            [0.01, 0.2, 5.0, 1000.0].map(tick).each_ref().map(String::as_str)
        );
    }

    #[test]
    fn a_chart_holds_its_points_and_labels() {
        let series = Series {
            name: "a < b".into(),
            points: vec![(9.0, 1.0), (2.0, 3.0)],
            others: vec![(4.0, 4.0)],
        };
        let label = |text: &str| Label { text: text.into(), at: (9.0, 3.0) };
        let labels = vec![label("one"), label("two")];
        let svg = Chart { title: "t", x: "x", y: "y", series: vec![series], labels }.draw();
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("a &lt; b"));
        assert_eq!(svg.matches("<circle").count(), 4, "three points and the legend");
        let height = |text: &str| {
            svg.lines()
                .find(|l| l.contains(text))
                .and_then(|l| l.split("y=\"").nth(1))
                .map(str::to_owned)
        };
        assert_ne!(height(">one<"), height(">two<"), "labels at one place move apart");
        assert!(
            !Chart { title: "t", x: "x", y: "y", series: vec![], labels: vec![] }
                .draw()
                .contains("NaN")
        );
    }
}
