//! The comparison as one self-contained page: no scripts, no fonts, nothing fetched.

use std::fmt::Write as _;

use super::comparison::{
    COST_HEAD, Entry, TRACE_HEAD, abouts, cost_row, entries, machine, main_shape, shapes,
    trace_rows,
};
use super::contrast;
use super::facts::Facts;
use super::text::{number, shape};
use crate::scheme::Regime;

const STYLE: &str = "
:root { color-scheme: light; }
body { font: 16px/1.55 'DejaVu Sans', Verdana, sans-serif; color: #222; background: #fff; max-width: 1240px; margin: 3rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.9rem; margin: 0 0 .4rem; } h2 { font-size: 1.25rem; margin: 3rem 0 .6rem; } h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
.lead { font-size: 1.05rem; color: #444; max-width: 46rem; } .small { font-size: .82rem; color: #555; }
.tiles { display: flex; flex-wrap: wrap; gap: 1rem; margin: 1.6rem 0; }
.tile { flex: 1 1 13rem; border-top: 3px solid #0072b2; background: #f6f8fa; padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.55rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .8rem; width: 100%; }
th, td { text-align: right; padding: .32rem .5rem; border-bottom: 1px solid #e4e4e4; white-space: nowrap; }
th { font-weight: normal; color: #555; vertical-align: bottom; white-space: normal; } th:first-child, td:first-child { text-align: left; }
tr.ours td { background: #eef5fa; } .facts td { white-space: normal; text-align: left; vertical-align: top; } .facts th { text-align: left; }
svg { max-width: 100%; height: auto; } .plots { display: grid; gap: 1.5rem 2rem; grid-template-columns: repeat(auto-fit, minmax(34rem, 1fr)); align-items: end; }
tr.group td { color: #555; padding-top: .9rem; font-style: italic; }
";

/// The page.
pub(super) fn page(facts: &Facts) -> String {
    let entries = entries(facts);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>One GWAS workload, several encryption schemes</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>One GWAS workload, several encryption schemes</h1>\n<p class=\"lead\">Encrypted genotypes and an encrypted phenotype go in, \
         allele counts and their chi-square come out. Every scheme gets the same people and variants on the same core, and every answer is \
         held against an oracle in the clear.</p>\n"
    );
    if main_shape(&entries).is_none() {
        out.push_str("<p>No record yet.</p>\n</body>\n</html>\n");
        return out;
    }
    for line in machine(facts).lines() {
        let line = escape(line.trim_start_matches("- ")).replace("**", "").replace('`', "");
        let _ = writeln!(out, "<p class=\"small\">{line}</p>");
    }
    tiles(&mut out, &entries);
    let _ = writeln!(out, "<div class=\"plots\">");
    for draw in [contrast::bars, contrast::bytes, contrast::people, contrast::variants] {
        let _ = writeln!(out, "<div>{}</div>", draw(facts).trim());
    }
    let _ = writeln!(
        out,
        "</div>\n<h2>Costs</h2>\n<p class=\"small\">Nanoseconds and bytes are for each genotype; times are medians of all \
         rounds, processor time of all threads. \"Spread\" is from the fastest to the slowest round of the server's part. Memory is \
         beyond what the genotypes take. \"Bits left\" is what lies between noise and a wrong result. * measured on a part of the shape \
         and scaled by the number of ciphertexts.</p>"
    );
    for asked in shapes(&entries) {
        let _ = writeln!(out, "<h3>{}</h3>", shape(asked.people, asked.variants));
        let mut rows = Vec::new();
        for regime in Regime::ALL {
            let here = entries.iter().filter(|e| e.asked == asked && e.regime() == regime);
            let here = here.map(|e| (kind(e.name()), cost_row(e))).collect::<Vec<_>>();
            if !here.is_empty() {
                rows.push((Row::Group, vec![regime.name().to_owned()]));
                rows.extend(here);
            }
        }
        table(&mut out, "", &COST_HEAD, &rows);
    }
    out.push_str("<h2>Schemes</h2>\n");
    let said = abouts(&entries).into_iter().map(|a| {
        let cells = [&a.title, &a.library, &a.security, &a.readers, &a.evaluation_keys, &a.layout];
        (kind(&a.name), cells.map(String::clone).to_vec())
    });
    let head =
        ["", "library", "security", "who can decrypt", "needs evaluation keys for", "layout"];
    table(&mut out, "facts", &head, &said.collect::<Vec<_>>());
    out.push_str(
        "<h2>Records</h2>\n<p class=\"small\">Every figure above comes from lines of <code>benches/records/trial.jsonl</code>, one line for \
         each trial.</p>\n",
    );
    let rows: Vec<_> = trace_rows(&entries).into_iter().map(|row| (Row::Other, row)).collect();
    table(&mut out, "facts", &TRACE_HEAD, &rows);
    out.push_str("</body>\n</html>\n");
    out
}

/// The shortest answers: the server's time of ours, and of the best of the others in its regime.
fn tiles(out: &mut String, entries: &[Entry<'_>]) {
    let Some(main) = main_shape(entries) else { return };
    let here: Vec<&Entry<'_>> = entries
        .iter()
        .filter(|e| e.asked == main && e.regime() == Regime::ServerMultiplies)
        .collect();
    let Some(ours) = here.iter().find(|e| e.name().starts_with("hegwas-")) else { return };
    let own = ours.server_ns().median;
    let mut tiles = vec![(
        format!("{} ns", number(own)),
        "of one core for each genotype on the server, encrypted phenotype".to_owned(),
    )];
    for other in here.iter().filter(|e| !e.name().starts_with("hegwas-")) {
        let mark = if other.extrapolated() { " *" } else { "" };
        let factor = other.server_ns().median / own;
        tiles.push((
            format!("{} x{mark}", number(factor)),
            format!("{}, as many times ours", other.title()),
        ));
    }
    out.push_str("<div class=\"tiles\">\n");
    for (figure, text) in tiles {
        let _ =
            writeln!(out, "<div class=\"tile\"><b>{}</b>{}</div>", escape(&figure), escape(&text));
    }
    out.push_str("</div>\n");
}

/// What a row of a table is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    /// One of ours.
    Ours,
    /// Another scheme.
    Other,
    /// A heading across the table.
    Group,
}

fn kind(name: &str) -> Row {
    if name.starts_with("hegwas-") { Row::Ours } else { Row::Other }
}

fn table(out: &mut String, class: &str, head: &[&str], rows: &[(Row, Vec<String>)]) {
    let _ = write!(out, "<div class=\"scroll\"><table class=\"{class}\"><tr>");
    head.iter().for_each(|cell| {
        let _ = write!(out, "<th>{}</th>", escape(cell));
    });
    out.push_str("</tr>\n");
    for (kind, row) in rows {
        let (class, across) = match kind {
            Row::Ours => (" class=\"ours\"", String::new()),
            Row::Other => ("", String::new()),
            Row::Group => (" class=\"group\"", format!(" colspan=\"{}\"", head.len())),
        };
        let _ = write!(out, "<tr{class}>");
        row.iter().for_each(|cell| {
            let _ = write!(out, "<td{across}>{}</td>", escape(cell));
        });
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
