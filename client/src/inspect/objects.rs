//! Objects with a header of ours.

use std::collections::BTreeSet;
use std::path::Path;

use gwas::wire::{
    Envelope, EnvelopeError, GrantTerms, Job, JobResult, KeyCommitment, ShareCommitment,
    SharePhase, Shares, Study,
};
use he_core::arith::pack::packed_len;
use he_core::codec::{CodecError, HEADER_LEN, Header, Kind, decode};
use he_core::commit::revealed_object;
use he_core::layout::TILE_BYTES;
use he_core::share::ShareRecord;
use he_core::{Digest, Params};
use serde_json::Value;

use super::manifests::{self, manifest, plan, signed};
use super::{Report, key};
use crate::bundle::{Manifest, read_limited};
use crate::shares::ShareFile;
use crate::{Error, Result};

/// Longest file of records in bytes.
const MAX_RECORDS: u64 = 1 << 30;

/// An object whose file begins with `head`.
pub(super) fn object(path: &Path, head: &[u8]) -> Result<Report> {
    let bad = |e: CodecError| Error::corrupt(format_args!("{}: {e}", path.display()));
    let header = Header::parse(head).map_err(bad)?;
    if header.kind == Kind::MasterKey {
        return key(path);
    }
    if header.kind == Kind::DecryptionShare {
        let shares = ShareFile::open(path)?;
        if shares.len() > 1 {
            return Ok(Report::new(path, "decryption shares of a result")
                .with("shares", shares.len())
                .with("parameters", header.known_params().map_err(bad)?.name()));
        }
    }
    if header.kind == Kind::ShareRecord {
        return records(path);
    }
    let bytes = read_limited(path, header.kind.limit() + HEADER_LEN as u64)?;
    Header::split(&bytes, header.kind).map_err(bad)?;
    let id = Digest::of(&bytes);
    check_name(path, &id)?;
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
        Kind::Commitment | Kind::Reveal => round(path, &header, &bytes).map_err(bad),
        Kind::SealedShare => {
            let [phase, recipient, object, _] = header.counts;
            let phase = [SharePhase::Totals, SharePhase::Sums, SharePhase::Values]
                .into_iter()
                .find(|p| p.number() == phase);
            let phase = phase.ok_or_else(|| bad(CodecError::Counts("there is no such phase")))?;
            Ok(plain(path, &header, &id)
                .with("phase", manifests::phase(phase))
                .with("recipient", recipient)
                .with("object", object))
        }
        Kind::CkksPublicShare
        | Kind::CkksRelinShare
        | Kind::CkksMaskCiphertext
        | Kind::CkksResult
        | Kind::CkksReleaseShare => {
            let params = header.params.iter().map(|b| format!("{b:02x}")).collect::<String>();
            Ok(plain(path, &header, &id).with("parameters", params))
        }
        _ => bulk(path, &header, &id).map_err(bad),
    }
}

/// What the header of an object says whatever it is.
fn plain(path: &Path, header: &Header, id: &Digest) -> Report {
    let kind = header.kind.name();
    let kind = kind.strip_prefix("a ").or_else(|| kind.strip_prefix("an ")).unwrap_or(kind);
    Report::new(path, kind)
        .with("id", id.to_string())
        .with("bytes", header.length + HEADER_LEN as u64)
        .with("context", header.context.iter().map(|b| format!("{b:02x}")).collect::<String>())
}

/// A commitment, or what it was to. What was revealed of a share stays as it is: only its header is looked at.
fn round(path: &Path, header: &Header, bytes: &[u8]) -> Result<Report, CodecError> {
    let about = match header.counts {
        [1, 0, 0, 0] => "a contribution to a key",
        [2, 0, 0, 0] => "a share",
        _ => return Err(CodecError::Counts("a round is about keys or shares")),
    };
    let report = plain(path, header, &Digest::of(bytes)).with("about", about);
    if header.kind == Kind::Commitment {
        return Ok(report);
    }
    let object = revealed_object(bytes)?;
    let inside = Header::parse(object)?;
    Header::split(object, inside.kind)?;
    Ok(report.with("reveals", inside.kind.name()))
}

/// The memory of a key holder: records, one after the other.
fn records(path: &Path) -> Result<Report> {
    let bytes = read_limited(path, MAX_RECORDS)?;
    let bad = |e: CodecError| Error::corrupt(format_args!("{}: {e}", path.display()));
    let (mut at, mut records) = (bytes.as_slice(), Vec::new());
    while !at.is_empty() {
        let header = Header::parse(at).map_err(bad)?;
        let length = HEADER_LEN + usize::try_from(header.length).unwrap_or(usize::MAX - HEADER_LEN);
        let object = at.get(..length).unwrap_or(at);
        records.push(decode::<ShareRecord>(object).map_err(bad)?);
        at = at.get(length..).unwrap_or_default();
    }
    let studies: BTreeSet<String> = records.iter().map(|r| r.study().to_string()).collect();
    let jobs: BTreeSet<String> = records.iter().map(|r| r.job().to_string()).collect();
    let ciphertexts: usize = records.iter().map(|r| r.ciphertexts().len()).sum();
    Ok(Report::new(path, "records of shares that were given")
        .with("records", records.len())
        .with("studies", studies.into_iter().collect::<Vec<_>>())
        .with("jobs", jobs.len())
        .with("ciphertexts", ciphertexts))
}

/// A chunk in a folder of `hegwas encrypt` or in a server's store has its digest for a name.
fn check_name(path: &Path, id: &Digest) -> Result<()> {
    let name = path.file_name().and_then(|name| name.to_str()?.parse::<Digest>().ok());
    if name.is_none_or(|name| name == *id) {
        return Ok(());
    }
    Err(Error::corrupt(format_args!(
        "{} is damaged: its content has the digest {id}",
        path.display()
    ))
    .with_remedy("encrypt again, or copy the file again from where it was made"))
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
            .with("fewest_people", m.limits.min_people)
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
                    m.inputs.iter().map(|i| i.subject().to_string().into()).collect::<Vec<Value>>(),
                )
                .with("created", seconds(m.created))
        }
        Kind::KeyCommitment => {
            let report = Report::new(path, "commitment to a key contribution");
            manifests::key_commitment(report, &Envelope::open::<KeyCommitment>(bytes)?)
        }
        Kind::ShareCommitment => {
            let report = Report::new(path, "commitment to shares");
            manifests::share_commitment(report, &Envelope::open::<ShareCommitment>(bytes)?)
        }
        Kind::Shares => {
            let report = Report::new(path, "sealed shares");
            manifests::shares(report, &Envelope::open::<Shares>(bytes)?)
        }
        _ => manifest(Report::new(path, ""), &Manifest::parse(bytes)?),
    })
}

/// An object of packed words: its header says all that can be known, and must fit the length.
fn bulk(path: &Path, header: &Header, id: &Digest) -> Result<Report, CodecError> {
    let names: [&str; 4] = match header.kind {
        Kind::GenotypeChunk => ["plane", "group", "row_chunk", "first_tile"],
        Kind::WeightChunk => ["vector", "", "row_chunk", "first_tile"],
        Kind::ResultUnit | Kind::EncryptedTotals => ["plane", "group", "bodies", "channels"],
        Kind::DecryptionShare => ["bodies", "channels", "", ""],
        Kind::SwitchingKey => ["components", "", "", ""],
        _ => [""; 4],
    };
    let params = header.known_params()?;
    check_length(header, params)?;
    let mut report = plain(path, header, id)
        .with("parameters", params.name())
        .with("security", format!("{} bits classical", params.security_bits()));
    // A result unit counts its contributions above its channels.
    let unit = header.kind == Kind::ResultUnit;
    let [first, second, third, fourth] = header.counts;
    let counts = [first, second, third, if unit { fourth & 0xffff } else { fourth }];
    for (name, count) in names.into_iter().zip(counts).filter(|(name, _)| !name.is_empty()) {
        report = report.with(name, count);
    }
    let further = fourth >> 16;
    if unit && further > 0 {
        report = report.with("contributions", further + 1);
    }
    Ok(report)
}

/// Polynomials are whole, and as many as the counts say. Of a chunk only its manifest knows how many rows it has.
fn check_length(header: &Header, params: Params) -> Result<(), CodecError> {
    let [first, second, third, fourth] = header.counts.map(u64::from);
    let polynomials = match header.kind {
        Kind::ResultUnit => third.saturating_mul(fourth & 0xffff).saturating_mul(2),
        Kind::EncryptedTotals => third.saturating_mul(fourth).saturating_mul(2),
        Kind::DecryptionShare => first.saturating_mul(second),
        Kind::SwitchingKey => {
            first.saturating_mul(2 * (params.limbs() * params.gadget_digits()) as u64)
        }
        Kind::PublicShare => 1,
        _ if header.length > 0 && header.length.is_multiple_of(TILE_BYTES as u64) => return Ok(()),
        _ => return Err(CodecError::Counts("a chunk consists of whole tiles")),
    };
    let polynomial = packed_len(params.words()) as u64;
    if polynomials > 0 && header.length == polynomials.saturating_mul(polynomial) {
        Ok(())
    } else {
        Err(CodecError::Counts("they announce another length"))
    }
}
