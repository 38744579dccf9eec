//! Objects with a header of ours.

use std::path::Path;

use gwas::wire::{Envelope, EnvelopeError, GrantTerms, Job, JobResult, Study};
use he_core::Digest;
use he_core::codec::{CodecError, HEADER_LEN, Header, Kind, decode};
use serde_json::Value;

use super::manifests::{manifest, plan, signed};
use super::{Report, key};
use crate::bundle::{Manifest, read_limited};
use crate::{Error, Result};

/// An object whose file begins with `head`.
pub(super) fn object(path: &Path, head: &[u8]) -> Result<Report> {
    let bad = |e: CodecError| Error::corrupt(format_args!("{}: {e}", path.display()));
    let header = Header::parse(head).map_err(bad)?;
    if matches!(header.kind, Kind::MasterKey | Kind::HolderKey) {
        return key(path);
    }
    let bytes = read_limited(path, header.kind.limit() + HEADER_LEN as u64)?;
    Header::split(&bytes, header.kind).map_err(bad)?;
    let id = Digest::of(&bytes);
    match header.kind {
        Kind::Envelope => envelope(path, &bytes)
            .map_err(|e| Error::corrupt(format_args!("{}: {e}", path.display()))),
        Kind::JobResult => {
            let result: JobResult = decode(&bytes).map_err(bad)?;
            Ok(Report::new(path, "result manifest")
                .with("id", id.to_string())
                .with("job", result.job.to_string())
                .with("people", result.people)
                .with("units", result.units.len()))
        }
        _ => Ok(bulk(path, &header, &id, bytes.len())),
    }
}

fn envelope(path: &Path, bytes: &[u8]) -> Result<Report, EnvelopeError> {
    let seconds = |s: u64| Value::from(s);
    Ok(match Envelope::kind_of(bytes)? {
        Kind::Study => {
            let opened = Envelope::open::<Study>(bytes)?;
            let m = &opened.message;
            let report = signed(
                Report::new(path, "study"),
                &opened.id.to_string(),
                &m.name,
                &opened.signers,
            )
            .with("purpose", m.purpose.as_str())
            .with("panel", m.panel.to_string())
            .with("variants", m.variants)
            .with(
                "key_holders",
                m.key_holders.iter().map(|d| d.to_string().into()).collect::<Vec<Value>>(),
            )
            .with("fewest_people", m.min_people)
            .with("created", seconds(m.created));
            plan(report, &m.plan)
        }
        Kind::Grant => {
            let opened = Envelope::open::<GrantTerms>(bytes)?;
            let m = &opened.message;
            signed(Report::new(path, "grant"), &opened.id.to_string(), "", &opened.signers)
                .with("dataset", m.dataset.to_string())
                .with("study", m.study.to_string())
                .with("issued", seconds(m.issued))
                .with("expires", seconds(m.expires))
        }
        Kind::Job => {
            let opened = Envelope::open::<Job>(bytes)?;
            let m = &opened.message;
            signed(Report::new(path, "job"), &opened.id.to_string(), "", &opened.signers)
                .with("study", m.study.to_string())
                .with(
                    "datasets",
                    m.inputs.iter().map(|i| i.dataset.to_string().into()).collect::<Vec<Value>>(),
                )
                .with("created", seconds(m.created))
        }
        _ => manifest(Report::new(path, ""), &Manifest::parse(bytes)?),
    })
}

/// An object of packed words: its header says all that can be known.
fn bulk(path: &Path, header: &Header, id: &Digest, length: usize) -> Report {
    let names: [&str; 4] = match header.kind {
        Kind::GenotypeChunk => ["plane", "group", "row_chunk", "first_tile"],
        Kind::WeightChunk => ["vector", "", "row_chunk", "first_tile"],
        Kind::ResultUnit => ["plane", "group", "bodies", "channels"],
        Kind::DecryptionShare => ["bodies", "channels", "", ""],
        Kind::SwitchingKey => ["components", "", "", ""],
        _ => [""; 4],
    };
    let kind = header.kind.name();
    let kind = kind.strip_prefix("a ").or_else(|| kind.strip_prefix("an ")).unwrap_or(kind);
    let mut report = Report::new(path, kind).with("id", id.to_string()).with("bytes", length);
    if let Ok(params) = header.known_params() {
        report = report
            .with("parameters", params.name())
            .with("security", format!("{} bits classical", params.security_bits()))
            .with("context", header.context.iter().map(|b| format!("{b:02x}")).collect::<String>());
    }
    for (name, count) in names.into_iter().zip(header.counts).filter(|(name, _)| !name.is_empty()) {
        report = report.with(name, count);
    }
    report
}
