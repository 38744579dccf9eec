//! `compare A B`: what changed between two runs of the comparison beyond noise.
//!
//! A change is beyond noise when the intervals of all rounds don't overlap and the medians differ by more than 5 %.

use std::collections::BTreeSet;
use std::path::Path;

use crate::clock::median;
use crate::record::{Measured, latest};
use crate::rounds::Trial;
use crate::{Error, Result};

/// Relative difference of medians that is always called noise.
const NOISE: f64 = 0.05;
/// A figure that is compared: its name, and how it is read from a trial.
type Figure = (&'static str, fn(&Trial) -> f64);
const FIGURES: [Figure; 7] = [
    ("setup", |t| t.measured.spent(t.measured.setup)),
    ("encryption", |t| t.measured.spent(t.measured.encrypt) * t.scale().input),
    ("server", |t| t.measured.spent(t.measured.compute) * t.scale().input),
    ("decryption", |t| t.measured.spent(t.measured.decrypt) * t.scale().output),
    ("bytes of genotypes", |t| t.measured.genotype_bytes as f64 * t.scale().input),
    ("bytes of results", |t| t.measured.result_bytes as f64 * t.scale().output),
    ("server memory", |t| t.measured.server_mib),
];

/// Lines that say what changed from run `before` to run `after`: names of runs among `records`, or folders of records (of which the
/// latest run counts).
///
/// # Errors
/// When there is no such run, or the two have nothing in common.
pub fn compare(records: &Path, before: &str, after: &str) -> Result<Vec<String>> {
    let (a, b) = (load(records, before)?, load(records, after)?);
    let key = |t: &Trial| (t.measured.about.name.clone(), t.asked.to_string(), t.measured.threads);
    let keys: BTreeSet<_> = a.iter().map(key).collect();
    let (mut lines, mut same, mut compared) = (Vec::new(), 0, 0);
    for wanted in keys {
        let of = |trials: &[Trial]| -> Vec<Trial> {
            trials.iter().filter(|t| key(t) == wanted).cloned().collect()
        };
        let (old, new) = (of(&a), of(&b));
        if new.is_empty() {
            lines.push(format!("{} {}: only in {before}", wanted.0, wanted.1));
            continue;
        }
        for (name, figure) in FIGURES {
            compared += 1;
            match changed(&old, &new, figure) {
                None => same += 1,
                Some(ratio) => lines.push(format!(
                    "{} {}, threads {}: {name} {} by a factor of {:.2}",
                    wanted.0,
                    wanted.1,
                    wanted.2,
                    if ratio > 1.0 { "went up" } else { "went down" },
                    if ratio > 1.0 { ratio } else { 1.0 / ratio },
                )),
            }
        }
    }
    if compared == 0 {
        return Err(Error::Program {
            program: format!("{before} and {after}"),
            why: "have no scheme at the same shape and number of threads in common".to_owned(),
        });
    }
    lines.push(format!("{same} of {compared} figures did not change beyond noise"));
    Ok(lines)
}

/// The ratio of the medians, if it is a change.
fn changed(old: &[Trial], new: &[Trial], figure: fn(&Trial) -> f64) -> Option<f64> {
    let interval = |trials: &[Trial]| {
        let values: Vec<f64> = trials.iter().map(figure).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        (low, median(values), high)
    };
    let ((low_a, a, high_a), (low_b, b, high_b)) = (interval(old), interval(new));
    let apart = high_a < low_b || high_b < low_a;
    let ratio = b / a;
    (apart && ratio.is_finite() && (ratio - 1.0).abs() > NOISE && ratio > 0.0).then_some(ratio)
}

fn load(records: &Path, name: &str) -> Result<Vec<Trial>> {
    let folder = Path::new(name);
    let all = latest(if folder.is_dir() { folder } else { records })?;
    let trials = all.into_iter().filter_map(|record| match record.measured {
        Measured::Trial(trial) => Some(*trial),
        _ => None,
    });
    let trials: Vec<Trial> = trials.collect();
    let last = trials.last().map(|t| t.run.clone()).unwrap_or_default();
    let wanted = if folder.is_dir() { last } else { name.to_owned() };
    let found: Vec<Trial> = trials.into_iter().filter(|t| t.run == wanted).collect();
    if found.is_empty() {
        let runs = "no such run is recorded; see the names in trial.jsonl".to_owned();
        return Err(Error::Program { program: name.to_owned(), why: runs });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::machine::root;

    /// Two rounds of two schemes, made up; see `tests/data`.
    fn recorded() -> String {
        let path = root().join("benches/tests/data/trial.jsonl");
        fs::read_to_string(path).unwrap()
    }

    /// Compares the made-up run with itself under another name, altered.
    fn altered(alter: impl Fn(&mut serde_json::Value)) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let mut text = recorded();
        for line in recorded().lines() {
            let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
            let trial = &mut record["measured"]["trial"];
            trial["run"] = "later".into();
            alter(trial);
            text += &format!("{record}\n");
        }
        fs::write(folder.path().join("trial.jsonl"), text).unwrap();
        compare(folder.path(), "main", "later").unwrap()
    }

    #[test]
    fn a_change_is_said_and_noise_is_not() {
        let same = altered(|_| {});
        assert_eq!(same, ["14 of 14 figures did not change beyond noise"]);
        let server = |factor: f64| {
            altered(move |trial| {
                let spent = &mut trial["measured"]["compute"]["cpu_s"];
                *spent = (spent.as_f64().unwrap() * factor).into();
            })
        };
        // Rounds of the made-up run lie 10 % apart.
        assert_eq!(server(1.07).len(), 1);
        let up = server(2.0);
        assert_eq!(up.len(), 3, "{up:?}");
        assert!(up[0].contains("hegwas-n2048-q50 200x16384"), "{up:?}");
        assert!(up[0].contains("server went up by a factor of 2.00"), "{up:?}");
        assert!(server(0.5)[1].contains("server went down by a factor of 2.00"));
    }

    #[test]
    fn a_scheme_that_is_gone_is_named_and_nothing_in_common_refused() {
        let gone = altered(|trial| {
            if trial["measured"]["about"]["name"] == "other" {
                trial["measured"]["about"]["name"] = "new".into();
            }
        });
        assert!(gone.contains(&"other 200x16384: only in main".to_owned()), "{gone:?}");
        let folder = tempfile::tempdir().unwrap();
        assert!(compare(folder.path(), "main", "later").is_err());
    }

    #[test]
    fn folders_are_taken_by_their_latest_run() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("trial.jsonl"), recorded()).unwrap();
        let name = folder.path().to_str().unwrap();
        assert!(compare(Path::new("/nonexistent"), name, name).is_ok());
    }
}
