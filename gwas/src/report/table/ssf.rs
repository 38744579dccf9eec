//! GWAS-SSF 1.0: a table of summary statistics with a YAML sidecar.
//!
//! Standard: Hayhurst et al., Cell Genomics 3:100384, 2023, and <https://github.com/EBISPOT/gwas-summary-statistics-standard>.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::super::number::{PValue, Shortest};
use super::super::summary::Row;
use super::Study;
use crate::panel::{Contig, Panel, ReferenceStatus, Variant};
use crate::stats::Test;

const MISSING: &str = "#NA";

/// The mandatory columns in their order, then the optional ones. `ref_allele` only where REF is known to be that.
pub(super) fn header(panel: &Panel) -> String {
    let reference = if given(panel) { "\tref_allele" } else { "" };
    format!(
        "chromosome\tbase_pair_location\teffect_allele\tother_allele\todds_ratio\tstandard_error\t\
         effect_allele_frequency\tp_value\tvariant_id\trsid{reference}\tn\tneg_log_10_p_value\n"
    )
}

fn given(panel: &Panel) -> bool {
    panel.reference_status() == ReferenceStatus::Given
}

/// GWAS-SSF's number of a chromosome: 1 to 22, X (with its pseudo-autosomal regions) 23, Y 24, mitochondrial 25.
fn chromosome(contig: Contig) -> Option<u8> {
    match contig {
        Contig::Autosome(number) => Some(number),
        Contig::X | Contig::PseudoAutosomal => Some(23),
        Contig::Y => Some(24),
        Contig::Mitochondrial => Some(25),
        Contig::Unknown => None,
    }
}

/// Appends a row, or tells that the variant has no place in the format.
pub(super) fn push(out: &mut Vec<u8>, panel: &Panel, v: &Variant<'_>, row: &Row) -> bool {
    let (Some(chromosome), 1..) = (chromosome(v.contig()), v.pos) else { return false };
    let (effect, other) = (v.alternate.to_ascii_uppercase(), v.reference.to_ascii_uppercase());
    let float = |x: Option<f64>| x.map_or_else(|| MISSING.to_owned(), |x| Shortest(x).to_string());
    let r = &row.result;
    let p = r.p.zip(r.neg_log10_p).map(|(p, neg_log10_p)| PValue { p, neg_log10_p }.to_string());
    let is_rs = v.id.strip_prefix("rs").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    // Writing to memory can't fail, so the results are dropped.
    let _ = write!(
        out,
        "{chromosome}\t{}\t{effect}\t{other}\t{}\t{}\t{}\t{}\t{}_{}_{other}_{effect}\t{}\t",
        v.pos,
        float(r.odds_ratio),
        float(r.log_or_se),
        float(row.a1_freq),
        p.as_deref().unwrap_or(MISSING),
        chromosome,
        v.pos,
        if is_rs { v.id } else { MISSING },
    );
    if given(panel) {
        out.extend_from_slice(b"OA\t");
    }
    let _ = writeln!(out, "{}\t{}", row.called, float(r.neg_log10_p));
    true
}

/// The fields of the sidecar, named as the standard names them.
#[derive(Serialize)]
struct Sidecar<'a> {
    data_file_name: String,
    file_type: &'a str,
    data_file_md5sum: &'a str,
    is_harmonised: bool,
    is_sorted: bool,
    date_metadata_last_modified: &'a str,
    genome_assembly: &'a str,
    coordinate_system: &'a str,
    trait_description: [&'a str; 1],
    effect_statistic: &'a str,
    analysis_software: &'a str,
    model: &'a str,
    case_control_study: bool,
    samples: [Samples; 1],
}

#[derive(Serialize)]
struct Samples {
    sample_size: u32,
    case_count: u32,
    control_count: u32,
}

/// The sidecar of the table at `prefix`, whose MD5 is `md5`.
pub(super) fn sidecar(
    panel: &Panel,
    study: &Study<'_>,
    test: Test,
    prefix: &Path,
    md5: &str,
) -> String {
    let name = prefix.file_name().unwrap_or_default().to_string_lossy();
    let place = |v: &Variant<'_>| (chromosome(v.contig()), v.pos);
    let sidecar = Sidecar {
        data_file_name: format!("{name}.gwas-ssf.tsv"),
        file_type: "GWAS-SSF v1.0",
        data_file_md5sum: md5,
        is_harmonised: false,
        is_sorted: panel.iter().is_sorted_by_key(|v| place(&v)),
        date_metadata_last_modified: study.date,
        genome_assembly: panel.build().unwrap_or("unknown"),
        coordinate_system: "1-based",
        trait_description: [study.phenotype],
        effect_statistic: "odds_ratio",
        analysis_software: concat!("hegwas ", env!("CARGO_PKG_VERSION")),
        model: match test {
            Test::Dominant => "dominant, chi-square",
            Test::Recessive => "recessive, chi-square",
            _ => "allelic, chi-square",
        },
        case_control_study: true,
        samples: [Samples {
            sample_size: study.people,
            case_count: study.cases,
            control_count: study.people.saturating_sub(study.cases),
        }],
    };
    // A structure of strings, numbers and booleans always serialises.
    serde_norway::to_string(&sidecar).unwrap_or_default()
}
