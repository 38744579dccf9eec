#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::*;
use crate::panel::Variant;

const CAPTION: Caption<'static> = Caption {
    title: "trait <A> & \"B\"",
    test: "Allelic test",
    cases: 1_790,
    controls: 179,
    lambda: Some(1.0342),
};

fn panel(count: u32, chromosomes: u32) -> Panel {
    let mut panel = Panel::default();
    for i in 0..count {
        let chrom = (i * chromosomes / count + 1).to_string();
        let id = format!("rs{i}");
        let v =
            Variant { chrom: &chrom, pos: 1 + i * 997, id: &id, reference: "A", alternate: "C" };
        panel.push(v).unwrap();
    }
    panel
}

fn points(values: impl IntoIterator<Item = f32>) -> Vec<Point> {
    (0..).zip(values).map(|(variant, neg_log10_p)| Point { variant, neg_log10_p }).collect()
}

fn svg(panel: &Panel, points: &[Point]) -> [String; 2] {
    [
        String::from_utf8(manhattan(panel, points, &CAPTION, Image::Svg).unwrap()).unwrap(),
        String::from_utf8(qq(points, &CAPTION, Image::Svg).unwrap()).unwrap(),
    ]
}

/// Chance p-values of `count` variants: i / count in a scrambled order.
fn null(count: u32) -> Vec<Point> {
    points((0..count).map(|i| {
        let rank = (u64::from(i) * 7_919) % u64::from(count);
        -((rank as f64 + 0.5) / f64::from(count)).log10() as f32
    }))
}

#[test]
fn degenerate_inputs_make_whole_plots() {
    let panel = panel(5, 1);
    for values in [
        vec![],
        vec![0.0],
        vec![3.5],
        vec![f32::NAN, f32::INFINITY],
        vec![0.0, 0.0, 0.0],
        vec![320.0, 1e30, f32::MAX, 0.1],
        vec![1.0, 1.0, 1.0, 1.0, 1.0, 9.0, 9.0], // two points past the panel's end
    ] {
        let points = points(values.iter().copied());
        for text in svg(&panel, &points) {
            assert!(text.starts_with("<svg") && text.ends_with("</svg>\n"));
            assert!(!text.contains("NaN") && !text.contains("inf"), "{values:?}");
            assert!(text.contains("trait &lt;A&gt; &amp; &quot;B&quot;"));
        }
        assert!(manhattan(&panel, &points, &CAPTION, Image::Png).unwrap().starts_with(b"\x89PNG"));
        assert!(qq(&points, &CAPTION, Image::Png).unwrap().starts_with(b"\x89PNG"));
    }
    let [text, _] = svg(&Panel::default(), &[]);
    assert!(text.contains("No variant has a defined p-value"));
}

#[test]
fn the_words_are_there() {
    let [manhattan, qq] = svg(&panel(400, 22), &null(400));
    for word in
        ["1,790 cases, 179 controls", "λ = 1.034", "5 × 10⁻⁸", "1 × 10⁻⁵", "Chromosome", ">22<"]
    {
        assert!(manhattan.contains(word), "{word}");
    }
    for word in ["λ = 1.034", "expected by chance, 95 % band", "Observed −log₁₀ P", "400 variants"]
    {
        assert!(qq.contains(word), "{word}");
    }
    let [one, _] = svg(&panel(400, 1), &null(400));
    assert!(one.contains("Position on chromosome 1 (Mb)"));
}

#[test]
fn a_million_variants_stay_below_two_megabytes_with_every_hit_drawn() {
    let count = 1_000_000;
    let mut cloud = null(count);
    for (i, point) in cloud.iter_mut().step_by(100).enumerate() {
        point.neg_log10_p = 3.0 + (i % 97) as f32 * 0.05; // ten thousand points above the limit
    }
    let mut panel = Panel::default();
    for i in 0..count {
        let chrom = if i < count / 2 { "1" } else { "2" };
        let v = Variant { chrom, pos: i * 199, id: ".", reference: "A", alternate: "C" };
        panel.push(v).unwrap();
    }
    let [manhattan, qq] = svg(&panel, &cloud);
    for text in [&manhattan, &qq] {
        assert!(text.len() < 2_000_000, "{}", text.len());
    }
    // One stroke a dot. Ten thousand forced hits and the chance ones above 3 (a thousand, less what was overwritten) stay.
    let dots = manhattan.matches("h0").count();
    assert!(dots > 10_900, "{dots}");
}

#[test]
fn numbers_are_grouped() {
    let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
    cases.iter().for_each(|&(n, want)| assert_eq!(thousands(n), want));
}
