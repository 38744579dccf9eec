//! From files and flags to the people and variants of a study.

use std::sync::Arc;

use gwas::io::{
    BedOptions, CaseControl, Cohort, Exclusions, FamPhenotypes, GenotypeFile, RefAllele, Sample,
    Table, VcfOptions, open_bfile, open_vcf, read_extract, read_keep,
};
use gwas::qc;

use super::panel::{OnPanel, Source, Target, on_panel};
use crate::cli::common::{FilterArgs, PhenotypeArgs, ReadingArgs};
use crate::console::Console;
use crate::{Error, Result};

/// The files that genotypes come from.
pub(super) enum Files<'a> {
    /// PREFIX of .bed, .bim and .fam.
    Plink(&'a std::path::Path),
    /// A VCF, VCF.gz or BCF file.
    Vcf(&'a std::path::Path),
}

impl<'a> Files<'a> {
    /// Exactly one of the two, as the command line ensures.
    pub(super) fn of(
        bfile: Option<&'a std::path::Path>,
        vcf: Option<&'a std::path::Path>,
    ) -> Result<Self> {
        match (bfile, vcf) {
            (Some(prefix), None) => Ok(Self::Plink(prefix)),
            (None, Some(file)) => Ok(Self::Vcf(file)),
            _ => Err(Error::usage("no genotype file", "give --bfile PREFIX or --vcf FILE")),
        }
    }
}

/// What a study works with.
pub(super) struct Prepared {
    /// The people and variants that the filters left.
    pub cohort: Cohort,
    /// What was left out, and why.
    pub exclusions: Exclusions,
    /// Case status of each person of the cohort.
    pub phenotype: Option<CaseControl>,
    /// Whether a call is missing among the people who have a phenotype (all people without one), at a variant that the
    /// files have.
    pub any_missing: bool,
    /// How the cohort was aligned to a panel, if one was given; it has the same cohort.
    pub alignment: Option<OnPanel>,
}

impl Prepared {
    /// Whether the plane of calls is needed: a call is missing, or the files lack a variant of the panel.
    pub(super) fn needs_calls(&self) -> bool {
        let absent = |a: &OnPanel| a.report.absent().count() > 0;
        self.any_missing || self.alignment.as_ref().is_some_and(absent)
    }
}

/// Opens genotype files.
pub(super) fn open(
    files: &Files<'_>,
    reading: &ReadingArgs,
    threads: usize,
    console: &Console,
) -> Result<GenotypeFile> {
    let file = match files {
        Files::Plink(prefix) => {
            let ref_allele = if reading.ref_first { RefAllele::First } else { RefAllele::Last };
            let options =
                BedOptions { ref_allele, build: reading.build.clone(), strict: reading.strict };
            open_bfile(prefix, &options).map_err(Error::input)?
        }
        Files::Vcf(path) => {
            let options = VcfOptions {
                build: reading.build.clone(),
                strict: reading.strict,
                skip_multiallelic: reading.skip_multiallelic,
                threads: std::num::NonZeroUsize::new(threads)
                    .unwrap_or(std::num::NonZeroUsize::MIN),
                ..VcfOptions::default()
            };
            open_vcf(path, &options).map_err(Error::input)?
        }
    };
    if let Some(summary) = file.exclusions.summary() {
        console.note(summary);
    }
    if file.repeated_ids > 0 {
        console.note(format_args!(
            "{} variants repeat an earlier variant's id; they are kept",
            file.repeated_ids
        ));
    }
    Ok(file)
}

/// Applies `--keep`, `--extract`, the panel, the phenotype and the filters. People without a phenotype stay in the cohort, and count for the
/// filters, as in PLINK.
pub(super) fn prepare(
    file: GenotypeFile,
    filters: &FilterArgs,
    phenotype: Option<&PhenotypeArgs>,
    panel: Option<&Target<'_>>,
    console: &Console,
) -> Result<Prepared> {
    if panel.is_some() {
        filters.refuse_for_panel()?;
    }
    let GenotypeFile { genotypes, mut exclusions, phenotypes, .. } = file;
    let all: Vec<Sample> = genotypes.samples().to_vec();
    let mut cohort = Cohort::whole(Arc::clone(&genotypes));
    if let Some(path) = &filters.keep {
        let kept = read_keep(path, &all).map_err(Error::input)?;
        console.note(format_args!("--keep: {} of {} people", kept.indices.len(), all.len()));
        cohort = cohort.with_rows(&kept.indices).map_err(Error::input)?;
    }
    if let Some(path) = &filters.extract {
        let chosen = read_extract(path, cohort.panel()).map_err(Error::input)?;
        console.note(format_args!(
            "--extract: {} of {} variants",
            chosen.indices.len(),
            cohort.variant_count()
        ));
        cohort = cohort.with_variants(&chosen.indices).map_err(Error::input)?;
    }
    let alignment = match panel {
        Some(target) => Some(on_panel(&cohort, target, console)?),
        None => None,
    };
    if let Some(aligned) = &alignment {
        cohort = aligned.cohort.clone();
    }
    let samples: Vec<Sample> = cohort.samples().cloned().collect();
    let phenotype = match phenotype {
        Some(args) => {
            let of_study = panel.is_some_and(|target| matches!(target.panel, Source::Read(_)));
            Some(case_control(args, (phenotypes.as_ref(), &all), &samples, of_study)?)
        }
        None => None,
    };
    let status = phenotype.as_ref().map(|p| p.status.as_slice());
    let thresholds = qc::Thresholds {
        maf: filters.maf,
        geno: filters.geno,
        hwe: filters.hwe,
        nonfounders: filters.nonfounders,
    };
    let verdict = qc::filter(&cohort, &thresholds, status).map_err(Error::input)?;
    for line in verdict.summary() {
        console.note(line);
    }
    let any_missing = verdict.any_missing;
    for (&variant, &reason) in &verdict.removed {
        if let Some(variant) = cohort.panel().get(variant) {
            exclusions.push(variant, reason);
        }
    }
    if alignment.is_none() {
        cohort = cohort.with_variants(&verdict.kept).map_err(Error::input)?;
    }
    if cohort.variant_count() == 0 || cohort.people() == 0 {
        return Err(Error::input(format_args!(
            "{} people and {} variants are left after the filters",
            cohort.people(),
            cohort.variant_count()
        ))
        .with_remedy("loosen --keep, --extract, --maf, --geno or --hwe"));
    }
    Ok(Prepared { cohort, exclusions, phenotype, any_missing, alignment })
}

/// The phenotype of the people in `samples`; in a study of several sites, one of them may have no cases or no controls.
fn case_control(
    args: &PhenotypeArgs,
    (fam, all): (Option<&FamPhenotypes>, &[Sample]),
    samples: &[Sample],
    of_study: bool,
) -> Result<CaseControl> {
    args.refuse_covariates()?;
    let table = match (&args.pheno, fam) {
        (Some(path), _) => Table::open(path).map_err(Error::input)?,
        (None, Some(fam)) => Table::from_fam(fam, all).map_err(Error::input)?,
        (None, None) => {
            return Err(Error::usage(
                "a VCF file has no phenotype",
                "give one with --pheno FILE --pheno-name NAME",
            ));
        }
    };
    let name = args.pheno_name.as_deref();
    if of_study {
        table.case_control_part(name, samples, args.one).map_err(Error::input)
    } else {
        table.case_control(name, samples, args.one).map_err(Error::input)
    }
}
