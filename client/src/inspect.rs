//! What is in a file, as far as it can be known without a key.

mod manifests;
mod objects;

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use gwas::panel::{Panel, ReferenceStatus};
use gwas::report::read_table;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::bundle::{Bundle, CHUNKS, read_limited};
use crate::console::{Console, Unit};
use crate::keys::{Identity, PassphraseSource, Sealed, sealed};
use crate::{Error, Result};

/// What a file is.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// The file or folder.
    pub file: String,
    /// What it is: `dataset manifest`.
    pub kind: String,
    /// What is known about it, by name.
    #[serde(flatten)]
    pub facts: Map<String, Value>,
}

impl Report {
    fn new(path: &Path, kind: impl Into<String>) -> Self {
        Self { file: path.display().to_string(), kind: kind.into(), facts: Map::new() }
    }

    /// Adds a fact.
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("{}: {}", self.file, self.kind);
        for (name, value) in &self.facts {
            let value = plain(value);
            out.push_str(&format!("\n  {}: {value}", spaced(name)));
        }
        out
    }
}

/// A value as people read it: lists and records on one line.
fn plain(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "nobody".into(),
        Value::Array(items) => joined(items.iter().map(plain).collect()),
        Value::Object(fields) => {
            let field =
                |(name, value): (&String, &Value)| format!("{} {}", spaced(name), plain(value));
            joined(fields.iter().filter(|f| !f.1.is_null()).map(field).collect())
        }
        other => other.to_string(),
    }
}

fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// Says what `path` is. Of a folder with an encrypted object every chunk is checked.
///
/// # Errors
/// When the file can't be read, is not one of ours, or does not verify.
pub fn report(path: &Path, console: &Console) -> Result<Report> {
    if path.is_dir() {
        return folder(path, console);
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(64).read_to_end(&mut head))
        .map_err(Error::file("open", path))?;
    if head.starts_with(b"hegwas") {
        return objects::object(path, &head);
    }
    if head.starts_with(b"##hegwas-panel=") {
        return panel(path);
    }
    if head.starts_with(b"#CHROM\tPOS\tID\tREF\tALT\tA1\t") {
        return table(path);
    }
    if head.starts_with(b"age-encryption.org/") || head.starts_with(b"-----BEGIN AGE") {
        return age(path);
    }
    if head.starts_with(b"{") {
        return run_record(path);
    }
    Err(not_ours(path))
}

fn not_ours(path: &Path) -> Error {
    Error::input(format_args!("{} is not a file of hegwas", path.display()))
        .with_remedy("inspect takes key files, panels, manifests, chunks, tables, run records and folders of `hegwas encrypt`")
}

fn folder(path: &Path, console: &Console) -> Result<Report> {
    let bundle = Bundle::open(path)?;
    let chunks = bundle.manifest().chunks();
    let progress = console.progress("check", chunks.iter().map(|c| c.length).sum(), Unit::Bytes);
    for chunk in &chunks {
        bundle.chunk(chunk)?;
        progress.inc(chunk.length);
    }
    let checked = format!("{} in {CHUNKS}/, all as their digests say", chunks.len());
    let report =
        manifests::manifest(Report::new(path, ""), bundle.manifest()).with("chunks", checked);
    Ok(match bundle.panel_text()? {
        Some(_) => report.with("panel_file", "as its digest says"),
        None => report,
    })
}

fn panel(path: &Path) -> Result<Report> {
    let file = File::open(path).map_err(Error::file("open", path))?;
    let panel = Panel::read_text(BufReader::new(file))
        .map_err(|e| Error::corrupt(format_args!("{}: {e}", path.display())))?;
    let reference = match panel.reference_status() {
        ReferenceStatus::Provisional => "provisional (a convention of the input file)",
        ReferenceStatus::Given => "given",
    };
    Ok(Report::new(path, "variant panel")
        .with("id", panel.digest().to_string())
        .with("variants", panel.len())
        .with("build", panel.build().unwrap_or("unknown"))
        .with("reference_alleles", reference))
}

/// A table of results: how much is in it. Its rows are for `hegwas plot` and other programs.
fn table(path: &Path) -> Result<Report> {
    let file = File::open(path).map_err(Error::file("open", path))?;
    let (panel, tests) = read_table(BufReader::new(file))
        .map_err(|e| Error::corrupt(format_args!("{}: {e}", path.display())))?;
    let mut report = Report::new(path, "association table").with("variants", panel.len());
    for test in tests {
        let lambda = test.lambda.map_or_else(|| "undefined".to_owned(), |l| format!("{l:.4}"));
        let fact = format!(
            "{} variants with a result, {} genome-wide significant, lambda {lambda}",
            test.defined, test.genome_wide
        );
        report = report.with(test.test.name(), fact);
    }
    Ok(report)
}

fn age(path: &Path) -> Result<Report> {
    let bytes = read_limited(path, 64 << 10)?;
    let opener = match sealed(&bytes) {
        Sealed::Recipients => "an age identity",
        _ => "a passphrase",
    };
    Ok(Report::new(path, "age file: a key file or a backup of one").with("opens_with", opener))
}

/// An unencrypted key file: whose it is.
fn key(path: &Path) -> Result<Report> {
    // It is not sealed, so nothing is asked.
    let identity = Identity::load(path, &PassphraseSource::Terminal)?;
    Ok(Report::new(path, "unencrypted key file").with("did", identity.did().to_string()))
}

fn run_record(path: &Path) -> Result<Report> {
    let bytes = read_limited(path, 16 << 20)?;
    let record: Map<String, Value> = serde_json::from_slice(&bytes).map_err(|_| not_ours(path))?;
    if !record.contains_key("command") || !record.contains_key("versions") {
        return Err(not_ours(path));
    }
    let mut report = Report::new(path, "record of a run");
    for name in [
        "command",
        "versions",
        "encryption",
        "counts",
        "seconds",
        "bytes_uploaded",
        "cpu_seconds",
        "peak_memory",
        "peak_anonymous_memory",
        "server",
    ] {
        if let Some(value) = record.get(name).filter(|v| !v.is_null()) {
            report = report.with(name, value.clone());
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests;
