//! Signed manifests.

use gwas::wire::{
    Bitmap, Did, KeyCommitment, Opened, PlaneKind, ShareCommitment, SharePhase, Shares,
};
use he_core::Plan;
use serde_json::Value;

use super::Report;
use crate::bundle::Manifest;

/// What a plane is called.
fn plane(kind: &PlaneKind) -> Value {
    match kind {
        PlaneKind::Dosage => "dosage",
        PlaneKind::HomAlt => "homozygous alternate",
        PlaneKind::Called => "called",
    }
    .into()
}

/// A dataset or phenotype.
pub(super) fn manifest(mut report: Report, manifest: &Manifest) -> Report {
    match manifest {
        Manifest::Dataset(opened) => {
            let m = &opened.message;
            report.kind = "encrypted dataset".into();
            let report = signed(report, &opened.id.to_string(), &m.name, &opened.signers)
                .with("people", m.rows)
                .with("variants", m.variants)
                .with("planes", m.planes.iter().map(plane).collect::<Vec<_>>())
                .with("panel", m.panel.to_string())
                .with("bytes", m.chunks.iter().map(|c| c.length).sum::<u64>());
            plan(report, &m.plan)
        }
        Manifest::Phenotype(opened) => {
            let m = &opened.message;
            report.kind = "encrypted phenotype".into();
            let report = signed(report, &opened.id.to_string(), &m.name, &opened.signers)
                .with("dataset", m.dataset.to_string())
                .with("people", m.rows)
                .with("participating", m.participating.count())
                .with("vectors", m.vectors)
                .with("bytes", m.chunks.iter().map(|c| c.length).sum::<u64>());
            plan(report, &m.plan)
        }
        Manifest::Totals(opened) => {
            let m = &opened.message;
            report.kind = "encrypted totals".into();
            signed(report, &opened.id.to_string(), &m.name, &opened.signers)
                .with("study", m.study.to_string())
                .with("people", m.people)
                .with("absent_variants", m.absent.as_ref().map_or(0, Bitmap::count))
                .with("units", m.units.len())
                .with("bytes", m.objects().map(|c| c.length).sum::<u64>())
        }
    }
}

/// A commitment to a contribution to a study's key.
pub(super) fn key_commitment(report: Report, opened: &Opened<KeyCommitment>) -> Report {
    signed(report, &opened.id.to_string(), "", &opened.signers)
        .with("study", opened.message.study.to_string())
}

/// Commitments to shares.
pub(super) fn share_commitment(report: Report, opened: &Opened<ShareCommitment>) -> Report {
    let m = &opened.message;
    signed(report, &opened.id.to_string(), "", &opened.signers)
        .with("job", m.job.to_string())
        .with("result", m.result.to_string())
        .with("phase", phase(m.phase))
        .with("commitments", m.commitments.len())
}

/// Sealed shares.
pub(super) fn shares(report: Report, opened: &Opened<Shares>) -> Report {
    let m = &opened.message;
    let recipients: Vec<Value> = m.sealed.iter().map(|s| s.recipient.to_string().into()).collect();
    signed(report, &opened.id.to_string(), "", &opened.signers)
        .with("job", m.job.to_string())
        .with("phase", phase(m.phase))
        .with("recipients", recipients)
        .with("objects", m.sealed.iter().map(|s| s.chunks.len()).sum::<usize>())
}

/// What a phase is called.
pub(super) fn phase(phase: SharePhase) -> &'static str {
    match phase {
        SharePhase::Totals => "totals",
        SharePhase::Sums => "sums",
    }
}

/// What every signed object has; its signatures have been verified.
pub(super) fn signed(report: Report, id: &str, name: &str, signers: &[Did]) -> Report {
    let report = report.with("id", id);
    let report = if name.is_empty() { report } else { report.with("name", name) };
    report.with("signed_by", signers.iter().map(|s| s.to_string().into()).collect::<Vec<Value>>())
}

/// Parameters, security and margins.
pub(super) fn plan(report: Report, plan: &Plan) -> Report {
    let (params, request) = (plan.params(), plan.request());
    let parameters = format!(
        "{}: degree {}, {} primes of 50 bits",
        params.name(),
        params.degree(),
        params.limbs()
    );
    report
        .with("parameters", parameters)
        .with("security", format!("{} bits classical", params.security_bits()))
        .with(
            "planned_for",
            format!("{} people, {} key holder(s)", request.people, request.holders),
        )
        .with(
            "noise_margin",
            format!("{:.2} bits beyond a failure probability of 2^-128", plan.margin_bits()),
        )
}
