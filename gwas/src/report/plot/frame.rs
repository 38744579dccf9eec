//! What both plots share: title, axes, grid.

use super::axis::Scale;
use super::font;
use super::labels::Area;
use super::surface::{AXIS, Anchor, GREY, GRID, Pen, Surface, Text, WHITE};
use super::{Caption, thousands};

pub(super) const SMALL: f64 = 11.0;
const TITLE: f64 = 17.0;

/// White paper, title and subtitle.
pub(super) fn header(
    on: &mut dyn Surface,
    size: (u32, u32),
    left: f64,
    caption: &Caption<'_>,
    subtitle: &str,
) {
    let (width, height) = (f64::from(size.0), f64::from(size.1));
    on.rect((0.0, 0.0), (width, height), WHITE);
    let room = width - left - 24.0;
    let title = font::fit(caption.title, TITLE, true, room);
    on.text(&Text::new(&title, (left, 32.0), TITLE).bold());
    let subtitle = font::fit(subtitle, 12.0, false, room);
    on.text(&Text::new(&subtitle, (left, 52.0), 12.0).colour(GREY));
}

/// `179 cases, 179 controls`; nothing where the numbers are not known.
pub(super) fn people(caption: &Caption<'_>) -> String {
    if (caption.cases, caption.controls) == (0, 0) {
        return String::new();
    }
    format!(
        "{} cases, {} controls",
        thousands(u64::from(caption.cases)),
        thousands(u64::from(caption.controls))
    )
}

/// `λ = 1.034`.
pub(super) fn lambda(caption: &Caption<'_>) -> Option<String> {
    caption.lambda.filter(|l| l.is_finite()).map(|l| format!("λ = {l:.3}"))
}

/// Horizontal grid lines with their values, and the axis title.
pub(super) fn y_axis(on: &mut dyn Surface, area: &Area, scale: Scale, title: &str) {
    let (ticks, decimals) = scale.ticks(7.0);
    for tick in ticks {
        let y = scale.at(tick);
        on.line((area.left, y), (area.right, y), Pen::solid(GRID, 1.0));
        let value = format!("{tick:.decimals$}");
        on.text(
            &Text::new(&value, (area.left - 8.0, y + 0.36 * SMALL), SMALL)
                .colour(GREY)
                .anchor(Anchor::End),
        );
    }
    let middle = (area.top + area.bottom) / 2.0;
    on.text(&Text::new(title, (22.0, middle), 12.0).anchor(Anchor::Middle).upwards());
}

/// Ticks with their values below the plot; `grid` draws vertical lines too.
pub(super) fn x_ticks(on: &mut dyn Surface, area: &Area, scale: Scale, grid: bool) {
    let (ticks, decimals) = scale.ticks(8.0);
    for tick in ticks {
        let x = scale.at(tick);
        if grid {
            on.line((x, area.top), (x, area.bottom), Pen::solid(GRID, 1.0));
        }
        on.line((x, area.bottom), (x, area.bottom + 4.0), Pen::solid(AXIS, 1.0));
        let value = format!("{tick:.decimals$}");
        x_label(on, area, x, &value);
    }
}

/// One value below the x axis.
pub(super) fn x_label(on: &mut dyn Surface, area: &Area, x: f64, value: &str) {
    let at = (x, area.bottom + 8.0 + SMALL);
    on.text(&Text::new(value, at, SMALL).colour(GREY).anchor(Anchor::Middle));
}

/// The x axis itself and its title.
pub(super) fn x_axis(on: &mut dyn Surface, area: &Area, title: &str) {
    on.line((area.left, area.bottom), (area.right, area.bottom), Pen::solid(AXIS, 1.0));
    let at = ((area.left + area.right) / 2.0, area.bottom + 42.0);
    on.text(&Text::new(title, at, 12.0).anchor(Anchor::Middle));
}

/// What an empty plot says.
pub(super) fn empty(on: &mut dyn Surface, area: &Area) {
    let at = ((area.left + area.right) / 2.0, (area.top + area.bottom) / 2.0);
    let text = "No variant has a defined p-value";
    on.text(&Text::new(text, at, 13.0).colour(GREY).anchor(Anchor::Middle));
}
