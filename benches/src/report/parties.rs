//! What each party of a consortium does, sends and waits for.

use std::fmt::Write as _;

use super::facts::Facts;
use super::tables::NOTHING;
use super::text::{number, table};
use crate::consortium::Consortium;

/// A table of steps for each number of key holders.
pub(super) fn consortium(facts: &Facts) -> String {
    let mut text = String::new();
    for measured in &facts.consortia {
        let Consortium { params, holders, sites, people, variants, threads, steps, .. } = measured;
        let rows: Vec<Vec<String>> = steps
            .iter()
            .map(|step| {
                let bytes = match step.bytes {
                    0 => "-".to_owned(),
                    bytes if bytes < 100_000 => format!("{} kB", number(bytes as f64 / 1e3)),
                    bytes => format!("{} MB", number(bytes as f64 / 1e6)),
                };
                let ms = number(step.wall_s * 1e3);
                vec![step.party.clone(), step.what.clone(), ms, bytes]
            })
            .collect();
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "{holders} key holders, {sites} sites, planned for {people} people: {}. A unit has {variants} variants; threads: {threads}.\n\n{}\n",
            params.name(),
            table(&["who", "does what", "ms", "sends"], &rows)
        );
    }
    if text.is_empty() { NOTHING.to_owned() } else { text.trim_end().to_owned() + "\n" }
}
