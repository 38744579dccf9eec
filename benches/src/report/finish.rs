//! What finishing under encryption costs: its bars, its steps, and 500,000 variants.

use super::facts::Facts;
use super::tables::NOTHING;
use super::text::{number, table, thousands};
use crate::finish::costs::{Finish, Finished};

/// Variants of the projection.
const VARIANTS: u32 = 500_000;
/// Variants that the bars of the refresh are about.
const REFRESHED: u32 = 16_384;

/// The block of `docs/finishing.md`.
pub(super) fn costs(facts: &Facts) -> String {
    let circuits = [Finished::ChiSquare, Finished::Hits, Finished::StudyHits];
    let known: Vec<&Finish> = circuits.into_iter().flat_map(|c| facts.finish(c)).collect();
    if known.is_empty() {
        return NOTHING.to_owned();
    }
    let projections: Vec<String> = known.iter().map(|f| projection(f)).collect();
    format!("{}\n{}\n{}", bars(&known), steps(&known), projections.join("\n"))
}

fn name(finish: &Finish) -> &'static str {
    match finish.circuit {
        Finished::ChiSquare => "chi-square",
        Finished::Hits => "hits",
        Finished::StudyHits => "hits without references",
    }
}

/// Kernels that it was measured with.
fn engine(finish: &Finish) -> &str {
    if finish.engine.is_empty() { "not noted" } else { &finish.engine }
}

/// The server's part per 100 variants, in milliseconds of one core.
fn server(f: &Finish) -> f64 {
    f.per_hundred(f.lift.plus(f.evaluate))
}

fn bars(known: &[&Finish]) -> String {
    let mut rows = Vec::new();
    let mut bar =
        |f: &Finish, figure: &str, bar: f64, goal: Option<f64>, value: f64, unit: &str| {
            let text = |x: f64| format!("{} {unit}", number(x));
            let met = match goal {
                _ if value > bar => "**missed**",
                Some(goal) if value <= goal => "met, and the goal",
                _ => "met",
            };
            let goal = goal.map_or_else(|| "-".to_owned(), text);
            let figure = format!("{}: {figure}", name(f));
            let kernels = engine(f).to_owned();
            rows.push(vec![figure, kernels, text(bar), goal, text(value), met.to_owned()]);
        };
    for f in known {
        let (limit, goal) =
            if f.circuit == Finished::ChiSquare { (8.0, 2.0) } else { (40.0, 10.0) };
        let of_refresh = f64::from(REFRESHED) / f64::from(f.batch);
        bar(f, "server, per 100 variants", limit, Some(goal), server(f), "ms");
        let per = format!("refresh of one holder, per {} variants", thousands(REFRESHED.into()));
        bar(f, &per, 2.0, None, f.share.plus(f.mask).cpu_s * of_refresh, "s");
        bar(f, &per, 25.0, None, f.refresh_bytes as f64 * of_refresh / 1e6, "MB");
        let peak = f.peak_mib * 1.048_576e-3;
        bar(f, "peak memory, holders included", 4.0, None, peak, "GB");
    }
    table(&["figure, one core", "kernels", "bar", "goal", "measured", ""], &rows)
}

fn steps(known: &[&Finish]) -> String {
    let mut rows = Vec::new();
    let mut row = |step: &str, cell: &dyn Fn(&Finish) -> String| {
        rows.push([step.to_owned()].into_iter().chain(known.iter().map(|f| cell(f))).collect());
    };
    let ms = |f: &Finish, cost| format!("{} ms", number(f.per_hundred(cost)));
    let megabytes = |bytes: u64| format!("{} MB", number(bytes as f64 / 1e6));
    row("kernels", &|f| engine(f).to_owned());
    row("parameter set; variants in a batch", &|f| {
        format!("{}; {}", f.params, thousands(f.batch.into()))
    });
    row("holder, once: contributions to the keys", &|f| megabytes(f.contributed));
    row("server: relinearisation key in memory", &|f| megabytes(f.relin_bytes));
    row("holder: shares of the sums, masked", &|f| ms(f, f.share));
    row("holder: mask ciphertexts", &|f| ms(f, f.mask));
    row("shares and mask ciphertexts of a batch", &|f| megabytes(f.refresh_bytes));
    row("server: refreshed ciphertexts", &|f| ms(f, f.lift));
    row("server: circuit", &|f| ms(f, f.evaluate));
    row("result of a batch", &|f| megabytes(f.result_bytes));
    row("holder: release share", &|f| {
        format!("{}; {}", ms(f, f.release), megabytes(f.release_bytes))
    });
    row("reading off", &|f| ms(f, f.open));
    let columns = known.iter().map(|f| format!("{}, {} holders", name(f), f.holders));
    let head: Vec<String> = ["per 100 variants".to_owned()].into_iter().chain(columns).collect();
    table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows)
}

fn projection(f: &Finish) -> String {
    let batches = VARIANTS.div_ceil(f.batch);
    let each = f.lift.plus(f.evaluate).cpu_s;
    let own = f.share.plus(f.mask).plus(f.release).cpu_s;
    let bytes = (f.refresh_bytes + f.release_bytes) as f64 * f64::from(batches);
    format!(
        "{} variants, {} (kernels {}): {} batches of {}. Server: {batches} x {} s = {} s of one core. Each holder: {batches} x {} s = {} s of one core, {} MB.",
        thousands(VARIANTS.into()),
        name(f),
        engine(f),
        batches,
        thousands(f.batch.into()),
        number(each),
        number(each * f64::from(batches)),
        number(own),
        number(own * f64::from(batches)),
        number(bytes / 1e6),
    )
}
